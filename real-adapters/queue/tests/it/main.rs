//! The queue, from outside: real files, real processes, real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod callbacks;
mod crash;
mod damage;
mod delivery;
mod law;
mod nats;
mod races;
mod support;

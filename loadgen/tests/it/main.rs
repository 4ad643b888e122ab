//! The load tester against real sockets.

mod callbacks;
mod exchange;
mod probe;
mod server;

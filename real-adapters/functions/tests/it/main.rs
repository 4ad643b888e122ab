//! The functions as programs, over real sockets.

mod bw;
mod hits;
mod http;
mod plain;
mod process;

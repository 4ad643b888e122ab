//! What the gateway, the watchdog and the functions share of HTTP, on top of hyper: a server with Go's timeouts, a
//! client that keeps connections to one endpoint, the rules of forwarding, and Go's way to write durations.

pub mod body;
pub mod client;
mod endpoint;
pub mod forward;
pub mod go;
mod hearing;
mod local;
pub mod server;
mod timed;

pub use body::Body;
pub use client::{Client, ClientError, ClientOptions};
pub use endpoint::{Endpoint, Listener, NoEndpoint, OwnedSocket, Stream};
pub use local::LocalStream;
pub use server::{Drained, Limits, serve};

//! What the gateway, the watchdog and the functions share of HTTP, on top of hyper: a server with Go's timeouts, a
//! client that keeps connections to one endpoint, the rules of forwarding, and Go's way to write durations.

mod endpoint;

pub use endpoint::Endpoint;

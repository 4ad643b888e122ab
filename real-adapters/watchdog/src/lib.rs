//! An OpenFaaS-compatible watchdog: turns HTTP calls into runs of a program, or hands them to a program that speaks HTTP.
//!
//! It takes of-watchdog's environment variables and answers with its status codes, headers and timeouts; `mode=classic` is
//! the older watchdog. Where the original is plainly wrong this one is right: it is ready when the function listens, calls
//! that come before wait, lengths of bodies are kept, streams are passed on as they come, no line of a log is lost.
//!
//! | extension | meaning |
//! |---|---|
//! | `watchdog_socket=/path.sock` | listen on a Unix socket instead of `port`; there is no lock file then |
//! | `watchdog_address=127.0.0.2` | listen on this address only |
//! | `metrics_port=0` or `off` | no metrics; any other number: there |
//! | `upstream_url=unix:/path.sock` | the http function listens on a Unix socket |
//! | `stream_buffer=4096` | hold streams back as the original does |
//! | `watchdog_cgroups=/a:/b` | join these control groups at start |
//! | `watchdog_parent=PID` | end when that process ends |

mod buffer;
mod call;
mod cgi;
mod config;
mod launch;
mod log;
mod metrics;
mod oom;
mod process;
mod run;
mod serializing;
mod service;
mod spool;
mod streaming;
mod upstream;

pub use config::{Config, ConfigError, Mode, Upstream};
pub use launch::become_function_if_asked;
pub use run::{RunError, Stop, main, run};

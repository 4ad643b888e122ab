//! The load tester against servers in this process, whose own stamps are the truth.

mod accuracy;
mod callbacks;
mod closed;
mod ending;
mod exchange;
mod hostile;
mod probe;
mod schedule;
mod server;
mod target;

//! The load tester against servers in this process, whose own stamps are the truth.

mod accuracy;
mod closed;
mod ending;
mod hostile;
mod schedule;
mod target;

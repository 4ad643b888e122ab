//! The embedded provider against real processes: a stand-in watchdog that does as the test says.

mod churn;
mod crash;
mod killed;
mod lifecycle;
mod limits;
mod logs;
mod secrets;
mod support;
mod watchdog;

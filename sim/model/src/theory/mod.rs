//! What queueing theory says a run must show: closed forms and small exact chains, each with its source.
//!
//! * [`Mm1`], [`Mmc`], [`Mmck`], [`Mg1`], [`ProcessorSharing`], [`InfiniteServers`] and the Erlang functions: the
//!   standard stations.
//! * [`KeepAlive`]: replicas that are kept for a while after use, in steady state and from an empty start.
//! * [`Setup`]: servers that are switched off when idle and take time to come back.
//!
//! Rates are per second and times in seconds; the formulas hold for any unit of time used throughout. Arrivals are
//! Poisson. Every function gives `None` where no steady state exists or an argument lies outside its stated range (NaN
//! included), and never NaN. What is approximate in theory (G/G/c, overflow streams) is left out: an oracle must be
//! exact.

mod birth_death;
mod keep_alive;
mod setup;
mod stations;

pub use keep_alive::{KeepAlive, KeepAliveMeans, ZeroServiceKeepAlive};
pub use setup::{Setup, SetupMeans};
pub use stations::{
    InfiniteServers, Mg1, Mm1, Mmc, Mmck, ProcessorSharing, erlang_b, erlang_c, ordered_entry_carried_load,
};

/// `value` if it is a finite number above zero.
fn positive(value: f64) -> Option<f64> {
    (value.is_finite() && value > 0.0).then_some(value)
}

/// `value` if it is a finite number, zero or above.
fn not_negative(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// Fails unless `computed` agrees with `printed` to half a unit of the last of its `digits` decimals.
#[cfg(test)]
fn assert_digits(computed: Option<f64>, printed: f64, digits: i32) {
    let computed = computed.expect("a steady state");
    let tolerance = 0.5001 * 10f64.powi(-digits);
    assert!((computed - printed).abs() <= tolerance, "{computed} where {printed} is known to {digits} decimals");
}

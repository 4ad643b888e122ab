//! The engine against theory, other simulators and its own laws.

mod admission;
mod bounded;
mod cold_start;
mod determinism;
mod edges;
mod failures;
mod oracles;
mod play;
mod properties;
mod retries;
mod runs;
mod scaling;
mod sharing;
mod support;
mod timeouts;

use faas_lab_model::metrics::result;
use faas_lab_model::rng::Seed;
use faas_lab_sim::{RunOptions, run};

/// The shortest proof of life: a queue that waits about as long as Erlang says.
#[test]
fn four_servers_at_eighty_percent_wait_as_erlang_c_says() {
    let record = run(&support::mmc(4, 3.2, 1.0, 200_000.0), Seed(1), RunOptions::default());
    let wait = record.metrics[result::WAITING_MEAN];
    assert!((wait - 0.7455).abs() < 0.03, "{wait}");
}

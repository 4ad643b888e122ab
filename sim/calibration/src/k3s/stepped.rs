//! The stepped load with the autoscaler, predicted from its first step.

use std::path::Path;

use super::files::{DataError, pod_starts, responses, steps};
use crate::published::{HPA_SCENARIO, hpa_rows, play_hpa};
use crate::runs::{Players, mean, quantile, scenario};
use crate::verdict::Section;

pub(super) const FOLDER: &str = "hpa-4-48";

/// Seconds for which the first step ran on one replica.
const ALONE_SECS: f64 = 199.0;

/// A call's time inside the interpreter and outside of it, in seconds: from how long a lone call takes, and when the last
/// of four at once on one replica ends.
fn fit(folder: &Path, contention: f64) -> Result<(f64, f64), DataError> {
    let path = folder.join(FOLDER).join("c4.csv");
    let first = responses(&path)?;
    let mut times: Vec<f64> = first.iter().map(|response| response.secs).collect();
    times.sort_by(f64::total_cmp);
    let alone = quantile(&times, 0.01).unwrap_or(f64::NAN);
    let mut last = std::collections::BTreeMap::<u64, f64>::new();
    for response in first.iter().filter(|response| response.offset < ALONE_SECS) {
        // Batches are a second apart, and each begins some milliseconds after the whole second.
        let slowest = last.entry(response.offset as u64).or_insert(0.0);
        *slowest = slowest.max(response.secs);
    }
    let last: Vec<f64> = last.into_values().collect();
    if last.is_empty() {
        return Err(DataError::Empty { path, what: "batches before the second replica" });
    }
    let inside = (mean(&last) - alone) / (3.0 * contention);
    Ok((inside, alone - inside))
}

pub(super) fn section(folder: &Path, contention: f64, players: &Players<'_>) -> Result<Section, DataError> {
    let mut section = Section::new(
        "OpenFaaS on k3s: the autoscaler under stepped load, from raw files",
        &[
            "korvoj/k8s-distributions-iot-edge, K3s, hpa-4-48: N requests released together each second, five minutes for each \
             N, with scenarios/k3s-hpa.toml and the values told below. Percentiles must agree within 20 %, steps must lie in the \
             range of the replications, give or take 21 s; which steps have a bound was decided as told above.",
        ],
    );
    let (inside, outside) = fit(folder, contention)?;
    let starts: Vec<f64> = pod_starts(&folder.join("cold/pod-startup.csv"))?.iter().map(|start| start.secs).collect();
    let start = mean(&starts);
    section.about.push(format!(
        "A call takes {:.1} ms inside the interpreter and {:.1} ms outside of it, from the first {ALONE_SECS} s of the first \
         step; contention {contention:.3} from another function; a pod's start {start:.2} s, from its own file.",
        1000.0 * inside,
        1000.0 * outside
    ));
    let overrides = [
        format!("function.float.demand={inside}s"),
        format!("function.float.contention={contention}"),
        format!("edge.rtt={outside}s"),
        format!("function.float.cold_start.create.lognormal.median={start}s"),
    ];
    let scenario = scenario("k3s-hpa", HPA_SCENARIO, &overrides);
    let climbs = play_hpa(players, &scenario);
    let measured_steps = steps(&folder.join(FOLDER).join("replicas.csv"))?;
    let mut measured = Vec::new();
    for at_once in (4..=48).step_by(4) {
        let path = folder.join(FOLDER).join(format!("c{at_once}.csv"));
        if path.exists() {
            let mut times: Vec<f64> = responses(&path)?.iter().map(|response| response.secs).collect();
            times.sort_by(f64::total_cmp);
            let at = |share| quantile(&times, share).unwrap_or(f64::NAN);
            measured.push((at_once, [mean(&times), at(0.5), at(0.95), at(0.99)]));
        }
    }
    section.rows = hpa_rows(&climbs, &measured_steps, &measured);
    Ok(section)
}

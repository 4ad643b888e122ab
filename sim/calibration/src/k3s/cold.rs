//! Cold starts: a pod's start and a warm call, one after the other.

use std::path::Path;

use super::files::{DataError, functions, pod_starts, times};
use crate::runs::mean;
use crate::verdict::{Bound, Row, Section};

pub(super) fn section(folder: &Path) -> Result<Section, DataError> {
    let mut section = Section::new(
        "OpenFaaS on k3s: cold starts",
        &[
            "korvoj/k8s-distributions-iot-edge, K3s, 100 cold starts each. Predicted: the mean time from scheduled to ready \
             of the function's pods (whole seconds) and the mean warm response, one after the other.",
        ],
    );
    let starts = pod_starts(&folder.join("cold/pod-startup.csv"))?;
    for function in functions(&folder.join("serial"))? {
        let cold = folder.join("cold").join(format!("{function}.csv"));
        if !cold.exists() {
            continue;
        }
        let own: Vec<f64> = starts.iter().filter(|start| start.app == function).map(|start| start.secs).collect();
        let all: Vec<f64> = starts.iter().map(|start| start.secs).collect();
        let start = mean(if own.is_empty() { &all } else { &own });
        let warm = mean(&times(&folder.join("serial").join(format!("{function}.csv")))?);
        let row = Row::new(function, "mean cold response", "s").published(mean(&times(&cold)?), None);
        section.rows.push(row.simulated(start + warm).within(Bound::Share(0.1)));
    }
    Ok(section)
}

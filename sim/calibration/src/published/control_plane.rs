//! What k3s keeps of a Raspberry Pi 4 (docs.k3s.io, resource profiling, K3s v1.26.5).
//!
//! Two questions. Does a machine of the profile, left alone, show the published load? And would the profile's own factors
//! have told that load from the same page's x86 figures? The second is a test of the transfer from one machine to
//! another, on a program that no factor was made from.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::metrics::result;
use faas_lab_model::scenario::Scenario;

use crate::runs::{Players, View, mean, scenario};
use crate::verdict::{Bound, Row, Section};

/// Cores on a Pi 4B and on a Xeon Platinum 8375C, and megabytes on the Pi, by role.
const PUBLISHED: [(&str, &str, f64, f64, f64); 2] =
    [("server with one agent", "k3s-server", 0.25, 0.05, 1215.0), ("agent", "k3s-agent", 0.10, 0.03, 268.0)];

/// An idle machine in this role.
fn idle(role: &str) -> Scenario {
    let text = format!(
        "duration = \"1h\"\nreplications = 1\n\
         [[node]]\nprofile = \"raspberry-pi-4\"\nrole = \"{role}\"\n\
         [function.f]\ndemand = {{ work = \"fork\", constant = \"1ms\" }}\n\
         [[workload]]\nfunction = \"f\"\narrivals = {{ constant = \"1/d\" }}\n"
    );
    scenario(role, &text, &[])
}

/// Median and a range that holds 95 % of a class's slowdown.
fn slowdown(scenario: &Scenario, class: &str) -> (f64, f64, f64) {
    let law = scenario.nodes[0].classes.iter().find(|known| known.name == class).map(|known| known.slowdown.clone());
    match law {
        Some(Distribution::Lognormal { median, sigma }) => {
            let at = |z: f64| median * libm::exp(z * sigma);
            (at(0.0), at(-1.96), at(1.96))
        }
        Some(law) => law.mean().map_or((f64::NAN, f64::NAN, f64::NAN), |mean| (mean, mean, mean)),
        None => (f64::NAN, f64::NAN, f64::NAN),
    }
}

pub(super) fn section(players: &Players<'_>) -> Section {
    let mut section = Section::new(
        "k3s on a Raspberry Pi 4",
        &[
            "docs.k3s.io, resource profiling, K3s v1.26.5 on a Pi 4B. The load of an idle machine of the profile must be the \
             published one.",
            "As a test of the transfer between machines: the same page's load on a Xeon 8375C times the profile's factor for \
             starting processes, the nearest class to a control plane. It is shown and not judged, for that Xeon is not \
             the reference machine, and its figures are whole percents of a core.",
        ],
    );
    for (name, role, cores, xeon, megabytes) in PUBLISHED {
        let idle = idle(role);
        let busy = players.measure(&idle, View::default(), &|record| {
            record.metrics.get(result::CPU_UTILIZATION).copied().unwrap_or(f64::NAN)
        });
        let node = &idle.nodes[0];
        let case = format!("idle {name}");
        section.rows.push(
            Row::new(case.clone(), "busy cores", "")
                .published(cores, None)
                .simulated(mean(&busy) * f64::from(node.cores))
                .within(Bound::Share(0.01)),
        );
        section.rows.push(
            Row::new(case, "memory", "MB")
                .published(megabytes, None)
                .simulated(node.reserved_memory.0 as f64 / 1e6)
                .within(Bound::Share(0.01)),
        );
        let (median, low, high) = slowdown(&idle, "fork");
        let row = Row::new(format!("{name}, from x86"), "busy cores", "").published(cores, None);
        section.rows.push(Row { half_width: Some(xeon * (high - low) / 2.0), ..row.simulated(xeon * median) });
    }
    section
}

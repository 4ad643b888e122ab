//! The published cases that the project carries.

mod control_plane;
mod hpa;
mod lambda;
mod printr;
pub mod simfaas;

use crate::runs::Players;
use crate::verdict::Section;

pub(crate) use hpa::{SCENARIO as HPA_SCENARIO, play as play_hpa, rows as hpa_rows};

/// Plays all of them, in the order in which they are shown.
pub fn all(players: &Players<'_>) -> Vec<Section> {
    let mut sections = quick(players);
    sections.extend(lambda_rates(players));
    sections.extend([stepped_load(players), simfaas::section(players)]);
    sections
}

/// Those that take no time worth speaking of: a cut answer and the control plane on a Raspberry Pi 4.
pub fn quick(players: &Players<'_>) -> Vec<Section> {
    vec![printr::section(players), control_plane::section(players)]
}

/// AWS Lambda at twenty rates: by the usual rule, and as calibrated.
pub fn lambda_rates(players: &Players<'_>) -> [Section; 2] {
    lambda::sections(players)
}

/// The autoscaler on k3s under stepped load.
pub fn stepped_load(players: &Players<'_>) -> Section {
    hpa::section(players)
}

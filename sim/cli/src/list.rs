//! `faas-lab profiles` and `faas-lab policies`: what a scenario can name.

use std::fmt::Display;

use faas_lab_model::policies::listings;
use faas_lab_model::scenario;

use crate::failure::{Failure, Outcome};
use crate::terminal;

pub(crate) fn profiles() -> Result<Outcome, Failure> {
    let group = |key: &str, rows: Vec<(&str, String)>| {
        let indented: Vec<_> = rows.into_iter().map(|(name, about)| (format!("  {name}"), about)).collect();
        format!("{key}\n{}", table(&indented))
    };
    let machines = group("node.NAME.profile", scenario::profiles());
    let prices = group("prices.cloud", scenario::price_lists());
    terminal::print(&format!("{machines}\n{prices}"))?;
    Ok(Outcome::Done)
}

/// Grouped by the key that they are values of.
pub(crate) fn policies() -> Result<Outcome, Failure> {
    let listings = listings();
    let mut keys: Vec<&str> = Vec::new();
    for listing in &listings {
        if !keys.contains(&listing.key) {
            keys.push(listing.key);
        }
    }
    let group = |key: &&str| {
        let rows: Vec<(String, String)> = listings
            .iter()
            .filter(|listing| listing.key == *key)
            .map(|listing| (format!("  {}", listing.name), listing.about.to_owned()))
            .collect();
        format!("{key}\n{}", table(&rows))
    };
    terminal::print(&keys.iter().map(group).collect::<Vec<_>>().join("\n"))?;
    Ok(Outcome::Done)
}

/// Names and what they mean, in two columns.
fn table<N: Display>(rows: &[(N, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.to_string().chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, about)| format!("{name:<width$}  {about}\n")).collect()
}

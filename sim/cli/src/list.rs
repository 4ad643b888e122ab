//! `faas-lab profiles` and `faas-lab policies`: what a scenario can name.

use crate::failure::{Failure, Outcome};
use crate::{pending, terminal};

pub(crate) fn profiles() -> Result<Outcome, Failure> {
    terminal::print(&table(&pending::profiles()))?;
    Ok(Outcome::Done)
}

pub(crate) fn policies() -> Result<Outcome, Failure> {
    let mut text = String::new();
    let listings = pending::policies();
    let mut keys: Vec<&str> = Vec::new();
    for (key, _, _) in &listings {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    for key in keys {
        if !text.is_empty() {
            text.push('\n');
        }
        let rows: Vec<(String, String)> = listings
            .iter()
            .filter(|(of, _, _)| of == key)
            .map(|(_, name, about)| (format!("  {name}"), about.clone()))
            .collect();
        text.push_str(&format!("{key}\n{}", table(&rows)));
    }
    terminal::print(&text)?;
    Ok(Outcome::Done)
}

/// Names and what they mean, in two columns.
fn table(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, about)| format!("{name:<width$}  {about}\n")).collect()
}

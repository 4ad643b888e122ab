//! `faas-lab calibrate --reference`: from measurements of this machine to a profile.

use std::fs;
use std::path::Path;

use faas_lab_calibration::figure;
use faas_lab_calibration::reference::{Derived, Measured, derive, programs as all};

use super::programs;
use crate::args::CalibrateArguments;
use crate::failure::{Failure, Outcome};
use crate::terminal;

pub(super) fn run(arguments: &CalibrateArguments) -> Result<Outcome, Failure> {
    programs::pin(arguments.core)?;
    let mut measured: Vec<Measured> = Vec::new();
    for program in all() {
        match programs::run(&program, arguments.runs) {
            Ok(rates) => {
                let one = Measured { program, rates };
                let rate = one.rate().map(figure).unwrap_or_default();
                terminal::complain(&format!("{}: {rate} {} ({})", program.name, program.unit, program.likeness));
                measured.push(one);
            }
            Err(why) => terminal::complain(&format!("{}: not run: {why}", program.name)),
        }
    }
    if measured.is_empty() {
        return Err(Failure::new("none of the reference programs could be run"));
    }
    let derived = derive(&measured, &programs::machine());
    terminal::complain(&table(&derived));
    match arguments.out.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => {
            fs::write(path, &derived.profile).map_err(|error| Failure::with_path("write", path, &error))?;
        }
        None => terminal::print(&derived.profile)?,
    }
    Ok(Outcome::Done)
}

/// The factors beside the built-in profile's.
fn table(derived: &Derived) -> String {
    let mut text = format!("\n{:<10}  {:>8}  {:>6}  {:>8}  basis\n", "class", "factor", "spread", "built-in");
    for factor in &derived.factors {
        let spread = format!("{:.0} %", 100.0 * factor.sigma);
        text.push_str(&format!(
            "{:<10}  {:>8}  {spread:>6}  {:>8}  {}\n",
            factor.class,
            figure(factor.median),
            figure(factor.built_in),
            factor.basis
        ));
    }
    text
}

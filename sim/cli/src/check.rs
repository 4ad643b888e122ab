//! `faas-lab check`: everything that is wrong with some scenario files.

use faas_lab_experiments::recognise;
use faas_lab_model::scenario::Scenario;

use crate::args::CheckArguments;
use crate::failure::{Failure, Outcome};
use crate::terminal;

pub(crate) fn run(arguments: &CheckArguments) -> Result<Outcome, Failure> {
    let mut wrong = 0;
    for file in &arguments.files {
        let name = file.display();
        match Scenario::load(file, &[]) {
            Ok(scenario) => {
                let mut text = format!("{name}: in order\n");
                for warning in &scenario.warnings {
                    text.push_str(&format!("  warning: {}\n", warning.text));
                }
                if let Ok(queue) = recognise(&scenario) {
                    text.push_str(&format!("  this is {}: `simulate --check` holds it against theory\n", queue.model));
                }
                terminal::print(&text)?;
            }
            Err(errors) => {
                wrong += 1;
                terminal::complain(errors.to_string().trim_end());
            }
        }
    }
    match wrong {
        0 => Ok(Outcome::Done),
        _ => Err(Failure::new(format!("{wrong} of {} files cannot be run", arguments.files.len()))),
    }
}

//! `faas-lab calibrate`: from measurements to a scenario or a profile.

mod programs;
mod reference;
mod requests;

use crate::args::CalibrateArguments;
use crate::failure::{Failure, Outcome};

pub(crate) fn run(arguments: &CalibrateArguments) -> Result<Outcome, Failure> {
    match arguments.reference {
        true => reference::run(arguments),
        false => requests::run(arguments),
    }
}

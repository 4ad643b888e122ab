//! `faas-lab calibrate`: from measurements to a scenario or a profile.

mod live;
mod programs;
mod reference;
mod requests;

use crate::args::CalibrateArguments;
use crate::failure::{Failure, Outcome};

pub(crate) use live::budget;

pub(crate) fn run(arguments: &CalibrateArguments) -> Result<Outcome, Failure> {
    if arguments.reference {
        reference::run(arguments)
    } else if arguments.requests.is_empty() {
        live::run(arguments)
    } else {
        requests::run(arguments)
    }
}

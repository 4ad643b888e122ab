//! Writes reports of made-up results into a directory, to look at them: `cargo run -p faas-lab-reports --example sample_reports -- DIR`.

use std::error::Error;
use std::path::PathBuf;

use faas_lab_reports::{html, sample, text};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("name a directory to write to")?);
    for (name, result) in [
        ("two-functions", sample::two_functions()),
        ("one-function", sample::one_function()),
        ("nothing", sample::nothing()),
    ] {
        std::fs::write(directory.join(name).with_extension("html"), html::render(&result)?)?;
    }
    print!("{}", text::summary(&sample::two_functions(), &text::TextOptions::default()));
    Ok(())
}

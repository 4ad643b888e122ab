//! Writes reports of made-up results into a directory, to look at them: `cargo run -p faas-lab-reports --example sample_reports -- DIR`.
//! With results after it (`POLICY,TIMEOUT=result.json …`), these are compared too.

use std::error::Error;
use std::path::PathBuf;

use faas_lab_model::metrics::comparison::{Axis, Entry};
use faas_lab_model::metrics::result::RunResult;
use faas_lab_reports::sample::comparison::{beside_each_other, grid};
use faas_lab_reports::{compare, html, sample, text};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("name a directory to write to")?);
    let write = |name: &str, page: String| std::fs::write(directory.join(name).with_extension("html"), page);
    for (name, result) in [
        ("two-functions", sample::two_functions()),
        ("one-function", sample::one_function()),
        ("nothing", sample::nothing()),
    ] {
        write(name, html::render(&result)?)?;
    }
    for count in [2, 12, 30, 100] {
        write(&format!("compare-{count}"), compare(&grid(count))?)?;
    }
    let entries = arguments.map(|argument| read(&argument)).collect::<Result<Vec<_>, _>>()?;
    if !entries.is_empty() {
        let axis = |key: &str, place: usize| {
            let mut values: Vec<String> = Vec::new();
            for entry in &entries {
                if !values.contains(&entry.values[place]) {
                    values.push(entry.values[place].clone());
                }
            }
            Axis { key: key.to_owned(), values }
        };
        let axes = vec![
            axis("function.face-recognition.scaling", 0),
            axis("function.face-recognition.watchdog.http.exec_timeout", 1),
        ];
        write("compare-real", compare(&beside_each_other("pi4-k3s: policies and timeouts", axes, entries))?)?;
    }
    print!("{}", text::summary(&sample::two_functions(), &text::TextOptions::default()));
    Ok(())
}

fn read(argument: &str) -> Result<Entry, Box<dyn Error>> {
    let (values, path) = argument.split_once('=').ok_or("write POLICY,TIMEOUT=result.json")?;
    let (policy, timeout) = values.split_once(',').ok_or("write POLICY,TIMEOUT=result.json")?;
    let result = RunResult::read(&std::fs::read_to_string(path)?)?;
    Ok(Entry { label: format!("{policy}, {timeout}"), values: vec![policy.to_owned(), timeout.to_owned()], result })
}

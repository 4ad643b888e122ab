//! Twenty calls at once on one replica: waves, as four workers and a queue have them, each stretched by contention.

use std::path::Path;

use faas_lab_model::metrics::result;

use super::files::{DataError, functions, times};
use super::kinds::{self, Kind};
use crate::runs::{Players, View, mean, scenario};
use crate::verdict::{Bound, Row, Section};

/// Threads of waitress, which the template python3-http runs, by default.
pub(super) const WORKERS: u32 = 4;
/// Calls at once.
const CALLS: u32 = 20;

/// How much calls of this function hinder each other, from its serial and its parallel run.
///
/// With all workers busy a call takes 1 + contention · (workers − 1) times as long as alone, and the k-th of five waves
/// ends after k such times: three of them on average.
pub(super) fn fit(folder: &Path, function: &str) -> Result<f64, DataError> {
    let run = |kind: &str| times(&folder.join(kind).join(format!("{function}.csv")));
    let (alone, together) = (mean(&run("serial")?), mean(&run("parallel-20")?));
    let waves = CALLS.div_ceil(WORKERS);
    let stretch = together / alone / (f64::from(waves + 1) / 2.0);
    Ok((stretch - 1.0) / f64::from(WORKERS - 1))
}

/// Mean and longest response by replication.
fn play(players: &Players<'_>, function: &str, serial: &[f64], contention: f64) -> (Vec<f64>, Vec<f64>) {
    let law: Vec<String> = serial.iter().map(|secs| format!("\"{secs}s\"")).collect();
    let text = format!(
        "duration = \"1500ms\"\ndrain = \"1d\"\nreplications = 20\n\
         [[node]]\nname = \"vm\"\ncores = {WORKERS}\nmemory = \"8GiB\"\n\
         [function.f]\ndemand = {{ empirical = [{}] }}\nconcurrency = {WORKERS}\ncontention = {contention}\nreplicas = 1\n\
         [[workload]]\nfunction = \"f\"\narrivals = {{ batches = {{ size = {CALLS}, period = \"1s\" }} }}\n",
        law.join(", ")
    );
    let scenario = scenario(function, &text, &[]);
    let found = players.measure(&scenario, View::default(), &|record| {
        let metric = |key: &str| record.metrics.get(key).copied().unwrap_or(f64::NAN);
        (metric(result::RESPONSE_MEAN), metric(result::RESPONSE_MAX))
    });
    found.into_iter().unzip()
}

pub(super) fn section(
    folder: &Path,
    fitted: &str,
    contention: f64,
    players: &Players<'_>,
) -> Result<Section, DataError> {
    let mut section = Section::new(
        "OpenFaaS on k3s: twenty calls at once on one replica",
        &[
            "korvoj/k8s-distributions-iot-edge, K3s, parallel-20. Predicted from the function's serial run: four workers (the \
             threads of waitress) with a queue before them, and the contention of one other function. Functions that are \
             Python bytecode must agree within 20 % in mean and maximum; the others are shown, with the law that their code \
             suggests. What kind float-operation, image-processing, json-dumps-loads, matmul and pyaes are was written down \
             from their code, but after a look at their parallel runs; of all others before one. By a bound of 20 % \
             json-dumps-loads, whose work is mostly single-threaded too, would be outside. No function but the one of the fit has any value of its own.",
        ],
    );
    section.about.push(format!("Contention {contention:.3}, fitted to {fitted}."));
    for function in functions(&folder.join("parallel-20"))? {
        let serial = folder.join("serial").join(format!("{function}.csv"));
        if !serial.exists() {
            section.about.push(format!("{function} is left out: it has no serial run."));
            continue;
        }
        let serial = times(&serial)?;
        let measured = times(&folder.join("parallel-20").join(format!("{function}.csv")))?;
        let (kind, why) = kinds::of(&function);
        let (means, longest) = play(players, &function, &serial, kind.contention(contention));
        let is_fitted = function == fitted;
        let bound = match kind {
            Kind::Interpreted if !is_fitted => Bound::Share(0.2),
            _ => Bound::None,
        };
        let case = if is_fitted { format!("{function} (fitted)") } else { function.clone() };
        let most = measured.iter().copied().fold(f64::NAN, f64::max);
        let row = |quantity: &str| Row::new(case.clone(), quantity, "s").within(bound);
        section.rows.push(row("mean response").published(mean(&measured), None).replicated(&means));
        section.rows.push(row("longest response").published(most, None).replicated(&longest));
        if kind != Kind::Interpreted {
            section.about.push(format!("{function}: {why}; {}.", kind.told()));
        }
    }
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Twenty calls of 1 s behind a lock that costs nothing: waves after 4, 8, … 20 s, and a contention of 1.
    #[test]
    fn the_fit_gives_back_what_made_the_waves() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |kind: &str, times: Vec<f64>| {
            fs::create_dir_all(folder.path().join(kind)).expect("a folder");
            let rows: String = times.iter().map(|secs| format!("{secs},0\n")).collect();
            fs::write(folder.path().join(kind).join("f.csv"), format!("response-time,offset\n{rows}")).expect("a file");
        };
        write("serial", vec![1.0; 5]);
        write("parallel-20", (1..=5).flat_map(|wave| [4.0 * f64::from(wave); 4]).collect());
        assert!((fit(folder.path(), "f").unwrap() - 1.0).abs() < 1e-12);
    }
}

//! `settings.csv`: what became of each setting.

use csv::Writer;
use faas_lab_experiments::select::{Choice, Fate};

use super::Question;
use crate::compare::number;
use crate::failure::Failure;

pub(super) fn csv(question: &Question, choice: &Choice) -> Result<Vec<u8>, Failure> {
    let failed = |error: csv::Error| Failure::new(format!("cannot write settings.csv: {error}"));
    let mut writer = Writer::from_writer(Vec::new());
    let mut head: Vec<String> = vec!["label".to_owned()];
    head.extend(question.grid.axes.iter().map(|axis| axis.key.clone()));
    head.extend(["fate", "why", "runs"].map(str::to_owned));
    let keys = std::iter::once(question.objective.key);
    for key in keys.chain(question.constraints.iter().map(|constraint| constraint.metric.key)) {
        head.extend([key.to_owned(), format!("{key}_half_width")]);
    }
    writer.write_record(&head).map_err(failed)?;
    for (point, seen) in question.grid.points.iter().zip(&choice.settings) {
        let (fate, why) = match seen.fate {
            Fate::Best => ("best", String::new()),
            Fate::Infeasible(number) => ("infeasible", question.constraints[number].text.clone()),
            Fate::Beaten(by) => ("beaten", question.grid.points[by].label.clone()),
            Fate::NoBetter => ("no-better", String::new()),
            Fate::Unseen => ("unseen", String::new()),
            Fate::Undecided => ("undecided", String::new()),
        };
        let runs = seen.objective.map_or(0, |found| found.n);
        let mut row = vec![point.label.clone()];
        row.extend(point.values.iter().cloned());
        row.extend([fate.to_owned(), why, runs.to_string()]);
        for found in std::iter::once(&seen.objective).chain(&seen.bounded) {
            row.extend([number(found.map(|found| found.mean)), number(found.and_then(|found| found.half_width))]);
        }
        writer.write_record(&row).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Failure::new(format!("cannot write settings.csv: {error}")))
}

//! Tables for spreadsheets: the timeline with a row for each step, and requests with a row each.

use std::io::Write;

use csv::Writer;
use faas_lab_model::metrics::result::{RunResult, Series};
use serde::Serialize;

use crate::ReportError;

/// Writes the timeline: a row for each step, with the seconds at which it begins and ends, then a column for each series with its unit in
/// the head: `arrivals [1/s]`, or `faces arrivals [1/s]` for a function's own.
///
/// With several replications a series has two more columns, `… low [1/s]` and `… high [1/s]`, the smallest and largest of any
/// replication. A cell without a value is empty.
pub fn timeline_csv(result: &RunResult, out: impl Write) -> Result<(), ReportError> {
    let timeline = &result.timeline;
    let spread = result.replications.len() > 1;
    let mut columns: Vec<(String, &[f64])> = Vec::new();
    for series in &timeline.series {
        columns.push((head(series, ""), &series.mean));
        if spread {
            columns.push((head(series, " low"), &series.low));
            columns.push((head(series, " high"), &series.high));
        }
    }
    let mut writer = Writer::from_writer(out);
    writer.write_record(["from [s]", "to [s]"].into_iter().chain(columns.iter().map(|(head, _)| head.as_str())))?;
    let steps = columns.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    for step in 0..steps {
        writer.write_field(cell(step as f64 * timeline.step_seconds))?;
        writer.write_field(cell((step + 1) as f64 * timeline.step_seconds))?;
        for (_, values) in &columns {
            writer.write_field(values.get(step).map_or_else(String::new, |value| cell(*value)))?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush().map_err(csv::Error::from)?;
    Ok(())
}

fn head(series: &Series, which: &str) -> String {
    let function = series.function.as_ref().map_or_else(String::new, |function| format!("{function} "));
    let unit = if series.unit.is_empty() { String::new() } else { format!(" [{}]", series.unit) };
    format!("{function}{}{which}{unit}", series.name)
}

/// Nine decimals at the most: nanoseconds where it is a time.
fn cell(value: f64) -> String {
    if value.is_finite() { rounded(value).to_string() } else { String::new() }
}

fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// One request; its fields are the columns of `requests.csv`, in this order. Times are seconds since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RequestRow<'a> {
    /// Number in order of birth, from 0.
    pub id: u64,
    /// Name of the workload that it belongs to.
    pub workload: &'a str,
    /// Name of the function that it calls.
    pub function: &'a str,
    /// When it arrived.
    pub arrived_seconds: f64,
    /// When the client had its answer, or gave up.
    pub ended_seconds: f64,
    /// How it ended, as in `result.json`: `ok`, `timed-out`, …
    pub outcome: &'a str,
    /// Which hop decided that; empty where it does not matter.
    pub hop: Option<&'a str>,
    /// HTTP status that the client saw; empty if none.
    pub status: Option<u16>,
    /// Attempts made.
    pub attempts: u32,
    /// Whether it waited for a replica to start.
    pub cold: bool,
    /// From arrival at the platform to the start of service of the last attempt.
    pub waiting_seconds: f64,
    /// Service time of the last attempt.
    pub service_seconds: f64,
    /// Number of the replica that served it; empty if none did.
    pub replica: Option<u64>,
    /// Bytes of the body that the client got.
    pub body_bytes: u64,
}

/// One call of a live run; its fields are the columns of its `requests.csv`, in this order. Times are seconds since the
/// start of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CallRow<'a> {
    /// Number in its workload, from 0.
    pub number: u64,
    /// Name of the workload that it belongs to.
    pub workload: &'a str,
    /// Name of the function that it called.
    pub function: &'a str,
    /// When it was meant to be sent.
    pub intended_seconds: f64,
    /// When it was sent.
    pub sent_seconds: f64,
    /// How long a connection took to open for it; empty if none was.
    pub connecting_seconds: Option<f64>,
    /// When the answer's first byte came; empty if none did.
    pub first_byte_seconds: Option<f64>,
    /// When its last byte came, or the call was given up.
    pub ended_seconds: f64,
    /// How it ended, as in `result.json`.
    pub outcome: &'a str,
    /// Which hop decided that; empty where it is not known or does not matter.
    pub hop: Option<&'a str>,
    /// HTTP status; empty if none came.
    pub status: Option<u16>,
    /// How the exchange broke; empty if it did not.
    pub fault: Option<&'a str>,
    /// Attempts made.
    pub attempts: u32,
    /// Whether it met a cold start.
    pub cold: bool,
    /// The replica that answered, if it says so.
    pub replica: Option<&'a str>,
    /// Bytes of the body that came.
    pub body_bytes: u64,
    /// The beginning of an error's body.
    pub reason: Option<&'a str>,
}

/// Writes requests as they end; memory does not grow with their number.
pub struct RequestsCsv<W: Write> {
    writer: Writer<W>,
}

impl<W: Write> RequestsCsv<W> {
    /// A table on `out`, which is buffered here. The head is written with the first row.
    pub fn new(out: W) -> RequestsCsv<W> {
        RequestsCsv { writer: Writer::from_writer(out) }
    }

    /// Adds one request.
    pub fn write(&mut self, row: &RequestRow<'_>) -> Result<(), ReportError> {
        // Seconds come from whole nanoseconds; without rounding, some would show the seventeen digits of their binary form.
        let row = RequestRow {
            arrived_seconds: rounded(row.arrived_seconds),
            ended_seconds: rounded(row.ended_seconds),
            waiting_seconds: rounded(row.waiting_seconds),
            service_seconds: rounded(row.service_seconds),
            ..*row
        };
        Ok(self.writer.serialize(row)?)
    }

    /// Adds one call of a live run.
    pub fn write_call(&mut self, row: &CallRow<'_>) -> Result<(), ReportError> {
        let row = CallRow {
            intended_seconds: rounded(row.intended_seconds),
            sent_seconds: rounded(row.sent_seconds),
            connecting_seconds: row.connecting_seconds.map(rounded),
            first_byte_seconds: row.first_byte_seconds.map(rounded),
            ended_seconds: rounded(row.ended_seconds),
            ..*row
        };
        Ok(self.writer.serialize(row)?)
    }

    /// Writes what is still buffered. Dropping the table does so too, but could not tell of a failure.
    pub fn finish(mut self) -> Result<(), ReportError> {
        Ok(self.writer.flush().map_err(csv::Error::from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn timeline(result: &RunResult) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        timeline_csv(result, &mut out).expect("memory takes all");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(out.as_slice());
        reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn the_timeline_has_a_row_for_each_step_and_a_unit_for_each_column() {
        let result = sample::two_functions();
        let rows = timeline(&result);
        assert_eq!(rows.len(), 1 + result.timeline.series[0].mean.len());
        assert_eq!(rows[0].len(), 2 + 3 * result.timeline.series.len());
        assert_eq!(
            &rows[0][..5],
            ["from [s]", "to [s]", "arrivals [1/s]", "arrivals low [1/s]", "arrivals high [1/s]"]
        );
        assert!(rows[0].contains(&"face-recognition replicas ready [replicas]".to_owned()));
        assert_eq!(&rows[2][..2], ["30", "60"]);
        assert!(rows[1..].iter().flatten().all(|cell| cell.parse::<f64>().is_ok()));
    }

    #[test]
    fn no_timeline_leaves_the_head() {
        assert_eq!(timeline(&sample::nothing()), [["from [s]", "to [s]"]]);
    }

    #[test]
    fn requests_are_rows_with_empty_cells_for_what_they_lack() {
        let row = RequestRow {
            id: 7,
            workload: "0",
            function: "a,b",
            arrived_seconds: 0.1 + 0.2,
            ended_seconds: 1.5,
            outcome: "timed-out",
            hop: Some("gateway upstream"),
            status: None,
            attempts: 2,
            cold: true,
            waiting_seconds: 0.0,
            service_seconds: 1e-9,
            replica: None,
            body_bytes: 0,
        };
        let mut out = Vec::new();
        let mut table = RequestsCsv::new(&mut out);
        table.write(&row).expect("memory takes all");
        table.finish().expect("memory takes all");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "id,workload,function,arrived_seconds,ended_seconds,outcome,hop,status,attempts,cold,waiting_seconds,service_seconds,replica,body_bytes\n\
             7,0,\"a,b\",0.3,1.5,timed-out,gateway upstream,,2,true,0.0,1e-9,,0\n"
        );
    }
}

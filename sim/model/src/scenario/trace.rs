//! Traces: a text with one arrival time per line.

use super::error::{Place, Problem, Source};
use crate::time::{SimTime, Span};

/// Reads arrival times, ascending, in seconds or with a unit. Of several columns the first counts; one line of headings,
/// empty lines and lines that start with `#` are passed over. Stops at the tenth problem.
pub(super) fn read(path: &str, text: &str) -> Result<Vec<SimTime>, Vec<Problem>> {
    const MOST_PROBLEMS: usize = 10;
    /// 160 MB, and as much again for each replication that runs.
    const MOST_ARRIVALS: usize = 20_000_000;
    let mut instants: Vec<SimTime> = Vec::new();
    let mut wrong: Vec<(usize, usize, String, &str)> = Vec::new();
    let (mut offset, mut headings_allowed) = (0, true);
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let line = line.trim_end();
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let column = line.split([',', ';', '\t']).next().unwrap_or("").trim().trim_matches('"');
        match instant(column) {
            Some(at) if instants.last().is_some_and(|last| at < *last) => {
                let last = instants.last().map_or(Span::ZERO, |last| last.since(SimTime::ZERO));
                let message = format!("{} comes after {last}: arrivals must ascend", at.since(SimTime::ZERO));
                wrong.push((start, start + line.len(), message, "sort the file by time"));
            }
            Some(_) if instants.len() == MOST_ARRIVALS => {
                wrong.push((
                    start,
                    start + line.len(),
                    format!("a trace holds at most {MOST_ARRIVALS} arrivals"),
                    "cut the file into pieces, one workload each, or thin it out",
                ));
                break;
            }
            Some(at) => instants.push(at),
            None if headings_allowed => {}
            None => wrong.push((
                start,
                start + line.len(),
                format!("{column:?} is not an arrival time"),
                "write seconds, such as 12.5, or a time with a unit, such as \"250ms\"",
            )),
        }
        headings_allowed = false;
        if wrong.len() >= MOST_PROBLEMS {
            break;
        }
    }
    if wrong.is_empty() {
        return if instants.is_empty() {
            Err(vec![Problem::nowhere(format!("trace {path:?} holds no arrivals"))])
        } else {
            Ok(instants)
        };
    }
    let source = Source::new(path, text);
    let problem = |(start, end, message, help): (usize, usize, String, &str)| {
        Problem::at(Place::new(&source, start..end), message).help(help)
    };
    Err(wrong.into_iter().map(problem).collect())
}

fn instant(text: &str) -> Option<SimTime> {
    let span: Span = match text.as_bytes().last()? {
        b'0'..=b'9' | b'.' => format!("{text}s").parse().ok()?,
        _ => text.parse().ok()?,
    };
    Some(SimTime::ZERO + span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_columns_headings_and_units() {
        let text = "time,size\n# start\n0.5,10\n\n1,20\n1500ms\n";
        let nanos: Vec<u64> = read("t.csv", text).expect("valid").into_iter().map(SimTime::as_nanos).collect();
        assert_eq!(nanos, [500_000_000, 1_000_000_000, 1_500_000_000]);
    }

    #[test]
    fn names_the_line_that_is_out_of_order_or_no_time() {
        let problems = read("t.csv", "1\n3\n2\nx\n").expect_err("two bad lines");
        let lines: Vec<_> =
            problems.iter().filter_map(|problem| problem.place.as_ref()).map(Place::line_column).collect();
        assert_eq!(lines, [(3, 1), (4, 1)]);
        assert!(problems[0].message.contains("2s comes after 3s"), "{}", problems[0].message);
        assert!(read("t.csv", "time\n").is_err());
    }
}

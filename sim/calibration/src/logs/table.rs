//! Tables with a row for each request: our own, `hey`'s, `oha`'s, and any whose columns have names that are known.

use csv::{ReaderBuilder, StringRecord};

use super::columns::{KNOWN, Role, flag, is_answer, names, number};
use super::{Format, Log, LogError, Request};

/// Where each role is: the column and the factor to seconds.
struct Columns(Vec<(Role, usize, f64)>);

impl Columns {
    fn find(&self, role: Role) -> Option<(usize, f64)> {
        self.0.iter().find(|(known, ..)| *known == role).map(|(_, column, factor)| (*column, *factor))
    }
}

pub(super) fn read(name: &str, text: &str) -> Result<Log, LogError> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let head = reader.headers().map_err(|error| LogError::csv(name, &error))?.clone();
    let at = |known: &str| head.iter().position(|column| column.trim() == known);
    let columns =
        Columns(KNOWN.iter().filter_map(|(known, role, factor)| Some((*role, at(known)?, *factor))).collect());
    let missing = |what, role| LogError::NoColumn {
        name: name.to_owned(),
        what,
        has: head.iter().map(|column| format!("`{}`", column.trim())).collect::<Vec<_>>().join(", "),
        expected: names(role),
    };
    if columns.find(Role::Response).is_none() && columns.find(Role::Ended).is_none() {
        return Err(missing("the response time or the end", Role::Response));
    }
    if columns.find(Role::Response).is_none() && columns.find(Role::Arrived).is_none() {
        return Err(missing("the arrival", Role::Arrived));
    }
    let mut requests = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| LogError::csv(name, &error))?;
        requests.push(request(name, &columns, &record)?);
    }
    let unused: Vec<String> = head
        .iter()
        .map(str::trim)
        .filter(|column| !column.is_empty() && !KNOWN.iter().any(|(known, ..)| known == column))
        .map(|column| format!("`{column}`"))
        .collect();
    let remarks = if unused.is_empty() {
        Vec::new()
    } else {
        vec![format!("{name}: columns of no use here: {}", unused.join(", "))]
    };
    let format = match () {
        () if at("response-time").is_some() && at("offset").is_some() => Format::Hey,
        () if at("request-duration").is_some() => Format::Oha,
        () => Format::Requests,
    };
    Ok(Log { name: name.to_owned(), format, requests, buckets: Vec::new(), remarks })
}

fn request(name: &str, columns: &Columns, record: &StringRecord) -> Result<Request, LogError> {
    let line = record.position().map_or(1, csv::Position::line);
    let text = |role: Role| -> Option<(usize, f64, &str)> {
        let (column, factor) = columns.find(role)?;
        let text = record.get(column).map(str::trim)?;
        (!text.is_empty()).then_some((column, factor, text))
    };
    let seconds = |role: Role| -> Result<Option<f64>, LogError> {
        let Some((column, factor, text)) = text(role) else { return Ok(None) };
        match number(text) {
            Some(value) => Ok(Some(value * factor)),
            None => Err(LogError::value(name, line, column + 1, text, "a number")),
        }
    };
    let (arrived, ended) = (seconds(Role::Arrived)?, seconds(Role::Ended)?);
    let response = match (ended, arrived, seconds(Role::Response)?) {
        // From the intended arrival, where that is known.
        (Some(ended), Some(arrived), _) => Some(ended - arrived),
        (.., response) => response,
    };
    let column = columns.find(Role::Response).or(columns.find(Role::Ended)).map_or(1, |(column, _)| column + 1);
    let response = response.filter(|response| response.is_finite() && *response >= 0.0).ok_or_else(|| {
        LogError::value(
            name,
            line,
            column,
            text(Role::Response).map_or("", |(.., text)| text),
            "a response time of zero or more",
        )
    })?;
    let cold = match text(Role::Cold) {
        None => None,
        Some((column, _, text)) => match flag(text) {
            Some(cold) => Some(cold),
            None => return Err(LogError::value(name, line, column + 1, text, "true or false")),
        },
    };
    let answered = seconds(Role::Status)?.is_none_or(is_answer);
    let as_hoped = text(Role::Outcome).is_none_or(|(.., outcome)| outcome == "ok");
    Ok(Request {
        arrived,
        response,
        first_byte: seconds(Role::FirstByte)?,
        service: seconds(Role::Service)?,
        ok: answered && as_hoped,
        cold,
        replica: text(Role::Replica).map(|(.., text)| text.to_owned()),
    })
}

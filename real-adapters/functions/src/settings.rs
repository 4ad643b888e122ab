//! Reads what the environment sets.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use faas_lab_http::go::parse_duration;
use thiserror::Error;

/// Looks a variable up; the process's environment, but for tests.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A variable whose value makes no sense.
#[derive(Debug, Error)]
#[error("{name}={value:?} is not {wanted}")]
pub(crate) struct SettingError {
    name: String,
    value: String,
    wanted: String,
}

impl SettingError {
    pub(crate) fn new(name: &str, value: &str, wanted: impl Into<String>) -> SettingError {
        SettingError { name: name.to_owned(), value: value.to_owned(), wanted: wanted.into() }
    }
}

/// The process's environment; a value that is empty counts as not set.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A time such as `3.3ms` or `1m30s`; a bare number is seconds.
pub(crate) fn duration(lookup: Lookup<'_>, name: &str) -> Result<Option<Duration>, SettingError> {
    let Some(value) = lookup(name) else { return Ok(None) };
    match parse_duration(&value) {
        Some(duration) => Ok(Some(duration)),
        None => Err(SettingError::new(name, &value, "a time such as 3.3ms, 10s or 1m30s")),
    }
}

/// A number within `range`.
pub(crate) fn number<N>(lookup: Lookup<'_>, name: &str, range: RangeInclusive<N>) -> Result<Option<N>, SettingError>
where
    N: FromStr + PartialOrd + Display,
{
    let Some(value) = lookup(name) else { return Ok(None) };
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(SettingError::new(name, &value, format!("a number from {} to {}", range.start(), range.end()))),
    }
}

/// `true` or `false`.
pub(crate) fn flag(lookup: Lookup<'_>, name: &str) -> Result<Option<bool>, SettingError> {
    let Some(value) = lookup(name) else { return Ok(None) };
    match value.as_str() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err(SettingError::new(name, &value, "true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_told_with_what_would_be_right() {
        let error = duration(&|_| Some("soon".to_owned()), "PERIOD").unwrap_err();
        assert_eq!(error.to_string(), r#"PERIOD="soon" is not a time such as 3.3ms, 10s or 1m30s"#);
        let error = number::<u32>(&|_| Some("-1".to_owned()), "COUNT", 0..=9).unwrap_err();
        assert_eq!(error.to_string(), r#"COUNT="-1" is not a number from 0 to 9"#);
    }

    #[test]
    fn what_is_not_set_has_no_value() {
        assert_eq!(number::<u32>(&|_| None, "COUNT", 0..=9).unwrap(), None);
        assert_eq!(flag(&|_| None, "X").unwrap(), None);
        assert_eq!(flag(&|_| Some("true".to_owned()), "X").unwrap(), Some(true));
    }
}

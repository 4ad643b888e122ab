//! The names under which logs keep what is needed here, and how their values read.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// When a request arrived or was to be sent.
    Arrived,
    /// When it had its answer.
    Ended,
    /// How long it took as the client saw it.
    Response,
    /// Until the first byte.
    FirstByte,
    /// Service time.
    Service,
    /// The replica.
    Replica,
    /// Whether it was cold.
    Cold,
    /// HTTP status.
    Status,
    /// How it ended, in a word.
    Outcome,
}

/// Names, what they hold, and the factor to seconds. Earlier rows win where a table has several.
pub(super) const KNOWN: &[(&str, Role, f64)] = &[
    ("intended_seconds", Role::Arrived, 1.0),
    ("arrived_seconds", Role::Arrived, 1.0),
    ("client_start_time", Role::Arrived, 1.0),
    ("arrival", Role::Arrived, 1.0),
    ("arrived", Role::Arrived, 1.0),
    ("request-start", Role::Arrived, 1.0),
    ("offset", Role::Arrived, 1.0),
    ("timestamp", Role::Arrived, 1.0),
    ("ended_seconds", Role::Ended, 1.0),
    ("client_end_time", Role::Ended, 1.0),
    ("ended", Role::Ended, 1.0),
    ("client_elapsed_time", Role::Response, 1.0),
    ("response-time", Role::Response, 1.0),
    ("request-duration", Role::Response, 1.0),
    ("response_seconds", Role::Response, 1.0),
    ("duration_seconds", Role::Response, 1.0),
    ("duration_ms", Role::Response, 1e-3),
    ("response_ms", Role::Response, 1e-3),
    ("latency_ms", Role::Response, 1e-3),
    ("first_byte_seconds", Role::FirstByte, 1.0),
    ("Response-delay", Role::FirstByte, 1.0),
    ("service_seconds", Role::Service, 1.0),
    ("aws_duration", Role::Service, 1e-3),
    ("replica", Role::Replica, 1.0),
    ("exist_id", Role::Replica, 1.0),
    ("instance", Role::Replica, 1.0),
    ("instance_id", Role::Replica, 1.0),
    ("container_id", Role::Replica, 1.0),
    ("cold", Role::Cold, 1.0),
    ("is_cold", Role::Cold, 1.0),
    ("cold_start", Role::Cold, 1.0),
    ("status", Role::Status, 1.0),
    ("status-code", Role::Status, 1.0),
    ("outcome", Role::Outcome, 1.0),
];

/// Names known for a role, for a message.
pub(super) fn names(role: Role) -> String {
    let names: Vec<String> =
        KNOWN.iter().filter(|(_, known, _)| *known == role).map(|(name, ..)| format!("`{name}`")).collect();
    names.join(", ")
}

/// `true`, `True`, `1`, `yes`, or their opposites.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// A finite number.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// Statuses below 400 are answers.
pub(super) fn is_answer(status: f64) -> bool {
    (100.0..400.0).contains(&status)
}

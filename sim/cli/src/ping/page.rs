//! The page of findings.

use std::fmt::Write as _;

use super::Findings;
use super::chain::Severity;

pub(super) fn text(found: &Findings) -> String {
    let mut text = String::new();
    if let Some(gateway) = &found.gateway {
        let row = |text: &mut String, name: &str, value: &str| {
            let _ = writeln!(text, "  {name:<17} {value}");
        };
        let _ = writeln!(text, "{} is there.\n", gateway.url);
        row(&mut text, "round trip", &format!("{:.2} ms", gateway.round_trip_seconds * 1e3));
        let unknown = "does not say".to_owned();
        row(&mut text, "platform", gateway.provider.as_ref().unwrap_or(&unknown));
        row(&mut text, "version", gateway.version.as_ref().unwrap_or(&unknown));
        if let Some(arch) = &gateway.arch {
            row(&mut text, "machine", arch);
        }
        row(&mut text, "async", if gateway.asynchronous { "takes invocations for later" } else { "no" });
        row(&mut text, "metrics", gateway.metrics.as_deref().unwrap_or("not found"));
        for (name, value) in &gateway.timeouts {
            row(&mut text, name, value);
        }
        text.push('\n');
    }
    if let Some(stack) = &found.stack {
        let _ = writeln!(text, "Functions of {stack}:");
    } else if found.functions.is_empty() {
        text.push_str("No functions.\n");
    } else {
        text.push_str("Functions:\n");
    }
    let width = found.functions.iter().map(|function| function.name.len()).max().unwrap_or(0);
    for function in &found.functions {
        let replicas =
            function.replicas.map(|(ready, wanted)| format!("{ready} of {wanted} ready, ")).unwrap_or_default();
        let timeout = |name: &str| function.timeouts.get(name).map_or("", String::as_str);
        let _ = writeln!(
            text,
            "  {:<width$}  {replicas}exec {}, write {}",
            function.name,
            timeout("exec_timeout"),
            timeout("write_timeout")
        );
    }
    if found.functions.iter().any(|function| function.timeouts.values().any(|timeout| timeout.ends_with("(default)"))) {
        text.push_str("(default): the deployment does not set it; the image may.\n");
    }
    text.push('\n');
    for finding in &found.findings {
        let mark = match finding.severity {
            Severity::Wrong => "WRONG",
            Severity::Doubtful => "doubtful",
            Severity::Note => "note",
        };
        let about = finding.function.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let _ = writeln!(text, "{mark}: {about}{}.\n  → {}.", finding.what, finding.change);
    }
    let count = |severity| found.findings.iter().filter(|finding| finding.severity == severity).count();
    let verdict = match (count(Severity::Wrong), count(Severity::Doubtful)) {
        (0, 0) => "Each hop waits longer than what it waits for.".to_owned(),
        (0, 1) => "Nothing has to be changed; one thing is doubtful.".to_owned(),
        (0, doubtful) => format!("Nothing has to be changed; {doubtful} things are doubtful."),
        (1, _) => "One thing has to be changed.".to_owned(),
        (wrong, _) => format!("{wrong} things have to be changed."),
    };
    if !found.findings.is_empty() {
        text.push('\n');
    }
    text + &verdict + "\n"
}

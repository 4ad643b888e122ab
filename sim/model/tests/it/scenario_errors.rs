//! What is wrong with a scenario is said with its place and with what to write instead, all in one go, and never by a
//! panic.

use faas_lab_model::scenario::{BuiltIn, Need, Problem, Scenario, ScenarioErrors, template};
use proptest::prelude::*;

const MINIMAL: &str = "duration = \"1m\"\n[function.f]\ndemand = \"1s\"\n[[workload]]\nfunction = \"f\"\narrivals = { poisson = \"1/s\" }\n";

fn errors(text: &str) -> ScenarioErrors {
    match Scenario::parse("s.toml", text, &[], &BuiltIn) {
        Ok(_) => panic!("this was to be refused:\n{text}"),
        Err(errors) => errors,
    }
}

/// `line:column`, message and help of a problem, as the table below writes them.
fn described(problem: &Problem) -> (String, String, String) {
    let place = problem.place.as_ref().map(|place| place.line_column());
    let place = place.map_or_else(String::new, |(line, column)| format!("{line}:{column}"));
    (place, problem.message.clone(), problem.help.clone().unwrap_or_default())
}

#[test]
fn each_kind_of_problem_is_placed_and_explained() {
    let with = |from: &str, to: &str| MINIMAL.replace(from, to);
    let function = |line: &str| with("demand = \"1s\"\n", &format!("demand = \"1s\"\n{line}\n"));
    let root = |line: &str| format!("{line}\n{MINIMAL}");
    // Six lines come before, so that the first one of a section is line 7.
    let section = |lines: &str| format!("{MINIMAL}{lines}\n");
    let cases = [
        (root("durations = 1"), "1:1", "`durations` is not a key", "did you mean `duration`?"),
        (with("\"1m\"", "60"), "1:12", "a time needs a unit", "write \"60ms\" or \"60s\""),
        (with("\"1m\"", "\"300y\""), "1:12", "not a unit of time", "the units are"),
        (with("duration = \"1m\"\n", ""), "", "the scenario has no `duration`", "add duration = \"10m\""),
        (with("\"1m\"", "\"80000d\""), "1:12", "longer than 200 years", "at most"),
        (root("warmup = \"5m\""), "1:10", "leaves nothing", "shorter warm-up"),
        (root("name = \"../x\""), "1:8", "cannot name a folder", "letters"),
        (root("seed = -1"), "1:8", "a seed must be at least 0", "0 or more"),
        (root("seed = \"x\""), "1:8", "expected a seed, found a text", "whole number"),
        (with("= \"f\"", "= \"g\""), "5:12", "there is no function \"g\"", "did you mean `f`?"),
        (with("poisson", "poison"), "6:14", "`poison` is not a key", "did you mean `poisson`?"),
        (with("poisson = \"1/s\"", "poisson = \"1\""), "6:24", "a rate needs a unit", "1/s"),
        (with("poisson = \"1/s\"", "poisson = \"0/s\""), "6:24", "more than zero", "2/s"),
        (
            with("arrivals = { poisson = \"1/s\" }", "arrivals = \"poisson\""),
            "6:12",
            "needs a value",
            "{ poisson = … }",
        ),
        (with("arrivals = { poisson = \"1/s\" }", ""), "4:1", "has no arrivals", "poisson"),
        (format!("{MINIMAL}[workload.users]\ncount = 3\n"), "7:11", "both `arrivals` and `users`", "leave out one"),
        (
            with("poisson = \"1/s\"", "poisson = \"1/s\", constant = \"1/s\""),
            "6:31",
            "both `poisson` and `constant`",
            "leave out one",
        ),
        (
            with("poisson = \"1/s\"", "shape = { points = [[\"0s\", \"1/s\"], [\"9s\", \"1/s\"], [\"5s\", \"2/s\"]] }"),
            "6:65",
            "5s comes after 9s",
            "in the order",
        ),
        (
            with("poisson = \"1/s\"", "shape = { points = [[\"5s\", \"1/s\"]] }"),
            "6:33",
            "the first point is at 5s",
            "begin at \"0s\"",
        ),
        (
            with("poisson = \"1/s\"", "cron = \"61 * * * *\""),
            "6:21",
            "minute 61 is not between 0 and 59",
            "five fields",
        ),
        (with("poisson = \"1/s\"", "trace = \"none.csv\""), "6:22", "there is no trace", "folder"),
        (function("replicas = { min = 3, max = 2 }"), "4:29", "max 2 is below min 3", "replicas = 3"),
        (function("replicas = { max = 2, initial = 5 }"), "4:33", "initial 5 is above max 2", "raise max"),
        (
            function("scaling = \"capasity\""),
            "4:11",
            "\"capasity\" is not a scaling policy",
            "did you mean `capacity`?",
        ),
        (function("scaling.capacity.target = 0"), "4:27", "a target must be more than zero", "above zero"),
        (function("scaling.capacity.proportion = \"130%\""), "4:31", "not between 0 and 1", "30%"),
        (function("scaling = \"hpa\""), "4:11", "hpa measures CPU against the request", "cpu_request = 0.1"),
        (
            function("scaling = \"per-request\"\nconcurrency = \"unlimited\""),
            "5:15",
            "no reason to start a replica",
            "concurrency = 1",
        ),
        (function("cpu_period = \"5s\""), "4:14", "from 1ms to 1s", "100ms of Kubernetes"),
        (function("cpu_limit = 0"), "4:13", "a CPU limit must be more than zero", "above zero"),
        (function("memory = \"12M\""), "4:10", "\"M\" is not a unit of size", "12MB"),
        (function("error_rate = 1.5"), "4:14", "a share must be between 0 and 1", "between 0 and 1"),
        (function("watchdog = { http = { exec_timeout = \"0s\" } }"), "4:38", "a timeout of zero", "\"none\""),
        (function("wait = { lognormal = { median = \"1s\" } }"), "4:10", "has no `sigma`", "add sigma = 0.3"),
        (function("wait = { empirical = [] }"), "4:22", "no values are listed", "at least one"),
        (function("wait = { uniform = { low = \"2s\", high = \"1s\" } }"), "4:41", "`high` is below `low`", "swap"),
        (function("wait = { value = \"1s\", basis = \"published\" }"), "4:32", "names no source", "assumed"),
        (function("keep_alive = { survival = \"1s\", source = 3 }"), "4:42", "expected a source", "text in quotes"),
        (function("cold_demand = \"1s\""), "4:15", "only calls that are bound to their cold start", "per-request"),
        (section("[queue]\nfactor = 0.5"), "8:10", "a factor must be between 1 and 1000", "between 1 and 1000"),
        (
            section("[[node]]\nprofile = \"raspberry-pi-5\""),
            "8:11",
            "there is no profile \"raspberry-pi-5\"",
            "did you mean `raspberry-pi-4`?",
        ),
        (section("[[node]]\nprofile = \"raspberry-pi-4\"\nrole = \"k3s\""), "9:8", "has no role \"k3s\"", "k3s-agent"),
        (section("[[node]]\ncores = 4"), "7:1", "`node.0` has no `memory`", "add memory"),
        (section("[node]\ncores = 4"), "7:1", "expected a list, found a table", "[[node]]"),
        (section("[[node]]\ncores = 1\nmemory = \"64MiB\""), "2:11", "one replica needs 128MiB", "larger nodes"),
        (section("[prices]\ncloud = \"aws\""), "8:9", "there is no price list \"aws\"", "aws-lambda-x86"),
        (
            section("[objective]\neror_rate = \"1s\""),
            "8:1",
            "`eror_rate` is not a key of `objective`",
            "did you mean `error_rate`?",
        ),
        (
            section("[variant.v]\n\"function.f.demnd\" = \"2s\""),
            "8:1",
            "variant \"v\": `demnd` is not a key",
            "did you mean `demand`?",
        ),
        (root("x = "), "1:5", "not TOML", "quotes"),
    ];
    let mut wrong = String::new();
    for (text, place, message, help) in cases {
        let found = errors(&text);
        let (at, said, helped) = found.problems.first().map(described).expect("errors are never empty");
        let as_expected = (place.is_empty() || at == place) && said.contains(message) && helped.contains(help);
        if !as_expected || found.problems.len() != 1 {
            wrong += &format!("expected {place}: {message} ({help}), found\n{found}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn work_classes_must_be_known_where_the_work_may_go() {
    let text = MINIMAL.replace("\"1s\"", "{ work = \"cascde\", constant = \"1s\" }");
    let found = errors(&format!("{text}[[node]]\nprofile = \"raspberry-pi-4\"\n"));
    assert_eq!(described(&found.problems[0]).2, "did you mean `cascade`?");
}

#[test]
fn all_problems_come_in_one_go_and_print_with_their_lines() {
    let text = "duration = \"1m\"\nseed = \"x\"\n[function.f]\ndemand = \"1\"\nmaks = 2\n[[workload]]\nfunction = \"f\"\narrivals = { poisson = \"1\" }\n";
    let found = errors(text);
    assert_eq!(found.problems.len(), 4, "{found}");
    let printed = found.to_string();
    let expected = "s.toml:4:10: a time needs a unit\n    4 | demand = \"1\"\n      |          ^^^\n   help: write \"1ms\" or \"1s\"\n";
    assert!(printed.contains(expected), "{printed}");
}

#[test]
fn a_problem_in_a_profile_points_into_the_profile() {
    let text = format!("node = [{{ profile = \"mine\" }}]\n{MINIMAL}");
    let loader = |need: Need<'_>| {
        Ok((need == Need::Profile("mine")).then(|| "# A machine.\ncores = 4\nmemory = \"4\"\n".to_owned()))
    };
    let found = Scenario::parse("s.toml", &text, &[], &loader).expect_err("a size without its unit");
    let place = found.problems[0].place.as_ref().map(ToString::to_string);
    assert_eq!(place.as_deref(), Some("profiles/mine.toml:3:10"), "{found}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let message = |path: &str| Scenario::load(&folder.join(path), &[]).expect_err(path).to_string();
    assert!(message("nowhere.toml").contains("there is no file"));
    assert!(message("src").contains("is a folder"));
    let large = "#".repeat((4 << 20) + 1);
    assert!(
        Scenario::parse("s.toml", &large, &[], &BuiltIn)
            .expect_err("too large")
            .to_string()
            .contains("more than 4 MiB")
    );
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC*") {
        let _ = Scenario::parse("s.toml", &text, &[], &BuiltIn).map_err(|errors| errors.to_string());
    }

    /// Cuts and pastes within a valid scenario reach deeper than noise does.
    #[test]
    fn a_damaged_scenario_is_answered(from in 0usize..4000, length in 0usize..60, to in 0usize..4000, paste in "[a-z0-9\"{}\\[\\]=., %/-]{0,8}") {
        let mut text: Vec<char> = template().chars().collect();
        let from = from % text.len();
        let cut: Vec<char> = text.drain(from..(from + length).min(text.len())).collect();
        let to = to % (text.len() + 1);
        text.splice(to..to, cut.into_iter().chain(paste.chars()));
        let text: String = text.into_iter().collect();
        let _ = Scenario::parse("s.toml", &text, &[], &BuiltIn).map_err(|errors| errors.to_string());
    }

    #[test]
    fn any_override_and_trace_is_answered(over in "\\PC{0,40}", trace in "[0-9a-z.,\n #-]{0,60}") {
        let _ = Scenario::parse("s.toml", MINIMAL, &[over], &BuiltIn).map_err(|errors| errors.to_string());
        let text = MINIMAL.replace("poisson = \"1/s\"", "trace = \"t\"");
        let loader = |_: Need<'_>| Ok(Some(trace.clone()));
        let _ = Scenario::parse("s.toml", &text, &[], &loader).map_err(|errors| errors.to_string());
    }
}

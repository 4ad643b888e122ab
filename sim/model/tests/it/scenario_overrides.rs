//! Overrides reach every value, keep the file's comments, and are answered like the file when they are wrong.

use faas_lab_model::policies::scaling::{CeAlert, Hpa, Load, Pro};
use faas_lab_model::policies::{self, PerRequest, Scaling};
use faas_lab_model::scenario::{BuiltIn, Scenario, ScenarioErrors, template};
use faas_lab_model::time::Span;

fn with(overrides: &[&str]) -> Result<Scenario, ScenarioErrors> {
    let overrides: Vec<String> = overrides.iter().map(|over| (*over).to_owned()).collect();
    Scenario::parse("new.toml", template(), &overrides, &BuiltIn)
}

fn good(overrides: &[&str]) -> Scenario {
    with(overrides).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn overrides_need_no_quotes_and_find_list_elements() {
    let scenario = good(&[
        "edge.client_timeout=10s",
        "function.hello.replicas.max=4",
        "node.raspberry-pi-4.count=5",
        "node.cores=8",
        "node.0.class.scalar.slowdown=2",
        "workload.hello.arrivals={ poisson = \"3/s\" }",
        "workload.0.request=1kB",
    ]);
    assert_eq!(scenario.edge.client_timeout, Some(Span::from_secs(10)));
    assert_eq!(scenario.functions[0].replicas.max, 4);
    assert_eq!((scenario.nodes[0].count, scenario.nodes[0].cores), (5, 8));
    assert_eq!(scenario.workloads[0].request.0, 1000);
}

#[test]
fn the_record_keeps_comments_and_carries_the_overrides() {
    let scenario = good(&["function.hello.replicas.max=4", "queue.ack_wait=1m", "node.cores=8"]);
    let text = &scenario.record.toml;
    assert!(text.contains("max = 4") && text.contains("# the phases from wanting"), "{text}");
    let again = Scenario::parse("new.toml", text, &[], &BuiltIn).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((again.functions, again.queue, again.nodes), (scenario.functions, scenario.queue, scenario.nodes));
}

#[test]
fn a_wrong_override_is_pointed_at() {
    for (over, place, message, help) in [
        (
            "function.hello.replicas.mxa=4",
            "--set function.hello.replicas.mxa=4:1:25",
            "not a key",
            "did you mean `max`?",
        ),
        ("function.hello.replicas.max=x", "--set function.hello.replicas.max=x:1:29", "found a text", "whole number"),
        ("duration", "--set duration:1:1", "needs an `=`", "KEY=VALUE"),
        ("duration=", "--set duration=:1:1", "needs a value", "KEY=VALUE"),
        ("workload.none.request=1kB", "--set workload.none.request=1kB:1:10", "`none` is not a key", "it can be"),
        // A misspelt function is not a new one that lacks everything; and abbreviations keep their capitals.
        (
            "function.helo.scaling=hpa",
            "--set function.helo.scaling=hpa:1:10",
            "no function `helo`",
            "did you mean `hello`?",
        ),
        ("function.x.scaling=hpa", "--set function.x.scaling=hpa:1:10", "no function `x`", "the scenario has `hello`"),
        ("function.x={}", "--set function.x={}:1:10", "has no `demand`", ": CPU work of one call"),
        ("duration=[1", "--set duration=[1:1:10", "not TOML", "brackets"),
    ] {
        let errors = with(&[over]).expect_err(over);
        let problem = &errors.problems[0];
        assert_eq!(problem.place.as_ref().map(ToString::to_string).as_deref(), Some(place), "{errors}");
        assert!(problem.message.contains(message), "{errors}");
        assert!(problem.help.as_ref().is_some_and(|said| said.contains(help)), "{errors}");
    }
}

/// A policy's bare name takes the defaults of its own settings, and the listing names what can be written.
#[test]
fn bare_names_are_the_defaults_of_their_policies() {
    let named = |name: &str| {
        let over = format!("function.hello.scaling={name}");
        good(&[&over, "function.hello.cpu_request=0.1", "function.hello.scale_to_zero=none"]).functions[0]
            .scaling
            .clone()
    };
    assert_eq!(named("ce-alert"), Scaling::CeAlert(CeAlert::default()));
    assert_eq!(named("ce-alert-corrected"), Scaling::CeAlert(CeAlert { corrected: true, ..CeAlert::default() }));
    assert_eq!(named("hpa"), Scaling::Hpa(Hpa::default()));
    assert_eq!(named("per-request"), Scaling::PerRequest(PerRequest::default()));
    for (name, load) in [("rps", Load::Rps), ("capacity", Load::Capacity), ("cpu", Load::Cpu), ("queue", Load::Queue)] {
        assert_eq!(named(name), Scaling::Pro(Pro::new(load)));
    }
    let rest = ["function.hello.scaling=per-request", "function.hello.scale_to_zero=none"];
    for listing in policies::listings() {
        let key = listing.key.replace("NAME", "hello");
        if ["dispatch", "routing"].iter().any(|end| key.ends_with(end)) {
            good(&[rest[0], rest[1], &format!("{key}={}", listing.name)]);
        }
    }
}

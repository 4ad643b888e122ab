//! What was measured, on a page of its own and beside its simulation: no word of what only a simulation has.

use faas_lab_model::metrics::comparison::{Comparison, Difference, Entry, Verdict};
use faas_lab_model::metrics::result::*;
use faas_lab_reports::sample::comparison::{beside_each_other, variant};
use faas_lab_reports::sample::measured::measured;
use faas_lab_reports::text::{TextOptions, summary};
use faas_lab_reports::{answer, compare, html, sample};

use super::{assert_no_stray_numbers, assert_well_formed};

fn entry(label: &str, result: RunResult) -> Entry {
    Entry { label: label.to_owned(), values: Vec::new(), result }
}

/// A simulation, and a live system that is somewhat slower.
fn mixed() -> Comparison {
    let entries = vec![entry("simulated", variant(0.2, 2)), entry("measured", measured(variant(0.21, 5)))];
    beside_each_other("pi4-k3s", Vec::new(), entries)
}

fn page(comparison: &Comparison) -> String {
    let page = compare(comparison).expect("the histograms are sound");
    assert_well_formed(&page);
    assert_no_stray_numbers(&page);
    page
}

/// The visible words of a page.
fn said(page: &str) -> String {
    let body = &page[page.find("<body>").expect("a body")..page.find("<script>").expect("a script")];
    let mut out = String::new();
    let mut inside = false;
    for letter in body.chars() {
        match letter {
            '<' => inside = true,
            '>' => (inside, _) = (false, out.push(' ')),
            letter if !inside => out.push(letter),
            _ => {}
        }
    }
    out.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_answer_says_how_far_the_simulation_is_off() {
    let mut comparison = mixed();
    let told = answer(&comparison).expect("sound");
    assert!(told.starts_with("The simulation puts the median ") && told.contains(" what was measured ("), "{told}");
    for clause in [", p95 ", ", p99 ", " and error rate "] {
        assert!(told.contains(clause), "{clause}: {told}");
    }
    // Both lose more than half a percent.
    assert!(told.contains("Neither meets p95 < 2 s and errors < 0.5 %."), "{told}");
    assert!(told.ends_with("Runs of the simulation differ from each other by as much."), "{told}");

    comparison.entries[0].result.objectives[1].met = true;
    let told = answer(&comparison).expect("sound");
    assert!(
        told.contains("The simulation meets p95 < 2 s and errors < 0.5 %, but what was measured does not."),
        "{told}"
    );

    // Twice as slow is more than runs differ.
    comparison.entries[1] = entry("measured", measured(variant(0.9, 5)));
    let told = answer(&comparison).expect("sound");
    assert!(told.contains("that is more than runs of the simulation differ from each other"), "{told}");

    // A single simulated run does not tell how much runs differ.
    comparison.entries[0].result.replications.truncate(1);
    assert!(answer(&comparison).expect("sound").contains("cannot be known from so few runs"));
}

#[test]
fn the_nearest_of_several_simulations_is_named() {
    let mut comparison = mixed();
    comparison.entries[0].label = "calibrated".to_owned();
    comparison.entries.push(entry("assumed", variant(0.9, 1)));
    let comparison = beside_each_other("three", Vec::new(), comparison.entries);
    let told = answer(&comparison).expect("sound");
    assert!(
        told.starts_with("Of 2 simulations calibrated comes nearest to the measured run: it puts the median "),
        "{told}"
    );

    let mut entries = comparison.entries;
    let mut other = measured(variant(0.5, 3));
    other.name = "another".to_owned();
    entries.push(entry("another", other));
    let told = answer(&beside_each_other("four", Vec::new(), entries)).expect("sound");
    assert!(told.starts_with("Over 2 measured results, the nearest simulation puts the p95 at most "), "{told}");
    assert!(told.contains("with another; the p99 at most "), "{told}");
}

#[test]
fn what_is_about_something_else_is_no_forecast_of_it() {
    let mut comparison = mixed();
    comparison.entries[0].result.name = "elsewhere".to_owned();
    assert!(answer(&comparison).expect("sound").starts_with("The simulation puts"));
    comparison.entries[0].result.functions.pop();
    let told = answer(&comparison).expect("sound");
    assert!(!told.contains("puts the") && said(&page(&comparison)).contains("Ranked by"), "{told}");
}

#[test]
fn the_page_opens_with_the_overlay_and_the_errors() {
    let told = said(&page(&mixed()));
    let at = |text: &str| told.find(text).unwrap_or_else(|| panic!("{text:?} is not in {told}"));
    assert!(at("Errors of the simulation against the measured run") < at("Means over runs"));
    assert!(
        told.contains("2 results · simulated, 10 replications · measured, 1 run · held against simulated"),
        "{told}"
    );
    for row in [
        "requests per run",
        "median response time",
        "goodput",
        "cold starts",
        "… timed out",
        "… refused",
        "… cut short",
    ] {
        at(row);
    }
    assert!(at("may be chance") > at("Errors of the simulation"));
    at(
        "Not measured with measured: busy replicas, requests in flight, waiting and service times, CPU use, energy, cost",
    );
    at("Side by side");
    for word in ["Ranked by", "rank result", "best first"] {
        assert!(!told.contains(word), "{word}: {told}");
    }
}

#[test]
fn a_simulation_is_off_rather_than_better_or_worse() {
    let mut comparison = mixed();
    let of = |metric: &str, mean: f64, verdict| Difference {
        entry: 1,
        metric: metric.to_owned(),
        estimate: Estimate { mean, half_width: Some(0.01), sd: Some(0.01), n: 5 },
        relative: Some(mean),
        paired: false,
        p_value: Some(0.001),
        verdict,
    };
    comparison.differences = vec![
        of(RESPONSE_P95, 0.2, Verdict::Worse),
        of(RESPONSE_P99, -0.2, Verdict::Better),
        of(GOODPUT, 0.3, Verdict::Better),
    ];
    let page = page(&comparison);
    let part = &page[page.find("<section id=\"differences\"").expect("differences")..];
    let told = said(&format!("<body>{}<script>", &part[..part.find("</section>").expect("an end")]));
    assert!(
        told.contains(" higher") && told.contains(" lower") && !told.contains("better") && !told.contains("worse"),
        "{told}"
    );
    assert!(told.contains("really differ from simulated in p95 response time"), "{told}");
}

#[test]
fn a_measured_run_has_a_page_of_its_own() {
    let result = measured(sample::two_functions());
    let page = html::render(&result).expect("sound");
    assert_well_formed(&page);
    assert_no_stray_numbers(&page);
    assert!(page.contains("<title>pi4-k3s · measured · faas-lab</title>"));
    let told = said(&page);
    for words in [
        "Measured · 1 run · 2 h of arrivals",
        "schedule of seed 42",
        "Measured on a live system: the error rate of ",
        "From a single run, which yields no intervals",
        "missed in a single run",
        "Neither cost nor energy was measured",
        "requests per run",
        "What was measured rests on no parameter of a model",
        "What was sent follows from the scenario and these seeds: 42.",
        "faas-lab loadtest scenarios/pi4-k3s.toml --gateway=http://127.0.0.1:8080",
        "How long the phases of a cold start take was not measured.",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    let own = told.split("Run it again").next().unwrap_or_default();
    for word in ["replication", "simulat", "has a price", "within the interval"] {
        assert!(!own.contains(word), "{word:?} is in {own}");
    }
    assert_eq!(told.matches("a single run cannot tell for certain").count(), 1, "{told}");

    let text = summary(&result, &TextOptions::default());
    assert!(text.contains("measured, 1 run, 2 h of arrivals") && text.contains("schedule of seed 42"), "{text}");
    assert!(text.contains("requests per run") && !text.contains("replication"), "{text}");
}

#[test]
fn several_measured_runs_are_runs_too() {
    let mut result = measured(sample::two_functions());
    let first = result.replications[0].clone();
    result.replications.push(Replication { index: 1, seed: 43, ..first });
    let told = said(&html::render(&result).expect("sound"));
    assert!(told.contains("Measured · 2 runs ·") && told.contains("Lines are means of 2 runs"), "{told}");
    assert!(told.contains("Means of 2 runs with their 95 % intervals"), "{told}");
}

#[test]
fn what_a_measurement_lacks_is_no_trouble() {
    let simulated = || entry("simulated", variant(0.2, 2));
    let mut lacking: Vec<RunResult> = (0..6).map(|_| measured(variant(0.3, 1))).collect();
    lacking[0].summary.clear();
    lacking[1].replications.clear();
    lacking[2].timeline = Timeline::default();
    lacking[3].functions.clear();
    lacking[4].partial = true;
    for function in &mut lacking[5].functions {
        function.responses.clear();
        function.outcomes.retain(|outcome| outcome.outcome != OutcomeKind::Ok);
    }
    for (index, result) in lacking.into_iter().enumerate() {
        html::render(&result).expect("sound");
        for entries in
            [vec![simulated(), entry("measured", result.clone())], vec![entry("measured", result), simulated()]]
        {
            let comparison = beside_each_other("lacking", Vec::new(), entries);
            page(&comparison);
            assert!(!answer(&comparison).expect("sound").is_empty(), "{index}");
        }
    }
}

//! The page as a reader's browser gets it: whole, well-formed, self-contained, and calm about odd results.

mod compare;
mod measured;
mod style;

use std::fmt::Write;

use faas_lab_model::metrics::result::*;
use faas_lab_reports::text::{TextOptions, summary};
use faas_lab_reports::{ReportError, csv, html, sample};

fn render(result: &RunResult) -> String {
    let page = html::render(result).expect("the histograms are sound");
    assert_well_formed(&page);
    assert_no_stray_numbers(&page);
    page
}

/// Every element that is opened is closed, in order; attributes are quoted and free of `<`.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 4] = ["meta", "link", "br", "wbr"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type comes first");
    while let Some(start) = rest.find('<') {
        assert!(
            !rest[..start].contains('>') || matches!(open.last(), Some(&"style" | &"script")),
            "a bare > in {:?}",
            &rest[..start]
        );
        let tag = &rest[start + 1..];
        let end = end_of_tag(tag);
        let (inside, after) = (&tag[..end], &tag[end + 1..]);
        rest = after;
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
            continue;
        }
        let name = inside.split([' ', '/']).next().unwrap_or_default();
        assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric()), "<{inside}>");
        if !VOID.contains(&name) && !inside.ends_with('/') {
            open.push(name);
        }
        if matches!(name, "style" | "script") {
            rest = &rest[rest.find(&format!("</{name}>")).expect("it ends")..];
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

fn end_of_tag(tag: &str) -> usize {
    let mut quoted = false;
    for (index, letter) in tag.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '>' if !quoted => return index,
            '<' => panic!("< inside a tag: {}", &tag[..index]),
            _ => {}
        }
    }
    panic!("a tag without an end");
}

fn assert_no_stray_numbers(page: &str) {
    for word in ["NaN", "inf ", ">inf", "\"inf", "-inf", "e-", "None", "Some("] {
        let body = &page[page.find("<body>").expect("a body")..page.find("<script>").expect("a script")];
        if word == "e-" {
            let paths = body.split(" d=\"").skip(1).map(|path| path.split('"').next().unwrap_or_default());
            assert!(paths.into_iter().all(|path| !path.contains('e')), "an exponent in a path");
        } else {
            assert!(!body.contains(word), "{word} in the page");
        }
    }
}

/// All forms of the report, for results that only need not to fail.
fn all_forms(result: &RunResult) -> String {
    for width in [0, 60, 200] {
        let text = summary(result, &TextOptions { width, color: true });
        assert!(!text.contains("NaN"), "{text}");
    }
    csv::timeline_csv(result, Vec::new()).expect("memory takes all");
    render(result)
}

#[test]
fn the_page_opens_with_the_answer() {
    let page = all_forms(&sample::two_functions());
    let answer = page.find("misses the objective").expect("an answer");
    assert!(answer < page.find("<svg").expect("charts"));
    for said in [
        "face-recognition",
        "watchdog exec",
        "assumed",
        "transferred",
        "timeout-chain",
        "faas-lab simulate scenarios/pi4-k3s.toml",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = render(&sample::two_functions());
    // The namespace in the script is a name, not an address.
    let loads = page.replace("http://www.w3.org/2000/svg", "");
    for load in ["http://", "https://", "src=", "@import", "url(", "<img", "<iframe"] {
        assert!(!loads.contains(load), "{load}");
    }
}

#[test]
fn a_usual_page_is_small() {
    assert!(render(&sample::one_function()).len() < 200_000);
    assert!(render(&sample::two_functions()).len() < 500_000);
}

#[test]
fn the_same_result_gives_the_same_bytes() {
    assert_eq!(render(&sample::two_functions()), render(&sample::two_functions()));
}

#[test]
fn hostile_names_are_only_words() {
    let evil = "<script>alert(\"1\")</script>&'";
    let mut result = sample::two_functions();
    for text in
        [&mut result.name, &mut result.about, &mut result.command, &mut result.tool.name, &mut result.scenario.toml]
    {
        *text = evil.to_owned();
    }
    result.functions[0].name = evil.to_owned();
    result.functions[0].outcomes[1].hop = Some(evil.to_owned());
    result.functions[0].parts[0].part = evil.to_owned();
    result.functions[0].cold_phases[0].phase = evil.to_owned();
    result.timeouts[0].hop = evil.to_owned();
    result.nodes[0].name = evil.to_owned();
    result.warnings[0].text = evil.to_owned();
    result.provenance[0].source = evil.to_owned();
    result.objectives[0].text = evil.to_owned();
    result.cost.currency = evil.to_owned();
    for series in result.timeline.series.iter_mut().filter(|series| series.function.is_some()) {
        series.function = Some(evil.to_owned());
    }
    let page = all_forms(&result);
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(!page.contains("alert(\"1\")"));
}

#[test]
fn a_run_without_requests_says_so() {
    assert!(all_forms(&sample::nothing()).contains("No request arrived"));
    let mut result = sample::two_functions();
    for function in &mut result.functions {
        function.outcomes.clear();
        function.responses.clear();
    }
    assert!(all_forms(&result).contains("No request to hello in the measured window"));
}

#[test]
fn a_run_without_successes_says_so() {
    let mut result = sample::two_functions();
    for function in &mut result.functions {
        function.outcomes.retain(|outcome| outcome.outcome != OutcomeKind::Ok);
        function.outcomes.push(OutcomeCount {
            outcome: OutcomeKind::TimedOut,
            hop: Some("client".to_owned()),
            status: None,
            count: 9,
        });
        function.responses.retain(|response| response.outcome != OutcomeKind::Ok);
        function.parts.iter_mut().for_each(|part| (part.mean_seconds, part.share) = (0.0, 0.0));
        function.summary.clear();
    }
    result.summary.clear();
    result.objectives[0].found = None;
    result.objectives[0].met = false;
    let page = all_forms(&result);
    assert!(page.contains("Not one of 9 requests was answered in full"));
    assert!(page.contains("p95 &lt; 2s cannot be judged"));
    result.objectives.clear();
    assert!(all_forms(&result).contains("Not one request is answered in full"));
}

#[test]
fn results_may_lack_anything() {
    let full = sample::two_functions();
    let mut without: Vec<RunResult> = (0..10).map(|_| full.clone()).collect();
    without[0].timeline = Timeline::default();
    without[1].nodes.clear();
    without[2].timeouts.clear();
    without[3].replications.clear();
    without[4].summary.clear();
    without[5].provenance.clear();
    without[6].cost = CostResult::default();
    without[7].checks.clear();
    without[8].functions.clear();
    for function in &mut without[9].functions {
        function.parts.clear();
        function.cold_phases.clear();
        function.responses.clear();
    }
    without.iter().for_each(|result| drop(all_forms(result)));
    assert!(all_forms(&sample::one_function()).contains("From a single replication, which yields no intervals"));
}

#[test]
fn values_that_are_not_finite_are_no_figures() {
    let mut result = sample::two_functions();
    let odd = Estimate { mean: f64::NAN, half_width: Some(f64::INFINITY), sd: None, n: 0 };
    result.summary.values_mut().for_each(|estimate| *estimate = odd);
    result.objectives[0].found = Some(odd);
    result.functions[0].parts[0].mean_seconds = f64::NAN;
    result.functions[1].cold_phases[0].mean_seconds = f64::NAN;
    result.checks[0].z = f64::NAN;
    for series in &mut result.timeline.series {
        series.mean[3] = f64::NAN;
        series.high[4] = f64::INFINITY;
    }
    result.timeline.cold_starts.push(f64::NAN);
    result.timeouts[0].seconds = f64::INFINITY;
    result.window.warm_up_seconds = f64::NAN;
    all_forms(&result);
}

#[test]
fn single_requests_are_enough_for_a_page() {
    let mut result = sample::one_function();
    for seconds in [0.0, 1e-9, 1e-6, 0.25, 86_400.0] {
        let response =
            |cold| ResponseHistogram { cold, outcome: OutcomeKind::Ok, histogram: sample::histogram([seconds]) };
        result.functions[0].responses = vec![response(false), response(true)];
        result.functions[0].outcomes =
            vec![OutcomeCount { outcome: OutcomeKind::Ok, hop: None, status: Some(200), count: 2 }];
        result.timeline.step_seconds = seconds;
        all_forms(&result);
    }
}

#[test]
fn many_functions_fit() {
    let mut result = sample::two_functions();
    let (function, mut name) = (result.functions[1].clone(), String::new());
    for index in 0..12 {
        name.clear();
        write!(name, "a-function-with-a-rather-long-name-{index}").expect("memory takes all");
        result.functions.push(FunctionResult { name: name.clone(), ..function.clone() });
    }
    assert!(all_forms(&result).contains("the first 6 of 14 functions"));
}

#[test]
fn answers_are_worded_by_what_was_found() {
    let answer = |change: &dyn Fn(&mut RunResult)| {
        let mut result = sample::two_functions();
        change(&mut result);
        summary(&result, &TextOptions { width: 2000, color: false }).lines().nth(3).unwrap_or_default().to_owned()
    };
    let only = |result: &mut RunResult, index: usize| result.objectives = vec![result.objectives[index].clone()];
    let met = answer(&|result| only(result, 0));
    assert!(
        met.starts_with("The p95 response time of ") && met.ends_with(" meets the objective of at most 2 s."),
        "{met}"
    );
    let unsure = answer(&|result| {
        only(result, 0);
        result.objectives[0].certain = false;
    });
    assert!(unsure.ends_with("of at most 2 s, though the interval reaches across it."), "{unsure}");
    let measured = answer(&|result| {
        only(result, 1);
        result.source = Source::Measured;
    });
    assert!(measured.starts_with("Measured on a live system: the error rate of "), "{measured}");
    let open = answer(&|result| result.objectives.clear());
    assert!(open.contains(" of the requests are answered in full, half of them within "), "{open}");
    let partial = answer(&|result| result.partial = true);
    assert!(partial.starts_with("In a run that was ended early, up to there: the error rate"), "{partial}");
}

#[test]
fn a_damaged_histogram_is_an_error_that_says_so() {
    for damaged in ["not base64!", "AAAA"] {
        let mut result = sample::two_functions();
        result.functions[0].responses[0].histogram.hdr_v2_base64 = damaged.to_owned();
        let error = html::render(&result).expect_err("it is damaged");
        assert!(matches!(error, ReportError::Histogram { .. }));
        assert!(faas_lab_reports::check(&result).is_err() && faas_lab_reports::check(&sample::nothing()).is_ok());
        assert!(
            error.to_string().starts_with("a histogram of response times of face-recognition cannot be read: "),
            "{error}"
        );
    }
}

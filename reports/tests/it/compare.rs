//! The page of a comparison: it answers, whatever the results lack, and stays a page however many there are.

use faas_lab_model::metrics::comparison::{Axis, Comparison, Entry, Verdict};
use faas_lab_model::metrics::result::*;
use faas_lab_reports::sample::comparison::{beside_each_other, grid, variant};
use faas_lab_reports::{ReportError, compare, sample};

use super::{assert_no_stray_numbers, assert_well_formed};

fn render(comparison: &Comparison) -> String {
    let page = compare(comparison).expect("the histograms are sound");
    assert_well_formed(&page);
    assert_no_stray_numbers(&page);
    page
}

/// The sentence that the page opens with.
fn answer(comparison: &Comparison) -> String {
    let page = render(comparison);
    let start = page.find("<p class=\"answer").expect("an answer");
    let text = &page[start..];
    let text = &text[text.find('>').expect("a tag") + 1..text.find("</p>").expect("it ends")];
    text.replace('\u{a0}', " ").replace("&lt;", "<")
}

fn entry(label: &str, result: RunResult) -> Entry {
    Entry { label: label.to_owned(), values: Vec::new(), result }
}

/// Two plain results, the second slower and cheaper.
fn two() -> Comparison {
    beside_each_other("two", Vec::new(), vec![entry("fast", variant(0.0, 0)), entry("slow", variant(0.9, 1))])
}

fn objective(metric: &str, at_most: f64, result: &mut RunResult) {
    let found = result.summary.get(metric).copied();
    let met = found.is_some_and(|found| found.mean <= at_most);
    let text = format!("{metric} < {at_most}");
    result.objectives = vec![ObjectiveResult { text, metric: metric.to_owned(), at_most, found, met, certain: true }];
}

/// Each entry judged by its p95.
fn judged(mut comparison: Comparison, at_most: f64) -> Comparison {
    comparison.entries.iter_mut().for_each(|entry| objective(RESPONSE_P95, at_most, &mut entry.result));
    let entries = std::mem::take(&mut comparison.entries);
    beside_each_other("judged", comparison.axes, entries)
}

#[test]
fn the_cheapest_that_meets_the_objective_is_the_answer() {
    let said = answer(&judged(two(), 2.0));
    assert_eq!(said, "slow meets p95 < 2 s at 60 % of the cost of fast; both meet it.");
    let said = answer(&judged(two(), 0.3));
    assert_eq!(said, "fast meets p95 < 300 ms at a cost of 0.0232 EUR, the only one of 2 to do so.");
    let said = answer(&judged(grid(12), 2.0));
    assert!(said.contains(" scaling with a "), "{said}");
    assert!(said.contains(" s exec timeout meets p95 < 2 s at "), "{said}");
}

#[test]
fn a_cost_near_the_baselines_is_told_by_what_sets_it_apart() {
    let near = vec![entry("fast", variant(0.0, 0)), entry("slow", variant(0.0155, 1))];
    let said = answer(&judged(beside_each_other("near", Vec::new(), near), 2.0));
    assert!(said.contains("meets p95 < 2 s at a cost 0.7 % lower than that of fast"), "{said}");
}

#[test]
fn an_answer_that_was_searched_for_is_the_pages_answer() {
    let comparison = Comparison { answer: "slow has the lowest cost, surely.".to_owned(), ..judged(two(), 2.0) };
    assert_eq!(answer(&comparison), "slow has the lowest cost, surely.");
    let own = faas_lab_reports::answer(&comparison).expect("sound");
    assert_eq!(answer(&Comparison { answer: own.clone(), ..comparison }), own);
}

#[test]
fn nothing_meets_the_objective() {
    let said = answer(&judged(two(), 0.01));
    assert!(
        said.starts_with("Not one of the 2 meets p95 < 10 ms. fast is ranked first, but its p95 response time is "),
        "{said}"
    );
}

#[test]
fn without_an_objective_there_is_only_an_order() {
    let mut comparison = two();
    comparison.entries.iter_mut().for_each(|entry| entry.result.objectives.clear());
    let comparison = beside_each_other("open", Vec::new(), comparison.entries);
    let said = answer(&comparison);
    assert!(
        said.starts_with("No objective is set. By objectives met, then cost, then p99, slow comes first, with a p99 "),
        "{said}"
    );
}

#[test]
fn equal_results_cannot_be_told_apart() {
    let twins = vec![entry("one", variant(0.2, 3)), entry("other", variant(0.2, 3))];
    let comparison = judged(beside_each_other("twins", Vec::new(), twins), 5.0);
    let said = answer(&comparison);
    assert!(said.contains("cannot be told apart from other"), "{said}");
    assert!(comparison.differences.iter().all(|difference| difference.verdict == Verdict::Same));
    assert!(
        render(&comparison).contains("No difference from one in p95 response time is certain to be more than chance")
    );
}

#[test]
fn a_doubt_is_said() {
    let mut comparison = judged(two(), 2.0);
    comparison.entries.iter_mut().for_each(|entry| entry.result.objectives[0].certain = false);
    assert!(answer(&comparison).contains("Its interval reaches across the objective"));
    comparison.entries[0].result.partial = true;
    assert!(answer(&comparison).contains("1 of the 2 results ended early"));
}

#[test]
fn a_single_result_has_nothing_beside_it() {
    let said = answer(&beside_each_other("one", Vec::new(), vec![entry("only", variant(0.0, 0))]));
    assert!(said.ends_with("There is nothing to compare it with."), "{said}");
    let page = render(&Comparison { entries: Vec::new(), ..two() });
    assert!(page.contains("There is nothing to compare."));
}

#[test]
fn ranks_and_baselines_that_do_not_exist_are_left_out() {
    let mut comparison = two();
    (comparison.ranking, comparison.baseline, comparison.pareto) = (vec![7, 1, 1], 9, vec![12]);
    for difference in &mut comparison.differences {
        difference.entry = 40;
    }
    render(&comparison);
}

#[test]
fn results_may_lack_anything() {
    let full = variant(0.5, 1);
    let mut without: Vec<RunResult> = (0..13).map(|_| full.clone()).collect();
    without[0] = sample::nothing();
    without[1].timeline = Timeline::default();
    without[2].replications.clear();
    without[3].summary.clear();
    without[4].cost = CostResult::default();
    without[4].summary.remove(COST);
    without[5].functions.clear();
    without[6].partial = true;
    without[7].objectives.clear();
    without[8].timeouts.clear();
    without[9].scenario.toml = "this is = not [toml".to_owned();
    without[10].window.duration_seconds = f64::NAN;
    for function in &mut without[11].functions {
        function.responses.retain(|response| response.outcome != OutcomeKind::Ok);
        function.outcomes.retain(|outcome| outcome.outcome != OutcomeKind::Ok);
    }
    let odd = Estimate { mean: f64::NAN, half_width: Some(f64::INFINITY), sd: None, n: 0 };
    without[12].summary.values_mut().for_each(|estimate| *estimate = odd);
    for (index, lacking) in without.iter().enumerate() {
        let whole = || entry("whole", variant(0.0, 0));
        render(&beside_each_other("lacking", Vec::new(), vec![entry("lacking", lacking.clone()), whole()]));
        render(&beside_each_other(
            "lacking",
            Vec::new(),
            vec![whole(), entry(&format!("lacking {index}"), lacking.clone())],
        ));
    }
    let all = without.into_iter().enumerate().map(|(index, result)| entry(&index.to_string(), result)).collect();
    let page = render(&beside_each_other("all", Vec::new(), all));
    assert!(page.contains("no requests") && page.contains("ended early"));
}

#[test]
fn empty_results_are_no_answer() {
    let empty = vec![entry("a", sample::nothing()), entry("b", sample::nothing())];
    assert!(
        answer(&beside_each_other("empty", Vec::new(), empty)).starts_with("No request arrived in any of the results")
    );
}

#[test]
fn without_costs_replica_hours_stand_for_them() {
    let mut comparison = grid(4);
    for entry in &mut comparison.entries {
        entry.result.cost = CostResult::default();
        entry.result.summary.remove(COST);
    }
    comparison.pareto.clear();
    let page = render(&comparison);
    assert!(page.contains("replica-hours stand for it"));
}

#[test]
fn a_measured_result_s_ready_replicas_are_held_against_ready_ones() {
    let both = |knows_all: bool| {
        let mut of = [variant(0.3, 5), variant(0.2, 2)];
        for result in &mut of {
            let all = result.summary[REPLICAS_MEAN];
            result.summary.insert(REPLICAS_READY_MEAN.to_owned(), Estimate { mean: 1.6175, ..all });
        }
        let [mut real, forecast] = of;
        real.source = Source::Measured;
        if !knows_all {
            real.summary.remove(REPLICAS_MEAN);
        }
        let hours = (real.window.duration_seconds - real.window.warm_up_seconds) / 3600.0;
        let page =
            render(&beside_each_other("mixed", Vec::new(), vec![entry("pi", real), entry("forecast", forecast)]));
        (page, faas_lab_reports::format::significant(1.6175 * hours, 3))
    };
    let (page, hours) = both(false);
    assert!(page.contains("Ready replicas, which all of these results know") && page.contains(&hours), "{hours}");
    let (page, hours) = both(true);
    assert!(page.contains("Replicas in any state times") && !page.contains(&hours), "{hours}");
}

#[test]
fn simulated_and_measured_are_held_against_each_other() {
    let mut real = variant(0.3, 5);
    real.source = Source::Measured;
    let page =
        render(&beside_each_other("mixed", Vec::new(), vec![entry("pi", real), entry("forecast", variant(0.2, 2))]));
    for said in ["forecast puts the p95 ", " below what pi measured", "Errors of the simulation against pi"] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn one_objective_missed_for_certain_is_enough() {
    let mut comparison = two();
    let result = &mut comparison.entries[1].result;
    objective(RESPONSE_P95, 0.1, result);
    let mut unsure = result.objectives[0].clone();
    (unsure.metric, unsure.at_most, unsure.certain) = (ERROR_RATE.to_owned(), 0.01, false);
    result.objectives.push(unsure);
    assert!(!render(&comparison).contains("missed, unsure"));
    comparison.entries[1].result.objectives[0].certain = false;
    assert!(render(&comparison).contains("missed, unsure"));
}

#[test]
fn keys_are_shortened_and_may_break() {
    let mut comparison = grid(12);
    assert!(render(&comparison).contains(">scaling</code> (down) and <code title"));
    for (index, entry) in comparison.entries.iter_mut().enumerate() {
        entry.result.scenario.toml = format!(
            "[f.watchdog]\nexec_timeout = \"{index}s\"\n[f.demand]\nvalue = {index}\nsource = \"note {index}\"\n"
        );
    }
    let page = render(&comparison);
    assert!(page.contains("watchdog.<wbr>exec<wbr>_timeout"));
    // Where a value comes from is no setting.
    assert!(page.contains("demand.<wbr>value") && !page.contains("note 3"));
}

#[test]
fn money_is_drawn_on_a_scale_of_whole_percents() {
    let page = render(&two());
    let start = page.find("<tr class=\"axes\"").expect("axes");
    let axes = &page[start..start + page[start..].find("</tr>").expect("an end")];
    assert!(axes.contains(">+20 %</text>") || axes.contains(">+50 %</text>"), "{axes}");
    assert!(axes.contains(" pts</text>"), "{axes}");
}

#[test]
fn different_functions_may_stand_beside_each_other() {
    render(&beside_each_other(
        "functions",
        Vec::new(),
        vec![entry("two", sample::two_functions()), entry("one", sample::one_function())],
    ));
}

#[test]
fn pages_stay_small_however_many_results_there_are() {
    for (count, most) in [(2, 150_000), (12, 500_000), (30, 900_000), (100, 2_000_000)] {
        let length = render(&grid(count)).len();
        assert!(length < most, "{count} results make a page of {length} bytes");
    }
}

#[test]
fn the_same_policy_has_the_same_colour() {
    let page = render(&grid(12));
    let swatch = |label: &str| {
        let at = page.find(&format!("<span class=\"label\">{label}</span>")).expect("a row");
        let start = page[..at].rfind("<svg class=\"swatch\"").expect("a swatch");
        page[start..at].split("class=\"l ").nth(1).expect("a line").split('"').next().expect("a colour").to_owned()
    };
    assert_eq!(swatch("capacity, 5 s"), swatch("capacity, 15 s"));
    assert_ne!(swatch("capacity, 5 s"), swatch("hpa, 5 s"));
}

#[test]
fn hostile_names_are_only_words() {
    let evil = "<script>alert(\"1\")</script>&'";
    let mut comparison = grid(4);
    (comparison.name, comparison.command, comparison.ranked_by) = (evil.to_owned(), evil.to_owned(), evil.to_owned());
    comparison.axes = vec![
        Axis { key: evil.to_owned(), values: vec![evil.to_owned()] },
        Axis { key: evil.to_owned(), values: vec![evil.to_owned()] },
    ];
    comparison.warnings.push(Warning { code: evil.to_owned(), text: evil.to_owned() });
    for (index, entry) in comparison.entries.iter_mut().enumerate() {
        entry.label = format!("{evil}{index}");
        entry.values = vec![evil.to_owned(), evil.to_owned()];
        entry.result.functions[0].outcomes[1].hop = Some(evil.to_owned());
        entry.result.cost.currency = evil.to_owned();
        entry.result.provenance[0].source = evil.to_owned();
    }
    let page = render(&comparison);
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(!page.contains("alert(\"1\")"));
}

#[test]
fn very_long_names_fit() {
    let mut comparison = grid(12);
    for (index, entry) in comparison.entries.iter_mut().enumerate() {
        entry.label = format!("a-variant-with-a-name-that-goes-on-and-on-without-an-end-{index}-").repeat(4);
    }
    render(&comparison);
}

#[test]
fn settings_name_what_they_tell_apart() {
    let mut comparison = grid(12);
    comparison.entries.iter_mut().for_each(|entry| entry.label = format!("scaling={}", entry.label));
    assert!(render(&comparison).contains("<span class=\"label\">capacity, 10 s</span>"));
    comparison.entries[1].values = comparison.entries[0].values.clone();
    assert!(render(&comparison).contains("<span class=\"label\">scaling=capacity, 10s</span>"));
}

#[test]
fn warnings_of_several_results_are_said_once() {
    let page = render(&grid(12));
    assert_eq!(page.matches("The client waits 70 s").count(), 1);
    assert!(page.contains("All results: The client waits 70 s"));
}

#[test]
fn a_damaged_histogram_is_an_error_that_says_so() {
    let mut comparison = two();
    comparison.entries[1].result.functions[0].responses[0].histogram.hdr_v2_base64 = "AAAA".to_owned();
    assert!(matches!(compare(&comparison), Err(ReportError::Histogram { .. })));
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = render(&grid(12)).replace("http://www.w3.org/2000/svg", "");
    for load in ["http://", "https://", "src=", "@import", "url(", "<img", "<iframe"] {
        assert!(!page.contains(load), "{load}");
    }
}

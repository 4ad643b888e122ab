//! What an uncertain factor of a machine makes of a result: a band, in words.
//!
//! A slowdown that is a law is drawn once per replication. So the values of replications differ by chance and by what is
//! not known of the machine; their spread is the band in which a real machine may lie, while the interval of their mean
//! only says how well the middle of that band is known.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::metrics::RunRecord;
use faas_lab_model::metrics::result::{RESPONSE_MEAN, RESPONSE_P95, Warning};
use faas_lab_model::rng::Seed;
use faas_lab_model::scenario::Scenario;
use faas_lab_model::statistics::Estimate;

/// Fewest replications whose spread is worth telling.
const LEAST: u32 = 5;
/// Standard deviations of a normal law that hold 80 % of it.
const MIDDLE: f64 = 1.2816;

/// The band of a result whose scenario draws the speed of a machine; `None` where no factor in use is uncertain, and
/// where there are too few replications to tell.
pub(crate) fn band(scenario: &Scenario, records: &[RunRecord]) -> Option<Warning> {
    let factors: Vec<String> = uncertain(scenario).map(|(node, class, law)| told(node, class, law)).collect();
    if factors.is_empty() {
        return None;
    }
    let band = |key: &str| {
        let values: Vec<f64> = records.iter().filter_map(|record| record.metrics.get(key).copied()).collect();
        let estimate = Estimate::from_replications(&values).filter(|estimate| estimate.n >= LEAST)?;
        let reach = MIDDLE * estimate.sd?;
        Some(format!("{} to {}", seconds((estimate.mean - reach).max(0.0)), seconds(estimate.mean + reach)))
    };
    let text = format!(
        "not all of the machines' speed is known: {}. Each replication draws its own, so that a real machine may lie anywhere in the spread of replications: mean response {}, p95 {} (the middle 80 %, chance included). The ± of a mean tells how well the middle of that band is known, not how wide it is.",
        factors.join("; "),
        band(RESPONSE_MEAN)?,
        band(RESPONSE_P95)?,
    );
    Some(Warning { code: "uncertain-factor".into(), text })
}

/// Factors that are laws, of classes that a function's work belongs to.
fn uncertain(scenario: &Scenario) -> impl Iterator<Item = (&str, &str, &Distribution)> {
    let used = |name: &str| {
        let of_function = |function: &faas_lab_model::scenario::Function| {
            [&function.demand.class, &function.cold_start.boot.class].into_iter().flatten().any(|class| class == name)
        };
        scenario.functions.iter().any(of_function)
    };
    scenario.nodes.iter().flat_map(move |node| {
        let classes = node.classes.iter().filter(move |class| class.slowdown.constant().is_none() && used(&class.name));
        classes.map(|class| (node.name.as_str(), class.name.as_str(), &class.slowdown))
    })
}

fn told(node: &str, class: &str, law: &Distribution) -> String {
    // Not all laws have a quantile in closed form: enough draws of any do.
    const DRAWS: usize = 2001;
    let mut stream = Seed(0).stream("uncertain");
    let mut draws: Vec<f64> = (0..DRAWS).map(|_| law.sample_secs(&mut stream)).collect();
    draws.sort_by(f64::total_cmp);
    format!(
        "{class} work takes a {node} {:.2} to {:.2} times as long as the reference machine",
        draws[DRAWS / 10],
        draws[DRAWS - 1 - DRAWS / 10]
    )
}

fn seconds(secs: f64) -> String {
    match secs {
        secs if secs < 0.001 => format!("{:.0} µs", 1e6 * secs),
        secs if secs < 1.0 => format!("{:.0} ms", 1e3 * secs),
        secs => format!("{secs:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use faas_lab_model::fixtures;
    use faas_lab_model::scenario::WorkClass;
    use faas_lab_sim::{RunOptions, run};

    use super::*;

    /// An otherwise unhurried machine whose only doubt is its speed, between one and three times as slow.
    fn scenario(slowdown: Distribution) -> Scenario {
        let mut scenario = fixtures::scenario();
        let class = WorkClass { name: "cascade".into(), slowdown, full_speedup: 1.0 };
        scenario.nodes =
            vec![faas_lab_model::scenario::NodeGroup { classes: vec![class], ..fixtures::node_group("pi", 1) }];
        let function = &mut scenario.functions[0];
        function.demand.class = Some("cascade".into());
        function.demand.law = Distribution::Constant(0.01);
        scenario
    }

    fn records(scenario: &Scenario, count: u32) -> Vec<RunRecord> {
        (0..count).map(|number| run(scenario, scenario.seed.replication(number), RunOptions::default())).collect()
    }

    #[test]
    fn the_spread_of_replications_is_the_factors() {
        let scenario = scenario(Distribution::Uniform { low: 1.0, high: 3.0 });
        let records = records(&scenario, 60);
        let text = band(&scenario, &records).expect("a band").text;
        // The middle 80 % of the law, from draws: 1.2 to 2.8 within two hundredths or so.
        let (_, told) = text.split_once("cascade work takes a pi ").expect("the factor is told");
        let told: Vec<f64> = told.split(' ').filter_map(|word| word.parse().ok()).take(2).collect();
        assert!((told[0] - 1.2).abs() < 0.1 && (told[1] - 2.8).abs() < 0.1, "{text}");
        // Calls take 10 to 30 ms: a standard deviation of 20/√12 = 5.8 ms around 20 ms, 12.6 to 27.4 ms for the middle 80 %.
        let values: Vec<f64> = records.iter().map(|record| record.metrics[RESPONSE_MEAN]).collect();
        let sd = Estimate::from_replications(&values).and_then(|estimate| estimate.sd).expect("a spread");
        assert!((0.004..0.008).contains(&sd), "{sd}");
    }

    #[test]
    fn nothing_is_said_where_all_is_known_or_too_little() {
        let known = scenario(Distribution::Constant(2.0));
        assert_eq!(band(&known, &records(&known, 6)), None);
        let doubtful = scenario(Distribution::Uniform { low: 1.0, high: 3.0 });
        assert_eq!(band(&doubtful, &records(&doubtful, 4)), None);
        let mut unused = doubtful.clone();
        unused.functions[0].demand.class = None;
        assert_eq!(band(&unused, &records(&unused, 6)), None);
    }
}

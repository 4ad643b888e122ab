//! Fitted values as scenarios have them: TOML with what is known of each.

use faas_lab_model::distributions::Distribution;

use crate::fit::Fitted;

/// Points of the table that stands for a law which has no form of its own.
const POINTS: u32 = 100;

/// A fitted law as the value of a key: `{ lognormal = { … }, basis = "measured", source = "…" }`.
pub fn fact(fitted: &Fitted) -> String {
    let interval = |name: &str| fitted.estimate(name).and_then(|found| Some((found.value, found.interval?)));
    let middle = interval("p50").map(|(value, (low, high))| {
        format!(", median {} (95 % interval {} to {})", time(value), time(low), time(high))
    });
    let doubts: Vec<String> =
        fitted.doubts.iter().filter(|doubt| doubt.is_serious()).map(|doubt| doubt.to_string()).collect();
    let doubts = if doubts.is_empty() { String::new() } else { format!("; DOUBTFUL: {}", doubts.join("; ")) };
    let source = format!(
        "{}, n = {}{}, {}{doubts}",
        fitted.source,
        fitted.n,
        middle.unwrap_or_default(),
        fitted.chosen.family.name()
    );
    format!("{{ {}, basis = \"measured\", source = {} }}", keys(fitted.law(), "value"), text(&source))
}

/// A law as a value of its own.
pub fn law(law: &Distribution) -> String {
    match law {
        Distribution::Constant(secs) => text(&time(*secs)),
        other => format!("{{ {} }}", keys(other, "constant")),
    }
}

/// A text in TOML's quotes.
pub fn text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A time with a unit that suits it, to the nanosecond.
pub fn time(secs: f64) -> String {
    let (value, decimals, unit) = match secs.abs() {
        small if small < 1e-3 => (secs * 1e6, 3, "us"),
        medium if medium < 1.0 => (secs * 1e3, 6, "ms"),
        _ => (secs, 9, "s"),
    };
    let digits = format!("{value:.decimals$}");
    format!("{}{unit}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// The keys of a law within its table; a constant has the key that its place gives it.
fn keys(law: &Distribution, constant: &str) -> String {
    let quoted = |secs: &f64| text(&time(*secs));
    match law {
        Distribution::Constant(secs) => format!("{constant} = {}", quoted(secs)),
        Distribution::Exponential { mean } => format!("exponential = {}", quoted(mean)),
        Distribution::Uniform { low, high } => {
            format!("uniform = {{ low = {}, high = {} }}", quoted(low), quoted(high))
        }
        Distribution::Lognormal { median, sigma } => {
            format!("lognormal = {{ median = {}, sigma = {sigma:.6} }}", quoted(median))
        }
        Distribution::Gamma { mean, cv } => format!("gamma = {{ mean = {}, cv = {cv:.6} }}", quoted(mean)),
        Distribution::Weibull { scale, shape } => {
            format!("weibull = {{ scale = {}, shape = {shape:.6} }}", quoted(scale))
        }
        Distribution::Shifted { offset, law } if !matches!(**law, Distribution::Shifted { .. }) => {
            format!("{}, offset = {}", keys(law, "constant"), quoted(offset))
        }
        Distribution::Truncated { law, low, high } if is_plain(law) => {
            let high = high.as_ref().map(|high| format!(", at_most = {}", quoted(high)));
            format!("{}, at_least = {}{}", keys(law, "constant"), quoted(low), high.unwrap_or_default())
        }
        Distribution::Mixture(parts) => {
            let parts =
                parts.iter().map(|(weight, law)| format!("{{ weight = {weight:.6}, {} }}", keys(law, "constant")));
            format!("mixture = [{}]", parts.collect::<Vec<_>>().join(", "))
        }
        Distribution::Quantiles(points) => table(points.iter().copied()),
        other => table((0..=POINTS).map(|k| {
            let share = f64::from(k) / f64::from(POINTS);
            // The ends of an unbounded law are cut at a ten-thousandth.
            (share, other.quantile(share.clamp(1e-4, 1.0 - 1e-4)))
        })),
    }
}

fn is_plain(law: &Distribution) -> bool {
    use Distribution::{Exponential, Gamma, Lognormal, Weibull};
    matches!(law, Exponential { .. } | Gamma { .. } | Lognormal { .. } | Weibull { .. })
}

fn table(points: impl Iterator<Item = (f64, f64)>) -> String {
    let points = points.map(|(share, secs)| format!("[{share:.6}, {}]", text(&time(secs))));
    format!("quantiles = [{}]", points.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use faas_lab_model::scenario::{BuiltIn, Scenario};
    use proptest::prelude::*;

    use super::*;

    fn read_back(written: &str) -> Distribution {
        let scenario = format!(
            "duration = \"1h\"\n[function.f]\ndemand = \"1ms\"\nwait = {written}\n[[workload]]\nfunction = \"f\"\narrivals = {{ poisson = \"1/s\" }}\n"
        );
        let scenario = Scenario::parse("x.toml", &scenario, &[], &BuiltIn);
        scenario.unwrap_or_else(|errors| panic!("{written}: {errors:?}")).functions[0].wait.clone()
    }

    fn plain() -> impl Strategy<Value = Distribution> {
        let time = || 1e-5..1e4f64;
        prop_oneof![
            time().prop_map(|mean| Distribution::Exponential { mean }),
            (time(), 0.01..3.0f64).prop_map(|(median, sigma)| Distribution::Lognormal { median, sigma }),
            (time(), 0.1..3.0f64).prop_map(|(scale, shape)| Distribution::Weibull { scale, shape }),
            (time(), 0.05..3.0f64).prop_map(|(mean, cv)| Distribution::Gamma { mean, cv }),
        ]
    }

    fn any() -> impl Strategy<Value = Distribution> {
        prop_oneof![
            (0.0..1e4f64).prop_map(Distribution::Constant),
            plain(),
            (1e-6..1.0f64, plain()).prop_map(|(offset, law)| Distribution::Shifted { offset, law: Box::new(law) }),
            (plain(), plain(), 0.1..0.9f64)
                .prop_map(|(a, b, weight)| { Distribution::Mixture(vec![(weight, a), (1.0 - weight, b)]) }),
            prop::collection::vec(1e-3..1e3f64, 2..30).prop_map(|mut values| {
                values.sort_by(f64::total_cmp);
                Distribution::Empirical(values)
            }),
        ]
    }

    proptest! {
        /// What is written reads back as the same law, to the digits that are written.
        #[test]
        fn every_law_can_be_written_and_read(law in any()) {
            let back = read_back(&super::law(&law));
            for q in [0.02, 0.1, 0.5, 0.9, 0.98] {
                let (was, is) = (law.quantile(q), back.quantile(q));
                let close = (was - is).abs() <= 2e-9 + was.abs() * 0.02;
                prop_assert!(close, "{law:?} became {back:?}: at {q} {was} and {is}");
            }
        }
    }

    #[test]
    fn times_have_units_that_suit_them() {
        assert_eq!([4.27e-5, 0.0427, 0.1, 3.5, 0.0].map(time), ["42.7us", "42.7ms", "100ms", "3.5s", "0us"]);
    }
}

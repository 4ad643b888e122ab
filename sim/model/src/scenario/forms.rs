//! The small parts of the format that many sections share: quantities, laws, time limits, delays.

use super::read::{Alternative, At, Fields, fact, valued};
use super::tree::Value;
use super::{Backoff, Demand, Jitter};
use crate::distributions::Distribution;
use crate::time::Span;
use crate::units::{ByteRate, Bytes, Rate, Share};

/// So many thousand of them still make a whole number of 64 bits.
const MOST_BYTES: Bytes = Bytes(1 << 50);

const SPAN: &str = r"^\s*([0-9._]+(e[-+]?[0-9]+)?\s*(ns|us|µs|ms|s|m|h|d)\s*)+$";

/// A time of zero or more.
pub(super) fn span(at: &mut At<'_>) -> Option<Span> {
    at.shared("time", |at| at.quantity("a time", SPAN, &["250ms", "1.5s", "2h30m"]))
}

/// A time above zero.
pub(super) fn positive_span(at: &mut At<'_>) -> Option<Span> {
    let value = span(at)?;
    if value.is_zero() {
        return at.refuse("this time must be more than zero", "write a time such as \"250ms\"");
    }
    Some(value)
}

/// A limit on a time, or `"none"`.
pub(super) fn timeout(at: &mut At<'_>) -> Option<Option<Span>> {
    at.or_word("none", |at| match span(at)? {
        Span::ZERO => at.refuse("a timeout of zero would cut every call", "write \"none\" for no timeout"),
        timeout => Some(timeout),
    })
}

/// Events per unit of time.
pub(super) fn rate(at: &mut At<'_>) -> Option<Rate> {
    at.shared("rate", |at| {
        at.quantity(
            "a rate",
            r"^\s*[0-9._]+(e[-+]?[0-9]+)?\s*/\s*(s|sec|second|m|min|minute|h|hour|d|day)\s*$",
            &["2/s", "30/min"],
        )
        .and_then(|Rate(rate)| match rate {
            // Gaps of less than a nanosecond would round to none.
            ..=1e9 => Some(Rate(rate)),
            _ => at.refuse("a rate above one in a nanosecond", "write at most \"1e9/s\""),
        })
    })
}

/// A rate above zero.
pub(super) fn positive_rate(at: &mut At<'_>) -> Option<Rate> {
    let value = rate(at)?;
    if value.0 <= 0.0 {
        return at.refuse("this rate must be more than zero", "write a rate such as \"2/s\"");
    }
    Some(value)
}

/// A size.
pub(super) fn bytes(at: &mut At<'_>) -> Option<Bytes> {
    at.shared("size", |at| match at.quantity("a size", r"^\s*[0-9._]+\s*([kKMGT]i?)?B\s*$", &["128MiB", "256kB"])? {
        size if size > MOST_BYTES => at.refuse("a size above 1024TiB", "write at most \"1024TiB\""),
        size => Some(size),
    })
}

/// A size above zero.
pub(super) fn positive_bytes(at: &mut At<'_>) -> Option<Bytes> {
    let value = bytes(at)?;
    if value.0 == 0 {
        return at.refuse("this size must be more than zero", "write a size such as \"128MiB\"");
    }
    Some(value)
}

/// A data rate.
pub(super) fn byte_rate(at: &mut At<'_>) -> Option<ByteRate> {
    at.shared("data-rate", |at| {
        at.quantity("a data rate", r"^\s*[0-9._]+\s*([kKMGT]i?)?(B|bit)/s\s*$", &["939Mbit/s", "20MiB/s"])
    })
}

/// A share as a number in [0, 1] or in percent.
pub(super) fn share(at: &mut At<'_>) -> Option<f64> {
    at.shared("share", |at| {
        at.either(
            |value| !matches!(value, Value::Text(_)),
            |at| at.number("a share", 0.0..=1.0),
            |at| at.quantity("a share", r"^\s*[0-9._]+\s*%?\s*$", &["30%"]).map(|Share(share)| share),
        )
    })
}

/// A share above zero.
pub(super) fn positive_share(at: &mut At<'_>) -> Option<f64> {
    let value = share(at)?;
    if value <= 0.0 {
        return at.refuse("this share must be more than zero", "write a share such as 0.9 or \"90%\"");
    }
    Some(value)
}

/// How many, at least one.
pub(super) fn count(at: &mut At<'_>) -> Option<u32> {
    whole(at, "a count", 1)
}

/// Attempts in all.
pub(super) fn attempts(at: &mut At<'_>) -> Option<u32> {
    at.whole("a number of attempts", 1..=1000).and_then(|number| u32::try_from(number).ok())
}

/// How many, possibly none.
pub(super) fn count_or_zero(at: &mut At<'_>) -> Option<u32> {
    whole(at, "a count", 0)
}

fn whole(at: &mut At<'_>, what: &str, low: u64) -> Option<u32> {
    at.whole(what, low..=1_000_000).and_then(|number| u32::try_from(number).ok())
}

/// What a law is a law of.
pub(super) trait Magnitude {
    /// Name of the law's form in the schema.
    const LAW: &'static str;
    /// Name of the mixture's form in the schema.
    const MIXTURE: &'static str;
    /// Reads one value.
    fn value(at: &mut At<'_>) -> Option<f64>;
}

/// Laws of times, in seconds.
pub(super) struct Time;

/// Laws of plain factors.
pub(super) struct Factor;

impl Magnitude for Time {
    const LAW: &'static str = "law-of-times";
    const MIXTURE: &'static str = "mixture-of-times";
    fn value(at: &mut At<'_>) -> Option<f64> {
        span(at).map(Span::as_secs_f64)
    }
}

impl Magnitude for Factor {
    const LAW: &'static str = "law-of-factors";
    const MIXTURE: &'static str = "mixture-of-factors";
    fn value(at: &mut At<'_>) -> Option<f64> {
        at.number("a factor", 0.0..=f64::INFINITY)
    }
}

fn above_zero<M: Magnitude>(at: &mut At<'_>) -> Option<f64> {
    let value = M::value(at)?;
    if value <= 0.0 {
        return at
            .refuse("this value must be more than zero", "a value that is always zero is written alone, as \"0s\"");
    }
    Some(value)
}

/// A law: a plain value, or a table with one law and, if wanted, an `offset` that is added to each draw.
pub(super) fn law<M: Magnitude>(at: &mut At<'_>) -> Option<Distribution> {
    at.shared(M::LAW, |at| {
        at.either(
            |value| !matches!(value, Value::Table(_)),
            |at| M::value(at).map(Distribution::Constant),
            |at| at.table(law_fields::<M>),
        )
    })
}

/// A law of times.
pub(super) fn time_law(at: &mut At<'_>) -> Option<Distribution> {
    law::<Time>(at)
}

/// A law of times that is a fact and may carry its source.
pub(super) fn time_fact(at: &mut At<'_>) -> Option<Distribution> {
    fact(time_law)(at)
}

/// CPU work: a law of times on the reference machine, with the class of the work beside it.
pub(super) fn demand(at: &mut At<'_>) -> Option<Demand> {
    fact(|at: &mut At<'_>| {
        at.shared("demand", |at| {
            at.either(
                |value| !matches!(value, Value::Table(_)),
                |at| span(at).map(|span| Demand { class: None, law: Distribution::Constant(span.as_secs_f64()) }),
                |at| {
                    at.table(|fields| {
                        let class = fields.optional("work", "Class of the work; a node's class says how fast it is there. Default: every node does it at speed 1.", |at| at.text("the name of a work class"));
                        Some(Demand { class, law: law_fields::<Time>(fields)? })
                    })
                },
            )
        })
    })(at)
}

fn law_fields<M: Magnitude>(fields: &mut Fields<'_, '_>) -> Option<Distribution> {
    let offset = fields.optional("offset", "Added to each draw.", M::value);
    let low = fields.optional("at_least", "The law is cut off below this: smaller values never come.", M::value);
    let high = fields.optional("at_most", "The law is cut off above this: larger values never come.", above_zero::<M>);
    let law = fields.choice("a law", &laws::<M>())?;
    let law = truncated(fields, law, low.unwrap_or(0.0), high)?;
    Some(match offset {
        Some(offset) if offset > 0.0 => Distribution::Shifted { offset, law: Box::new(law) },
        _ => law,
    })
}

/// A law between bounds. At least a millionth of it must lie there, or its draws would be noise.
fn truncated(fields: &mut Fields<'_, '_>, law: Distribution, low: f64, high: Option<f64>) -> Option<Distribution> {
    const LEAST: f64 = 1e-6;
    if low <= 0.0 && high.is_none() {
        return Some(law);
    }
    let key = if high.is_some() { "at_most" } else { "at_least" };
    if high.is_some_and(|high| high <= low) {
        return fields.refuse_field(key, "`at_most` is not above `at_least`", "make it larger, or leave it out");
    }
    let below_high = high.map_or(1.0, |high| law.cdf(high));
    let within = if low > 0.0 { below_high - law.cdf(low) } else { below_high };
    if within < LEAST {
        return fields.refuse_field(
            key,
            "the law has almost nothing between these bounds",
            "choose bounds that at least a millionth of its values lie between",
        );
    }
    Some(Distribution::Truncated { law: Box::new(law), low, high })
}

/// One part of a mixture: `{ weight = 0.3, LAW }`.
fn part<M: Magnitude>(at: &mut At<'_>) -> Option<(f64, Distribution)> {
    at.table(|fields| {
        let weight = fields.required(
            "weight",
            "How often a draw comes from this law, in relation to the others.",
            "0.3",
            |at| at.positive("a weight"),
        );
        let law = law_fields::<M>(fields);
        Some((weight?, law?))
    })
}

fn mixture<M: Magnitude>(at: &mut At<'_>) -> Option<Distribution> {
    let mut parts = at.shared(M::MIXTURE, |at| at.list(part::<M>))?;
    let sum: f64 = parts.iter().map(|(weight, _)| weight).sum();
    if parts.is_empty() || !sum.is_finite() {
        return at
            .refuse("a mixture needs laws to mix", "list at least one, such as { weight = 1, exponential = \"2s\" }");
    }
    parts.iter_mut().for_each(|(weight, _)| *weight /= sum);
    Some(Distribution::Mixture(parts))
}

/// Points of a quantile function: [share, value] pairs.
fn quantiles<M: Magnitude>(at: &mut At<'_>) -> Option<Distribution> {
    let points = at.list(|at| {
        let mut is_share = true;
        let mut point = (None, None);
        let items = at.list(|at| {
            let first = std::mem::replace(&mut is_share, false);
            at.either(
                |_| first,
                |at| share(at).map(|share| point.0 = Some(share)),
                |at| M::value(at).map(|value| point.1 = Some(value)),
            )
        })?;
        match (items.len(), point) {
            (2, (Some(share), Some(value))) => Some((share, value)),
            _ => at.refuse("a point is a share and a value", "write [0.5, \"2s\"]"),
        }
    })?;
    let ascends = points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
    if !ascends {
        return at.refuse("shares and values must ascend", "sort the pairs; each share comes once");
    }
    match (points.first(), points.last()) {
        (Some((0.0, _)), Some((1.0, _))) if points.len() > 1 => Some(Distribution::Quantiles(points)),
        _ => at.refuse(
            "the shares do not reach from 0 to 1",
            "begin with the smallest value, [0, \"1s\"], and end with the largest, [1, \"9s\"]",
        ),
    }
}

fn laws<M: Magnitude>() -> [Alternative<Distribution>; 13] {
    [
        valued("constant", "Always the same value.", |at| M::value(at).map(Distribution::Constant)),
        valued("exponential", "Memoryless, with this mean.", |at| {
            above_zero::<M>(at).map(|mean| Distribution::Exponential { mean })
        }),
        valued("lognormal", "The logarithm is normal with standard deviation sigma.", |at| {
            at.table(|fields| {
                let median = fields.required("median", "The median.", "\"100ms\"", above_zero::<M>);
                let sigma = fields.required("sigma", "Standard deviation of the logarithm.", "0.3", |at| {
                    at.number("sigma", 0.0..=20.0)
                });
                Some(Distribution::Lognormal { median: median?, sigma: sigma? })
            })
        }),
        valued("gamma", "Gamma by mean and coefficient of variation.", |at| {
            at.table(|fields| {
                let mean = fields.required("mean", "The mean.", "\"100ms\"", above_zero::<M>);
                let cv = fields.required("cv", "Coefficient of variation.", "0.5", variation);
                Some(Distribution::Gamma { mean: mean?, cv: cv? })
            })
        }),
        valued("erlang", "Sum of k equal exponential stages.", |at| {
            at.table(|fields| {
                let mean = fields.required("mean", "The mean of the sum.", "\"100ms\"", above_zero::<M>);
                let k = fields.required("k", "Number of stages.", "4", count);
                Some(Distribution::Gamma { mean: mean?, cv: 1.0 / f64::from(k?).sqrt() })
            })
        }),
        valued("weibull", "Weibull: heavy-tailed for a shape below 1.", |at| {
            at.table(|fields| {
                let scale = fields.required("scale", "The 63.2 % quantile.", "\"100ms\"", above_zero::<M>);
                let shape =
                    fields.required("shape", "The shape; 1 is exponential.", "1.5", |at| at.positive("a shape"));
                Some(Distribution::Weibull { scale: scale?, shape: shape? })
            })
        }),
        valued("uniform", "Equally likely between two bounds.", |at| {
            at.table(|fields| {
                let low = fields.required("low", "Smallest value.", "\"50ms\"", M::value);
                let high = fields.required("high", "Largest value.", "\"150ms\"", M::value);
                let (low, high) = (low?, high?);
                if high < low {
                    return fields.refuse_field("high", "`high` is below `low`", "swap them");
                }
                Some(Distribution::Uniform { low, high })
            })
        }),
        valued("normal", "Normal; negative draws become zero.", |at| {
            at.table(|fields| {
                let mean = fields.required("mean", "The mean before the cut at zero.", "\"100ms\"", M::value);
                let sd = fields.required("sd", "Standard deviation before the cut at zero.", "\"10ms\"", M::value);
                Some(Distribution::Normal { mean: mean?, sd: sd? })
            })
        }),
        valued(
            "hyperexponential",
            "Two exponentials with balanced means, for a coefficient of variation of 1 or more.",
            |at| {
                at.table(|fields| {
                    let mean = fields.required("mean", "The mean.", "\"100ms\"", above_zero::<M>);
                    let cv = fields.required("cv", "Coefficient of variation, 1 or more.", "2", |at| {
                        at.number("cv", 1.0..=1000.0)
                    });
                    Some(Distribution::Hyperexponential { mean: mean?, cv: cv? })
                })
            },
        ),
        valued("pareto", "Pareto (type I), cut off at `maximum` if that is given.", |at| {
            at.table(|fields| {
                let minimum = fields.required("minimum", "Smallest value.", "\"10ms\"", above_zero::<M>);
                let shape = fields.required(
                    "shape",
                    "Tail index; the mean is infinite up to 1 unless a maximum is given.",
                    "1.5",
                    |at| at.positive("a shape"),
                );
                let maximum = fields.optional("maximum", "Largest value.", above_zero::<M>);
                let (minimum, shape) = (minimum?, shape?);
                if maximum.is_some_and(|maximum| maximum <= minimum) {
                    return fields.refuse_field(
                        "maximum",
                        "`maximum` is not above `minimum`",
                        "make it larger, or leave it out",
                    );
                }
                Some(Distribution::Pareto { minimum, shape, maximum })
            })
        }),
        valued("empirical", "Measured values; draws interpolate between neighbours.", |at| {
            let mut values = at.list(M::value)?;
            if values.is_empty() {
                return at.refuse("no values are listed", "list at least one measured value");
            }
            values.sort_by(f64::total_cmp);
            Some(Distribution::Empirical(values))
        }),
        valued(
            "quantiles",
            "A quantile function: [share, value] pairs from 0 to 1, straight between them.",
            quantiles::<M>,
        ),
        valued("mixture", "Each draw from one of several laws, picked by weight.", mixture::<M>),
    ]
}

/// A coefficient of variation.
fn variation(at: &mut At<'_>) -> Option<f64> {
    let value = at.positive("a coefficient of variation")?;
    if !(1e-6..=1000.0).contains(&value) {
        return at.refuse(
            "a coefficient of variation must be between 0.000001 and 1000",
            "write a plain value for no variation at all",
        );
    }
    Some(value)
}

/// The fields of growing delays between attempts, within a table that has others too.
pub(super) fn backoff(fields: &mut Fields<'_, '_>, initial: &str, max: &str) -> Option<Backoff> {
    let backoff = Backoff {
        initial: fields.or("initial", "Delay before the second attempt.", initial, span),
        max: fields.or("max", "Longest delay.", max, span),
        factor: fields.or("factor", "What each delay is multiplied by for the next.", "2", |at| {
            at.number("a factor", 1.0..=1000.0)
        }),
        jitter: fields.or("jitter", "How delays are spread.", "none", |at| at.word("a kind of jitter", JITTER)),
    };
    if backoff.max < backoff.initial {
        return fields.refuse_field(
            "max",
            format!("the longest delay {} is below the first one {}", backoff.max, backoff.initial),
            "make `max` at least as long as `initial`",
        );
    }
    Some(backoff)
}

const JITTER: &[(&str, &str, Jitter)] = &[
    ("none", "The delays as they are.", Jitter::None),
    ("full", "Uniform between zero and the delay.", Jitter::Full),
    ("equal", "Uniform between half the delay and the delay.", Jitter::Equal),
];

/// HTTP status codes.
pub(super) fn status_codes(at: &mut At<'_>) -> Option<Vec<u16>> {
    at.list(|at| at.whole("a status code", 100..=599).and_then(|code| u16::try_from(code).ok()))
}

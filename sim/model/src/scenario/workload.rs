//! `[[workload]]`: when requests of one kind come, and what their clients do about failures.

use super::forms::{
    attempts, backoff, bytes, count, count_or_zero, positive_rate, positive_span, rate, span, status_codes, time_law,
};
use super::library::Library;
use super::read::{Alternative, At, Word, meant, valued};
use super::trace;
use super::tree::Value;
use super::{Arrivals, BatchSize, Body, Cron, Invocation, MmppState, Retries, ShapePoint, Users, Workload};
use crate::time::{SimTime, Span};
use crate::units::Rate;

/// What a workload needs to know of the rest of the scenario.
pub(super) struct Surroundings<'a> {
    /// Functions by name, in their order.
    pub(super) functions: &'a [String],
    /// How long requests arrive.
    pub(super) duration: Span,
    /// Where traces are.
    pub(super) library: &'a Library<'a>,
}

/// One workload.
pub(super) fn workload(at: &mut At<'_>, around: &Surroundings<'_>) -> Option<Workload> {
    at.table(|fields| {
        let function = fields.required("function", "The function that is called.", "\"NAME\"", |at| {
            let name = at.text("the name of a function")?;
            match around.functions.iter().position(|function| *function == name) {
                Some(index) => Some((name, index)),
                None => {
                    let names: Vec<&str> = around.functions.iter().map(String::as_str).collect();
                    at.refuse(format!("there is no function {name:?}"), meant(&name, &names))
                }
            }
        });
        let name = fields.optional("name", "Name; default: the function's.", |at| at.text("a name"));
        let arrivals =
            fields.optional("arrivals", "When requests come, whatever becomes of them.", |at| arrivals(at, around));
        let users =
            fields.optional("users", "Users who wait for their answer and think before the next request.", users);
        let invocation = fields.or("invocation", "Whether the client waits for the answer.", "sync", |at| {
            at.word("a way to invoke", INVOCATIONS)
        });
        let request = fields.or("request", "Size of the request body.", "0B", bytes);
        let body = fields.optional(
            "body",
            "What a call carries when it is sent to a live gateway; default: random bytes of the size of `request`.",
            |at| at.choice("a body", BODIES),
        );
        let retries = fields.optional("retries", "What a client does after a failure. Default: nothing.", retries);
        let arrivals = match (fields.has("arrivals"), fields.has("users")) {
            (true, true) => fields.refuse_field(
                "users",
                "both `arrivals` and `users` are given",
                "arrivals come on their own, users wait for answers: leave out one, or write two workloads",
            ),
            (false, false) => fields.refuse(
                "this workload has no arrivals",
                "add arrivals = { poisson = \"2/s\" }, or users = { count = 10, think = \"1s\" }",
            ),
            _ => arrivals.or(users.map(Arrivals::Users)),
        };
        let (name_of_function, function) = function?;
        Some(Workload {
            name: name.unwrap_or(name_of_function),
            function,
            arrivals: arrivals?,
            invocation,
            request,
            body,
            retries,
        })
    })
}

const INVOCATIONS: &[Word<Invocation>] = &[
    ("sync", "The client waits for the answer.", Invocation::Sync),
    ("async", "The client gets 202; a queue worker makes the call.", Invocation::Async),
];

/// More than this no camera takes, and drawing it would take long.
const MOST_PIXELS: u32 = 10_000;

const BODIES: &[Alternative<Body>] = &[
    valued(
        "text",
        "A text, in which {wait}, {demand}, {wait_ms} and {demand_ms} stand for what the simulated request is born with.",
        |at| at.text("a text").map(Body::Text),
    ),
    valued("picture", "A JPEG that is drawn, of so many pixels, such as \"640x436\".", |at| {
        let text = at.text("a size such as \"640x436\"")?;
        let side = |digits: &str| digits.trim().parse().ok().filter(|side| (16..=MOST_PIXELS).contains(side));
        match text.split_once('x').and_then(|(width, height)| side(width).zip(side(height))) {
            Some((width, height)) => Some(Body::Picture { width, height }),
            None => at.refuse(
                format!("{text:?} is no size of a picture"),
                format!("write WIDTHxHEIGHT, each from 16 to {MOST_PIXELS}, such as \"640x436\""),
            ),
        }
    }),
];

fn users(at: &mut At<'_>) -> Option<Users> {
    at.table(|fields| {
        let count = fields.required("count", "How many users.", "10", count);
        let think = fields.or("think", "Time between an answer and the next request.", "0s", time_law);
        let ramp_up = fields.or("ramp_up", "Time over which users appear, evenly.", "0s", span);
        Some(Users { count: count?, think, ramp_up })
    })
}

fn retries(at: &mut At<'_>) -> Option<Retries> {
    at.table(|fields| {
        let attempts = fields.or("attempts", "Attempts in all.", "3", attempts);
        let codes = fields.or(
            "codes",
            "Status codes that are tried again; timeouts and closed connections always are.",
            "[429, 500, 502, 503, 504]",
            status_codes,
        );
        let backoff = backoff(fields, "1s", "1m");
        Some(Retries { attempts, backoff: backoff?, codes })
    })
}

/// Arrivals before they are fitted to the scenario's duration and files.
enum Written {
    Ready(Arrivals),
    Diurnal { mean: Rate, swing: f64, period: Span, peak: Span },
    Trace(String),
}

fn arrivals(at: &mut At<'_>, around: &Surroundings<'_>) -> Option<Arrivals> {
    let written = at.shared("arrivals", |at| at.choice("a kind of arrivals", ARRIVALS))?;
    match written {
        Written::Ready(Arrivals::Shape(mut points)) => {
            // The last rate holds to the end of the run.
            if let Some(last) = points.last().copied()
                && last.at < SimTime::ZERO + around.duration
            {
                points.push(ShapePoint { at: SimTime::ZERO + around.duration, rate: last.rate });
            }
            Some(Arrivals::Shape(points))
        }
        Written::Ready(arrivals) => Some(arrivals),
        Written::Diurnal { mean, swing, period, peak } => diurnal(at, around.duration, mean, swing, period, peak),
        Written::Trace(path) => match around.library.trace(&path) {
            Ok(text) => match trace::read(&path, &text) {
                Ok(instants) => Some(Arrivals::Trace(instants)),
                Err(problems) => {
                    problems.into_iter().for_each(|problem| at.report::<()>(problem).unwrap_or(()));
                    None
                }
            },
            Err(mut problem) => {
                problem.place = at.node().map(|node| node.get("trace").unwrap_or(node).place.clone());
                at.report(problem)
            }
        },
    }
}

const ARRIVALS: &[Alternative<Written>] = &[
    valued("constant", "Equal gaps.", |at| positive_rate(at).map(|rate| Written::Ready(Arrivals::Constant(rate)))),
    valued("poisson", "A Poisson process.", |at| positive_rate(at).map(|rate| Written::Ready(Arrivals::Poisson(rate)))),
    valued("renewal", "Independent gaps of one law.", |at| match time_law(at)? {
        law if law.is_zero() => {
            at.refuse("gaps of zero would never let time pass", "write a law with a mean above zero")
        }
        law => Some(Written::Ready(Arrivals::Renewal(law))),
    }),
    valued("mmpp", "A Poisson process whose rate jumps between states in a ring.", mmpp),
    valued("shape", "A Poisson process around a rate that is drawn as straight lines between points.", |at| {
        at.table(|fields| {
            Some(Written::Ready(Arrivals::Shape(fields.required(
                "points",
                "Corners [time, rate], ascending from \"0s\"; two at one time make a step. The last rate holds.",
                "[[\"0s\", \"1/s\"], [\"10m\", \"20/s\"]]",
                points,
            )?)))
        })
    }),
    valued("steps", "A Poisson process whose rate changes at once: [time, rate] pairs, ascending from \"0s\".", |at| {
        let levels = points(at)?;
        let before = levels.windows(2).flat_map(|pair| [pair[0], ShapePoint { at: pair[1].at, rate: pair[0].rate }]);
        Some(Written::Ready(Arrivals::Shape(before.chain(levels.last().copied()).collect())))
    }),
    valued("ramp", "A Poisson process whose rate moves evenly from one value to another, and stays there.", |at| {
        at.table(|fields| {
            let from = fields.required("from", "Rate before the ramp.", "\"1/s\"", rate);
            let to = fields.required("to", "Rate after the ramp.", "\"20/s\"", rate);
            let start = fields.or("start", "When the ramp begins.", "0s", span);
            let over = fields.required("over", "How long the ramp takes.", "\"10m\"", span);
            let point = |after: Span, rate: Rate| ShapePoint { at: SimTime::ZERO + after, rate };
            let (from, to, over) = (from?, to?, over?);
            Some(Written::Ready(Arrivals::Shape(vec![
                point(Span::ZERO, from),
                point(start, from),
                point(start + over, to),
            ])))
        })
    }),
    valued("diurnal", "A Poisson process whose rate swings around its mean as a sine wave.", |at| {
        at.table(|fields| {
            let mean = fields.required("mean", "Mean rate.", "\"2/s\"", rate);
            let swing = fields.or(
                "swing",
                "How far the rate swings from its mean, as a share of it.",
                "0.8",
                super::forms::share,
            );
            let period = fields.or("period", "Time from peak to peak.", "1d", positive_span);
            let peak = fields.or("peak", "When the first peak is.", "14h", span);
            Some(Written::Diurnal { mean: mean?, swing, period, peak })
        })
    }),
    valued("batches", "So many requests released together, again and again.", |at| {
        at.table(|fields| {
            let about = "Requests in a batch. A list of [time, size] pairs, ascending from \"0s\", changes it at once; 0 is a pause.";
            let sizes = fields.required("size", about, "20", batch_sizes);
            let period = fields.required(
                "period",
                "Time between batches; the first comes after one of these.",
                "\"1s\"",
                positive_span,
            );
            Some(Written::Ready(Arrivals::Batches { sizes: sizes?, period: period? }))
        })
    }),
    valued(
        "cron",
        "A crontab line: minute hour day month weekday, the middle two always *; the run starts at 00:00 on a Monday.",
        |at| {
            let line = at.text("a crontab line")?;
            match cron(&line) {
                Ok(cron) => Some(Written::Ready(Arrivals::Cron(cron))),
                Err(why) => at.refuse(why, "write five fields, such as \"*/5 8-18 * * 1-5\""),
            }
        },
    ),
    valued(
        "trace",
        "A file with one arrival time per line, in seconds or with a unit; of several columns the first counts.",
        |at| at.text("the path of a trace").map(Written::Trace),
    ),
];

fn mmpp(at: &mut At<'_>) -> Option<Written> {
    let states = at.list(|at| {
        at.table(|fields| {
            let rate = fields.required("rate", "Rate while in this state.", "\"10/s\"", rate);
            let mean_stay = fields.required("mean_stay", "Mean time in this state.", "\"1m\"", positive_span);
            Some(MmppState { rate: rate?, mean_stay: mean_stay? })
        })
    })?;
    if states.len() < 2 {
        return at.refuse("a modulated process needs at least two states", "add a state, or write { poisson = … }");
    }
    Some(Written::Ready(Arrivals::Mmpp(states)))
}

/// One size for all batches, or a size from each of several instants on.
fn batch_sizes(at: &mut At<'_>) -> Option<Vec<BatchSize>> {
    at.either(
        |value| !matches!(value, Value::List(_)),
        |at| count(at).map(|size| vec![BatchSize { at: SimTime::ZERO, size }]),
        |at| {
            let steps = pairs(at, "a batch's size", "20", count_or_zero)?;
            match steps.iter().all(|(_, size)| *size == 0) {
                true => at.refuse("no batch has any requests", "write a size above zero"),
                false => Some(steps.into_iter().map(|(at, size)| BatchSize { at, size }).collect()),
            }
        },
    )
}

fn points(at: &mut At<'_>) -> Option<Vec<ShapePoint>> {
    let pairs = pairs(at, "a rate", "\"20/s\"", rate)?;
    Some(pairs.into_iter().map(|(at, rate)| ShapePoint { at, rate }).collect())
}

/// Pairs of a time and a value, ascending from time zero.
fn pairs<T: Copy>(
    at: &mut At<'_>,
    what: &str,
    example: &str,
    read: impl Fn(&mut At<'_>) -> Option<T>,
) -> Option<Vec<(SimTime, T)>> {
    let mut last = None;
    let pairs = at.list(|at| {
        let mut is_time = true;
        let mut pair = (None, None);
        let items = at.list(|at| {
            let first = std::mem::replace(&mut is_time, false);
            at.either(
                |_| first,
                |at| {
                    let time = span(at)?;
                    if last.is_some_and(|last| time < last) {
                        return at.refuse(
                            format!("{time} comes after {}", last.unwrap_or_default()),
                            "list points in the order of their times",
                        );
                    }
                    last = Some(time);
                    pair.0 = Some(time);
                    Some(())
                },
                |at| {
                    pair.1 = Some(read(at)?);
                    Some(())
                },
            )
        })?;
        match (items.len(), pair) {
            (2, (Some(time), Some(value))) => Some((SimTime::ZERO + time, value)),
            _ => at.refuse(format!("a point is a time and {what}"), format!("write [\"10m\", {example}]")),
        }
    })?;
    match pairs.first() {
        None => at.refuse("no points are listed", format!("write [[\"0s\", {example}], [\"10m\", {example}]]")),
        Some((first, _)) if *first != SimTime::ZERO => {
            at.refuse(format!("the first point is at {}", first.since(SimTime::ZERO)), "begin at \"0s\"")
        }
        Some(_) => Some(pairs),
    }
}

/// A sine wave in straight pieces, 48 to the period: off by less than 0.3 % of the swing.
fn diurnal(at: &mut At<'_>, duration: Span, mean: Rate, swing: f64, period: Span, peak: Span) -> Option<Arrivals> {
    const PIECES: u64 = 48;
    let step = Span::from_nanos((period.as_nanos() / PIECES).max(1));
    let steps = duration.as_nanos() / step.as_nanos() + 1;
    if steps > 1_000_000 {
        return at.refuse(
            format!("{duration} holds too many periods of {period}"),
            "write a longer period or a shorter duration",
        );
    }
    let rate_at = |at: Span| {
        let phase = (at.as_secs_f64() - peak.as_secs_f64()) / period.as_secs_f64();
        Rate(mean.0 * (1.0 + swing * libm::cos(2.0 * std::f64::consts::PI * phase)))
    };
    let point = |index| ShapePoint { at: SimTime::ZERO + step * index, rate: rate_at(step * index) };
    Some(Arrivals::Shape((0..=steps).map(point).collect()))
}

/// Reads a crontab line.
fn cron(line: &str) -> Result<Cron, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return Err(format!("a crontab line has five fields, this one has {}", fields.len()));
    };
    if let Some(other) = [day, month].into_iter().find(|field| *field != "*") {
        return Err(format!("days of the month and months must be *, not {other:?}: a run has no dates"));
    }
    let weekdays = cron_field(weekday, "weekday", 0, 7)?;
    Ok(Cron {
        minutes: cron_field(minute, "minute", 0, 59)?,
        hours: cron_field(hour, "hour", 0, 23)? as u32,
        // Sunday is 0 and 7.
        weekdays: (weekdays | weekdays >> 7) as u8 & 0x7f,
    })
}

/// `*`, `5`, `1-5`, `*/10`, `0-30/5` and lists of them, as a set of bits.
fn cron_field(field: &str, name: &str, low: u64, high: u64) -> Result<u64, String> {
    let number = |text: &str| {
        let number = text.parse::<u64>().map_err(|_| format!("{text:?} is not a {name}"))?;
        if (low..=high).contains(&number) {
            Ok(number)
        } else {
            Err(format!("{name} {number} is not between {low} and {high}"))
        }
    };
    field.split(',').try_fold(0, |set, part| {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (
                range,
                step.parse()
                    .ok()
                    .filter(|step| (1..=60).contains(step))
                    .ok_or_else(|| format!("{step:?} is not a step"))?,
            ),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (low, if name == "weekday" { 6 } else { high }),
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(range)?, if step > 1 { high } else { number(range)? }),
        };
        if last < first {
            return Err(format!("{range:?} runs backwards"));
        }
        Ok((first..=last).step_by(step).fold(set, |set, bit| set | 1 << bit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{BuiltIn, Scenario};

    #[test]
    fn what_a_live_call_carries_is_a_text_or_a_picture() {
        let read = |body: &str| {
            let text = format!(
                "duration = \"1m\"\n[function.f]\ndemand = \"1ms\"\n[[workload]]\nfunction = \"f\"\n\
                 arrivals = {{ poisson = \"1/s\" }}\n{body}\n"
            );
            let read = Scenario::parse("x.toml", &text, &[], &BuiltIn);
            read.map(|scenario| scenario.workloads[0].body.clone()).map_err(|error| error.to_string())
        };
        assert_eq!(read("").expect("valid"), None);
        assert_eq!(read("body = { text = \"{wait}\" }").expect("valid"), Some(Body::Text("{wait}".into())));
        let picture = Body::Picture { width: 640, height: 436 };
        assert_eq!(read("body = { picture = \"640x436\" }").expect("valid"), Some(picture));
        for wrong in ["640", "640x", "0x0", "15x16", "10001x100", "-1x5", "a x b"] {
            let error = read(&format!("body = {{ picture = \"{wrong}\" }}")).expect_err(wrong);
            assert!(error.contains("640x436"), "{wrong}: {error}");
        }
    }

    #[test]
    fn crontab_lines_become_bits() {
        let every_five = cron("*/5 * * * *").expect("valid");
        assert_eq!(every_five.minutes.count_ones(), 12);
        assert_eq!((every_five.hours, every_five.weekdays), ((1 << 24) - 1, 0x7f));
        let office = cron("0,30 8-18 * * 1-5").expect("valid");
        assert_eq!((office.minutes, office.hours.count_ones(), office.weekdays), (1 | 1 << 30, 11, 0b11_1110));
        assert_eq!(cron("0 0 * * 7").expect("valid").weekdays, 1);
        for bad in ["", "* * *", "60 * * * *", "* * 1 * *", "*/0 * * * *", "5-1 * * * *", "x * * * *"] {
            assert!(cron(bad).is_err(), "{bad:?}");
        }
    }
}

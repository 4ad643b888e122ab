//! From what was seen of a live function to the numbers of a scenario.
//!
//! A response is taken apart by differences of parts measured on their own: a connection takes the network's round trip, a
//! ping that and the gateway, a warm call all of it and what watchdog and function add. What the watchdog itself says of the
//! function (`X-Duration-Seconds`) parts those two; without it they stay one. A caller who says what service time his calls
//! ask for parts them better: what a function takes beyond that, it takes for calls of any length.
//!
//! Variation is written down once. A call that the machine held up is late in every part that holds it, so laws of the parts,
//! drawn independently, would hold it up several times: network and gateway enter a scenario by their medians, and their
//! variation is that of the warm calls, where it was seen together. The same goes for a function that hardly varies itself.

use super::{Call, Measurements, Step};
use crate::fit::{Doubt, Estimate, FitError, FitOptions, Fitted, Method, Sample, fit};
use crate::runs::median;

/// Every so many-th warm call and cold start is kept back.
pub(super) const KEPT_BACK: usize = 3;
/// Throughput that keeps to this share of what calls without waiting would give has met no bound.
const UNBOUND: f64 = 0.85;
/// A function whose times spread less than this about their mean takes the same time for every call.
const STEADY: f64 = 0.2;
/// Fewer cold starts than this say nothing about a law.
const FEW_COLD: usize = 3;

/// What was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fits {
    /// The function.
    pub function: String,
    /// The network's round trip.
    pub rtt: Option<Fitted>,
    /// What the gateway adds to it.
    pub gateway: Option<Fitted>,
    /// What the way to the function and back adds to that: the gateway's hop and the watchdog.
    pub watchdog: Option<Fitted>,
    /// What the function itself takes, alone on its machine.
    pub service: Fitted,
    /// Whether that is work on shared cores, and how many of them there are.
    pub sharing: Sharing,
    /// What a call waits, in seconds, until all that slept is awake: told from overhead where cores are shared, since overhead
    /// is work and this is none.
    pub waking: f64,
    /// From the wish for a replica to its first call.
    pub cold: Option<Fitted>,
    /// Rate at which bodies cross, in bytes per second.
    pub bandwidth: Option<Estimate>,
}

/// What becomes of calls that run at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Sharing {
    /// They do not hinder each other: they wait for something else than a processor.
    None,
    /// They share cores.
    Cores {
        /// How many cores' worth of work is done per second, at the most.
        cores: Estimate,
    },
    /// It was not looked at.
    Unknown,
}

/// The calls that are fitted, or those that are kept back.
pub(super) fn part(calls: &[Call], kept_back: bool) -> impl Iterator<Item = &Call> {
    let is_kept = move |index: usize| index % KEPT_BACK == KEPT_BACK - 1;
    calls.iter().enumerate().filter(move |(index, _)| is_kept(*index) == kept_back).map(|(_, call)| call)
}

/// Fits all that was seen, of calls that ask for a service time of so many seconds, if they do.
///
/// # Errors
/// If there was no warm call.
pub fn fit_live(seen: &Measurements, asked: Option<f64>, gateway: &str) -> Result<Fits, FitError> {
    let options = FitOptions::default();
    let source = |what: &str| format!("{what}, {gateway}");
    let optional = |what: &str, values: Vec<f64>| {
        let sample = Sample::exact(source(what), &values).ok()?;
        fit(&sample, &options).ok()
    };
    let warm: Vec<&Call> = part(&seen.warm, false).collect();
    let sharing = sharing(&seen.steps, &source("calls at once"));
    let waking = if matches!(sharing, Sharing::Cores { .. }) { waking(seen) } else { 0.0 };
    let rtt = optional("connections opened", seen.connections.clone());
    let network = median(&seen.connections).unwrap_or(0.0);
    let gateway_cost = optional("pings of /healthz less the round trip", less(&seen.pings, network));
    let ping = median(&seen.pings).unwrap_or(network);

    let inside: Option<Vec<f64>> = warm.iter().map(|call| asked.or(call.inside)).collect();
    let inside = inside.filter(|inside| !inside.is_empty());
    let (service, watchdog) = match inside {
        Some(inside) => {
            let own = median(&inside).unwrap_or(0.0);
            let steady = variation(&inside) < STEADY;
            let of = |call: &Call| if steady { own } else { call.inside.unwrap_or(own) };
            let beside: Vec<f64> = warm.iter().map(|call| call.total - of(call)).collect();
            let watchdog = optional("warm calls less the function's own time and a ping", less(&beside, ping + waking));
            match steady {
                true if asked.is_some() => (("what the calls ask for", inside), watchdog),
                true => (("the function's own time in warm calls, its median", vec![own; inside.len()]), watchdog),
                false => (("the function's own time in warm calls", inside), watchdog),
            }
        }
        None => {
            let whole: Vec<f64> = warm.iter().map(|call| call.total).collect();
            (("warm calls less a ping", less(&whole, ping + waking)), None)
        }
    };
    let sample = Sample::exact(source(service.0), &service.1)
        .map_err(|_| FitError::NothingEnded { source_name: source("warm calls"), n: 0 })?;
    let service = fit(&sample, &options)?;
    let work: f64 =
        [Some(&service), watchdog.as_ref()].into_iter().flatten().map(|fitted| fitted.law().quantile(0.5)).sum();
    let cold: Vec<f64> = part(&seen.cold, false).filter_map(|call| cold_time(call, &seen.warm)).collect();
    Ok(Fits {
        function: seen.function.clone(),
        rtt,
        gateway: gateway_cost,
        watchdog,
        service,
        sharing: sharing.of_calls_with(work),
        waking,
        cold: optional("starts from zero", cold).filter(|_| seen.cold.len() >= FEW_COLD),
        bandwidth: bandwidth(&seen.payloads, &source("bodies of several sizes")),
    })
}

/// How long a call waited for its replica: as the gateway says, or by what it took longer than a warm one.
pub(super) fn cold_time(call: &Call, warm: &[Call]) -> Option<f64> {
    let warm: Vec<f64> = warm.iter().map(|call| call.total).collect();
    let longer = call.total - median(&warm)?;
    call.held.or((longer > 0.0).then_some(longer))
}

fn less(values: &[f64], part: f64) -> Vec<f64> {
    values.iter().map(|value| (value - part).max(0.0)).collect()
}

/// Coefficient of variation.
fn variation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt() / mean
}

fn mean(calls: &[Call]) -> f64 {
    calls.iter().map(|call| call.total).sum::<f64>() / calls.len().max(1) as f64
}

/// Calls per second of a step.
pub(super) fn throughput(step: &Step) -> f64 {
    step.calls.len() as f64 / step.seconds.max(1e-9)
}

/// Callers without a pause bring k calls in flight. Where calls do not hinder each other, k of them do k times as much as
/// one; where they share c cores, no more than c do (the bottleneck bound of closed queueing networks). Cores are told in
/// calls per second here.
fn sharing(steps: &[Step], source: &str) -> Sharing {
    let steady = |step: &&Step| !step.calls.is_empty() && step.replicas.is_none_or(|(before, after)| before == after);
    let steps: Vec<&Step> = steps.iter().filter(steady).collect();
    let (Some(alone), Some(most)) = (steps.iter().find(|step| step.concurrency == 1), steps.last()) else {
        return Sharing::Unknown;
    };
    if most.concurrency <= 1 {
        return Sharing::Unknown;
    }
    let one = mean(&alone.calls);
    let reached = throughput(most) * one / f64::from(most.concurrency);
    if reached >= UNBOUND {
        return Sharing::None;
    }
    let cores: Vec<f64> = steps.iter().map(|step| throughput(step)).collect();
    let best = cores.iter().copied().fold(0.0, f64::max);
    // Saturated steps differ by noise alone: their spread is the interval.
    let saturated: Vec<f64> = cores.iter().copied().filter(|cores| *cores > 0.9 * best).collect();
    let low = saturated.iter().copied().fold(f64::INFINITY, f64::min);
    Sharing::Cores {
        cores: Estimate {
            name: "cores".to_owned(),
            value: saturated.iter().sum::<f64>() / saturated.len() as f64,
            interval: (saturated.len() > 1).then_some((low, best)),
            n: steps.iter().map(|step| step.calls.len()).sum(),
            method: Method::Count,
            source: source.to_owned(),
        },
    }
}

impl Sharing {
    /// From calls per second to cores, if each call is so many seconds of work.
    fn of_calls_with(mut self, work: f64) -> Sharing {
        if let Sharing::Cores { cores } = &mut self {
            cores.value *= work;
            cores.interval = cores.interval.map(|(low, high)| (low * work, high * work));
        }
        self
    }
}

/// By how much a call that comes after a pause takes longer than one that comes at once, in seconds.
fn waking(seen: &Measurements) -> f64 {
    let middle = |calls: &[Call]| median(&calls.iter().map(|call| call.total).collect::<Vec<f64>>());
    let awake = seen.steps.iter().find(|step| step.concurrency == 1).and_then(|step| middle(&step.calls));
    middle(&seen.warm).zip(awake).map_or(0.0, |(paused, awake)| (paused - awake).max(0.0))
}

/// Least squares of the median time on the size; `None` where larger bodies take no longer.
fn bandwidth(payloads: &[(u64, Vec<f64>)], source: &str) -> Option<Estimate> {
    let points: Vec<(f64, f64)> =
        payloads.iter().filter_map(|(size, times)| Some((*size as f64, median(times)?))).collect();
    let n = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxx: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    let sxy: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let slope = sxy / sxx;
    let rest: f64 = points.iter().map(|p| (p.1 - y - slope * (p.0 - x)).powi(2)).sum();
    let error = (rest / (n - 2.0) / sxx).sqrt();
    // Twice the standard error: what is not clear of that is no slope.
    (slope > 2.0 * error && slope > 0.0).then(|| Estimate {
        name: "bandwidth".to_owned(),
        value: 1.0 / slope,
        interval: Some((1.0 / (slope + 2.0 * error), 1.0 / (slope - 2.0 * error))),
        n: payloads.iter().map(|(_, times)| times.len()).sum(),
        method: Method::LeastSquares,
        source: source.to_owned(),
    })
}

impl Fits {
    /// Everything that was fitted, by what it is called in a table.
    pub fn named(&self) -> Vec<(&'static str, &Fitted)> {
        let parts = [
            ("network round trip", self.rtt.as_ref()),
            ("gateway", self.gateway.as_ref()),
            ("watchdog and hop", self.watchdog.as_ref()),
            ("function", Some(&self.service)),
            ("cold start", self.cold.as_ref()),
        ];
        parts.into_iter().filter_map(|(name, fitted)| Some((name, fitted?))).collect()
    }

    /// What should not be trusted, in words.
    pub fn doubts(&self) -> Vec<String> {
        let of = |(name, fitted): (&str, &Fitted)| {
            let serious: Vec<String> =
                fitted.doubts.iter().filter(|doubt| doubt.is_serious()).map(Doubt::to_string).collect();
            (!serious.is_empty()).then(|| format!("{name}: {}", serious.join("; ")))
        };
        self.named().into_iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(total: f64, inside: f64) -> Call {
        Call { total, inside: Some(inside), held: None }
    }

    fn step(concurrency: u32, per_second: f64, total: f64) -> Step {
        let calls = vec![call(total, total); (per_second * 10.0) as usize];
        Step { concurrency, replicas: Some((1, 1)), seconds: 10.0, calls, failures: 0 }
    }

    #[test]
    fn calls_that_sleep_do_not_share() {
        let steps = [step(1, 10.0, 0.1), step(4, 39.0, 0.1025), step(8, 77.0, 0.104)];
        assert_eq!(sharing(&steps, "test"), Sharing::None);
        assert_eq!(sharing(&steps[..1], "test"), Sharing::Unknown);
    }

    #[test]
    fn calls_that_work_share_the_cores_there_are() {
        let steps = [step(1, 10.0, 0.1), step(2, 20.0, 0.1), step(4, 19.8, 0.202), step(8, 20.2, 0.396)];
        let Sharing::Cores { cores } = sharing(&steps, "test").of_calls_with(0.1) else { panic!("they share") };
        assert!((cores.value - 2.0).abs() < 0.05, "{cores:?}");
    }

    #[test]
    fn steps_in_which_replicas_came_or_went_say_nothing() {
        let grown = Step { replicas: Some((1, 3)), ..step(8, 77.0, 0.104) };
        assert_eq!(sharing(&[step(1, 10.0, 0.1), grown], "test"), Sharing::Unknown);
    }

    #[test]
    fn the_rate_of_bodies_is_the_slope_of_their_times() {
        let at = |size: u64| (size, vec![0.001 + size as f64 / 1e8; 5]);
        let found = bandwidth(&[at(0), at(10_000), at(100_000), at(1_000_000)], "test").expect("they differ");
        assert!((found.value / 1e8 - 1.0).abs() < 1e-6, "{found:?}");
        let flat = [(0, vec![0.001]), (10_000, vec![0.0012]), (100_000, vec![0.0009]), (1_000_000, vec![0.0011])];
        assert_eq!(bandwidth(&flat, "test"), None);
    }

    #[test]
    fn overhead_is_what_a_function_takes_beyond_what_it_was_asked_for_and_waking_is_not() {
        let steps = vec![step(1, 48.0, 0.0208), step(4, 96.0, 0.0416)];
        // After pauses calls take 0.3 ms longer than at once.
        let warm = (0..60).map(|k| call(0.02108 + f64::from(k % 5) * 1e-5, 0.0204)).collect();
        let seen = Measurements { warm, steps, pings: vec![150e-6; 30], ..Measurements::default() };
        let fitted = |asked| {
            let fits = fit_live(&seen, asked, "test").expect("there are calls");
            let overhead =
                fits.watchdog.as_ref().and_then(|fitted| fitted.estimate("p50")).expect("it was measured").value;
            let Sharing::Cores { cores } = fits.sharing else { panic!("they share") };
            let service = fits.service.law().constant().expect("steady").as_secs_f64();
            (service, overhead, fits.waking, cores.value)
        };
        let is_near = |a: (f64, f64, f64, f64), b: (f64, f64, f64, f64)| {
            [(a.0, b.0), (a.1, b.1), (a.2, b.2), (a.3, b.3)].iter().all(|(a, b)| (a - b).abs() < 5e-6)
        };
        // 20.8 ms at once are a ping, the function's time and overhead; the cores do all of the work but the ping.
        let own = fitted(None);
        assert!(is_near(own, (0.0204, 0.00025, 0.0003, 96.0 * 0.02065)), "{own:?}");
        let asked = fitted(Some(0.02));
        assert!(is_near(asked, (0.02, 0.00065, 0.0003, 96.0 * 0.02065)), "{asked:?}");
    }

    #[test]
    fn a_response_is_taken_apart_by_what_was_measured_alone() {
        let warm: Vec<Call> = (0..60).map(|k| call(0.0532 + f64::from(k % 7) * 1e-5, 0.0528)).collect();
        let seen = Measurements {
            function: "sleep".into(),
            connections: vec![50e-6; 30],
            pings: vec![150e-6; 30],
            cold: (0..9).map(|k| Call { held: Some(0.03 + f64::from(k) * 1e-3), ..call(0.09, 0.053) }).collect(),
            warm,
            ..Measurements::default()
        };
        let fits = fit_live(&seen, None, "test").expect("there are calls");
        assert_eq!(fits.service.law().constant().map(|span| span.as_secs_f64()), Some(0.0528));
        let beside = fits.watchdog.as_ref().and_then(|fitted| fitted.estimate("p50")).expect("it was measured");
        assert!((beside.value - 280e-6).abs() < 20e-6, "{beside:?}");
        let cold = fits.cold.as_ref().and_then(|fitted| fitted.estimate("p50")).expect("it was measured");
        assert!((0.03..0.04).contains(&cold.value), "{cold:?}");
        assert!(fits.doubts().iter().any(|doubt| doubt.starts_with("cold start: only 6")), "{:?}", fits.doubts());
    }
}

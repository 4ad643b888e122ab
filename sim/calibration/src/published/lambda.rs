//! Twenty days of AWS Lambda under Poisson load (Mahmoudi and Khazaei, IEEE TCC 2020; pacslab/simfaas, examples/exp.csv).
//!
//! The rule that everyone uses, the newest idle instance first and ten minutes of keep-alive, misses the measured shares
//! of cold starts by 12.9 % on average and the numbers of instances by 3.26 %, once it has converged. That is what is
//! reproduced here: the error of the rule, with the means of all twenty runs as its service times.

use faas_lab_model::metrics::result;
use faas_lab_model::theory::KeepAlive;
use faas_lab_model::time::Span;

use crate::runs::{Players, View, mean, scenario};
use crate::verdict::{Bound, Row, Section};

/// Arrivals per second, share of cold starts with its standard error, mean number of instances.
const MEASURED: [(f64, f64, f64, f64); 20] = [
    (0.0018631, 0.342988, 0.031763, 0.6742),
    (0.0024577, 0.210828, 0.037085, 0.8135),
    (0.0028816, 0.145431, 0.024181, 0.7795),
    (0.0034535, 0.110098, 0.022802, 0.9076),
    (0.0042480, 0.079480, 0.012393, 0.9459),
    (0.0057248, 0.038285, 0.006170, 1.0319),
    (0.0078509, 0.033821, 0.005196, 1.1291),
    (0.0163836, 0.019553, 0.002137, 1.2699),
    (0.0501200, 0.008542, 0.000936, 2.1136),
    (0.0998711, 0.005949, 0.000681, 2.7641),
    (0.1003774, 0.005658, 0.000416, 2.8888),
    (0.1980761, 0.003724, 0.000280, 3.7188),
    (0.3017913, 0.002939, 0.000200, 4.4218),
    (0.3974858, 0.002085, 0.000137, 5.0450),
    (0.4996728, 0.001913, 0.000097, 5.6942),
    (0.5956058, 0.001756, 0.000069, 6.4194),
    (0.6972661, 0.001751, 0.000114, 6.9277),
    (0.7979431, 0.001560, 0.000062, 7.5639),
    (0.9024594, 0.001513, 0.000066, 7.8698),
    (1.0005332, 0.001307, 0.000081, 8.3971),
];

/// Cold starts to be seen at each rate, about.
const COLD_STARTS: f64 = 6_000.0;
const REPLICATIONS: u32 = 10;

/// One rate, by replication.
struct Played {
    cold_share: Vec<f64>,
    replicas: Vec<f64>,
}

/// Mean warm and cold response of the twenty runs, in seconds.
const WARM: f64 = 1.981_341;
const COLD: f64 = 2.303_745;

/// The rule at one rate, with its exactly solved neighbour as a control variate.
///
/// Cold starts are rare and come in clusters, so that plain shares are noisy. The neighbour (most recently used first, cold
/// calls as short as warm ones) sees the same arrivals and the same demands, and its steady state is known: what it is
/// off by in a replication, the rule is off by too, nearly.
fn play(players: &Players<'_>, rate: f64, cold_share: f64) -> Played {
    let duration = (COLD_STARTS / cold_share / rate / f64::from(REPLICATIONS)).ceil() + 6000.0;
    let found = |routing: &str, cold: f64| {
        let text = format!(
            "duration = \"{duration}s\"\nreplications = {REPLICATIONS}\n\
             [function.f]\ndemand = {{ exponential = \"{WARM}s\" }}\n{}\
             scaling = {{ per-request = {{ routing = \"{routing}\" }} }}\nkeep_alive = \"600s\"\n\
             replicas = {{ min = 0, max = 1000 }}\n\
             [[workload]]\nfunction = \"f\"\narrivals = {{ poisson = \"{rate}/s\" }}\n",
            if cold == WARM { String::new() } else { format!("cold_demand = {{ exponential = \"{cold}s\" }}\n") }
        );
        let scenario = scenario(&format!("Lambda at {rate} per second"), &text, &[]);
        let view = View { warm_up: Span::from_secs(6000), ..View::default() };
        players.measure(&scenario, view, &|record| {
            let metric = |key: &str| record.metrics.get(key).copied().unwrap_or(f64::NAN);
            (metric(result::COLD_STARTS) / metric(result::OFFERED), metric(result::REPLICAS_MEAN))
        })
    };
    let (rule, neighbour) = (found("newest", COLD), found("most-recently-used", WARM));
    let known = KeepAlive { arrival_rate: rate, mean_service: WARM, keep_alive: 600.0, cap: None }.steady_state();
    let (cold, replicas) = known.map_or((f64::NAN, f64::NAN), |known| (known.p_cold, known.replicas()));
    let controlled =
        rule.iter().zip(&neighbour).map(|(rule, twin)| (rule.0 - twin.0 + cold, rule.1 - twin.1 + replicas));
    let (cold_share, replicas) = controlled.unzip();
    Played { cold_share, replicas }
}

/// Mean error over the rates, with the values of each replication left out in turn (the jackknife): an absolute error
/// grows with noise, so that the mean of single replications' errors would be too large.
fn mean_error(measured: &[f64], played: &[Vec<f64>]) -> (f64, f64) {
    let error = |without: Option<usize>| {
        let of_rate = |(measured, values): (&f64, &Vec<f64>)| {
            let kept: Vec<f64> =
                values.iter().enumerate().filter(|(run, _)| Some(*run) != without).map(|(_, value)| *value).collect();
            ((mean(&kept) - measured) / measured).abs()
        };
        mean(&measured.iter().zip(played).map(of_rate).collect::<Vec<f64>>())
    };
    let runs = played.iter().map(Vec::len).min().unwrap_or(0);
    let left_out: Vec<f64> = (0..runs).map(|run| error(Some(run))).collect();
    let centre = mean(&left_out);
    let squares: f64 = left_out.iter().map(|value| (value - centre) * (value - centre)).sum();
    (error(None), (squares * (runs as f64 - 1.0) / runs as f64).sqrt())
}

pub(super) fn section(players: &Players<'_>) -> Section {
    let mut section = Section::new(
        "AWS Lambda: twenty arrival rates",
        &[
            "Measured by Mahmoudi and Khazaei: 128 MB, us-east-1, Poisson arrivals, about 28 hours each (pacslab/simfaas, \
             examples/exp.csv). Simulated: a replica for each request that finds none idle, the newest idle one first, \
             kept for 600 s; exponential service with the mean of all runs, 1.981 s warm and 2.304 s cold. Noise is \
             taken out by a control variate: the most recently used instance first has an exact solution.",
            "The first two rows are judged. They say that this model has converged: its mean error is the rule's own, and \
             no smaller one can be had from it. The rates below show where that error comes from.",
        ],
    );
    let played: Vec<Played> = MEASURED.iter().map(|(rate, cold, ..)| play(players, *rate, *cold)).collect();
    let column = |read: fn(&(f64, f64, f64, f64)) -> f64| MEASURED.iter().map(read).collect::<Vec<f64>>();
    let (cold_shares, replicas): (Vec<_>, Vec<_>) =
        played.iter().map(|rate| (rate.cold_share.clone(), rate.replicas.clone())).unzip();
    let of_rule = |quantity: &str, theirs: f64, distance: f64, measured: &[f64], played: &[Vec<f64>]| {
        let (error, deviation) = mean_error(measured, played);
        let row = Row::new("all rates", quantity, "%").published(theirs, None).simulated(100.0 * error);
        Row { half_width: Some(196.0 * deviation), ..row.within(Bound::Distance(distance)) }
    };
    section.rows.push(of_rule("mean error of the cold share", 12.9, 0.3, &column(|row| row.1), &cold_shares));
    section.rows.push(of_rule("mean error of the instances", 3.26, 0.1, &column(|row| row.3), &replicas));
    for ((rate, cold, cold_error, instances), rate_played) in MEASURED.iter().zip(&played) {
        let case = format!("{rate} per second");
        let row = |quantity: &str| Row::new(case.clone(), quantity, "");
        section.rows.push(row("cold share").published(*cold, Some(*cold_error)).replicated(&rate_played.cold_share));
        section.rows.push(row("instances").published(*instances, None).replicated(&rate_played.replicas));
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jackknife_of_means_is_their_standard_error() {
        // One rate, measured 1: the error is mean − 1, whose standard error is sd/√n = √(5/3)/2.
        let (error, deviation) = mean_error(&[1.0], &[vec![2.0, 3.0, 4.0, 5.0]]);
        assert!((error - 2.5).abs() < 1e-12 && (deviation - (5.0f64 / 3.0).sqrt() / 2.0).abs() < 1e-12, "{deviation}");
    }
}

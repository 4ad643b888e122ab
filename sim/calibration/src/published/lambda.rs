//! Twenty days of AWS Lambda under Poisson load (Mahmoudi and Khazaei, IEEE TCC 2020; pacslab/simfaas, examples/exp.csv).
//!
//! The rule that everyone uses, the newest idle instance first and ten minutes of keep-alive, misses the measured shares
//! of cold starts by 12.9 % on average and the numbers of instances by 3.26 %, once it has converged. That is what is
//! reproduced here: the error of the rule, with the means of all twenty runs as its service times. Beside it stands what
//! `calibrate` learns from request logs of the same function.

use faas_lab_model::metrics::{RunRecord, result};
use faas_lab_model::theory::KeepAlive;
use faas_lab_model::time::Span;

use crate::runs::{Players, View, mean, scenario};
use crate::verdict::{Bound, Row, Section};

/// Arrivals per second, share of cold starts with its standard error, mean number of instances.
type Measured = (f64, f64, f64, f64);

const MEASURED: [Measured; 20] = [
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

/// The scenario that ships, and the rates of the logs that it was made of.
const CALIBRATED: &str = include_str!("../../../../scenarios/aws-lambda-calibrated.toml");
const FITTED: [f64; 6] = [0.0018631, 0.0028816, 0.0042480, 0.0078509, 0.0998711, 0.1003774];

/// Cold starts to be seen at each rate, about.
const COLD_STARTS: f64 = 6_000.0;
const REPLICATIONS: u32 = 10;
/// Longer than any instance lives.
const WARM_UP: u64 = 9000;

/// One rate, by replication.
struct Played {
    cold_share: Vec<f64>,
    replicas: Vec<f64>,
}

/// Mean warm and cold response of the twenty runs, in seconds.
const WARM: f64 = 1.981_341;
const COLD: f64 = 2.303_745;

/// Share of cold starts and mean number of instances of a replication.
fn shares(record: &RunRecord) -> (f64, f64) {
    let metric = |key: &str| record.metrics.get(key).copied().unwrap_or(f64::NAN);
    (metric(result::COLD_STARTS) / metric(result::OFFERED), metric(result::REPLICAS_MEAN))
}

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
        players.measure(&scenario, view, &shares)
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

/// What the calibrated scenario says at one rate. No exact neighbour is known for it: it is played for longer.
fn play_calibrated(players: &Players<'_>, rate: f64, cold_share: f64) -> Played {
    let duration = (2.0 * COLD_STARTS / cold_share / rate / f64::from(REPLICATIONS)).ceil() + WARM_UP as f64;
    let changes = [
        format!("duration={duration}s"),
        format!("replications={REPLICATIONS}"),
        format!("workload.lambda.arrivals={{ poisson = \"{rate}/s\" }}"),
    ];
    let scenario = scenario(&format!("Lambda, calibrated, at {rate} per second"), CALIBRATED, &changes);
    let view = View { warm_up: Span::from_secs(WARM_UP), ..View::default() };
    let found = players.measure(&scenario, view, &shares);
    let (cold_share, replicas) = found.into_iter().unzip();
    Played { cold_share, replicas }
}

/// Both sections: the rule that everyone uses, and what `calibrate` learns from request logs.
pub(super) fn sections(players: &Players<'_>) -> [Section; 2] {
    let usual: Vec<Played> = MEASURED.iter().map(|(rate, cold, ..)| play(players, *rate, *cold)).collect();
    let calibrated: Vec<Played> =
        MEASURED.iter().map(|(rate, cold, ..)| play_calibrated(players, *rate, *cold)).collect();
    let mut rule = Section::new(
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
    for (what, theirs, distance) in [(&COLD_SHARE, 12.9, 0.3), (&INSTANCES, 3.26, 0.1)] {
        rule.rows.push(what.mean_error("all rates", theirs, &usual, |_| true).within(Bound::Distance(distance)));
    }
    rule.rows.extend(rates(&usual));
    let mut learnt = Section::new(
        "AWS Lambda: the same twenty rates, calibrated",
        &[
            "scenarios/aws-lambda-calibrated.toml, which `faas-lab calibrate --requests` made of request logs of the same \
             function, at the same rates; nothing else is changed. Six of the rates are those of the logs that it was \
             made of, marked as fitted; of the others nothing was known. Judged: over all rates the mean errors must be \
             below those of the usual rule. The errors over the fourteen rates that no log has stand beside the \
             rule's over the same fourteen, and are shown.",
            "What is left at low rates is chance of the measurement, whose standard error is 10 to 20 % there. From 0.4 per \
             second on too many cold starts are told, by two to three standard errors: instances that work more seem \
             to live longer than the logs of rare calls tell.",
        ],
    );
    for what in [&COLD_SHARE, &INSTANCES] {
        let of_rule = what.mean_error("all rates", 0.0, &usual, |_| true).simulated;
        let all = what.mean_error("all rates, beside the rule's", of_rule, &calibrated, |_| true);
        learnt.rows.push(all.within(Bound::Between(0.0, of_rule)));
    }
    for what in [&COLD_SHARE, &INSTANCES] {
        let of_rule = what.mean_error("", 0.0, &usual, is_new).simulated;
        learnt.rows.push(what.mean_error("fourteen new rates, beside the rule's", of_rule, &calibrated, is_new));
    }
    learnt.rows.extend(rates(&calibrated).map(|row| match FITTED.iter().any(|rate| row.case == named(*rate)) {
        true => Row { case: format!("{} (fitted)", row.case), ..row },
        false => row,
    }));
    [rule, learnt]
}

/// A quantity of the table, and where it stands.
struct Quantity {
    name: &'static str,
    measured: fn(&Measured) -> f64,
    played: fn(&Played) -> &Vec<f64>,
}

const COLD_SHARE: Quantity =
    Quantity { name: "mean error of the cold share", measured: |row| row.1, played: |played| &played.cold_share };
const INSTANCES: Quantity =
    Quantity { name: "mean error of the instances", measured: |row| row.3, played: |played| &played.replicas };

impl Quantity {
    /// The mean error over the rates that `which` takes, in percent, beside another one.
    fn mean_error(&self, case: &str, other: f64, played: &[Played], which: fn(f64) -> bool) -> Row {
        let taken = || MEASURED.iter().zip(played).filter(|(row, _)| which(row.0));
        let measured: Vec<f64> = taken().map(|(row, _)| (self.measured)(row)).collect();
        let played: Vec<Vec<f64>> = taken().map(|(_, played)| (self.played)(played).clone()).collect();
        let (error, deviation) = mean_error(&measured, &played);
        let row = Row::new(case, self.name, "%").published(other, None).simulated(100.0 * error);
        Row { half_width: Some(196.0 * deviation), ..row }
    }
}

fn is_new(rate: f64) -> bool {
    !FITTED.contains(&rate)
}

fn named(rate: f64) -> String {
    format!("{rate} per second")
}

/// Two rows for each rate.
fn rates(played: &[Played]) -> impl Iterator<Item = Row> {
    MEASURED.iter().zip(played).flat_map(|((rate, cold, cold_error, instances), played)| {
        let row = |quantity: &str| Row::new(named(*rate), quantity, "");
        [
            row("cold share").published(*cold, Some(*cold_error)).replicated(&played.cold_share),
            row("instances").published(*instances, None).replicated(&played.replicas),
        ]
    })
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

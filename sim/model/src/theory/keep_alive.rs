//! Replicas that serve one request at a time, start when an arrival finds none idle, and go after an idle time T.
//!
//! The most recently used idle replica serves first. That makes the idle replicas a stack: the one released when the
//! number of busy replicas falls from n + 1 to n is taken at the next rise from n to n + 1. Its idle time is therefore
//! the passage time τₙ of the birth-death chain of busy replicas, cut at T, and the arrival that ends it is cold
//! exactly when τₙ > T. With π the law of the number busy: p_cold = Σ πₙ·P(τₙ > T), E\[idle\] = λ·Σ πₙ·E\[min(τₙ, T)\].
//!
//! Left out: a cold start that takes longer than a warm service (here both have the same exponential law), other
//! routing, and several requests per replica.

use super::birth_death::BirthDeath;
use super::{erlang_b, not_negative, positive};

/// Keep-alive with most-recently-used routing and exponential service, cold or warm alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeepAlive {
    /// λ > 0, per second.
    pub arrival_rate: f64,
    /// E\[S\] > 0, in seconds.
    pub mean_service: f64,
    /// T ≥ 0, in seconds: idle time after which a replica goes.
    pub keep_alive: f64,
    /// Most replicas allowed (≥ 1); an arrival that finds them all busy is rejected. `None`: no limit.
    pub cap: Option<u32>,
}

/// What [`KeepAlive`] settles to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeepAliveMeans {
    /// Share of all arrivals that start a replica.
    pub p_cold: f64,
    /// Share of all arrivals that are rejected.
    pub p_rejected: f64,
    /// Mean number of idle replicas.
    pub idle: f64,
    /// Mean number of busy replicas.
    pub busy: f64,
}

const MOST_ERLANGS: f64 = 2000.0;

impl KeepAliveMeans {
    /// Mean number of replicas, idle and busy.
    pub fn replicas(&self) -> f64 {
        self.idle + self.busy
    }
}

impl KeepAlive {
    /// The steady state; shares are good to about 1e-12 in absolute terms.
    ///
    /// Takes about a^2.5 operations for a = λ·E\[S\] erlangs: milliseconds at 20, a fraction of a second at 200. `None`
    /// above 2000 erlangs, where it would take minutes, and without a finite T.
    pub fn steady_state(&self) -> Option<KeepAliveMeans> {
        let a = self.offered_load().filter(|a| *a <= MOST_ERLANGS)?;
        let keep_alive = not_negative(self.keep_alive)?;
        let p_rejected = match self.cap {
            Some(0) => return None,
            Some(cap) => erlang_b(cap, a)?,
            None => 0.0,
        };
        let top = self.cap.map_or(practical_top(a), |cap| cap.min(practical_top(a)));
        let busy_law = truncated_poisson(a, top);

        let chain = self.chain();
        let (mut p_cold, mut idle) = (0.0, 0.0);
        // τₙ grows with n: once it never outlasts T, going down, it never does again and its mean is known in full.
        let mut always_reused = false;
        for n in (0..top).rev() {
            let share = busy_law[n as usize];
            if always_reused {
                idle += share / erlang_b(n, a)?;
                continue;
            }
            let passage = chain.up_passage(n);
            let outlasts = passage.exceeds(keep_alive);
            p_cold += share * outlasts;
            idle += self.arrival_rate * share * passage.mean_up_to(keep_alive);
            always_reused = outlasts < 1e-15;
        }
        Some(KeepAliveMeans { p_cold, p_rejected, idle, busy: a * (1.0 - p_rejected) })
    }

    /// Expected number of cold starts within `horizon` seconds of an empty start, when nothing expires before its end
    /// (T ≥ horizon): the expected maximum of the number busy, Σₖ P(k busy at some time before the horizon).
    ///
    /// Takes about horizon·(λ + k·μ)·k operations for each k in reach. `None` when T < horizon, and when these would
    /// come to more than about 10¹⁰ (many seconds).
    pub fn cold_starts_from_empty(&self, horizon: f64) -> Option<f64> {
        let horizon = not_negative(horizon)?;
        let top = f64::from(practical_top(self.offered_load()?));
        let operations = horizon * (self.arrival_rate + top / self.mean_service) * top * top;
        if self.keep_alive.is_nan() || self.keep_alive < horizon || self.cap == Some(0) || operations > 1e10 {
            return None;
        }
        if horizon == 0.0 {
            return Some(0.0);
        }
        let chain = self.chain();
        let mut expected = 0.0;
        for level in 1..=self.cap.unwrap_or(u32::MAX) {
            let reached = chain.reaches(level, horizon);
            expected += reached;
            if reached < 1e-14 {
                break;
            }
        }
        Some(expected)
    }

    fn offered_load(&self) -> Option<f64> {
        positive(positive(self.arrival_rate)? * positive(self.mean_service)?)
    }

    fn chain(&self) -> BirthDeath {
        BirthDeath { birth_rate: self.arrival_rate, death_rate: 1.0 / self.mean_service }
    }
}

/// Keep-alive when service takes no time: one replica at most, lost whenever a gap between arrivals exceeds T.
///
/// A renewal argument; the limit of [`KeepAlive`] for λ·E\[S\] → 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZeroServiceKeepAlive {
    /// λ > 0, per second.
    pub arrival_rate: f64,
    /// T ≥ 0, in seconds.
    pub keep_alive: f64,
}

impl ZeroServiceKeepAlive {
    /// Share of arrivals that are cold: P(gap > T) = e^(−λT).
    pub fn p_cold(&self) -> Option<f64> {
        Some(libm::exp(-self.gaps_per_keep_alive()?))
    }

    /// Mean number of replicas: λ·E\[min(gap, T)\] = 1 − e^(−λT).
    pub fn replicas(&self) -> Option<f64> {
        Some(-libm::expm1(-self.gaps_per_keep_alive()?))
    }

    /// Mean life of a replica in seconds: (e^(λT) − 1)/λ. `None` where that is too large to represent.
    pub fn mean_lifespan(&self) -> Option<f64> {
        not_negative(libm::expm1(self.gaps_per_keep_alive()?) / self.arrival_rate)
    }

    fn gaps_per_keep_alive(&self) -> Option<f64> {
        not_negative(positive(self.arrival_rate)? * not_negative(self.keep_alive)?)
    }
}

/// A number of busy replicas that is exceeded with probability below 1e-18 at offered load `a`.
fn practical_top(a: f64) -> u32 {
    (a + 10.0 * a.sqrt() + 30.0) as u32
}

/// Poisson(a) restricted to 0..=top, by ratios from its mode.
fn truncated_poisson(a: f64, top: u32) -> Vec<f64> {
    let mode = (a as u32).min(top);
    let mut law = vec![0.0; top as usize + 1];
    law[mode as usize] = 1.0;
    for n in (0..mode).rev() {
        law[n as usize] = law[n as usize + 1] * f64::from(n + 1) / a;
    }
    for n in mode + 1..=top {
        law[n as usize] = law[n as usize - 1] * a / f64::from(n);
    }
    let total: f64 = law.iter().sum();
    law.into_iter().map(|weight| weight / total).collect()
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    fn keep_alive(arrival_rate: f64, mean_service: f64, keep_alive: f64) -> KeepAlive {
        KeepAlive { arrival_rate, mean_service, keep_alive, cap: None }
    }

    /// Values that a simulation of 5·10⁷ to 10⁸ requests has confirmed.
    #[test]
    fn most_recently_used_routing_has_its_reference_values() {
        for (rate, service, idle_time, p_cold, replicas) in [
            (0.9, 1.991, 600.0, 0.001_329_31, 7.691_933_51),
            (0.9, 2.016, 600.0, 0.001_335_02, 7.736_598_97),
            (10.0, 2.016, 600.0, 0.000_289_73, 37.534_986_45),
            (10.0, 2.016, 60.0, 0.003_777_45, 32.989_457_93),
            (10.0, 2.016, 10.0, 0.026_987_00, 28.473_032_56),
            (1.0, 1.0, 2.0, 0.323_377_70, 2.090_663_04),
            (1.0, 2.0, 10.0, 0.099_699_85, 4.531_241_28),
            (0.001_863_136_764_181_901_8, 1.98, 600.0, 0.329_421_42, 0.678_332_16),
        ] {
            let means = keep_alive(rate, service, idle_time).steady_state().expect("a steady state");
            assert_digits(Some(means.p_cold), p_cold, 8);
            assert_digits(Some(means.replicas()), replicas, 8);
            assert_eq!(means.p_rejected, 0.0);
        }
    }

    #[test]
    fn a_cap_rejects_as_erlang_b_says() {
        let means = KeepAlive { cap: Some(5), ..keep_alive(2.0, 2.0, 30.0) }.steady_state().expect("a steady state");
        assert_digits(Some(means.p_cold), 8.54e-6, 8);
        assert_digits(Some(means.p_rejected), 0.199_066_87, 8);
        assert_digits(Some(means.replicas()), 4.999_945_84, 8);
        assert_eq!(KeepAlive { cap: Some(0), ..keep_alive(2.0, 2.0, 30.0) }.steady_state(), None);
    }

    #[test]
    fn a_cap_out_of_reach_changes_nothing() {
        let free = keep_alive(1.0, 2.0, 10.0).steady_state().expect("a steady state");
        let capped = KeepAlive { cap: Some(500), ..keep_alive(1.0, 2.0, 10.0) }.steady_state().expect("a steady state");
        assert_digits(Some(capped.replicas()), free.replicas(), 12);
        assert_digits(Some(capped.p_cold), free.p_cold, 12);
    }

    #[test]
    fn without_keep_alive_every_request_is_cold() {
        let means = keep_alive(1.0, 3.0, 0.0).steady_state().expect("a steady state");
        assert_digits(Some(means.p_cold), 1.0, 12);
        assert_digits(Some(means.replicas()), 3.0, 12);
        assert_eq!(keep_alive(1.0, 3.0, f64::INFINITY).steady_state(), None);
        assert_eq!(keep_alive(1.0, 3.0, f64::NAN).steady_state(), None);
    }

    /// Every replica outlives T, so Little's law bounds their number from below by births per second times T.
    #[test]
    fn two_hundred_erlangs_obey_littles_law() {
        let means = keep_alive(100.0, 2.0, 60.0).steady_state().expect("a steady state");
        assert!(means.p_cold > 0.0 && 100.0 * means.p_cold * 60.0 < means.replicas());
        assert!(means.replicas() > means.busy && means.replicas() < 300.0);
    }

    #[test]
    fn what_would_take_minutes_is_refused() {
        assert_eq!(keep_alive(1e12, 1.0, 60.0).steady_state(), None);
        assert_eq!(keep_alive(1e-3, 1.0, 1e12).cold_starts_from_empty(1e12), None);
    }

    #[test]
    fn cold_starts_after_an_empty_start() {
        assert_digits(keep_alive(0.9, 2.016, 600.0).cold_starts_from_empty(300.0), 7.209_395, 6);
        assert_digits(keep_alive(5.0, 1.0, 60.0).cold_starts_from_empty(60.0), 12.386_265, 6);
        assert_eq!(keep_alive(5.0, 1.0, 60.0).cold_starts_from_empty(61.0), None);
        assert_eq!(keep_alive(5.0, 1.0, 60.0).cold_starts_from_empty(0.0), Some(0.0));
        let capped = KeepAlive { cap: Some(3), ..keep_alive(5.0, 1.0, 600.0) };
        assert_digits(capped.cold_starts_from_empty(600.0), 3.0, 9);
    }

    #[test]
    fn zero_service_is_a_renewal_process() {
        let rare = ZeroServiceKeepAlive { arrival_rate: 0.001_863_136_764_181_901_8, keep_alive: 600.0 };
        assert_digits(rare.p_cold(), 0.326_97, 5);
        assert_digits(rare.replicas(), 1.0 - 0.326_97, 5);
        // Little's law for replicas: births per second times mean life.
        let births = rare.arrival_rate * rare.p_cold().expect("valid");
        assert_digits(rare.replicas(), births * rare.mean_lifespan().expect("valid"), 12);
        let limit = keep_alive(rare.arrival_rate, 1e-6, 600.0).steady_state().expect("a steady state");
        assert_digits(rare.p_cold(), limit.p_cold, 6);
        assert_eq!(ZeroServiceKeepAlive { arrival_rate: 10.0, keep_alive: 600.0 }.mean_lifespan(), None);
    }
}

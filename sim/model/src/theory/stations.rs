//! The stations of every queueing textbook: Erlang's formulas, M/M/1, M/M/c, M/M/c/K, M/G/1, processor sharing, M/G/∞.

use super::{not_negative, positive};

/// Probability that an arrival is lost in M/G/c/c (Erlang B): all servers busy and no waiting room.
///
/// `servers` is c ≥ 0; `offered_load` is a = λ·E\[S\] ≥ 0 in erlangs, of any size. The service law does not matter.
/// Formula: Erlang (1917), by the recursion B(k) = a·B(k−1) / (k + a·B(k−1)), whose terms all stay within [0, 1];
/// insensitivity: Sevastyanov (1957). `None` when a is negative or not finite.
pub fn erlang_b(servers: u32, offered_load: f64) -> Option<f64> {
    let a = not_negative(offered_load)?;
    Some((1..=servers).fold(1.0, |blocking, k| a * blocking / (f64::from(k) + a * blocking)))
}

/// Probability that an arrival waits in M/M/c (Erlang C).
///
/// `servers` is c ≥ 1; `offered_load` is a = λ/μ in erlangs. `None` when a ≥ c: no steady state exists.
/// Formula: Harchol-Balter (2013), §14.3, computed from Erlang B, which stays finite for large c.
pub fn erlang_c(servers: u32, offered_load: f64) -> Option<f64> {
    let blocking = erlang_b(servers, offered_load)?;
    let rho = offered_load / f64::from(servers);
    (rho < 1.0).then(|| blocking / (1.0 - rho * (1.0 - blocking)))
}

/// Load carried by the `position`-th server, in erlangs, when arrivals try servers in a fixed order and take the first
/// free one: a·(B(k−1, a) − B(k, a)).
///
/// `position` is k ≥ 1. Exponential service; the first k servers form M/M/k/k whatever lies behind them, which makes
/// this exact. Source: Cooper (1981), on ordered hunting.
pub fn ordered_entry_carried_load(position: u32, offered_load: f64) -> Option<f64> {
    let before = erlang_b(position.checked_sub(1)?, offered_load)?;
    Some(offered_load * (before - erlang_b(position, offered_load)?))
}

/// M/M/1: one server, exponential service, first come first served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mm1 {
    /// λ > 0, per second.
    pub arrival_rate: f64,
    /// E\[S\] = 1/μ > 0, in seconds.
    pub mean_service: f64,
}

impl Mm1 {
    fn as_mmc(self) -> Mmc {
        Mmc { servers: 1, arrival_rate: self.arrival_rate, mean_service: self.mean_service }
    }

    /// Mean waiting time in seconds: ρ/(μ − λ). `None` when ρ ≥ 1.
    pub fn mean_wait(&self) -> Option<f64> {
        self.as_mmc().mean_wait()
    }

    /// Mean number of waiting requests: ρ²/(1 − ρ). `None` when ρ ≥ 1.
    pub fn mean_queue(&self) -> Option<f64> {
        self.as_mmc().mean_queue()
    }

    /// Mean response time in seconds: 1/(μ − λ). `None` when ρ ≥ 1.
    pub fn mean_response(&self) -> Option<f64> {
        self.as_mmc().mean_response()
    }

    /// P(W > t): probability of waiting more than `secs` ≥ 0. `None` when ρ ≥ 1.
    pub fn wait_exceeds(&self, secs: f64) -> Option<f64> {
        self.as_mmc().wait_exceeds(secs)
    }

    /// The `p`-quantile of the response time in seconds, 0 ≤ p < 1: the response is exponential with rate μ − λ.
    ///
    /// `None` when ρ ≥ 1. Source: Kleinrock I (1975), §5.12.
    pub fn response_quantile(&self, p: f64) -> Option<f64> {
        let mean = self.mean_response()?;
        (0.0..1.0).contains(&p).then(|| -mean * libm::log1p(-p))
    }
}

/// M/M/c: several servers, one queue, exponential service, first come first served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mmc {
    /// c ≥ 1.
    pub servers: u32,
    /// λ > 0, per second.
    pub arrival_rate: f64,
    /// E\[S\] = 1/μ > 0, in seconds.
    pub mean_service: f64,
}

impl Mmc {
    /// a = λ/μ in erlangs, whether or not a steady state exists.
    pub fn offered_load(&self) -> Option<f64> {
        positive(positive(self.arrival_rate)? * positive(self.mean_service)?)
    }

    /// ρ = a/c, the share of time a server is busy. `None` when ρ ≥ 1.
    pub fn utilization(&self) -> Option<f64> {
        let rho = self.offered_load()? / f64::from(self.servers);
        (rho < 1.0).then_some(rho)
    }

    /// P(W > 0): Erlang C. `None` when ρ ≥ 1.
    pub fn wait_probability(&self) -> Option<f64> {
        erlang_c(self.servers, self.offered_load()?)
    }

    /// Mean waiting time in seconds, over all requests: C/(cμ − λ). `None` when ρ ≥ 1.
    ///
    /// Source: Kleinrock I (1975), ch. 3.
    pub fn mean_wait(&self) -> Option<f64> {
        Some(self.wait_probability()? * self.mean_drain()?)
    }

    /// Mean number of waiting requests, λ·E\[W\]. `None` when ρ ≥ 1.
    pub fn mean_queue(&self) -> Option<f64> {
        Some(self.arrival_rate * self.mean_wait()?)
    }

    /// Mean response time in seconds: E\[W\] + E\[S\]. `None` when ρ ≥ 1.
    pub fn mean_response(&self) -> Option<f64> {
        Some(self.mean_wait()? + self.mean_service)
    }

    /// P(W > t) = C·e^(−(cμ − λ)t): probability of waiting more than `secs` ≥ 0. `None` when ρ ≥ 1.
    pub fn wait_exceeds(&self, secs: f64) -> Option<f64> {
        let secs = not_negative(secs)?;
        Some(self.wait_probability()? * libm::exp(-secs / positive(self.mean_drain()?)?))
    }

    /// 1/(cμ − λ): the mean wait of those who wait.
    fn mean_drain(&self) -> Option<f64> {
        Some(self.mean_service / (f64::from(self.servers) * (1.0 - self.utilization()?)))
    }
}

/// M/M/c/K: M/M/c that turns requests away when `capacity` of them are already inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mmck {
    /// c ≥ 1.
    pub servers: u32,
    /// K ≥ c: requests in service and waiting, together.
    pub capacity: u32,
    /// λ > 0, per second; may exceed what the servers can do.
    pub arrival_rate: f64,
    /// E\[S\] = 1/μ > 0, in seconds.
    pub mean_service: f64,
}

impl Mmck {
    /// Probability that an arrival is turned away: p_K, since Poisson arrivals see time averages.
    pub fn blocking_probability(&self) -> Option<f64> {
        self.solve().map(|means| means.blocking)
    }

    /// Mean number of waiting requests.
    pub fn mean_queue(&self) -> Option<f64> {
        self.solve().map(|means| means.waiting)
    }

    /// Mean waiting time in seconds of the requests that were let in: Lq / (λ(1 − p_K)).
    pub fn mean_wait(&self) -> Option<f64> {
        // What is let in is also served, and busy servers lose no digits as p_K nears 1.
        self.solve().map(|means| means.waiting * self.mean_service / means.busy)
    }

    /// Sums over p_n ∝ ∏ λ/(min(i, c)·μ), i = 1..=n. Source: Kleinrock I (1975), ch. 3.
    fn solve(&self) -> Option<MmckMeans> {
        let a = positive(positive(self.arrival_rate)? * positive(self.mean_service)?)?;
        if self.servers == 0 || self.capacity < self.servers {
            return None;
        }
        let (mut weight, mut total, mut waiting, mut busy) = (1.0, 1.0, 0.0, 0.0);
        for n in 1..=self.capacity {
            let serving = n.min(self.servers);
            weight *= a / f64::from(serving);
            total += weight;
            waiting += weight * f64::from(n - serving);
            busy += weight * f64::from(serving);
            if total > 1e200 {
                // Only ratios matter; this keeps them in range for any K.
                [weight, total, waiting, busy] = [weight, total, waiting, busy].map(|sum| sum * 1e-200);
            }
        }
        let valid = (waiting + busy).is_finite() && total.is_finite();
        valid.then(|| MmckMeans { blocking: weight / total, waiting: waiting / total, busy: busy / total })
    }
}

struct MmckMeans {
    blocking: f64,
    waiting: f64,
    busy: f64,
}

/// M/G/1, first come first served: one server, any service law with a finite variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mg1 {
    /// λ > 0, per second.
    pub arrival_rate: f64,
    /// E\[S\] > 0, in seconds.
    pub mean_service: f64,
    /// Var(S)/E\[S\]² ≥ 0: 0 for constant service, 1 for exponential.
    pub squared_cv: f64,
}

impl Mg1 {
    /// M/D/1: every service takes `mean_service` seconds.
    pub fn deterministic(arrival_rate: f64, mean_service: f64) -> Mg1 {
        Mg1 { arrival_rate, mean_service, squared_cv: 0.0 }
    }

    /// ρ = λ·E\[S\]. `None` when ρ ≥ 1.
    pub fn utilization(&self) -> Option<f64> {
        let rho = positive(self.arrival_rate)? * positive(self.mean_service)?;
        (rho < 1.0).then_some(rho)
    }

    /// Mean waiting time in seconds: λ·E\[S²\] / (2(1 − ρ)). `None` when ρ ≥ 1.
    ///
    /// Source: Pollaczek (1930), Khinchine (1932).
    pub fn mean_wait(&self) -> Option<f64> {
        let rho = self.utilization()?;
        let cv2 = not_negative(self.squared_cv)?;
        Some(rho * self.mean_service * (1.0 + cv2) / (2.0 * (1.0 - rho)))
    }

    /// Mean number of waiting requests, λ·E\[W\]. `None` when ρ ≥ 1.
    pub fn mean_queue(&self) -> Option<f64> {
        Some(self.arrival_rate * self.mean_wait()?)
    }

    /// Mean response time in seconds: E\[W\] + E\[S\]. `None` when ρ ≥ 1.
    pub fn mean_response(&self) -> Option<f64> {
        Some(self.mean_wait()? + self.mean_service)
    }
}

/// M/G/1-PS: one server that divides its speed evenly among all requests present. The service law matters only through
/// its mean (Sakata, Noguchi and Oizumi 1971; Kleinrock II 1976, §4.4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessorSharing {
    /// λ > 0, per second.
    pub arrival_rate: f64,
    /// E\[S\] > 0, in seconds when alone on the server.
    pub mean_service: f64,
}

impl ProcessorSharing {
    /// E\[T(x)\]/x = 1/(1 − ρ), the same for every demand x. `None` when ρ ≥ 1.
    pub fn slowdown(&self) -> Option<f64> {
        let rho = positive(self.arrival_rate)? * positive(self.mean_service)?;
        (rho < 1.0).then(|| 1.0 / (1.0 - rho))
    }

    /// Mean response time in seconds: E\[S\]/(1 − ρ). `None` when ρ ≥ 1.
    pub fn mean_response(&self) -> Option<f64> {
        Some(self.mean_service * self.slowdown()?)
    }

    /// Mean number of requests present: ρ/(1 − ρ), of a geometric law. `None` when ρ ≥ 1.
    pub fn mean_in_system(&self) -> Option<f64> {
        Some(self.arrival_rate * self.mean_response()?)
    }
}

/// M/G/∞: no request ever waits. The number present is Poisson at every time (Takács 1962).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InfiniteServers {
    /// λ > 0, per second.
    pub arrival_rate: f64,
    /// E\[S\] > 0, in seconds.
    pub mean_service: f64,
}

impl InfiniteServers {
    /// Mean number present in steady state, λ·E\[S\], for any service law.
    pub fn mean_in_system(&self) -> Option<f64> {
        positive(positive(self.arrival_rate)? * positive(self.mean_service)?)
    }

    /// Mean number present `secs` ≥ 0 after an empty start, for exponential service: a·(1 − e^(−μt)).
    pub fn mean_in_system_from_empty(&self, secs: f64) -> Option<f64> {
        let reached = -libm::expm1(-not_negative(secs)? / self.mean_service);
        Some(self.mean_in_system()? * reached)
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    #[test]
    fn erlang_b_has_its_tabulated_values() {
        assert_digits(erlang_b(5, 4.0), 0.199_066_87, 8);
        assert_digits(erlang_b(10, 10.0), 0.214_582_34, 8);
        assert_digits(erlang_b(20, 20.0), 0.158_891_96, 8);
        assert_digits(erlang_b(1000, 2016.0), 0.504_454_58, 8);
        assert_eq!(erlang_b(0, 3.0), Some(1.0));
        assert_eq!(erlang_b(3, f64::NAN), None);
    }

    #[test]
    fn erlang_c_has_its_tabulated_value_and_needs_spare_capacity() {
        assert_digits(erlang_c(10, 8.0), 0.409_180_15, 8);
        assert_eq!(erlang_c(10, 10.0), None);
        assert_eq!(erlang_c(0, 0.0), None);
    }

    #[test]
    fn servers_in_order_carry_together_what_is_not_lost() {
        let a = 4.0;
        let carried: f64 = (1..=5).map(|k| ordered_entry_carried_load(k, a).expect("any load")).sum();
        assert_digits(Some(carried), a * (1.0 - 0.199_066_87), 7);
        assert_eq!(ordered_entry_carried_load(0, a), None);
    }

    #[test]
    fn mmc_at_eight_erlangs_on_ten_servers() {
        let queue = Mmc { servers: 10, arrival_rate: 8.0, mean_service: 1.0 };
        assert_digits(queue.mean_wait(), 0.204_590_08, 8);
        assert_digits(queue.mean_queue(), 1.636_720_60, 8);
        assert_digits(queue.mean_response(), 1.204_590_08, 8);
        assert_digits(queue.wait_exceeds(0.0), 0.409_180_15, 8);
        assert_digits(queue.wait_exceeds(0.5), 0.409_180_15 * libm::exp(-1.0), 8);
        assert_eq!(Mmc { arrival_rate: 10.0, ..queue }.mean_wait(), None);
    }

    #[test]
    fn mm1_at_four_fifths() {
        let queue = Mm1 { arrival_rate: 0.8, mean_service: 1.0 };
        assert_digits(queue.mean_response(), 5.0, 10);
        assert_digits(queue.response_quantile(0.99), 23.0259, 4);
        assert_digits(queue.mean_wait(), 4.0, 10);
        assert_digits(queue.mean_queue(), 3.2, 10);
        assert_digits(queue.wait_exceeds(5.0), 0.8 * libm::exp(-1.0), 10);
        assert_eq!(queue.response_quantile(1.0), None);
        assert_eq!(Mm1 { arrival_rate: -1.0, ..queue }.mean_response(), None);
    }

    #[test]
    fn mmck_below_and_above_its_capacity() {
        let below = Mmck { servers: 10, capacity: 20, arrival_rate: 8.0, mean_service: 1.0 };
        assert_digits(below.blocking_probability(), 0.009_107_18, 8);
        assert_digits(below.mean_queue(), 1.149_913_51, 8);
        assert_digits(below.mean_wait(), 0.145_060_28, 8);
        let above = Mmck { arrival_rate: 12.0, ..below };
        assert_digits(above.blocking_probability(), 0.179_665_92, 8);
        assert_digits(above.mean_queue(), 6.260_488_92, 8);
        assert_digits(above.mean_wait(), 0.635_969_44, 8);
    }

    #[test]
    fn mmck_without_waiting_room_is_erlang_b_and_survives_extremes() {
        let lossy = Mmck { servers: 1000, capacity: 1000, arrival_rate: 2016.0, mean_service: 1.0 };
        assert_digits(lossy.blocking_probability(), 0.504_454_58, 8);
        assert_eq!(lossy.mean_queue(), Some(0.0));
        assert_eq!(Mmck { capacity: 999, ..lossy }.mean_queue(), None);
        let nearly_empty = Mmck { servers: 1, capacity: 100_000, arrival_rate: 1e-9, mean_service: 1.0 };
        assert_digits(nearly_empty.mean_wait(), 1e-9, 15);
        let flooded = Mmck { servers: 1, capacity: 100_000, arrival_rate: 1e30, mean_service: 1.0 };
        assert_digits(flooded.mean_wait(), 99_999.0, 6);
    }

    #[test]
    fn pollaczek_khinchine_by_variability() {
        let wait = |squared_cv| Mg1 { arrival_rate: 0.8, mean_service: 1.0, squared_cv }.mean_wait();
        assert_digits(wait(0.0), 2.0, 10);
        assert_digits(wait(1.0), 4.0, 10);
        assert_digits(wait(4.0), 10.0, 10);
        assert_digits(Mg1::deterministic(0.8, 1.0).mean_response(), 3.0, 10);
        assert_digits(Mg1::deterministic(0.8, 1.0).mean_queue(), 1.6, 10);
        assert_eq!(Mg1::deterministic(1.0, 1.0).mean_wait(), None);
    }

    #[test]
    fn processor_sharing_slows_everyone_alike() {
        let station = ProcessorSharing { arrival_rate: 0.4, mean_service: 2.0 };
        assert_digits(station.slowdown(), 5.0, 10);
        assert_digits(station.mean_response(), 10.0, 10);
        assert_digits(station.mean_in_system(), 4.0, 10);
    }

    #[test]
    fn infinite_servers_fill_up_exponentially() {
        let station = InfiniteServers { arrival_rate: 1.0, mean_service: 3.0 };
        assert_digits(station.mean_in_system(), 3.0, 10);
        assert_digits(station.mean_in_system_from_empty(3.0), 3.0 * (1.0 - libm::exp(-1.0)), 10);
        assert_eq!(station.mean_in_system_from_empty(0.0), Some(0.0));
    }
}

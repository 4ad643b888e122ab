//! Servers that are switched off the moment they find nothing to do and need an exponential setup to come back.
//!
//! Poisson arrivals, exponential service, one queue. A setup starts for each waiting request while a server is off; a
//! server that frees takes a waiting request, and setups that became superfluous are cancelled.

use super::{Mmc, positive};

/// A station with setups; how many servers it has is asked by each method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// λ > 0, per second.
    pub arrival_rate: f64,
    /// E\[S\] = 1/μ > 0, in seconds.
    pub mean_service: f64,
    /// 1/α > 0, in seconds.
    pub mean_setup: f64,
}

/// What a station with setups settles to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SetupMeans {
    /// Mean response time in seconds.
    pub response: f64,
    /// Mean number of servers in setup.
    pub in_setup: f64,
}

/// More servers than this would take minutes and gigabytes.
const MOST_SERVERS: u32 = 300;

impl Setup {
    /// Mean response time in seconds of M/M/1 with setup: 1/(μ − λ) + 1/α. `None` when ρ ≥ 1.
    ///
    /// Source: Welch (1964).
    pub fn single_server_response(&self) -> Option<f64> {
        self.staggered_response(1)
    }

    /// Mean response time in seconds when at most one of `servers` ≥ 1 servers is in setup at a time:
    /// E\[T(M/M/k)\] + 1/α. `None` when ρ ≥ 1.
    ///
    /// Source: Gandhi, Harchol-Balter and Adan (2010), Performance Evaluation 67(11).
    pub fn staggered_response(&self, servers: u32) -> Option<f64> {
        let always_on = Mmc { servers, arrival_rate: self.arrival_rate, mean_service: self.mean_service };
        Some(always_on.mean_response()? + positive(self.mean_setup)?)
    }

    /// M/M/∞ with setup: the number in setup is independent of the number busy, which is Poisson(λ/μ), and
    /// P(j in setup) ∝ ∏ λ/(λ + l·α) for l = 1..=j. A steady state always exists; `None` is for λ/α > 10¹², where the
    /// sum has too many terms.
    ///
    /// Source: Gandhi, Harchol-Balter and Adan (2010).
    pub fn unlimited_servers(&self) -> Option<SetupMeans> {
        let rates = self.rates()?;
        if rates.arrival / rates.setup > 1e12 {
            return None;
        }
        let (mut total, mut setups, mut weight) = (1.0, 0.0, 1.0);
        for j in 1u32.. {
            weight *= rates.arrival / (rates.arrival + f64::from(j) * rates.setup);
            total += weight;
            setups += f64::from(j) * weight;
            if f64::from(j) * weight <= 1e-17 * setups {
                break;
            }
        }
        // Each setup has its waiting request, so Little's law turns their number into the waiting time.
        let in_setup = setups / total;
        Some(SetupMeans { response: self.mean_service + in_setup / self.arrival_rate, in_setup })
    }

    /// M/M/k with setup, exactly, for 1 ≤ `servers` ≤ 300. `None` when ρ ≥ 1 or `servers` is out of range.
    ///
    /// The model of Gandhi, Doroudi, Harchol-Balter and Scheller-Wolf (SIGMETRICS 2013), solved here as a chain with
    /// levels n (requests present) and phases i (servers busy). A passage that first returns to a level never lowers
    /// the phase, so all rate matrices are triangular and follow from one quadratic per phase and back-substitution.
    /// Takes about k⁴ operations.
    pub fn servers(&self, servers: u32) -> Option<SetupMeans> {
        let rates = self.rates()?;
        if !(1..=MOST_SERVERS).contains(&servers) || rates.arrival >= f64::from(servers) * rates.service {
            return None;
        }
        let k = servers as usize;
        let repeating = rates.repeating_levels(k);
        let mut steps = vec![repeating.clone()];
        for level in (1..=k).rev() {
            let step = rates.step_to_level(level, k, &steps[steps.len() - 1]);
            steps.push(step);
        }

        let (mut present, mut in_setup, mut total) = (0.0, 0.0, 0.0);
        let mut law = vec![1.0];
        for (level, step) in steps[1..].iter().rev().enumerate() {
            for (busy, share) in law.iter().enumerate() {
                total += share;
                present += level as f64 * share;
                in_setup += (level - busy) as f64 * share;
            }
            law = row_times(&law, step);
        }
        // From level k on, the law of each level is that of the one below times R: geometric sums of matrices.
        let from_k_on = row_over_rest(&law, &repeating);
        let beyond = row_over_rest(&row_times(&from_k_on, &repeating), &repeating);
        for (busy, share) in from_k_on.iter().enumerate() {
            total += share;
            present += k as f64 * share + beyond[busy];
            in_setup += (k - busy) as f64 * share;
        }
        let means = SetupMeans { response: present / total / self.arrival_rate, in_setup: in_setup / total };
        (means.response.is_finite() && means.in_setup.is_finite()).then_some(means)
    }

    fn rates(&self) -> Option<Rates> {
        Some(Rates {
            arrival: positive(self.arrival_rate)?,
            service: positive(1.0 / positive(self.mean_service)?)?,
            setup: positive(1.0 / positive(self.mean_setup)?)?,
        })
    }
}

/// λ, μ and α, all per second.
#[derive(Clone, Copy)]
struct Rates {
    arrival: f64,
    service: f64,
    setup: f64,
}

/// A matrix as rows; entries left of the diagonal are zero.
type Triangular = Vec<Vec<f64>>;

impl Rates {
    /// R of the levels above k, the minimal solution of λ + R·A₁ + R²·A₂ = 0, phase by phase.
    fn repeating_levels(self, k: usize) -> Triangular {
        let served = |busy: usize| busy as f64 * self.service;
        let started = |busy: usize| (k - busy) as f64 * self.setup;
        let mut r = vec![vec![0.0; k + 1]; k + 1];
        for i in (0..=k).rev() {
            let outflow = self.arrival + served(i) + started(i);
            let root = (outflow * outflow - 4.0 * self.arrival * served(i)).max(0.0).sqrt();
            r[i][i] = 2.0 * self.arrival / (outflow + root);
            for j in i + 1..=k {
                let by_service: f64 = (i + 1..j).map(|l| r[i][l] * r[l][j]).sum();
                let inflow = r[i][j - 1] * started(j - 1) + served(j) * by_service;
                // The quadratic of phase j leaves λ/r_jj of its outflow here.
                r[i][j] = inflow / (self.arrival / r[j][j] - served(j) * r[i][i]);
            }
        }
        r
    }

    /// R of `level` ≤ k (from level − 1 into it), given that of the level above.
    fn step_to_level(self, level: usize, k: usize, above: &Triangular) -> Triangular {
        let setups = |busy: usize| (level.min(k) - busy) as f64 * self.setup;
        // What comes back from the level above, by the phase left and the phase found on return: a server that frees
        // when nothing waits is switched off, so phase level + 1 returns as phase level.
        let returns = |i: usize, j: usize| {
            let same = above[i][j] * j as f64 * self.service;
            let switched_off = if j == level && above[i].len() > level + 1 {
                above[i][level + 1] * (level + 1) as f64 * self.service
            } else {
                0.0
            };
            same + switched_off
        };
        let back: Vec<Vec<f64>> = (0..=level).map(|i| (0..=level).map(|j| returns(i, j)).collect()).collect();
        let moved = |i: usize, j: usize| back[i][j] + if j == i + 1 { setups(i) } else { 0.0 };
        let stays = |i: usize| self.arrival + i as f64 * self.service + setups(i) - back[i][i];

        (0..level)
            .map(|from| {
                let mut row = vec![0.0; level + 1];
                row[from] = self.arrival / stays(from);
                for j in from + 1..=level {
                    let inflow: f64 = (from..j).map(|l| row[l] * moved(l, j)).sum();
                    row[j] = inflow / stays(j);
                }
                row
            })
            .collect()
    }
}

/// `row` · `matrix`.
fn row_times(row: &[f64], matrix: &Triangular) -> Vec<f64> {
    let columns = matrix.first().map_or(0, Vec::len);
    (0..columns).map(|j| row.iter().zip(matrix).map(|(x, from)| x * from[j]).sum()).collect()
}

/// `row` · (I − `matrix`)⁻¹ = `row` · Σ matrixᵐ.
fn row_over_rest(row: &[f64], matrix: &Triangular) -> Vec<f64> {
    let mut solved = row.to_vec();
    for j in 0..row.len() {
        let inflow: f64 = (0..j).map(|i| solved[i] * matrix[i][j]).sum();
        solved[j] = (row[j] + inflow) / (1.0 - matrix[j][j]);
    }
    solved
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    fn setup(arrival_rate: f64, alpha: f64) -> Setup {
        Setup { arrival_rate, mean_service: 1.0, mean_setup: 1.0 / alpha }
    }

    #[test]
    fn welchs_single_server() {
        assert_digits(setup(0.5, 0.1).single_server_response(), 12.0, 4);
        assert_digits(setup(0.5, 0.1).servers(1).map(|means| means.response), 12.0, 10);
        assert_eq!(setup(1.0, 0.1).single_server_response(), None);
    }

    #[test]
    fn staggered_setups_add_one_setup_to_the_mean_response() {
        assert_digits(setup(6.0, 0.5).staggered_response(10), 3.025_324_81, 8);
    }

    #[test]
    fn unlimited_servers_with_setup() {
        let means = setup(2.0, 0.5).unlimited_servers().expect("a steady state");
        assert_digits(Some(means.in_setup), 1.379_393, 6);
        assert_digits(Some(means.response), 1.689_696, 6);
    }

    #[test]
    fn several_servers_with_setup() {
        let response = |setup: Setup| setup.servers(10).map(|means| means.response);
        assert_digits(response(setup(6.0, 0.5)), 1.550_032_98, 8);
        assert_digits(response(setup(8.0, 0.2)), 2.438_872_28, 8);
        assert_eq!(response(setup(10.0, 0.5)), None);
        assert_eq!(setup(1.0, 0.5).servers(0), None);
    }

    #[test]
    fn many_servers_with_setup_are_as_good_as_unlimited_ones() {
        let many = setup(2.0, 0.5).servers(40).expect("a steady state");
        let unlimited = setup(2.0, 0.5).unlimited_servers().expect("a steady state");
        assert_digits(Some(many.response), unlimited.response, 10);
        assert_digits(Some(many.in_setup), unlimited.in_setup, 10);
    }

    #[test]
    fn instant_setups_give_back_the_plain_queue() {
        let plain = Mmc { servers: 10, arrival_rate: 8.0, mean_service: 1.0 }.mean_response();
        assert_digits(setup(8.0, 1e9).servers(10).map(|means| means.response), plain.expect("a steady state"), 7);
    }
}

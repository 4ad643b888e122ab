//! Holding this machine to a slower one's speed by CPU quotas.
//!
//! A thread of work class c on the slower machine takes κ_c times the CPU time, so a replica gets 1/κ_c of a core for
//! each thread that is busy; and the machine as a whole never does more than its `full_speedup` of all cores over one, so
//! that the replicas of a class together get `full_speedup`/κ_c. The period is 10 ms: at the usual 100 ms, a job of
//! 192 ms comes out anywhere between 43 and 145 ms, as it may find a whole period's quota unspent.
//!
//! Left out: the slower machine's caches, its network and its disk; and between classes the bound is the largest
//! class's, which is too generous for a mix.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// The class of functions that name none.
pub const DEFAULT_WORK: &str = "scalar";
/// The annotation of a deployment that names its class of work.
pub const WORK_ANNOTATION: &str = "com.faas-lab.work";
/// The annotation that says how many threads a replica keeps busy; without it they are counted as it runs.
pub const THREADS_ANNOTATION: &str = "com.faas-lab.threads";

/// The speed of the machine to be emulated, by class of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Emulation {
    /// Its name.
    pub name: String,
    /// Its cores.
    pub cores: u32,
    /// Its speed by class of work.
    pub classes: BTreeMap<String, Speed>,
    /// The period of the quotas.
    pub period: Duration,
}

/// How fast a class of work goes on the emulated machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// κ: CPU time there over CPU time here, at least 1.
    pub slowdown: f64,
    /// How much all cores do in the time of one.
    pub full_speedup: f64,
}

impl Emulation {
    /// A Raspberry Pi 4, as the profile of that name has it. κ is relative to the reference machine's cores.
    pub fn raspberry_pi_4() -> Emulation {
        const PROFILE: &str = include_str!("../../../scenarios/profiles/raspberry-pi-4.toml");
        Emulation::from_profile("raspberry-pi-4", PROFILE).expect("the profile that comes with faas-lab is valid")
    }

    /// The built-in emulation of that name.
    pub fn named(name: &str) -> Option<Emulation> {
        (name == "raspberry-pi-4").then(Emulation::raspberry_pi_4)
    }

    /// From the text of a machine profile; of a slowdown that is a distribution, its median.
    pub fn from_profile(name: &str, text: &str) -> Result<Emulation, String> {
        let profile: Profile = toml::from_str(text).map_err(|e| format!("profile {name}: {e}"))?;
        let mut classes = BTreeMap::new();
        for (class, figures) in profile.class {
            let slowdown = figures.slowdown.median();
            let full_speedup = figures.full_speedup.median();
            let (Some(slowdown), Some(full_speedup)) = (slowdown, full_speedup) else {
                return Err(format!("profile {name}: class {class} needs a value or a median for each figure"));
            };
            if !(slowdown >= 1.0 && full_speedup >= 1.0) {
                return Err(format!(
                    "profile {name}: class {class} is faster than this machine, which no quota can do"
                ));
            }
            classes.insert(class, Speed { slowdown, full_speedup });
        }
        let period = Duration::from_millis(10);
        Ok(Emulation { name: name.to_owned(), cores: profile.cores.value, classes, period })
    }

    /// The speed of a class; the error names those there are.
    pub(crate) fn speed(&self, work: &str) -> Result<Speed, String> {
        self.classes.get(work).copied().ok_or_else(|| {
            let known: Vec<&str> = self.classes.keys().map(String::as_str).collect();
            format!("{WORK_ANNOTATION} is \"{work}\", and {} has the classes {}", self.name, known.join(", "))
        })
    }
}

impl Speed {
    /// Cores of this machine for a replica with `threads` busy threads and a limit of `limit` emulated cores.
    pub(crate) fn replica_cores(self, threads: u32, limit: Option<f64>) -> f64 {
        let threads = f64::from(threads).min(self.full_speedup);
        limit.map_or(threads, |limit| limit.min(threads)) / self.slowdown
    }

    /// Cores of this machine for all replicas of the class.
    pub(crate) fn machine_cores(self) -> f64 {
        self.full_speedup / self.slowdown
    }
}

/// Of a profile, what is needed here.
#[derive(Deserialize)]
struct Profile {
    cores: Cores,
    class: BTreeMap<String, Figures>,
}

#[derive(Deserialize)]
struct Cores {
    value: u32,
}

#[derive(Deserialize)]
struct Figures {
    slowdown: Figure,
    full_speedup: Figure,
}

#[derive(Deserialize)]
struct Figure {
    value: Option<f64>,
    lognormal: Option<Lognormal>,
}

#[derive(Deserialize)]
struct Lognormal {
    median: f64,
}

impl Figure {
    fn median(&self) -> Option<f64> {
        self.value.or(self.lognormal.as_ref().map(|law| law.median))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_gets_a_share_per_busy_thread_and_the_machine_its_speed_up() {
        let pi = Emulation::raspberry_pi_4();
        assert_eq!(pi.cores, 4);
        let scalar = pi.speed("scalar").expect("a class of the profile");
        assert_eq!(scalar, Speed { slowdown: 3.43, full_speedup: 3.99 });
        assert_eq!(scalar.replica_cores(1, None), 1.0 / 3.43);
        assert_eq!(scalar.replica_cores(4, None), 3.99 / 3.43);
        assert_eq!(scalar.replica_cores(1, Some(0.5)), 0.5 / 3.43);
        assert_eq!(scalar.replica_cores(1, Some(2.0)), 1.0 / 3.43);
        assert_eq!(scalar.machine_cores(), 3.99 / 3.43);
        assert_eq!(pi.speed("cascade").expect("a class").slowdown, 4.52);
        assert!(pi.speed("quantum").is_err_and(|e| e.contains("scalar")));
    }
}

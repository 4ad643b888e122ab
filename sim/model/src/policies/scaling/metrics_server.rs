//! What a Kubernetes metrics server tells of each replica's CPU.
//!
//! What it tells depends on its version. Since 0.5 it takes the difference between two of its scrapes, which its manifest
//! sets 15 s apart. Until 0.4 it scraped each 60 s and passed on the kubelet's rate, which is over cAdvisor's last
//! housekeeping interval, of 10 to 20 s, on each container's own clock. So a change of the load is seen up to a minute and a
//! half later, in one go or in parts, and each sample has the noise of a short window.
//!
//! *Left out*: cAdvisor looks less often at containers that use nothing; since 0.5 a container's start counts as its first
//! sample if the scrape comes between 10 s and one resolution later; the seconds that the samples' way to the controller takes.
//!
//! Sources: kubernetes-sigs/metrics-server#567 and #734 and its `pkg/storage`; cAdvisor's `nextHousekeepingInterval`.

use std::collections::BTreeMap;

use super::grid::{Grid, Jittered};
use super::{Hpa, ReplicaUse, Snapshot};
use crate::rng::Key;
use crate::time::{SimTime, Span};

/// The window that a metrics server until 0.4 claims for each sample, whatever the kubelet's was (`kubernetesCadvisorWindow`).
const CLAIMED_WINDOW: Span = Span::from_secs(30);

/// The metrics server, with the kubelets' readings that it scrapes.
#[derive(Clone, Debug)]
pub(super) struct MetricsServer {
    scrapes: Grid,
    resolution: Span,
    housekeeping_interval: Option<Span>,
    key: Key,
    replicas: BTreeMap<u64, Meter>,
}

/// What is known of one replica.
#[derive(Clone, Debug)]
struct Meter {
    /// When it is read, if not when it is scraped.
    housekeeping: Option<Jittered>,
    /// The last two readings of its CPU seconds, the later one first.
    readings: [Option<(SimTime, f64)>; 2],
    /// As scraped last.
    sample: Option<Sample>,
}

/// What is told of one replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// When its window ended.
    pub(super) at: SimTime,
    /// CPU in use over its window, rounded up as Kubernetes' quantities are.
    pub(super) millicores: f64,
}

impl MetricsServer {
    /// Its draws start from `key`.
    pub(super) fn new(settings: &Hpa, key: Key) -> MetricsServer {
        MetricsServer {
            scrapes: Grid::starting(settings.metric_offset, settings.metric_resolution),
            resolution: settings.metric_resolution,
            housekeeping_interval: settings.housekeeping_interval,
            key,
            replicas: BTreeMap::new(),
        }
    }

    /// Reads and scrapes whatever it is time for. Replicas that are gone are forgotten.
    pub(super) fn look(&mut self, seen: &Snapshot) {
        let scraped = self.scrapes.due(seen.at);
        let mut known = std::mem::take(&mut self.replicas);
        for replica in &seen.replicas {
            let mut meter = known.remove(&replica.replica).unwrap_or_else(|| self.meter(replica.replica));
            if meter.housekeeping.as_mut().map_or(scraped, |housekeeping| housekeeping.due(seen.at)) {
                meter.read(seen.at, replica);
            }
            if scraped {
                meter.sample = meter.rate();
            }
            self.replicas.insert(replica.replica, meter);
        }
    }

    fn meter(&self, replica: u64) -> Meter {
        let draws = self.key.draws(replica, 0);
        let housekeeping = self.housekeeping_interval.map(|interval| Jittered::new(interval, draws));
        Meter { housekeeping, readings: [None; 2], sample: None }
    }

    /// What it tells of a replica; `None` before it was read twice.
    pub(super) fn sample(&self, replica: u64) -> Option<Sample> {
        self.replicas.get(&replica)?.sample
    }

    /// Over how long a time it says that its samples are.
    pub(super) fn window(&self) -> Span {
        if self.housekeeping_interval.is_some() { CLAIMED_WINDOW } else { self.resolution }
    }

    /// When there is something to read or to scrape.
    pub(super) fn next(&self) -> SimTime {
        let readings = self.replicas.values().filter_map(|meter| Some(meter.housekeeping.as_ref()?.next()));
        readings.fold(self.scrapes.next(), SimTime::min)
    }
}

impl Meter {
    fn read(&mut self, at: SimTime, replica: &ReplicaUse) {
        // A counter that has fallen is that of another process.
        let before = self.readings[0].filter(|(_, cpu_seconds)| *cpu_seconds <= replica.cpu_seconds);
        self.readings = [Some((at, replica.cpu_seconds)), before];
    }

    fn rate(&self) -> Option<Sample> {
        let [(at, last), (before, first)] = [self.readings[0]?, self.readings[1]?];
        let cores = (last - first) / at.since(before).as_secs_f64();
        // The kubelet tells whole nanocores.
        Some(Sample { at, millicores: ((cores * 1e9).round() / 1e6).ceil() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    /// Looks whenever it is asked to, until `end`; each replica burns one core from its second on.
    fn play(settings: &Hpa, born: &[u64], end: u64) -> Vec<(SimTime, Vec<Option<Sample>>)> {
        let mut server = MetricsServer::new(settings, Seed(1).key("scaler"));
        let mut at = SimTime::ZERO;
        let mut told = Vec::new();
        while at < secs(end) {
            let there = (0u64..).zip(born).filter(|(_, born)| at >= secs(**born));
            let replicas = there.map(|(replica, born)| ReplicaUse {
                replica,
                ready_since: None,
                cpu_seconds: at.since(secs(*born)).as_secs_f64(),
            });
            server.look(&Snapshot { at, replicas: replicas.collect(), ..Snapshot::default() });
            told.push((at, (0..born.len() as u64).map(|replica| server.sample(replica)).collect()));
            at = server.next();
        }
        told
    }

    fn secs(secs: u64) -> SimTime {
        SimTime::ZERO + Span::from_secs(secs)
    }

    #[test]
    fn a_replica_has_a_sample_once_it_was_scraped_twice() {
        let told = play(&Hpa::default(), &[0, 20], 61);
        let first = |replica: usize| told.iter().find(|(_, samples)| samples[replica].is_some()).expect("a sample");
        assert_eq!(first(0).0, secs(15));
        assert_eq!(first(1).0, secs(45), "scraped at 30 and 45 s");
        assert_eq!(first(1).1[1], Some(Sample { at: secs(45), millicores: 1000.0 }));
    }

    #[test]
    fn each_replica_is_read_on_its_own_clock() {
        let settings = Hpa {
            metric_resolution: Span::from_secs(60),
            housekeeping_interval: Some(Span::from_secs(10)),
            ..Hpa::default()
        };
        let told = play(&settings, &[0, 0, 0], 3600);
        let mut apart = 0;
        for (at, samples) in told.iter().filter(|(at, _)| *at >= secs(60)) {
            let samples: Vec<Sample> = samples.iter().map(|sample| sample.expect("read since long")).collect();
            // A scrape lasts until the next, and was at most 20 s behind the replica.
            assert!(
                samples.iter().all(|sample| at.since(sample.at) < Span::from_secs(80) && sample.millicores == 1000.0)
            );
            apart += usize::from(samples[0].at != samples[1].at && samples[1].at != samples[2].at);
        }
        assert!(apart > 0);
    }

    #[test]
    fn a_counter_that_falls_is_that_of_another_process() {
        let mut server = MetricsServer::new(&Hpa::default(), Seed(1).key("scaler"));
        let mut told = Vec::new();
        for (at, cpu_seconds) in [(0, 0.0), (15, 15.0), (30, 3.0), (45, 18.0)] {
            let replicas = vec![ReplicaUse { replica: 7, ready_since: None, cpu_seconds }];
            server.look(&Snapshot { at: secs(at), replicas, ..Snapshot::default() });
            told.push(server.sample(7).map(|sample| sample.millicores));
        }
        assert_eq!(told, [None, Some(1000.0), None, Some(1000.0)]);
    }
}

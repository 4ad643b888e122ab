//! Another simulator's numbers: SimFaaS 0.2.2 (Mahmoudi and Khazaei), run by us, within four combined standard errors.
//!
//! SimFaaS starts empty and leaves nothing out, so neither do we; its shares are of all requests, refused ones included;
//! its running replicas are those with a call, starting ones included. It ends at the first event after the horizon
//! where we end at the horizon itself, which is far below the noise here.

use faas_lab_model::metrics::{RunRecord, result};
use faas_lab_model::scenario::Scenario;

use crate::runs::{Players, View, scenario};
use crate::verdict::{Bound, Row, Section};

/// Standard errors of both simulators together within which they agree.
const MOST_ERRORS: f64 = 4.0;

/// What both simulators count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Share of requests that start a replica.
    ColdShare,
    /// Share of requests that are refused.
    RefusedShare,
    /// Time average of replicas.
    Replicas,
    /// Time average of replicas with a call.
    Busy,
    /// Mean life of replicas that ended.
    Lifespan,
    /// Number of cold starts.
    ColdStarts,
    /// Starts per request. With several calls per replica only the call that starts a replica is cold to SimFaaS, not
    /// those that join it.
    StartShare,
    /// Calls per replica at each instant with a replica, averaged over those instants; from steps of a second.
    Concurrency,
}

impl Quantity {
    fn name(self) -> (&'static str, &'static str) {
        match self {
            Quantity::ColdShare => ("cold share", ""),
            Quantity::RefusedShare => ("refused share", ""),
            Quantity::Replicas => ("replicas", ""),
            Quantity::Busy => ("busy replicas", ""),
            Quantity::Lifespan => ("life of a replica", "s"),
            Quantity::ColdStarts => ("cold starts", ""),
            Quantity::StartShare => ("starts per request", ""),
            Quantity::Concurrency => ("calls per replica", ""),
        }
    }

    fn read(self, record: &RunRecord) -> f64 {
        let metric = |key: &str| record.metrics.get(key).copied().unwrap_or(f64::NAN);
        match self {
            Quantity::ColdShare => metric(result::COLD_STARTS) / metric(result::OFFERED),
            Quantity::RefusedShare => metric(result::REFUSED_SHARE),
            Quantity::Replicas => metric(result::REPLICAS_MEAN),
            Quantity::Busy => metric(result::REPLICAS_BUSY_MEAN),
            Quantity::Lifespan => metric(result::REPLICA_LIFESPAN_MEAN),
            Quantity::ColdStarts => metric(result::COLD_STARTS),
            Quantity::StartShare => metric(result::REPLICA_STARTS) / metric(result::OFFERED),
            Quantity::Concurrency => concurrency(record),
        }
    }
}

fn concurrency(record: &RunRecord) -> f64 {
    let series = |name| record.series.iter().find(|series| series.name == name).map(|series| series.values.as_slice());
    let (calls, replicas) = (series("in flight").unwrap_or_default(), series("replicas").unwrap_or_default());
    let there = calls.iter().zip(replicas).filter(|(_, replicas)| **replicas > 0.0);
    let (sum, steps) = there.fold((0.0, 0.0), |(sum, steps), (calls, replicas)| (sum + calls / replicas, steps + 1.0));
    sum / steps
}

/// One setting that both have played.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The scenario.
    pub scenario: Scenario,
    /// Steps of its series.
    steps: usize,
    /// What SimFaaS found: mean and standard error over its replications.
    pub theirs: &'static [(Quantity, f64, f64)],
}

/// A case in SimFaaS's own terms: rates per second, times in seconds.
struct Setting {
    name: &'static str,
    arrivals: &'static str,
    warm: &'static str,
    cold: Option<&'static str>,
    keep_alive: f64,
    cap: u32,
    duration: f64,
    replications: u32,
    theirs: &'static [(Quantity, f64, f64)],
    /// Calls per replica, and the rest of the function's table.
    slots: u32,
    more: &'static str,
    steps: usize,
}

impl Setting {
    const fn new(name: &'static str, arrivals: &'static str, warm: &'static str, cold: &'static str) -> Setting {
        Setting {
            name,
            arrivals,
            warm,
            cold: Some(cold),
            keep_alive: 600.0,
            cap: 1000,
            duration: 1e5,
            replications: 10,
            theirs: &[],
            slots: 1,
            more: "",
            steps: 1,
        }
    }

    /// A replica that takes several calls; a cold start is provisioning only, and calls may wait for it.
    const fn parallel(name: &'static str, slots: u32, theirs: &'static [(Quantity, f64, f64)]) -> Setting {
        Setting {
            slots,
            theirs,
            cold: None,
            keep_alive: 60.0,
            duration: 2e4,
            replications: 20,
            steps: 20_000,
            more: "cold_start = { boot = { exponential = \"3s\" } }",
            ..Setting::new(name, "poisson = \"5/s\"", "{ exponential = \"2s\" }", "")
        }
    }

    fn case(&self) -> Case {
        let Setting { name, arrivals, warm, keep_alive, cap, duration, replications, slots, more, .. } = self;
        let cold = self.cold.map(|cold| format!("cold_demand = {cold}")).unwrap_or_default();
        let text = format!(
            "duration = \"{duration}s\"\nreplications = {replications}\nseed = 1\n\
             [function.f]\ndemand = {warm}\n{cold}\nkeep_alive = \"{keep_alive}s\"\nscaling = \"per-request\"\n\
             concurrency = {{ workers = {slots}, backlog = \"unlimited\" }}\nreplicas = {{ min = 0, max = {cap} }}\n{more}\n\
             [[workload]]\nname = \"w\"\nfunction = \"f\"\narrivals = {{ {arrivals} }}\n"
        );
        Case { name, scenario: scenario(name, &text, &[]), steps: self.steps, theirs: self.theirs }
    }
}

use Quantity::{Busy, ColdShare, ColdStarts, Concurrency, Lifespan, RefusedShare, Replicas, StartShare};

/// SimFaaS's README, its notebooks and settings of ours, in one table: seeds 1 … R of `np.random.seed` on their side.
const SETTINGS: &[Setting] = &[
    Setting {
        duration: 1e6,
        theirs: &[
            (ColdShare, 0.00133729, 1.2e-5),
            (Replicas, 7.6953, 0.0073),
            (Busy, 1.79191, 0.00075),
            (Lifespan, 6419.7, 55.0),
        ],
        ..Setting::new("readme", "poisson = \"0.9/s\"", "{ exponential = \"1.991s\" }", "{ exponential = \"2.244s\" }")
    },
    Setting {
        replications: 5,
        theirs: &[
            (ColdShare, 0.000324599, 7.1e-6),
            (Replicas, 37.527, 0.080),
            (Busy, 20.155, 0.013),
            (Lifespan, 12202.0, 280.0),
        ],
        ..Setting::new(
            "10/s, 600 s",
            "poisson = \"10/s\"",
            "{ exponential = \"2.016s\" }",
            "{ exponential = \"2.163s\" }",
        )
    },
    Setting {
        replications: 5,
        keep_alive: 60.0,
        theirs: &[
            (ColdShare, 0.00369395, 2.9e-5),
            (Replicas, 33.052, 0.029),
            (Busy, 20.160, 0.013),
            (Lifespan, 899.7, 6.9),
        ],
        ..Setting::new(
            "10/s, 60 s",
            "poisson = \"10/s\"",
            "{ exponential = \"2.016s\" }",
            "{ exponential = \"2.163s\" }",
        )
    },
    Setting {
        replications: 5,
        keep_alive: 10.0,
        theirs: &[
            (ColdShare, 0.0239038, 8.7e-5),
            (Replicas, 28.767, 0.021),
            (Busy, 20.190, 0.013),
            (Lifespan, 120.48, 0.42),
        ],
        ..Setting::new(
            "10/s, 10 s",
            "poisson = \"10/s\"",
            "{ exponential = \"2.016s\" }",
            "{ exponential = \"2.163s\" }",
        )
    },
    Setting {
        duration: 1e8,
        theirs: &[
            (ColdShare, 0.329626, 0.00028),
            (Replicas, 0.67831, 0.00038),
            (Busy, 0.0039142, 4.4e-6),
            (Lifespan, 1104.24, 0.65),
        ],
        ..Setting::new(
            "rare calls",
            "poisson = \"0.0018631367641819018/s\"",
            "{ exponential = \"1.98s\" }",
            "{ exponential = \"2.34s\" }",
        )
    },
    Setting {
        keep_alive: 2.0,
        theirs: &[
            (ColdShare, 0.324603, 0.00051),
            (Replicas, 2.78221, 0.0012),
            (Busy, 1.64662, 0.00087),
            (Lifespan, 8.5747, 0.0093),
        ],
        ..Setting::new("kept for 2 s", "poisson = \"1/s\"", "{ exponential = \"1s\" }", "{ exponential = \"3s\" }")
    },
    Setting {
        keep_alive: 0.0,
        theirs: &[(ColdShare, 1.0, 0.0), (Replicas, 2.9971, 0.0030), (Busy, 2.9971, 0.0030)],
        ..Setting::new("never kept", "poisson = \"1/s\"", "{ exponential = \"1s\" }", "{ exponential = \"3s\" }")
    },
    Setting {
        keep_alive: 20.0,
        cap: 20,
        duration: 1e4,
        theirs: &[
            (ColdShare, 0.000202002, 1.4e-6),
            (RefusedShare, 0.158941, 0.00056),
            (Replicas, 19.9967, 0.0003),
            (Busy, 16.816, 0.012),
        ],
        ..Setting::new("at most 20", "poisson = \"10/s\"", "{ exponential = \"2s\" }", "{ exponential = \"2.2s\" }")
    },
    Setting {
        keep_alive: 30.0,
        cap: 5,
        theirs: &[
            (ColdShare, 3.04992e-5, 1.7e-6),
            (RefusedShare, 0.199494, 0.00046),
            (Replicas, 4.99988, 5e-6),
            (Busy, 3.2035, 0.0020),
        ],
        ..Setting::new("at most 5", "poisson = \"2/s\"", "{ exponential = \"2s\" }", "{ exponential = \"4s\" }")
    },
    Setting {
        keep_alive: 10.0,
        theirs: &[
            (ColdShare, 0.0966347, 0.00022),
            (Replicas, 4.8186, 0.0035),
            (Busy, 2.0980, 0.0021),
            (Lifespan, 49.84, 0.10),
        ],
        ..Setting::new("constant service", "poisson = \"1/s\"", "\"2s\"", "\"3s\"")
    },
    Setting {
        keep_alive: 15.0,
        theirs: &[
            (ColdShare, 0.0317548, 0.00011),
            (Replicas, 5.8254, 0.0045),
            (Busy, 2.06069, 0.0015),
            (Lifespan, 91.85, 0.26),
        ],
        ..Setting::new(
            "normal service",
            "poisson = \"2/s\"",
            "{ normal = { mean = \"1s\", sd = \"300ms\" } }",
            "{ normal = { mean = \"2s\", sd = \"500ms\" } }",
        )
    },
    Setting {
        duration: 1e7,
        theirs: &[(ColdShare, 0.208633, 0.0015), (Busy, 0.0036633, 8.2e-6), (Lifespan, 2879.3, 21.0)],
        ..Setting::new("a timer", "renewal = \"600.5s\"", "{ exponential = \"2s\" }", "{ exponential = \"3s\" }")
    },
    // Nothing is random here: the counts are SimFaaS's own. The averages, given to four digits, differ by its longer last
    // gap alone; half a unit of the last digit is the error of a figure that was rounded.
    Setting {
        keep_alive: 10.0,
        duration: 1e4,
        replications: 1,
        theirs: &[(ColdStarts, 5.0, 0.0), (Lifespan, 17.5, 0.0), (Replicas, 3.0023, 1.25e-4), (Busy, 2.50055, 1.25e-4)],
        ..Setting::new("nothing random", "constant = \"1/s\"", "\"2.5s\"", "\"4.5s\"")
    },
    Setting::parallel(
        "1 call each",
        1,
        &[
            (StartShare, 0.00605887, 6.5e-5),
            (Replicas, 19.429, 0.035),
            (Busy, 10.098, 0.015),
            (Concurrency, 0.52444, 0.0008),
        ],
    ),
    Setting::parallel(
        "2 calls each",
        2,
        &[
            (StartShare, 0.00308298, 5e-5),
            (Replicas, 9.9862, 0.019),
            (Busy, 6.1430, 0.008),
            (Concurrency, 1.0230, 0.0015),
        ],
    ),
    Setting::parallel(
        "5 calls each",
        5,
        &[
            (StartShare, 0.000985833, 3e-5),
            (Replicas, 4.2628, 0.0092),
            (Busy, 2.9383, 0.0031),
            (Concurrency, 2.3847, 0.005),
        ],
    ),
    Setting::parallel(
        "10 calls each",
        10,
        &[
            (StartShare, 0.000710648, 1.6e-5),
            (Replicas, 2.2640, 0.0074),
            (Busy, 1.7729, 0.0017),
            (Concurrency, 4.578, 0.014),
        ],
    ),
    Setting {
        duration: 300.0,
        replications: 10_000,
        theirs: &[
            (ColdShare, 0.0267351, 3.6e-5),
            (ColdStarts, 7.2186, 0.0098),
            (Replicas, 6.3514, 0.008),
            (Busy, 1.80551, 0.0016),
        ],
        ..Setting::new(
            "from empty",
            "poisson = \"0.9/s\"",
            "{ exponential = \"2.016s\" }",
            "{ exponential = \"2.163s\" }",
        )
    },
    Setting {
        duration: 300.0,
        replications: 10_000,
        theirs: &[
            (ColdShare, 0.000438153, 1.5e-5),
            (ColdStarts, 0.1207, 0.0041),
            (Replicas, 8.0616, 0.0024),
            (Busy, 1.82057, 0.0016),
        ],
        more: "initial = [{ count = 3, state = \"busy\" }, { count = 5, state = { idle = { expires = \"300s\" } } }]",
        ..Setting::new(
            "from warm",
            "poisson = \"0.9/s\"",
            "{ exponential = \"2.016s\" }",
            "{ exponential = \"2.163s\" }",
        )
    },
    Setting {
        keep_alive: 60.0,
        duration: 120.0,
        replications: 2000,
        theirs: &[
            (ColdShare, 0.00623011, 6.5e-5),
            (ColdStarts, 3.7495, 0.039),
            (Replicas, 12.0434, 0.022),
            (Busy, 4.98586, 0.0064),
        ],
        more: "initial = [{ count = 10, state = { idle = { expires = \"60s\" } } }]",
        ..Setting::new("into a burst", "poisson = \"5/s\"", "{ exponential = \"1s\" }", "{ exponential = \"2s\" }")
    },
];

/// All cases, in order.
pub fn cases() -> Vec<Case> {
    SETTINGS.iter().map(Setting::case).collect()
}

impl Case {
    /// Plays it and puts what SimFaaS found beside.
    pub fn rows(&self, players: &Players<'_>) -> Vec<Row> {
        let view = View { steps: self.steps, ..View::default() };
        let found = players.measure(&self.scenario, view, &|record| {
            self.theirs.iter().map(|(quantity, ..)| quantity.read(record)).collect::<Vec<f64>>()
        });
        let row = |(index, (quantity, theirs, error)): (usize, &(Quantity, f64, f64))| {
            let (name, unit) = quantity.name();
            let values: Vec<f64> = found.iter().map(|run| run[index]).collect();
            let row = Row::new(self.name, name, unit).published(*theirs, Some(*error)).replicated(&values);
            row.within(Bound::Errors(MOST_ERRORS))
        };
        self.theirs.iter().enumerate().map(row).collect()
    }
}

/// All cases as a section.
pub(super) fn section(players: &Players<'_>) -> Section {
    let mut section = Section::new(
        "Another simulator: SimFaaS 0.2.2",
        &[
            "A replica for each request that finds none idle, the newest idle one first, kept for a while: the model of AWS \
             Lambda by Mahmoudi and Khazaei (pacslab/simfaas), played by its own program with seeds 1, 2, …. Means must \
             agree within four standard errors of both together; where nothing is random, exactly.",
        ],
    );
    section.rows = cases().iter().flat_map(|case| case.rows(players)).collect();
    section
}

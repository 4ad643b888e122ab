//! Theory beside simulation, for scenarios that are a queue with a known solution.
//!
//! A scenario is recognised by what it says, not by a label; whatever could make a number differ from the textbook's
//! must be absent. What nearly matches is refused with the reason, because a check that is only roughly right proves
//! nothing.

use faas_lab_model::distributions::Distribution;
use faas_lab_model::metrics::RunRecord;
use faas_lab_model::metrics::result::{self, Estimate, METRICS, TheoryCheck};
use faas_lab_model::policies::dispatch::IdleRouting;
use faas_lab_model::policies::provisioning::Binding;
use faas_lab_model::policies::{KeepAlivePolicy, PerRequest, Scaling};
use faas_lab_model::scenario::{
    Arrivals, Concurrency, Discipline, Function, InitialState, Invocation, NodeGroup, Scenario, WaitingRoom, WarmUp,
};
use faas_lab_model::statistics::student_t_factor;
use faas_lab_model::theory::{
    InfiniteServers, KeepAlive, Mg1, Mm1, Mmc, Mmck, ProcessorSharing, Setup, ZeroServiceKeepAlive, erlang_b,
};

/// Probability that a normal variable lies more than four standard deviations from its mean.
const FOUR_SIGMA_TAIL: f64 = 6.334e-5;

/// What stands for a deviation in standard errors where replications do not vary but theory is missed.
const BEYOND_MEASURE: f64 = 1e9;

/// A scenario's textbook name and what the textbook says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownQueue {
    /// `M/M/c`, …
    pub model: String,
    /// What must come out.
    pub predictions: Vec<Prediction>,
}

/// One quantity with its steady-state value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// `mean wait`, …
    pub quantity: &'static str,
    /// Key of the metric that estimates it.
    pub metric: &'static str,
    /// Its value, in the metric's unit.
    pub value: f64,
    /// Source of the formula.
    pub source: &'static str,
}

/// How alike theory and simulation are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Likeness {
    /// One line per quantity that could be compared.
    pub checks: Vec<TheoryCheck>,
    /// What to know when reading them, or why there are none.
    pub comments: Vec<String>,
    /// Whether a deviation is too large for chance (see [`too_far`]).
    pub failed: bool,
}

/// Whether `check` deviates by more than chance allows: with a probability of 1 in 16 000, which is that of four
/// standard errors. From few replications the standard error itself is uncertain, and the bound is Student's.
pub fn too_far(check: &TheoryCheck) -> bool {
    let degrees_of_freedom = check.simulated.n.saturating_sub(1);
    let bound = student_t_factor(degrees_of_freedom, 1.0 - FOUR_SIGMA_TAIL).unwrap_or(4.0);
    check.z.abs() > bound
}

/// Compares `records`, replications of `scenario`, with theory.
pub fn check(scenario: &Scenario, records: &[RunRecord]) -> Likeness {
    let queue = match recognise(scenario) {
        Ok(queue) => queue,
        Err(reason) => return Likeness { comments: vec![format!("No closed form: {reason}.")], ..Likeness::default() },
    };
    let timed_out = |record: &RunRecord| record.metrics.get(result::TIMED_OUT_SHARE).is_some_and(|share| *share > 0.0);
    if records.iter().any(timed_out) {
        let reason = format!("{} holds without timeouts, but requests timed out.", queue.model);
        return Likeness { comments: vec![reason], ..Likeness::default() };
    }
    let mut comments = Vec::new();
    if records.len() < 2 {
        comments.push("A single replication has no standard error to compare by; take `--replications 10`.".to_owned());
    }
    let empty = scenario.functions[0].initial.iter().all(|replicas| replicas.state != InitialState::Busy);
    if scenario.warm_up == WarmUp::Given(Default::default()) && empty {
        comments.push(
            "The run starts empty and nothing is left out, so what builds up slowly comes out low; `warmup = \"auto\"` \
             avoids this."
                .to_owned(),
        );
    }
    let checks: Vec<TheoryCheck> =
        queue.predictions.iter().filter_map(|prediction| compare(&queue.model, prediction, records)).collect();
    let failed = checks.iter().any(too_far);
    Likeness { checks, comments, failed }
}

/// `None` where the metric is missing or has no spread to judge by.
fn compare(model: &str, prediction: &Prediction, records: &[RunRecord]) -> Option<TheoryCheck> {
    let values: Vec<f64> = records.iter().filter_map(|record| record.metrics.get(prediction.metric).copied()).collect();
    let simulated = Estimate::from_replications(&values).filter(|estimate| estimate.n > 1)?;
    let deviation = simulated.mean - prediction.value;
    // Without spread only rounding may part them: to nanoseconds, and in quantiles to three digits.
    let rounding = 1e-3 * prediction.value.abs() + 1e-9;
    let z = match simulated.z_score(prediction.value) {
        Some(z) => z,
        None if deviation.abs() <= rounding => 0.0,
        None => BEYOND_MEASURE.copysign(deviation),
    };
    Some(TheoryCheck {
        model: model.to_owned(),
        quantity: prediction.quantity.to_owned(),
        unit: METRICS.iter().find(|metric| metric.key == prediction.metric)?.unit.to_owned(),
        theory: prediction.value,
        simulated,
        z,
        source: prediction.source.to_owned(),
    })
}

/// The queue that `scenario` is, or why it is none with a known solution.
pub fn recognise(scenario: &Scenario) -> Result<KnownQueue, String> {
    let [function] = scenario.functions.as_slice() else {
        return Err(format!("there are {} functions", scenario.functions.len()));
    };
    let arrival_rate = plain_arrivals(scenario)?;
    plain_path(scenario, function)?;
    let core = one_plain_core(scenario, function)?;
    let law = service(function)?;
    match &function.scaling {
        Scaling::Fixed(_) => fixed(arrival_rate, function, law, core),
        Scaling::PerRequest(settings) if !core => per_request(arrival_rate, function, law, settings),
        Scaling::PerRequest(_) => Err("replicas that come and go share a node's CPU".to_owned()),
        _ => Err("the number of replicas follows a scaling policy".to_owned()),
    }
}

fn plain_arrivals(scenario: &Scenario) -> Result<f64, String> {
    let [workload] = scenario.workloads.as_slice() else {
        return Err(format!("there are {} workloads", scenario.workloads.len()));
    };
    refuse(&[
        (workload.invocation == Invocation::Async, "invocations are asynchronous"),
        (workload.retries.as_ref().is_some_and(|retries| retries.attempts > 1), "clients retry"),
    ])?;
    match workload.arrivals {
        Arrivals::Poisson(rate) => Ok(rate.0),
        _ => Err("arrivals are not Poisson".to_owned()),
    }
}

/// Nothing on the way to the function or around it may cost time or end requests.
fn plain_path(scenario: &Scenario, function: &Function) -> Result<(), String> {
    let (edge, gateway, watchdog) = (&scenario.edge, &scenario.gateway, &function.watchdog);
    let bodies = scenario.workloads[0].request.0 > 0 || function.response.0 > 0;
    refuse(&[
        (!edge.rtt.is_zero(), "the network takes time"),
        (edge.bandwidth.is_some() && bodies, "bodies take time to cross the network"),
        (!gateway.overhead.is_zero(), "the gateway takes time"),
        (!watchdog.overhead.is_zero(), "the watchdog takes time"),
        (watchdog.max_inflight.is_some(), "the watchdog limits calls in flight"),
        (function.stream.is_some(), "the response is streamed"),
        (function.error_rate > 0.0, "some calls fail"),
        (function.crashes.is_some(), "replicas crash"),
        (function.lifetime.is_some(), "replicas have a limited life"),
        (function.scale_to_zero.is_some(), "the function is put to rest when idle"),
    ])
}

/// Whether there is a machine; then it must be a single core on which the work runs at speed 1.
fn one_plain_core(scenario: &Scenario, function: &Function) -> Result<bool, String> {
    let node = match scenario.nodes.as_slice() {
        [] => return Ok(false),
        [node] if node.count == 1 => node,
        _ => return Err("replicas contend for several machines".to_owned()),
    };
    refuse(&[
        (node.cores != 1, "the machine has several cores"),
        (node.reserved_cores > 0.0, "the system keeps a part of the CPU"),
        (!node.failures.is_empty() || node.random_failures.is_some(), "the machine fails"),
        (function.cpu_limit.is_some_and(|limit| limit < 1.0), "a replica may not use the whole core"),
        (!at_speed_one(node, function), "the machine's speed is not 1"),
        (!function.wait.is_zero(), "calls do more than use the CPU"),
        (function.contention > 0.0, "calls of one replica hinder each other"),
    ])?;
    Ok(true)
}

fn at_speed_one(node: &NodeGroup, function: &Function) -> bool {
    let Some(class) = &function.demand.class else { return true };
    node.classes.iter().any(|known| known.name == *class && known.slowdown == Distribution::Constant(1.0))
}

fn refuse(obstacles: &[(bool, &str)]) -> Result<(), String> {
    obstacles.iter().find(|(present, _)| *present).map_or(Ok(()), |(_, reason)| Err((*reason).to_owned()))
}

/// What queueing theory needs to know of a service law.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Service {
    mean: f64,
    squared_cv: f64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Exponential,
    Constant,
    Other(&'static str),
}

fn service(function: &Function) -> Result<Service, String> {
    let (demand, wait) = (&function.demand.law, &function.wait);
    if demand.is_zero() && wait.is_zero() {
        return Ok(Service { mean: 0.0, squared_cv: 0.0, kind: Kind::Constant });
    }
    if wait.is_zero() {
        return service_of(demand);
    }
    if demand.is_zero() {
        return service_of(wait);
    }
    // Two independent parts in a row: means and variances add.
    let (first, second) = (service_of(demand)?, service_of(wait)?);
    let mean = first.mean + second.mean;
    let variance = first.squared_cv * first.mean * first.mean + second.squared_cv * second.mean * second.mean;
    let kind = if variance == 0.0 { Kind::Constant } else { Kind::Other("the sum of two") };
    Ok(Service { mean, squared_cv: variance / (mean * mean), kind })
}

fn service_of(law: &Distribution) -> Result<Service, String> {
    let kind = match law {
        Distribution::Exponential { .. } => Kind::Exponential,
        Distribution::Constant(_) => Kind::Constant,
        Distribution::Uniform { .. } => Kind::Other("uniform"),
        Distribution::Normal { .. } => Kind::Other("normal"),
        Distribution::Lognormal { .. } => Kind::Other("lognormal"),
        Distribution::Gamma { .. } => Kind::Other("gamma"),
        Distribution::Weibull { .. } => Kind::Other("Weibull"),
        Distribution::Hyperexponential { .. } => Kind::Other("hyperexponential"),
        Distribution::Pareto { .. } => Kind::Other("Pareto"),
        Distribution::Empirical(_) => Kind::Other("empirical"),
        _ => Kind::Other("shifted"),
    };
    let mean = law.mean().ok_or("the mean service time is infinite")?;
    let squared_cv = law.squared_cv().ok_or("the service time has an infinite variance")?;
    Ok(Service { mean, squared_cv, kind })
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Exponential => "exponential",
            Kind::Constant => "constant",
            Kind::Other(name) => name,
        }
    }
}

/// A set number of replicas.
fn fixed(arrival_rate: f64, function: &Function, law: Service, core: bool) -> Result<KnownQueue, String> {
    let replicas = function.replicas.initial;
    if replicas == 0 {
        return Err("there are no replicas".to_owned());
    }
    let Concurrency::Workers { count, backlog } = function.concurrency else {
        return if core { processor_sharing(arrival_rate, law) } else { infinite_servers(arrival_rate, law) };
    };
    if core && replicas * count > 1 {
        return Err("a limited number of workers share the core".to_owned());
    }
    if replicas > 1 && backlog != Some(0) {
        return Err("each replica has an accept queue of its own".to_owned());
    }
    let room = function.waiting_room;
    if replicas > 1 && room.is_none() {
        return Err("requests are handed to a replica at once, busy or not".to_owned());
    }
    let servers = replicas * count;
    let places = match (room, backlog) {
        (Some(WaitingRoom { capacity: None, .. }), _) | (_, None) => None,
        (Some(WaitingRoom { capacity: Some(room), .. }), Some(backlog)) => Some(room + backlog),
        (None, Some(backlog)) => Some(backlog),
    };
    let first_come = room.is_none_or(|room| room.discipline == Discipline::Fifo);
    let one_worker_each = count == 1;
    // Only then does the time average of the waiting room count everyone who waits.
    let all_wait_in_room = room.is_some() && backlog == Some(0);
    let mut queue = match places {
        None if servers == 1 => single_server(arrival_rate, law, first_come)?,
        None => several_servers(servers, arrival_rate, law)?,
        Some(0) => erlang_loss(servers, arrival_rate, law)?,
        Some(places) => finite_room(servers, places, arrival_rate, law)?,
    };
    queue.predictions.retain(|prediction| match prediction.metric {
        result::REPLICAS_BUSY_MEAN => one_worker_each,
        result::QUEUE_MEAN => all_wait_in_room,
        _ => true,
    });
    Ok(queue)
}

const KLEINROCK: &str = "Kleinrock, Queueing Systems I (1975), ch. 3";
const PASTA: &str = "Wolff (1982): Poisson arrivals see time averages";
const LITTLE: &str = "Little (1961)";
const POLLACZEK: &str = "Pollaczek (1930), Khinchine (1932)";
const ERLANG: &str = "Erlang (1917); any service law: Sevastyanov (1957)";
const INSENSITIVE: &str = "Sakata, Noguchi and Oizumi (1971)";
const TAKACS: &str = "Takács (1962)";
const STACK: &str = "first passages of M/M/∞: faas-lab, theory/keep_alive.rs";
const RENEWAL: &str = "renewal argument";
const WELCH: &str = "Welch (1964)";
const GANDHI_2010: &str = "Gandhi, Harchol-Balter and Adan (2010)";
const GANDHI_2013: &str = "Gandhi, Doroudi, Harchol-Balter and Scheller-Wolf (2013)";

/// Collects predictions; a value that does not exist means that there is no steady state.
struct Known {
    model: String,
    predictions: Vec<Prediction>,
}

impl Known {
    fn new(model: impl Into<String>) -> Known {
        Known { model: model.into(), predictions: Vec::new() }
    }

    fn says(
        mut self,
        quantity: &'static str,
        metric: &'static str,
        value: Option<f64>,
        source: &'static str,
    ) -> Result<Known, String> {
        let value = value.ok_or_else(|| format!("{} has no steady state at this load", self.model))?;
        self.predictions.push(Prediction { quantity, metric, value, source });
        Ok(self)
    }

    fn done(self) -> Result<KnownQueue, String> {
        Ok(KnownQueue { model: self.model, predictions: self.predictions })
    }
}

fn single_server(arrival_rate: f64, law: Service, first_come: bool) -> Result<KnownQueue, String> {
    let station = Mg1 { arrival_rate, mean_service: law.mean, squared_cv: law.squared_cv };
    let name = match law.kind {
        Kind::Exponential => "M/M/1",
        Kind::Constant => "M/D/1",
        Kind::Other(_) => "M/G/1",
    };
    let utilization = station.utilization();
    let known = Known::new(name)
        .says("mean wait", result::WAITING_MEAN, station.mean_wait(), POLLACZEK)?
        .says("mean response", result::RESPONSE_MEAN, station.mean_response(), POLLACZEK)?
        .says("share that waits", result::WAITED_SHARE, utilization, PASTA)?
        .says("mean in system", result::IN_SYSTEM_MEAN, station.mean_response().map(|t| arrival_rate * t), LITTLE)?
        .says("mean in queue", result::QUEUE_MEAN, station.mean_queue(), LITTLE)?
        .says("utilization", result::REPLICAS_BUSY_MEAN, utilization, LITTLE)?;
    if law.kind == Kind::Exponential && first_come {
        let quantile = Mm1 { arrival_rate, mean_service: law.mean }.response_quantile(0.99);
        return known.says("99th percentile of response", result::RESPONSE_P99, quantile, KLEINROCK)?.done();
    }
    known.done()
}

fn several_servers(servers: u32, arrival_rate: f64, law: Service) -> Result<KnownQueue, String> {
    if law.kind != Kind::Exponential {
        return Err(format!("the service law is {} and c = {servers}", law.kind.name()));
    }
    let station = Mmc { servers, arrival_rate, mean_service: law.mean };
    Known::new(format!("M/M/{servers}"))
        .says("mean wait", result::WAITING_MEAN, station.mean_wait(), KLEINROCK)?
        .says("mean response", result::RESPONSE_MEAN, station.mean_response(), KLEINROCK)?
        .says("share that waits (Erlang C)", result::WAITED_SHARE, station.wait_probability(), KLEINROCK)?
        .says("mean in system", result::IN_SYSTEM_MEAN, station.mean_response().map(|t| arrival_rate * t), LITTLE)?
        .says("mean in queue", result::QUEUE_MEAN, station.mean_queue(), LITTLE)?
        .says("mean busy servers", result::REPLICAS_BUSY_MEAN, station.offered_load(), LITTLE)?
        .done()
}

fn erlang_loss(servers: u32, arrival_rate: f64, law: Service) -> Result<KnownQueue, String> {
    let offered_load = arrival_rate * law.mean;
    let blocking = erlang_b(servers, offered_load);
    let carried = blocking.map(|blocking| offered_load * (1.0 - blocking));
    let letter = if law.kind == Kind::Exponential { 'M' } else { 'G' };
    Known::new(format!("M/{letter}/{servers}/{servers} (Erlang B)"))
        .says("blocking", result::REFUSED_SHARE, blocking, ERLANG)?
        .says("mean response", result::RESPONSE_MEAN, Some(law.mean), ERLANG)?
        .says("mean in system", result::IN_SYSTEM_MEAN, carried, LITTLE)?
        .says("mean busy servers", result::REPLICAS_BUSY_MEAN, carried, LITTLE)?
        .done()
}

fn finite_room(servers: u32, places: u32, arrival_rate: f64, law: Service) -> Result<KnownQueue, String> {
    if law.kind != Kind::Exponential {
        return Err(format!("the service law is {} and the waiting room is finite", law.kind.name()));
    }
    let capacity = servers + places;
    let station = Mmck { servers, capacity, arrival_rate, mean_service: law.mean };
    let admitted = station.blocking_probability().map(|blocking| 1.0 - blocking);
    let response = station.mean_wait().map(|wait| wait + law.mean);
    let in_system = admitted.zip(response).map(|(admitted, response)| arrival_rate * admitted * response);
    Known::new(format!("M/M/{servers}/{capacity}"))
        .says("blocking", result::REFUSED_SHARE, station.blocking_probability(), KLEINROCK)?
        .says("mean wait", result::WAITING_MEAN, station.mean_wait(), KLEINROCK)?
        .says("mean response", result::RESPONSE_MEAN, response, KLEINROCK)?
        .says("mean in system", result::IN_SYSTEM_MEAN, in_system, LITTLE)?
        .says("mean in queue", result::QUEUE_MEAN, station.mean_queue(), KLEINROCK)?
        .says("mean busy servers", result::REPLICAS_BUSY_MEAN, admitted.map(|x| x * arrival_rate * law.mean), LITTLE)?
        .done()
}

fn processor_sharing(arrival_rate: f64, law: Service) -> Result<KnownQueue, String> {
    let station = ProcessorSharing { arrival_rate, mean_service: law.mean };
    let letter = if law.kind == Kind::Exponential { 'M' } else { 'G' };
    Known::new(format!("M/{letter}/1-PS"))
        .says("mean response", result::RESPONSE_MEAN, station.mean_response(), INSENSITIVE)?
        .says("mean in system", result::IN_SYSTEM_MEAN, station.mean_in_system(), INSENSITIVE)?
        .says("utilization", result::CPU_UTILIZATION, Some(arrival_rate * law.mean), LITTLE)?
        .done()
}

fn infinite_servers(arrival_rate: f64, law: Service) -> Result<KnownQueue, String> {
    let station = InfiniteServers { arrival_rate, mean_service: law.mean };
    let letter = if law.kind == Kind::Exponential { 'M' } else { 'G' };
    let known = Known::new(format!("M/{letter}/∞"))
        .says("mean response", result::RESPONSE_MEAN, Some(law.mean), TAKACS)?
        .says("mean in system", result::IN_SYSTEM_MEAN, station.mean_in_system(), TAKACS)?;
    if law.kind == Kind::Exponential {
        let quantile = law.mean * std::f64::consts::LN_10 * 2.0;
        return known.says("99th percentile of response", result::RESPONSE_P99, Some(quantile), TAKACS)?.done();
    }
    known.done()
}

/// A replica for each request that finds none idle.
fn per_request(
    arrival_rate: f64,
    function: &Function,
    law: Service,
    settings: &PerRequest,
) -> Result<KnownQueue, String> {
    if !matches!(function.concurrency, Concurrency::Workers { count: 1, .. }) {
        return Err("a replica takes several requests at once".to_owned());
    }
    if function.replicas.min > 0 {
        return Err("some replicas are always kept".to_owned());
    }
    match start_law(function)? {
        None => keep_alive(arrival_rate, function, law, settings),
        Some(mean_setup) => setup(Setup { arrival_rate, mean_service: law.mean, mean_setup }, function, law, settings),
    }
}

/// The mean of a start that is one exponential phase; `None` where replicas are there at once.
fn start_law(function: &Function) -> Result<Option<f64>, String> {
    let start = &function.cold_start;
    let phases = [&start.schedule, &start.sandbox, &start.create, &start.boot.law, &start.endpoint];
    let lasting: Vec<&Distribution> = phases.into_iter().filter(|law| !law.is_zero()).collect();
    let pulled = start.image.0 > 0 && !start.image_present;
    match lasting.as_slice() {
        _ if pulled || start.readiness_probe.is_some() => Err("cold starts have fixed parts".to_owned()),
        [] => Ok(None),
        [Distribution::Exponential { mean }] => Ok(Some(*mean)),
        [_] => Err("the time of a cold start is not exponential".to_owned()),
        _ => Err("cold starts have several phases".to_owned()),
    }
}

fn keep_alive(
    arrival_rate: f64,
    function: &Function,
    law: Service,
    settings: &PerRequest,
) -> Result<KnownQueue, String> {
    if function.cold_demand.as_ref().is_some_and(|cold| *cold != function.demand.law) {
        return Err("cold calls have a service law of their own".to_owned());
    }
    let cap = function.replicas.max;
    let blocking = erlang_b(cap, arrival_rate * law.mean).unwrap_or(1.0);
    let no_room = function.waiting_room.is_none_or(|room| room.capacity == Some(0));
    if !no_room && blocking > 1e-9 {
        return Err("requests wait where the limit of replicas is reached".to_owned());
    }
    let keep_alive = match &function.keep_alive {
        KeepAlivePolicy::Fixed(span) => span.as_secs_f64(),
        // Replicas then only grow in number, up to the limit: what is left of the theory is the loss.
        KeepAlivePolicy::Forever => return erlang_loss(cap, arrival_rate, law),
        KeepAlivePolicy::Survival(_) => return Err("the keep-alive time is random".to_owned()),
        KeepAlivePolicy::Fleet { .. } => return Err("the function has a keep-alive time of its own".to_owned()),
    };
    if law.mean == 0.0 {
        let station = ZeroServiceKeepAlive { arrival_rate, keep_alive };
        return Known::new("keep-alive, no service time")
            .says("share of cold starts", result::COLD_SHARE, station.p_cold(), RENEWAL)?
            .says("mean replicas", result::REPLICAS_MEAN, station.replicas(), RENEWAL)?
            .says("mean life of a replica", result::REPLICA_LIFESPAN_MEAN, station.mean_lifespan(), RENEWAL)?
            .done();
    }
    if law.kind != Kind::Exponential {
        return Err(format!("the service law is {} and replicas are kept for a while", law.kind.name()));
    }
    if settings.routing != IdleRouting::MostRecentlyUsed {
        return Err("the idle replica used first is not the one used last".to_owned());
    }
    let station = KeepAlive { arrival_rate, mean_service: law.mean, keep_alive, cap: Some(cap) };
    let means = station.steady_state().ok_or("its chain is too large to solve")?;
    let served = 1.0 - means.p_rejected;
    let known = Known::new("keep-alive, most recently used first")
        .says("share of cold starts", result::COLD_SHARE, Some(means.p_cold / served), STACK)?
        .says("mean replicas", result::REPLICAS_MEAN, Some(means.replicas()), STACK)?
        .says("mean busy replicas", result::REPLICAS_BUSY_MEAN, Some(means.busy), LITTLE)?;
    if means.p_rejected > 1e-9 {
        return known.says("blocking", result::REFUSED_SHARE, Some(means.p_rejected), ERLANG)?.done();
    }
    known.done()
}

/// Replicas that go when they find nothing to do and take an exponential time to come.
fn setup(station: Setup, function: &Function, law: Service, settings: &PerRequest) -> Result<KnownQueue, String> {
    let endless_room = function.waiting_room.is_some_and(|room| room.capacity.is_none());
    refuse(&[
        (law.kind != Kind::Exponential, "the service law is not exponential and replicas take time to start"),
        (
            function.keep_alive != KeepAlivePolicy::Fixed(Default::default()),
            "idle replicas are kept, and starts take time",
        ),
        (settings.binding != Binding::Room { cancel_surplus: true }, "surplus starts are not cancelled"),
        (!endless_room, "the waiting room is finite"),
        (function.cold_demand.is_some(), "cold calls have a service law of their own"),
    ])?;
    let servers = function.replicas.max;
    let in_system = |response: Option<f64>| response.map(|response| station.arrival_rate * response);
    let of = |model: String, response: Option<f64>, source: &'static str| {
        Known::new(model)
            .says("mean response", result::RESPONSE_MEAN, response, source)?
            .says("mean in system", result::IN_SYSTEM_MEAN, in_system(response), LITTLE)?
            .done()
    };
    match settings.starts_at_once {
        _ if servers == 1 => of("M/M/1 with setup".into(), station.single_server_response(), WELCH),
        Some(1) => of(format!("M/M/{servers} with staggered setup"), station.staggered_response(servers), GANDHI_2010),
        Some(_) => Err("the number of starts at once is limited".to_owned()),
        None if servers <= 100 => {
            let response = station.servers(servers).map(|means| means.response);
            of(format!("M/M/{servers} with setup"), response, GANDHI_2013)
        }
        None if out_of_reach(&station, servers) => {
            let response = station.unlimited_servers().map(|means| means.response);
            of("M/M/∞ with setup".into(), response, GANDHI_2010)
        }
        None => Err(format!("{servers} replicas with setup are too many to solve and too few to be unlimited")),
    }
}

/// Whether so many servers are never all wanted at once: busy or in setup, with a wide margin.
fn out_of_reach(station: &Setup, servers: u32) -> bool {
    let response = station.unlimited_servers().map_or(f64::INFINITY, |means| means.response);
    let present = station.arrival_rate * response;
    present + 10.0 * present.sqrt() + 30.0 < f64::from(servers)
}

#[cfg(test)]
mod tests {
    use faas_lab_model::fixtures;
    use faas_lab_model::time::Span;

    use super::*;

    fn plain(change: impl FnOnce(&mut Function)) -> Scenario {
        let mut scenario = fixtures::scenario();
        change(&mut scenario.functions[0]);
        scenario
    }

    fn value(queue: &KnownQueue, metric: &str) -> f64 {
        queue.predictions.iter().find(|prediction| prediction.metric == metric).expect("predicted").value
    }

    fn known(scenario: &Scenario) -> KnownQueue {
        recognise(scenario).expect("a known queue")
    }

    fn room(capacity: Option<u32>) -> Option<WaitingRoom> {
        Some(WaitingRoom { capacity, discipline: Discipline::Fifo })
    }

    #[test]
    fn single_servers_by_their_service_law() {
        let queue = known(&fixtures::scenario());
        assert_eq!(queue.model, "M/M/1");
        assert!((value(&queue, result::RESPONSE_MEAN) - 5.0).abs() < 1e-9);
        assert!((value(&queue, result::RESPONSE_P99) - 23.0259).abs() < 1e-4);

        let constant = known(&plain(|f| f.demand.law = Distribution::Constant(1.0)));
        assert_eq!(constant.model, "M/D/1");
        assert!((value(&constant, result::WAITING_MEAN) - 2.0).abs() < 1e-9);

        let general = known(&plain(|f| f.demand.law = Distribution::Hyperexponential { mean: 1.0, cv: 2.0 }));
        assert_eq!(general.model, "M/G/1");
        assert!((value(&general, result::WAITING_MEAN) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn several_servers_one_queue() {
        let three = |law: Distribution| {
            plain(|f| {
                f.replicas.initial = 3;
                f.demand.law = law;
            })
        };
        let queue = known(&three(Distribution::Exponential { mean: 3.0 }));
        assert_eq!(queue.model, "M/M/3");
        assert!((value(&queue, result::REPLICAS_BUSY_MEAN) - 2.4).abs() < 1e-9);
        let reason = recognise(&three(Distribution::Lognormal { median: 1.0, sigma: 0.5 }));
        assert_eq!(reason, Err("the service law is lognormal and c = 3".into()));
    }

    #[test]
    fn workers_of_one_replica_are_servers_too() {
        let scenario = plain(|f| f.concurrency = Concurrency::Workers { count: 4, backlog: Some(0) });
        let queue = known(&scenario);
        assert_eq!(queue.model, "M/M/4");
        assert!(!queue.predictions.iter().any(|prediction| prediction.metric == result::REPLICAS_BUSY_MEAN));
    }

    #[test]
    fn finite_rooms_block() {
        let lossy = plain(|f| {
            f.waiting_room = room(Some(0));
            f.replicas.initial = 5;
            f.demand.law = Distribution::Constant(5.0);
        });
        let queue = known(&lossy);
        assert_eq!(queue.model, "M/G/5/5 (Erlang B)");
        assert!((value(&queue, result::REFUSED_SHARE) - 0.199_066_87).abs() < 1e-8);

        let small = plain(|f| {
            f.waiting_room = room(Some(10));
            f.replicas.initial = 10;
            f.demand.law = Distribution::Exponential { mean: 10.0 };
        });
        let queue = known(&small);
        assert_eq!(queue.model, "M/M/10/20");
        assert!((value(&queue, result::REFUSED_SHARE) - 0.009_107_18).abs() < 1e-8);
    }

    #[test]
    fn one_core_is_shared_and_no_core_is_endless() {
        let unlimited = plain(|f| f.concurrency = Concurrency::Unlimited);
        assert_eq!(known(&unlimited).model, "M/M/∞");
        let mut shared = unlimited;
        shared.nodes = vec![fixtures::node_group("one", 1)];
        let queue = known(&shared);
        assert_eq!(queue.model, "M/M/1-PS");
        assert!((value(&queue, result::RESPONSE_MEAN) - 5.0).abs() < 1e-9);
        shared.nodes[0].cores = 2;
        assert_eq!(recognise(&shared), Err("the machine has several cores".into()));
    }

    fn scaled(keep_alive: u64, start: f64, settings: PerRequest) -> Scenario {
        plain(|f| {
            f.scaling = Scaling::PerRequest(settings);
            f.replicas.min = 0;
            f.replicas.max = 1000;
            f.keep_alive = KeepAlivePolicy::Fixed(Span::from_secs(keep_alive));
            if start > 0.0 {
                f.cold_start.boot.law = Distribution::Exponential { mean: start };
            }
        })
    }

    #[test]
    fn keep_alive_with_a_stack_of_idle_replicas() {
        let settings = PerRequest { routing: IdleRouting::MostRecentlyUsed, ..PerRequest::default() };
        let mut scenario = scaled(2, 0.0, settings);
        scenario.workloads[0].arrivals = Arrivals::Poisson(faas_lab_model::units::Rate(1.0));
        let queue = known(&scenario);
        assert!((value(&queue, result::COLD_SHARE) - 0.323_377_70).abs() < 1e-8);
        assert!((value(&queue, result::REPLICAS_MEAN) - 2.090_663_04).abs() < 1e-8);
        assert!(recognise(&scaled(2, 0.0, PerRequest::default())).is_err());

        scenario.functions[0].demand.law = Distribution::Constant(0.0);
        assert!((value(&known(&scenario), result::COLD_SHARE) - 0.135_335_283_236_612_7).abs() < 1e-12);
    }

    #[test]
    fn setups_by_how_many_may_start() {
        let room = Binding::Room { cancel_surplus: true };
        let settings = PerRequest { binding: room, ..PerRequest::default() };
        let mut scenario = scaled(0, 2.0, settings.clone());
        assert_eq!(known(&scenario).model, "M/M/∞ with setup");
        scenario.functions[0].replicas.max = 10;
        assert_eq!(known(&scenario).model, "M/M/10 with setup");
        scenario.functions[0].scaling = Scaling::PerRequest(PerRequest { starts_at_once: Some(1), ..settings });
        assert_eq!(known(&scenario).model, "M/M/10 with staggered setup");
        scenario.functions[0].replicas.max = 1;
        let queue = known(&scenario);
        assert_eq!(queue.model, "M/M/1 with setup");
        assert!((value(&queue, result::RESPONSE_MEAN) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn what_differs_from_the_textbook_is_named() {
        let mut scenario = fixtures::scenario();
        scenario.edge.rtt = Distribution::Constant(0.01);
        assert_eq!(recognise(&scenario), Err("the network takes time".into()));
        let overloaded = plain(|f| f.demand.law = Distribution::Exponential { mean: 2.0 });
        assert_eq!(recognise(&overloaded), Err("M/M/1 has no steady state at this load".into()));
    }

    fn runs(means: &[f64]) -> (Scenario, Vec<RunRecord>) {
        let scenario = fixtures::scenario();
        let records = means.iter().zip(1..).map(|(mean, seed)| fixtures::record(&scenario, seed, *mean)).collect();
        (scenario, records)
    }

    #[test]
    fn deviations_count_in_standard_errors() {
        let (scenario, records) = runs(&[4.8, 5.1, 5.3, 4.9, 5.0]);
        let likeness = check(&scenario, &records);
        let response = likeness.checks.iter().find(|check| check.quantity == "mean response").expect("compared");
        assert!(response.z.abs() < 1.0 && response.unit == "s");
        assert!(!likeness.failed);
        assert!(likeness.comments[0].contains("starts empty"));

        let (scenario, records) = runs(&[6.0, 6.1, 6.05, 6.02, 6.07]);
        assert!(check(&scenario, &records).failed);
    }

    /// Two replications may by chance lie close together and both a little off.
    #[test]
    fn few_replications_are_judged_by_students_law() {
        let (scenario, records) = runs(&[5.2, 5.24]);
        let likeness = check(&scenario, &records);
        let response = likeness.checks.iter().find(|check| check.quantity == "mean response").expect("compared");
        assert!(response.z > 4.0 && !too_far(response));
    }

    #[test]
    fn timeouts_end_the_comparison() {
        let (scenario, mut records) = runs(&[5.0, 5.1]);
        records[0].metrics.insert(result::TIMED_OUT_SHARE, 0.01);
        let likeness = check(&scenario, &records);
        assert!(likeness.checks.is_empty() && likeness.comments[0].contains("timed out"));
    }
}

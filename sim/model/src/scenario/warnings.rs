//! Legal but surprising settings. Showing what they do may be the very point of a scenario, so they are kept, not refused.

use super::{Arrivals, Concurrency, Function, Invocation, Scenario, WatchdogMode, Workload};
use crate::metrics::result::Warning;
use crate::policies::Scaling;
use crate::policies::scaling::Load;
use crate::time::Span;

/// All warnings of a scenario.
pub(super) fn find(scenario: &Scenario) -> Vec<Warning> {
    let mut warnings = Vec::new();
    edge_timeouts(scenario, &mut warnings);
    for function in &scenario.functions {
        function_timeouts(scenario, function, &mut warnings);
        cold_start(scenario, function, &mut warnings);
        rest(scenario, function, &mut warnings);
        queue(scenario, function, &mut warnings);
        ce_alert(function, &mut warnings);
        without_effect(scenario, function, &mut warnings);
    }
    memory(scenario, &mut warnings);
    utilization(scenario, &mut warnings);
    warnings
}

fn warn(warnings: &mut Vec<Warning>, code: &str, text: String) {
    warnings.push(Warning { code: code.to_owned(), text });
}

/// A hop that gives up before the hop behind it hides that hop's answer.
fn edge_timeouts(scenario: &Scenario, warnings: &mut Vec<Warning>) {
    let gateway = &scenario.gateway;
    let upstream = gateway.upstream_timeout;
    if let (Some(client), Some(upstream)) = (scenario.edge.client_timeout, upstream)
        && client < upstream
    {
        warn(
            warnings,
            "timeout-chain",
            format!(
                "clients give up after {client}, before the gateway does at {upstream}: they see no 502, and replicas work on for nobody. Set edge.client_timeout above gateway.upstream_timeout."
            ),
        );
    }
    if let (Some(write), Some(upstream)) = (gateway.write_timeout, upstream)
        && write < upstream
    {
        warn(
            warnings,
            "timeout-chain",
            format!(
                "the gateway cuts responses after {write}, before its own limit for functions of {upstream}: clients see closed connections instead of 502. Set gateway.write_timeout to at least gateway.upstream_timeout."
            ),
        );
    }
    if let (Some(provider), Some(upstream)) = (gateway.provider_timeout, upstream)
        && provider < upstream
    {
        warn(
            warnings,
            "timeout-chain",
            format!(
                "the provider gives up after {provider}, before the gateway's {upstream}: calls fail earlier than the gateway says. Raise gateway.provider_timeout."
            ),
        );
    }
}

fn function_timeouts(scenario: &Scenario, function: &Function, warnings: &mut Vec<Warning>) {
    let (watchdog, name) = (&function.watchdog, &function.name);
    if watchdog.mode == WatchdogMode::None {
        return;
    }
    if let (Some(upstream), Some(exec)) = (scenario.gateway.upstream_timeout, watchdog.exec_timeout)
        && upstream < exec
    {
        warn(
            warnings,
            "timeout-chain",
            format!(
                "the gateway waits {upstream} for {name}, whose watchdog allows {exec}: slow calls end as 502 while the function works on. Set gateway.upstream_timeout above the watchdog's exec_timeout."
            ),
        );
    }
    if let (Some(write), Some(exec)) = (watchdog.write_timeout, watchdog.exec_timeout)
        && write < exec
    {
        warn(
            warnings,
            "timeout-chain",
            format!(
                "the watchdog of {name} cuts responses after {write} but lets calls run for {exec}: long calls run to their end and are lost. Set write_timeout to at least exec_timeout."
            ),
        );
    }
}

/// Mean time from wanting a replica to its first call, where every part has a mean.
fn cold_start_mean(scenario: &Scenario, function: &Function) -> Option<Span> {
    let cold = &function.cold_start;
    let slowdown = |class: &Option<String>| {
        let class = class.as_ref()?;
        let of_node = |node: &super::NodeGroup| node.classes.iter().find(|known| known.name == *class)?.slowdown.mean();
        scenario.nodes.iter().filter_map(of_node).reduce(f64::max)
    };
    let boot = cold.boot.law.mean()? * slowdown(&cold.boot.class).unwrap_or(1.0);
    let rate = scenario.nodes.iter().map(|node| node.link.0.min(node.disk_write.0)).reduce(f64::min);
    let pull = match rate {
        Some(rate) if !cold.image_present && cold.image.0 > 0 => {
            cold.image.0 as f64 / rate + scenario.cluster.pull_overhead.as_secs_f64()
        }
        _ => 0.0,
    };
    let probe =
        cold.readiness_probe.map_or(0.0, |probe| probe.initial_delay.as_secs_f64() + probe.period.as_secs_f64() / 2.0);
    let told = !(cold.sandbox.is_zero() && cold.create.is_zero());
    let of_machines = scenario.nodes.iter().filter(|_| !told).filter_map(|node| node.pod_start.mean());
    let machine = of_machines.reduce(f64::min).unwrap_or(0.0);
    let phases = machine + cold.schedule.mean()? + cold.sandbox.mean()? + cold.create.mean()? + cold.endpoint.mean()?;
    Some(Span::from_secs_f64(phases + boot + pull + probe))
}

fn cold_start(scenario: &Scenario, function: &Function, warnings: &mut Vec<Warning>) {
    let (Some(cold), Some(limit)) = (cold_start_mean(scenario, function), shortest_wait(scenario)) else { return };
    let rests = function.replicas.min == 0 || function.scale_to_zero.is_some();
    if rests && cold > limit {
        warn(
            warnings,
            "cold-start-timeout",
            format!(
                "a cold start of {} takes {:.1} s on average, longer than the {limit} after which calls are given up: the first calls after a rest will fail. Raise the timeouts, or keep a replica with replicas.min = 1.",
                function.name,
                cold.as_secs_f64()
            ),
        );
    }
}

/// The shortest limit on a whole call before the function has it.
fn shortest_wait(scenario: &Scenario) -> Option<Span> {
    [scenario.edge.client_timeout, scenario.gateway.upstream_timeout, scenario.gateway.write_timeout]
        .into_iter()
        .flatten()
        .min()
}

fn rest(scenario: &Scenario, function: &Function, warnings: &mut Vec<Warning>) {
    if matches!(function.scaling, Scaling::PerRequest(_)) || scenario.gateway.scale_from_zero.is_some() {
        return;
    }
    if function.scale_to_zero.is_some() || function.replicas.initial == 0 {
        warn(
            warnings,
            "no-way-back",
            format!(
                "{} can have no replica, and without gateway.scale_from_zero a call does not bring one back: such calls get 503. Add [gateway], or leave out scale_to_zero.",
                function.name
            ),
        );
    }
}

fn queue(scenario: &Scenario, function: &Function, warnings: &mut Vec<Warning>) {
    let queue = &scenario.queue;
    let asynchronous = workloads_of(scenario, function).any(|workload| workload.invocation == Invocation::Async);
    if !asynchronous || queue.extends_ack {
        return;
    }
    let exec = if function.watchdog.mode == WatchdogMode::None { None } else { function.watchdog.exec_timeout };
    let longest = [exec, scenario.gateway.upstream_timeout].into_iter().flatten().min();
    if longest.is_none_or(|longest| queue.ack_wait < longest) {
        let allowed = longest.map_or("without limit".to_owned(), |longest| format!("for {longest}"));
        warn(
            warnings,
            "redelivery",
            format!(
                "calls of {} may run {allowed}, but after {} without an acknowledgement the queue delivers them again: they run twice at once. Set queue.ack_wait above the exec timeout, or queue.extends_ack.",
                function.name, queue.ack_wait
            ),
        );
    }
}

/// The alert counts successful calls per second, which slow replicas at their minimum may never complete.
fn ce_alert(function: &Function, warnings: &mut Vec<Warning>) {
    let Scaling::CeAlert(settings) = &function.scaling else { return };
    let at_once = match function.concurrency {
        Concurrency::Workers { count, .. } => f64::from(count),
        Concurrency::Unlimited => match function.cpu_limit {
            Some(cores) if function.wait.is_zero() => cores,
            _ => return,
        },
    };
    let Some(time) = function.demand.law.mean().zip(function.wait.mean()).map(|(demand, wait)| demand + wait) else {
        return;
    };
    let most = f64::from(function.replicas.initial.max(1)) * at_once / time;
    if time > 0.0 && most < settings.threshold_per_second {
        warn(
            warnings,
            "alert-never-fires",
            format!(
                "{} replicas of {} complete at most {most:.2} calls per second, so the alert at {} never fires and the function never scales. Lower threshold_per_second, or use scaling = \"capacity\".",
                function.replicas.initial.max(1),
                function.name,
                settings.threshold_per_second
            ),
        );
    }
}

/// Settings that do nothing where they stand.
fn without_effect(scenario: &Scenario, function: &Function, warnings: &mut Vec<Warning>) {
    let name = &function.name;
    let by_cpu = match &function.scaling {
        Scaling::Hpa(_) => true,
        Scaling::Pro(pro) => pro.load == Load::Cpu,
        _ => false,
    };
    if by_cpu && scenario.nodes.is_empty() {
        let text = format!(
            "{name} scales by its CPU use, but without machines no CPU time is counted: it stays at its minimum. Add a [[node]], or scale by capacity or rps."
        );
        warn(warnings, "no-cpu-to-see", text);
    }
    if function.cpu_limit.is_some() && scenario.nodes.is_empty() {
        let text = format!(
            "{name} has a CPU limit, but without machines each call runs at full speed, as if alone: the limit counts for costs only. Add a [[node]] with cores and memory."
        );
        warn(warnings, "no-cpu-to-limit", text);
    }
    if function.lifetime.is_some() && !matches!(function.scaling, Scaling::PerRequest(_)) {
        let text = format!(
            "{name} has a lifetime, which ends only replicas that are started per request. Use scaling = \"per-request\", or leave it out."
        );
        warn(warnings, "no-lifetime", text);
    }
}

fn memory(scenario: &Scenario, warnings: &mut Vec<Warning>) {
    if scenario.nodes.is_empty() {
        return;
    }
    let free = |node: &super::NodeGroup| {
        u128::from(node.memory.0.saturating_sub(node.reserved_memory.0)) * u128::from(node.count)
    };
    let there: u128 = scenario.nodes.iter().map(free).sum();
    let wanted: u128 = scenario
        .functions
        .iter()
        .map(|function| u128::from(function.memory.0) * u128::from(function.replicas.max))
        .sum();
    if wanted > there {
        warn(
            warnings,
            "memory",
            format!(
                "all replicas at their maximum need {} MiB, the nodes have {} MiB: some will wait for a place. Lower replicas.max or memory, or add nodes.",
                wanted >> 20,
                there >> 20
            ),
        );
    }
}

/// Utilization of open workloads where rate, service time and servers are all known.
fn utilization(scenario: &Scenario, warnings: &mut Vec<Warning>) {
    for function in &scenario.functions {
        let rates: Option<Vec<f64>> =
            workloads_of(scenario, function).map(|workload| mean_rate(&workload.arrivals)).collect();
        let Some(rate) = rates.map(|rates| rates.iter().sum::<f64>()).filter(|rate| *rate > 0.0) else { continue };
        let fastest = scenario.nodes.iter().filter_map(|node| {
            let class = function.demand.class.as_ref()?;
            node.classes.iter().find(|known| known.name == *class)?.slowdown.mean()
        });
        let slowdown = fastest.reduce(f64::min).unwrap_or(1.0);
        let Some((demand, wait)) = function.demand.law.mean().zip(function.wait.mean()) else { continue };
        let demand = demand * slowdown;
        let replicas = f64::from(function.replicas.max);
        let slots = match function.concurrency {
            Concurrency::Workers { count, .. } => replicas * f64::from(count) / (demand + wait),
            Concurrency::Unlimited => f64::INFINITY,
        };
        let cores: f64 = scenario
            .nodes
            .iter()
            .map(|node| f64::from(node.count) * (f64::from(node.cores) - node.reserved_cores))
            .sum();
        let by_cores = if scenario.nodes.is_empty() { f64::INFINITY } else { cores / demand };
        // Without nodes nothing is shared, and limits mean nothing.
        let limit = function.cpu_limit.filter(|_| !scenario.nodes.is_empty());
        let by_limit = limit.map_or(f64::INFINITY, |limit| replicas * limit / demand);
        let most = slots.min(by_cores).min(by_limit);
        if rate >= most {
            warn(
                warnings,
                "overload",
                format!(
                    "{} gets {rate:.3} requests per second, but all it may have serves at most {most:.3}: utilization {:.2}, queues grow for as long as the run lasts. Raise replicas.max, add nodes, or lower the rate.",
                    function.name,
                    rate / most
                ),
            );
        }
    }
}

fn workloads_of<'a>(scenario: &'a Scenario, function: &Function) -> impl Iterator<Item = &'a Workload> {
    let index = scenario.functions.iter().position(|other| other.name == function.name);
    scenario.workloads.iter().filter(move |workload| Some(workload.function) == index)
}

/// The long-run rate of arrivals that have one.
fn mean_rate(arrivals: &Arrivals) -> Option<f64> {
    match arrivals {
        Arrivals::Constant(rate) | Arrivals::Poisson(rate) => Some(rate.0),
        Arrivals::Renewal(law) => law.mean().map(|mean| 1.0 / mean),
        Arrivals::Mmpp(states) => {
            let stay = |state: &super::MmppState| state.mean_stay.as_secs_f64();
            let total: f64 = states.iter().map(stay).sum();
            Some(states.iter().map(|state| state.rate.0 * stay(state)).sum::<f64>() / total)
        }
        Arrivals::Batches { sizes, period } if sizes.len() == 1 => {
            Some(f64::from(sizes[0].size) / period.as_secs_f64())
        }
        // Rates and sizes that change, instants without a law, and users, whose rate depends on the answers.
        Arrivals::Shape(_) | Arrivals::Batches { .. } | Arrivals::Cron(_) | Arrivals::Trace(_) | Arrivals::Users(_) => {
            None
        }
    }
}

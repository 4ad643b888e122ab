//! Checks across fields: what each value says alone is right, but not what they say together.

use super::error::Problem;
use super::read::{Findings, listed, meant};
use super::{Concurrency, Function, Scenario, limits};
use crate::policies::Scaling;
use crate::policies::provisioning::Binding;
use crate::time::Span;

/// All contradictions of a scenario.
pub(super) fn check(scenario: &Scenario, variants: usize, found: &Findings) -> Vec<Problem> {
    let mut problems = Vec::new();
    limits::sizes(scenario, variants, found, &mut problems);
    if !problems.is_empty() {
        return problems;
    }
    for function in &scenario.functions {
        let path = format!("function.{}", function.name);
        bounds(function, &path, found, &mut problems);
        policy(function, &path, found, &mut problems);
        classes(scenario, function, &path, found, &mut problems);
        room(scenario, function, &path, found, &mut problems);
        contention(scenario, function, &path, found, &mut problems);
    }
    counts(scenario, found, &mut problems);
    limits::rhythms(scenario, found, &mut problems);
    unique("node", scenario.nodes.iter().map(|node| node.name.as_str()), found, &mut problems);
    unique("workload", scenario.workloads.iter().map(|workload| workload.name.as_str()), found, &mut problems);
    problems
}

/// The longest time limit in force, if there is any.
pub(super) fn longest_timeout(scenario: &Scenario) -> Option<Span> {
    let gateway = &scenario.gateway;
    let around = [
        scenario.edge.client_timeout,
        gateway.read_timeout,
        gateway.write_timeout,
        gateway.upstream_timeout,
        gateway.provider_timeout,
    ];
    let watchdogs = scenario.functions.iter().flat_map(|function| {
        let watchdog = &function.watchdog;
        [watchdog.read_timeout, watchdog.write_timeout, watchdog.exec_timeout]
    });
    around.into_iter().chain(watchdogs).flatten().max()
}

pub(super) fn problem(found: &Findings, path: &str, message: String) -> Problem {
    match found.place(path) {
        Some(place) => Problem::at(place, message),
        None => Problem::nowhere(message),
    }
}

fn bounds(function: &Function, path: &str, found: &Findings, problems: &mut Vec<Problem>) {
    let bounds = function.replicas;
    let at = |key: &str| format!("{path}.replicas.{key}");
    if bounds.max < bounds.min {
        problems.push(
            problem(found, &at("max"), format!("max {} is below min {}", bounds.max, bounds.min))
                .see(found.written(&at("min")), format!("min = {} is set here", bounds.min))
                .help(format!("raise max, or write replicas = {} for a fixed fleet", bounds.min)),
        );
    } else if bounds.initial > bounds.max {
        problems.push(
            problem(found, &at("initial"), format!("initial {} is above max {}", bounds.initial, bounds.max))
                .see(found.written(&at("max")), format!("max = {} is set here", bounds.max))
                .help("raise max, or start with fewer"),
        );
    } else if bounds.initial < bounds.min
        && !matches!(function.scaling, Scaling::PerRequest(_))
        && function.scale_to_zero.is_none()
    {
        problems.push(
            problem(found, &at("initial"), format!("initial {} is below min {}", bounds.initial, bounds.min))
                .see(found.written(&at("min")), format!("min = {} is set here", bounds.min))
                .help("start with at least min replicas"),
        );
    }
}

/// Calls hinder each other on a machine's cores; without machines each runs as if alone.
fn contention(scenario: &Scenario, function: &Function, path: &str, found: &Findings, problems: &mut Vec<Problem>) {
    if function.contention > 0.0 && scenario.nodes.is_empty() {
        let message = "calls that hinder each other need a machine to run on".to_owned();
        problems.push(
            problem(found, &format!("{path}.contention"), message)
                .help("add a [[node]] with cores and memory, or leave out contention"),
        );
    }
}

fn policy(function: &Function, path: &str, found: &Findings, problems: &mut Vec<Problem>) {
    let scaling = format!("{path}.scaling");
    match &function.scaling {
        Scaling::Hpa(_) if function.cpu_request <= 0.0 => {
            problems.push(
                problem(
                    found,
                    &scaling,
                    "hpa measures CPU against the request, but this function requests none".to_owned(),
                )
                .help(format!("add cpu_request = 0.1 (cores) to [{path}]")),
            );
        }
        Scaling::PerRequest(settings) => {
            if function.concurrency == Concurrency::Unlimited {
                problems.push(
                    problem(
                        found,
                        &format!("{path}.concurrency"),
                        "unlimited concurrency leaves no reason to start a replica per request".to_owned(),
                    )
                    .help("write concurrency = 1, or the number of calls that one replica takes"),
                );
            }
            if matches!(settings.binding, Binding::Room { .. }) && function.waiting_room.is_none() {
                problems.push(
                    problem(
                        found,
                        &format!("{scaling}.per-request.binding"),
                        "requests are to wait in the waiting room, but there is none".to_owned(),
                    )
                    .help(format!("add waiting_room = \"unbounded\" to [{path}]")),
                );
            }
            if function.scale_to_zero.is_some() {
                problems.push(
                    problem(
                        found,
                        &format!("{path}.scale_to_zero"),
                        "replicas that are started per request are removed by keep_alive".to_owned(),
                    )
                    .help("leave out scale_to_zero and set keep_alive"),
                );
            }
        }
        _ => {
            if function.cold_demand.is_some() {
                problems.push(
                    problem(
                        found,
                        &format!("{path}.cold_demand"),
                        "only calls that are bound to their cold start have a demand of their own".to_owned(),
                    )
                    .help("write scaling = \"per-request\", or put the time into cold_start"),
                );
            }
            if !function.initial.is_empty() {
                problems.push(
                    problem(
                        found,
                        &format!("{path}.initial"),
                        "replicas at the start are listed only where replicas are started per request".to_owned(),
                    )
                    .help("write replicas = { initial = … }, or scaling = \"per-request\""),
                );
            }
        }
    }
    if let Some(limit) = function.cpu_limit
        && limit < function.cpu_request
    {
        problems.push(
            problem(
                found,
                &format!("{path}.cpu_limit"),
                format!("the CPU limit {limit} is below the request {}", function.cpu_request),
            )
            .see(found.written(&format!("{path}.cpu_request")), "the request")
            .help("raise the limit or lower the request"),
        );
    }
    if let Some(limit) = function.memory_limit
        && limit < function.memory
    {
        problems.push(
            problem(
                found,
                &format!("{path}.memory_limit"),
                format!("the memory limit {limit} is below the request {}", function.memory),
            )
            .see(found.written(&format!("{path}.memory")), "the request")
            .help("raise the limit or lower the request"),
        );
    }
}

/// Every node must know the classes of the work it may get.
fn classes(scenario: &Scenario, function: &Function, path: &str, found: &Findings, problems: &mut Vec<Problem>) {
    let used = [("demand", &function.demand.class), ("cold_start.boot", &function.cold_start.boot.class)];
    for (key, class) in used {
        let Some(class) = class else { continue };
        for node in &scenario.nodes {
            if node.classes.iter().any(|known| known.name == *class) {
                continue;
            }
            let names: Vec<&str> = node.classes.iter().map(|known| known.name.as_str()).collect();
            let help = if names.is_empty() {
                format!("add [node.class.{class}] with its slowdown")
            } else {
                meant(class, &names)
            };
            problems.push(
                problem(
                    found,
                    &format!("{path}.{key}.work"),
                    format!("node {:?} knows no work class {class:?}", node.name),
                )
                .help(help),
            );
        }
    }
}

/// One replica must fit somewhere.
fn room(scenario: &Scenario, function: &Function, path: &str, found: &Findings, problems: &mut Vec<Problem>) {
    let free_memory = scenario.nodes.iter().map(|node| node.memory.0.saturating_sub(node.reserved_memory.0)).max();
    if let Some(most) = free_memory
        && function.memory.0 > most
    {
        let most = crate::units::Bytes(most);
        problems.push(
            problem(
                found,
                &format!("{path}.memory"),
                format!("one replica needs {}, but no node has more than {most} to give", function.memory),
            )
            .help("lower the request, or take larger nodes"),
        );
    }
    let free_cores = scenario.nodes.iter().map(|node| f64::from(node.cores) - node.reserved_cores).reduce(f64::max);
    if let Some(most) = free_cores
        && function.cpu_request > most
    {
        problems.push(
            problem(
                found,
                &format!("{path}.cpu_request"),
                format!(
                    "one replica requests {} cores, but no node has more than {most} to give",
                    function.cpu_request
                ),
            )
            .help("lower the request, or take larger nodes"),
        );
    }
}

fn counts(scenario: &Scenario, found: &Findings, problems: &mut Vec<Problem>) {
    if scenario.functions.is_empty() {
        problems.push(
            problem(found, "function", "there are no functions".to_owned())
                .help("add [function.NAME] with demand = \"100ms\""),
        );
    }
    if scenario.workloads.is_empty() {
        problems.push(
            problem(found, "workload", "there are no workloads".to_owned())
                .help("add [[workload]] with function and arrivals"),
        );
    }
}

fn unique<'a>(list: &str, names: impl Iterator<Item = &'a str>, found: &Findings, problems: &mut Vec<Problem>) {
    let names: Vec<&str> = names.collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().position(|earlier| earlier == name) {
            problems.push(
                problem(found, &format!("{list}.{index}.name"), format!("two entries of {list} are called {name:?}"))
                    .see(found.place(&format!("{list}.{first}.name")), "the first one")
                    .help(format!("give each a `name` of its own; {} is taken", listed(&[name]))),
            );
        }
    }
}

//! `[[node]]`: machines, each a profile with what the scenario says otherwise laid over it.

use super::forms::{Factor, byte_rate, bytes, count, law, positive_bytes, positive_span, span, time_law};
use super::library::Library;
use super::read::{At, fact, meant};
use super::tree::{self, Node, Value};
use super::{NodeFailure, NodeGroup, RandomFailures, WorkClass};
use crate::time::SimTime;

/// One group of machines.
pub(super) fn node(at: &mut At<'_>, library: &Library<'_>) -> Option<NodeGroup> {
    let Some(written) = at.node() else {
        group(at);
        at.requires_unless("profile");
        return None;
    };
    match laid_over_profile(at, written, library)? {
        Some(merged) => at.instead(&merged, group),
        None => group(at),
    }
}

/// The node's table over its role's and its profile's; `Some(None)` when it has no profile.
fn laid_over_profile(at: &mut At<'_>, written: &Node, library: &Library<'_>) -> Option<Option<Node>> {
    let Some(reference) = written.get("profile") else { return Some(None) };
    let Some(name) = reference.text() else { return Some(None) };
    let source = match library.profile(name) {
        Ok(source) => source,
        Err(mut problem) => {
            problem.place = Some(reference.place.clone());
            return at.report(problem);
        }
    };
    let mut problems = Vec::new();
    let mut merged = tree::parse(&source, &mut problems);
    if !problems.is_empty() {
        problems.into_iter().for_each(|problem| at.report::<()>(problem).unwrap_or(()));
        return None;
    }
    let mut roles = Node::empty(reference.place.clone());
    if let Value::Table(entries) = &mut merged.value {
        entries.retain(|entry| {
            if entry.key == "roles" {
                roles = entry.node.clone();
            }
            entry.key != "roles" && entry.key != "about"
        });
    }
    if let Some(role) = written.get("role")
        && let Some(wanted) = role.text()
    {
        let Some(settings) = roles.get(wanted) else {
            let names: Vec<&str> = roles.table().into_iter().flatten().map(|entry| entry.key.as_str()).collect();
            let problem = super::Problem::at(role.place.clone(), format!("profile {name:?} has no role {wanted:?}"));
            return at.report(problem.help(meant(wanted, &names)));
        };
        merged.overlay(settings, 1);
    }
    // Classes are merged one by one and field by field; everything else is replaced as a whole.
    let mut own = written.clone();
    if let Value::Table(entries) = &mut own.value
        && let Some(classes) = entries.iter().position(|entry| entry.key == "class")
    {
        let classes = Value::Table(vec![entries.remove(classes)]);
        merged.overlay(&Node { place: written.place.clone(), value: classes }, 3);
    }
    merged.overlay(&own, 1);
    Some(Some(merged))
}

fn group(at: &mut At<'_>) -> Option<NodeGroup> {
    at.table(|fields| {
        let profile = fields.optional(
            "profile",
            "Profile of the machine: a file in `profiles` or a built-in one. Each of its values can be set here too.",
            |at| at.text("the name of a profile"),
        );
        let _ = fields.optional(
            "role",
            "Role from the profile, such as \"k3s-agent\": what the system keeps for itself.",
            |at| at.text("the name of a role"),
        );
        let name =
            fields.optional("name", "Name; machines are called NAME-1, NAME-2, … Default: the profile's.", |at| {
                at.text("a name")
            });
        let cores = fields.required("cores", "Cores of one machine.", "4", |at| {
            fact(|at: &mut At<'_>| at.whole("a number of cores", 1..=4096).and_then(|cores| u32::try_from(cores).ok()))(
                at,
            )
        });
        let memory = fields.required("memory", "Memory of one machine.", "\"4GiB\"", fact(positive_bytes));
        let group = NodeGroup {
            name: name.or(profile).unwrap_or_else(|| "node".to_owned()),
            count: fields.or("count", "How many such machines.", "1", count),
            cores: 0,
            reserved_cores: fields.or(
                "reserved_cores",
                "Cores that the system keeps busy.",
                "0",
                fact(|at: &mut At<'_>| at.number("a number of cores", 0.0..=4096.0)),
            ),
            memory: crate::units::Bytes(0),
            reserved_memory: fields.or(
                "reserved_memory",
                "Memory that the system keeps for itself.",
                "0B",
                fact(bytes),
            ),
            classes: fields
                .optional("class", "Work classes that this machine knows.", |at| {
                    at.map(|name, at| class(cores, name, at))
                })
                .unwrap_or_default(),
            pod_start: fields.or(
                "pod_start",
                "From placing a replica here to its container running, where a function's cold_start has neither `sandbox` nor `create`.",
                "0s",
                fact(time_law),
            ),
            link: fields.or("link", "Network link.", "1Gbit/s", fact(byte_rate)),
            disk_write: fields.or(
                "disk_write",
                "Rate at which pulled images are unpacked.",
                "100MB/s",
                fact(byte_rate),
            ),
            idle_watts: fields.or("idle_watts", "Power drawn when idle, in watts.", "0", fact(watts)),
            watts_per_busy_core: fields.or(
                "watts_per_busy_core",
                "Power that each busy core adds, in watts.",
                "0",
                fact(watts),
            ),
            price: fields.or(
                "price",
                "Price of one machine, in the currency of [prices].",
                "0",
                fact(|at: &mut At<'_>| at.number("a price", 0.0..=1e9)),
            ),
            failures: fields
                .optional("failure", "Machines that are lost at set times.", |at| at.list(failure))
                .unwrap_or_default(),
            random_failures: fields.optional("random_failures", "Random failures of each machine.", random_failures),
        };
        let (cores, memory) = (cores?, memory?);
        if group.reserved_cores >= f64::from(cores) {
            return fields.refuse_field(
                "reserved_cores",
                format!("{} reserved cores leave nothing of {cores}", group.reserved_cores),
                "reserve fewer than there are",
            );
        }
        if group.reserved_memory >= memory {
            return fields.refuse_field(
                "reserved_memory",
                format!("{} of reserved memory leave nothing of {memory}", group.reserved_memory),
                "reserve less than there is",
            );
        }
        if let Some(lost) = group.failures.iter().find(|failure| failure.index >= group.count) {
            return fields.refuse_field(
                "failure",
                format!("machine {} is to be lost, but there are {} (from 0)", lost.index, group.count),
                format!("write an index below {}", group.count),
            );
        }
        if let Some(class) = group.classes.iter().find(|class| class.full_speedup > f64::from(cores)) {
            return fields.refuse_field(
                "class",
                format!("class {:?} has a speed-up of {} on {cores} cores", class.name, class.full_speedup),
                format!("write at most {cores}"),
            );
        }
        Some(NodeGroup { cores, memory, ..group })
    })
}

fn watts(at: &mut At<'_>) -> Option<f64> {
    at.number("a power in watts", 0.0..=1e6)
}

fn class(cores: Option<u32>, name: &str, at: &mut At<'_>) -> Option<WorkClass> {
    at.table(|fields| {
        let _ = fields.optional("about", "What belongs to the class.", |at| at.text("a text"));
        let slowdown = fields.or("slowdown", "CPU time here over CPU time on the reference machine. A law where that is uncertain: one draw per replication.", "1", fact(law::<Factor>));
        let full_speedup = fields.optional("full_speedup", "Speed-up of as many threads as there are cores over one thread. Default: the cores.", fact(|at: &mut At<'_>| at.number("a speed-up", 1.0..=4096.0)));
        if slowdown.mean().is_none_or(|mean| mean <= 0.0) {
            return fields.refuse_field("slowdown", "a slowdown must be more than zero", "write 2 for a machine that needs twice the time");
        }
        Some(WorkClass { name: name.to_owned(), slowdown, full_speedup: full_speedup.or(cores.map(f64::from)).unwrap_or(1.0) })
    })
}

fn failure(at: &mut At<'_>) -> Option<NodeFailure> {
    at.table(|fields| {
        let index =
            fields.or("index", "Which machine of the group, from 0.", "0", |at| at.whole("an index", 0..=1_000_000));
        let at = fields.required("at", "When it is lost.", "\"10m\"", span);
        let lasts = fields.required("lasts", "How long it is away.", "\"5m\"", positive_span);
        Some(NodeFailure { index: u32::try_from(index).ok()?, at: SimTime::ZERO + at?, lasts: lasts? })
    })
}

fn random_failures(at: &mut At<'_>) -> Option<RandomFailures> {
    at.table(|fields| {
        let time_between = fields.required(
            "time_between",
            "Law of the time to the next failure.",
            "{ exponential = \"30d\" }",
            fact(time_law),
        );
        let repair = fields.required("repair", "Law of the time to repair.", "\"10m\"", fact(time_law));
        let (time_between, repair) = (time_between?, repair?);
        if time_between.is_zero() {
            return fields.refuse_field(
                "time_between",
                "no time between failures",
                "write a law with a mean above zero",
            );
        }
        Some(RandomFailures { time_between, repair })
    })
}

//! The scenario file from top to bottom.

use super::forms::{positive_bytes, positive_span, share, span};
use super::function::function;
use super::library::Library;
use super::node::node;
use super::platform::{cluster, edge, gateway, queue};
use super::read::{At, fact};
use super::tree;
use super::workload::{Surroundings, workload};
use super::{CloudPrices, Gateway, Objective, PriceTier, Prices, Scenario, WarmUp};
use crate::metrics::result::{METRICS, MetricInfo, ScenarioRecord};
use crate::rng::Seed;
use crate::time::Span;

/// The whole file. `stem` names the scenario if it does not name itself.
pub(super) fn scenario(at: &mut At<'_>, stem: &str, library: &Library<'_>) -> Option<Scenario> {
    at.table(|fields| {
        let name = fields.optional("name", "Name, also of the output folder. Default: the file's.", name);
        let duration = fields.required("duration", "How long requests arrive.", "\"10m\"", duration);
        let warm_up = fields.or(
            "warmup",
            "What is left out of statistics at the start; \"auto\" finds it (MSER-5).",
            "0s",
            |at| Some(at.or_word("auto", span)?.map_or(WarmUp::Auto, WarmUp::Given)),
        );
        let drain = fields.optional(
            "drain",
            "How long requests in flight are followed after that. Default: the longest timeout, else the duration.",
            span,
        );
        let seed = fields.or("seed", "Seed of the first replication.", "1", |at| at.whole("a seed", 0..=u64::MAX));
        let replications = fields.or("replications", "Independent replications.", "10", |at| {
            at.whole("a number of replications", 1..=100_000)
        });
        let nodes = fields
            .optional("node", "Machines. Without any, replicas never contend.", |at| at.list(|at| node(at, library)));
        let edge = fields.or("edge", "The client's side of the network.", "{}", edge);
        let gateway = fields.optional(
            "gateway",
            "The API gateway. Without this table calls cost nothing on the way and nothing limits their time.",
            gateway,
        );
        let queue = fields.or("queue", "The queue of asynchronous invocations.", "{}", queue);
        let cluster = fields.or("cluster", "What the cluster does beside running functions.", "{}", cluster);
        let mut names = Vec::new();
        let functions = fields.required("function", "Functions by name.", "{ NAME = { demand = \"100ms\" } }", |at| {
            at.map(|name, at| {
                names.push(name.to_owned());
                function(name, at)
            })
        });
        let around = Surroundings { functions: &names, duration: duration.unwrap_or(Span::from_secs(60)), library };
        let workloads = fields.required(
            "workload",
            "Requests of one kind.",
            "[{ function = \"NAME\", arrivals = { poisson = \"2/s\" } }]",
            |at| at.list(|at| workload(at, &around)),
        );
        let objectives = fields.optional(
            "objective",
            "Upper bounds that the run should keep; its exit code says whether it did.",
            objectives,
        );
        let prices = fields.or("prices", "What things cost.", "{}", |at| prices(at, library));
        let variants =
            fields.optional("variant", "Named sets of settings to compare: keys as from the file's root.", |at| {
                at.map(variant)
            });
        let _ = variants;
        if !fields.has("name") && !names_a_folder(stem) {
            return fields.refuse(
                format!("the scenario has no `name`, and its file's {stem:?} cannot name a folder"),
                "add name = \"…\", with letters, digits, `-`, `_` and dots",
            );
        }
        let (duration, nodes_given) = (duration?, fields.has("node"));
        if let WarmUp::Given(warm_up) = warm_up
            && warm_up >= duration
        {
            return fields.refuse_field(
                "warmup",
                format!("a warm-up of {warm_up} leaves nothing of {duration}"),
                "write a shorter warm-up or a longer duration",
            );
        }
        let nodes = if nodes_given { nodes? } else { Vec::new() };
        Some(Scenario {
            name: name.unwrap_or_else(|| stem.to_owned()),
            about: String::new(),
            duration,
            warm_up,
            drain: drain.unwrap_or(Span::MAX),
            seed: Seed(seed),
            replications: u32::try_from(replications).ok()?,
            nodes,
            edge,
            gateway: gateway.unwrap_or_else(Gateway::absent),
            queue,
            cluster,
            functions: functions?,
            workloads: workloads?,
            objectives: objectives.unwrap_or_default(),
            prices,
            variants: Vec::new(),
            record: ScenarioRecord::default(),
            provenance: Vec::new(),
            warnings: Vec::new(),
        })
    })
}

fn name(at: &mut At<'_>) -> Option<String> {
    let name = at.text("a name")?;
    if !names_a_folder(&name) {
        return at.refuse(
            format!("{name:?} cannot name a folder"),
            "write letters, digits, `-`, `_` and dots within it, at most 100",
        );
    }
    Some(name)
}

/// Whether a folder of this name stays where it is put, on every system.
fn names_a_folder(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    let ends_well = |name: &str| name.starts_with(|c: char| c != '.' && c != ' ') && !name.ends_with(['.', ' ']);
    ends_well(name) && name.len() <= 100 && name.chars().all(plain)
}

fn duration(at: &mut At<'_>) -> Option<Span> {
    const LONGEST: Span = Span::from_secs(200 * 365 * 86_400);
    match positive_span(at)? {
        duration if duration > LONGEST => {
            at.refuse(format!("{duration} is longer than 200 years"), "write at most \"73000d\"")
        }
        duration => Some(duration),
    }
}

fn variant(_: &str, at: &mut At<'_>) -> Option<()> {
    // What a variant sets is read once it is laid over the file; see `overrides.rs`.
    at.anything("Settings by their keys from the file's root, such as \"function.NAME.scaling\" = \"hpa\".")
}

/// `[objective]`: each metric by its key, or by the part after `response_`.
fn objectives(at: &mut At<'_>) -> Option<Vec<Objective>> {
    at.table(|fields| {
        let bounds: Vec<Option<Objective>> = METRICS
            .iter()
            .filter(|metric| bounded(metric))
            .map(|metric| {
                let short = metric.key.strip_prefix("response_").unwrap_or(metric.key);
                let about = format!("At most this: {}", metric.about);
                let bound = fields.optional(short, &about, |at| match metric.unit {
                    "s" => positive_span(at).map(Span::as_secs_f64),
                    "share" => share(at),
                    _ => at.number("a bound", 0.0..=f64::INFINITY),
                })?;
                let written = match metric.unit {
                    "s" => Span::from_secs_f64(bound).to_string(),
                    // Nine digits, so that 0.07 is 7 % and not 7.000000000000001 %.
                    "share" => format!("{}%", (bound * 1e11).round() / 1e9),
                    _ => bound.to_string(),
                };
                Some(Objective { text: format!("{short} < {written}"), metric: metric.key.to_owned(), at_most: bound })
            })
            .collect();
        Some(bounds.into_iter().flatten().collect())
    })
}

/// Whether less of it is better, so that an upper bound makes sense.
fn bounded(metric: &MetricInfo) -> bool {
    !["offered", "success_share", "goodput"].contains(&metric.key)
}

fn prices(at: &mut At<'_>, library: &Library<'_>) -> Option<Prices> {
    at.table(|fields| {
        Some(Prices {
            currency: fields.or("currency", "Currency code of all prices.", "USD", |at| at.text("a currency code")),
            per_kwh: fields.or(
                "per_kwh",
                "Price of one kilowatt-hour.",
                "0",
                fact(|at: &mut At<'_>| at.number("a price", 0.0..=1e6)),
            ),
            amortisation: fields.or(
                "amortisation",
                "Time over which a machine's price is written off.",
                "1825d",
                fact(positive_span),
            ),
            cloud: fields.optional(
                "cloud",
                "Price list of a cloud that is charged: a file in `prices` or a built-in one.",
                |at| cloud(at, library),
            ),
        })
    })
}

fn cloud(at: &mut At<'_>, library: &Library<'_>) -> Option<CloudPrices> {
    let name = at.text("the name of a price list")?;
    let source = match library.prices(&name) {
        Ok(source) => source,
        Err(mut problem) => {
            problem.place = at.node().map(|node| node.place.clone());
            return at.report(problem);
        }
    };
    let mut problems = Vec::new();
    let list = tree::parse(&source, &mut problems);
    if !problems.is_empty() {
        problems.into_iter().for_each(|problem| at.report::<()>(problem).unwrap_or(()));
        return None;
    }
    at.instead(&list, |at| price_list(at, name.clone()))
}

/// A file of `scenarios/prices`.
fn price_list(at: &mut At<'_>, name: String) -> Option<CloudPrices> {
    let price = |at: &mut At<'_>| at.number("a price", 0.0..=1e9);
    at.table(|fields| {
        let dated = fields.required("dated", "Date of the list, as its source gives it.", "\"2026-01-01\"", |at| {
            at.text("a date in quotes")
        });
        let _ = fields.required("source", "Where the list is published.", "\"…\"", |at| at.text("a source"));
        let tiers = fields.required(
            "per_gb_second",
            "Price of a gigabyte-second, in tiers.",
            "[{ price = 0.0000166667 }]",
            |at| {
                at.list(|at| {
                    at.table(|fields| {
                        let up_to =
                            fields.optional("up_to", "Up to this quantity in a month; the last tier has none.", |at| {
                                at.positive("a quantity")
                            });
                        let price = fields.required("price", "Price of one unit.", "0.0000166667", price);
                        Some(PriceTier { up_to, price: price? })
                    })
                })
            },
        );
        let prices = CloudPrices {
            name,
            dated: String::new(),
            per_request: fields.or("per_request", "Price of one request.", "0", price),
            per_gb_second: Vec::new(),
            per_vcpu_second: fields.or(
                "per_vcpu_second",
                "Price of a vCPU-second, where that is charged apart.",
                "0",
                price,
            ),
            time_step: fields.or("time_step", "Smallest step of billed time.", "1ms", positive_span),
            time_minimum: fields.or("time_minimum", "Shortest billed time of one call.", "0s", span),
            memory_step: fields.or("memory_step", "Smallest step of billed memory.", "1MiB", positive_bytes),
            free_requests: fields.or("free_requests", "Requests free each month.", "0", price),
            free_gb_seconds: fields.or("free_gb_seconds", "Gigabyte-seconds free each month.", "0", price),
            bills_init: fields.or("bills_init", "Whether the time of a cold start is billed.", "false", |at| at.flag()),
        };
        let tiers = tiers?;
        let ascending = tiers
            .windows(2)
            .all(|pair| pair[0].up_to.is_some_and(|up_to| pair[1].up_to.is_none_or(|next| next > up_to)));
        if tiers.last().is_none_or(|last| last.up_to.is_some()) || !ascending {
            return fields.refuse_field(
                "per_gb_second",
                "tiers must ascend, and the last one has no end",
                "write [{ up_to = 6e9, price = 0.0000166667 }, { price = 0.000015 }]",
            );
        }
        Some(CloudPrices { dated: dated?, per_gb_second: tiers, ..prices })
    })
}

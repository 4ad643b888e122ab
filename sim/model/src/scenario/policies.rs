//! How a scenario names policies and their settings.

use super::forms::{count, positive_share, positive_span, share, span, time_law};
use super::read::{Alternative, At, Word, fact, named, valued};
use super::tree::Value;
use crate::policies::dispatch::IdleRouting;
use crate::policies::provisioning::Binding;
use crate::policies::scaling::{CeAlert, Counting, Fixed, Hpa, Idler, Load, Pro};
use crate::policies::{DispatchPolicy, KeepAlivePolicy, Listing, PerRequest, PlacementPolicy, Scaling};
use crate::time::Span;

const SCALING: &[Alternative<Scaling>] = &[
    policy(Fixed::LISTING, |at| at.table(|_| Some(Scaling::Fixed(Fixed {})))),
    policy(CeAlert::LISTING, |at| ce_alert(at, false)),
    policy(CeAlert::LISTING_CORRECTED, |at| ce_alert(at, true)),
    policy(Pro::LISTINGS[0], |at| pro(at, Load::Rps)),
    policy(Pro::LISTINGS[1], |at| pro(at, Load::Capacity)),
    policy(Pro::LISTINGS[2], |at| pro(at, Load::Cpu)),
    policy(Pro::LISTINGS[3], |at| pro(at, Load::Queue)),
    policy(Hpa::LISTING, hpa),
    policy(PerRequest::LISTING, per_request),
];

/// A policy by its listing; all its settings have defaults.
const fn policy<T>(listing: Listing, read: fn(&mut At<'_>) -> Option<T>) -> Alternative<T> {
    named(listing.name, listing.about, read)
}

pub(super) fn scaling(at: &mut At<'_>) -> Option<Scaling> {
    at.shared("scaling", |at| at.choice("a scaling policy", SCALING))
}

fn ce_alert(at: &mut At<'_>, corrected: bool) -> Option<Scaling> {
    at.table(|fields| {
        Some(Scaling::CeAlert(CeAlert {
            threshold_per_second: fields.or(
                "threshold_per_second",
                "Calls per second with status 200 above which the alert fires.",
                "5",
                |at| at.positive("a threshold"),
            ),
            rate_window: fields.or("rate_window", "Window of the rate.", "10s", positive_span),
            hold: fields.or("hold", "How long the rate must stay above the threshold.", "5s", span),
            scrape: fields.or("scrape", "Prometheus' scrape interval.", "5s", positive_span),
            evaluation: fields.or("evaluation", "Prometheus' rule evaluation interval.", "15s", positive_span),
            group_wait: fields.or(
                "group_wait",
                "Alertmanager's wait before the first notification of a group.",
                "5s",
                span,
            ),
            group_interval: fields.or(
                "group_interval",
                "Alertmanager's interval between looks at a changed group.",
                "10s",
                positive_span,
            ),
            repeat_interval: fields.or(
                "repeat_interval",
                "Alertmanager's interval between repeats of an unchanged alert.",
                "30s",
                positive_span,
            ),
            factor: fields.or(
                "factor",
                "Share of the maximum that one alert adds (0.2 before 2023).",
                "0.1",
                positive_share,
            ),
            corrected,
        }))
    })
}

fn pro(at: &mut At<'_>, load: Load) -> Option<Scaling> {
    at.table(|fields| {
        Some(Scaling::Pro(Pro {
            load,
            target: fields.or("target", "Load that one replica should carry: calls per second, calls in flight, milli-CPU or waiting invocations.", "50", |at| at.positive("a target")),
            proportion: fields.or("proportion", "Share of the target at which to scale.", "0.9", positive_share),
            down_window: fields.or("down_window", "Within this window only scale down to its highest wish; at most 5m.", "0s", |at| match span(at)? {
                window if window.as_secs_f64() <= 300.0 => Some(window),
                _ => at.refuse("the window for scaling down is longer than 5m", "OpenFaaS allows at most \"5m\""),
            }),
            period: fields.or("period", "How often it decides; assumed, as no document names it.", "5s", positive_span),
        }))
    })
}

fn hpa(at: &mut At<'_>) -> Option<Scaling> {
    at.table(|fields| {
        Some(Scaling::Hpa(Hpa {
            target_utilization: fields.or(
                "target_utilization",
                "Wanted CPU use as a share of the request; may exceed 1.",
                "0.8",
                |at| at.positive("a target"),
            ),
            period: fields.or("period", "How often it decides.", "15s", positive_span),
            tolerance: fields.or("tolerance", "Relative deviation that is left alone.", "0.1", share),
            down_window: fields.or("down_window", "Look-back of the highest wish before scaling down.", "5m", span),
            up_window: fields.or("up_window", "Look-back of the lowest wish before scaling up.", "0s", span),
            metric_resolution: fields.or(
                "metric_resolution",
                "How often the metrics server scrapes CPU: 60s until its version 0.4.",
                "15s",
                fact(positive_span),
            ),
            metric_offset: fields.or("metric_offset", "When the metrics server scrapes first, after the start of the run.", "0s", fact(span)),
            housekeeping_interval: fields.optional(
                "housekeeping_interval",
                "The kubelet's, 10s in its defaults. With it CPU is a rate over between one and two times this, as the metrics \
                 server tells it until its version 0.4; without it, over the time between two scrapes.",
                fact(positive_span),
            ),
        }))
    })
}

fn per_request(at: &mut At<'_>) -> Option<Scaling> {
    at.table(|fields| {
        Some(Scaling::PerRequest(PerRequest {
            routing: fields
                .or("routing", "Which idle replica is used first.", "newest", |at| at.word("a routing rule", ROUTING)),
            binding: fields.or("binding", "Where a request waits for its cold start.", "replica", |at| {
                at.choice("a place to wait", BINDING)
            }),
            starts_at_once: fields.or(
                "starts_at_once",
                "How many replicas may be starting at once.",
                "unlimited",
                |at| at.or_word("unlimited", count),
            ),
        }))
    })
}

const ROUTING: &[Word<IdleRouting>] = &[
    ("newest", "The idle replica created last (SimFaaS's rule).", IdleRouting::Newest),
    ("most-recently-used", "The idle replica used last: a stack.", IdleRouting::MostRecentlyUsed),
    ("least-recently-used", "The replica idle for longest: a queue.", IdleRouting::LeastRecentlyUsed),
    ("random", "Any idle replica.", IdleRouting::Random),
];

const BINDING: &[Alternative<Binding>] = &[
    named("replica", "On the replica it started.", |at| at.table(|_| Some(Binding::Replica))),
    named("room", "In the function's waiting room, for whichever replica is free first.", |at| {
        at.table(|fields| {
            let cancel_surplus = fields.or(
                "cancel_surplus",
                "Whether a start is cancelled when fewer requests wait than replicas start.",
                "false",
                |at| at.flag(),
            );
            Some(Binding::Room { cancel_surplus })
        })
    }),
];

const DISPATCH: &[Word<DispatchPolicy>] = &[
    (
        "random",
        "Any ready replica with equal probability, as kube-proxy does in iptables mode.",
        DispatchPolicy::Random,
    ),
    ("round-robin", "Each ready replica in turn.", DispatchPolicy::RoundRobin),
    ("least-outstanding", "The ready replica with fewest calls in flight.", DispatchPolicy::LeastOutstanding),
    ("power-of-two", "The less loaded of two ready replicas picked by lot.", DispatchPolicy::PowerOfTwo),
];

pub(super) fn dispatch(at: &mut At<'_>) -> Option<DispatchPolicy> {
    at.word("a dispatch policy", DISPATCH)
}

const PLACEMENT: &[Word<PlacementPolicy>] = &[
    ("spread", "Fewest replicas of the same function, then fewest of any.", PlacementPolicy::Spread),
    ("bin-pack", "The fullest node that still has room.", PlacementPolicy::BinPack),
    (
        "least-allocated",
        "The largest free share of CPU and memory, as Kubernetes' LeastAllocated.",
        PlacementPolicy::LeastAllocated,
    ),
    ("image-locality", "A node that has the image already, else spread.", PlacementPolicy::ImageLocality),
];

pub(super) fn placement(at: &mut At<'_>) -> Option<PlacementPolicy> {
    at.word("a placement policy", PLACEMENT)
}

/// `"forever"`, `"none"`, a time, `{ survival = LAW }` or `{ fleet = … }`; a fact, as it may have been measured on a cloud.
pub(super) fn keep_alive(at: &mut At<'_>) -> Option<KeepAlivePolicy> {
    fact(|at: &mut At<'_>| {
        at.either(
            |value| matches!(value, Value::Table(_)),
            |at| at.choice("a keep-alive", SURVIVAL),
            |at| {
                let fixed = at.or_word("forever", |at| at.or_word("none", span))?;
                Some(
                    fixed.map_or(KeepAlivePolicy::Forever, |fixed| KeepAlivePolicy::Fixed(fixed.unwrap_or(Span::ZERO))),
                )
            },
        )
    })(at)
}

const SURVIVAL: &[Alternative<KeepAlivePolicy>] = &[
    valued("survival", "A time drawn afresh each time a replica becomes idle.", |at| {
        time_law(at).map(KeepAlivePolicy::Survival)
    }),
    valued("fleet", "Two clocks: one of each idle replica, and one of the function that ends all of them.", |at| {
        at.table(|fields| {
            let replica = fields.required(
                "replica",
                "How long a replica may be idle while others are used.",
                "\"27m\"",
                time_law,
            );
            let function = fields.required(
                "function",
                "How long the function as a whole may be idle; then all its replicas go.",
                "\"10m\"",
                time_law,
            );
            Some(KeepAlivePolicy::Fleet { replica: replica?, function: function? })
        })
    }),
];

const COUNTING: &[Word<Counting>] = &[
    ("in-flight", "Started calls and calls in flight count as activity: the corrected rule.", Counting::InFlight),
    ("starts", "Started calls count, as in later versions of the OpenFaaS idler.", Counting::Starts),
    ("completions", "Completed calls count, as the OpenFaaS idler first did.", Counting::Completions),
];

/// A table of the idler's settings, a plain time for `after`, or `"none"`.
pub(super) fn scale_to_zero(at: &mut At<'_>) -> Option<Option<Idler>> {
    at.or_word("none", |at| {
        at.either(
            |value| !matches!(value, Value::Table(_)),
            |at| positive_span(at).map(|after| Idler { after, ..Idler::default() }),
            |at| {
                at.table(|fields| {
                    Some(Idler {
                        after: fields.or("after", "Inactivity after which the function rests.", "15m", positive_span),
                        reconcile: fields.or("reconcile", "How often the idler looks.", "1m", positive_span),
                        counting: fields.or("counting", "What counts as activity.", "in-flight", |at| {
                            at.word("a way of counting", COUNTING)
                        }),
                    })
                })
            },
        )
    })
}

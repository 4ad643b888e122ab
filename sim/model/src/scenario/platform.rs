//! The platform around the functions: network, gateway, queue and cluster.

use super::forms::{attempts, backoff, byte_rate, bytes, count, positive_span, span, status_codes, time_fact, timeout};
use super::policies::placement;
use super::read::{At, fact};
use super::tree::Value;
use super::{AsyncQueue, Cluster, Edge, Gateway, ScaleFromZero};
use crate::distributions::Distribution;
use crate::time::Span;

/// `[edge]`.
pub(super) fn edge(at: &mut At<'_>) -> Option<Edge> {
    at.table(|fields| {
        Some(Edge {
            rtt: fields.or("rtt", "Round-trip time between client and gateway.", "0s", time_fact),
            bandwidth: fields.optional(
                "bandwidth",
                "Rate at which bodies cross; default: without limit.",
                fact(byte_rate),
            ),
            client_timeout: fields.or("client_timeout", "When clients give up, counted from sending.", "none", timeout),
        })
    })
}

/// `[gateway]`, with the defaults of OpenFaaS.
pub(super) fn gateway(at: &mut At<'_>) -> Option<Gateway> {
    at.table(|fields| {
        Some(Gateway {
            replicas: fields.or("replicas", "How many gateways; a call goes to any of them.", "1", |at| {
                at.whole("a number of gateways", 1..=1000).and_then(|number| u32::try_from(number).ok())
            }),
            workers: fields.or(
                "workers",
                "Calls that one gateway can process at once: its share of cores.",
                "4",
                count,
            ),
            overhead: fields.or("overhead", "CPU time that a call costs the gateway on the way in.", "0s", time_fact),
            read_timeout: fields.or("read_timeout", "Longest time to read a request.", "60s", timeout),
            write_timeout: fields.or(
                "write_timeout",
                "Longest time from the request's head to the response; a later one is cut.",
                "60s",
                timeout,
            ),
            upstream_timeout: fields.or(
                "upstream_timeout",
                "Longest time to wait for the function; then 502.",
                "60s",
                timeout,
            ),
            provider_timeout: fields.or(
                "provider_timeout",
                "The provider's own client timeout, if it is shorter.",
                "none",
                timeout,
            ),
            scale_from_zero: fields.or(
                "scale_from_zero",
                "Whether calls for a function at rest are held; without it they get 503.",
                "true",
                scale_from_zero,
            ),
        })
    })
}

impl Gateway {
    /// No gateway: calls cost nothing and nothing limits their time.
    pub(super) fn absent() -> Gateway {
        Gateway {
            replicas: 1,
            workers: 1_000_000,
            overhead: Distribution::ZERO,
            read_timeout: None,
            write_timeout: None,
            upstream_timeout: None,
            provider_timeout: None,
            scale_from_zero: None,
        }
    }
}

fn scale_from_zero(at: &mut At<'_>) -> Option<Option<ScaleFromZero>> {
    let settings = |at: &mut At<'_>| {
        at.table(|fields| {
            Some(ScaleFromZero {
                cache: fields.or("cache", "How long a replica count is believed.", "250ms", span),
                poll: fields.or("poll", "Interval of asking again.", "100ms", positive_span),
                polls: fields.or("polls", "How often it asks before it forwards the call anyway.", "1000", count),
            })
        })
    };
    at.either(
        |value| matches!(value, Value::Boolean(_)),
        |at| match at.flag()? {
            true => {
                Some(Some(ScaleFromZero { cache: Span::from_millis(250), poll: Span::from_millis(100), polls: 1000 }))
            }
            false => Some(None),
        },
        |at| settings(at).map(Some),
    )
}

/// `[queue]`, with the defaults of the OpenFaaS Community Edition.
pub(super) fn queue(at: &mut At<'_>) -> Option<AsyncQueue> {
    at.table(|fields| {
        let queue = AsyncQueue {
            workers: fields.or("workers", "Queue workers.", "1", count),
            max_inflight: fields.or("max_inflight", "Invocations that one worker has in flight at once.", "1", count),
            ack_wait: fields.or(
                "ack_wait",
                "An invocation not acknowledged in this time is delivered again.",
                "30s",
                |at| match span(at)? {
                    // Each delivery is a call of its own: one every nanosecond would fill the memory.
                    wait if wait < Span::from_millis(1) => {
                        at.refuse("this time must be at least 1ms", "write a time such as \"30s\"")
                    }
                    wait => Some(wait),
                },
            ),
            extends_ack: fields.or(
                "extends_ack",
                "Whether workers extend ack_wait while a call runs (OpenFaaS Pro).",
                "false",
                |at| at.flag(),
            ),
            max_body: fields.or("max_body", "Largest body accepted.", "256kB", |at| at.or_word("none", bytes)),
            commit: fields.or("commit", "Time to commit an invocation before 202 is sent.", "0s", time_fact),
            attempts: fields.or(
                "attempts",
                "Attempts in all before an invocation is a dead letter; 1: no retries.",
                "1",
                attempts,
            ),
            retry_codes: fields.or(
                "retry_codes",
                "Status codes that are tried again.",
                "[408, 429, 500, 502, 504]",
                status_codes,
            ),
            backoff: super::Backoff { initial: Span::ZERO, max: Span::ZERO, factor: 1.0, jitter: super::Jitter::None },
            retry_after: fields.optional(
                "retry_after",
                "What a Retry-After header on 429 and 503 says, if replicas send one; replaces the delay.",
                span,
            ),
            callback: fields.optional("callback", "Time that the callback takes; default: no callback.", time_fact),
        };
        let backoff = backoff(fields, "10s", "2m")?;
        Some(AsyncQueue { backoff, ..queue })
    })
}

/// `[cluster]`, with the defaults of Kubernetes.
pub(super) fn cluster(at: &mut At<'_>) -> Option<Cluster> {
    at.table(|fields| {
        Some(Cluster {
            placement: fields.or("placement", "Which node takes a new replica.", "spread", placement),
            node_detection: fields.or(
                "node_detection",
                "A lost node's replicas stay in the endpoints for this long.",
                "40s",
                span,
            ),
            eviction_delay: fields.or(
                "eviction_delay",
                "After detection, its replicas are started elsewhere after this long.",
                "5m",
                span,
            ),
            crash_backoff: fields.or(
                "crash_backoff",
                "First delay before a crashed replica is started again; doubles each time.",
                "10s",
                span,
            ),
            crash_backoff_max: fields.or("crash_backoff_max", "Longest such delay.", "5m", span),
            termination_grace: fields.or(
                "termination_grace",
                "A removed replica may finish its calls for this long.",
                "30s",
                span,
            ),
            registry: fields.optional(
                "registry",
                "Rate at which the registry serves images to one node, if below the link's.",
                fact(byte_rate),
            ),
            pull_overhead: fields.or("pull_overhead", "Fixed part of an image pull.", "0s", fact(span)),
        })
    })
}

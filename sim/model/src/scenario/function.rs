//! `[function.NAME]`: what a call costs, how replicas come up, how many there are.

use super::forms::{
    bytes, count, count_or_zero, demand, positive_bytes, positive_span, share, span, time_fact, timeout,
};
use super::policies::{dispatch, keep_alive, scale_to_zero, scaling};
use super::read::{Alternative, At, Fields, Word, fact, named};
use super::tree::Value;
use super::{
    Buffering, ColdStart, Concurrency, Demand, Discipline, Function, InitialReplica, InitialState, ReadinessProbe,
    StreamBody, StreamItem, WaitingRoom, Watchdog, WatchdogMode,
};
use crate::distributions::Distribution;
use crate::policies::{Bounds, Scaling};
use crate::time::{SimTime, Span};

/// One function.
pub(super) fn function(name: &str, at: &mut At<'_>) -> Option<Function> {
    at.table(|fields| {
        let demand = fields.required("demand", "CPU work of one call, in time on the reference machine.", "\"100ms\"", demand);
        let scaling = fields.or("scaling", "How many replicas there should be.", "fixed", scaling);
        let waiting_room = fields.or("waiting_room", "Where requests wait that find no free slot, in front of all replicas: \"none\" hands them to a replica at once.", "none", waiting_room);
        let per_request = matches!(scaling, Scaling::PerRequest(_));
        let concurrency = concurrency(fields, per_request, waiting_room.is_some());
        let bounds = fields.optional("replicas", "How many replicas there may be; a plain number fixes them.", replicas);
        let initial = fields.optional("initial", "Replicas at the start and what they are doing, instead of `replicas.initial` idle ones; where replicas are started per request.", |at| at.list(initial_replica));
        let bounds = bounds.unwrap_or(Bounds { min: 1, max: 20, initial: 1 });
        let starting = starting_replicas(fields, bounds, initial);
        let mut function = Function {
            name: name.to_owned(),
            memory: fields.or("memory", "Memory request of a replica.", "128MiB", bytes),
            memory_limit: fields.or("memory_limit", "Memory at which a replica is killed.", "none", |at| at.or_word("none", positive_bytes)),
            memory_per_call: fields.or("memory_per_call", "Memory that each call in flight adds.", "0B", fact(bytes)),
            cpu_request: fields.or("cpu_request", "CPU request of a replica, in cores.", "0", |at| at.number("a CPU request", 0.0..=4096.0)),
            cpu_limit: fields.or("cpu_limit", "CPU limit of a replica, in cores.", "none", |at| at.or_word("none", |at| at.positive("a CPU limit"))),
            cpu_period: fields.or("cpu_period", "The kernel's period for the CPU limit: when a replica has used its part of one, it stands still until the next. With `\"none\"` it has the limit as a steady rate.", "100ms", |at| at.or_word("none", cpu_period)),
            demand: Demand { class: None, law: Distribution::ZERO },
            wait: fields.or("wait", "Time of one call that is not CPU work: sleeps, other services. It comes after the CPU work.", "0s", time_fact),
            cold_demand: fields.optional("cold_demand", "Law that replaces the demand for the call that started its replica.", time_fact),
            response: fields.or("response", "Size of the response body.", "0B", fact(bytes)),
            stream: fields.optional("stream", "A response that is written bit by bit after the CPU work.", stream),
            error_rate: fields.or("error_rate", "Share of calls that the function itself answers with 500.", "0", fact(share)),
            cancellable: fields.or("cancellable", "Whether the function stops when the caller of a call has gone, which watchdogs of mode http pass on by closing the connection. If not it works to the end, for nobody.", "false", |at| at.flag()),
            watchdog: fields.or("watchdog", "What stands between the gateway and the function's process.", "none", watchdog),
            concurrency,
            contention: fields.or("contention", "How much calls at work in one replica hinder each other: each further one makes all of them longer by this share. 0: not at all; 1: as behind a lock, one at a time; above 1: passing the lock on costs CPU time too. Needs [[node]].", "0", fact(|at| at.number("a contention", 0.0..=1000.0))),
            cold_start: fields.optional("cold_start", "Phases from wanting a replica to its first call.", cold_start).unwrap_or_else(ColdStart::instant),
            replicas: bounds,
            scaling,
            scale_to_zero: fields.or("scale_to_zero", "Rest after inactivity.", "none", scale_to_zero),
            dispatch: fields.or("dispatch", "Which ready replica takes a call, where replicas are not started per request.", "random", dispatch),
            keep_alive: fields.or("keep_alive", "How long an idle replica is kept, where replicas are started per request.", "10m", keep_alive),
            lifetime: fields.optional("lifetime", "Longest life of a replica, drawn at its start; it ends when idle.", time_fact),
            waiting_room,
            crashes: fields.optional("crashes", "Time between crashes of one replica.", time_fact),
            initial: Vec::new(),
        };
        // What can fail comes last, so that every other field has had its say.
        function.demand = demand?;
        (function.replicas, function.initial) = starting?;
        Some(function)
    })
}

/// Where nothing else is said, a replica that is started per request serves one call at a time; other replicas share
/// their CPU among any number. Behind a waiting room the accept queue has no places unless they are asked for.
fn concurrency(fields: &mut Fields<'_, '_>, per_request: bool, room: bool) -> Concurrency {
    let about = "How many calls the function's process works on at once: a number of workers, { workers, backlog }, or \"unlimited\", sharing the CPU. Default: \"unlimited\"; 1 where replicas are started per request.";
    let default_backlog = if room || per_request { Some(0) } else { None };
    let written = fields.optional("concurrency", about, |at| {
        at.or_word("unlimited", |at| {
            at.either(
                |value| !matches!(value, Value::Table(_)),
                |at| count(at).map(|workers| (workers, None)),
                |at| {
                    at.table(|fields| {
                        let workers = fields.required("workers", "Calls worked on at once.", "4", count);
                        let backlog = fields.optional("backlog", "Places in the accept queue behind the workers; a call beyond gets 429. Default: unlimited, or 0 behind a waiting room.", |at| at.or_word("unlimited", count_or_zero));
                        Some((workers?, backlog))
                    })
                },
            )
        })
    });
    match written {
        Some(Some((count, backlog))) => Concurrency::Workers { count, backlog: backlog.unwrap_or(default_backlog) },
        None if per_request => Concurrency::Workers { count: 1, backlog: default_backlog },
        Some(None) | None => Concurrency::Unlimited,
    }
}

fn replicas(at: &mut At<'_>) -> Option<Bounds> {
    at.either(
        |value| !matches!(value, Value::Table(_)),
        |at| count(at).map(|count| Bounds { min: count, max: count, initial: count }),
        |at| {
            at.table(|fields| {
                let min = fields.or("min", "Fewest replicas; 0 lets a function rest.", "1", count_or_zero);
                let max =
                    fields.optional("max", "Most replicas. Default: 20, or `min` or `initial` if that is more.", count);
                let initial = fields.optional("initial", "Replicas at the start. Default: `min`.", count_or_zero);
                let max = max.unwrap_or(20.max(min).max(initial.unwrap_or(0)));
                Some(Bounds { min, max, initial: initial.unwrap_or(min) })
            })
        },
    )
}

fn initial_replica(at: &mut At<'_>) -> Option<InitialReplica> {
    at.table(|fields| {
        let count = fields.or("count", "How many.", "1", count);
        let state = fields.or("state", "What they are doing.", "idle", |at| at.choice("a state", INITIAL));
        Some(InitialReplica { count, state })
    })
}

const INITIAL: &[Alternative<InitialState>] = &[
    named("busy", "Serving a call whose demand is drawn at the start.", |at| at.table(|_| Some(InitialState::Busy))),
    named("idle", "Idle, until its keep-alive ends or, if given, at `expires`.", |at| {
        at.table(|fields| {
            let expires = fields.optional("expires", "When it is removed if it is not used before.", span);
            Some(InitialState::Idle { expires: expires.map(|span| SimTime::ZERO + span) })
        })
    }),
];

/// A list of initial replicas says how many there are by itself; `replicas.initial` are idle ones.
fn starting_replicas(
    fields: &mut Fields<'_, '_>,
    bounds: Bounds,
    list: Option<Vec<InitialReplica>>,
) -> Option<(Bounds, Vec<InitialReplica>)> {
    let Some(list) = list else { return Some((bounds, Vec::new())) };
    let sum: u64 = list.iter().map(|replica| u64::from(replica.count)).sum();
    if sum > u64::from(bounds.max) {
        let message = format!("{sum} replicas at the start are more than the {} allowed", bounds.max);
        return fields.refuse_field("initial", message, "list fewer, or raise replicas.max");
    }
    Some((Bounds { initial: 0, ..bounds }, list))
}

fn stream(at: &mut At<'_>) -> Option<StreamBody> {
    at.table(|fields| {
        let items = fields
            .required("items", "Number of items.", "10000", |at| at.whole("a number of items", 1..=1_000_000_000));
        let period =
            fields.required("period", "Time between items, the first one included.", "\"3.3ms\"", fact(positive_span));
        let item = fields.or("item", "What an item is: its number and a newline, or so many bytes.", "number", |at| {
            at.either(
                |value| value_is(value, "number"),
                |at| {
                    at.word(
                        "an item",
                        &[("number", "The item's number, counted from 1, and a newline.", StreamItem::Number)],
                    )
                },
                |at| bytes(at).map(|size| StreamItem::Bytes(size.0)),
            )
        });
        let buffering = fields.or("buffering", "When written bytes reach the wire.", "flushed", |at| {
            at.choice("a kind of buffering", BUFFERING)
        });
        Some(StreamBody { items: items?, period: period?, item, buffering })
    })
}

fn value_is(value: &Value, word: &str) -> bool {
    matches!(value, Value::Text(text) if text == word)
}

const BUFFERING: &[Alternative<Buffering>] = &[
    named("flushed", "At once.", |at| at.table(|_| Some(Buffering::Flushed))),
    named("go", "As Go's net/http without flushing: chunks of 2048 bytes into a connection buffer of 4096.", |at| {
        at.table(|fields| {
            let header = fields.or("header", "Size of the response head.", "124B", fact(bytes));
            Some(Buffering::Go { header: header.0 })
        })
    }),
];

const WATCHDOG: &[Alternative<Watchdog>] = &[
    named("none", "No watchdog: calls reach the function directly.", |at| {
        at.table(|fields| watchdog_fields(fields, WatchdogMode::None, "none", "none"))
    }),
    named("classic", "The classic watchdog: a process for each call, killed at the exec timeout with 408.", |at| {
        at.table(|fields| watchdog_fields(fields, WatchdogMode::Classic, "30s", "none"))
    }),
    named(
        "http",
        "of-watchdog, a long-lived HTTP server: 504 at the exec timeout while the function works on.",
        |at| at.table(|fields| watchdog_fields(fields, WatchdogMode::Http, "30s", "30s")),
    ),
    named(
        "serializing",
        "of-watchdog, a process for each call whose output is sent at the end: 500 at the exec timeout.",
        |at| at.table(|fields| watchdog_fields(fields, WatchdogMode::Serializing, "30s", "30s")),
    ),
    named(
        "streaming",
        "of-watchdog, a process for each call whose output is sent as it comes: a cut 200 at the exec timeout.",
        |at| at.table(|fields| watchdog_fields(fields, WatchdogMode::Streaming, "30s", "30s")),
    ),
];

fn watchdog(at: &mut At<'_>) -> Option<Watchdog> {
    at.shared("watchdog", |at| at.choice("a watchdog mode", WATCHDOG))
}

fn watchdog_fields(fields: &mut Fields<'_, '_>, mode: WatchdogMode, io: &str, exec: &str) -> Option<Watchdog> {
    Some(Watchdog {
        mode,
        overhead: fields.or("overhead", "CPU time that a call costs before the function works on it, such as forking a process; of the demand's class.", "0s", time_fact),
        read_timeout: fields.or("read_timeout", "Longest time to read a request.", io, timeout),
        write_timeout: fields.or("write_timeout", "Longest time to the end of the response; a later one is cut.", io, timeout),
        exec_timeout: fields.or("exec_timeout", "Longest time that the function may take.", exec, timeout),
        max_inflight: fields.or("max_inflight", "Calls in flight above which a call gets 429.", "unlimited", |at| at.or_word("unlimited", count)),
    })
}

fn cold_start(at: &mut At<'_>) -> Option<ColdStart> {
    at.table(|fields| {
        Some(ColdStart {
            schedule: fields.or("schedule", "API write, admission and scheduling.", "0s", time_fact),
            image: fields.or("image", "Image to pull if the node does not have it.", "0B", fact(bytes)),
            image_present: fields.or(
                "image_present",
                "Whether all nodes have the image at the start.",
                "false",
                |at| at.flag(),
            ),
            sandbox: fields.or("sandbox", "Network and pause container.", "0s", time_fact),
            create: fields.or("create", "Creating and starting the container.", "0s", time_fact),
            boot: fields.or(
                "boot",
                "The process' own start: CPU work if it has a work class, else time.",
                "0s",
                demand,
            ),
            readiness_probe: fields.or("readiness_probe", "When readiness is seen; \"none\": at once.", "none", |at| {
                at.or_word("none", readiness_probe)
            }),
            endpoint: fields.or("endpoint", "From ready to being in every endpoint list.", "0s", time_fact),
        })
    })
}

fn readiness_probe(at: &mut At<'_>) -> Option<ReadinessProbe> {
    at.table(|fields| {
        Some(ReadinessProbe {
            initial_delay: fields.or("initial_delay", "Before the first probe.", "0s", span),
            period: fields.or("period", "Between probes.", "2s", positive_span),
        })
    })
}

impl ColdStart {
    /// A replica is there the moment it is wanted.
    fn instant() -> ColdStart {
        ColdStart {
            schedule: Distribution::ZERO,
            image: crate::units::Bytes(0),
            image_present: false,
            sandbox: Distribution::ZERO,
            create: Distribution::ZERO,
            boot: Demand { class: None, law: Distribution::ZERO },
            readiness_probe: None,
            endpoint: Distribution::ZERO,
        }
    }
}

/// As the kernel takes them.
fn cpu_period(at: &mut At<'_>) -> Option<Span> {
    let value = span(at)?;
    if !(Span::from_millis(1)..=Span::from_secs(1)).contains(&value) {
        return at.refuse(
            "the kernel's period for a CPU limit is from 1ms to 1s",
            "leave it out for the 100ms of Kubernetes, or write \"none\" for a steady rate",
        );
    }
    Some(value)
}

fn waiting_room(at: &mut At<'_>) -> Option<Option<WaitingRoom>> {
    at.or_word("none", |at| {
        at.either(
            |value| !matches!(value, Value::Table(_)),
            |at| {
                at.word(
                    "a waiting room",
                    &[(
                        "unbounded",
                        "Any number of requests wait, first come, first served.",
                        WaitingRoom { capacity: None, discipline: Discipline::Fifo },
                    )],
                )
            },
            |at| {
                at.table(|fields| {
                    Some(WaitingRoom {
                        capacity: fields.or("capacity", "Places; a request beyond gets 429.", "unlimited", |at| {
                            at.or_word("unlimited", count_or_zero)
                        }),
                        discipline: fields
                            .or("discipline", "Who leaves first.", "fifo", |at| at.word("a discipline", DISCIPLINES)),
                    })
                })
            },
        )
    })
}

const DISCIPLINES: &[Word<Discipline>] =
    &[("fifo", "First come, first served.", Discipline::Fifo), ("lifo", "Last come, first served.", Discipline::Lifo)];

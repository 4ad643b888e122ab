//! Makes the calls of all workloads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use faas_lab_model::metrics::Ending;
use faas_lab_model::scenario::{Invocation, Scenario};
use faas_lab_model::time::SimTime;
use reqwest::Client;

use crate::answer::{Answer, Observed};
use crate::callbacks::Callbacks;
use crate::client::Connections;
use crate::clock::Clock;
use crate::exchange::{Exchange, exchange};
use crate::payload::{Calls, with_callback};
use crate::schedule::Arrival;
use crate::target::{Platform, Timeouts, settle};

/// Knows what each call sends, and what its answer means.
#[derive(Debug)]
pub(crate) struct Caller {
    client: Client,
    connections: Arc<Connections>,
    platform: Arc<dyn Platform>,
    calls: Vec<Calls>,
    timeouts: Vec<Timeouts>,
    limit: Option<Duration>,
    invocations: Vec<Invocation>,
    /// Where the answers of asynchronous invocations come in, if they are awaited.
    callbacks: Mutex<Option<Callbacks>>,
}

impl Caller {
    /// For the workloads of `scenario`, whose calls are `calls`, in the same order.
    pub(crate) fn new(
        scenario: &Scenario,
        platform: Arc<dyn Platform>,
        calls: Vec<Calls>,
        client: Client,
        connections: Arc<Connections>,
    ) -> Caller {
        let limit = scenario.edge.client_timeout.map(|timeout| Duration::from_nanos(timeout.as_nanos()));
        let timeouts = scenario.workloads.iter().map(|workload| Timeouts::of(scenario, workload.function)).collect();
        let invocations = scenario.workloads.iter().map(|workload| workload.invocation).collect();
        Caller { client, connections, platform, calls, timeouts, limit, invocations, callbacks: Mutex::new(None) }
    }

    /// Answers of asynchronous invocations come in here.
    pub(crate) fn await_callbacks(&self, callbacks: Callbacks) {
        *self.callbacks.lock().unwrap_or_else(PoisonError::into_inner) = Some(callbacks);
    }

    /// Where they came in.
    pub(crate) fn take_callbacks(&self) -> Option<Callbacks> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What is done with the callbacks' desk for a call, if it has one.
    fn desk(&self, arrival: Arrival, act: impl FnOnce(&Callbacks)) {
        if self.invocations[arrival.workload] == Invocation::Async {
            self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(act);
        }
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The method of a workload's calls.
    pub(crate) fn method(&self, workload: usize) -> &str {
        self.calls[workload].method().as_str()
    }

    /// Makes the call that `arrival` asks for.
    pub(crate) async fn call(&self, arrival: Arrival, clock: &Clock) -> Observed {
        let Arrival { workload, number, at } = arrival;
        let mut request = self.calls[workload].request(number);
        self.desk(arrival, |desk| {
            let call_id = desk.call_id(workload, number);
            with_callback(&mut request, self.invocations[workload], desk.url(), &call_id);
            desk.sent(workload, number);
        });
        let now = || clock.now();
        let Exchange { sent, connecting, first_byte, ended, answer } =
            exchange(&self.client, request, self.limit, &*self.platform, &now).await;
        self.desk(arrival, |desk| match answer.status {
            Some(200..=299) => desk.accepted(workload, number, ended),
            _ => desk.failed(workload, number),
        });
        Observed { workload, number, intended: at, sent, connecting, first_byte, ended, answer }
    }

    /// How a call of a workload ended that was answered so.
    pub(crate) fn ending(&self, workload: usize, answer: &Answer) -> Ending {
        settle(&*self.platform, answer, &self.timeouts[workload])
    }
}

/// The call of `arrival` that was sent at `sent` and given up at `now`.
pub(crate) fn given_up(arrival: Arrival, sent: SimTime, now: SimTime) -> Observed {
    let Arrival { workload, number, at } = arrival;
    Observed {
        workload,
        number,
        intended: at,
        sent,
        connecting: None,
        first_byte: None,
        ended: now,
        answer: Answer::default(),
    }
}

//! What a call looked like from here: instants, bytes, and the marks that a platform leaves on its answers.

use faas_lab_model::time::{SimTime, Span};

/// One call as this client saw it. Instants count from the start of the schedule.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Index into [`Scenario::workloads`](faas_lab_model::scenario::Scenario::workloads).
    pub workload: usize,
    /// Its number in the workload's whole schedule, from 0; with users, the number of calls begun before it.
    pub number: u64,
    /// When the schedule wanted it sent. Response times count from here.
    pub intended: SimTime,
    /// When it was sent.
    pub sent: SimTime,
    /// How long opening a connection took, if one was opened for it.
    pub connecting: Option<Span>,
    /// When the answer's head was here.
    pub first_byte: Option<SimTime>,
    /// When the last byte was here, or the attempt was given up.
    pub ended: SimTime,
    /// What came.
    pub answer: Answer,
}

/// What came back of a call.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status, if a head came.
    pub status: Option<u16>,
    /// Bytes of the body that came.
    pub received: u64,
    /// Bytes that the head announced, if it did.
    pub expected: Option<u64>,
    /// How the exchange broke, if it did.
    pub fault: Option<Fault>,
    /// From sending to the end, without the time before it was sent: which timeout was over is told by it.
    pub took: Span,
    /// What the platform said of itself.
    pub signs: Signs,
    /// The beginning of an error's body: one line, at most 200 bytes.
    pub reason: Option<String>,
}

impl Answer {
    /// Whether its head said that the call was not done.
    pub fn is_refusal(&self) -> bool {
        self.status.is_some_and(|status| !(200..300).contains(&status))
    }

    /// Whether fewer bytes came than were announced.
    pub fn is_short(&self) -> bool {
        self.expected.is_some_and(|expected| self.received < expected)
    }

    /// Whether there was nothing in it.
    pub fn is_empty(&self) -> bool {
        self.received == 0
    }

    /// Whether the connection was closed before its head.
    pub fn was_closed(&self) -> bool {
        self.fault == Some(Fault::Closed)
    }
}

/// How an exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The name has no address.
    Name,
    /// No connection: refused, or no way there.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// TLS could not be agreed on.
    Tls,
    /// The client's timeout was over.
    ClientTimeout,
    /// The connection was closed or reset before an answer's head.
    Closed,
    /// The connection was closed or reset within the body.
    Cut,
    /// What came was no HTTP.
    Garbage,
    /// Anything else.
    Other,
}

impl Fault {
    /// The name that results use.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Name => "name",
            Fault::Connect => "connect",
            Fault::ConnectTimeout => "connect-timeout",
            Fault::Tls => "tls",
            Fault::ClientTimeout => "client-timeout",
            Fault::Closed => "closed",
            Fault::Cut => "cut",
            Fault::Garbage => "garbage",
            Fault::Other => "other",
        }
    }
}

/// What a platform's headers say about a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signs {
    /// Which replica answered.
    pub replica: Option<String>,
    /// How long the platform held the call for a replica to start.
    pub held: Option<Span>,
    /// How long the platform says that the call took inside.
    pub inside: Option<Span>,
    /// Name of the call, by which a callback is recognised.
    pub call_id: Option<String>,
    /// Which part of the platform wrote the answer, where it was not the function: `gateway`, `of-watchdog`, ….
    pub internal: Option<String>,
    /// Whether the platform says of every call that was held for a replica that it was, so that no word means no.
    pub tells_held: bool,
}

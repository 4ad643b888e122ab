//! What can happen. One closed enum, so that the compiler finds every place where a new event must be handled.

use crate::call::CallId;
use crate::replica::ReplicaId;

/// An event. Events about things that have ended meanwhile find nothing and do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The next request of this workload arrives.
    Arrival(u32),
    /// A closed-loop user (of this workload) sends the next request.
    UserSends {
        workload: u32,
        user: u32,
    },
    /// A client tries again.
    Resend(CallId),
    /// The client gives up.
    ClientTimeout(CallId),
    /// The answer reaches the client.
    AtClient(CallId),

    /// The call has reached the gateway.
    AtGateway(CallId),
    /// The gateway's CPU is done with the call.
    GatewayDone(CallId),
    /// A call held for a function at rest goes on.
    HoldOver(CallId),
    /// The gateway has asked often enough.
    HoldGivesUp(CallId),
    /// The gateway waits for the function no longer.
    UpstreamTimeout(CallId),
    /// The gateway may write no longer (streams only).
    GatewayWriteTimeout(CallId),

    /// The watchdog waits for the function no longer.
    ExecTimeout(CallId),
    /// The call's time that is not CPU work is over, or its stream has ended.
    Served(CallId),
    /// A CPU task on this machine may be finished.
    NodeWakes(u32),

    /// A machine has run out of memory.
    MemoryPressure(u32),

    /// The next phase of a replica's start is over.
    PhaseOver(ReplicaId),
    /// An idle replica may have been kept long enough.
    IdleOver(ReplicaId),
    /// A function may have been idle as a whole for long enough.
    FunctionIdleOver(u32),
    /// A removed replica may finish its calls no longer.
    GraceOver(ReplicaId),
    /// A replica crashes.
    Crash(ReplicaId),

    /// This function's scaler wants to be asked.
    Scaler(u32),
    /// This function's idler wants to be asked.
    Idler(u32),

    /// This machine is lost, or comes back.
    NodeFails(u32),
    NodeReturns(u32),
    /// The loss of this machine is noticed, and its replicas are given up; the number tells one loss from the next.
    NodeLossSeen {
        node: u32,
        loss: u32,
    },
    NodeEvicts {
        node: u32,
        loss: u32,
    },

    /// An asynchronous invocation is committed to the queue.
    Committed(CallId),
    /// An invocation was not acknowledged in time.
    AckWaitOver {
        message: u32,
        delivery: u32,
    },
    /// An invocation is tried again.
    Requeue(u32),
    /// The callback of an invocation has been made.
    CallbackMade(u32),

    /// A step of the time series is over.
    StepOver,
    /// The warm-up is over.
    WarmUpOver,
    /// Arrivals are over.
    ArrivalsOver,
    /// The end.
    DrainOver,
}

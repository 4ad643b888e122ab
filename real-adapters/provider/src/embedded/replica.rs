//! A replica's life: start, ready, perhaps crash and start again, stop.

use std::future::{self, Future};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use faas_lab_http::Endpoint;
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

use super::platform::{Platform, Running, Seated, Stop};
use super::sandbox::Sandbox;
use crate::ReplicaState;
use crate::launch::Upstream;
use crate::{processes, ready};

/// After a process's end, its output is read this long at most: a stranger may have inherited it.
const OUTPUT_LIMIT: Duration = Duration::from_secs(2);

/// Runs until the replica is told to stop. Its seat is left whatever happens.
pub(super) async fn run(platform: Arc<Platform>, seated: Seated) {
    let seated = Arc::new(seated);
    let _leave = Leave { platform: Arc::clone(&platform), seated: Arc::clone(&seated) };
    let mut orders = Orders { own: seated.stop.clone(), all: platform.stop_all.subscribe(), alone: false };
    let mut crashes = 0;
    while orders.now().is_none() {
        let (reason, ready_for) = match live(&platform, &seated, &mut orders).await {
            End::Stopped => break,
            End::Crashed { reason, ready_for } => (reason, ready_for),
        };
        let back_off = &platform.options.back_off;
        crashes = if ready_for >= back_off.reset_after { 1 } else { crashes + 1 };
        let delay = back_off.delay(crashes);
        seated.logs.write(seated.number, format!("faas-lab: ended ({reason}), starts again in {delay:?}"));
        platform.change_replica(&seated, |seat| {
            seat.running = None;
            seat.replica.state = ReplicaState::Crashed { reason };
            seat.replica.ready_at = None;
        });
        tokio::select! {
            () = sleep(delay) => {}
            _ = orders.next(None) => break,
        }
        platform.change_replica(&seated, |seat| {
            seat.replica.state = ReplicaState::Starting;
            seat.replica.restarts += 1;
        });
    }
}

/// How one start of a replica ended.
enum End {
    Stopped,
    Crashed { reason: String, ready_for: Duration },
}

/// From start to end of one watchdog.
async fn live(platform: &Arc<Platform>, seated: &Arc<Seated>, orders: &mut Orders) -> End {
    let crashed = |error: io::Error| End::Crashed { reason: error.to_string(), ready_for: Duration::ZERO };
    let sandbox = {
        let (platform, seated) = (Arc::clone(platform), Arc::clone(seated));
        match blocking(move || platform.unless_swept(|| Sandbox::make(&platform, &seated))).await {
            None => return End::Stopped,
            Some(Ok(sandbox)) => Arc::new(sandbox),
            Some(Err(error)) => return crashed(error),
        }
    };
    match start(platform, seated, &sandbox).await {
        Ok((child, readers)) => {
            let end = watch_over(platform, seated, &sandbox, child, orders).await;
            finish(platform, seated, &sandbox).await;
            for mut reader in readers {
                if timeout(OUTPUT_LIMIT, &mut reader).await.is_err() {
                    reader.abort();
                }
            }
            end
        }
        Err(error) => {
            finish(platform, seated, &sandbox).await;
            let program = platform.options.watchdog.program.display();
            crashed(io::Error::other(format!("the watchdog {program} cannot be started: {error}")))
        }
    }
}

async fn start(
    platform: &Arc<Platform>,
    seated: &Arc<Seated>,
    sandbox: &Sandbox,
) -> io::Result<(Child, [JoinHandle<()>; 2])> {
    let mut child = platform.spawner.spawn(sandbox.command(platform, seated)?).await?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let readers = [
        tokio::spawn(Arc::clone(&seated.logs).read(seated.number, stdout)),
        tokio::spawn(Arc::clone(&seated.logs).read(seated.number, stderr)),
    ];
    if let Some(pid) = child.id() {
        let running = Running { pid, group: sandbox.group.clone() };
        platform.change_replica(seated, |seat| seat.running = Some(running));
    }
    Ok((child, readers))
}

/// Waits for the watchdog's end, and passes on what it is told.
async fn watch_over(
    platform: &Arc<Platform>,
    seated: &Arc<Seated>,
    sandbox: &Arc<Sandbox>,
    mut child: Child,
    orders: &mut Orders,
) -> End {
    let pid = child.id();
    let watchdog = Endpoint::Unix(platform.socket(seated.number));
    let mut becoming_ready = Box::pin(optional(Some(ready::wait_until_ready(watchdog))));
    let mut drain_limit = Box::pin(optional(None));
    let mut told: Option<Stop> = None;
    let mut ready_since = None;
    loop {
        tokio::select! {
            status = child.wait() => {
                return match told {
                    Some(_) => End::Stopped,
                    None => End::Crashed {
                        reason: reason(status, sandbox.out_of_memory(), &seated.launch.upstream),
                        ready_for: ready_since.map_or(Duration::ZERO, |since: Instant| since.elapsed()),
                    },
                };
            }
            () = &mut becoming_ready => {
                becoming_ready.set(optional(None));
                ready_since = Some(Instant::now());
                platform.change_replica(seated, |seat| {
                    seat.replica.state = ReplicaState::Ready;
                    seat.replica.ready_at = Some(SystemTime::now());
                });
            }
            order = orders.next(told) => {
                told = Some(order);
                // A question under way would be a call that the watchdog waits for.
                becoming_ready.set(optional(None));
                platform.change_replica(seated, |seat| seat.replica.state = ReplicaState::Retiring);
                match (order, pid) {
                    (Stop::Gracefully, Some(pid)) => {
                        processes::terminate(pid);
                        drain_limit.set(optional(Some(sleep(seated.launch.drain_limit))));
                    }
                    _ => end_at_once(platform, seated, sandbox, &mut child).await,
                }
            }
            () = &mut drain_limit => {
                seated.logs.write(seated.number, "faas-lab: killed, for it had not ended in time".to_owned());
                drain_limit.set(optional(None));
                end_at_once(platform, seated, sandbox, &mut child).await;
            }
        }
    }
}

async fn end_at_once(platform: &Arc<Platform>, seated: &Arc<Seated>, sandbox: &Arc<Sandbox>, child: &mut Child) {
    // Fails only if it has ended, which is what is wanted.
    let _ = child.start_kill();
    let (platform, seated, sandbox) = (Arc::clone(platform), Arc::clone(seated), Arc::clone(sandbox));
    blocking(move || platform.unless_swept(|| sandbox.clear(&platform, &seated))).await;
}

/// Counts what the replica has burnt and removes what is left of it.
async fn finish(platform: &Arc<Platform>, seated: &Arc<Seated>, sandbox: &Arc<Sandbox>) {
    let (platform, seated, sandbox) = (Arc::clone(platform), Arc::clone(seated), Arc::clone(sandbox));
    blocking(move || {
        let burnt = sandbox.group.as_ref().and_then(|group| group.cpu_seconds());
        let mut state = platform.state();
        if let Some(function) = state.functions.get_mut(&seated.function) {
            // Else the function has been removed, and another one deployed under its name.
            if let Some(seat) = function.seats.get_mut(&seated.number) {
                seat.running = None;
                function.meter.end(seated.number, burnt);
            }
        }
        drop(state);
        platform.unless_swept(|| sandbox.clear(&platform, &seated));
    })
    .await;
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The future, or one that never comes.
async fn optional(wanted: Option<impl Future<Output = ()>>) {
    match wanted {
        Some(wanted) => wanted.await,
        None => future::pending().await,
    }
}

fn reason(status: io::Result<ExitStatus>, out_of_memory: bool, upstream: &Upstream) -> String {
    // A watchdog that runs a process per call outlives the kernel's killing one of them: then that is no reason.
    let killed = status.as_ref().is_ok_and(|status| status.signal() == Some(Signal::KILL.as_raw()));
    match status {
        _ if out_of_memory && (killed || *upstream != Upstream::None) => "out of memory".to_owned(),
        Err(error) => format!("lost sight of: {error}"),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => status.to_string(),
        },
    }
}

/// What a replica is told: by itself, or with all others.
struct Orders {
    own: watch::Receiver<Option<Stop>>,
    all: watch::Receiver<Option<Stop>>,
    /// Nobody is left who could give an order of the first kind.
    alone: bool,
}

impl Orders {
    fn now(&self) -> Option<Stop> {
        (*self.own.borrow()).max(*self.all.borrow())
    }

    /// The next order that is stronger than `told`.
    async fn next(&mut self, told: Option<Stop>) -> Stop {
        loop {
            self.own.borrow_and_update();
            self.all.borrow_and_update();
            if let Some(order) = self.now().filter(|order| Some(*order) > told) {
                return order;
            }
            tokio::select! {
                changed = self.own.changed(), if !self.alone => self.alone = changed.is_err(),
                // Its sender is in the platform, which the replica's task holds.
                _ = self.all.changed() => {}
            }
            // The function is removed, and its remover has gone away without a word.
            if self.alone && told.is_none() {
                return Stop::Gracefully;
            }
        }
    }
}

/// Leaves the seat, even if the task is cancelled.
struct Leave {
    platform: Arc<Platform>,
    seated: Arc<Seated>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.seated.logs.end(self.seated.number);
        self.platform.leave(&self.seated.function, self.seated.number);
    }
}

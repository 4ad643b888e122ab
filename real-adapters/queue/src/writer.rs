//! The one who writes to the store. Whatever comes while a commit is under way goes into the next one together, so that
//! a hundred callers wait for one sync of the disk, not for a hundred.

use std::sync::{Arc, Mutex, PoisonError};

use redb::Database;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::store::{StoreError, Tables};

/// Jobs that may wait to be written; more callers wait for room.
const BACKLOG: usize = 4096;
/// The most bytes of invocations in one commit.
const BATCH_BYTES: usize = 32 << 20;

type Apply = Box<dyn FnOnce(&mut Tables<'_>) -> Result<(), StoreError> + Send>;
type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

struct Job {
    apply: Apply,
    done: Done,
    bytes: usize,
}

/// Where jobs are handed in.
pub(crate) struct Writer {
    jobs: mpsc::Sender<Option<Job>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Room for one job. A caller that gives up before this point has left nothing behind; from here on nothing is undone.
pub(crate) struct Room<'w>(mpsc::Permit<'w, Option<Job>>);

impl Writer {
    /// Starts it. Needs a tokio runtime.
    pub(crate) fn start(database: Database) -> Writer {
        let (jobs, incoming) = mpsc::channel(BACKLOG);
        let task = tokio::spawn(write_all(Arc::new(database), incoming));
        Writer { jobs, task: Mutex::new(Some(task)) }
    }

    /// Waits for room.
    pub(crate) async fn room(&self) -> Result<Room<'_>, StoreError> {
        self.jobs.reserve().await.map(Room).map_err(|_| closed())
    }

    /// Writes what was handed in so far and closes the file; later jobs are refused.
    pub(crate) async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = self.jobs.send(None).await;
            let _ = task.await;
        }
    }
}

impl Room<'_> {
    /// Hands in a job of about so many bytes: `apply` runs within the transaction, `done` once it is on disk or has
    /// failed. The job is handed in when the future is polled first; `done` runs even if the caller stops waiting then.
    pub(crate) async fn submit<T: Send + 'static>(
        self,
        bytes: usize,
        apply: impl FnOnce(&mut Tables<'_>) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(Result<(), &StoreError>) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (give, take) = oneshot::channel();
        let made = Arc::new(Mutex::new(None));
        let slot = made.clone();
        let apply: Apply = Box::new(move |tables| {
            let made = apply(tables)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            Ok(())
        });
        let done: Done = Box::new(move |outcome| {
            done(outcome.as_ref().map(|_| ()));
            let made = made.lock().unwrap_or_else(PoisonError::into_inner).take();
            let _ = give.send(outcome.map(|()| made.expect("a committed job has run")));
        });
        self.0.send(Some(Job { apply, done, bytes }));
        take.await.unwrap_or_else(|_| Err(closed()))
    }
}

fn closed() -> StoreError {
    StoreError("the queue is closed".to_owned())
}

/// Commits until a `None` comes or nobody is left to hand in jobs.
async fn write_all(database: Arc<Database>, mut incoming: mpsc::Receiver<Option<Job>>) {
    let mut broken: Option<StoreError> = None;
    let mut open = true;
    while open && let Some(first) = incoming.recv().await {
        let (mut applies, mut dones, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(job) = next {
            let Some(job) = job else {
                open = false;
                break;
            };
            bytes += job.bytes;
            applies.push(job.apply);
            dones.push(job.done);
            next = if bytes < BATCH_BYTES { incoming.try_recv().ok() } else { None };
        }
        let outcome = match &broken {
            Some(error) => Err(error.clone()),
            None if applies.is_empty() => Ok(()),
            None => {
                // A blocking task and not a thread of our own: tokio's paused time stands still meanwhile, and a panic
                // over a damaged file comes back as an error.
                let database = database.clone();
                match tokio::task::spawn_blocking(move || commit(&database, applies)).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        let error = StoreError("the store's file is damaged; restart to check it".to_owned());
                        broken = Some(error.clone());
                        Err(error)
                    }
                }
            }
        };
        for done in dones {
            done(outcome.clone());
        }
    }
    // Closing writes to the file.
    let _ = tokio::task::spawn_blocking(move || drop(database)).await;
}

/// All jobs in one transaction: all of them are on disk afterwards, or none.
fn commit(database: &Database, applies: Vec<Apply>) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    let mut tables = Tables::open(&transaction)?;
    for apply in applies {
        apply(&mut tables)?;
    }
    tables.close()?;
    transaction.commit()?;
    Ok(())
}

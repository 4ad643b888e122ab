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
    /// Starts it. Needs a tokio runtime. After a failure, such as a full disk, the store takes nothing any more until it
    /// is opened again.
    pub(crate) fn start(
        database: Database,
        reopen: impl Fn() -> Result<Database, StoreError> + Send + Sync + 'static,
    ) -> Writer {
        let (jobs, incoming) = mpsc::channel(BACKLOG);
        let file = Arc::new(StoreFile { open: Mutex::new(Some(database)), reopen: Box::new(reopen) });
        let task = tokio::spawn(write_all(file, incoming));
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

type Reopen = dyn Fn() -> Result<Database, StoreError> + Send + Sync;

/// The store, or how to get it back.
struct StoreFile {
    open: Mutex<Option<Database>>,
    reopen: Box<Reopen>,
}

impl StoreFile {
    /// All jobs in one transaction: all of them are on disk afterwards, or none.
    fn commit(&self, applies: Vec<Apply>) -> Result<(), StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match open.take() {
            Some(database) => database,
            None => (self.reopen)()?,
        };
        let outcome = commit(&database, applies);
        // A failure of the disk is remembered for ever by what is open; a refusal of ours is not.
        if outcome.is_ok() || database.begin_write().is_ok() {
            *open = Some(database);
        }
        outcome
    }
}

/// Commits until a `None` comes or nobody is left to hand in jobs.
async fn write_all(file: Arc<StoreFile>, mut incoming: mpsc::Receiver<Option<Job>>) {
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
                let file = file.clone();
                match tokio::task::spawn_blocking(move || file.commit(applies)).await {
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
    let _ = tokio::task::spawn_blocking(move || drop(file)).await;
}

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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use redb::StorageBackend;
    use redb::backends::FileBackend;

    use super::*;

    /// A disk that is full for a while.
    #[derive(Debug)]
    struct Disk {
        file: FileBackend,
        full: Arc<AtomicBool>,
    }

    impl Disk {
        fn check(&self) -> io::Result<()> {
            if self.full.load(SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.file.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.check()?;
            self.file.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.check()?;
            self.file.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.check()?;
            self.file.write(offset, data)
        }
    }

    #[tokio::test]
    async fn a_disk_that_was_full_can_be_written_to_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("queue");
        crate::store::create(&path).expect("a store");
        let full = Arc::new(AtomicBool::new(false));
        let open = {
            let full = full.clone();
            move || {
                let file = File::options().read(true).write(true).open(&path).map_err(|e| StoreError(e.to_string()))?;
                let disk = Disk { file: FileBackend::new(file)?, full: full.clone() };
                Ok(Database::builder().create_with_backend(disk)?)
            }
        };
        let writer = Writer::start(open().expect("it opens"), open);
        let put = async |key: u64| {
            let apply = move |tables: &mut Tables<'_>| tables.put_invocation(key, &[7; 100_000]);
            writer.room().await?.submit(0, apply, |_| ()).await
        };
        put(1).await.expect("room on the disk");
        full.store(true, SeqCst);
        for _ in 0..3 {
            put(2).await.expect_err("no room");
        }
        full.store(false, SeqCst);
        put(3).await.expect("room again");
        let held = async |key: u64| {
            let room = writer.room().await.expect("open");
            room.submit(0, move |tables| tables.invocation(key), |_| ()).await.expect("it reads").is_some()
        };
        assert!(held(1).await && held(3).await && !held(2).await);
        writer.close().await;
    }
}

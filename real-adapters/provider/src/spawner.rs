//! The one thread that starts watchdogs.
//!
//! A watchdog asks the kernel for a signal when its parent dies, and the kernel means the thread that started it, not
//! the process. Threads of a runtime come and go; this one stays until the platform closes.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Starts processes.
#[derive(Debug)]
pub(crate) struct Spawner {
    inner: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Job {
    command: Command,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    pub(crate) fn new() -> io::Result<Spawner> {
        let (jobs, requests) = mpsc::channel::<Job>();
        let thread = thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            for Job { mut command, runtime, answer } in requests {
                let _inside = runtime.enter();
                // Whoever asked may have gone: nobody would look after the process then.
                if let Err(Ok(mut child)) = answer.send(command.spawn()) {
                    let _ = child.start_kill();
                }
            }
        })?;
        Ok(Spawner { inner: Mutex::new(Some(Running { jobs, thread })) })
    }

    /// Starts a process; fails once the spawner is closed.
    pub(crate) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let closed = || io::Error::other("the platform is shutting down");
        let (answer, child) = oneshot::channel();
        let job = Job { command, runtime: Handle::current(), answer };
        {
            let inner = self.inner.lock().expect("no thread panics while it holds this lock");
            inner.as_ref().ok_or_else(closed)?.jobs.send(job).map_err(|_| closed())?;
        }
        child.await.map_err(|_| closed())?
    }

    /// Starts nothing from now on; the processes that it started get their signal. Waits for the thread's end.
    pub(crate) fn close(&self) {
        let running = self.inner.lock().expect("no thread panics while it holds this lock").take();
        if let Some(Running { jobs, thread }) = running {
            drop(jobs);
            // A panic of the thread has left a message; there is nothing to add.
            let _ = thread.join();
        }
    }
}

//! Ctrl-C, SIGTERM and a closed terminal: the first asks the platform to end in good order, the second ends it at once.

use std::io;
use std::process;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code that shells expect of a program ended by Ctrl-C: 128 + SIGINT.
const KILLED: i32 = 130;

/// Is cancelled by the first signal. Replicas of a program that ends at once are ended by the kernel.
pub(crate) fn stop() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
                _ = hang_up.recv() => (),
            }
            if asked.is_cancelled() {
                process::exit(KILLED);
            }
            asked.cancel();
        }
    });
    Ok(stop)
}

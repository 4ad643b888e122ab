//! A platform that is killed, and the next one that cleans up after it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use faas_lab_provider::Provider as _;
use faas_lab_provider::api::FunctionName;

use crate::support::{Lab, processes_of, stand_in, until};

/// A process with a platform of two stubborn replicas, each with a child.
fn host(state: &std::path::Path, without_cgroups: bool) -> Child {
    let mut command = Command::new(stand_in());
    command.arg("host").arg(state).stdout(Stdio::piped());
    if without_cgroups {
        command.env("WITHOUT_CGROUPS", "1");
    }
    let mut child = command.spawn().expect("a process");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_platform_ends_what_a_killed_one_left() {
    for without_cgroups in [false, true] {
        let state = Arc::new(tempfile::tempdir().expect("a folder"));
        let mut killed = host(state.path(), without_cgroups);
        killed.kill().expect("killed");
        killed.wait().expect("ended");
        // They heed no signal: only the next platform can end them.
        assert_eq!(processes_of(state.path()).len(), 4);

        let lab = Lab::open(Arc::clone(&state), |_| {}).await;
        until(async || lab.processes().is_empty()).await;
        let notices = lab.notices.lock().expect("a list").join("\n");
        assert!(notices.contains("ended 4 processes that an earlier run had left behind"), "{notices}");
        let name = FunctionName::parse("hello");
        assert!(lab.provider.watch().borrow()[&name].replicas.is_empty());
        let traces = std::fs::read_to_string(state.path().join("groups")).expect("traces");
        lab.provider.shut_down().await;
        for trace in traces.lines() {
            assert!(!std::path::Path::new(trace).exists(), "{trace}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchdogs_are_told_of_their_platforms_death() {
    let state = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(stand_in());
    command.arg("host").arg(state.path()).env("HEED_TERM", "1").stdout(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(processes_of(state.path()).len(), 2);
    child.kill().expect("killed");
    child.wait().expect("ended");
    until(async || processes_of(state.path()).is_empty()).await;
    // Removes the groups that are left.
    Lab::open(Arc::new(state), |_| {}).await.provider.shut_down().await;
}

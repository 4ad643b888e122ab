//! Replicas that end by themselves, or are ended by the kernel.

use std::time::Duration;

use faas_lab_provider::api::Resources;
use faas_lab_provider::{BackOff, CgroupUse, Provider as _, ReplicaState, WatchdogCommand};

use crate::support::{Lab, at_start, plain, try_call, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_replica_starts_again_with_its_number_and_says_why_it_crashed() {
    let lab = Lab::with(|options| {
        let day = Duration::from_secs(86400);
        options.back_off = BackOff { first: Duration::from_secs(2), most: day, reset_after: day };
    })
    .await;
    let name = lab.running("hello", 1).await;
    let replica = lab.only(&name).await;
    try_call(&replica, "exit:3").await;
    let crashed = lab.until(&name, |f| f.replicas[0].state != ReplicaState::Ready).await.replicas.remove(0);
    assert_eq!(crashed.state, ReplicaState::Crashed { reason: "exit status 3".to_owned() });
    assert_eq!(crashed.ready_at, None);
    let again = lab.until(&name, |f| f.replicas[0].restarts == 1 && f.replicas[0].state == ReplicaState::Ready).await;
    assert_eq!((again.replicas[0].number, &again.replicas[0].endpoint), (replica.number, &replica.endpoint));
    lab.until_logged(&name, "ended (exit status 3), starts again in 2s").await;
    try_call(&replica, "exit:4").await;
    lab.until_logged(&name, "ended (exit status 4), starts again in 4s").await;
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_for_long_enough_makes_good_for_earlier_crashes() {
    let lab = Lab::with(|options| {
        let first = Duration::from_millis(10);
        options.back_off = BackOff { first, most: Duration::from_secs(9), reset_after: Duration::ZERO };
    })
    .await;
    let name = lab.running("hello", 1).await;
    for crash in 1..=3 {
        try_call(&lab.only(&name).await, &format!("exit:{crash}")).await;
        lab.until_logged(&name, &format!("ended (exit status {crash}), starts again in 10ms")).await;
        lab.until(&name, |f| f.replicas[0].restarts == crash && f.replicas[0].state == ReplicaState::Ready).await;
    }
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_never_starts_is_tried_again_and_can_be_removed() {
    let lab = Lab::new().await;
    let name = lab.deployed(at_start("broken", "exit:1")).await;
    lab.provider.start(&name, 1).await.expect("requested");
    lab.until(&name, |f| f.replicas[0].restarts >= 2).await;
    assert!(lab.log(&name).await.iter().any(|line| line == "at start: exit:1"), "its last words are kept");
    lab.provider.remove(&name).await.expect("removed");
    assert!(lab.processes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watchdog_that_is_not_there_is_named() {
    let lab = Lab::with(|options| options.watchdog = WatchdogCommand::new("/nowhere/watchdog")).await;
    let name = lab.deployed(plain("hello")).await;
    lab.provider.start(&name, 1).await.expect("requested");
    let is_crashed = |state: &ReplicaState| matches!(state, ReplicaState::Crashed { reason } if reason.contains("/nowhere/watchdog"));
    lab.until(&name, |f| is_crashed(&f.replicas[0].state)).await;
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_told() {
    let lab = Lab::new().await;
    let name = lab.running("hello", 1).await;
    let pid = lab.processes()[0];
    let pid = rustix::process::Pid::from_raw(pid as i32).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    lab.until_logged(&name, "ended (killed by signal 9)").await;
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory_is_told_apart() {
    let lab = Lab::new().await;
    if lab.notices.lock().expect("a list").iter().any(|notice| notice.contains("memory")) {
        eprintln!("skipped: no control group for memory on this system");
        return;
    }
    let mut deployment = plain("hungry");
    deployment.limits = Some(Resources { memory: "32Mi".to_owned(), cpu: String::new() });
    let name = lab.deployed(deployment).await;
    lab.provider.start(&name, 1).await.expect("started");
    let replica = lab.only(&name).await;
    assert_eq!(try_call(&replica, "eat:4").await.as_deref(), Some("4194304"));
    assert_eq!(try_call(&replica, "eat:256").await, None);
    lab.until_logged(&name, "ended (out of memory)").await;
    let again = lab.until(&name, |f| f.replicas[0].restarts == 1 && f.replicas[0].state == ReplicaState::Ready).await;
    // The next end is not taken for the same.
    try_call(&again.replicas[0], "exit:5").await;
    lab.until_logged(&name, "ended (exit status 5)").await;
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crashed_watchdog_leaves_behind_ends_with_it() {
    for cgroups in [CgroupUse::WherePossible, CgroupUse::Never] {
        let lab = Lab::with(|options| options.cgroups = cgroups).await;
        let name = lab.running("parent", 1).await;
        let replica = lab.only(&name).await;
        let child: u32 = try_call(&replica, "child").await.expect("an answer").parse().expect("a pid");
        assert!(lab.processes().contains(&child));
        try_call(&replica, "exit:1").await;
        until(async || !lab.processes().contains(&child)).await;
        lab.provider.shut_down().await;
    }
}

//! Shares of CPU and memory, and what was used of them. Where the system gives no control groups, half of this is
//! skipped, and says so.

use std::fs;
use std::path::PathBuf;

use faas_lab_provider::api::{FunctionName, Resources};
use faas_lab_provider::{CgroupUse, Emulation, Provider as _, Replica, WORK_ANNOTATION};

use crate::support::{Lab, call, plain, try_call};

/// The replica's control groups, as its watchdog was told.
async fn groups(replica: &Replica) -> Vec<PathBuf> {
    let environment = call(replica, "environment").await;
    let line = environment.lines().find_map(|line| line.strip_prefix("watchdog_cgroups=")).unwrap_or_default();
    line.split(':').map(PathBuf::from).collect()
}

/// Cores that a group may use, of version 1 or 2.
fn cores(group: &std::path::Path) -> Option<(f64, f64)> {
    let read = |file: &str| fs::read_to_string(group.join(file)).ok();
    let (quota, period) = match read("cpu.max") {
        Some(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
        None => {
            let number = |file| read(file)?.trim().parse::<f64>().ok();
            (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
        }
    };
    Some((quota / period, period))
}

fn close(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < 0.01
}

async fn lab_with_cpu(change: impl FnOnce(&mut faas_lab_provider::Options)) -> Option<Lab> {
    let lab = Lab::with(change).await;
    let missing = lab.notices.lock().expect("a list").iter().any(|notice| notice.contains("cpu"));
    if missing {
        eprintln!("skipped: no control group for CPU on this system");
        return None;
    }
    Some(lab)
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_reach_the_control_group() {
    let Some(lab) = lab_with_cpu(|_| {}).await else { return };
    let mut deployment = plain("small");
    deployment.limits = Some(Resources { memory: "64Mi".to_owned(), cpu: "250m".to_owned() });
    let name = lab.deployed(deployment).await;
    lab.provider.start(&name, 1).await.expect("started");
    let groups = groups(&lab.only(&name).await).await;
    let (share, period) = groups.iter().find_map(|group| cores(group)).expect("a CPU group");
    assert!(close(share, 0.25) && period == 100_000.0, "{share} {period}");
    let memory = ["memory.max", "memory.limit_in_bytes"];
    let limit = groups.iter().find_map(|g| memory.iter().find_map(|file| fs::read_to_string(g.join(file)).ok()));
    assert_eq!(limit.as_deref().map(str::trim), Some("67108864"));
    lab.provider.shut_down().await;
    assert!(groups.iter().all(|group| !group.exists()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulated_machine_gives_each_class_of_work_its_share() {
    let emulate = |options: &mut faas_lab_provider::Options| options.emulation = Some(Emulation::raspberry_pi_4());
    let Some(lab) = lab_with_cpu(emulate).await else { return };
    for (name, work, limit, replica_cores, all_cores) in [
        ("scalar", "scalar", "", 1.0 / 3.43, 3.99 / 3.43),
        ("cascade", "cascade", "", 1.0 / 4.52, 3.13 / 4.52),
        ("half", "scalar", "500m", 0.5 / 3.43, 3.99 / 3.43),
        ("crypto", "crypto", "", 1.0 / 32.0, 3.99 / 32.0),
    ] {
        let mut deployment = plain(name);
        deployment.annotations.insert(WORK_ANNOTATION.to_owned(), work.to_owned());
        deployment.limits = Some(Resources { cpu: limit.to_owned(), memory: String::new() });
        let name = lab.deployed(deployment).await;
        lab.provider.start(&name, 1).await.expect("started");
        let groups = groups(&lab.only(&name).await).await;
        let group = groups.iter().find(|group| cores(group).is_some()).expect("a CPU group");
        let (share, period) = cores(group).expect("a share");
        assert!(close(share, replica_cores), "{name}: {share}");
        let smallest = replica_cores * 10_000.0 < 1000.0;
        assert!(smallest || period == 10_000.0, "{name}: {period}");
        let (all, _) = cores(group.parent().expect("the class's group")).expect("a share");
        assert!(close(all, all_cores), "{name}: {all}");
    }
    let mut unknown = plain("quantum");
    unknown.annotations.insert(WORK_ANNOTATION.to_owned(), "quantum".to_owned());
    assert!(lab.provider.deploy(unknown).await.is_err_and(|e| e.to_string().contains("cascade, convnet")));
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulated_machine_has_a_core_for_each_busy_thread() {
    let emulate = |options: &mut faas_lab_provider::Options| options.emulation = Some(Emulation::raspberry_pi_4());
    let Some(lab) = lab_with_cpu(emulate).await else { return };
    let name = lab.running("busy", 1).await;
    let replica = lab.only(&name).await;
    let groups = groups(&replica).await;
    let group = groups.iter().find(|group| cores(group).is_some()).expect("a CPU group");
    let share = || cores(group).expect("a share").0;
    // They take seconds, as slow as the machine is: time enough to see their quota.
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let replica = replica.clone();
            tokio::spawn(async move { try_call(&replica, "spin:600").await })
        })
        .collect();
    crate::support::until(async || close(share(), 3.0 / 3.43)).await;
    for call in calls {
        call.await.expect("no panic");
    }
    crate::support::until(async || close(share(), 1.0 / 3.43)).await;
    lab.provider.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_counts_running_and_ended_replicas() {
    for cgroups in [CgroupUse::WherePossible, CgroupUse::Never] {
        let lab = Lab::with(|options| options.cgroups = cgroups).await;
        let name = lab.running("worker", 1).await;
        let replica = lab.only(&name).await;
        call(&replica, "spin:300").await;
        let usage = lab.provider.usage(&name).await.expect("usage");
        assert!(usage.cpu_seconds_total >= 0.29, "{usage:?}");
        assert_eq!(usage.cpu_seconds, [(replica.number, usage.cpu_seconds_total)].into());
        assert!(usage.total_memory_bytes > 100_000.0, "{usage:?}");
        lab.provider.retire(&name, replica.number).await.expect("retired");
        lab.until(&name, |f| f.replicas.is_empty()).await;
        let after = lab.provider.usage(&name).await.expect("usage");
        assert!(after.cpu_seconds_total >= 0.29, "{after:?}");
        assert_eq!(after.total_memory_bytes, 0.0);
        assert!(after.cpu_seconds.is_empty(), "{after:?}");
        lab.provider.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_now_is_seen_within_a_call() {
    let lab = Lab::new().await;
    let name = lab.running("worker", 1).await;
    let replica = lab.only(&name).await;
    // Before anything is asked of the meter, so that it has nothing to compare with.
    let burning = tokio::spawn(async move { try_call(&replica, "spin:2000").await });
    crate::support::until(async || lab.provider.usage(&name).await.expect("usage").cpu > 50.0).await;
    lab.provider.remove(&name).await.expect("removed");
    burning.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_control_groups_are_not_wanted_nobody_is_troubled() {
    let lab = Lab::with(|options| options.cgroups = CgroupUse::Never).await;
    let mut deployment = plain("small");
    deployment.limits = Some(Resources { memory: "64Mi".to_owned(), cpu: "250m".to_owned() });
    let name: FunctionName = lab.deployed(deployment).await;
    lab.provider.start(&name, 1).await.expect("started");
    assert!(!call(&lab.only(&name).await, "environment").await.contains("watchdog_cgroups"));
    assert!(lab.notices.lock().expect("a list").is_empty());
    lab.provider.shut_down().await;
}

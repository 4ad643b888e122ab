//! With the watchdog that replicas really have.

use faas_lab_provider::{Provider as _, WatchdogCommand};

use crate::support::{Lab, call, plain, stand_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_per_call_answers_logs_and_retires() {
    let watchdog = stand_in().with_file_name("watchdog");
    let lab = Lab::with(|options| options.watchdog = WatchdogCommand::new(watchdog)).await;
    let mut deployment = plain("greet");
    deployment.env_process = "echo hello from $FAAS_LAB_REPLICA".to_owned();
    let name = lab.deployed(deployment).await;
    lab.provider.start(&name, 2).await.expect("started");
    let replicas = lab.until_ready(&name, 2).await;
    // Not a shell: words are passed on as they are.
    assert!(call(&replicas[0], "").await.contains("hello from $FAAS_LAB_REPLICA"));
    lab.until_logged(&name, "GET / - 200").await;
    lab.provider.retire(&name, replicas[0].number).await.expect("retired");
    lab.until(&name, |f| f.replicas.len() == 1).await;
    // The other one does not mind.
    assert!(call(&replicas[1], "").await.contains("hello"));
    lab.provider.shut_down().await;
    assert!(lab.processes().is_empty());
}

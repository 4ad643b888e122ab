//! What real processes write.

use faas_lab_provider::Provider as _;
use faas_lab_provider::api::LogQuery;
use futures_util::StreamExt as _;

use crate::support::{Lab, call};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_a_replica_are_kept_and_followed() {
    let lab = Lab::new().await;
    let name = lab.running("hello", 1).await;
    let replica = lab.only(&name).await;
    let query = LogQuery { function: name.clone(), instance: None, tail: None, since: None, follow: true };
    let followed = tokio::spawn(lab.provider.logs(query).await.expect("a log").map(|l| l.text).collect::<Vec<_>>());
    call(&replica, "lines:100").await;
    lab.provider.retire(&name, replica.number).await.expect("retired");
    lab.until(&name, |f| f.replicas.is_empty()).await;
    let log = lab.log(&name).await;
    assert_eq!(log.last().map(String::as_str), Some("last words"), "{log:?}");
    assert!((0..100).all(|n| log.contains(&format!("line {n}"))));
    lab.provider.remove(&name).await.expect("removed");
    assert_eq!(followed.await.expect("the stream ends with the function"), log);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_for_logs_is_bounded_whatever_is_written() {
    let lab = Lab::with(|options| {
        options.bounds.log_bytes = 4096;
        options.bounds.log_line_bytes = 1024;
    })
    .await;
    let name = lab.running("talker", 1).await;
    let replica = lab.only(&name).await;
    call(&replica, "giant:5000000").await;
    lab.until_logged(&name, "more bytes in this line").await;
    call(&replica, "lines:100000").await;
    lab.until_logged(&name, "line 99999").await;
    let log = lab.log(&name).await;
    assert!(log.iter().map(String::len).sum::<usize>() <= 4096);
    lab.provider.shut_down().await;
}

//! Annotations of any text: retries, queues, schedules and topics are read, or refused with a reason, and soon.
//! The lines are the values, in the order of `KEYS`. Run: `cargo +nightly fuzz run annotations`.
#![no_main]

use std::time::{Duration, SystemTime};

use faas_lab_gateway::triggers::{Timetable, check_subject};
use faas_lab_provider::api::FunctionName;
use faas_lab_queue::{FunctionSettings, RetryPolicy};
use libfuzzer_sys::fuzz_target;

const KEYS: [&str; 9] = [
    "schedule",
    "topic",
    "com.openfaas.queue",
    "com.openfaas.retry.attempts",
    "com.openfaas.retry.codes",
    "com.openfaas.retry.min_wait",
    "com.openfaas.retry.max_wait",
    "com.faas-lab.retry.backoff",
    "com.faas-lab.queue.max-inflight",
];

fuzz_target!(|text: &str| {
    let mut annotations: std::collections::BTreeMap<String, String> =
        KEYS.iter().zip(text.lines()).map(|(key, value)| ((*key).to_owned(), value.to_owned())).collect();
    let (settings, problems) = FunctionSettings::from_annotations(&annotations, &FunctionSettings::default());
    assert!(settings.retry.attempts >= 1 && problems.iter().all(|problem| !problem.is_empty()));
    let RetryPolicy { min_wait, max_wait, .. } = settings.retry;
    assert!(min_wait.max(max_wait) < Duration::from_secs(11 * 365 * 86400));

    let _ = annotations.get("topic").map(|topic| check_subject(topic));
    annotations.insert("topic".to_owned(), "cron-function".to_owned());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_255_230);
    let mut timetable = Timetable::default();
    let problems = timetable.update(&[(FunctionName::parse("f"), annotations)].into(), now);
    match timetable.next() {
        Some(next) => {
            assert!(next > now && problems.is_empty());
            assert_eq!(timetable.take_due(next).len(), 1);
            assert!(timetable.next().is_none_or(|after| after > next));
        }
        None => assert_eq!(problems.len(), 1),
    }
});

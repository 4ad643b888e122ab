//! What a gateway says of its functions while it is under load, look after look: our own page, the API's list, metrics.
//! Looks are told apart by lines of `--`; the first character of each says which of the three it is.
#![no_main]

use faas_lab_loadgen::probe::exposition::samples;
use faas_lab_loadgen::probe::{Course, read_list, read_live, read_metrics};
use faas_lab_model::time::{SimTime, Span};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let functions: Vec<String> = ["f", "g", "h"].map(str::to_owned).into();
    let mut course = Course::new(functions.len(), Span::from_millis(500), 20);
    for (number, look) in text.split("\n--\n").enumerate() {
        assert!(samples(look).all(|sample| !sample.name.is_empty()));
        let mut chars = look.chars();
        let seen = match chars.next() {
            Some('l') => read_live(chars.as_str(), None, &functions),
            Some('a') => read_list(chars.as_str(), &functions),
            _ => read_metrics(chars.as_str(), &functions, Some("fn")),
        };
        if let Some(seen) = seen {
            assert_eq!(seen.len(), functions.len());
            course.enter(SimTime::from_nanos(number as u64 * 300_000_000), &seen);
        }
    }
    let end = SimTime::from_nanos(10_000_000_000);
    assert!(course.series(end).iter().flat_map(|series| &series.values).all(|value| value.is_finite()));
    let _ = (course.all_ready(), course.starts(0), course.ready_mean(1, SimTime::ZERO, end));
});

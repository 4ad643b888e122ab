//! A server's answer to a call, as any server may give it: status, length, headers, and the beginning of its body. What
//! became of the call is settled on every platform. Status and length are the first two lines.
#![no_main]

use faas_lab_loadgen::answer::{Answer, Fault};
use faas_lab_loadgen::target::{Kind, Target, TargetOptions, Timeouts, settle};
use faas_lab_model::time::Span;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let mut number = || lines.next().and_then(|line| line.trim().parse::<u64>().ok());
    let (status, expected, took) = (number(), number(), number().unwrap_or(0));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.by_ref().take(32).filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.trim())) {
            headers.append(name, value);
        }
    }
    let faults = [None, Some(Fault::ClientTimeout), Some(Fault::Closed), Some(Fault::Cut), Some(Fault::Garbage)];
    for kind in [Kind::OpenFaas, Kind::Knative, Kind::Lambda, Kind::Http] {
        let options = TargetOptions { gateway: "http://127.0.0.1:1".into(), kind, ..TargetOptions::default() };
        let Ok(target) = Target::new(&options, &|_| None) else { continue };
        let answer = Answer {
            status: status.and_then(|status| u16::try_from(status).ok()),
            expected,
            received: text.len() as u64,
            took: Span::from_nanos(took),
            signs: target.platform.signs(&headers),
            reason: text.lines().last().map(str::to_owned),
            fault: faults[text.len() % faults.len()],
        };
        for timeouts in [Timeouts::default(), some()] {
            let ending = settle(&*target.platform, &answer, &timeouts);
            assert!(ending.status.is_none_or(|status| answer.status == Some(status)));
        }
    }
});

fn some() -> Timeouts {
    let seconds = |seconds| Some(Span::from_secs(seconds));
    Timeouts {
        gateway_write: seconds(70),
        gateway_upstream: seconds(60),
        provider: seconds(50),
        watchdog_write: seconds(40),
        watchdog_exec: seconds(30),
        streams: true,
    }
}

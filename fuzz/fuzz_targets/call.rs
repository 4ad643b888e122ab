//! What users say of calls: method, path, header and body, a line each, with places for what requests are born with; and
//! the instant of a start.
#![no_main]

use faas_lab_loadgen::payload::{BodySource, Calls, PayloadOptions};
use faas_lab_loadgen::shard::instant;
use faas_lab_loadgen::target::{Kind, Target, TargetOptions};
use faas_lab_model::scenario::{BuiltIn, Scenario};
use libfuzzer_sys::fuzz_target;

const SCENARIO: &str = r#"
duration = "1m"
[function.f]
demand = { exponential = "1ms" }
wait = { exponential = "2ms" }
[[workload]]
function = "f"
request = "100B"
arrivals = { poisson = "1/s" }
"#;

fuzz_target!(|text: &str| {
    let scenario = Scenario::parse("x.toml", SCENARIO, &[], &BuiltIn).expect("valid");
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
    let (method, path, header) = (line(), line(), line());
    let body = line().map_or(BodySource::Workload, |text| BodySource::data(&text));
    let options = PayloadOptions { method, path, headers: header.into_iter().collect(), body };
    for kind in [Kind::OpenFaas, Kind::Http] {
        let target = TargetOptions { gateway: "http://127.0.0.1:1/base".into(), kind, ..TargetOptions::default() };
        let target = Target::new(&target, &|_| None).expect("a target");
        match Calls::new(&*target.platform, &scenario.functions[0], &scenario.workloads[0], &options, scenario.seed) {
            Ok(calls) => {
                let request = calls.request(3);
                assert_eq!(request.url().host_str(), Some("127.0.0.1"), "a path does not lead elsewhere");
                assert_eq!(calls.body(3), calls.body(3));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let _ = instant(text).map_err(|error| error.to_string());
});

//! What parts of a shared load test leave for `merge`: interval logs, one after the other with a byte of zero between them,
//! and ledgers. What is joined can be joined again.
#![no_main]

use std::time::SystemTime;

use faas_lab_loadgen::interval_log::merge;
use faas_lab_loadgen::merge::{LedgerFile, Part, merge as join};
use faas_lab_model::metrics::result::RunResult;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let logs: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let mut joined = Vec::new();
    if merge(&logs, SystemTime::UNIX_EPOCH, &mut joined).is_ok() {
        merge(&[joined], SystemTime::UNIX_EPOCH, std::io::sink()).expect("what is written can be read");
    }
    let texts: Vec<&str> = logs.iter().filter_map(|log| std::str::from_utf8(log).ok()).collect();
    if let [result, ledger, ..] = texts.as_slice()
        && let (Ok(result), Ok(file)) = (RunResult::read(result), serde_json::from_str::<LedgerFile>(ledger))
    {
        let _ = join(vec![Part { name: "part".into(), result, ledger: file.ledger }], "faas-lab merge".into());
    }
});

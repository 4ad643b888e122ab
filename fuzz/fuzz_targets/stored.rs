//! A stored invocation of any bytes is read or refused, and what is read is written again as it was read.
//! Run: `cargo +nightly fuzz run stored`.
#![no_main]

use bytes::Bytes;
use faas_lab_queue::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match decode(&Bytes::copy_from_slice(bytes)) {
        Ok(invocation) => {
            let again = decode(&encode(&invocation)).expect("what was written can be read");
            assert_eq!(format!("{again:?}"), format!("{invocation:?}"));
        }
        Err(error) => drop(error.to_string()),
    }
});

//! An invocation as bytes: in the embedded store and in NATS messages.
//!
//! ```text
//! 1 byte    version, 1
//! 4 bytes   length of the head, little endian
//! head      postcard
//! rest      body, as it came
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Invocation;

const VERSION: u8 = 1;
const PREFIX: usize = 5;

/// Everything but the body.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    call_id: &'a str,
    function: &'a str,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    #[serde(borrow)]
    headers: Vec<(&'a str, &'a [u8])>,
    callback: Option<&'a str>,
    accepted_at_ns: u64,
}

/// Why bytes are no stored invocation.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Written by another version of this crate.
    #[error("it has format {0}, and this build reads format {VERSION}")]
    Version(u8),
    /// They end too early or make no sense.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// Writes an invocation. Its time of acceptance is kept to the nanosecond.
pub fn encode(invocation: &Invocation) -> Bytes {
    let since_1970 = invocation.accepted_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let head = Head {
        call_id: &invocation.call_id,
        function: &invocation.function,
        method: invocation.method.as_str(),
        path: &invocation.path,
        query: &invocation.query,
        headers: invocation.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        callback: invocation.callback.as_deref(),
        accepted_at_ns: u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX),
    };
    let head = postcard::to_stdvec(&head).expect("text, bytes and numbers can be written");
    let mut out = BytesMut::with_capacity(PREFIX + head.len() + invocation.body.len());
    out.put_u8(VERSION);
    out.put_u32_le(u32::try_from(head.len()).expect("a head is far below 4 GiB"));
    out.put_slice(&head);
    out.put_slice(&invocation.body);
    out.freeze()
}

/// Reads an invocation; its body shares the bytes.
pub fn decode(bytes: &Bytes) -> Result<Invocation, DecodeError> {
    let damaged = DecodeError::Damaged;
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&other) => return Err(DecodeError::Version(other)),
        None => return Err(damaged("it is empty")),
    }
    let length = bytes.get(1..PREFIX).ok_or(damaged("it ends before its head"))?;
    let length = u32::from_le_bytes(length.try_into().expect("four bytes were taken")) as usize;
    let end = PREFIX.checked_add(length).ok_or(damaged("its head is longer than memory"))?;
    let head = bytes.get(PREFIX..end).ok_or(damaged("it ends within its head"))?;
    let (head, rest) = postcard::take_from_bytes::<Head<'_>>(head).map_err(|_| damaged("its head cannot be read"))?;
    if !rest.is_empty() {
        return Err(damaged("its head is longer than it says"));
    }
    let mut headers = HeaderMap::with_capacity(head.headers.len().min(1024));
    for (name, value) in head.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| damaged("a header's name is none"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| damaged("a header's value is none"))?;
        headers.try_append(name, value).map_err(|_| damaged("it has too many headers"))?;
    }
    let accepted_at = UNIX_EPOCH.checked_add(Duration::from_nanos(head.accepted_at_ns));
    Ok(Invocation {
        call_id: head.call_id.to_owned(),
        function: head.function.to_owned(),
        method: Method::from_bytes(head.method.as_bytes()).map_err(|_| damaged("its method is none"))?,
        path: head.path.to_owned(),
        query: head.query.to_owned(),
        headers,
        callback: head.callback.map(str::to_owned),
        accepted_at: accepted_at.unwrap_or(SystemTime::UNIX_EPOCH),
        body: bytes.slice(end..),
    })
}

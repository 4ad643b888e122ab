//! `url-search`: is a term in a page? `{"url": …, "term": …}` in, `{"found": true}` out.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::call::{Answer, Call};
use crate::fetch::{FetchError, FetchRules, Fetcher, Wanted};
use crate::public_address::is_public;
use crate::settings::{Lookup, SettingError, duration, flag, number};

/// Bytes of a term.
const TERM_LIMIT: usize = 1000;

pub(crate) struct UrlSearch {
    rules: FetchRules,
    /// Made at the first call: it reads the system's certificates, for which start-up has no time.
    fetcher: std::sync::OnceLock<Fetcher>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    url: String,
    term: String,
}

impl UrlSearch {
    /// From `ALLOW_PRIVATE_URLS` (default false), `FETCH_TIMEOUT` (default 10 s) and `MAX_BYTES` (default 5 MB).
    pub(crate) fn from_settings(lookup: Lookup<'_>) -> Result<UrlSearch, SettingError> {
        let rules = FetchRules {
            open: if flag(lookup, "ALLOW_PRIVATE_URLS")?.unwrap_or(false) { |_| true } else { is_public },
            timeout: duration(lookup, "FETCH_TIMEOUT")?.unwrap_or(Duration::from_secs(10)),
            max_bytes: number(lookup, "MAX_BYTES", 1..=1 << 30)?.unwrap_or(5_000_000),
        };
        Ok(UrlSearch { rules, fetcher: std::sync::OnceLock::new() })
    }

    pub(crate) async fn call(&self, call: &Call) -> Answer {
        let question = match question(&call.body) {
            Ok(question) => question,
            Err(reason) => return Answer::refuse(StatusCode::BAD_REQUEST, reason),
        };
        let fetcher = self.fetcher.get_or_init(|| Fetcher::new(self.rules));
        let mut search = Search::new(question.term.as_bytes());
        match fetcher.read(&question.url, |piece| search.read(piece)).await {
            Ok(()) => Answer::json(&json!({ "found": search.found })),
            Err(error) => {
                let status = match error {
                    FetchError::NotAUrl(_) | FetchError::Scheme(_) => StatusCode::BAD_REQUEST,
                    FetchError::Private(_) => StatusCode::FORBIDDEN,
                    FetchError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
                    FetchError::Redirects | FetchError::TooLarge(_) | FetchError::Failed(_) => StatusCode::BAD_GATEWAY,
                };
                Answer::refuse(status, error.to_string())
            }
        }
    }
}

fn question(body: &[u8]) -> Result<Question, String> {
    const FORM: &str = r#"send {"url": "https://example.org/", "term": "Example"}"#;
    let question: Question = serde_json::from_slice(body).map_err(|error| format!("{error}: {FORM}"))?;
    match question.term.len() {
        0 => Err(format!("the term is empty: {FORM}")),
        1..=TERM_LIMIT => Ok(question),
        length => Err(format!("the term has {length} bytes, {TERM_LIMIT} are allowed")),
    }
}

/// Looks for a term in a text that comes in pieces, and keeps no more of it than the term is long.
struct Search<'a> {
    term: &'a [u8],
    /// The end of what has been read: a term may begin there.
    tail: Vec<u8>,
    found: bool,
}

impl<'a> Search<'a> {
    fn new(term: &'a [u8]) -> Search<'a> {
        Search { term, tail: Vec::new(), found: false }
    }

    fn read(&mut self, piece: &[u8]) -> Wanted {
        self.tail.extend_from_slice(piece);
        self.found |= contains(&self.tail, self.term);
        let keep = self.tail.len().min(self.term.len() - 1);
        self.tail.drain(..self.tail.len() - keep);
        if self.found { Wanted::Enough } else { Wanted::More }
    }
}

/// Jumps from one first byte of the term to the next. A page made to be slow costs its length times the term's.
fn contains(text: &[u8], term: &[u8]) -> bool {
    text.windows(term.len()).any(|window| window[0] == term[0] && window == term)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_question_is_complete_or_told_what_it_lacks() {
        assert!(question(br#"{"url":"http://x","term":"y"}"#).is_ok());
        for wrong in ["", "{}", r#"{"url":"http://x"}"#, r#"{"url":"http://x","term":""}"#, "[]"] {
            assert!(question(wrong.as_bytes()).is_err_and(|reason| reason.contains("term")), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn how_a_page_is_cut_changes_nothing(text in "[ab]{0,40}", term in "[ab]{1,5}", cuts in prop::collection::vec(1usize..9, 1..40)) {
            let mut search = Search::new(term.as_bytes());
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle() {
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                rest = left;
                if search.read(piece) == Wanted::Enough || rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(search.found, text.contains(&term));
        }
    }
}

//! Where functions are: a URL, in which `{function}` may stand for the function's name.

use thiserror::Error;
use url::Url;

/// Stands for a function's name.
const PLACE: &str = "{function}";
/// A host, as long as it stands for the name.
const STAND_IN: &str = "function-name";

/// A URL with or without a place for the function's name.
#[derive(Clone, Debug)]
pub struct Address {
    written: String,
    /// With [`STAND_IN`] for the name.
    url: Url,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It is no URL.
    #[error("{0:?} is no URL ({1}): write http://HOST:PORT, such as http://127.0.0.1:8080")]
    NoUrl(String, String),
    /// Its scheme is not HTTP's.
    #[error("{0:?} is not HTTP: write http:// or https:// before it")]
    Scheme(String),
    /// It has a part that an address has no use for.
    #[error("{0:?} has a query or a fragment: leave out what begins with ? or #, and say it with --path")]
    Query(String),
}

impl Address {
    /// Reads an address. Without a scheme it is `http`, as with `curl`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let text = text.trim();
        let written = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url: Url = written
            .replace(PLACE, STAND_IN)
            .parse()
            .map_err(|error: url::ParseError| AddressError::NoUrl(text.to_owned(), error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(AddressError::Scheme(text.to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Query(text.to_owned()));
        }
        Ok(Address { written, url })
    }

    /// Whether it has a place for the function's name.
    pub fn names_functions(&self) -> bool {
        self.written.contains(PLACE)
    }

    /// The address of `function`, or the address itself if it has no place for a name.
    pub fn of(&self, function: &str) -> Url {
        if !self.names_functions() {
            return self.url.clone();
        }
        // A function's name is a DNS label on every platform; one that is none leaves the place as it is.
        self.written.replace(PLACE, function).parse().unwrap_or_else(|_| self.url.clone())
    }

    /// As written, but for a slash at its end. Take the credentials out first.
    pub fn shown(&self) -> &str {
        self.written.trim_end_matches('/')
    }

    /// Takes user and password out, if it has them.
    pub fn take_credentials(&mut self) -> Option<(String, String)> {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = decode(self.url.username());
        let password = self.url.password().map(decode);
        if user.is_empty() && password.is_none() {
            return None;
        }
        // Only URLs without a host refuse this.
        let _ = self.url.set_username("");
        let _ = self.url.set_password(None);
        let from = self.written.find("://").map_or(0, |scheme| scheme + 3);
        let end = self.written[from..].find(['/', '\\']).map_or(self.written.len(), |end| from + end);
        // The last @ ends them: a password may have one that is not encoded.
        if let Some(at) = self.written[from..end].rfind('@') {
            self.written.replace_range(from..=from + at, "");
        }
        Some((user, password.unwrap_or_default()))
    }
}

/// `base` with `path` below it; `path` begins with a slash or is empty, and may end in a query.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    let joined = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(if joined.is_empty() { "/" } else { &joined });
    url.set_query(query);
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_for_the_name_can_be_in_the_host_or_the_path() {
        let of = |text: &str| Address::parse(text).expect(text).of("hello").to_string();
        assert_eq!(of("http://127.0.0.1:8080/"), "http://127.0.0.1:8080/");
        assert_eq!(of("127.0.0.1:8080"), "http://127.0.0.1:8080/");
        assert_eq!(of("https://{function}.lambda-url.eu-west-1.on.aws"), "https://hello.lambda-url.eu-west-1.on.aws/");
        assert_eq!(of("http://h/api/{function}/run"), "http://h/api/hello/run");
    }

    #[test]
    fn credentials_are_taken_out() {
        let mut address = Address::parse("http://ad%40min:p%3Aw@h:8080/{function}").expect("valid");
        assert_eq!(address.take_credentials(), Some(("ad@min".into(), "p:w".into())));
        assert_eq!(address.of("f").as_str(), "http://h:8080/f");
        assert_eq!(address.take_credentials(), None);
        assert!(!format!("{address:?}").contains("p%3Aw"));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        for (text, word) in [
            ("", "http://HOST:PORT"),
            ("ftp://h", "http://"),
            ("http://h/?a=b", "--path"),
            ("http://h/#x", "--path"),
            ("http://[::1", "no URL"),
            ("http://h:99999", "no URL"),
        ] {
            let error = Address::parse(text).expect_err(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn paths_join_with_one_slash() {
        let join = |base: &str, path| below(&Url::parse(base).expect("valid"), path).to_string();
        assert_eq!(join("http://h", "/function/a"), "http://h/function/a");
        assert_eq!(join("http://h/base/", "/function/a?x=1&y"), "http://h/base/function/a?x=1&y");
        assert_eq!(join("http://h", ""), "http://h/");
        assert_eq!(join("http://h/x", ""), "http://h/x");
    }

    proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC{0,40}|https?://[a-z{}function.:@/?#%0-9-]{0,40}", name in "[a-z0-9-]{1,20}") {
            if let Ok(mut address) = Address::parse(&text) {
                let _ = address.of(&name);
                address.take_credentials();
                prop_assert!(address.of(&name).password().is_none());
            }
        }
    }
}

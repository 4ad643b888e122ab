//! The gateway's password: as given, from the environment, or where `faas-cli login` keeps it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::Deserialize;
use thiserror::Error;

/// A login file is at most this long.
const MOST_BYTES: usize = 1 << 20;

/// User and password, or a token. Neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    header: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// User and password.
    pub fn basic(user: &str, password: &str) -> Credentials {
        Credentials { header: format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))) }
    }

    /// `USER:PASSWORD`, as `curl -u` takes it.
    pub fn parse(text: &str) -> Option<Credentials> {
        let (user, password) = text.split_once(':')?;
        (!user.is_empty()).then(|| Credentials::basic(user, password))
    }

    /// The value of an Authorization header.
    pub fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&self.header).unwrap_or(HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        value
    }
}

/// Why a login file cannot be used.
#[derive(Debug, Error)]
pub enum LoginError {
    /// It is not as faas-cli writes it. What it says instead is not shown, as it may be a password.
    #[error("it is no login file of faas-cli (line {0}): remove it and run faas-cli login again")]
    Form(u64),
    /// It is too long.
    #[error("{0} bytes are more than the {MOST_BYTES} that a login file may have")]
    TooLong(usize),
    /// What it says of this gateway cannot be read.
    #[error("its token for {0} is no USER:PASSWORD in base64: run faas-cli login again")]
    Token(String),
    /// It has another kind of login for this gateway.
    #[error("its login for {gateway} is of kind {kind:?}: basic and oauth2 are understood")]
    Kind {
        /// The gateway.
        gateway: String,
        /// As written.
        kind: String,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: Option<Vec<Login>>,
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    auth: String,
    #[serde(default)]
    token: String,
}

/// What a login file (`~/.openfaas/config.yml`) says of `gateway`; `None` if it does not name it.
///
/// # Errors
/// If it is no such file, or its entry for the gateway cannot be used.
pub fn credentials_in(text: &str, gateway: &str) -> Result<Option<Credentials>, LoginError> {
    if text.len() > MOST_BYTES {
        return Err(LoginError::TooLong(text.len()));
    }
    if text.trim().is_empty() {
        return Ok(None);
    }
    let file: Option<File> =
        serde_saphyr::from_str(text).map_err(|error| LoginError::Form(error.location().map_or(1, |at| at.line())))?;
    let same = |other: &str| plain(other) == plain(gateway);
    let logins = file.and_then(|file| file.auths).unwrap_or_default();
    let Some(login) = logins.into_iter().find(|login| same(&login.gateway)) else { return Ok(None) };
    match login.auth.as_str() {
        "basic" | "" => {
            let decoded = STANDARD.decode(login.token.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let credentials = decoded.and_then(|decoded| Credentials::parse(&decoded));
            credentials.map(Some).ok_or(LoginError::Token(login.gateway))
        }
        "oauth2" if login.token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(Credentials { header: format!("Bearer {}", login.token) }))
        }
        _ => Err(LoginError::Kind { gateway: login.gateway, kind: login.auth }),
    }
}

/// faas-cli writes gateways as they were typed.
fn plain(gateway: &str) -> String {
    let url = gateway.trim().trim_end_matches('/').to_ascii_lowercase();
    url.strip_prefix("http://").map(str::to_owned).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "auths:\n- gateway: http://127.0.0.1:8080\n  auth: basic\n  token: YWRtaW46cGE6c3M=\n  options: []\n\
                        - gateway: https://faas.example.com\n  auth: oauth2\n  token: abc.def\n";

    #[test]
    fn a_gateway_is_found_as_it_was_typed_or_nearly() {
        let expected = Credentials::basic("admin", "pa:ss");
        for gateway in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/", "HTTP://127.0.0.1:8080", "127.0.0.1:8080"] {
            assert_eq!(credentials_in(FILE, gateway).expect("valid"), Some(expected.clone()), "{gateway}");
        }
        assert_eq!(credentials_in(FILE, "http://127.0.0.1:8081").expect("valid"), None);
        let token = credentials_in(FILE, "https://faas.example.com").expect("valid").expect("there");
        assert_eq!(token.header(), "Bearer abc.def");
        assert!(!format!("{expected:?} {:?}", expected.header()).contains("YWRt"), "it is not printed");
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (text, word) in [
            ("auths: 3", "login file"),
            ("[", "login file"),
            ("auths:\n- gateway: h\n  auth: basic\n  token: '%'", "faas-cli login"),
            ("auths:\n- gateway: h\n  auth: basic\n  token: bm9jb2xvbg==", "faas-cli login"),
            ("auths:\n- gateway: h\n  auth: saml\n  token: x", "saml"),
        ] {
            let error = credentials_in(text, "h").expect_err(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        for nothing in ["", "\n", "auths:", "auths: []", "other: 1"] {
            assert_eq!(credentials_in(nothing, "h").expect(nothing), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC{0,60}|([a-z:\\-\\[\\]{}&* \n#'\"=]|auths:\n|- gateway: h\n|  token: ){0,40}") {
            let _ = credentials_in(&text, "h");
        }

        #[test]
        fn what_faas_cli_writes_is_read(user in "[a-z]{1,9}", password in "[ -~]{0,20}") {
            let token = STANDARD.encode(format!("{user}:{password}"));
            let text = format!("auths:\n- gateway: http://h:1\n  auth: basic\n  token: {token}\n");
            prop_assert_eq!(credentials_in(&text, "http://h:1").expect("valid"), Some(Credentials::basic(&user, &password)));
        }
    }
}

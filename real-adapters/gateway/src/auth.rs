//! Basic authentication of `/system`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::options::Credentials;

/// Whether the request names the right user and password. The time it takes tells nothing of how nearly they are right.
pub(crate) fn is_allowed(credentials: &Credentials, headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(header::AUTHORIZATION).and_then(|value| basic(value.as_bytes())) else {
        return false;
    };
    let colon = given.iter().position(|byte| *byte == b':');
    let (user, password) = match colon {
        Some(at) => (&given[..at], &given[at + 1..]),
        None => (given.as_slice(), &[][..]),
    };
    // Both are compared, whatever the first comparison says.
    let user = user.ct_eq(credentials.user.as_bytes());
    let password = password.ct_eq(credentials.password.as_bytes());
    (user & password).into()
}

/// What a `Basic` header carries.
fn basic(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode(encoded.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(header: &str) -> bool {
        let credentials = Credentials { user: "admin".into(), password: "s:cret".into() };
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, header.parse().expect("a header"));
        is_allowed(&credentials, &headers)
    }

    #[test]
    fn only_the_right_pair_is_let_in() {
        let header = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        assert!(allowed(&header("admin:s:cret")), "a password may have a colon");
        assert!(allowed(&header("admin:s:cret").replace("Basic", "bAsIc")));
        for wrong in ["admin:s:cre", "admin:s:cret ", "admin", "", ":", "Admin:s:cret", "admin:", "s:cret:admin"] {
            assert!(!allowed(&header(wrong)), "{wrong}");
        }
        for garbage in ["Basic", "Basic ", "Basic %%%", "Bearer x", "é", "Basic YWRtaW4"] {
            assert!(!allowed(garbage), "{garbage}");
        }
        assert!(!is_allowed(&Credentials { user: "a".into(), password: "b".into() }, &HeaderMap::new()));
    }

    #[test]
    fn credentials_are_not_printed() {
        let credentials = Credentials { user: "admin".into(), password: "s3cret".into() };
        assert_eq!(format!("{credentials:?}"), "Credentials");
    }
}

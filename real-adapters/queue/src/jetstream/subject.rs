//! Names of subjects and consumers.

/// Names under one prefix.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    prefix: String,
}

impl Subjects {
    /// `None` if this cannot name a stream.
    pub(super) fn new(prefix: &str) -> Option<Subjects> {
        let fits = !prefix.is_empty() && prefix.bytes().all(is_plain);
        fits.then(|| Subjects { prefix: prefix.to_owned() })
    }

    pub(super) fn all_invocations(&self) -> String {
        format!("{}.invoke.>", self.prefix)
    }

    pub(super) fn all_dead(&self) -> String {
        format!("{}.dead.>", self.prefix)
    }

    pub(super) fn invocation(&self, queue: &str, function: &str) -> String {
        format!("{}.invoke.{}.{}", self.prefix, token(queue), token(function))
    }

    pub(super) fn dead(&self, function: &str) -> String {
        format!("{}.dead.{}", self.prefix, token(function))
    }

    /// Queue and function of an invocation's subject.
    pub(super) fn parse_invocation(&self, subject: &str) -> Option<(String, String)> {
        let (queue, function) = subject.strip_prefix(&self.prefix)?.strip_prefix(".invoke.")?.split_once('.')?;
        Some((untoken(queue)?, untoken(function)?))
    }
}

/// The durable consumer of a queue and a function.
pub(super) fn consumer(queue: &str, function: &str) -> String {
    format!("{}=={}", token(queue), token(function))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Any text as one part of a subject: what could mean something to NATS is written `=XX`.
fn token(text: &str) -> String {
    let mut token = String::with_capacity(text.len() + 4);
    for byte in text.bytes() {
        if is_plain(byte) {
            token.push(char::from(byte));
        } else {
            token.push_str(&format!("={byte:02X}"));
        }
    }
    token
}

fn untoken(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'=' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_function_has_one_token_and_comes_back() {
        let subjects = Subjects::new("lab").expect("a plain prefix");
        for function in ["f.openfaas-fn", "a b*>.ü", "=", ""] {
            let subject = subjects.invocation("default", function);
            assert_eq!(subject.split('.').count(), 4, "{subject}");
            assert_eq!(subjects.parse_invocation(&subject), Some(("default".to_owned(), function.to_owned())));
        }
        assert_eq!(subjects.parse_invocation("lab.invoke.q.=4"), None);
        assert!(Subjects::new("a.b").is_none());
    }
}

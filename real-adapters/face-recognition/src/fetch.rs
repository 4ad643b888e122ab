//! Fetches the picture that a request names by URL, from the public internet only.
//!
//! A name is resolved by this module's own resolver, and the connection goes to the addresses that it checked: a name
//! that answers differently the second time gains nothing. Each redirect passes the same checks.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, LOCATION},
    redirect::Policy,
};
use tokio::sync::Semaphore;
use url::{Host, Url};

use crate::{
    address::is_public,
    room::{Held, NoRoom},
};

/// Names looked up at a time. Each takes a thread until the system's resolver gives up, which no timeout of ours shortens:
/// more of them would take the threads that pictures are worked on.
pub const LOOKUPS: usize = 4;

/// What may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// Whether addresses that are not public may be fetched from.
    pub allow_private: bool,
    /// Bytes of the picture.
    pub max_bytes: usize,
    /// From the first look-up to the last byte.
    pub timeout: Duration,
    /// How many times a server may send us on.
    pub max_redirects: usize,
}

/// Why a picture could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a URL, or not one of the web.
    #[error("`{url}` is not fetched: {why}")]
    BadUrl {
        /// As it was written.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// It leads to this machine or a local network.
    #[error("{0} is not fetched: it is no public address (ALLOW_PRIVATE_URLS=true allows it)")]
    NotPublic(String),
    /// More bytes than allowed.
    #[error("the picture at {url} is longer than the {limit} bytes allowed")]
    TooLong {
        /// Where.
        url: Url,
        /// Bytes.
        limit: usize,
    },
    /// Other pictures fill the memory.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// Sent on and on.
    #[error("{url} redirects more than {limit} times")]
    TooManyRedirects {
        /// Where it began.
        url: Url,
        /// Times.
        limit: usize,
    },
    /// The server did not answer with a picture.
    #[error("{url} answered {status}")]
    Status {
        /// Where.
        url: Url,
        /// With what.
        status: u16,
    },
    /// It took too long.
    #[error("{url} was not fetched within {limit:?}")]
    TimedOut {
        /// Where.
        url: Url,
        /// How long it may take.
        limit: Duration,
    },
    /// It could not be reached.
    #[error("{url} cannot be fetched: {why}")]
    Unreachable {
        /// Where.
        url: Url,
        /// Why.
        why: String,
    },
}

/// Fetches pictures.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client,
    limits: FetchLimits,
}

impl Fetcher {
    /// A fetcher with its own connections.
    pub fn new(limits: FetchLimits) -> Self {
        // An error says that another provider is already there, which will do as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lookups = Arc::new(Semaphore::new(LOOKUPS));
        let resolver = CheckedResolver { allow_private: limits.allow_private, lookups };
        let client = Client::builder()
            .redirect(Policy::none())
            // A proxy would resolve names itself, where nobody checks them.
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            .pool_max_idle_per_host(0)
            .user_agent(concat!("faas-lab-face/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("a client without certificates or proxies of its own can be built");
        Self { client, limits }
    }

    /// The bytes at `url`, which are added to those that the request holds.
    pub async fn fetch(&self, url: &str, held: &mut Held) -> Result<Vec<u8>, FetchError> {
        let start = self.checked(url, None)?;
        let limit = self.limits.timeout;
        tokio::time::timeout(limit, self.follow(start.clone(), held))
            .await
            .unwrap_or(Err(FetchError::TimedOut { url: start, limit }))
    }

    async fn follow(&self, start: Url, held: &mut Held) -> Result<Vec<u8>, FetchError> {
        let mut url = start.clone();
        for _ in 0..=self.limits.max_redirects {
            let request = self.client.get(url.clone()).header(ACCEPT, "image/jpeg, image/png, image/webp");
            let mut response = request.send().await.map_err(|error| unreachable(&url, &error))?;
            if response.status().is_redirection()
                && let Some(location) = response.headers().get(LOCATION).and_then(|value| value.to_str().ok())
            {
                url = self.checked(location, Some(&url))?;
                continue;
            }
            if !response.status().is_success() {
                return Err(FetchError::Status { url, status: response.status().as_u16() });
            }
            let limit = self.limits.max_bytes;
            let too_long = |url: &Url| FetchError::TooLong { url: url.clone(), limit };
            if response.content_length().is_some_and(|length| length > limit as u64) {
                return Err(too_long(&url));
            }
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&url, &error))? {
                if bytes.len() + chunk.len() > limit {
                    return Err(too_long(&url));
                }
                held.add(chunk.len())?;
                bytes.extend_from_slice(&chunk);
            }
            return Ok(bytes);
        }
        Err(FetchError::TooManyRedirects { url: start, limit: self.limits.max_redirects })
    }

    /// What can be said of a URL, or of one that it redirects to, before its name is resolved.
    pub fn checked(&self, text: &str, base: Option<&Url>) -> Result<Url, FetchError> {
        let bad = |why: String| FetchError::BadUrl { url: text.chars().take(200).collect(), why };
        let url =
            base.map_or_else(|| Url::parse(text), |base| base.join(text)).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("its scheme is {}, not http or https", url.scheme())));
        }
        // Addresses are not resolved, so they are checked here. The parser has made 0x7f.1 and 2130706433 into 127.0.0.1.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        match address {
            Some(address) if !self.limits.allow_private && !is_public(address) => {
                Err(FetchError::NotPublic(address.to_string()))
            }
            _ => Ok(url),
        }
    }
}

/// Resolves names, and lets only public addresses through.
struct CheckedResolver {
    allow_private: bool,
    lookups: Arc<Semaphore>,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allow_private, lookups) = (self.allow_private, self.lookups.clone());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await?;
            let looked_up = name.as_str().to_owned();
            // The permit goes with the thread: it is free again when that is, not when the request's time is over.
            let found = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                (looked_up, 0).to_socket_addrs().map(|found| found.collect::<Vec<SocketAddr>>())
            });
            let found = found.await??;
            let secret = found.iter().find(|address| !allow_private && !is_public(address.ip()));
            if let Some(address) = secret {
                return Err(FetchError::NotPublic(format!("{} ({})", name.as_str(), address.ip())).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The innermost cause says most; ours, where the resolver refused, says it all.
fn unreachable(url: &Url, error: &reqwest::Error) -> FetchError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
        if let Some(FetchError::NotPublic(what)) = cause.downcast_ref() {
            return FetchError::NotPublic(what.clone());
        }
    }
    FetchError::Unreachable { url: url.clone(), why: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_up_waits_for_those_before_it() {
        let lookups = Arc::new(Semaphore::new(0));
        let resolver = CheckedResolver { allow_private: true, lookups: lookups.clone() };
        let mut found = resolver.resolve("localhost".parse().expect("a name"));
        tokio::select! {
            biased;
            _ = &mut found => panic!("it took a thread that is not free"),
            () = tokio::task::yield_now() => {}
        }
        lookups.add_permits(1);
        assert!(found.await.expect("it is in /etc/hosts").all(|address| address.ip().is_loopback()));
        assert_eq!(lookups.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused() {
        let lookups = Arc::new(Semaphore::new(1));
        let resolver = CheckedResolver { allow_private: false, lookups };
        let refused = resolver.resolve("localhost".parse().expect("a name")).await.err().expect("it is not public");
        assert!(refused.to_string().starts_with("localhost ("), "{refused}");
    }
}

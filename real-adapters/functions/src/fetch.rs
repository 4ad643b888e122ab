//! Fetches pages for strangers: http and https only, within bounds of size and time, and, unless it is allowed, from
//! public addresses only. The address that is checked is the one that is connected to, at each redirect anew.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, header, redirect};
use thiserror::Error;
use url::{Host, Url};

/// Redirects that are followed.
const REDIRECTS: usize = 5;

/// What may be fetched, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchRules {
    /// Whether an address may be asked.
    pub(crate) open: fn(IpAddr) -> bool,
    /// For the page as a whole, redirects included.
    pub(crate) timeout: Duration,
    /// Bytes of the body.
    pub(crate) max_bytes: usize,
}

/// Why a page could not be had.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    #[error("{0:?} is not a URL: write it in full, such as https://example.org/page")]
    NotAUrl(String),
    #[error("{0}: URLs are not fetched, only http and https")]
    Scheme(String),
    #[error("{0} is a private or local address, which is not fetched unless ALLOW_PRIVATE_URLS=true")]
    Private(String),
    #[error("more than {REDIRECTS} redirects")]
    Redirects,
    #[error("the page did not come within {0:?}")]
    TimedOut(Duration),
    #[error("the page is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the page cannot be fetched: {0}")]
    Failed(String),
}

/// A client that keeps to the rules.
pub(crate) struct Fetcher {
    client: Client,
    rules: FetchRules,
}

impl Fetcher {
    pub(crate) fn new(rules: FetchRules) -> Fetcher {
        let client = client_builder()
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(Resolver { open: rules.open }))
            .build()
            .expect("a client with constant settings can be built");
        Fetcher { client, rules }
    }

    /// Hands the page's body to `reader`, piece by piece, until it says that it has seen enough.
    pub(crate) async fn read(&self, url: &str, reader: impl FnMut(&[u8]) -> Wanted) -> Result<(), FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::NotAUrl(url.chars().take(200).collect()))?;
        let fetched = tokio::time::timeout(self.rules.timeout, self.read_all(url, reader)).await;
        fetched.unwrap_or(Err(FetchError::TimedOut(self.rules.timeout)))
    }

    async fn read_all(&self, url: Url, mut reader: impl FnMut(&[u8]) -> Wanted) -> Result<(), FetchError> {
        let mut response = self.follow(url).await?;
        if !response.status().is_success() {
            return Err(FetchError::Failed(format!("it answered {}", response.status())));
        }
        let mut left = self.rules.max_bytes;
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            // What is beyond the bound is not looked at, so that the answer does not depend on how the page is cut.
            let within = &chunk[..chunk.len().min(left)];
            if reader(within) == Wanted::Enough {
                return Ok(());
            }
            left = left.checked_sub(chunk.len()).ok_or(FetchError::TooLarge(self.rules.max_bytes))?;
        }
        Ok(())
    }

    async fn follow(&self, mut url: Url) -> Result<Response, FetchError> {
        for _ in 0..=REDIRECTS {
            self.check(&url)?;
            let response = self.client.get(url.clone()).send().await.map_err(failed)?;
            let location = response.headers().get(header::LOCATION);
            let Some(location) = location.filter(|_| response.status().is_redirection()) else { return Ok(response) };
            let location = String::from_utf8_lossy(location.as_bytes());
            url = url.join(&location).map_err(|_| FetchError::NotAUrl(location.into_owned()))?;
        }
        Err(FetchError::Redirects)
    }

    /// Names are checked by the resolver; addresses never come to it.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme(url.scheme().to_owned()));
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(FetchError::NotAUrl(url.to_string())),
        };
        if (self.rules.open)(address) { Ok(()) } else { Err(FetchError::Private(address.to_string())) }
    }
}

/// Whether more of a page is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    More,
    Enough,
}

/// A client without proxies from the environment: they would fetch what is refused here.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    // It fails if there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().user_agent(concat!("faas-lab/", env!("CARGO_PKG_VERSION")))
}

/// The refusal that the resolver made, if it did; else the whole chain of reasons.
fn failed(error: reqwest::Error) -> FetchError {
    let mut causes = Vec::new();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(Closed(name)) = error.downcast_ref() {
            return FetchError::Private(name.clone());
        }
        causes.push(error.to_string());
        cause = error.source();
    }
    causes.dedup();
    FetchError::Failed(causes.join(": "))
}

/// Resolves names to addresses that may be asked.
struct Resolver {
    open: fn(IpAddr) -> bool,
}

/// A name that has no address which may be asked.
#[derive(Debug)]
struct Closed(String);

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is private or local", self.0)
    }
}

impl Error for Closed {}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let open = self.open;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.filter(|found| open(found.ip())).collect();
            if found.is_empty() {
                return Err(Closed(name.as_str().to_owned()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::public_address::is_public;

    /// The loopback's first address stands for the internet, all others for what is private.
    fn rules() -> FetchRules {
        FetchRules {
            open: |address| address == IpAddr::from([127, 0, 0, 1]) || is_public(address),
            timeout: Duration::from_secs(20),
            max_bytes: 1000,
        }
    }

    /// Answers every connection with `response`, in which PORT is replaced by the server's own.
    async fn server(response: &str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let response = response.replace("PORT", &port.to_string());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(response.as_bytes()).await;
            }
        });
        port
    }

    async fn read(rules: FetchRules, url: &str) -> Result<String, FetchError> {
        let mut page = Vec::new();
        let reading = |piece: &[u8]| {
            page.extend_from_slice(piece);
            Wanted::More
        };
        Fetcher::new(rules).read(url, reading).await?;
        Ok(String::from_utf8(page).unwrap())
    }

    fn to(location: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    }

    const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage";

    #[tokio::test]
    async fn pages_come_over_redirects_too() {
        let page = server(PAGE).await;
        assert_eq!(read(rules(), &format!("http://127.0.0.1:{page}/")).await.unwrap(), "page");
        let redirect = server(&to(&format!("//127.0.0.1:{page}/x"))).await;
        assert_eq!(read(rules(), &format!("http://127.0.0.1:{redirect}/")).await.unwrap(), "page");
    }

    #[tokio::test]
    async fn a_private_address_is_refused_however_it_is_come_by() {
        let closed = FetchRules { open: is_public, ..rules() };
        let page = server(PAGE).await;
        for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"] {
            let url = format!("http://{host}:{page}/");
            assert!(matches!(read(closed, &url).await, Err(FetchError::Private(_))), "{host}");
        }
        for location in ["http://127.0.0.2:PORT/", "http://169.254.169.254/latest/meta-data", "//10.0.0.1/"] {
            let redirect = server(&to(location)).await;
            let fetched = read(rules(), &format!("http://127.0.0.1:{redirect}/")).await;
            assert!(matches!(fetched, Err(FetchError::Private(_))), "{location}: {fetched:?}");
        }
    }

    #[tokio::test]
    async fn other_schemes_are_refused() {
        for url in ["file:///etc/passwd", "ftp://example.org/", "gopher://example.org/", "javascript:1"] {
            assert!(matches!(read(rules(), url).await, Err(FetchError::Scheme(_))), "{url}");
        }
        for url in ["", "example.org", "http://", "/etc/passwd"] {
            assert!(matches!(read(rules(), url).await, Err(FetchError::NotAUrl(_))), "{url}");
        }
        let redirect = server(&to("file:///etc/passwd")).await;
        let fetched = read(rules(), &format!("http://127.0.0.1:{redirect}/")).await;
        assert!(matches!(fetched, Err(FetchError::Scheme(_))));
    }

    #[tokio::test]
    async fn what_never_ends_is_cut() {
        let circle = server(&to("http://127.0.0.1:PORT/")).await;
        assert!(matches!(read(rules(), &format!("http://127.0.0.1:{circle}/")).await, Err(FetchError::Redirects)));
        let long = server(&format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(1001))).await;
        assert!(matches!(read(rules(), &format!("http://127.0.0.1:{long}/")).await, Err(FetchError::TooLarge(1000))));
        let silent = server("").await;
        let failed = read(rules(), &format!("http://127.0.0.1:{silent}/")).await;
        assert!(matches!(failed, Err(FetchError::Failed(_))), "{failed:?}");
        let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", mute.local_addr().unwrap());
        let hasty = FetchRules { timeout: Duration::from_millis(50), ..rules() };
        assert!(matches!(read(hasty, &url).await, Err(FetchError::TimedOut(_))));
    }

    #[tokio::test]
    async fn an_error_page_is_no_page() {
        let gone = server("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage").await;
        let error = read(rules(), &format!("http://127.0.0.1:{gone}/")).await.unwrap_err();
        assert!(error.to_string().contains("404"), "{error}");
    }
}

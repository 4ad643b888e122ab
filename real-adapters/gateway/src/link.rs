//! The way to one replica: its name and its kept connections.

use faas_lab_http::{Client, ClientOptions, Endpoint};
use http::HeaderValue;

/// The way to one replica.
pub(crate) struct Link {
    /// How it is called: `hello-3`.
    pub(crate) identity: HeaderValue,
    pub(crate) client: Client,
}

impl Link {
    pub(crate) fn new(identity: HeaderValue, endpoint: &Endpoint) -> Link {
        Link { identity, client: Client::new(endpoint.clone(), ClientOptions::default()) }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }
}

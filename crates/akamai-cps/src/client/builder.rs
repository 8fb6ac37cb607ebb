//! Builds a client: where it sends requests, which budget it uses, and who hears of them. [`Transport`] has the
//! HTTP side.

use std::sync::Arc;
use std::time::Duration;

use sha2::Digest as _;
use url::Url;

use super::{Client, Identity, Inner, Observer, Permit};
use crate::budget::{Budget, Turns};
use crate::edgegrid::{Credentials, Signer};
use crate::error::BuildError;
use crate::transport::{Transport, TransportBuilder};

/// Builds a [`Client`].
pub struct ClientBuilder {
    credentials: Credentials,
    base_url: Option<String>,
    transport: TransportBuilder,
    shared_transport: Option<Transport>,
    budget: Option<Arc<Budget>>,
    turns: Option<Arc<Turns>>,
    observer: Option<Observer>,
    permit: Option<Permit>,
    fallback_pause: Duration,
}

impl ClientBuilder {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            base_url: None,
            transport: Transport::builder(),
            shared_transport: None,
            budget: None,
            turns: None,
            observer: None,
            permit: None,
            fallback_pause: Duration::from_secs(60),
        }
    }

    /// Sends requests to another server than the credentials' host, such as a simulator. The URL has a scheme and a
    /// host, and optionally a port. Requests are signed for this host.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Trusts the certificate authorities of this PEM text in addition to the system's. May be called more than once.
    #[must_use]
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.transport = self.transport.root_certificate_pem(pem);
        self
    }

    /// Sends through a transport that other clients share. The timeouts, `User-Agent` and authorities of the
    /// transport replace those of this builder.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.shared_transport = Some(transport);
        self
    }

    /// The budget for the calls of CPS. Without it, the client has its own: 25 a minute, with bursts of 10.
    #[must_use]
    pub fn budget(mut self, budget: Arc<Budget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The budget and the turns for the calls of Edge DNS, shared by all clients of the account. Without it, the
    /// client has its own.
    #[must_use]
    pub fn edge_dns_turns(mut self, turns: Arc<Turns>) -> Self {
        self.turns = Some(turns);
        self
    }

    /// How long a request may take from sending to the end of the answer (60 s). Waiting for the budget does not
    /// count.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.transport = self.transport.timeout(timeout);
        self
    }

    /// How long connecting may take (10 s).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.transport = self.transport.connect_timeout(timeout);
        self
    }

    /// The `User-Agent` header.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.transport = self.transport.user_agent(user_agent);
        self
    }

    /// Is called after every request that went out.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Is asked right before each request goes out, including repeated ones.
    #[must_use]
    pub fn permit(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// How long the budget pauses when Akamai rejects a request without saying for how long (60 s).
    #[must_use]
    pub fn fallback_pause(mut self, pause: Duration) -> Self {
        self.fallback_pause = pause;
        self
    }

    /// Builds the client, without opening a connection.
    ///
    /// # Errors
    /// The base URL or a certificate is malformed, or TLS cannot be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let url = self.base_url.unwrap_or_else(|| format!("https://{}", self.credentials.host));
        let base = base_url(&url).ok_or_else(|| BuildError::BaseUrl(url.chars().take(200).collect()))?;
        let transport = match self.shared_transport {
            Some(shared) => shared,
            None => self.transport.build()?,
        };
        let identity = self.credentials.digest().chain_update(base.as_str()).finalize();
        Ok(Client {
            inner: Arc::new(Inner {
                identity: Identity(identity.into()),
                http: transport.http,
                signer: Signer::new(self.credentials),
                base,
                budget: self.budget.unwrap_or_else(|| Budget::new(25, 10)),
                turns: self.turns.unwrap_or_default(),
                observer: self.observer,
                permit: self.permit,
                fallback_pause: self.fallback_pause,
            }),
        })
    }
}

/// Parses a URL that has only a scheme and an authority.
fn base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(host: &str, [token, secret, access]: [&str; 3], key: Option<&str>) -> Identity {
        let credentials = Credentials::new(host, token, secret, access).unwrap();
        let credentials = credentials.with_account_key(key.map(str::to_owned));
        Client::builder(credentials).build().unwrap().identity()
    }

    #[test]
    fn a_client_is_the_same_as_another_when_host_credentials_and_account_are() {
        let one = identity("h.example", ["t", "s", "a"], None);
        assert_eq!(one, identity("https://H.example/", ["t", "s", "a"], Some("")));
        let others = [
            identity("g.example", ["t", "s", "a"], None),
            identity("h.example", ["ts", "s", "a"], None),
            identity("h.example", ["t", "s2", "a"], None),
            identity("h.example", ["t", "s", "aa"], None),
            identity("h.example", ["s", "t", "a"], None),
            identity("h.example", ["t", "s", "a"], Some("1-ABC")),
        ];
        assert!(others.iter().all(|other| *other != one));
    }
}

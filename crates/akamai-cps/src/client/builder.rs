//! Building a client: where it calls, whom it trusts, how long it waits.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Client, Inner, Observer, Permit};
use crate::budget::Budget;
use crate::edge_dns::Turns;
use crate::edgegrid::{Credentials, Signer};

/// Why no client can be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The base URL is not one.
    #[error("`{0}` is no base URL: give scheme and host only, such as https://cps.example.com:8443")]
    BaseUrl(String),
    /// The additional certificate authority cannot be read.
    #[error("the additional certificate authority is no PEM certificate")]
    RootCertificate,
    /// TLS cannot be set up.
    #[error(
        "the HTTP client cannot be set up ({0}); check that the system's certificate authorities are installed"
    )]
    Http(String),
}

/// Builds a [`Client`].
pub struct ClientBuilder {
    credentials: Credentials,
    base_url: Option<String>,
    root_certificates: Vec<Vec<u8>>,
    budget: Option<Arc<Budget>>,
    turns: Option<Arc<Turns>>,
    timeout: Duration,
    connect_timeout: Duration,
    user_agent: String,
    observer: Option<Observer>,
    permit: Option<Permit>,
    fallback_pause: Duration,
}

impl ClientBuilder {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            base_url: None,
            root_certificates: Vec::new(),
            budget: None,
            turns: None,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            observer: None,
            permit: None,
            fallback_pause: Duration::from_secs(60),
        }
    }

    /// Calls another server than the credentials' host, such as a simulator: scheme and host, with a port if need be.
    /// Requests are signed for what they are sent to.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Trusts the certificate authorities of this PEM text besides the system's. May be called more than once.
    #[must_use]
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// The budget the calls of CPS queue in; without one the client has its own of 25 a minute with bursts of 10.
    #[must_use]
    pub fn budget(mut self, budget: Arc<Budget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// What the calls of Edge DNS queue in, to be shared by all clients of the account; without it the client has its
    /// own.
    #[must_use]
    pub fn edge_dns_turns(mut self, turns: Arc<Turns>) -> Self {
        self.turns = Some(turns);
        self
    }

    /// How long a request may take from sending to the end of the answer (60 s). Waiting for the budget comes on top.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long connecting may take (10 s).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// What is sent as `User-Agent`.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Told of every request that went out.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Asked right before each request goes out, repeated ones included.
    #[must_use]
    pub fn permit(mut self, permit: Permit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// How long the budget pauses when Akamai turns a request away without saying for how long (60 s).
    #[must_use]
    pub fn fallback_pause(mut self, pause: Duration) -> Self {
        self.fallback_pause = pause;
        self
    }

    /// Builds the client. Opens no connection.
    ///
    /// # Errors
    /// The base URL or a certificate is malformed, or TLS cannot be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let url = self.base_url.unwrap_or_else(|| format!("https://{}", self.credentials.host));
        let base = base_url(&url).ok_or_else(|| BuildError::BaseUrl(url.chars().take(200).collect()))?;
        let mut roots = Vec::new();
        for pem in &self.root_certificates {
            let certificates =
                reqwest::Certificate::from_pem_bundle(pem).map_err(|_| BuildError::RootCertificate)?;
            if certificates.is_empty() {
                return Err(BuildError::RootCertificate);
            }
            roots.extend(certificates);
        }
        let mut http = reqwest::Client::builder()
            .user_agent(self.user_agent)
            .timeout(self.timeout)
            .connect_timeout(self.connect_timeout)
            // A connection the server is about to close would cost a write its answer.
            .pool_idle_timeout(Duration::from_secs(15))
            // Both would send a signature a second time, or to somewhere else.
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if !roots.is_empty() {
            http = http.tls_certs_merge(roots);
        }
        let http = http.build().map_err(|error| BuildError::Http(super::answer::reason(&error)))?;
        Ok(Client {
            inner: Arc::new(Inner {
                http,
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

/// A URL of scheme and authority and nothing else.
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

//! The HTTP side of clients: connections, timeouts and trusted authorities. `answer` reads what comes back.

mod answer;

use std::time::Duration;

use crate::error::BuildError;
pub(crate) use answer::{Answer, Loss, read, reason};

/// Connections that the clients of several accounts may share. Building one reads the system's certificate
/// authorities, which blocks for tens of milliseconds. A clone costs nothing. Each request is signed separately, so
/// sharing mixes no credentials.
#[derive(Clone, Debug)]
pub struct Transport {
    pub(crate) http: reqwest::Client,
}

/// Builds a [`Transport`].
#[derive(Clone, Debug)]
pub struct TransportBuilder {
    root_certificates: Vec<Vec<u8>>,
    timeout: Duration,
    connect_timeout: Duration,
    user_agent: String,
}

impl Transport {
    /// Begins to build a transport.
    #[must_use]
    pub fn builder() -> TransportBuilder {
        TransportBuilder {
            root_certificates: Vec::new(),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl TransportBuilder {
    /// Trusts the certificate authorities of this PEM text in addition to the system's. May be called more than once.
    #[must_use]
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// How long a request may take from sending to the end of the answer (60 s).
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

    /// The `User-Agent` header.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Builds the transport, without opening a connection.
    ///
    /// # Errors
    /// A certificate is malformed, or TLS cannot be set up.
    pub fn build(self) -> Result<Transport, BuildError> {
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
            // If the server is about to close the connection, a write would lose its answer.
            .pool_idle_timeout(Duration::from_secs(15))
            // Both would send a signature a second time, or to another host.
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if !roots.is_empty() {
            http = http.tls_certs_merge(roots);
        }
        let http = http.build().map_err(|error| BuildError::Http(reason(&error)))?;
        Ok(Transport { http })
    }
}

//! The certificate authority behind CPS: an ACME server, or the simulator's own root.

mod acme;
mod fetch;
mod own;
mod transport;

use std::sync::Arc;

use crate::config::AcmeDirectory;
use crate::model::{Challenge, Domain};

pub use fetch::FetchSetupError;
pub(crate) use fetch::{Fetcher, Method};
pub(crate) use own::OwnRoot;
pub use own::RootError;

/// Why an authority did not issue a certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    #[error("the ACME authority failed: {0}")]
    Acme(#[from] instant_acme::Error),
    #[error("cannot make the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("the authority did not validate in time")]
    Timeout,
    #[error("the order is no longer valid")]
    Invalid,
}

/// What the authority requires as proof of one name.
pub(crate) struct Authorization {
    pub name: String,
    /// Whether it is already valid, from an earlier order.
    pub valid: bool,
    pub http01: Option<Challenge>,
    pub dns01: Option<Challenge>,
}

/// Names that failed validation, each with the reason.
pub(crate) type Failures = Vec<(String, String)>;

pub(crate) enum Authority {
    Acme(acme::Acme),
    Own(Arc<OwnRoot>),
}

impl Authority {
    pub(crate) fn acme(directory: AcmeDirectory) -> Self {
        Self::Acme(acme::Acme::new(directory))
    }

    /// Places an order for `names`.
    pub(crate) async fn order(&self, names: &[String]) -> Result<Order, AuthorityError> {
        match self {
            Self::Acme(acme) => Ok(Order::Acme(Box::new(acme.order(names).await?))),
            Self::Own(root) => Ok(Order::Own(own::OwnOrder::new(root.clone(), names))),
        }
    }
}

pub(crate) enum Order {
    Acme(Box<acme::AcmeOrder>),
    Own(own::OwnOrder),
}

impl Order {
    pub(crate) async fn authorizations(&mut self) -> Result<Vec<Authorization>, AuthorityError> {
        match self {
            Self::Acme(order) => order.authorizations().await,
            Self::Own(order) => Ok(order.authorizations()),
        }
    }

    /// Requests the validation of each name with the given method, and waits for the outcome.
    pub(crate) async fn validate(
        &mut self,
        domains: &[(Domain, Method)],
        fetcher: &Fetcher,
    ) -> Result<Failures, AuthorityError> {
        match self {
            Self::Acme(order) => order.validate(domains).await,
            Self::Own(order) => Ok(order.validate(domains, fetcher).await),
        }
    }

    /// Finalises the order with a CSR, and returns the PEM chain, leaf first.
    pub(crate) async fn finalise(
        &mut self,
        csr: &rcgen::CertificateSigningRequest,
    ) -> Result<String, AuthorityError> {
        match self {
            Self::Acme(order) => order.finalise(csr.der()).await,
            Self::Own(order) => order.sign(csr),
        }
    }
}

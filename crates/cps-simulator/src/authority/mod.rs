//! The certificate authority behind CPS: an ACME server, or the simulator's own root.
//! Which challenges are shown and when validation is asked for is decided in `lifecycle`.

mod acme;
mod own;
mod transport;

use std::sync::Arc;

use crate::config::AcmeDirectory;
use crate::fetch::{Fetcher, Method};
use crate::state::{Challenge, Domain};

pub(crate) use own::OwnRoot;
pub use own::RootError;

/// Why an authority did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    #[error("the ACME authority failed: {0}")]
    Acme(#[from] instant_acme::Error),
    #[error("cannot make the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("the authority did not validate in time")]
    Timeout,
    #[error("the order is not valid any more")]
    Invalid,
}

/// What the authority wants for one name.
pub(crate) struct Authorization {
    pub name: String,
    /// Valid already, from an earlier order.
    pub valid: bool,
    pub http01: Option<Challenge>,
    pub dns01: Option<Challenge>,
}

/// Names that failed validation, each with the reason.
pub(crate) type Failures = Vec<(String, String)>;

/// The authority that signs.
pub(crate) enum Authority {
    Acme(acme::Acme),
    Own(Arc<OwnRoot>),
}

impl Authority {
    pub(crate) fn acme(directory: AcmeDirectory) -> Self {
        Self::Acme(acme::Acme::new(directory))
    }

    /// Starts an order for `names`.
    pub(crate) async fn order(&self, names: &[String]) -> Result<Order, AuthorityError> {
        match self {
            Self::Acme(acme) => Ok(Order::Acme(Box::new(acme.order(names).await?))),
            Self::Own(root) => Ok(Order::Own(own::OwnOrder::new(root.clone(), names))),
        }
    }
}

/// An order in progress.
pub(crate) enum Order {
    Acme(Box<acme::AcmeOrder>),
    Own(own::OwnOrder),
}

impl Order {
    /// The authorisations of the order.
    pub(crate) async fn authorizations(&mut self) -> Result<Vec<Authorization>, AuthorityError> {
        match self {
            Self::Acme(order) => order.authorizations().await,
            Self::Own(order) => Ok(order.authorizations()),
        }
    }

    /// Asks the authority to validate each name in the way given, and waits for the outcome.
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

    /// Finalises with a DER encoded CSR; the answer is the PEM chain, leaf first.
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

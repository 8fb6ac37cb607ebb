//! PURE: the trusted roots of deployed certificates.

use std::collections::HashMap;

use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

/// Why a bundle gives no roots.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The bundle contains something that is not a certificate.
    #[error("the bundle of trusted roots cannot be read: {0}")]
    Unreadable(&'static str),
    /// The bundle is empty.
    #[error("there is no certificate in the bundle of trusted roots")]
    Empty,
}

/// The certificates of trusted authorities, by subject.
#[derive(Debug, Default)]
pub struct Roots {
    by_subject: HashMap<Vec<u8>, Vec<Vec<u8>>>,
}

impl Roots {
    /// The roots in a PEM bundle.
    ///
    /// # Errors
    /// The bundle cannot be parsed, or is empty.
    pub fn from_pem(bundle: &[u8]) -> Result<Self, RootsError> {
        let certificates = Pem::iter_from_buffer(bundle)
            .map(|pem| pem.map(|pem| pem.contents).map_err(|_| RootsError::Unreadable("it is not PEM")))
            .collect::<Result<Vec<_>, _>>()?;
        Self::from_der(certificates)
    }

    /// The roots in DER.
    ///
    /// # Errors
    /// One cannot be parsed, or there is none.
    pub fn from_der(certificates: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, RootsError> {
        let mut by_subject: HashMap<_, Vec<_>> = HashMap::new();
        for der in certificates {
            let (_, certificate) = X509Certificate::from_der(&der)
                .map_err(|_| RootsError::Unreadable("something in it is not X.509"))?;
            let subject = certificate.subject().as_raw().to_vec();
            by_subject.entry(subject).or_default().push(der);
        }
        if by_subject.is_empty() { Err(RootsError::Empty) } else { Ok(Self { by_subject }) }
    }

    /// Whether a certificate is one of the roots, or is signed by one.
    pub(super) fn vouch_for(&self, certificate: &X509Certificate<'_>) -> bool {
        let is_root = self
            .named(certificate.subject().as_raw())
            .any(|root| root.public_key().raw == certificate.public_key().raw);
        is_root
            || self
                .named(certificate.issuer().as_raw())
                .any(|root| certificate.verify_signature(Some(root.public_key())).is_ok())
    }

    fn named(&self, subject: &[u8]) -> impl Iterator<Item = X509Certificate<'_>> {
        let named = self.by_subject.get(subject).into_iter().flatten();
        named.filter_map(|der| X509Certificate::from_der(der).ok()).map(|(_, root)| root)
    }
}

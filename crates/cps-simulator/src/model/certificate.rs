//! Certificates that the authority issued, and where they are deployed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use x509_parser::pem::Pem;

/// A certificate as the authority returned it, with its private key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Issued {
    pub certificate: String,
    pub chain: String,
    pub key: String,
    pub not_after: Timestamp,
}

impl Issued {
    /// Splits a PEM chain into the leaf and the rest. `None` means that the leaf cannot be parsed.
    pub(crate) fn from_chain(pem: &str, key: String) -> Option<Self> {
        const END: &str = "-----END CERTIFICATE-----";
        let end = pem.find(END)? + END.len();
        let (certificate, chain) = pem.split_at(end);
        let parsed = Pem::iter_from_buffer(certificate.as_bytes()).next()?.ok()?;
        let not_after = parsed.parse_x509().ok()?.validity().not_after.timestamp();
        Some(Self {
            certificate: certificate.trim().to_owned(),
            chain: chain.trim().to_owned(),
            key,
            not_after: Timestamp::from_second(not_after).ok()?,
        })
    }
}

/// What staging or production serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    pub issued: Issued,
    /// `networkConfiguration` of the enrollment at the time of the deployment.
    pub network: Value,
    pub names: Vec<String>,
}

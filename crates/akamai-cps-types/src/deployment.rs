//! Deployments: what the edge serves now, on staging and in production.

use serde::{Deserialize, Serialize};

use super::tolerant::{loose_bool, loose_time, null_as_default};
use super::{Extra, Geography, OcspStapling, SecureNetwork};

/// What is deployed on both networks (`deployments.v7`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployments {
    /// Production; `None` before the first deployment.
    pub production: Option<Deployment>,
    /// Staging; `None` before the first deployment.
    pub staging: Option<Deployment>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is deployed on one network (`deployment.v7`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// The certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_certificate: Option<DeployedCertificate>,
    /// The second certificate of a dual-key enrollment.
    #[serde(default, deserialize_with = "null_as_default")]
    pub multi_stacked_certificates: Vec<DeployedCertificate>,
    /// How the edge serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_configuration: Option<DeployedNetworkConfiguration>,
    /// Whether the edge staples OCSP responses.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub ocsp_stapled: Option<bool>,
    /// The OCSP responders of the certificate.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ocsp_uris: Vec<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A certificate on the edge. CPS never reveals the private key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployedCertificate {
    /// The certificate, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The certificates from its issuer to the root, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_chain: Option<String>,
    /// When it expires. The certificate itself is the better source.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub expiry: Option<jiff::Timestamp>,
    /// `RSA` or `ECDSA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_algorithm: Option<String>,
    /// `SHA-256` or `SHA-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How the edge serves a deployed certificate. Unlike in an enrollment, the server names are directly here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployedNetworkConfiguration {
    /// Where it is deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geography: Option<Geography>,
    /// The network that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure_network: Option<SecureNetwork>,
    /// Whether it is served only by server name indication.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub sni_only: Option<bool>,
    /// Whether the edge offers QUIC.
    #[serde(default, deserialize_with = "loose_bool", skip_serializing_if = "Option::is_none")]
    pub quic_enabled: Option<bool>,
    /// The cipher profile that the edge must offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_have_ciphers: Option<String>,
    /// The cipher profile that the edge prefers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_ciphers: Option<String>,
    /// Whether the edge staples OCSP responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp_stapling: Option<OcspStapling>,
    /// The TLS versions that the edge refuses.
    #[serde(default, deserialize_with = "null_as_default")]
    pub disallowed_tls_versions: Vec<String>,
    /// The server names that select the certificate.
    #[serde(default, deserialize_with = "null_as_default")]
    pub dns_names: Vec<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

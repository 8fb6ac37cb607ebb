//! The network configuration of an enrollment: how the edge serves the certificate.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::tolerant::{null_as_default, text_enum};

text_enum! {
    /// Where the certificate is deployed.
    Geography {
        /// Everywhere except China and Russia.
        Core = "core",
        /// Everywhere, including China.
        ChinaCore = "china+core",
        /// Everywhere, including Russia.
        RussiaCore = "russia+core",
    }
}

text_enum! {
    /// The network that serves the certificate. It cannot change once the enrollment exists.
    SecureNetwork {
        /// The network for sites that handle payment data.
        EnhancedTls = "enhanced-tls",
        /// The network for all other sites.
        StandardTls = "standard-tls",
    }
}

text_enum! {
    /// Whether the edge staples OCSP responses.
    OcspStapling {
        /// The edge staples them.
        On = "on",
        /// The edge does not staple them.
        Off = "off",
        /// CPS decides.
        NotSet = "not-set",
    }
}

/// The network configuration of an enrollment (`networkConfiguration`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkConfiguration {
    /// Where the certificate is deployed.
    pub geography: Geography,
    /// The network that serves the certificate; immutable.
    pub secure_network: SecureNetwork,
    /// Whether the certificate is served only by server name indication, without its own IP address; immutable.
    pub sni_only: bool,
    /// Whether the edge offers QUIC.
    #[serde(default, deserialize_with = "null_as_default")]
    pub quic_enabled: bool,
    /// The cipher profile that the edge must offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_have_ciphers: Option<String>,
    /// The cipher profile that the edge prefers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_ciphers: Option<String>,
    /// Whether the edge staples OCSP responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp_stapling: Option<OcspStapling>,
    /// The TLS versions that the edge refuses, such as `TLSv1` and `TLSv1_1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed_tls_versions: Option<Vec<String>>,
    /// The server names that select the certificate; only with `sni_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name_settings: Option<DnsNameSettings>,
    /// Which client certificates the edge asks for. CPS refuses this in a create, so set it in an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_mutual_authentication: Option<ClientMutualAuthentication>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl NetworkConfiguration {
    /// A configuration that has only what CPS requires.
    pub fn new(geography: impl Into<Geography>, network: impl Into<SecureNetwork>, sni_only: bool) -> Self {
        Self {
            geography: geography.into(),
            secure_network: network.into(),
            sni_only,
            quic_enabled: false,
            must_have_ciphers: None,
            preferred_ciphers: None,
            ocsp_stapling: None,
            disallowed_tls_versions: None,
            dns_name_settings: None,
            client_mutual_authentication: None,
            extra: Extra::new(),
        }
    }
}

/// Which server names select the certificate (`dnsNameSettings`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsNameSettings {
    /// True: CPS uses the SANs of the certificate. False: `dns_names` is required.
    pub clone_dns_names: bool,
    /// The names. CPS fills them in when it clones them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_names: Option<Vec<String>>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which client certificates the edge asks for (`clientMutualAuthentication`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientMutualAuthentication {
    /// The set of certificate authorities whose client certificates are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_id: Option<String>,
    /// How the edge checks client certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_options: Option<AuthenticationOptions>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How the edge checks client certificates (`authenticationOptions`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationOptions {
    /// Whether the edge tells clients which authorities it accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_ca_list_to_client: Option<bool>,
    /// Whether the edge checks client certificates by OCSP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<OcspOption>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Whether the edge checks client certificates by OCSP (`ocsp`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OcspOption {
    /// True to check them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

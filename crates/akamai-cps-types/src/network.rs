//! How a certificate is to be served: the network configuration of an enrollment.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::tolerant::{null_as_default, text_enum};

text_enum! {
    /// Where the certificate is deployed.
    Geography {
        /// Everywhere except China and Russia.
        Core = "core",
        /// Everywhere, China included.
        ChinaCore = "china+core",
        /// Everywhere, Russia included.
        RussiaCore = "russia+core",
    }
}

text_enum! {
    /// The network that serves the certificate. Cannot be changed once the enrollment exists.
    SecureNetwork {
        /// The network for sites that handle payment data.
        EnhancedTls = "enhanced-tls",
        /// The network for all other sites.
        StandardTls = "standard-tls",
    }
}

text_enum! {
    /// Whether the edge staples OCSP answers.
    OcspStapling {
        /// It does.
        On = "on",
        /// It does not.
        Off = "off",
        /// Left to CPS.
        NotSet = "not-set",
    }
}

/// The network configuration of an enrollment (`networkConfiguration`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkConfiguration {
    /// Where the certificate is deployed.
    pub geography: Geography,
    /// The network that serves it; immutable.
    pub secure_network: SecureNetwork,
    /// Served by server name only, without an address of its own; immutable.
    pub sni_only: bool,
    /// Whether QUIC is offered.
    #[serde(default, deserialize_with = "null_as_default")]
    pub quic_enabled: bool,
    /// The cipher profile that must be offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_have_ciphers: Option<String>,
    /// The cipher profile that is preferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_ciphers: Option<String>,
    /// Whether OCSP answers are stapled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp_stapling: Option<OcspStapling>,
    /// TLS versions that are refused, such as `TLSv1` and `TLSv1_1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed_tls_versions: Option<Vec<String>>,
    /// The server names that select the certificate; only with `sni_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name_settings: Option<DnsNameSettings>,
    /// Client certificates the edge asks for. CPS refuses this on create; it has to be set by an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_mutual_authentication: Option<ClientMutualAuthentication>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl NetworkConfiguration {
    /// A configuration with what CPS requires and nothing else.
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
    /// True: CPS takes the SANs of the certificate. False: `dns_names` has to be given.
    pub clone_dns_names: bool,
    /// The names; filled by CPS when it clones them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_names: Option<Vec<String>>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Client certificates the edge asks for (`clientMutualAuthentication`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientMutualAuthentication {
    /// The set of certificate authorities whose client certificates are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_id: Option<String>,
    /// How client certificates are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_options: Option<AuthenticationOptions>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How client certificates are checked (`authenticationOptions`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationOptions {
    /// Whether the edge tells clients which authorities it accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_ca_list_to_client: Option<bool>,
    /// Whether client certificates are checked by OCSP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<OcspOption>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Whether client certificates are checked by OCSP (`ocsp`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OcspOption {
    /// Whether they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

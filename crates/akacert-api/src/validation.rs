//! The ways in which the names of a certificate are proven to the certificate authority.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account_ref::AccountRef;
use super::schema::without_description;

/// How the names are proven to the certificate authority: one way for all, and others for some names. Without any way,
/// CPS validates names that are CNAMEd to Akamai by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.edge) ? 1 : 0) + (has(self.http01) ? 1 : 0) + (has(self.dns01) ? 1 : 0) <= 1")
        .message("validation has one way: set one of edge, http01 and dns01, and list names that go another way in validation.domains"),
    validation = Rule::new("(has(self.domains) ? self.domains : []).all(d, (has(d.edge) ? 1 : 0) + (has(d.http01) ? 1 : 0) + (has(d.dns01) ? 1 : 0) == 1)")
        .message("each of validation.domains has one way: set one of edge, http01 and dns01"),
)]
pub struct Validation {
    /// The names are CNAMEd to Akamai, and CPS validates them by itself: nothing is published. `{}` is all there is to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<Edge>,
    /// HTTP-01: each token is served at its path below `/.well-known/acme-challenge/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http01: Option<Http01>,
    /// DNS-01: a TXT record at `_acme-challenge` below each name. The only way for wildcards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns01: Option<Dns01>,
    /// Names that go another way. The first entry that lists a name decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub domains: Vec<DomainGroup>,
    /// Whether the operator checks each name and fetches each token itself before it acknowledges the challenges to CPS.
    /// Absent: `InCluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_check: Option<SelfCheck>,
}

/// Names that go another way than the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DomainGroup {
    /// Names of the certificate.
    #[schemars(length(min = 1, max = 100), schema_with = "names")]
    pub names: Vec<String>,
    /// CPS validates them by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<Edge>,
    /// By HTTP-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http01: Option<Http01>,
    /// By DNS-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns01: Option<Dns01>,
}

/// Host names. Each has a length limit, so that the API server can estimate the cost of the rules on them.
fn names(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": 253}
    })
}

/// CPS validates names that are CNAMEd to Akamai by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Edge {}

/// HTTP-01.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.ingress) ? 1 : 0) + (has(self.gateway) ? 1 : 0) + (has(self.redirect) ? 1 : 0) + (has(self.external) ? 1 : 0) == 1")
    .message("http01 has one way: set one of ingress, gateway, redirect and external"))]
pub struct Http01 {
    /// The tokens' paths are routed to the solver by an Ingress in the certificate's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressRoute>,
    /// The tokens' paths are routed to the solver by an HTTPRoute (Gateway API) in the certificate's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayRoute>,
    /// A standing redirect leads all of `/.well-known/acme-challenge/` to CPS, which serves the tokens itself. It stays for
    /// the life of the certificate, so that renewals need nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// The names are served elsewhere. The operator shows what has to be there, and acknowledges when it is. `{}` is all
    /// there is to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

/// Settings of an Ingress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressRoute {
    /// The Ingress class whose controller serves the names on port 80.
    #[schemars(length(min = 1, max = 253))]
    pub class_name: String,
    /// Path type of each token's path. Absent: `Exact`. A redirect's path is always `Prefix`, unless this says
    /// `ImplementationSpecific`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_type: Option<PathType>,
    /// Annotations for the Ingress. Their keys must be on the operator's allow-list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels for the Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// Path types of an Ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum PathType {
    /// Matches only this path.
    Exact,
    /// Matches this path and everything below it.
    Prefix,
    /// The Ingress controller decides.
    ImplementationSpecific,
}

impl PathType {
    /// The spelling in an Ingress.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PathType::Exact => "Exact",
            PathType::Prefix => "Prefix",
            PathType::ImplementationSpecific => "ImplementationSpecific",
        }
    }
}

/// Settings of an HTTPRoute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRoute {
    /// The Gateways that serve the names on port 80.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Vec<ParentRef>,
    /// Labels for the HTTPRoute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// A Gateway, or one listener of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the Gateway. Absent: the certificate's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Name of the listener. Absent: every listener that takes the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}

/// A redirect that stands for the life of the certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.ingress) != has(self.gateway)")
    .message("redirect has one way: set either ingress or gateway"))]
pub struct Redirect {
    /// Where CPS serves the tokens. Absent: `dcv.akamai.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    )]
    pub host: Option<String>,
    /// By an Ingress: the solver answers with the redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressRoute>,
    /// By an HTTPRoute: the Gateway itself redirects, and neither operator nor solver is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayRoute>,
}

/// Where CPS serves HTTP-01 tokens itself (CPS, `redirectFullPath`).
pub const DCV_HOST: &str = "dcv.akamai.com";

impl Redirect {
    /// The host at which CPS serves the tokens.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(DCV_HOST)
    }
}

/// The names are served elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct External {}

/// DNS-01.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.edgeDns) ? 1 : 0) + (has(self.dnsEndpoint) ? 1 : 0) + (has(self.rfc2136) ? 1 : 0) + (has(self.manual) ? 1 : 0) == 1")
    .message("dns01 has one way: set one of edgeDns, dnsEndpoint, rfc2136 and manual"))]
pub struct Dns01 {
    /// TXT records in Akamai Edge DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_dns: Option<EdgeDns>,
    /// A DNSEndpoint in the certificate's namespace, from which external-dns makes the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_endpoint: Option<DnsEndpoint>,
    /// TXT records by DNS updates (RFC 2136), signed by TSIG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rfc2136: Option<Rfc2136>,
    /// Somebody else makes the records. The operator shows them in `status.domains`, and acknowledges when they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<Manual>,
}

/// TXT records in Akamai Edge DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EdgeDns {
    /// The account that has the zones, whose allowedNamespaces and allowedDomains hold here too. Absent: the certificate's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<AccountRef>,
}

/// Settings of a DNSEndpoint for external-dns.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsEndpoint {
    /// Labels for the DNSEndpoint, by which an external-dns may select it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// TXT records by DNS updates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rfc2136 {
    /// The primary name server of the zone, HOST or HOST:PORT; an operator flag has to allow it.
    #[schemars(length(min = 1, max = 260))]
    pub server: String,
    /// Name of the TSIG key, as the name server knows it.
    #[schemars(length(min = 1, max = 253))]
    pub key_name: String,
    /// Algorithm of the TSIG key. Absent: `HMACSHA256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<TsigAlgorithm>,
    /// The Secret, in the certificate's namespace, that has the TSIG key, in base64 as `tsig-keygen` prints it.
    pub key_secret_ref: KeySecretRef,
}

/// Algorithms of TSIG keys (RFC 8945).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
#[allow(missing_docs, reason = "the algorithms' names")]
pub enum TsigAlgorithm {
    HMACSHA256,
    HMACSHA384,
    HMACSHA512,
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct KeySecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its key. Absent: `secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// Somebody else makes the records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manual {}

/// Where to check from before an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum SelfCheck {
    /// From the operator.
    InCluster,
    /// No check: the operator acknowledges the challenges once they are published.
    Off,
}

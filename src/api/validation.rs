//! How the names of a certificate are proven to the certificate authority. Not here: the rest of its `spec`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certificate::without_description;

/// How the names are proven to the certificate authority.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// HTTP-01: each token is served at its path below `/.well-known/acme-challenge/`.
    pub http01: Http01,
    /// Whether the operator fetches each token itself before it acknowledges the challenges to CPS. Absent: `InCluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_check: Option<SelfCheck>,
}

/// HTTP-01.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Http01 {
    /// The tokens' paths are routed to the solver by an Ingress in the certificate's namespace.
    pub ingress: IngressRoute,
}

/// What the Ingress looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressRoute {
    /// The Ingress class whose controller serves the names on port 80.
    #[schemars(length(min = 1, max = 253))]
    pub class_name: String,
    /// Path type of each token's path. Absent: `Exact`.
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
    /// Matches the path and nothing else.
    Exact,
    /// Matches the path and what is below it.
    Prefix,
    /// The Ingress controller decides.
    ImplementationSpecific,
}

impl PathType {
    /// As an Ingress spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PathType::Exact => "Exact",
            PathType::Prefix => "Prefix",
            PathType::ImplementationSpecific => "ImplementationSpecific",
        }
    }
}

/// The check before an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum SelfCheck {
    /// From the operator.
    InCluster,
    /// None: the challenges are acknowledged once they are published.
    Off,
}

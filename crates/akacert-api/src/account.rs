//! The kinds `AkamaiAccount` and `ClusterAkamaiAccount`: credentials, defaults and a request budget.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certificate::{Contact, Network, Organization};
use super::status::AccountStatus;

/// An Akamai account for the certificates of one namespace. Its credentials Secret lies beside it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "akacert.io",
    version = "v1alpha1",
    kind = "AkamaiAccount",
    namespaced,
    status = "AccountStatus",
    derive = "PartialEq",
    shortname = "akaccount",
    category = "akacert",
    category = "akamai",
    doc = "An Akamai account for the certificates of one namespace. Its credentials Secret lies beside it.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Contracts", type_ = "string", json_path = ".status.contracts"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct AkamaiAccountSpec {
    /// The credentials of an Akamai API client.
    pub credentials: Credentials,
    /// Used when a certificate of this account is created and does not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// How many requests may be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_budget: Option<RequestBudget>,
}

/// An Akamai account for the certificates of many namespaces. Its credentials Secret lies in the operator's namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "akacert.io",
    version = "v1alpha1",
    kind = "ClusterAkamaiAccount",
    status = "AccountStatus",
    derive = "PartialEq",
    shortname = "cakaccount",
    category = "akacert",
    category = "akamai",
    doc = "An Akamai account for the certificates of many namespaces. Its credentials Secret lies in the operator's namespace.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Contracts", type_ = "string", json_path = ".status.contracts"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAkamaiAccountSpec {
    /// The credentials of an Akamai API client.
    pub credentials: Credentials,
    /// The namespaces whose certificates may use this account. `{}` is all.
    pub allowed_namespaces: LabelSelector,
    /// The names for which this account may be used: `www.example.com` is itself, `*.example.com` one or more labels
    /// below `example.com`, `*` everything.
    #[schemars(length(min = 1, max = 1000))]
    pub allowed_domains: Vec<String>,
    /// Used when a certificate of this account is created and does not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// How many requests may be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_budget: Option<RequestBudget>,
}

/// Where the credentials of an Akamai API client are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.keys) && has(self.edgerc))")
    .message("set either keys (one Secret key a field) or edgerc (one Secret key with a whole .edgerc), not both"))]
pub struct Credentials {
    /// The Secret.
    pub secret_ref: SecretRef,
    /// The Secret's keys, where they are not named as Akamai names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<SecretKeys>,
    /// One key that holds a whole `.edgerc` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edgerc: Option<EdgercKey>,
}

/// A Secret by name. For an `AkamaiAccount` it is in the same namespace, for a `ClusterAkamaiAccount` in the
/// operator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The Secret's keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeys {
    /// Key of the host. Absent: `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Key of the client token. Absent: `client_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Key of the client secret. Absent: `client_secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Key of the access token. Absent: `access_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// Key of the account switch key, which may be missing in the Secret. Absent: `account_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_key: Option<String>,
}

/// A `.edgerc` file in a Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EdgercKey {
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// Section of the file. Absent: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

/// Defaults for the creation of an enrollment. They do not affect it later.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// The contract, with or without the `ctr_` prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub contract_id: Option<String>,
    /// The organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Who administers the certificates on your side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_contact: Option<Contact>,
    /// Your technical contact, a person at Akamai.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tech_contact: Option<Contact>,
    /// The network; a certificate's own fields win one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
}

/// How many requests the account may make. CPS allows 35 a minute and 20 in 2 seconds for the whole Akamai account,
/// from all its users together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestBudget {
    /// Credentials of one Akamai account share one budget by this name: those of all ClusterAkamaiAccounts, or those of
    /// the AkamaiAccounts of one namespace. The account that was checked last decides its rate. Absent: each account
    /// has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub group: Option<String>,
    /// Requests a minute. Absent: 25, since others use the account too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub per_minute: Option<u32>,
    /// Requests at once. Absent: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20))]
    pub burst: Option<u32>,
}

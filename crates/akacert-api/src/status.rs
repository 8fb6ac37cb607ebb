//! What the operator reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The types of the conditions of an `AkamaiCertificate`.
pub mod condition {
    /// The summary, by the rules of kstatus.
    pub const READY: &str = "Ready";
    /// Present only while True: the operator or CPS is working towards `spec`.
    pub const RECONCILING: &str = "Reconciling";
    /// Present only while True: a human has to change something.
    pub const STALLED: &str = "Stalled";
    /// Step: the account exists, allows this certificate, and its credentials work.
    pub const ACCOUNT_READY: &str = "AccountReady";
    /// Step: CPS has our enrollment.
    pub const ENROLLMENT_CREATED: &str = "EnrollmentCreated";
    /// Step: everything that CPS asks for is published.
    pub const CHALLENGES_PUBLISHED: &str = "ChallengesPublished";
    /// The result of the last preflight. True if every name met the requirements of its way of validation. The operator
    /// runs a preflight for each change in CPS.
    pub const PREFLIGHT_PASSED: &str = "PreflightPassed";
    /// Step: the operator has fetched every token and found every TXT record, as the authority would.
    pub const CHALLENGES_REACHABLE: &str = "ChallengesReachable";
    /// Step: the authority has validated every name. This does not mean that the certificate is deployed.
    pub const DOMAINS_VALIDATED: &str = "DomainsValidated";
    /// Step: the certificate is in production, and the operator has read it back and verified it.
    pub const DEPLOYED: &str = "Deployed";
    /// Present only while True: CPS works on a change that `spec` did not ask for, such as a renewal. `Ready` stays
    /// True.
    pub const RENEWING: &str = "Renewing";
    /// Present only while True: somebody else has changed the enrollment in CPS.
    pub const DRIFTED: &str = "Drifted";
    /// Whether every name is ready for the next renewal; absent until the first check.
    pub const RENEWAL_READY: &str = "RenewalReady";
    /// Whether visitors get the deployed certificate; only with `spec.probe`.
    pub const SERVED: &str = "Served";
    /// Whether the ConfigMap for pipelines is current; only with `spec.handoff`.
    pub const HANDED_OFF: &str = "HandedOff";
}

/// Observed state of an `AkamaiCertificate`. Written when a fact changes, not when a clock ticks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// The generation of `spec` that this status is about; -1 before the first look.
    #[serde(default = "not_observed")]
    pub observed_generation: i64,
    /// ID of our enrollment in CPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment_id: Option<i64>,
    /// The last generation of `spec` that the enrollment in CPS matched. The operator sets it when it creates or updates
    /// the enrollment, or finds that the two already match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment_generation: Option<i64>,
    /// Contract of the enrollment, without the `ctr_` prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_id: Option<String>,
    /// The pending change of the enrollment; absent when none is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeStatus>,
    /// What the operator's next write to CPS would do. Absent when the operator has nothing to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// The names that the authority is validating. Present only while a change waits for validation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub domains: Vec<DomainStatus>,
    /// What CPS reports as deployed on each network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<DeploymentsStatus>,
    /// Authorizations that the authority refused for the pending change; absent when it refused none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<FailuresStatus>,
    /// When CPS begins the next renewal, by itself; absent until CPS has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_renewal_time: Option<Time>,
    /// `Ready` is always present; `Reconciling`, `Stalled`, `Renewing` and `Drifted` are present only while True. The steps
    /// are
    /// `AccountReady`, `EnrollmentCreated`, `ChallengesPublished`, `ChallengesReachable`, `DomainsValidated` and
    /// `Deployed`. The
    /// other conditions are `PreflightPassed`, `RenewalReady`, `Served` and `HandedOff`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Observed state of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// The generation of `spec` that this status is about; -1 before the first look.
    #[serde(default = "not_observed")]
    pub observed_generation: i64,
    /// The contracts that the credentials can see, without the `ctr_` prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contracts: Vec<String>,
    /// The Secret that this status is about. If the Secret still has this version after a restart, the operator uses a
    /// Ready account at once. It checks the account again later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_secret: Option<SecretVersion>,
    /// `Ready` is True if Akamai accepted the credentials. The operator checks them with one read request. `Stalled` only
    /// while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// A version of a Secret. It reveals nothing about the Secret's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// UID of the Secret.
    pub uid: String,
    /// `metadata.resourceVersion` of the Secret.
    pub resource_version: String,
}

fn not_observed() -> i64 {
    -1
}

/// A change that CPS is working on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeStatus {
    /// ID of the change in CPS.
    pub id: i64,
    /// `new-certificate`, `modify-certificate`, `modify-san` or `renewal`, when CPS says so.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub change_type: Option<String>,
    /// CPS's coarse state: `running`, `awaiting-input`, `completed`, `error`, …
    pub state: String,
    /// CPS's fine status, such as `coodinate-domain-validation` (spelt as CPS spells it).
    pub status: String,
    /// CPS's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When the operator first saw the change with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// When the challenges of this change were last acknowledged to CPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Time>,
    /// The warnings that somebody has to approve before CPS continues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningStatus>,
    /// The value of `akacert.io/approve-warnings` that approves exactly these warnings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings_hash: Option<String>,
}

/// Authorizations that the authority refused. After each, the next acknowledgement waits longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailuresStatus {
    /// How many acknowledgements in a row were followed by a refusal.
    pub count: i64,
    /// When the operator last acknowledged the challenges before such a refusal.
    pub last: Time,
}

/// A warning of CPS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarningStatus {
    /// Its ID, for `spec.warnings.acknowledge`; absent when the text is none of those that the operator knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// CPS's own text.
    pub message: String,
}

/// What the next write to CPS would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// What it does to the enrollment.
    pub action: PlanAction,
    /// How much the write changes in CPS.
    pub risk: Risk,
    /// What differs, such as `dnsNames: + api.example.com`.
    pub changes: Vec<String>,
    /// The value of `akacert.io/approve-plan` that approves exactly this.
    pub hash: String,
}

/// What a write does to the enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlanAction {
    /// Makes the enrollment match `spec`.
    Update,
    /// Orders a new certificate with the same content.
    Renew,
}

/// How much a write changes in CPS, from the least change to the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Risk {
    /// CPS saves the new values at once and starts no change. This applies to contacts and the organization.
    MetadataOnly,
    /// CPS deploys the same certificate again, with other network settings.
    Redeploy,
    /// CPS orders a new certificate, and validates every name again.
    Reissue,
    /// CPS cannot change it.
    Refused,
}

/// One name under validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DomainStatus {
    /// The name.
    pub name: String,
    /// How control of the name is proven: the path of the setting below `spec.validation`: `http01.ingress`,
    /// `dns01.edgeDns`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// CPS's validation state of it: `VALIDATED`, `IN_PROGRESS`, `RESPONSE_ERROR`, …
    pub state: String,
    /// The result of the preflight for this name. Absent before the first preflight, and with `selfCheck: Off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
    /// What stands in the way: CPS's own text, the preflight's, or the self-check's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the token expires; CPS gives a new one afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// The challenges that CPS offers for the name. Values are not shown unless somebody else has to publish them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub challenges: Vec<ChallengeStatus>,
}

/// The result of the preflight for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Preflight {
    /// The name meets the requirements of its way of validation.
    Passed,
    /// It does not; `error` says why.
    Failed,
}

/// One challenge of a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeStatus {
    /// `http-01` or `dns-01`.
    #[serde(rename = "type")]
    pub challenge_type: String,
    /// Where the authority looks: the URL of an http-01 token, or the name of a dns-01 record.
    pub path: String,
    /// Where CPS serves the token itself; only where somebody else has to redirect to it (`http01.external`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_to: Option<String>,
    /// The TXT value; only where somebody else has to publish it (`dns01.manual`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What is deployed on each network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentsStatus {
    /// Deployed on the staging network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging: Option<DeploymentStatus>,
    /// Deployed on the production network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<DeploymentStatus>,
}

/// A deployed certificate, as parsed from its PEM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// Serial number, hexadecimal.
    pub serial_number: String,
    /// SHA-256 of the DER certificate, hexadecimal.
    pub fingerprint: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Start of the validity.
    pub not_before: Time,
    /// End of the validity.
    pub not_after: Time,
    /// The names it covers.
    pub dns_names: Vec<String>,
    /// `RSA` or `ECDSA`.
    pub key_algorithm: String,
    /// The algorithm by which the issuer signed it.
    pub signature_algorithm: String,
}

//! The kind `AkamaiCertificate`: its `spec`. `status` has its status.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::account_ref::{AccountKind, AccountRef};
use super::policy::{
    AdoptionPolicy, DeletionPolicy, DeploymentPolicy, DriftPolicy, Handoff, ManagementPolicy,
    PendingChangePolicy, RecreatePolicy, RenewalWindowPolicy, ServedProbe, UpdatePolicy, WarningsPolicy,
};
use super::schema::without_description;
use super::status::CertificateStatus;
use super::validation::Validation;

/// A certificate that Akamai's Certificate Provisioning System (CPS) obtains, renews and deploys on Akamai's network.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "akacert.io",
    version = "v1alpha1",
    kind = "AkamaiCertificate",
    namespaced,
    status = "CertificateStatus",
    derive = "PartialEq",
    shortname = "akcert",
    shortname = "akcerts",
    category = "akacert",
    category = "akamai",
    doc = "A certificate that Akamai's Certificate Provisioning System (CPS) obtains, renews and deploys on Akamai's network.",
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
    printcolumn(name = "Common name", type_ = "string", json_path = ".spec.commonName"),
    printcolumn(name = "Enrollment", type_ = "integer", json_path = ".status.enrollmentId"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.deployments.production.notAfter"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = "1"
    ),
    printcolumn(name = "Change", type_ = "string", json_path = ".status.change.status", priority = "1")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.commonName == oldSelf.commonName")
        .message("commonName cannot be changed, because CPS cannot change it: make a new AkamaiCertificate and delete this one when the new one is deployed"),
    validation = Rule::new("!has(oldSelf.enrollmentId) || (has(self.enrollmentId) && self.enrollmentId == oldSelf.enrollmentId)")
        .message("enrollmentId cannot be changed: make a new AkamaiCertificate for the other enrollment"),
    validation = Rule::new("self.accountRef == oldSelf.accountRef")
        .message("accountRef cannot be changed: make a new AkamaiCertificate with the other account and delete this one when the new one is deployed"),
    validation = Rule::new("((has(self.dnsNames) ? self.dnsNames : []) + [self.commonName]).all(n, !n.contains('*') || (has(self.validation) && (has(self.validation.dns01) || (has(self.validation.domains) && self.validation.domains.exists(d, has(d.dns01) && d.names.exists(m, m == n))))))")
        .message("a wildcard name cannot be validated by HTTP-01: list the names one by one, or give it a way below dns01 in validation or validation.domains"),
    validation = Rule::new("!has(self.validation) || !has(self.validation.domains) || self.validation.domains.all(d, has(d.dns01) || d.names.all(m, !m.contains('*')))")
        .message("a wildcard name cannot be validated by HTTP-01: its entry in validation.domains has to have dns01"),
    validation = Rule::new("!has(self.validation) || !has(self.validation.domains) || self.validation.domains.all(d, d.names.all(m, m == self.commonName || (has(self.dnsNames) && self.dnsNames.exists(n, n == m))))")
        .message("validation.domains may list names of this certificate only: commonName and dnsNames"),
    validation = Rule::new("(has(self.dnsNames) ? self.dnsNames : []).all(n, n == n.lowerAscii()) && self.commonName == self.commonName.lowerAscii()")
        .message("names must be in lower case, as CPS returns them: write www.example.com, not WWW.Example.com"),
    validation = Rule::new(r"(has(self.dnsNames) ? self.dnsNames : []).all(n, n != n.lowerAscii() || n.matches('^([*][.])?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'))")
        .message("each of dnsNames must be a complete host name, such as www.example.com: letters, digits and hyphens in labels of at most 63 characters, at least two labels, no trailing dot, no scheme, no port"),
    validation = Rule::new(r"self.commonName != self.commonName.lowerAscii() || self.commonName.matches('^([*][.])?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')")
        .message("commonName must be a complete host name, such as www.example.com: letters, digits and hyphens in labels of at most 63 characters, at least two labels, no trailing dot, no scheme, no port"),
    validation = Rule::new("!has(self.dnsNames) || size(self.dnsNames) + (self.dnsNames.exists(n, n == self.commonName) ? 0 : 1) <= 100")
        .message("CPS takes at most 100 names a certificate, the common name included: split the names over several certificates"),
)]
pub struct CertificateSpec {
    /// The account whose credentials, defaults and request budget are used. Immutable.
    pub account_ref: AccountRef,
    /// The contract under which the enrollment is created, with or without the `ctr_` prefix. Absent: the account's
    /// default, else the only contract that the credentials can see. CPS cannot change it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub contract_id: Option<String>,
    /// The common name of the certificate. Immutable, because CPS cannot change it.
    #[schemars(length(min = 1, max = 64))]
    pub common_name: String,
    /// Further names (SANs). At most 100 with the common name, lower case; wildcards with DNS-01 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), schema_with = "dns_names")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub dns_names: Option<Vec<String>>,
    /// On which of Akamai's networks the certificate is deployed, and how it is served there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Subject fields for the certificate signing request. A domain-validated certificate does not show them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<Csr>,
    /// The organization. Absent: the account's default at the time when the enrollment is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Who administers the certificate on your side. Absent: the account's default when the enrollment is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_contact: Option<Contact>,
    /// Your technical contact, a person at Akamai. Absent: the account's default when the enrollment is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tech_contact: Option<Contact>,
    /// Signature algorithm of the certificate. Absent: CPS's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// Whether CPS stops after staging until somebody acknowledges the deployment to production. Absent: it does not stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_management: Option<bool>,
    /// How the names are proven to the certificate authority. Absent: CPS validates names that are CNAMEd to Akamai by
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// ID of an existing enrollment that this resource takes over: it must have the common name, and no name that the
    /// account does not allow. Cannot be changed once set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub enrollment_id: Option<i64>,
    /// What to do with an existing enrollment of the same common name: report that the name is taken (`CreateOnly`, as when
    /// absent), or adopt the enrollment (`AdoptOnly`, `AdoptOrCreate`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
    /// `Manage` (as when absent), or `Observe`: status and events for an enrollment that others manage; nothing is ever
    /// written to CPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,
    /// What happens to the enrollment when this resource is deleted: `Retain` (as when absent) leaves it in CPS,
    /// `Delete` removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Whether a change of `spec` is carried out at once (`Auto`, as when absent), or waits for the annotation
    /// `akacert.io/approve-plan` with the hash in `status.plan` (`RequireApproval`). What only concerns contacts and
    /// the like never waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_policy: Option<UpdatePolicy>,
    /// Whether a change of `spec` waits for a change that CPS is working on (`Wait`, as when absent), or cancels it
    /// (`Replace`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_change_policy: Option<PendingChangePolicy>,
    /// What to do if a change of `spec` needs another certificate while CPS is about to renew: wait for the renewal (`Wait`,
    /// as when absent), or order it at once (`Override`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_window_policy: Option<RenewalWindowPolicy>,
    /// What to do about a change that somebody else made in CPS: undo it (`Correct`, as when absent), or only report it
    /// (`Report`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_policy: Option<DriftPolicy>,
    /// What to do if somebody else removed the enrollment from CPS: create another (`Recreate`), or wait until a human acts
    /// (`Never`, as when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recreate_policy: Option<RecreatePolicy>,
    /// Which warnings of CPS are acknowledged without asking. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<WarningsPolicy>,
    /// How and when a certificate goes from staging to production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentPolicy>,
    /// Compares the certificate that the names are served with to the deployed one. Absent: no comparison. It has no
    /// options: set it to `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ServedProbe>,
    /// A ConfigMap with enrollment ID, common name, names, fingerprint and expiry of what is deployed, for pipelines that
    /// configure properties. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handoff: Option<Handoff>,
    /// While true the operator neither reads nor writes CPS for this certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Host names. Each has a length limit, so that the API server can estimate the cost of the rules on them.
fn dns_names(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": 253}
    })
}

/// Where and how Akamai serves the certificate. Absent fields are left to CPS and never compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.dnsNameSettings) || !has(self.sniOnly) || self.sniOnly")
    .message("dnsNameSettings needs sniOnly: true, since CPS refuses it on certificates with an address of their own"))]
pub struct Network {
    /// `EnhancedTLS` for personal data, `StandardTLS` otherwise. CPS cannot change it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_network: Option<SecureNetwork>,
    /// Where the certificate is deployed. Absent: `Core`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geography: Option<Geography>,
    /// Whether the certificate is served by server name indication only. Absent: true. CPS cannot change it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni_only: Option<bool>,
    /// Whether QUIC is offered. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quic_enabled: Option<bool>,
    /// The cipher profile that must be offered, such as `ak-akamai-2020q1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub must_have_ciphers: Option<String>,
    /// The cipher profile that is preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub preferred_ciphers: Option<String>,
    /// TLS versions that are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub disallowed_tls_versions: Option<Vec<TlsVersion>>,
    /// OCSP stapling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocsp_stapling: Option<OcspStapling>,
    /// For which names the certificate is served by server name indication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_name_settings: Option<DnsNameSettings>,
}

/// Akamai's two secure networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum SecureNetwork {
    /// For sites without personal data.
    StandardTLS,
    /// For personal data; PCI compliant.
    EnhancedTLS,
}

/// Where a certificate is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum Geography {
    /// Everywhere except China and Russia.
    Core,
    /// As `Core`, plus China.
    ChinaAndCore,
    /// As `Core`, plus Russia.
    RussiaAndCore,
}

/// TLS versions, as CPS spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(non_camel_case_types, reason = "the words of the CPS API")]
pub enum TlsVersion {
    /// TLS 1.0.
    TLSv1,
    /// TLS 1.1.
    TLSv1_1,
    /// TLS 1.2.
    TLSv1_2,
    /// TLS 1.3.
    TLSv1_3,
}

/// OCSP stapling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum OcspStapling {
    /// The edge staples OCSP responses.
    On,
    /// The edge does not staple OCSP responses.
    Off,
    /// CPS decides.
    NotSet,
}

/// For which names the certificate is served by server name indication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.cloneDnsNames || has(self.dnsNames)")
    .message("dnsNameSettings needs dnsNames when cloneDnsNames is false"))]
pub struct DnsNameSettings {
    /// Whether the names are those of the certificate.
    pub clone_dns_names: bool,
    /// The names, when they are not cloned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), schema_with = "dns_names")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub dns_names: Option<Vec<String>>,
}

/// Subject fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Csr {
    /// Country, ISO 3166 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2))]
    pub country: Option<String>,
    /// State or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Organization. Absent: the name of the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Organizational unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organizational_unit: Option<String>,
    /// The trust chain that CPS should ask Let's Encrypt for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_trust_chain: Option<String>,
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// First line of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_line_one: Option<String>,
    /// Second line of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_line_two: Option<String>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State, province or region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Country, ISO 3166 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2))]
    pub country: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// A person to contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// First name.
    #[schemars(length(min = 1, max = 256))]
    pub first_name: String,
    /// Last name.
    #[schemars(length(min = 1, max = 256))]
    pub last_name: String,
    /// E-mail address. For the technical contact, one at Akamai.
    #[schemars(length(min = 3, max = 256), regex(pattern = r"^[^@\s]+@[^@\s]+$"))]
    pub email: String,
    /// Telephone number. CPS answers with an unclear error to an impossible one.
    #[schemars(length(min = 5, max = 64))]
    pub phone: String,
    /// Title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_name: Option<String>,
    /// First line of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_line_one: Option<String>,
    /// Second line of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_line_two: Option<String>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State, province or region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Country, ISO 3166 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2))]
    pub country: Option<String>,
}

/// Signature algorithms, as CPS spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum SignatureAlgorithm {
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
}

impl SignatureAlgorithm {
    /// CPS's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SignatureAlgorithm::Sha256 => "SHA-256",
        }
    }
}

impl CertificateSpec {
    /// All names without repetition, the common name first.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names = vec![self.common_name.as_str()];
        for name in self.dns_names.iter().flatten() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// Whether the operator never writes to CPS for this certificate.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.management_policy == Some(ManagementPolicy::Observe)
    }

    /// Whether the operator removes the enrollment together with the resource.
    #[must_use]
    pub fn deletes_enrollment(&self) -> bool {
        self.deletion_policy == Some(DeletionPolicy::Delete) && !self.observes()
    }
}

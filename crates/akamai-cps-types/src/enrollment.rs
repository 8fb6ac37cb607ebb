//! Enrollments: the description of a certificate, and the answers of the calls that create, change and remove it.

use serde::{Deserialize, Deserializer, Serialize};

use super::tolerant::{loose_number, loose_time, null_as_default, text_enum};
use super::{ChangeId, Contact, EnrollmentId, Extra, NetworkConfiguration, Organization};

text_enum! {
    /// The kind of certificate. Domain-validated ones are always [`Self::San`].
    CertificateType {
        /// Several names.
        San = "san",
        /// One name.
        Single = "single",
        /// One wildcard name.
        Wildcard = "wildcard",
        /// Several names, including wildcards.
        WildcardSan = "wildcard-san",
        /// Issued elsewhere, and uploaded.
        ThirdParty = "third-party",
    }
}

text_enum! {
    /// How the authority validates the right to the names.
    ValidationType {
        /// Domain validation.
        Dv = "dv",
        /// Organization validation.
        Ov = "ov",
        /// Extended validation.
        Ev = "ev",
        /// Done by the issuer of the uploaded certificate.
        ThirdParty = "third-party",
    }
}

text_enum! {
    /// Who issues the certificate (`ra`).
    RegistrationAuthority {
        /// Let's Encrypt.
        LetsEncrypt = "lets-encrypt",
        /// DigiCert, under its former name.
        Symantec = "symantec",
        /// Another authority; the certificate is uploaded.
        ThirdParty = "third-party",
    }
}

text_enum! {
    /// Why a change is pending (`changeType`).
    ChangeType {
        /// The first certificate of the enrollment.
        NewCertificate = "new-certificate",
        /// A new certificate, or a new configuration.
        ModifyCertificate = "modify-certificate",
        /// A change of the names.
        ModifySan = "modify-san",
        /// A renewal before the certificate expires.
        Renewal = "renewal",
    }
}

/// An enrollment (`enrollment.v11`). Only fields that are set are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrollment {
    /// Read-only. Prefer [`Enrollment::enrollment_id`], which also uses the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<EnrollmentId>,
    /// Read-only: a link that ends in the identifier. Do not request it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The kind of certificate.
    pub certificate_type: CertificateType,
    /// How the authority validates the names.
    pub validation_type: ValidationType,
    /// Who issues the certificate.
    pub ra: RegistrationAuthority,
    /// Whether a change stops after staging until it is acknowledged.
    #[serde(default, deserialize_with = "null_as_default")]
    pub change_management: bool,
    /// Whether to issue an RSA and an ECDSA certificate together; not with domain validation.
    #[serde(default, deserialize_with = "null_as_default")]
    pub enable_multi_stacked_certificates: bool,
    /// `default` or `symantec1kroot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_chain_type: Option<String>,
    /// `SHA-256` or `SHA-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<String>,
    /// The names and the subject.
    pub csr: Csr,
    /// How the edge serves the certificate.
    pub network_configuration: NetworkConfiguration,
    /// The organization that the certificate is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<Organization>,
    /// An organization known to DigiCert, in place of `org` and the contacts.
    #[serde(default, deserialize_with = "loose_number", skip_serializing_if = "Option::is_none")]
    pub org_id: Option<u64>,
    /// The contact at the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_contact: Option<Contact>,
    /// The contact at Akamai.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tech_contact: Option<Contact>,
    /// Settings of uploaded certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub third_party: Option<ThirdParty>,
    /// Read-only: the pending changes, the most recent last.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub pending_changes: Vec<PendingChange>,
    /// Read-only: the slots that serve the certificate. Empty until it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_slots: Option<Vec<u64>>,
    /// Read-only: slots on the staging network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staging_slots: Option<Vec<u64>>,
    /// Read-only: slots on the production network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub production_slots: Option<Vec<u64>>,
    /// Read-only: how many names the certificate may have.
    #[serde(default, deserialize_with = "loose_number", skip_serializing_if = "Option::is_none")]
    pub max_allowed_san_names: Option<u64>,
    /// Read-only: how many wildcard names the certificate may have.
    #[serde(default, deserialize_with = "loose_number", skip_serializing_if = "Option::is_none")]
    pub max_allowed_wildcard_san_names: Option<u64>,
    /// Read-only: when CPS begins the renewal by itself.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub auto_renewal_start_time: Option<jiff::Timestamp>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Enrollment {
    /// A domain-validated enrollment with Let's Encrypt that has only what CPS requires.
    pub fn domain_validated(csr: Csr, network_configuration: NetworkConfiguration) -> Self {
        Self {
            id: None,
            location: None,
            certificate_type: CertificateType::San,
            validation_type: ValidationType::Dv,
            ra: RegistrationAuthority::LetsEncrypt,
            change_management: false,
            enable_multi_stacked_certificates: false,
            certificate_chain_type: None,
            signature_algorithm: None,
            csr,
            network_configuration,
            org: None,
            org_id: None,
            admin_contact: None,
            tech_contact: None,
            third_party: None,
            pending_changes: Vec::new(),
            assigned_slots: None,
            staging_slots: None,
            production_slots: None,
            max_allowed_san_names: None,
            max_allowed_wildcard_san_names: None,
            auto_renewal_start_time: None,
            extra: Extra::new(),
        }
    }

    /// The identifier, from `id` or otherwise from `location`.
    pub fn enrollment_id(&self) -> Option<EnrollmentId> {
        self.id.or_else(|| self.location.as_deref()?.parse().ok())
    }

    /// The most recent pending change.
    pub fn pending_change(&self) -> Option<&PendingChange> {
        self.pending_changes.last()
    }

    /// Whether the common name is `name`, in any case.
    pub fn has_common_name(&self, name: &str) -> bool {
        self.csr.cn.eq_ignore_ascii_case(name)
    }

    /// The body of an update: the enrollment without the fields that only CPS may write. Everything else that was
    /// read goes back, unknown fields included, because an update replaces the whole enrollment.
    #[must_use]
    pub fn for_update(&self) -> Self {
        let mut body = self.clone();
        body.id = None;
        body.location = None;
        body.pending_changes.clear();
        body.assigned_slots = None;
        body.staging_slots = None;
        body.production_slots = None;
        body.max_allowed_san_names = None;
        body.max_allowed_wildcard_san_names = None;
        body.auto_renewal_start_time = None;
        // Some answers have the slots under this name.
        body.extra.remove("slots");
        body
    }
}

/// The certificate signing request of an enrollment (`csr`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Csr {
    /// Common name.
    pub cn: String,
    /// Subject alternative names. CPS adds the common name at any position, so compare with [`Csr::names`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sans: Option<Vec<String>>,
    /// Country, two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c: Option<String>,
    /// State or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub st: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l: Option<String>,
    /// Organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub o: Option<String>,
    /// Organizational unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ou: Option<String>,
    /// The preferred trust chain; only with domain validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_trust_chain: Option<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Csr {
    /// All names of the certificate in lower case, including the common name.
    pub fn names(&self) -> std::collections::BTreeSet<String> {
        let sans = self.sans.iter().flatten();
        sans.chain([&self.cn]).map(|name| name.to_ascii_lowercase()).collect()
    }
}

/// Settings of uploaded certificates (`thirdParty`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThirdParty {
    /// Whether to omit the SANs from the CSR.
    pub exclude_sans: bool,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A pending change (`pendingChanges[]`).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingChange {
    /// A link that ends in the identifier. Do not request it.
    pub location: String,
    /// Why the change is pending; absent in answers of version 9 and older.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_type: Option<ChangeType>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl PendingChange {
    /// The identifier of the change.
    pub fn change_id(&self) -> Option<ChangeId> {
        self.location.parse().ok()
    }
}

impl<'de> Deserialize<'de> for PendingChange {
    /// Reads the object of version 10 and later, and the bare link of older versions.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Object {
            location: String,
            change_type: Option<ChangeType>,
            #[serde(flatten)]
            extra: Extra,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Object(Object),
            Link(String),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Object(Object { location, change_type, extra }) => Self { location, change_type, extra },
            Form::Link(location) => Self { location, change_type: None, extra: Extra::new() },
        })
    }
}

/// The enrollments of a contract (`enrollments.v11`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnrollmentList {
    /// Complete enrollments. CPS does not page.
    #[serde(default, deserialize_with = "null_as_default")]
    pub enrollments: Vec<Enrollment>,
}

/// The answer to creating, updating or removing an enrollment (`enrollment-status.v1`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrollmentStatus {
    /// The enrollment that the call was about.
    pub enrollment: EnrollmentId,
    /// The changes that the call started. Empty if CPS saved an update without one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub changes: Vec<ChangeId>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn enrollment(more: serde_json::Value) -> Enrollment {
        let mut json = json!({"certificateType": "san", "validationType": "dv", "ra": "lets-encrypt",
            "csr": {"cn": "WWW.example.com", "sans": ["b.example.com", "www.Example.com"]},
            "networkConfiguration": {"geography": "core", "secureNetwork": "standard-tls", "sniOnly": true}});
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_identifier_comes_from_id_or_from_the_link() {
        for more in
            [json!({"id": 7}), json!({"id": "7"}), json!({"id": null, "location": "/cps-api/enrollments/7"})]
        {
            assert_eq!(enrollment(more).enrollment_id(), Some(EnrollmentId(7)));
        }
        assert_eq!(enrollment(json!({})).enrollment_id(), None);
    }

    #[test]
    fn the_last_pending_change_counts_in_either_form() {
        let link = |change: u64| format!("/cps-api/enrollments/1/changes/{change}");
        let object = json!({"pendingChanges": [{"location": link(1)}, {"location": link(2), "changeType": "renewal"}]});
        let pending = enrollment(object).pending_change().cloned().unwrap();
        assert_eq!(
            (pending.change_id(), pending.change_type),
            (Some(ChangeId(2)), Some(ChangeType::Renewal))
        );
        let text = enrollment(json!({"pendingChanges": [link(1), link(2)]}));
        assert_eq!(text.pending_change().unwrap().change_id(), Some(ChangeId(2)));
        assert_eq!(enrollment(json!({"pendingChanges": null})).pending_change(), None);
    }

    #[test]
    fn names_are_a_set_in_lower_case_with_the_common_name() {
        let enrollment = enrollment(json!({}));
        let names: Vec<_> = enrollment.csr.names().into_iter().collect();
        assert_eq!(names, ["b.example.com", "www.example.com"]);
        assert!(enrollment.has_common_name("www.EXAMPLE.com"));
    }
}

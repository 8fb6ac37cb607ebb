//! PURE: an enrollment as CPS has it, with what the user has set put into it; what the difference entails.
//! Not here: when it is sent (`crate::life`).

use std::collections::BTreeSet;

use akamai_cps_types::{self as cps, EnrollmentId};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::intent::{comparable, same};
use super::spelling::Spelled;
use super::{org, person};
use akacert_api::certificate::{CertificateSpec, Csr, Network};
use akacert_api::status::Risk;

/// The body of an update: what was read, unknown fields included, with what the user has set.
#[must_use]
pub fn updated(spec: &CertificateSpec, found: &cps::Enrollment) -> cps::Enrollment {
    let mut body = found.for_update();
    names(spec, &mut body.csr);
    subject(&spec.csr.clone().unwrap_or_default(), &mut body.csr);
    network(&spec.network.clone().unwrap_or_default(), &mut body.network_configuration);
    if let Some(settings) = &mut body.network_configuration.dns_name_settings
        && settings.clone_dns_names
    {
        // CPS fills them in; those that it had may be old.
        settings.dns_names = None;
    }
    body.change_management = spec.change_management.unwrap_or(body.change_management);
    if let Some(algorithm) = spec.signature_algorithm {
        body.signature_algorithm = Some(algorithm.as_str().into());
    }
    part(&mut body.org, spec.organization.as_ref().map(org));
    part(&mut body.admin_contact, spec.admin_contact.as_ref().map(person));
    part(&mut body.tech_contact, spec.tech_contact.as_ref().map(person));
    body
}

/// What CPS does when it is given another body (CPS, "Update an enrollment"): save it, deploy, or order.
#[must_use]
pub fn risk(found: &cps::Enrollment, wanted: &cps::Enrollment) -> Risk {
    let (Ok(found), Ok(wanted)) = (comparable(&found.for_update()), comparable(&wanted.for_update())) else {
        return Risk::Reissue;
    };
    let differs = |field: &str| !alike(&found[field], &wanted[field]);
    if ["csr", "certificateChainType", "signatureAlgorithm"].into_iter().any(differs) {
        Risk::Reissue
    } else if differs("networkConfiguration") {
        Risk::Redeploy
    } else {
        Risk::MetadataOnly
    }
}

/// Stands for an enrollment, its present state and the wanted one: an approval of it fits nothing else.
#[must_use]
pub fn plan_hash(id: EnrollmentId, what: &str, found: &cps::Enrollment, wanted: &cps::Enrollment) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{id} {what}"));
    for body in [found, wanted] {
        digest.update([0]);
        digest.update(comparable(&body.for_update()).map(|body| body.to_string()).unwrap_or_default());
    }
    let mut hash = HEXLOWER.encode(&digest.finalize());
    hash.truncate(12);
    hash
}

fn names(spec: &CertificateSpec, csr: &mut cps::Csr) {
    let wanted: BTreeSet<String> = spec.names().into_iter().map(str::to_ascii_lowercase).collect();
    if wanted != csr.names() {
        csr.sans = Some(spec.names().into_iter().map(str::to_owned).collect());
    }
}

fn subject(wanted: &Csr, csr: &mut cps::Csr) {
    let fields = [
        (&wanted.country, &mut csr.c),
        (&wanted.state, &mut csr.st),
        (&wanted.city, &mut csr.l),
        (&wanted.organization, &mut csr.o),
        (&wanted.organizational_unit, &mut csr.ou),
        (&wanted.preferred_trust_chain, &mut csr.preferred_trust_chain),
    ];
    for (wanted, present) in fields {
        if wanted.is_some() {
            present.clone_from(wanted);
        }
    }
}

fn network(wanted: &Network, present: &mut cps::NetworkConfiguration) {
    if let Some(geography) = wanted.geography {
        present.geography = geography.in_cps().into();
    }
    present.quic_enabled = wanted.quic_enabled.unwrap_or(present.quic_enabled);
    if wanted.must_have_ciphers.is_some() {
        present.must_have_ciphers.clone_from(&wanted.must_have_ciphers);
    }
    if wanted.preferred_ciphers.is_some() {
        present.preferred_ciphers.clone_from(&wanted.preferred_ciphers);
    }
    if let Some(stapling) = wanted.ocsp_stapling {
        present.ocsp_stapling = Some(stapling.in_cps().into());
    }
    if let Some(versions) = &wanted.disallowed_tls_versions {
        present.disallowed_tls_versions =
            Some(versions.iter().map(|version| version.in_cps().to_owned()).collect());
    }
    if let Some(settings) = &wanted.dns_name_settings {
        let present = present.dns_name_settings.get_or_insert_default();
        present.clone_dns_names = settings.clone_dns_names;
        if settings.dns_names.is_some() {
            present.dns_names.clone_from(&settings.dns_names);
        }
    }
}

/// An organization or a person: the fields that are set replace those that are there.
fn part<T: Serialize + DeserializeOwned + Default>(present: &mut Option<T>, wanted: Option<T>) {
    let Some(wanted) = wanted else { return };
    let json = |part: &T| serde_json::to_value(part).unwrap_or_default();
    let mut merged = present.as_ref().map(json).unwrap_or_else(|| Value::Object(Default::default()));
    if let (Value::Object(merged), Value::Object(wanted)) = (&mut merged, json(&wanted)) {
        merged.extend(wanted.into_iter().filter(|(_, value)| !value.is_null()));
    }
    *present = serde_json::from_value(merged).ok().or(Some(wanted));
}

/// Equal but for what is absent in one way or another.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let of = |object: &serde_json::Map<String, Value>, key: &String| {
                object.get(key).cloned().unwrap_or_default()
            };
            keys.into_iter().all(|key| alike(&of(one, key), &of(other, key)))
        }
        (one, other) => same(one, other),
    }
}

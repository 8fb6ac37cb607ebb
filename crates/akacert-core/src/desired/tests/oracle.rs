//! The expected values of the properties, written by hand and independently of the code: where CPS has each field of
//! `spec`, and what a change of it makes CPS do.

use std::collections::BTreeSet;

use akamai_cps_types::Enrollment;
use serde_json::{Value, json};

use akacert_api::certificate::CertificateSpec;
use akacert_api::status::Risk;

/// Each field's path in `spec` and in CPS.
const PLACES: &[(&str, &str)] = &[
    ("commonName", "csr.cn"),
    ("dnsNames", "csr.sans"),
    ("network.secureNetwork", "networkConfiguration.secureNetwork"),
    ("network.geography", "networkConfiguration.geography"),
    ("network.sniOnly", "networkConfiguration.sniOnly"),
    ("network.quicEnabled", "networkConfiguration.quicEnabled"),
    ("network.mustHaveCiphers", "networkConfiguration.mustHaveCiphers"),
    ("network.preferredCiphers", "networkConfiguration.preferredCiphers"),
    ("network.ocspStapling", "networkConfiguration.ocspStapling"),
    ("network.disallowedTlsVersions", "networkConfiguration.disallowedTlsVersions"),
    ("network.dnsNameSettings.cloneDnsNames", "networkConfiguration.dnsNameSettings.cloneDnsNames"),
    ("network.dnsNameSettings.dnsNames", "networkConfiguration.dnsNameSettings.dnsNames"),
    ("changeManagement", "changeManagement"),
    ("signatureAlgorithm", "signatureAlgorithm"),
    ("csr.country", "csr.c"),
    ("csr.state", "csr.st"),
    ("csr.city", "csr.l"),
    ("csr.organization", "csr.o"),
    ("csr.organizationalUnit", "csr.ou"),
    ("csr.preferredTrustChain", "csr.preferredTrustChain"),
    ("organization.name", "org.name"),
    ("organization.addressLineOne", "org.addressLineOne"),
    ("organization.addressLineTwo", "org.addressLineTwo"),
    ("organization.city", "org.city"),
    ("organization.region", "org.region"),
    ("organization.postalCode", "org.postalCode"),
    ("organization.country", "org.country"),
    ("organization.phone", "org.phone"),
    ("adminContact.firstName", "adminContact.firstName"),
    ("adminContact.lastName", "adminContact.lastName"),
    ("adminContact.email", "adminContact.email"),
    ("adminContact.phone", "adminContact.phone"),
    ("adminContact.title", "adminContact.title"),
    ("adminContact.organizationName", "adminContact.organizationName"),
    ("adminContact.addressLineOne", "adminContact.addressLineOne"),
    ("adminContact.addressLineTwo", "adminContact.addressLineTwo"),
    ("adminContact.city", "adminContact.city"),
    ("adminContact.region", "adminContact.region"),
    ("adminContact.postalCode", "adminContact.postalCode"),
    ("adminContact.country", "adminContact.country"),
    ("techContact.firstName", "techContact.firstName"),
    ("techContact.lastName", "techContact.lastName"),
    ("techContact.email", "techContact.email"),
    ("techContact.phone", "techContact.phone"),
    ("techContact.title", "techContact.title"),
    ("techContact.organizationName", "techContact.organizationName"),
    ("techContact.addressLineOne", "techContact.addressLineOne"),
    ("techContact.addressLineTwo", "techContact.addressLineTwo"),
    ("techContact.city", "techContact.city"),
    ("techContact.region", "techContact.region"),
    ("techContact.postalCode", "techContact.postalCode"),
    ("techContact.country", "techContact.country"),
];

pub const CLONE: &str = "networkConfiguration.dnsNameSettings.cloneDnsNames";
pub const CLONED: &str = "networkConfiguration.dnsNameSettings.dnsNames";

const WORDS: &[(&str, &str)] = &[
    ("Core", "core"),
    ("ChinaAndCore", "china+core"),
    ("RussiaAndCore", "russia+core"),
    ("StandardTLS", "standard-tls"),
    ("EnhancedTLS", "enhanced-tls"),
    ("On", "on"),
    ("Off", "off"),
    ("NotSet", "not-set"),
];

/// The fields that CPS cannot change.
const IMMUTABLE: &[&str] = &["csr.cn", "networkConfiguration.secureNetwork", "networkConfiguration.sniOnly"];

/// The fields that only CPS writes.
pub const READ_ONLY: &[&str] = &[
    "id",
    "location",
    "pendingChanges",
    "assignedSlots",
    "stagingSlots",
    "productionSlots",
    "slots",
    "maxAllowedSanNames",
    "maxAllowedWildcardSanNames",
    "autoRenewalStartTime",
];

/// The CPS path of the field whose name begins a difference.
pub fn place(difference: &str) -> &'static str {
    let field = difference.split([':', ' ']).next().unwrap();
    let row = PLACES.iter().find(|(spec, _)| *spec == field);
    row.unwrap_or_else(|| panic!("no field of spec: {difference}")).1
}

/// What the worst of the differences makes CPS do.
pub fn worst(differences: &[String]) -> Option<Risk> {
    let risk = |difference: &String| {
        if difference.starts_with("contractId ") {
            return Risk::Refused;
        }
        match place(difference) {
            place if IMMUTABLE.contains(&place) => Risk::Refused,
            place if place.starts_with("csr.") || place == "signatureAlgorithm" => Risk::Reissue,
            place if place.starts_with("networkConfiguration.") => Risk::Redeploy,
            _ => Risk::MetadataOnly,
        }
    };
    let risks: Vec<Risk> = differences.iter().map(risk).collect();
    let from_worst = [Risk::Refused, Risk::Reissue, Risk::Redeploy, Risk::MetadataOnly];
    from_worst.into_iter().find(|risk| risks.contains(risk))
}

pub fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(object, |object, field| object.get(field).unwrap_or(&Value::Null))
}

pub fn at_mut<'a>(object: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(object, |object, field| &mut object[field])
}

fn folded(names: &Value) -> BTreeSet<String> {
    names.as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_lowercase()).collect()
}

/// The paths at which CPS has something other than what the user has set.
pub fn contradictions(spec: &CertificateSpec, found: &Enrollment) -> BTreeSet<&'static str> {
    let (spec, found) = (serde_json::to_value(spec).unwrap(), serde_json::to_value(found).unwrap());
    let differs = |spec_path: &str, cps_path: &str| {
        let (wanted, present) = (at(&spec, spec_path), at(&found, cps_path));
        match cps_path {
            "csr.cn" => wanted.as_str().unwrap().to_lowercase() != present.as_str().unwrap().to_lowercase(),
            "csr.sans" => {
                let (mut wanted, mut present) = (folded(wanted), folded(present));
                // Both common names are among the names. Which of them is the common name is another field.
                for names in [&mut wanted, &mut present] {
                    names.extend(
                        [&spec["commonName"], &found["csr"]["cn"]]
                            .map(|name| name.as_str().unwrap().to_lowercase()),
                    );
                }
                wanted != present
            }
            _ if wanted.is_null() => false,
            CLONED => {
                at(&spec, "network.dnsNameSettings.cloneDnsNames") == false
                    && folded(wanted) != folded(present)
            }
            "networkConfiguration.disallowedTlsVersions" => folded(wanted) != folded(present),
            CLONE => *wanted != json!(present.as_bool().unwrap_or(false)),
            _ => {
                let word = WORDS.iter().find(|(word, _)| wanted == word).map(|(_, word)| json!(word));
                let empty = json!("");
                word.unwrap_or_else(|| wanted.clone()) != *(if present.is_null() { &empty } else { present })
            }
        }
    };
    PLACES.iter().filter(|(spec, cps)| differs(spec, cps)).map(|(_, cps)| *cps).collect()
}

/// The paths that CPS can change.
pub fn changeable(places: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    places.iter().filter(|place| !IMMUTABLE.contains(place)).copied().collect()
}

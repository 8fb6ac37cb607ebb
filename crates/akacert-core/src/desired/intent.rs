//! PURE: recognises an enrollment that we created, even if CPS has added or normalised values.

use std::collections::BTreeSet;

use akamai_cps_types as cps;
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256 of a body, hexadecimal. Equal bodies have equal hashes, because the fields are always in the same order.
#[must_use]
pub fn body_hash(body: &cps::Enrollment) -> String {
    let json = serde_json::to_value(body).map(|value| value.to_string()).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(json.as_bytes()))
}

/// SHA-256 of the certificate's names, including the common name, hexadecimal. The names are sorted and in lower
/// case.
#[must_use]
pub fn names_hash(csr: &cps::Csr) -> String {
    let names: Vec<String> = csr.names().into_iter().collect();
    HEXLOWER.encode(&Sha256::digest(names.join(" ").as_bytes()))
}

/// Whether a create with the body `sent` makes the enrollment `found`: every field of `sent` has the same value in
/// `found`. What CPS adds or normalises does not count.
#[must_use]
pub fn matches_intent(found: &cps::Enrollment, sent: &cps::Enrollment) -> bool {
    match (comparable(found), comparable(sent)) {
        (Ok(found), Ok(sent)) => contains(&found, &sent),
        _ => false,
    }
}

/// Normalises a body: the common name is among the names, names are in lower case, sets are sorted, and fields that
/// CPS clones are left out.
pub(super) fn comparable(body: &cps::Enrollment) -> serde_json::Result<Value> {
    let mut body = body.clone();
    body.csr.sans = Some(body.csr.names().into_iter().collect());
    body.csr.cn.make_ascii_lowercase();
    let network = &mut body.network_configuration;
    network.disallowed_tls_versions = network.disallowed_tls_versions.take().map(ordered);
    if let Some(settings) = &mut network.dns_name_settings {
        let names = settings.dns_names.take().filter(|_| !settings.clone_dns_names);
        settings.dns_names =
            names.map(|names| ordered(names.iter().map(|name| name.to_ascii_lowercase()).collect()));
    }
    serde_json::to_value(body)
}

fn ordered(set: Vec<String>) -> Vec<String> {
    set.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether every value of `part` is in `whole`.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| contains(whole.get(key).unwrap_or(&Value::Null), value))
        }
        (whole, part) => same(whole, part),
    }
}

/// Whether two values are equal. CPS returns an absent field as null, as an empty text or as an empty list.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    is_empty(one) && is_empty(other) || one == other
}

fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_str().is_some_and(str::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

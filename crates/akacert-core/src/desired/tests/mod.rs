//! What the operator requests from CPS, and how it recognises and compares it, as a specification. This file has the
//! certificates, and simulates how CPS returns their enrollments.

mod body;
mod comparison;
mod generators;
mod oracle;
mod properties;
mod table;

use akamai_cps_types::Enrollment;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use crate::desired::differences;
use akacert_api::account::Defaults;
use akacert_api::certificate::CertificateSpec;

/// The schema of `spec`.
fn crd() -> Value {
    let (_, crd) =
        akacert_api::crds().into_iter().find(|(_, crd)| crd.spec.names.kind == "AkamaiCertificate").unwrap();
    let mut schema =
        serde_json::to_value(crd).unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
    schema["properties"]["spec"].take()
}

/// Differences that CPS cannot change.
fn immutable_differences(spec: &CertificateSpec, contract: Option<&str>, found: &Enrollment) -> Vec<String> {
    let differences = differences(spec, contract, found).into_iter();
    differences
        .filter(|difference| !difference.field.can_change())
        .map(|difference| difference.text)
        .collect()
}

/// Differences that CPS can change.
fn other_differences(spec: &CertificateSpec, found: &Enrollment) -> Vec<String> {
    let differences = differences(spec, None, found).into_iter();
    differences.filter(|difference| difference.field.can_change()).map(|difference| difference.text).collect()
}

/// A spec for only `www.example.com`, patched as by `kubectl patch --type merge`.
fn spec(patch: Value) -> CertificateSpec {
    let mut spec = json!({
        "accountRef": {"kind": "AkamaiAccount", "name": "production"},
        "commonName": "www.example.com",
        "validation": {"http01": {"ingress": {"className": "traefik"}}}
    });
    merge(&mut spec, patch);
    serde_json::from_value(spec).unwrap()
}

/// JSON Merge Patch, RFC 7396.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        merge(&mut target[key.as_str()], value);
    }
}

/// Everything that CPS needs.
fn defaults() -> Defaults {
    serde_json::from_value(json!({
        "organization": {
            "name": "Example", "addressLineOne": "1 Main St", "city": "Cambridge", "region": "MA",
            "postalCode": "02142", "country": "US", "phone": "617-555-0111"
        },
        "adminContact": {"firstName": "A", "lastName": "B", "email": "a@example.com", "phone": "617-555-0111"},
        "techContact": {"firstName": "C", "lastName": "D", "email": "c@akamai.com", "phone": "617-555-0112"},
        "network": {"secureNetwork": "EnhancedTLS"}
    }))
    .unwrap()
}

/// The body of a create, as CPS returns it later. Read-only fields and defaults are filled in. The names are in any
/// order and case, with the common name among them. Fields that were not sent are null, empty or absent.
fn returned(body: &Enrollment, seed: u64) -> Enrollment {
    let mut random = StdRng::seed_from_u64(seed);
    let mut json = serde_json::to_value(body).unwrap();
    let mut names: Vec<String> = body.csr.names().into_iter().collect();
    names.shuffle(&mut random);
    json["csr"]["sans"] = names.iter().map(|name| json!(in_any_case(name, &mut random))).collect();
    json["csr"]["cn"] = json!(in_any_case(&body.csr.cn, &mut random));

    let network = json["networkConfiguration"].as_object_mut().unwrap();
    for (field, value) in [
        ("mustHaveCiphers", "ak-akamai-default"),
        ("preferredCiphers", "ak-akamai-default"),
        ("ocspStapling", "not-set"),
    ] {
        network.entry(field).or_insert(json!(value));
    }
    if let Some(settings) = network.get_mut("dnsNameSettings") {
        if settings["cloneDnsNames"] == true {
            settings["dnsNames"] = json!(names);
        } else if let Some(Value::Array(names)) = settings.get_mut("dnsNames") {
            names.shuffle(&mut random);
        }
    }
    if let Some(Value::Array(versions)) = network.get_mut("disallowedTlsVersions") {
        versions.shuffle(&mut random);
    }
    for field in ["disallowedTlsVersions", "dnsNameSettings", "clientMutualAuthentication"] {
        leave_open(network, field, &[json!(null)], &mut random);
    }
    let texts = [json!(null), json!("")];
    for field in ["c", "st", "l", "o", "ou", "preferredTrustChain"] {
        leave_open(json["csr"].as_object_mut().unwrap(), field, &texts, &mut random);
    }
    for part in ["org", "adminContact", "techContact"] {
        for field in
            ["title", "organizationName", "addressLineOne", "addressLineTwo", "city", "region", "country"]
        {
            leave_open(json[part].as_object_mut().unwrap(), field, &texts, &mut random);
        }
    }
    for field in ["signatureAlgorithm", "orgId", "thirdParty", "assignedSlots"] {
        leave_open(json.as_object_mut().unwrap(), field, &[json!(null)], &mut random);
    }
    merge(
        &mut json,
        json!({
            "id": 10002, "location": "/cps-api/enrollments/10002", "maxAllowedSanNames": 100,
            "pendingChanges": [{"location": "/cps-api/enrollments/10002/changes/10003", "changeType": "new-certificate"}],
            "brandNew": {"field": 1}
        }),
    );
    serde_json::from_value(json).unwrap()
}

fn in_any_case(name: &str, random: &mut StdRng) -> String {
    if random.random_bool(0.2) { name.to_ascii_uppercase() } else { name.to_owned() }
}

/// Empties or removes a field that was not sent, or was sent empty.
fn leave_open(object: &mut Map<String, Value>, field: &str, values: &[Value], random: &mut StdRng) {
    let open = object.get(field).is_none_or(|value| value.is_null() || value == "" || *value == json!([]));
    if !open {
        return;
    }
    object.remove(field);
    if let Some(value) = values.get(random.random_range(0..=values.len())) {
        object.insert(field.to_owned(), value.clone());
    }
}

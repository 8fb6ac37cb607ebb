//! Enrollment bodies: which ones CPS accepts, how it completes them, and what an update changes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The most names of a certificate, including the common name.
const MAX_NAMES: usize = 100;
/// The most wildcards that Let's Encrypt allows among them.
const MAX_WILDCARDS: usize = 25;

/// Required fields, and their values where only some are allowed.
const REQUIRED: [(&str, &[&str]); 12] = [
    ("/certificateType", &["san", "single", "wildcard", "wildcard-san", "third-party"]),
    ("/validationType", &["dv", "ev", "ov", "third-party"]),
    ("/ra", &["lets-encrypt", "symantec", "third-party"]),
    ("/changeManagement", &[]),
    ("/enableMultiStackedCertificates", &[]),
    ("/csr", &[]),
    ("/csr/cn", &[]),
    ("/networkConfiguration", &[]),
    ("/networkConfiguration/geography", &["core", "china+core", "russia+core"]),
    ("/networkConfiguration/secureNetwork", &["enhanced-tls", "standard-tls"]),
    ("/networkConfiguration/sniOnly", &[]),
    ("/networkConfiguration/quicEnabled", &[]),
];

const BOOLEANS: [&str; 4] = [
    "/changeManagement",
    "/enableMultiStackedCertificates",
    "/networkConfiguration/sniOnly",
    "/networkConfiguration/quicEnabled",
];

const OPTIONAL_ENUMS: [(&str, &[&str]); 3] = [
    ("/certificateChainType", &["default", "symantec1kroot"]),
    ("/signatureAlgorithm", &["SHA-256", "SHA-1"]),
    ("/networkConfiguration/ocspStapling", &["on", "off", "not-set"]),
];

/// Fields that CPS writes itself. It ignores them when a client sends them back.
const READ_ONLY: [&str; 9] = [
    "id",
    "location",
    "pendingChanges",
    "assignedSlots",
    "stagingSlots",
    "productionSlots",
    "maxAllowedSanNames",
    "maxAllowedWildcardSanNames",
    "autoRenewalStartTime",
];

/// Fields that cannot change after the create.
const IMMUTABLE: [&str; 6] = [
    "/csr/cn",
    "/networkConfiguration/secureNetwork",
    "/networkConfiguration/sniOnly",
    "/validationType",
    "/ra",
    "/certificateType",
];

/// Why CPS refuses a body: the `detail` of its 400, which names the field.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(pub String);

fn invalid(detail: impl Into<String>) -> Invalid {
    Invalid(detail.into())
}

/// Checks a body and completes it as CPS does: it puts the common name among the SANs and fills in defaults.
pub(crate) fn accept(body: &[u8]) -> Result<Map<String, Value>, Invalid> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The body is not valid JSON: {error}")))?;
    check_fields(&body)?;
    check_contacts(&body)?;
    let names = check_names(&body)?;
    let Value::Object(mut body) = body else {
        return Err(invalid("The body must be an object."));
    };
    for field in READ_ONLY {
        body.remove(field);
    }
    complete(&mut body, names);
    Ok(body)
}

fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn check_fields(body: &Value) -> Result<(), Invalid> {
    for (pointer, values) in REQUIRED {
        let value = body.pointer(pointer).unwrap_or(&Value::Null);
        if value.is_null() {
            return Err(invalid(format!("Field {pointer} is required.")));
        }
        check_enum(pointer, value, values)?;
    }
    for (pointer, values) in OPTIONAL_ENUMS {
        match body.pointer(pointer) {
            None | Some(Value::Null) => {}
            Some(value) => check_enum(pointer, value, values)?,
        }
    }
    for pointer in BOOLEANS {
        if !body.pointer(pointer).is_some_and(Value::is_boolean) {
            return Err(invalid(format!("Field {pointer} must be true or false.")));
        }
    }
    let dv = ["/validationType", "/ra", "/certificateType"].map(|pointer| text(body, pointer));
    if dv != ["dv", "lets-encrypt", "san"] {
        return Err(invalid(
            "This simulator issues domain validated certificates only: validationType dv, ra lets-encrypt, certificateType san.",
        ));
    }
    if body["enableMultiStackedCertificates"] == true {
        return Err(invalid("enableMultiStackedCertificates must be false for dv."));
    }
    let network = &body["networkConfiguration"];
    if network["sniOnly"] == false && !network["dnsNameSettings"].is_null() {
        return Err(invalid("dnsNameSettings is only allowed with sniOnly true."));
    }
    let settings = &network["dnsNameSettings"];
    if settings.is_object() && !settings["cloneDnsNames"].is_boolean() {
        return Err(invalid("dnsNameSettings.cloneDnsNames is required."));
    }
    if settings["cloneDnsNames"] == false && !settings["dnsNames"].is_array() {
        return Err(invalid("dnsNameSettings.dnsNames is required when cloneDnsNames is false."));
    }
    Ok(())
}

fn check_enum(pointer: &str, value: &Value, values: &[&str]) -> Result<(), Invalid> {
    if values.is_empty() || value.as_str().is_some_and(|value| values.contains(&value)) {
        return Ok(());
    }
    Err(invalid(format!("Field {pointer} must be one of {}.", values.join(", "))))
}

/// Requires both contacts and the organisation, unless the body refers to an organisation on file.
fn check_contacts(body: &Value) -> Result<(), Invalid> {
    if !body["orgId"].is_null() {
        return Ok(());
    }
    if !body["org"].is_object() {
        return Err(invalid("Field /org is required."));
    }
    for contact in ["adminContact", "techContact"] {
        for field in ["firstName", "lastName", "email", "phone"] {
            if body[contact][field].as_str().unwrap_or_default().is_empty() {
                return Err(invalid(format!("Field /{contact}/{field} is required.")));
            }
        }
    }
    Ok(())
}

/// The names of the certificate without the common name, each once.
fn check_names(body: &Value) -> Result<Vec<String>, Invalid> {
    let common_name = text(body, "/csr/cn");
    let mut names: Vec<String> = Vec::new();
    let sans = &body["csr"]["sans"];
    if !sans.is_null() && !sans.is_array() {
        return Err(invalid("Field /csr/sans must be an array."));
    }
    for san in sans.as_array().into_iter().flatten() {
        let san = san.as_str().ok_or_else(|| invalid("Field /csr/sans must hold strings."))?;
        let known = |name: &str| name.eq_ignore_ascii_case(san);
        if !known(common_name) && !names.iter().any(|name| known(name)) {
            names.push(san.to_owned());
        }
    }
    for name in names.iter().map(String::as_str).chain([common_name]) {
        if !is_host_name(name) {
            return Err(invalid(format!("[{name}] is not a valid domain name.")));
        }
    }
    if names.len() + 1 > MAX_NAMES {
        return Err(invalid(format!(
            "The number of SANs ({}) exceeds the maximum of {MAX_NAMES}.",
            names.len() + 1
        )));
    }
    let wildcards = names.iter().map(String::as_str).chain([common_name]).filter(|n| n.starts_with("*."));
    if wildcards.count() > MAX_WILDCARDS {
        return Err(invalid(format!("The number of wildcard SANs exceeds {MAX_WILDCARDS}.")));
    }
    Ok(names)
}

/// Whether this is a domain name of at least two labels, perhaps with a leading wildcard.
fn is_host_name(name: &str) -> bool {
    let base = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    base.len() <= 253 && base.contains('.') && base.split('.').all(label)
}

/// Fills in absent fields, and puts the common name at a random position among the SANs, as CPS does.
fn complete(body: &mut Map<String, Value>, mut names: Vec<String>) {
    let nullable = ["org", "orgId", "adminContact", "techContact", "thirdParty", "signatureAlgorithm"];
    for field in nullable {
        body.entry(field).or_insert(Value::Null);
    }
    set_default(body, "certificateChainType", "default");
    if let Some(Value::Object(csr)) = body.get_mut("csr") {
        let common_name = csr.get("cn").and_then(Value::as_str).unwrap_or_default().to_owned();
        names.insert(rand::random_range(0..=names.len()), common_name);
        csr.insert("sans".into(), json!(names));
        for field in ["c", "st", "l", "o", "ou", "preferredTrustChain"] {
            csr.entry(field).or_insert(Value::Null);
        }
    }
    if let Some(Value::Object(network)) = body.get_mut("networkConfiguration") {
        set_default(network, "mustHaveCiphers", "ak-akamai-default");
        set_default(network, "preferredCiphers", "ak-akamai-default");
        set_default(network, "ocspStapling", "not-set");
        for field in ["disallowedTlsVersions", "dnsNameSettings", "clientMutualAuthentication"] {
            network.entry(field).or_insert(Value::Null);
        }
        if network["dnsNameSettings"]["cloneDnsNames"] == true {
            network["dnsNameSettings"]["dnsNames"] = json!(names);
        }
    }
}

fn set_default(map: &mut Map<String, Value>, field: &str, default: &str) {
    let value = map.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = default.into();
    }
}

/// What an accepted update changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Nothing, or only what CPS saves without a change.
    Metadata,
    /// Other network settings for the same certificate.
    Network,
    /// The same names in a certificate with other data.
    Certificate,
    /// Other names.
    Names,
}

/// Compares two completed bodies, and refuses a change of an immutable field.
pub(crate) fn compare(old: &Map<String, Value>, new: &Map<String, Value>) -> Result<Difference, Invalid> {
    let (old, new) = (comparable(old), comparable(new));
    for pointer in IMMUTABLE {
        if old.pointer(pointer) != new.pointer(pointer) {
            return Err(invalid(format!("Field {pointer} cannot be changed.")));
        }
    }
    let certificate = ["certificateChainType", "signatureAlgorithm", "enableMultiStackedCertificates", "csr"];
    Ok(if old["csr"]["sans"] != new["csr"]["sans"] {
        Difference::Names
    } else if certificate.iter().any(|field| old[field] != new[field]) {
        Difference::Certificate
    } else if old["networkConfiguration"] != new["networkConfiguration"] {
        Difference::Network
    } else {
        Difference::Metadata
    })
}

/// The body with its names sorted and in lower case, since CPS keeps neither case nor order.
fn comparable(body: &Map<String, Value>) -> Value {
    let mut body = Value::Object(body.clone());
    for pointer in ["/csr/sans", "/networkConfiguration/dnsNameSettings/dnsNames"] {
        if let Some(names) = body.pointer_mut(pointer)
            && let Some(array) = names.as_array()
        {
            let sorted: BTreeSet<String> =
                array.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
            *names = json!(sorted);
        }
    }
    if let Some(Value::String(name)) = body.pointer_mut("/csr/cn") {
        name.make_ascii_lowercase();
    }
    body
}

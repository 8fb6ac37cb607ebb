//! Generates any spec and any enrollment. Small pools of values make the two agree often, and nearly agree often.

use akamai_cps_types::Enrollment;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use super::{defaults, returned, spec};
use crate::desired::enrollment;
use akacert_api::certificate::CertificateSpec;

/// Absent, or a value.
type Field = BoxedStrategy<Option<Value>>;

/// An object of the fields that are set.
fn object<const N: usize>(fields: [(&'static str, Field); N]) -> impl Strategy<Value = Value> + use<N> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    values.prop_map(move |values| {
        names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?))).collect()
    })
}

fn maybe(values: impl Strategy<Value = Value> + 'static) -> Field {
    option::of(values).boxed()
}

fn always(values: impl Strategy<Value = Value> + 'static) -> Field {
    values.prop_map(Some).boxed()
}

/// CPS may leave a field open in two ways: absent or null.
fn open(values: impl Strategy<Value = Value> + 'static) -> Field {
    prop_oneof![1 => Just(None), 1 => Just(Some(Value::Null)), 3 => values.prop_map(Some)].boxed()
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(words).prop_map(Value::from)
}

fn flag() -> impl Strategy<Value = Value> {
    any::<bool>().prop_map(Value::from)
}

/// Texts, sometimes empty, in several cases and alphabets.
fn text() -> impl Strategy<Value = Value> {
    one_of(&["", "Example", "EXAMPLE", "Straße 1", " MA "])
}

fn written() -> impl Strategy<Value = Value> {
    one_of(&["Ada", "ADA", "Müller-Lüdenscheidt", "617-555-0199"])
}

fn country() -> impl Strategy<Value = Value> {
    one_of(&["US", "us", "DE"])
}

const NAMES: &[&str] = &[
    "www.example.com",
    "WWW.Example.com",
    "a.example.com",
    "A.example.com",
    "b.example.com",
    "*.example.com",
];

/// Names in any order and case, possibly repeated.
fn names() -> impl Strategy<Value = Value> {
    vec(one_of(NAMES), 0..5).prop_map(Value::from)
}

fn common_name() -> impl Strategy<Value = Value> {
    prop_oneof![4 => Just(json!("www.example.com")), 1 => one_of(NAMES)]
}

/// Versions in any order, possibly repeated.
fn versions(known: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec(one_of(known), 0..4).prop_map(Value::from)
}

const TLS_VERSIONS: &[&str] = &["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"];
const CIPHERS: &[&str] = &["ak-akamai-default", "ak-akamai-2020q1", "AK-akamai-2020q1"];

fn wanted_network() -> impl Strategy<Value = Value> {
    let settings = object([("cloneDnsNames", always(flag())), ("dnsNames", maybe(names()))]);
    object([
        ("geography", maybe(one_of(&["Core", "ChinaAndCore", "RussiaAndCore"]))),
        ("secureNetwork", maybe(one_of(&["StandardTLS", "EnhancedTLS"]))),
        ("sniOnly", maybe(flag())),
        ("quicEnabled", maybe(flag())),
        ("mustHaveCiphers", maybe(one_of(CIPHERS))),
        ("preferredCiphers", maybe(one_of(CIPHERS))),
        ("ocspStapling", maybe(one_of(&["On", "Off", "NotSet"]))),
        ("disallowedTlsVersions", maybe(versions(TLS_VERSIONS))),
        ("dnsNameSettings", maybe(settings)),
    ])
}

fn wanted_subject() -> impl Strategy<Value = Value> {
    object([
        ("country", maybe(country())),
        ("state", maybe(text())),
        ("city", maybe(text())),
        ("organization", maybe(text())),
        ("organizationalUnit", maybe(text())),
        ("preferredTrustChain", maybe(text())),
    ])
}

fn wanted_organization() -> impl Strategy<Value = Value> {
    object([
        ("name", always(written())),
        ("addressLineOne", maybe(text())),
        ("addressLineTwo", maybe(text())),
        ("city", maybe(text())),
        ("region", maybe(text())),
        ("postalCode", maybe(text())),
        ("country", maybe(country())),
        ("phone", maybe(text())),
    ])
}

fn wanted_contact() -> impl Strategy<Value = Value> {
    object([
        ("firstName", always(written())),
        ("lastName", always(written())),
        ("email", always(one_of(&["a@example.com", "A@example.com"]))),
        ("phone", always(written())),
        ("title", maybe(text())),
        ("organizationName", maybe(text())),
        ("addressLineOne", maybe(text())),
        ("addressLineTwo", maybe(text())),
        ("city", maybe(text())),
        ("region", maybe(text())),
        ("postalCode", maybe(text())),
        ("country", maybe(country())),
    ])
}

/// A spec in which each field with a counterpart in CPS may be set.
pub fn any_spec() -> impl Strategy<Value = CertificateSpec> {
    object([
        ("contractId", maybe(one_of(&["1-A", "ctr_1-A", "ctr_1-B"]))),
        ("commonName", always(common_name())),
        ("dnsNames", maybe(names())),
        ("network", maybe(wanted_network())),
        ("csr", maybe(wanted_subject())),
        ("organization", maybe(wanted_organization())),
        ("adminContact", maybe(wanted_contact())),
        ("techContact", maybe(wanted_contact())),
        ("changeManagement", maybe(flag())),
        ("signatureAlgorithm", maybe(one_of(&["SHA-256"]))),
    ])
    .prop_map(spec)
}

/// What a later CPS may put into a field that this version does not know.
fn unknown() -> Field {
    let leaf = prop_oneof![Just(Value::Null), flag(), any::<i64>().prop_map(Value::from), text()];
    let any = leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,3}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    option::weighted(0.3, any).boxed()
}

fn found_subject() -> impl Strategy<Value = Value> {
    object([
        ("cn", always(common_name())),
        ("sans", open(names())),
        ("c", open(country())),
        ("st", open(text())),
        ("l", open(text())),
        ("o", open(text())),
        ("ou", open(text())),
        ("preferredTrustChain", open(text())),
        ("brandNew", unknown()),
    ])
}

fn found_network() -> impl Strategy<Value = Value> {
    let settings =
        object([("cloneDnsNames", always(flag())), ("dnsNames", open(names())), ("brandNew", unknown())]);
    let ocsp = object([("enabled", open(flag())), ("brandNew", unknown())]);
    let options =
        object([("sendCaListToClient", open(flag())), ("ocsp", open(ocsp)), ("brandNew", unknown())]);
    let mutual =
        object([("setId", open(text())), ("authenticationOptions", open(options)), ("brandNew", unknown())]);
    object([
        ("geography", always(one_of(&["core", "china+core", "russia+core", "mars+core", "Core"]))),
        ("secureNetwork", always(one_of(&["standard-tls", "enhanced-tls", "quantum-tls", "StandardTLS"]))),
        ("sniOnly", always(flag())),
        ("quicEnabled", open(flag())),
        ("mustHaveCiphers", open(one_of(&["", "ak-akamai-default", "ak-akamai-2020q1"]))),
        ("preferredCiphers", open(one_of(&["", "ak-akamai-default", "ak-akamai-2020q1"]))),
        ("ocspStapling", open(one_of(&["on", "off", "not-set", "must", "On"]))),
        ("disallowedTlsVersions", open(versions(&["TLSv1", "TLSv1_1", "TLSv1_3", "TLSv1_4"]))),
        ("dnsNameSettings", open(settings)),
        ("clientMutualAuthentication", open(mutual)),
        ("fipsMode", unknown()),
    ])
}

fn found_organization() -> impl Strategy<Value = Value> {
    object([
        ("name", open(written())),
        ("phone", open(text())),
        ("addressLineOne", open(text())),
        ("addressLineTwo", open(text())),
        ("city", open(text())),
        ("region", open(text())),
        ("postalCode", open(text())),
        ("country", open(country())),
        ("brandNew", unknown()),
    ])
}

fn found_contact() -> impl Strategy<Value = Value> {
    object([
        ("firstName", open(written())),
        ("lastName", open(written())),
        ("title", open(text())),
        ("organizationName", open(text())),
        ("email", open(one_of(&["a@example.com", ""]))),
        ("phone", open(written())),
        ("addressLineOne", open(text())),
        ("addressLineTwo", open(text())),
        ("city", open(text())),
        ("region", open(text())),
        ("postalCode", open(text())),
        ("country", open(country())),
        ("brandNew", unknown()),
    ])
}

/// An enrollment of any kind and age, as CPS may return it.
pub fn any_answer() -> impl Strategy<Value = Value> {
    let third_party = object([("excludeSans", always(flag())), ("brandNew", unknown())]);
    let change = object([
        ("location", always(Just(json!("/cps-api/enrollments/10002/changes/10003")))),
        ("changeType", open(one_of(&["new-certificate", "renewal", "brand-new"]))),
        ("brandNew", unknown()),
    ]);
    let number = || any::<u32>().prop_map(Value::from);
    object([
        ("id", open(number())),
        ("location", open(Just(json!("/cps-api/enrollments/10002")))),
        ("certificateType", always(one_of(&["san", "single", "brand-new"]))),
        ("validationType", always(one_of(&["dv", "ov", "brand-new"]))),
        ("ra", always(one_of(&["lets-encrypt", "symantec", "brand-new"]))),
        ("changeManagement", open(flag())),
        ("enableMultiStackedCertificates", open(flag())),
        ("certificateChainType", open(one_of(&["default", "symantec1kroot"]))),
        ("signatureAlgorithm", open(one_of(&["SHA-256", "SHA-1", "sha-256"]))),
        ("csr", always(found_subject())),
        ("networkConfiguration", always(found_network())),
        ("org", open(found_organization())),
        ("orgId", open(number())),
        ("adminContact", open(found_contact())),
        ("techContact", open(found_contact())),
        ("thirdParty", open(third_party)),
        ("pendingChanges", open(vec(change, 0..2).prop_map(Value::from))),
        ("assignedSlots", open(vec(number(), 0..2).prop_map(Value::from))),
        ("maxAllowedSanNames", open(number())),
        ("autoRenewalStartTime", open(Just(json!("2026-12-24T12:00:00Z")))),
        ("slots", open(vec(number(), 0..2).prop_map(Value::from))),
        ("brandNew", unknown()),
    ])
}

/// What the user wants, and what CPS answers: anything, what a create from this spec made, or a mixture.
pub fn any_pair() -> impl Strategy<Value = (CertificateSpec, Value)> {
    let share = prop_oneof![Just(0.0), Just(0.05), Just(0.5), Just(1.0)];
    (any_spec(), any_answer(), share, any::<u64>()).prop_map(|(spec, other, share, seed)| {
        if share == 1.0 {
            return (spec, other);
        }
        let ours = returned(&enrollment(&spec, &defaults()).unwrap(), seed);
        let mut answer = serde_json::to_value(ours).unwrap();
        overwrite(&mut answer, other, share, &mut StdRng::seed_from_u64(seed));
        (spec, answer)
    })
}

/// Copies a share of the fields of another object into this one.
fn overwrite(target: &mut Value, other: Value, share: f64, random: &mut StdRng) {
    let (Value::Object(target), Value::Object(other)) = (target, other) else { return };
    for (field, value) in other {
        match target.get_mut(&field) {
            Some(present) if present.is_object() && value.is_object() => {
                overwrite(present, value, share, random);
            }
            _ if random.random_bool(share) => {
                target.insert(field, value);
            }
            _ => {}
        }
    }
}

pub fn read(answer: &Value) -> Enrollment {
    serde_json::from_value(answer.clone()).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// The values of an object by path. A list is one value, and null counts as absent.
pub fn leaves(object: &Value) -> Map<String, Value> {
    fn collect(path: &str, value: &Value, into: &mut Map<String, Value>) {
        match value {
            Value::Null => {}
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    collect(&path, value, into);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                into.insert(path.to_owned(), value.clone());
            }
        }
    }
    let mut into = Map::new();
    collect("", object, &mut into);
    into
}

//! Whatever the user asks for: what CPS makes of it is found again and does not differ.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::{defaults, returned, spec};
use crate::desired::{enrollment, immutable_differences, matches_intent, other_differences};
use akacert_api::certificate::CertificateSpec;

/// An object with those of the fields that are set.
fn object(fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect()
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    option::of(select(words).prop_map(|word| json!(word)))
}

fn flag() -> impl Strategy<Value = Option<Value>> {
    option::of(any::<bool>().prop_map(|flag| json!(flag)))
}

/// Empty now and then.
fn text() -> impl Strategy<Value = Option<Value>> {
    option::of("[A-Z]?[a-z]{0,8}".prop_map(|text| json!(text)))
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let names = ["a", "b", "c", "www"].map(|label| format!("{label}.example.com"));
    subsequence(names.to_vec(), 0..=4).prop_shuffle()
}

fn network() -> impl Strategy<Value = Value> {
    let settings = (any::<bool>(), names())
        .prop_map(|(clone, names)| json!({"cloneDnsNames": clone, "dnsNames": names}));
    let versions = subsequence(vec!["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"], 0..=4).prop_shuffle();
    (
        one_of(&["Core", "ChinaAndCore", "RussiaAndCore"]),
        one_of(&["StandardTLS", "EnhancedTLS"]),
        flag(),
        one_of(&["ak-akamai-2020q1", "ak-akamai-default"]),
        one_of(&["On", "Off", "NotSet"]),
        option::of(versions.prop_map(|versions| json!(versions))),
        option::of(settings),
    )
        .prop_map(|(geography, secure, quic, ciphers, stapling, versions, settings)| {
            object([
                ("geography", geography),
                ("secureNetwork", secure),
                ("quicEnabled", quic),
                ("mustHaveCiphers", ciphers),
                ("ocspStapling", stapling),
                ("disallowedTlsVersions", versions),
                ("dnsNameSettings", settings),
            ])
        })
}

fn subject() -> impl Strategy<Value = Value> {
    (text(), text(), text(), text(), text()).prop_map(|(state, city, organization, unit, chain)| {
        object([
            ("state", state),
            ("city", city),
            ("organization", organization),
            ("organizationalUnit", unit),
            ("preferredTrustChain", chain),
        ])
    })
}

fn contact() -> impl Strategy<Value = Value> {
    (text(), text(), text()).prop_map(|(title, address, city)| {
        object([
            ("firstName", Some(json!("E"))),
            ("lastName", Some(json!("F"))),
            ("email", Some(json!("e@example.com"))),
            ("phone", Some(json!("617-555-0199"))),
            ("title", title),
            ("addressLineTwo", address),
            ("city", city),
        ])
    })
}

fn organization() -> impl Strategy<Value = Value> {
    (text(), text()).prop_map(|(region, address)| {
        object([("name", Some(json!("Shop"))), ("region", region), ("addressLineTwo", address)])
    })
}

fn any_spec() -> impl Strategy<Value = CertificateSpec> {
    (
        option::of(names().prop_map(|names| json!(names))),
        option::of(network()),
        option::of(subject()),
        option::of(organization()),
        option::of(contact()),
        option::of(contact()),
        flag(),
        one_of(&["SHA-256"]),
    )
        .prop_map(|(names, network, csr, organization, admin, tech, management, algorithm)| {
            spec(object([
                ("dnsNames", names),
                ("network", network),
                ("csr", csr),
                ("organization", organization),
                ("adminContact", admin),
                ("techContact", tech),
                ("changeManagement", management),
                ("signatureAlgorithm", algorithm),
            ]))
        })
}

proptest! {
    #[test]
    fn an_enrollment_made_from_a_spec_is_found_again_and_does_not_differ(spec in any_spec(), seed in any::<u64>()) {
        let body = enrollment(&spec, &defaults()).unwrap();
        let found = returned(&body, seed);
        prop_assert!(matches_intent(&found, &body), "{found:#?}");
        prop_assert_eq!(immutable_differences(&spec, Some("1-A"), &found), Vec::<String>::new());
        prop_assert_eq!(other_differences(&spec, &found), Vec::<String>::new());
    }

    #[test]
    fn only_what_the_user_has_set_is_compared(made_from in any_spec(), seed in any::<u64>()) {
        let found = returned(&enrollment(&made_from, &defaults()).unwrap(), seed);
        let mut bare = spec(json!({}));
        bare.dns_names = made_from.dns_names;
        prop_assert_eq!(immutable_differences(&bare, Some("1-A"), &found), Vec::<String>::new());
        prop_assert_eq!(other_differences(&bare, &found), Vec::<String>::new());
    }
}

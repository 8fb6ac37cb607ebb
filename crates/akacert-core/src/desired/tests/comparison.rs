//! Recognising our enrollment, and describing what the user has changed since.

use akamai_cps_types::Enrollment;
use serde_json::{Value, json};

use super::{defaults, immutable_differences, merge, other_differences, returned, spec};
use crate::desired::{body_hash, enrollment, matches_intent};

/// A body that was sent for `api.example.com` and the common name, with every possible field set.
fn sent() -> Enrollment {
    let spec = spec(json!({
        "dnsNames": ["api.example.com"], "signatureAlgorithm": "SHA-256",
        "network": {
            "quicEnabled": true, "mustHaveCiphers": "ours", "preferredCiphers": "ours", "ocspStapling": "On",
            "disallowedTlsVersions": ["TLSv1", "TLSv1_1"],
            "dnsNameSettings": {"cloneDnsNames": false, "dnsNames": ["api.example.com", "www.example.com"]}
        },
        "csr": {"organizationalUnit": "Web", "preferredTrustChain": "intermediate-a"}
    }));
    enrollment(&spec, &defaults()).unwrap()
}

fn changed(enrollment: &Enrollment, patch: Value) -> Enrollment {
    let mut json = serde_json::to_value(enrollment).unwrap();
    merge(&mut json, patch);
    serde_json::from_value(json).unwrap()
}

#[test]
fn an_enrollment_is_found_again_however_cps_writes_it_down() {
    let same = [
        json!({}),
        json!({"csr": {"sans": ["www.example.com", "api.example.com"]}}),
        json!({"csr": {"sans": ["API.example.com", "WWW.Example.com"], "cn": "WWW.example.com"}}),
        json!({"csr": {"sans": ["api.example.com", "api.example.com", "www.example.com"]}}),
        json!({"id": 10002, "location": "/cps-api/enrollments/10002", "assignedSlots": [1], "maxAllowedSanNames": 100}),
        json!({"networkConfiguration": {"disallowedTlsVersions": ["TLSv1_1", "TLSv1"]}}),
        json!({"networkConfiguration": {"dnsNameSettings": {"dnsNames": ["WWW.example.com", "api.example.com"]}}}),
        json!({"networkConfiguration": {"clientMutualAuthentication": null, "brandNew": 1}}),
        json!({"org": {"addressLineTwo": ""}, "adminContact": {"title": null, "city": ""}}),
    ];
    for patch in same {
        assert!(matches_intent(&changed(&sent(), patch.clone()), &sent()), "{patch}");
    }
}

#[test]
fn an_enrollment_that_differs_in_anything_that_was_sent_is_not_ours() {
    let other = [
        json!({"csr": {"cn": "shop.example.com", "sans": ["api.example.com", "www.example.com"]}}),
        json!({"csr": {"sans": ["www.example.com"]}}),
        json!({"csr": {"sans": ["www.example.com", "api.example.com", "new.example.com"]}}),
        json!({"csr": {"ou": "Shop"}}),
        json!({"csr": {"preferredTrustChain": ""}}),
        json!({"changeManagement": true}),
        json!({"validationType": "ov"}),
        json!({"networkConfiguration": {"secureNetwork": "standard-tls"}}),
        json!({"networkConfiguration": {"mustHaveCiphers": "theirs"}}),
        json!({"networkConfiguration": {"disallowedTlsVersions": null}}),
        json!({"networkConfiguration": {"dnsNameSettings": {"dnsNames": ["www.example.com"]}}}),
        json!({"networkConfiguration": {"dnsNameSettings": {"cloneDnsNames": true}}}),
        json!({"org": {"name": "Shop"}}),
        json!({"org": null}),
        json!({"techContact": {"email": "x@akamai.com"}}),
    ];
    for patch in other {
        assert!(!matches_intent(&changed(&sent(), patch.clone()), &sent()), "{patch}");
    }
}

#[test]
fn what_cps_chooses_where_nothing_was_sent_is_no_difference() {
    let least = enrollment(&spec(json!({})), &defaults()).unwrap();
    let found = changed(
        &least,
        json!({
            "csr": {"sans": ["www.example.com"], "ou": "Web", "preferredTrustChain": "intermediate-a"},
            "networkConfiguration": {
                "mustHaveCiphers": "ak-akamai-default", "preferredCiphers": "ak-akamai-default",
                "ocspStapling": "not-set", "disallowedTlsVersions": ["TLSv1"],
                "dnsNameSettings": {"cloneDnsNames": true, "dnsNames": ["www.example.com"]}
            }
        }),
    );
    assert!(matches_intent(&found, &least));
}

#[test]
fn the_hash_of_a_body_is_its_own_and_stays() {
    assert_eq!(body_hash(&sent()), body_hash(&sent().clone()));
    assert_ne!(body_hash(&sent()), body_hash(&changed(&sent(), json!({"csr": {"ou": "Shop"}}))));
    assert_eq!(body_hash(&sent()).len(), 64);
    // One version of the operator records the hash and the next compares it: SHA-256 of JSON with sorted keys and no
    // spaces.
    let least = enrollment(&spec(json!({"dnsNames": ["api.example.com"]})), &defaults()).unwrap();
    assert_eq!(body_hash(&least), "75b6c1b5392990e29d129c453ecf79fcba3db7f16cdb1e2fc32defb7c57c8e9a");
}

#[test]
fn what_cps_cannot_change_is_told_in_the_users_words() {
    let found = returned(&enrollment(&spec(json!({})), &defaults()).unwrap(), 1);
    let differences = |patch| immutable_differences(&spec(patch), Some("1-A"), &found);
    assert_eq!(
        differences(json!({"contractId": "ctr_1-B"})),
        ["contractId is 1-B, but the enrollment is under contract 1-A, which CPS cannot change"]
    );
    assert_eq!(
        differences(json!({"network": {"secureNetwork": "StandardTLS"}})),
        [
            "network.secureNetwork is StandardTLS, but the enrollment is on EnhancedTLS, which CPS cannot change"
        ]
    );
    assert_eq!(
        differences(json!({"network": {"sniOnly": false}})),
        ["network.sniOnly is false, but the enrollment has true, which CPS cannot change"]
    );
    assert_eq!(
        differences(json!({"commonName": "shop.example.com"})),
        ["commonName is shop.example.com, but the enrollment has www.example.com, which CPS cannot change"]
    );
    let equal =
        json!({"contractId": "ctr_1-A", "network": {"secureNetwork": "EnhancedTLS", "sniOnly": true}});
    assert_eq!(differences(equal), Vec::<String>::new());
    let unknown = immutable_differences(&spec(json!({"contractId": "1-B"})), None, &found);
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn each_field_that_the_user_has_set_otherwise_is_named() {
    let found =
        returned(&enrollment(&spec(json!({"dnsNames": ["api.example.com"]})), &defaults()).unwrap(), 2);
    let same_names = json!(["api.example.com"]);
    let cases = [
        (json!({"dnsNames": ["api.example.com", "new.example.com"]}), "dnsNames: + new.example.com"),
        (json!({"dnsNames": []}), "dnsNames: - api.example.com"),
        (json!({"network": {"geography": "ChinaAndCore"}}), "network.geography: Core → ChinaAndCore"),
        (json!({"network": {"quicEnabled": true}}), "network.quicEnabled: false → true"),
        (
            json!({"network": {"mustHaveCiphers": "ours"}}),
            "network.mustHaveCiphers: ak-akamai-default → ours",
        ),
        (
            json!({"network": {"preferredCiphers": "ours"}}),
            "network.preferredCiphers: ak-akamai-default → ours",
        ),
        (json!({"network": {"ocspStapling": "Off"}}), "network.ocspStapling: NotSet → Off"),
        (
            json!({"network": {"disallowedTlsVersions": ["TLSv1_1", "TLSv1"]}}),
            "network.disallowedTlsVersions: nothing → TLSv1, TLSv1_1",
        ),
        (
            json!({"network": {"dnsNameSettings": {"cloneDnsNames": true}}}),
            "network.dnsNameSettings.cloneDnsNames: false → true",
        ),
        (
            json!({"network": {"dnsNameSettings": {"cloneDnsNames": false, "dnsNames": ["www.example.com"]}}}),
            "network.dnsNameSettings.dnsNames: nothing → www.example.com",
        ),
        (json!({"changeManagement": true}), "changeManagement: false → true"),
        (json!({"signatureAlgorithm": "SHA-256"}), "signatureAlgorithm: nothing → SHA-256"),
        (json!({"csr": {"country": "DE"}}), "csr.country: US → DE"),
        (json!({"csr": {"state": "BE"}}), "csr.state: MA → BE"),
        (json!({"csr": {"state": ""}}), "csr.state: MA → nothing"),
        (json!({"csr": {"city": "Berlin"}}), "csr.city: Cambridge → Berlin"),
        (json!({"csr": {"organization": "Shop"}}), "csr.organization: Example → Shop"),
        (json!({"csr": {"organizationalUnit": "Web"}}), "csr.organizationalUnit: nothing → Web"),
        (
            json!({"csr": {"preferredTrustChain": "intermediate-a"}}),
            "csr.preferredTrustChain: nothing → intermediate-a",
        ),
        (json!({"organization": {"name": "Shop"}}), "organization.name differs"),
        (json!({"organization": {"name": "Example", "country": "DE"}}), "organization.country differs"),
        (
            json!({"adminContact": {"firstName": "A", "lastName": "B", "email": "new@example.com", "phone": "617-555-0111"}}),
            "adminContact.email differs",
        ),
        (
            json!({"techContact": {"firstName": "C", "lastName": "D", "email": "c@akamai.com", "phone": "617-555-0199"}}),
            "techContact.phone differs",
        ),
    ];
    for (patch, expected) in cases {
        let mut all = json!({"dnsNames": same_names});
        merge(&mut all, patch);
        assert_eq!(other_differences(&spec(all.clone()), &found), [expected], "{all}");
    }
}

#[test]
fn an_empty_text_is_the_same_as_none() {
    let wanted = spec(json!({
        "csr": {"state": "", "organizationalUnit": ""},
        "organization": {"name": "Example", "addressLineTwo": ""}
    }));
    let body = enrollment(&wanted, &defaults()).unwrap();
    let found = changed(&body, json!({"csr": {"st": null, "ou": null}, "org": {"addressLineTwo": null}}));
    assert!(matches_intent(&found, &body));
    assert_eq!(other_differences(&wanted, &found), Vec::<String>::new());
}

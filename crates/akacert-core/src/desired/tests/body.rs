//! The contract, and the body of a create.

use serde_json::{Value, json};

use super::{defaults, spec};
use crate::desired::{ContractProblem, Missing, contract, enrollment};
use akacert_api::account::Defaults;

/// Akamai's schema for the body of a create.
pub fn schema() -> Value {
    let document: Value =
        serde_json::from_str(include_str!("../../../../akamai-cps/tests/openapi/cps-v2.json")).unwrap();
    let content = &document["paths"]["/enrollments"]["post"]["requestBody"]["content"];
    content["application/vnd.akamai.cps.enrollment.v11+json"]["schema"].clone()
}

#[test]
fn the_least_that_can_be_asked_for_is_a_domain_validated_certificate_of_lets_encrypt() {
    let body = enrollment(&spec(json!({"dnsNames": ["api.example.com"]})), &defaults()).unwrap();
    let expected = json!({
        "ra": "lets-encrypt", "validationType": "dv", "certificateType": "san", "certificateChainType": "default",
        "changeManagement": false, "enableMultiStackedCertificates": false,
        "csr": {
            "cn": "www.example.com", "sans": ["api.example.com"],
            "c": "US", "st": "MA", "l": "Cambridge", "o": "Example"
        },
        "networkConfiguration": {
            "geography": "core", "secureNetwork": "enhanced-tls", "sniOnly": true, "quicEnabled": false
        },
        "org": {
            "name": "Example", "addressLineOne": "1 Main St", "city": "Cambridge", "region": "MA",
            "postalCode": "02142", "country": "US", "phone": "617-555-0111"
        },
        "adminContact": {"firstName": "A", "lastName": "B", "email": "a@example.com", "phone": "617-555-0111"},
        "techContact": {"firstName": "C", "lastName": "D", "email": "c@akamai.com", "phone": "617-555-0112"}
    });
    assert_eq!(serde_json::to_value(body).unwrap(), expected);
}

#[test]
fn everything_that_can_be_asked_for_is_sent_as_cps_spells_it() {
    let everything = spec(json!({
        "dnsNames": ["api.example.com", "www.example.com"], "changeManagement": true, "signatureAlgorithm": "SHA-256",
        "network": {
            "secureNetwork": "StandardTLS", "geography": "ChinaAndCore", "sniOnly": true, "quicEnabled": true,
            "mustHaveCiphers": "ak-akamai-2020q1", "preferredCiphers": "ak-akamai-2021q4", "ocspStapling": "On",
            "disallowedTlsVersions": ["TLSv1", "TLSv1_1"],
            "dnsNameSettings": {"cloneDnsNames": false, "dnsNames": ["www.example.com"]}
        },
        "csr": {
            "country": "DE", "state": "BE", "city": "Berlin", "organization": "Shop", "organizationalUnit": "Web",
            "preferredTrustChain": "intermediate-a"
        }
    }));
    let body = serde_json::to_value(enrollment(&everything, &defaults()).unwrap()).unwrap();
    assert_eq!((&body["changeManagement"], &body["signatureAlgorithm"]), (&json!(true), &json!("SHA-256")));
    assert_eq!(
        body["networkConfiguration"],
        json!({
            "secureNetwork": "standard-tls", "geography": "china+core", "sniOnly": true, "quicEnabled": true,
            "mustHaveCiphers": "ak-akamai-2020q1", "preferredCiphers": "ak-akamai-2021q4", "ocspStapling": "on",
            "disallowedTlsVersions": ["TLSv1", "TLSv1_1"],
            "dnsNameSettings": {"cloneDnsNames": false, "dnsNames": ["www.example.com"]}
        })
    );
    // The common name appears only once.
    assert_eq!(
        body["csr"],
        json!({
            "cn": "www.example.com", "sans": ["api.example.com"], "c": "DE", "st": "BE", "l": "Berlin", "o": "Shop",
            "ou": "Web", "preferredTrustChain": "intermediate-a"
        })
    );
}

#[test]
fn what_is_sent_fits_akamais_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let bodies = [
        spec(json!({})),
        spec(
            json!({"dnsNames": ["api.example.com"], "changeManagement": true, "signatureAlgorithm": "SHA-256"}),
        ),
        spec(
            json!({"network": {"geography": "RussiaAndCore", "ocspStapling": "NotSet", "quicEnabled": true}}),
        ),
        spec(
            json!({"network": {"dnsNameSettings": {"cloneDnsNames": true}, "disallowedTlsVersions": ["TLSv1_3"]}}),
        ),
    ];
    for spec in bodies {
        let body = serde_json::to_value(enrollment(&spec, &defaults()).unwrap()).unwrap();
        let violations: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert_eq!(violations, Vec::<String>::new(), "{body}");
    }
}

#[test]
fn a_certificate_without_further_names_sends_no_names() {
    let body = enrollment(&spec(json!({"dnsNames": []})), &defaults()).unwrap();
    assert_eq!(body.csr.sans, None);
}

#[test]
fn the_certificates_own_network_wins_field_by_field() {
    let defaults: Defaults = {
        let mut all = defaults();
        let network = json!({"secureNetwork": "EnhancedTLS", "geography": "ChinaAndCore", "ocspStapling": "On",
            "mustHaveCiphers": "theirs", "preferredCiphers": "theirs"});
        all.network = serde_json::from_value(network).unwrap();
        all
    };
    let own = spec(json!({"network": {"secureNetwork": "StandardTLS", "preferredCiphers": "ours"}}));
    let body = serde_json::to_value(enrollment(&own, &defaults).unwrap()).unwrap();
    assert_eq!(
        body["networkConfiguration"],
        json!({
            "secureNetwork": "standard-tls", "preferredCiphers": "ours",
            "geography": "china+core", "ocspStapling": "on", "mustHaveCiphers": "theirs",
            "sniOnly": true, "quicEnabled": false
        })
    );
}

#[test]
fn the_certificates_own_organization_and_contacts_win_as_a_whole() {
    let own = spec(json!({
        "organization": {"name": "Shop"},
        "adminContact": {"firstName": "E", "lastName": "F", "email": "e@shop.example", "phone": "030-123456"}
    }));
    let body = serde_json::to_value(enrollment(&own, &defaults()).unwrap()).unwrap();
    assert_eq!(body["org"], json!({"name": "Shop"}));
    assert_eq!(body["adminContact"]["email"], "e@shop.example");
    assert_eq!(body["techContact"]["email"], "c@akamai.com");
    assert_eq!(body["csr"], json!({"cn": "www.example.com", "o": "Shop"}));
}

#[test]
fn the_accounts_server_names_are_not_for_a_certificate_with_an_address_of_its_own() {
    let mut defaults = defaults();
    let network = json!({"secureNetwork": "EnhancedTLS", "dnsNameSettings": {"cloneDnsNames": true}});
    defaults.network = serde_json::from_value(network).unwrap();
    let body = enrollment(&spec(json!({"network": {"sniOnly": false}})), &defaults).unwrap();
    assert_eq!(body.network_configuration.dns_name_settings, None);
}

#[test]
fn names_that_cps_clones_are_not_sent() {
    let settings = json!({"cloneDnsNames": true, "dnsNames": ["www.example.com"]});
    let body = enrollment(&spec(json!({"network": {"dnsNameSettings": settings}})), &defaults()).unwrap();
    assert_eq!(body.network_configuration.dns_name_settings.unwrap().dns_names, None);
}

#[test]
fn all_that_is_missing_is_named_in_one_sentence() {
    let missing = enrollment(&spec(json!({})), &Defaults::default()).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "CPS needs organization, adminContact, techContact, network.secureNetwork: set that in the certificate's spec, \
         or in the account's spec.defaults"
    );
    let mut defaults = defaults();
    defaults.tech_contact = None;
    assert_eq!(enrollment(&spec(json!({})), &defaults), Err(Missing { fields: vec!["techContact"] }));
}

#[test]
fn the_contract_is_the_certificates_else_the_accounts_else_the_only_one() {
    let visible = |contracts: &[&str]| contracts.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let not_chosen = |contracts: &[&str]| Err(ContractProblem::NotChosen(visible(contracts)));
    let unknown = |chosen: &str, contracts: &[&str]| {
        Err(ContractProblem::Unknown { chosen: chosen.into(), visible: visible(contracts) })
    };
    // The certificate's, the account's, and those that the credentials see.
    let cases = [
        (None, None, &["1-A"][..], Ok("1-A".to_owned())),
        (None, None, &["1-A", "1-B"], not_chosen(&["1-A", "1-B"])),
        (None, None, &[], not_chosen(&[])),
        (None, Some("1-B"), &["1-A", "1-B"], Ok("1-B".into())),
        (None, Some("ctr_1-B"), &["1-A", "1-B"], Ok("1-B".into())),
        (Some("1-A"), Some("1-B"), &["1-A", "1-B"], Ok("1-A".into())),
        (Some("ctr_1-A"), Some("1-B"), &["1-A", "1-B"], Ok("1-A".into())),
        (Some("1-C"), Some("1-B"), &["1-A", "1-B"], unknown("1-C", &["1-A", "1-B"])),
        (None, Some("1-C"), &["1-A"], unknown("1-C", &["1-A"])),
        // These credentials may not list contracts.
        (Some("ctr_1-C"), None, &[], Ok("1-C".into())),
    ];
    for (own, default, contracts, expected) in cases {
        let spec = spec(own.map_or(json!({}), |id| json!({"contractId": id})));
        let defaults = Defaults { contract_id: default.map(str::to_owned), ..Defaults::default() };
        assert_eq!(
            contract(&spec, &defaults, &visible(contracts)),
            expected,
            "{own:?} {default:?} {contracts:?}"
        );
    }
}

#[test]
fn a_contract_that_cannot_be_told_is_asked_for_with_those_there_are() {
    let problem = ContractProblem::NotChosen(vec!["1-A".into(), "1-B".into()]).to_string();
    assert!(problem.contains("1-A, 1-B") && problem.contains("set spec.contractId"), "{problem}");
    let problem = ContractProblem::Unknown { chosen: "1-C".into(), visible: vec!["1-A".into()] }.to_string();
    assert!(problem.contains("1-C") && problem.contains("1-A"), "{problem}");
}

//! Compares the table of fields with the CRD and with Akamai's schema.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::body::schema;
use super::{crd, defaults, spec};
use crate::desired::{FIELDS, Found, enrollment, exported};

/// The part of a schema at a path.
fn at<'a>(schema: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(schema, |schema, name| &schema["properties"][name])
}

/// The paths of the fields without subfields.
fn leaves(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            properties.iter().for_each(|(name, field)| leaves(field, &format!("{path}.{name}"), into));
        }
        None => {
            into.insert(path.to_owned());
        }
    }
}

#[test]
fn every_row_is_a_field_of_spec_and_a_field_of_cps() {
    let (spec, cps) = (crd(), schema());
    for field in FIELDS {
        assert!(at(&spec, field.spec).is_object(), "spec has no {}", field.spec);
        assert!(field.cps.is_empty() || at(&cps, field.cps).is_object(), "CPS has no {}", field.cps);
    }
    let rows: BTreeSet<&str> = FIELDS.iter().map(|field| field.spec).collect();
    assert_eq!(rows.len(), FIELDS.len());
}

#[test]
fn every_field_of_spec_that_describes_an_enrollment_has_its_row() {
    let spec = crd();
    let mut fields = BTreeSet::new();
    for part in ["network", "csr", "organization", "adminContact", "techContact"] {
        leaves(at(&spec, part), part, &mut fields);
    }
    for field in ["contractId", "commonName", "dnsNames", "changeManagement", "signatureAlgorithm"] {
        fields.insert(field.to_owned());
    }
    let rows: BTreeSet<String> = FIELDS.iter().map(|field| field.spec.to_owned()).collect();
    assert_eq!(rows, fields);
}

#[test]
fn what_may_be_read_in_git_is_exported_and_nothing_else() {
    let everything = spec(json!({
        "dnsNames": ["api.example.com"], "changeManagement": true, "signatureAlgorithm": "SHA-256",
        "network": {
            "geography": "ChinaAndCore", "quicEnabled": true, "mustHaveCiphers": "ours", "preferredCiphers": "theirs",
            "ocspStapling": "On", "disallowedTlsVersions": ["TLSv1"],
            "dnsNameSettings": {"cloneDnsNames": false, "dnsNames": ["api.example.com"]}
        },
        "csr": {"organizationalUnit": "Web", "preferredTrustChain": "intermediate-a"}
    }));
    let found = enrollment(&everything, &defaults()).unwrap();
    assert_eq!(
        exported(&Found { contract: Some("ctr_1-A"), enrollment: &found }),
        json!({
            "contractId": "1-A", "commonName": "www.example.com", "dnsNames": ["api.example.com"], "changeManagement": true,
            "network": {
                "secureNetwork": "EnhancedTLS", "geography": "ChinaAndCore", "sniOnly": true, "quicEnabled": true,
                "mustHaveCiphers": "ours", "preferredCiphers": "theirs", "ocspStapling": "On"
            }
        })
    );
}

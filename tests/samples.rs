//! The samples of `deploy/samples`, as files. `tests/e2e/handbook.rs` sends them to the API server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use serde_json::Value;

/// Every object of every sample.
fn samples() -> Vec<Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let files =
        fs::read_dir(directory).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    files
        .flat_map(|file| {
            let documents = file.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap());
            documents.collect::<Vec<Value>>()
        })
        .collect()
}

#[test]
fn every_field_of_every_kind_is_in_a_sample() {
    for (_, crd) in akacert_api::crds() {
        let kind = &crd.spec.names.kind;
        let shown: BTreeSet<String> = samples()
            .iter()
            .filter(|sample| sample["kind"] == **kind)
            .flat_map(|sample| sample["spec"].as_object().unwrap().keys().cloned())
            .collect();
        let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
        for field in schema.properties.unwrap()["spec"].properties.as_ref().unwrap().keys() {
            // Both kinds of account have the same budget; one sample is enough.
            if kind == "ClusterAkamaiAccount" && field == "requestBudget" {
                continue;
            }
            assert!(shown.contains(field), "{kind}: no sample has {field}");
        }
    }
}

#[test]
fn every_field_of_every_way_of_validation_is_in_a_sample() {
    let mut known = BTreeSet::new();
    let (_, crd) =
        akacert_api::crds().into_iter().find(|(_, crd)| crd.spec.names.kind == "AkamaiCertificate").unwrap();
    let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
    let spec = &schema.properties.as_ref().unwrap()["spec"];
    fields("", &spec.properties.as_ref().unwrap()["validation"], &mut known);
    assert!(known.len() > 25, "{known:?}");
    let mut shown = BTreeSet::new();
    for sample in samples().iter().filter(|sample| sample["kind"] == "AkamaiCertificate") {
        set("", &sample["spec"]["validation"], &mut shown);
    }
    let missing: Vec<_> = known.difference(&shown).collect();
    assert!(missing.is_empty(), "no sample has {missing:?}");
}

/// The paths of a schema's fields.
fn fields(path: &str, schema: &JSONSchemaProps, known: &mut BTreeSet<String>) {
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        known.insert(once(&path));
        fields(&path, property, known);
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &property.items {
            fields(&format!("{path}[]"), items, known);
        }
    }
}

/// The paths that a value sets.
fn set(path: &str, value: &Value, shown: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        shown.insert(once(&path));
        set(&path, value, shown);
        for item in value.as_array().into_iter().flatten() {
            set(&format!("{path}[]"), item, shown);
        }
    }
}

/// The path to look for in the samples. They need not repeat, in a group of names or a redirect, a setting that they
/// show elsewhere.
fn once(path: &str) -> String {
    [(".domains[].http01.", ".http01."), (".domains[].dns01.", ".dns01.")]
        .into_iter()
        .chain([(".redirect.ingress.", ".ingress."), (".redirect.gateway.", ".gateway.")])
        .fold(path.to_owned(), |path, (repeated, same)| path.replace(repeated, same))
}

#[test]
fn no_two_samples_are_for_the_same_object_or_name() {
    let mut seen = BTreeSet::new();
    for sample in samples() {
        let object = format!("{} {}", sample["kind"], sample["metadata"]["name"]);
        assert!(seen.insert(object.clone()), "{object}");
        if let Some(name) = sample["spec"]["commonName"].as_str() {
            assert!(seen.insert(name.to_owned()), "{name}");
        }
    }
}

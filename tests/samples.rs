//! The samples of `deploy/samples`, as files. Not here: whether the API server takes them (`tests/e2e/handbook.rs`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use akacert::api;
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
    for (_, crd) in api::crds() {
        let kind = &crd.spec.names.kind;
        let shown: BTreeSet<String> = samples()
            .iter()
            .filter(|sample| sample["kind"] == **kind)
            .flat_map(|sample| sample["spec"].as_object().unwrap().keys().cloned())
            .collect();
        let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
        for field in schema.properties.unwrap()["spec"].properties.as_ref().unwrap().keys() {
            // One budget is like the other.
            if kind == "ClusterAkamaiAccount" && field == "requestBudget" {
                continue;
            }
            assert!(shown.contains(field), "{kind}: no sample has {field}");
        }
    }
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

//! The CustomResourceDefinitions and the handbook's reasons: rendered from the Rust types, committed, and compared.
//! End-to-end tests send them to an API server.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use akacert_api::reason;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};
use serde_json::json;

fn committed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn version(crd: &CustomResourceDefinition) -> &CustomResourceDefinitionVersion {
    assert_eq!(crd.spec.versions.len(), 1);
    &crd.spec.versions[0]
}

fn schema(crd: &CustomResourceDefinition) -> &JSONSchemaProps {
    version(crd).schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap()
}

fn of_kind(kind: &str) -> CustomResourceDefinition {
    akacert_api::crds().into_iter().map(|(_, crd)| crd).find(|crd| crd.spec.names.kind == kind).unwrap()
}

#[test]
fn the_committed_crds_are_those_of_the_types() {
    for (file, crd) in akacert_api::crds() {
        let rendered = serde_saphyr::to_string(&crd).unwrap();
        let present = fs::read_to_string(committed("crds").join(file)).unwrap_or_default();
        assert!(present == rendered, "crds/{file} is not what the types say: run `make crds`");
    }
}

/// The paths of all properties below a schema that lack a description.
fn undescribed(path: &str, schema: &JSONSchemaProps, found: &mut Vec<String>) {
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        // The API server describes the resource's own metadata.
        if property.description.as_ref().is_none_or(|text| text.trim().is_empty()) && path != ".metadata" {
            found.push(path.clone());
        }
        undescribed(&path, property, found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        undescribed(&format!("{path}[]"), items, found);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        undescribed(&format!("{path}{{}}"), values, found);
    }
}

#[test]
fn kubectl_explain_has_a_word_on_every_field() {
    for (file, crd) in akacert_api::crds() {
        let mut found = Vec::new();
        undescribed("", schema(&crd), &mut found);
        assert_eq!(found, Vec::<String>::new(), "{file}");
        assert!(schema(&crd).description.as_ref().is_some_and(|text| text.len() > 20), "{file}");
    }
}

#[test]
fn a_new_resource_is_not_observed_yet() {
    for (file, crd) in akacert_api::crds() {
        let status = &schema(&crd).properties.as_ref().unwrap()["status"];
        let default = status.default.as_ref().map(|default| &default.0);
        assert_eq!(default, Some(&json!({"observedGeneration": -1})), "{file}");
        assert!(version(&crd).subresources.as_ref().is_some_and(|all| all.status.is_some()), "{file}");
        assert!(version(&crd).served && version(&crd).storage, "{file}");
    }
}

#[test]
fn no_field_may_be_null() {
    fn nullable(schema: &JSONSchemaProps) -> bool {
        schema.nullable == Some(true)
            || schema.properties.iter().flatten().any(|(_, property)| nullable(property))
            || matches!(&schema.items, Some(JSONSchemaPropsOrArray::Schema(items)) if nullable(items))
            || matches!(&schema.additional_properties, Some(JSONSchemaPropsOrBool::Schema(all)) if nullable(all))
    }
    for (file, crd) in akacert_api::crds() {
        assert!(!nullable(schema(&crd)), "{file}");
    }
}

#[test]
fn the_kinds_are_called_as_the_documentation_calls_them() {
    let names: Vec<_> = akacert_api::crds()
        .into_iter()
        .map(|(file, crd)| {
            let names = crd.spec.names;
            let short = names.short_names.unwrap_or_default().join(",");
            assert_eq!(names.categories, Some(vec!["akacert".into(), "akamai".into()]), "{file}");
            assert_eq!(file, format!("{}.yaml", names.plural));
            (names.kind, crd.spec.scope, short)
        })
        .collect();
    let expected = [
        ("AkamaiCertificate", "Namespaced", "akcert,akcerts"),
        ("AkamaiAccount", "Namespaced", "akaccount"),
        ("ClusterAkamaiAccount", "Cluster", "cakaccount"),
    ];
    assert_eq!(names, expected.map(|(kind, scope, short)| (kind.into(), scope.into(), short.into())));
}

/// Name, type, and whether only `-o wide` shows the column.
fn columns(kind: &str) -> Vec<(String, String, bool)> {
    let columns = version(&of_kind(kind)).additional_printer_columns.clone().unwrap_or_default();
    columns.into_iter().map(|column| (column.name, column.type_, column.priority.unwrap_or(0) > 0)).collect()
}

fn named(columns: &[(&str, &str, bool)]) -> Vec<(String, String, bool)> {
    columns.iter().map(|(name, type_, wide)| ((*name).into(), (*type_).into(), *wide)).collect()
}

#[test]
fn kubectl_get_shows_what_one_asks_for_first() {
    let expected = named(&[
        ("Ready", "string", false),
        ("Reason", "string", false),
        ("Common name", "string", false),
        ("Enrollment", "integer", false),
        // Not a date, because kubectl prints `<invalid>` for a time in the future.
        ("Expires", "string", false),
        ("Age", "date", false),
        ("Message", "string", true),
        ("Change", "string", true),
    ]);
    assert_eq!(columns("AkamaiCertificate"), expected);
    let expected = named(&[
        ("Ready", "string", false),
        ("Reason", "string", false),
        ("Contracts", "string", false),
        ("Age", "date", false),
        ("Message", "string", true),
    ]);
    assert_eq!(columns("AkamaiAccount"), expected);
    assert_eq!(columns("ClusterAkamaiAccount"), expected);
}

#[test]
fn every_rule_says_what_to_do() {
    fn rules(schema: &JSONSchemaProps, found: &mut Vec<Option<String>>) {
        found.extend(schema.x_kubernetes_validations.iter().flatten().map(|rule| rule.message.clone()));
        schema.properties.iter().flatten().for_each(|(_, property)| rules(property, found));
    }
    let mut found = Vec::new();
    akacert_api::crds().iter().for_each(|(_, crd)| rules(schema(crd), &mut found));
    assert!(found.len() >= 9, "{found:?}");
    for message in found {
        assert!(message.as_ref().is_some_and(|message| message.len() > 40), "{message:?}");
    }
}

#[test]
fn reasons_are_words_that_a_condition_may_carry() {
    for reason in reason::Reason::ALL {
        let word = reason.as_str();
        assert!(word.chars().all(|c| c.is_ascii_alphanumeric()) && word.len() <= 63, "{word}");
        assert!(!reason.meaning().contains('|') && reason.meaning().ends_with('.'), "{word}");
        assert!(!reason.action().contains('|') && reason.action().ends_with('.'), "{word}");
    }
}

//! Whether an observed object already is as it should be, so that nothing is written when nothing changed. Pure.
//!
//! The API server adds defaults and other actors add fields of their own; only what we own is compared. What we own and
//! do not want any more is a difference too: the next apply removes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Map, Value, json};

use akacert_api::names::FIELD_MANAGER;

/// Whether every field of the desired object has its value in the observed one, we own no field that is not wanted any
/// more, and what is ours alone holds nothing else.
pub fn satisfies<K: Resource + Serialize>(desired: &K, observed: &K) -> bool {
    let (Ok(desired_json), Ok(observed_json)) =
        (serde_json::to_value(desired), serde_json::to_value(observed))
    else {
        return false;
    };
    contains(&observed_json, &desired_json)
        && surplus(&desired_json, &observed_json).is_none()
        && !has_leftovers(&desired_json, observed)
}

/// The merge patch that takes away what is not wanted in what is ours alone, whoever wrote it: an apply removes only what
/// nobody but us owns. None: there is nothing to take away.
pub fn without_surplus<K: Resource + Serialize>(desired: &K, observed: &K) -> Option<Value> {
    match (serde_json::to_value(desired), serde_json::to_value(observed)) {
        (Ok(desired), Ok(observed)) => surplus(&desired, &observed),
        _ => None,
    }
}

/// The keys of `data`, and the `tls` of an Ingress, with which its controller may redirect the authority to HTTPS.
fn surplus(desired: &Value, observed: &Value) -> Option<Value> {
    let mut patch = Map::new();
    let data = observed.get("data").and_then(Value::as_object).into_iter().flatten();
    let keys: Map<_, _> = data
        .filter(|(key, _)| desired.get("data").is_none_or(|wanted| wanted.get(key).is_none()))
        .map(|(key, _)| (key.clone(), Value::Null))
        .collect();
    if !keys.is_empty() {
        patch.insert("data".to_owned(), Value::Object(keys));
    }
    let has_tls = |object: &Value| {
        object.pointer("/spec/tls").and_then(Value::as_array).is_some_and(|tls| !tls.is_empty())
    };
    if has_tls(observed) && !has_tls(desired) {
        patch.insert("spec".to_owned(), json!({"tls": null}));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Objects may have more fields; lists are equal in length and order, but for owner references, to which others add.
pub(super) fn contains(observed: &Value, desired: &Value) -> bool {
    match (observed, desired) {
        (Value::Object(observed), Value::Object(desired)) => desired.iter().all(|(key, wanted)| {
            let Some(found) = observed.get(key) else { return false };
            match (key.as_str(), found, wanted) {
                ("ownerReferences", Value::Array(found), Value::Array(wanted)) => {
                    wanted.iter().all(|wanted| found.iter().any(|found| contains(found, wanted)))
                }
                _ => contains(found, wanted),
            }
        }),
        (Value::Array(observed), Value::Array(desired)) => {
            observed.len() == desired.len()
                && observed
                    .iter()
                    .zip(desired)
                    .all(|(observed, desired)| contains(observed, desired) && !adds_lists(observed, desired))
        }
        (observed, desired) => observed == desired,
    }
}

/// Whether an item of our list has a list that we did not write, such as the filters of a rule: no default of the API
/// server is one.
fn adds_lists(observed: &Value, desired: &Value) -> bool {
    let (Value::Object(observed), Value::Object(desired)) = (observed, desired) else { return false };
    observed.iter().any(|(key, found)| match (found, desired.get(key)) {
        (Value::Array(found), None) => !found.is_empty(),
        (found, Some(wanted)) => adds_lists(found, wanted),
        _ => false,
    })
}

/// Keeps of the managed fields what [`satisfies`] looks at, as text. Decoded, they take several times the memory of the
/// object that they are about.
pub fn slim<K: Resource>(object: &mut K) {
    let entries = object.managed_fields_mut();
    entries.retain(is_our_apply);
    entries.shrink_to_fit();
    for fields in entries.iter_mut().filter_map(|entry| entry.fields_v1.as_mut()) {
        if !fields.0.is_string() {
            fields.0 = Value::String(fields.0.to_string());
        }
    }
}

/// Whether we own a field that is not wanted any more; the next apply removes it.
fn has_leftovers<K: Resource>(desired: &Value, observed: &K) -> bool {
    let owned = observed.managed_fields().iter().filter(|entry| is_our_apply(entry));
    owned.filter_map(|entry| entry.fields_v1.as_ref()).any(|fields| match fields.0.as_str() {
        Some(text) => serde_json::from_str(text).is_ok_and(|fields| !covers(desired, &fields)),
        None => !covers(desired, &fields.0),
    })
}

/// Whether a value has all fields of a set (FieldsV1): `f:` is a field, `k:` an item of a list by its key, `v:` an item by
/// its value.
fn covers(value: &Value, fields: &Value) -> bool {
    fields.as_object().into_iter().flatten().all(|(path, below)| {
        let items = || value.as_array().into_iter().flatten();
        match path.split_once(':') {
            Some(("f", key)) => value.get(key).is_some_and(|value| covers(value, below)),
            Some(("k", key)) => serde_json::from_str::<Value>(key)
                .is_ok_and(|key| items().any(|item| contains(item, &key) && covers(item, below))),
            Some(("v", item)) => {
                serde_json::from_str::<Value>(item).is_ok_and(|item| items().any(|found| *found == item))
            }
            _ => true,
        }
    })
}

/// Whether an entry is of what we apply to the object itself, and not to its status.
fn is_our_apply(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
        && entry.operation.as_deref() == Some("Apply")
        && entry.subresource.is_none()
}

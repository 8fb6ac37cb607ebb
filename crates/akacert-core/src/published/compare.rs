//! Whether an observed object already is as it should be, so that nothing is written when nothing changed. Pure.
//!
//! The API server adds defaults and other actors add fields of their own; only what we own is compared.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Resource;
use serde::Serialize;
use serde_json::Value;

use akacert_api::names::FIELD_MANAGER;

/// Whether every field of the desired object has its value in the observed one, and we own no label or annotation
/// that is not wanted any more.
pub fn satisfies<K: Resource + Serialize>(desired: &K, observed: &K) -> bool {
    let (Ok(desired_json), Ok(observed_json)) =
        (serde_json::to_value(desired), serde_json::to_value(observed))
    else {
        return false;
    };
    contains(&observed_json, &desired_json) && !has_leftovers(desired, observed)
}

/// Objects may have more fields; lists are equal in length and order, but for owner references, to which others add.
fn contains(observed: &Value, desired: &Value) -> bool {
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
                && observed.iter().zip(desired).all(|(observed, desired)| contains(observed, desired))
        }
        (observed, desired) => observed == desired,
    }
}

/// Labels and annotations that we once wrote and that are not wanted any more; the next apply removes them.
fn has_leftovers<K: Resource>(desired: &K, observed: &K) -> bool {
    let metadata = desired.meta();
    let owned = observed.meta().managed_fields.iter().flatten().filter(|entry| is_our_apply(entry));
    owned.filter_map(|entry| entry.fields_v1.as_ref()).any(|fields| {
        [("f:labels", &metadata.labels), ("f:annotations", &metadata.annotations)].into_iter().any(
            |(path, wanted)| {
                let keys =
                    fields.0.get("f:metadata").and_then(|fields| fields.get(path)).and_then(Value::as_object);
                keys.into_iter()
                    .flatten()
                    .filter_map(|(key, _)| key.strip_prefix("f:"))
                    .any(|key| !wanted.as_ref().is_some_and(|wanted| wanted.contains_key(key)))
            },
        )
    })
}

fn is_our_apply(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
}

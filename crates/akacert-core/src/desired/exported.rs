//! PURE: writes what CPS has as a user would write it in `spec`. `akacert export` adds the manifest around it.

use serde_json::{Map, Value};

use super::field::{Found, Shown};
use super::fields::FIELDS;

/// The part of `spec` that describes the enrollment: everything that may be shown in Git and that the API can
/// express.
#[must_use]
pub fn exported(found: &Found<'_>) -> Value {
    let mut spec = Value::Object(Map::new());
    for field in FIELDS.iter().filter(|field| field.shown == Shown::Exported) {
        if let Some(value) = field.in_spec(found) {
            let place = field.spec.split('.').fold(&mut spec, |part, name| &mut part[name]);
            *place = value;
        }
    }
    spec
}

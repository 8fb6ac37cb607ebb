//! PURE: what CPS has, as the user would write it into `spec`.
//! Not here: the manifest around it (`crate::export`).

use serde_json::{Map, Value};

use super::field::{Found, Shown};
use super::fields::FIELDS;

/// The part of `spec` that says what CPS has, as far as it may be read in Git and the API has words for it.
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

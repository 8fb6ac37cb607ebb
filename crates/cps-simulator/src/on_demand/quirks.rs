//! Quirks: ways in which CPS may write the same answer. Tests switch them at run time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// All are off by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Quirks {
    /// `id` and `orgId` are JSON strings instead of numbers.
    pub string_ids: bool,
    /// Every object has an extra field that no document names.
    pub unknown_fields: bool,
    /// Timestamps end in `z` instead of `Z`.
    pub lowercase_z: bool,
    /// CPS answers an update with 500 while it deploys a change of the enrollment (staging, live check, production).
    pub update_fails_while_deploying: bool,
    /// Fields without a value are absent instead of `null`.
    pub omit_nulls: bool,
}

impl Quirks {
    pub(crate) fn id(self, id: u64) -> Value {
        if self.string_ids { id.to_string().into() } else { id.into() }
    }

    pub(crate) fn time(self, time: Timestamp) -> Value {
        let zone = if self.lowercase_z { 'z' } else { 'Z' };
        format!("{}{zone}", time.strftime("%Y-%m-%dT%H:%M:%S")).into()
    }

    /// Applies the quirks that concern whole bodies.
    pub(crate) fn finish(self, mut body: Value) -> Value {
        self.walk(&mut body);
        body
    }

    fn walk(self, value: &mut Value) {
        if let Value::Object(map) = value {
            if self.omit_nulls {
                map.retain(|_, value| !value.is_null());
            }
            for value in map.values_mut() {
                self.walk(value);
            }
            if self.unknown_fields {
                map.insert("addedLater".into(), json!({"by": "the simulator"}));
            }
        } else if let Value::Array(items) = value {
            items.iter_mut().for_each(|item| self.walk(item));
        }
    }
}

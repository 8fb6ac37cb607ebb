//! Warnings: which of them stop a change, and how many changes they stop.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::lock::lock;
use crate::model::{Hesitation, Shown, Stage};

/// A warning that changes will stop at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Warning {
    /// Only enrollments whose common name contains this.
    pub name: String,
    pub stage: Stage,
    pub text: String,
    /// How many changes stop at it; 1 if absent.
    #[serde(default = "once")]
    pub count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quirk: Option<Hesitation>,
}

fn once() -> u64 {
    1
}

/// The warnings that some change will still stop at.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<Vec<Warning>>);

impl Warnings {
    pub(crate) fn add(&self, warning: Warning) {
        lock(&self.0).push(warning);
    }

    pub(crate) fn list(&self) -> Vec<Warning> {
        lock(&self.0).clone()
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// The warnings for a change with this common name at this stage. They count as shown.
    pub(crate) fn meet(&self, common_name: &str, stage: Stage) -> Option<Shown> {
        let mut warnings = lock(&self.0);
        let met: Vec<Warning> = warnings
            .iter_mut()
            .filter(|warning| warning.stage == stage && common_name.contains(&warning.name))
            .map(|warning| {
                warning.count = warning.count.saturating_sub(1);
                warning.clone()
            })
            .collect();
        warnings.retain(|warning| warning.count > 0);
        let texts: Vec<&str> = met.iter().map(|warning| warning.text.as_str()).collect();
        let hesitation = met.iter().find_map(|warning| warning.quirk);
        (!met.is_empty()).then(|| Shown { stage, text: texts.join("\n"), hesitation })
    }
}

//! Warnings on demand: which change stops at which warning. Set through `control`, met in `lifecycle`, shown by `api`.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::shared::lock;

/// When CPS warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before the certificate is ordered.
    PreVerification,
    /// Once it was issued, and before an enrollment is removed.
    PostVerification,
}

/// How CPS was seen to hesitate over warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hesitation {
    /// The first reading is answered 404.
    NotFound,
    /// The first reading is an empty text.
    Empty,
    /// The first acknowledgement is answered 409.
    Conflict,
}

/// A warning to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Warning {
    /// Part of the common name.
    pub name: String,
    /// When.
    pub stage: Stage,
    /// The text.
    pub text: String,
    /// How many changes meet it; 1 when absent.
    #[serde(default = "once")]
    pub count: u64,
    /// How CPS hesitates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quirk: Option<Hesitation>,
}

fn once() -> u64 {
    1
}

/// What a change shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub stage: Stage,
    /// One warning a line, as CPS writes them.
    pub text: String,
    pub hesitation: Option<Hesitation>,
}

/// The warnings to come.
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

    /// What a change for a common name meets now.
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

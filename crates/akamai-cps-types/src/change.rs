//! Changes: how far CPS is with what was asked of it, and what it waits for.
//!
//! Logic goes by `allowedInput` and `status`, not by `state`; a status that is not known means "still working".

use serde::{Deserialize, Serialize};

use super::Extra;
use super::tolerant::{loose_text, loose_time, null_as_default, text_enum};

text_enum! {
    /// The rough state of a change. Not to be relied on: waiting for domain validation has been seen as three of them.
    ChangeState {
        /// Not begun.
        New = "new",
        /// CPS is working.
        Running = "running",
        /// CPS waits for an input.
        AwaitingInput = "awaiting-input",
        /// CPS waits for something else.
        Suspended = "suspended",
        /// The change was cancelled.
        Cancelled = "cancelled",
        /// The change is done.
        Completed = "completed",
        /// The change failed.
        Error = "error",
    }
}

text_enum! {
    /// An input that a change can take (`allowedInput[].type`).
    AllowedInputType {
        /// Domain validation: publish the challenges, then acknowledge.
        LetsEncryptChallenges = "lets-encrypt-challenges",
        /// Warnings before the certificate is ordered.
        PreVerificationWarnings = "pre-verification-warnings-acknowledgement",
        /// Warnings after the certificate was issued.
        PostVerificationWarnings = "post-verification-warnings-acknowledgement",
        /// The certificate is on staging; production waits for an acknowledgement.
        ChangeManagement = "change-management",
        /// The CSR is ready; the certificate has to be uploaded.
        ThirdPartyCertificate = "third-party-certificate",
    }
}

/// A change of an enrollment (`change.v2`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// How far it is.
    pub status_info: StatusInfo,
    /// What it can take now. May still be empty although the status already asks for an input.
    #[serde(default, deserialize_with = "null_as_default")]
    pub allowed_input: Vec<AllowedInput>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Change {
    /// The input to handle now: the first that CPS requires in order to proceed, else the first of a kind that the
    /// caller handles.
    pub fn input_to_handle(&self, handled: &[AllowedInputType]) -> Option<&AllowedInput> {
        let required = self.allowed_input.iter().find(|input| input.required_to_proceed);
        required.or_else(|| self.allowed_input.iter().find(|input| handled.contains(&input.input_type)))
    }

    /// Whether the change takes this input now.
    pub fn allows(&self, input_type: &AllowedInputType) -> bool {
        self.allowed_input.iter().any(|input| input.input_type == *input_type)
    }
}

/// How far a change is (`statusInfo`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusInfo {
    /// The step, such as `coodinate-domain-validation`. The list of values is open.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: String,
    /// The rough state.
    pub state: ChangeState,
    /// The step in words.
    #[serde(default, deserialize_with = "null_as_default")]
    pub description: String,
    /// Why the change failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ChangeError>,
    /// When the result may be deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_schedule: Option<DeploymentSchedule>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl StatusInfo {
    /// CPS waits for the domains to be validated. It really writes `coodinate-domain-validation`; its documentation
    /// writes `coordinate-…`.
    pub fn is_domain_validation(&self) -> bool {
        matches!(self.status.as_str(), "coodinate-domain-validation" | "coordinate-domain-validation")
    }

    /// CPS waits for its warnings before the order to be acknowledged.
    pub fn is_pre_verification_review(&self) -> bool {
        self.status == "wait-review-pre-verification-safety-checks"
    }

    /// CPS waits for its warnings about the issued certificate to be acknowledged.
    pub fn is_post_verification_review(&self) -> bool {
        matches!(self.status.as_str(), "wait-review-cert-warning" | "wait-review-third-party-cert")
    }

    /// The certificate is on staging and CPS waits for the acknowledgement of change management.
    pub fn is_change_management_review(&self) -> bool {
        self.status == "wait-ack-change-management"
    }

    /// The change is done. May be visible only briefly, or never: an enrollment without pending changes is done too.
    pub fn is_complete(&self) -> bool {
        self.status == "complete" || self.state == ChangeState::Completed
    }

    /// The change was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.state == ChangeState::Cancelled
    }

    /// The change failed and does not go on by itself.
    pub fn is_failed(&self) -> bool {
        self.state == ChangeState::Error
    }

    /// The order is in error at the certificate authority; CPS goes on asking it.
    pub fn is_order_error(&self) -> bool {
        self.status == "check-for-cert-error"
    }
}

/// Why a change failed (`statusInfo.error`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeError {
    /// A code.
    #[serde(default, deserialize_with = "loose_text", skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The reason in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it failed.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<jiff::Timestamp>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An input a change can take (`allowedInput[]`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedInput {
    /// The kind of input.
    #[serde(rename = "type")]
    pub input_type: AllowedInputType,
    /// Whether the change stands still without it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub required_to_proceed: bool,
    /// A link to what has to be known for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// A link to where it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// When the result of a change may be deployed (`deployment-schedule.v1`). Both ends are written, null when open:
/// that is how a time is taken away again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSchedule {
    /// Not before this time.
    #[serde(default, deserialize_with = "loose_time")]
    pub not_before: Option<jiff::Timestamp>,
    /// Not after this time.
    #[serde(default, deserialize_with = "loose_time")]
    pub not_after: Option<jiff::Timestamp>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(status: &str, inputs: serde_json::Value) -> Change {
        serde_json::from_value(
            json!({"statusInfo": {"status": status, "state": "running"}, "allowedInput": inputs}),
        )
        .unwrap()
    }

    #[test]
    fn both_spellings_of_domain_validation_are_known() {
        for status in ["coodinate-domain-validation", "coordinate-domain-validation"] {
            assert!(change(status, json!(null)).status_info.is_domain_validation());
        }
    }

    #[test]
    fn an_unknown_status_means_that_cps_is_still_working() {
        let info = change("contemplate-universe", json!([])).status_info;
        let stops = [
            info.is_domain_validation(),
            info.is_pre_verification_review(),
            info.is_post_verification_review(),
            info.is_change_management_review(),
            info.is_complete(),
            info.is_cancelled(),
            info.is_failed(),
            info.is_order_error(),
        ];
        assert!(!stops.contains(&true));
    }

    #[test]
    fn the_required_input_is_handled_before_the_first_of_a_known_kind() {
        use AllowedInputType::{ChangeManagement, LetsEncryptChallenges, PreVerificationWarnings};
        let input = |kind: &str, required: Option<bool>| json!({"type": kind, "requiredToProceed": required});
        let (dv, cm, new) = ("lets-encrypt-challenges", "change-management", "brand-new");
        let cases = [
            (json!([]), None),
            (json!([input(dv, Some(false))]), Some(LetsEncryptChallenges)),
            (json!([input(cm, None), input(dv, None)]), Some(LetsEncryptChallenges)),
            (json!([input(dv, Some(false)), input(cm, Some(true))]), Some(ChangeManagement)),
            (
                json!([input(dv, Some(false)), input(new, Some(true))]),
                Some(AllowedInputType::Other(new.into())),
            ),
            (json!([input(new, Some(false))]), None),
        ];
        for (inputs, expected) in cases {
            let change = change("any", inputs);
            let found = change.input_to_handle(&[LetsEncryptChallenges, PreVerificationWarnings]);
            assert_eq!(found.map(|input| input.input_type.clone()), expected, "{change:?}");
        }
    }

    #[test]
    fn a_failed_change_says_why() {
        let json = json!({"statusInfo": {"status": "x", "state": "error", "description": null,
            "error": {"code": 7, "description": "no", "timestamp": "2027-01-31T00:00:00z", "hint": 1},
            "deploymentSchedule": {"notBefore": "2027-01-31", "notAfter": null}}});
        let info = serde_json::from_value::<Change>(json).unwrap().status_info;
        let error = info.error.clone().unwrap();
        assert!(info.is_failed());
        assert_eq!((error.code.as_deref(), error.description.as_deref()), (Some("7"), Some("no")));
        assert_eq!(info.deployment_schedule.unwrap().not_before.unwrap().to_string(), "2027-01-31T00:00:00Z");
    }
}

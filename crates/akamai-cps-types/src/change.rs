//! Changes: how far CPS is with a request, and what it waits for.
//!
//! Rely on `allowedInput` and `status`, not on `state`. An unknown status means that CPS is still working.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::tolerant::{loose_text, loose_time, null_as_default, text_enum};

text_enum! {
    /// The rough state of a change. Do not rely on it: three of these values have been seen while CPS waited for
    /// domain validation.
    ChangeState {
        /// CPS has not begun.
        New = "new",
        /// CPS is working.
        Running = "running",
        /// CPS waits for an input.
        AwaitingInput = "awaiting-input",
        /// CPS waits for something else.
        Suspended = "suspended",
        /// The change was cancelled.
        Cancelled = "cancelled",
        /// The change is complete.
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
    /// How far the change is.
    pub status_info: StatusInfo,
    /// The inputs that it takes now. This may still be empty although the status already asks for an input.
    #[serde(default, deserialize_with = "null_as_default")]
    pub allowed_input: Vec<AllowedInput>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Change {
    /// The input to handle now: the first that CPS requires in order to proceed, otherwise the first of a kind that
    /// the caller handles.
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
    /// The step, such as `coodinate-domain-validation`. CPS may add values.
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
    /// Whether CPS waits for domain validation. CPS really writes `coodinate-domain-validation`; its documentation
    /// has `coordinate-…`.
    pub fn is_domain_validation(&self) -> bool {
        matches!(self.status.as_str(), "coodinate-domain-validation" | "coordinate-domain-validation")
    }

    /// Whether CPS waits for an acknowledgement of its warnings before the order.
    pub fn is_pre_verification_review(&self) -> bool {
        self.status == "wait-review-pre-verification-safety-checks"
    }

    /// Whether CPS waits for an acknowledgement of its warnings about the issued certificate.
    pub fn is_post_verification_review(&self) -> bool {
        matches!(self.status.as_str(), "wait-review-cert-warning" | "wait-review-third-party-cert")
    }

    /// Whether the certificate is on staging, and CPS waits for the acknowledgement of change management.
    pub fn is_change_management_review(&self) -> bool {
        self.status == "wait-ack-change-management"
    }

    /// Whether the change is complete. CPS may show this only briefly or never: an enrollment without pending changes
    /// is complete too.
    pub fn is_complete(&self) -> bool {
        self.status == "complete" || self.state == ChangeState::Completed
    }

    /// Whether the change was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.state == ChangeState::Cancelled
    }

    /// Whether the change failed and does not continue by itself.
    pub fn is_failed(&self) -> bool {
        self.state == ChangeState::Error
    }

    /// Whether the order has failed at the certificate authority. CPS keeps polling it.
    pub fn is_order_error(&self) -> bool {
        self.status == "check-for-cert-error"
    }
}

/// Why a change failed (`statusInfo.error`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeError {
    /// CPS's code for the error.
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

/// An input that a change can take (`allowedInput[]`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedInput {
    /// The kind of input.
    #[serde(rename = "type")]
    pub input_type: AllowedInputType,
    /// Whether the change stops until it gets the input.
    #[serde(default, deserialize_with = "null_as_default")]
    pub required_to_proceed: bool,
    /// A link to the information that the input is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// A link to send the input to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// When the result of a change may be deployed (`deployment-schedule.v1`). Both ends are always sent, and null
/// removes a time.
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

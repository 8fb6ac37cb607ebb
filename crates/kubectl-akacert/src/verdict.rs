//! The state of a certificate in one word, by the rules of kstatus.

use std::process::ExitCode;

use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::status::condition;
use anstyle::{AnsiColor, Style};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;

/// Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// The certificate serves, as `spec` says.
    Ready,
    /// The operator or CPS is working.
    InProgress,
    /// Only a human can continue.
    Stalled,
}

impl Verdict {
    /// The verdict on one certificate.
    pub fn of(certificate: &AkamaiCertificate) -> Self {
        let conditions = conditions(certificate);
        let observed = certificate.status.as_ref().map(|status| status.observed_generation);
        if condition_set::is_true(conditions, condition::STALLED) {
            Self::Stalled
        } else if observed != certificate.metadata.generation
            || condition_set::is_true(conditions, condition::RECONCILING)
            || !condition_set::is_true(conditions, condition::READY)
        {
            Self::InProgress
        } else {
            Self::Ready
        }
    }

    /// The worst verdict of several certificates. If there are none, nothing is wrong.
    pub fn worst(certificates: &[AkamaiCertificate]) -> Self {
        certificates.iter().map(Self::of).max().unwrap_or(Self::Ready)
    }

    /// The exit code of a command about it.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Ready => ExitCode::SUCCESS,
            Self::InProgress => ExitCode::from(3),
            Self::Stalled => ExitCode::from(4),
        }
    }

    pub fn style(self) -> Style {
        let color = match self {
            Self::Ready => AnsiColor::Green,
            Self::InProgress => AnsiColor::Yellow,
            Self::Stalled => AnsiColor::Red,
        };
        color.on_default()
    }
}

pub fn conditions(certificate: &AkamaiCertificate) -> &[Condition] {
    certificate.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
}

/// The condition that says what the certificate waits for. One that needs a human comes first, then one that is in
/// progress.
pub fn awaited(certificate: &AkamaiCertificate) -> Option<&Condition> {
    let conditions = conditions(certificate);
    [condition::STALLED, condition::RECONCILING, condition::RENEWING]
        .into_iter()
        .filter_map(|kind| condition_set::find(conditions, kind))
        .find(|condition| condition.status == "True")
        .or_else(|| condition_set::find(conditions, condition::READY))
}

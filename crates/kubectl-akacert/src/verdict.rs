//! How a certificate is, in one word, by the rules of kstatus. Not here: how that is shown.

use std::process::ExitCode;

use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::status::condition;
use anstyle::{AnsiColor, Style};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;

/// How a certificate is, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// It serves, as `spec` says.
    Ready,
    /// The operator or CPS is at work.
    InProgress,
    /// Only a human can go on.
    Stalled,
}

impl Verdict {
    /// Of a certificate.
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

    /// Of several certificates: the worst of them. Of none: nothing is amiss.
    pub fn worst(certificates: &[AkamaiCertificate]) -> Self {
        certificates.iter().map(Self::of).max().unwrap_or(Self::Ready)
    }

    /// What a command about it ends with.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Ready => ExitCode::SUCCESS,
            Self::InProgress => ExitCode::from(3),
            Self::Stalled => ExitCode::from(4),
        }
    }

    /// Its colour on a terminal.
    pub fn style(self) -> Style {
        let color = match self {
            Self::Ready => AnsiColor::Green,
            Self::InProgress => AnsiColor::Yellow,
            Self::Stalled => AnsiColor::Red,
        };
        color.on_default()
    }
}

/// The conditions of a certificate.
pub fn conditions(certificate: &AkamaiCertificate) -> &[Condition] {
    certificate.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
}

/// The condition that says what is awaited: what needs a human first, then what is under way.
pub fn awaited(certificate: &AkamaiCertificate) -> Option<&Condition> {
    let conditions = conditions(certificate);
    [condition::STALLED, condition::RECONCILING, condition::RENEWING]
        .into_iter()
        .filter_map(|kind| condition_set::find(conditions, kind))
        .find(|condition| condition.status == "True")
        .or_else(|| condition_set::find(conditions, condition::READY))
}

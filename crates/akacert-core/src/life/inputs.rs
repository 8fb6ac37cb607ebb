//! PURE: what a change waits for besides challenges: somebody has to accept CPS's warnings, or to let the certificate
//! go from staging to production.

use std::time::Duration;

use akamai_cps_types::EnrollmentId;
use jiff::Timestamp;

use super::draft::{Draft, Progress};
use super::memory::{DeploymentsReading, OfChange};
use super::ours::writable;
use super::stages::{report_validated, since};
use super::step::Warnings;
use super::{Next, Snapshot, Step};
use crate::account::Account;
use crate::{deployed as verified, warnings};
use akacert_api::names::{APPROVE_DEPLOYMENT_ANNOTATION, APPROVE_WARNINGS_ANNOTATION};
use akacert_api::policy::Approve;
use akacert_api::reason::Reason;
use akacert_api::status::{DeploymentStatus, DeploymentsStatus, WarningStatus};

/// The next step for a change that stopped at warnings. CPS is checked again after `next_look` at the latest.
pub fn warnings_approved(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    change: &OfChange,
    which: Warnings,
    next_look: Duration,
) -> Next {
    let wait = s.pause(next_look);
    let stage = match which {
        Warnings::PreVerification => Progress::ChallengesPublished,
        Warnings::PostVerification => {
            report_validated(d);
            Progress::Deployed
        }
    };
    if is_told(change.warnings_told, change) {
        let reason = if stage == Progress::Deployed {
            Reason::WaitingForDeployment
        } else {
            Reason::WaitingForChallenges
        };
        d.not_done(stage, reason, "The warnings of CPS were acknowledged; the change goes on");
        return wait;
    }
    // CPS shows the status before it has the texts. The operator reads them again with the next look.
    let Some(reading) =
        change.stop.warnings.as_ref().filter(|reading| !reading.value.is_empty() || reading.at >= change.at)
    else {
        return Step::ReadWarnings(id, change.id, which).into();
    };
    let found = warnings::told_apart(&reading.value);
    if found.is_empty() {
        d.not_done(
            stage,
            Reason::WaitingForWarnings,
            format!("CPS has warnings, but does not show them yet ({})", since(d)),
        );
        return wait;
    }
    let hash = warnings::hash(i64::try_from(change.id.0).unwrap_or_default(), &found);
    let approved = warnings::allowed(s.spec().warnings.as_ref(), &found)
        || s.annotation(APPROVE_WARNINGS_ANNOTATION) == Some(hash.as_str());
    if approved {
        return match writable(s, d, account, id) {
            Ok(_) => Step::AcknowledgeWarnings(id, change.id, which).into(),
            Err(step) => step,
        };
    }
    d.not_done(
        stage,
        Reason::WarningsNeedApproval,
        format!(
            "CPS waits {} because of warnings. If they are acceptable, annotate {APPROVE_WARNINGS_ANNOTATION}={hash}, or list \
             their IDs in spec.warnings.acknowledge: {}",
            since(d),
            texts(&found)
        ),
    );
    if let Some(change) = &mut d.status.change {
        change.warnings = found;
        change.warnings_hash = Some(hash);
    }
    wait
}

/// The warnings on one line each, with their IDs.
pub fn texts(warnings: &[WarningStatus]) -> String {
    let line = |warning: &WarningStatus| match &warning.id {
        Some(id) => format!("{id}: {}", warning.message),
        None => warning.message.clone(),
    };
    warnings.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// The next step towards production for what is on staging.
pub fn deployment_approved(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    change: &OfChange,
    next_look: Duration,
) -> Next {
    report_validated(d);
    let wait = s.pause(next_look);
    if is_told(change.deployment_told, change) {
        d.not_done(
            Progress::Deployed,
            Reason::WaitingForDeployment,
            "The deployment was approved; CPS goes on to production",
        );
        return wait;
    }
    let on_staging = match on_staging(s, d, id, next_look) {
        Ok(certificate) => certificate,
        Err(next) => return next,
    };
    let serial_number = on_staging.serial_number.clone();
    let production = s.recorded_production().cloned();
    // Somebody else's change may take a name out of production: only a human lets that go.
    let lost = production.as_ref().is_some_and(|live| loses_a_name(s, live, &on_staging));
    d.status.deployments = Some(DeploymentsStatus { staging: Some(on_staging), production });
    let policy = s.spec().deployment.as_ref().and_then(|deployment| deployment.approve);
    let approved = (policy == Some(Approve::Auto) && !lost)
        || s.annotation(APPROVE_DEPLOYMENT_ANNOTATION) == Some(change.id.to_string().as_str());
    if !approved {
        d.not_done(
            Progress::Deployed,
            Reason::DeploymentNeedsApproval,
            format!(
                "The certificate {serial_number} is on staging {} and waits for you: test it, then annotate \
                 {APPROVE_DEPLOYMENT_ANNOTATION}={}",
                since(d),
                change.id
            ),
        );
        return wait;
    }
    if let Err(step) = writable(s, d, account, id) {
        return step;
    }
    match &change.stop.staged {
        None => Step::ReadStaged(id, change.id).into(),
        Some(staged) => {
            Step::AcknowledgeDeployment { enrollment: id, change: change.id, hash: staged.value.clone() }
                .into()
        }
    }
}

/// The certificate on staging, once it is valid for the names that were ordered.
fn on_staging(
    s: &Snapshot<'_>,
    d: &mut Draft,
    id: EnrollmentId,
    next_look: Duration,
) -> Result<DeploymentStatus, Next> {
    let Some(deployments) = &s.memory.enrollment.deployments else {
        return Err(Step::ReadDeployments(id).into());
    };
    let staging = deployments.value.staging.as_ref();
    match staging.map(|staging| verified::verify(staging, &ordered(s), s.roots, s.now)) {
        Some(Ok(certificate)) => return Ok(certificate),
        // Which names were ordered, only the enrollment says.
        Some(Err(_)) if s.memory.enrollment.reading.is_none() => return Err(Step::ReadEnrollment(id).into()),
        Some(Err(invalid)) => {
            d.not_done(Progress::Deployed, Reason::CertificateInvalid, format!("On staging, {invalid}"));
        }
        None => d.not_done(
            Progress::Deployed,
            Reason::WaitingForDeployment,
            "CPS does not show a certificate on staging yet",
        ),
    }
    Err(reread_deployments(s, deployments, id, next_look))
}

/// Whether a name of `spec` is in production, and not on staging.
fn loses_a_name(s: &Snapshot<'_>, live: &DeploymentStatus, on_staging: &DeploymentStatus) -> bool {
    let missing = verified::not_covered(&on_staging.dns_names, &s.spec().names());
    missing.iter().any(|name| verified::not_covered(&live.dns_names, &[name]).is_empty())
}

/// The names that the change was ordered for: those of `spec` that CPS knows of. What was added since waits until the
/// change is over, and so cannot hold it up.
fn ordered<'a>(s: &Snapshot<'a>) -> Vec<&'a str> {
    let found = s.memory.enrollment.reading.as_ref().and_then(|reading| reading.value.as_deref());
    let known = found.map(|found| found.csr.names());
    let names = s.certificate.spec.names().into_iter();
    names.filter(|name| known.as_ref().is_none_or(|known| known.contains(*name))).collect()
}

/// Whether CPS got its input after the change was last read. The next look shows the effect.
fn is_told(told: Option<Timestamp>, change: &OfChange) -> bool {
    told.is_some_and(|told| told >= change.at)
}

fn reread_deployments(
    s: &Snapshot<'_>,
    reading: &DeploymentsReading,
    id: EnrollmentId,
    next_look: Duration,
) -> Next {
    let again = s.until(reading.at, s.intervals.while_deploying(reading.reads.saturating_sub(1)));
    if again.is_zero() { Step::ReadDeployments(id).into() } else { s.pause(again.min(next_look)) }
}

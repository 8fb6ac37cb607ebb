//! PURE: from an enrollment to a certificate in production: follow the pending change, then verify what is deployed.
//! Not here: the challenges (`super::validating`).

use std::time::Duration;

use akamai_cps_types::{AllowedInputType, Change, ChangeId, EnrollmentId};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::draft::{Draft, Progress};
use super::memory::OfChange;
use super::ours::{enrollment, reread};
use super::stages::{report_published, report_validated, since, whole_second};
use super::step::Warnings;
use super::{Next, Pause, Snapshot, Step, inputs, scheduling, validating};
use crate::account::Account;
use crate::deployed as verified;
use akacert_api::reason::Reason;
use akacert_api::status::{ChangeStatus, DeploymentsStatus};

/// No change is pending any more.
pub fn change_completed(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
) -> Result<(), Next> {
    let Some(change_id) = pending_change(s, d, id)? else {
        d.status.change = None;
        return Ok(());
    };
    let Some(reading) = s.memory.change.as_ref().filter(|reading| reading.id == change_id) else {
        return Err(first_look(s, d, id, change_id));
    };
    let Some(change) = &reading.change else {
        // CPS still counts it as pending, though it does not show it.
        return Err(reread(
            s,
            reading.at,
            Step::ReadChange(id, change_id),
            s.intervals.while_deploying(reading.unchanged),
        ));
    };
    record(s, d, reading, change);
    if change.status_info.is_complete() {
        d.status.change = None;
        return Ok(());
    }
    scheduling::scheduled(s, d, account, id, reading, change)?;
    let (progress, interval) = judge(s, change, reading.unchanged);
    let progress = if s.spec().observes() { progress.seen_from_afar() } else { progress };
    if s.is_due(reading.at, interval) {
        return Err(Next::Do(Step::ReadChange(id, change_id)));
    }
    let next_look = s.until(reading.at, interval);
    match progress {
        Phase::Challenges => Err(validating::validated(s, d, account, id, reading, next_look)),
        Phase::Warnings(which) => {
            Err(inputs::warnings_approved(s, d, account, id, reading, which, next_look))
        }
        Phase::Staged => Err(inputs::deployment_approved(s, d, account, id, reading, next_look)),
        Phase::Validating => {
            report(d, &Phase::Validating, change);
            Err(validating::still_published(s, d, account, next_look))
        }
        Phase::Preparing | Phase::Deploying | Phase::Scheduled(_) | Phase::Input(_) | Phase::Failed => {
            report(d, &progress, change);
            Err(s.pause(next_look))
        }
    }
}

/// The change to follow: the recorded one, else the one that the enrollment shows as pending.
fn pending_change(s: &Snapshot<'_>, d: &mut Draft, id: EnrollmentId) -> Result<Option<ChangeId>, Next> {
    let recorded = d.status.change.as_ref().and_then(|change| u64::try_from(change.id).ok()).map(ChangeId);
    let created = s.memory.enrollment.taken.as_ref().and_then(|created| created.change);
    let followed = s.memory.change.as_ref().filter(|reading| !reading.is_over()).map(|reading| reading.id);
    // What we began last is newer than what was reported last.
    if let Some(known) = followed.or(created).or(recorded) {
        let over = s.memory.change.as_ref().filter(|reading| reading.id == known && reading.is_over());
        let Some(over) = over else { return Ok(Some(known)) };
        if let Some(next) = begun_since(s, over) {
            return Ok(Some(next));
        }
        let complete = over.change.as_ref().is_some_and(|change| change.status_info.is_complete());
        // Its end was reported before, in the status that says Ready and names no change.
        let reported = recorded.is_none() && super::is_ready(s);
        if complete || reported || newly_deployed(s, d, id)? {
            return Ok(None);
        }
    }
    let enrollment = enrollment(s, d, id)?;
    Ok(enrollment.pending_change().and_then(|pending| pending.change_id()))
}

/// The change that the enrollment has shown since another one was over.
fn begun_since(s: &Snapshot<'_>, over: &OfChange) -> Option<ChangeId> {
    let reading = s.memory.enrollment.reading.as_ref().filter(|reading| reading.at > over.at)?;
    let pending = reading.value.as_ref()?.pending_change()?.change_id()?;
    (pending != over.id).then_some(pending)
}

/// CPS forgets a change soon after it is complete. A new certificate in production that has all names says that this is
/// what happened; otherwise the enrollment has to be asked.
fn newly_deployed(s: &Snapshot<'_>, d: &Draft, id: EnrollmentId) -> Result<bool, Next> {
    let Some(reading) = &s.memory.enrollment.deployments else {
        return Err(Next::Do(Step::ReadDeployments(id)));
    };
    let before = d.status.deployments.as_ref().and_then(|known| known.production.as_ref());
    let Some(production) = &reading.value.production else { return Ok(false) };
    let now = verified::verify(production, &s.spec().names(), s.roots, s.now);
    Ok(now.is_ok_and(|now| before.is_none_or(|before| before.serial_number != now.serial_number)))
}

fn first_look(s: &Snapshot<'_>, d: &mut Draft, id: EnrollmentId, change: ChangeId) -> Next {
    let created_at = s
        .memory
        .enrollment
        .taken
        .as_ref()
        .filter(|created| created.change == Some(change))
        .map(|created| created.at);
    let again = created_at.map_or(Duration::ZERO, |at| s.until(at, s.intervals.after_create()));
    if again.is_zero() {
        return Step::ReadChange(id, change).into();
    }
    let since = created_at.map(|at| format!(" since {at:.0}")).unwrap_or_default();
    d.not_done(
        Progress::ChallengesPublished,
        Reason::WaitingForChallenges,
        format!("CPS has been preparing change {change}{since}; it takes some two minutes"),
    );
    s.pause(again)
}

enum Phase {
    Preparing,
    Challenges,
    Validating,
    Deploying,
    Scheduled(Timestamp),
    Warnings(Warnings),
    Staged,
    Input(String),
    Failed,
}

impl Phase {
    /// As somebody sees it who only looks on: what is asked for, others give.
    fn seen_from_afar(self) -> Self {
        match self {
            Phase::Challenges | Phase::Validating => Phase::Validating,
            Phase::Warnings(_) | Phase::Staged | Phase::Input(_) | Phase::Deploying => Phase::Deploying,
            Phase::Preparing | Phase::Scheduled(_) | Phase::Failed => self,
        }
    }
}

/// What the change waits for, and how long until it is worth another look.
fn judge(s: &Snapshot<'_>, change: &Change, unchanged: u32) -> (Phase, Duration) {
    use AllowedInputType::{
        ChangeManagement, LetsEncryptChallenges, PostVerificationWarnings, PreVerificationWarnings,
    };
    if change.status_info.is_failed() {
        return (Phase::Failed, s.intervals.while_stalled());
    }
    let handled =
        [LetsEncryptChallenges, PreVerificationWarnings, PostVerificationWarnings, ChangeManagement];
    match change.input_to_handle(&handled).map(|input| &input.input_type) {
        Some(LetsEncryptChallenges) => return (Phase::Challenges, s.intervals.while_validating(unchanged)),
        Some(PreVerificationWarnings) => {
            return (Phase::Warnings(Warnings::PreVerification), s.intervals.while_deploying(unchanged));
        }
        Some(PostVerificationWarnings) => {
            return (Phase::Warnings(Warnings::PostVerification), s.intervals.while_deploying(unchanged));
        }
        Some(ChangeManagement) => return (Phase::Staged, s.intervals.while_deploying(unchanged)),
        Some(other) => return (Phase::Input(other.to_string()), s.intervals.while_deploying(unchanged)),
        None => {}
    }
    if is_past_validation(&change.status_info.status)
        && let Some(opens) = scheduling::opens(change, s.now)
    {
        // Nothing happens before; but somebody may take the schedule away.
        let until = s.until(opens, Duration::ZERO).min(s.intervals.while_stalled());
        return (Phase::Scheduled(opens), until.max(s.intervals.while_deploying(unchanged)));
    }
    if change.status_info.is_domain_validation() {
        (Phase::Validating, s.intervals.while_validating(unchanged))
    } else if is_past_validation(&change.status_info.status) {
        (Phase::Deploying, s.intervals.while_deploying(unchanged))
    } else {
        (Phase::Preparing, s.intervals.while_validating(unchanged))
    }
}

/// Statuses that CPS shows only after the authority has validated every name. The list is open: a status that is not
/// here means that CPS is still working, and nothing more.
fn is_past_validation(status: &str) -> bool {
    matches!(
        status,
        "check-for-cert"
            | "check-for-cert-error"
            | "wait-review-cert-warning"
            | "deploy-cert-to-staging"
            | "deploy-changes-to-staging"
            | "wait-ack-change-management"
            | "live-check-action"
            | "forward-live-check-action"
            | "deploy-cert-to-production"
    )
}

fn report(d: &mut Draft, phase: &Phase, change: &Change) {
    let info = &change.status_info;
    let since = since(d);
    match phase {
        Phase::Preparing => report_preparing(d, &info.status, &since),
        Phase::Validating => {
            report_published(d);
            d.not_done(
                Progress::DomainsValidated,
                Reason::WaitingForValidation,
                format!("CPS and the certificate authority are validating the names {since}"),
            );
        }
        Phase::Input(kind) => {
            report_validated(d);
            d.not_done(
                Progress::Deployed,
                Reason::InputNeeded,
                format!("CPS waits for the input `{kind}` {since}, which this version does not give: give it in Akamai Control Center"),
            );
        }
        Phase::Failed => {
            let error = info
                .error
                .as_ref()
                .and_then(|error| error.description.as_deref())
                .unwrap_or(&info.description);
            d.not_done(
                Progress::DomainsValidated,
                Reason::ChangeFailed,
                format!("CPS reports an error on the change at `{}`: {error}. Cancel the change in Akamai Control Center, or call Akamai support", info.status),
            );
        }
        Phase::Scheduled(opens) => {
            report_validated(d);
            d.not_done(
                Progress::Deployed,
                Reason::WaitingForWindow,
                format!("The certificate is issued; CPS deploys it to production not before {opens:.0}"),
            );
        }
        Phase::Deploying | Phase::Challenges | Phase::Warnings(_) | Phase::Staged => {
            report_validated(d);
            d.not_done(
                Progress::Deployed,
                Reason::WaitingForDeployment,
                format!("CPS is deploying the certificate: `{}` {since}", info.status),
            );
        }
    }
}

/// CPS prepares a change before its challenges, and again before it deploys.
fn report_preparing(d: &mut Draft, status: &str, since: &str) {
    if d.is_done(Progress::DomainsValidated) {
        report_validated(d);
        d.not_done(
            Progress::Deployed,
            Reason::WaitingForDeployment,
            format!("CPS is working on `{status}` {since}"),
        );
    } else {
        d.not_done(
            Progress::ChallengesPublished,
            Reason::WaitingForChallenges,
            format!("CPS is preparing the change: `{status}` {since}"),
        );
    }
}

fn record(s: &Snapshot<'_>, d: &mut Draft, reading: &OfChange, change: &Change) {
    let info = &change.status_info;
    let old = d.status.change.take().filter(|old| u64::try_from(old.id) == Ok(reading.id.0));
    if old.is_none() {
        d.starts_anew();
    }
    let same = old.as_ref().filter(|old| old.status == info.status);
    let kind =
        s.memory.enrollment.reading.as_ref().and_then(|reading| reading.value.as_deref()).and_then(
            |enrollment| enrollment.pending_change()?.change_type.as_ref().map(ToString::to_string),
        );
    d.status.change = Some(ChangeStatus {
        id: i64::try_from(reading.id.0).unwrap_or_default(),
        change_type: kind.or_else(|| old.as_ref().and_then(|old| old.change_type.clone())),
        state: info.state.to_string(),
        status: info.status.clone(),
        description: Some(info.description.clone()).filter(|text| !text.is_empty()),
        since: same.and_then(|old| old.since.clone()).or_else(|| Some(Time(whole_second(reading.at)))),
        acknowledged: old.and_then(|old| old.acknowledged),
        warnings: vec![],
        warnings_hash: None,
    });
}

/// The certificate is in production, chains, covers every name and has not expired. Answers when to look again.
pub fn deployed(s: &Snapshot<'_>, d: &mut Draft, id: EnrollmentId) -> Result<Pause, Next> {
    let Some(reading) = &s.memory.enrollment.deployments else {
        return Err(Next::Do(Step::ReadDeployments(id)));
    };
    report_validated(d);
    let mut again = reread(
        s,
        reading.at,
        Step::ReadDeployments(id),
        s.intervals.while_deploying(reading.reads.saturating_sub(1)),
    );
    let looked_at = s
        .memory
        .enrollment
        .reading
        .as_ref()
        .map(|enrollment| enrollment.at)
        .max(s.memory.change.as_ref().map(|change| change.at));
    if looked_at.is_none_or(|at| s.is_due(at, s.intervals.while_stalled())) {
        // CPS or somebody else may have begun another change meanwhile.
        again = Step::ReadEnrollment(id).into();
    }
    let Some(production) = &reading.value.production else {
        d.nothing_serves();
        d.not_done(
            Progress::Deployed,
            Reason::WaitingForDeployment,
            "CPS does not show a certificate in production yet",
        );
        return Err(again);
    };
    let staging = reading.value.staging.as_ref().and_then(|staging| verified::describe(staging).ok());
    match verified::verify(production, &s.spec().names(), s.roots, s.now) {
        Ok(certificate) => {
            let (expiry, message) = (certificate.not_after.0, in_production(&certificate));
            let known = d.status.deployments.as_ref().and_then(|known| known.production.as_ref());
            if known.is_none_or(|known| known.fingerprint != certificate.fingerprint) {
                // That was the renewal of another certificate.
                d.status.next_renewal_time = None;
            }
            d.status.deployments = Some(DeploymentsStatus { staging, production: Some(certificate) });
            d.done(Progress::ChallengesPublished, Reason::ChallengesRemoved, "Nothing needs to be published");
            d.done(Progress::ChallengesReachable, Reason::ChallengesRemoved, "Nothing needs to be reachable");
            d.done(Progress::Deployed, Reason::Deployed, message);
            Ok(Pause::Until(expiry))
        }
        Err(invalid) => {
            let production = verified::describe(production).ok();
            d.status.deployments = Some(DeploymentsStatus { staging, production });
            d.not_done(Progress::Deployed, Reason::CertificateInvalid, invalid.to_string());
            Err(again)
        }
    }
}

fn in_production(certificate: &akacert_api::status::DeploymentStatus) -> String {
    format!("The certificate is in production and valid until {:.0}", certificate.not_after.0)
}

//! PURE: `spec` and the enrollment agree: what the user has changed, or somebody else in CPS, becomes one update, planned,
//! approved where policy asks for it, and never sent twice for the same difference.
//! Not here: which fields differ (`crate::desired`).

use std::time::Duration;

use akamai_cps_types::{Enrollment, EnrollmentId};
use jiff::Timestamp;

use super::draft::Draft;
use super::intent::Renewal;
use super::ours::{enrollment, reread, writable};
use super::step::Update;
use super::{Next, Snapshot, Step};
use crate::account::Account;
use crate::{deployed, desired};
use akacert_api::condition_set;
use akacert_api::names::{APPROVE_PLAN_ANNOTATION, RENEW_BEFORE_ANNOTATION};
use akacert_api::policy::{DriftPolicy, PendingChangePolicy, RenewalWindowPolicy, UpdatePolicy};
use akacert_api::reason::Reason;
use akacert_api::status::{CertificateStatus, DeploymentStatus, PlanAction, PlanStatus, Risk, condition};

/// An update starts from a reading this young at most.
const FRESH_READING: Duration = Duration::from_secs(10);

/// After so many updates the enrollment still differs: CPS makes something else of it than was sent.
const MOST_UPDATES: usize = 2;

/// `spec` says what CPS has, or the step that brings it about. What is pending is followed in any case.
pub fn as_wanted(s: &Snapshot<'_>, d: &mut Draft, account: &Account, id: EnrollmentId) -> Result<(), Next> {
    if s.memory.enrollment.reading.is_none() && is_as_sent(s) {
        agrees(s, d);
        return Ok(());
    }
    let found = enrollment(s, d, id)?;
    let Some(plan) = plan(s, id, found) else {
        agrees(s, d);
        if super::lasts(s).is_some() {
            d.still_ready();
        }
        return Ok(());
    };
    if (d.was_ready() || s.spec().observes()) && plan.status.action == PlanAction::Update {
        let differences = plan.status.changes.join("; ");
        d.drifted(format!("Somebody has changed enrollment {id} in CPS: {differences}"));
        if reports_only(s) {
            agrees(s, d);
            return Ok(());
        }
    }
    // Whatever is under way may bring another certificate: only what is there afterwards tells.
    if plan.status.action == PlanAction::Renew && (found.pending_change().is_some() || is_replaced(s, id)?) {
        agrees(s, d);
        return Ok(());
    }
    d.status.plan = Some(plan.status.clone());
    carry_out(s, d, account, id, found, plan)
}

fn agrees(s: &Snapshot<'_>, d: &mut Draft) {
    d.status.plan = None;
    d.status.enrollment_generation = Some(s.generation());
}

fn reports_only(s: &Snapshot<'_>) -> bool {
    s.spec().observes() || s.spec().drift_policy == Some(DriftPolicy::Report)
}

/// Whether what CPS has needs a step, now or when somebody approves it. What is only reported does not.
pub fn needs_update(s: &Snapshot<'_>, id: EnrollmentId, found: &Enrollment) -> bool {
    let reported =
        |status: &CertificateStatus| condition_set::find(&status.conditions, condition::DRIFTED).cloned();
    let known = s.certificate.status.as_ref().and_then(reported);
    match plan(s, id, found) {
        None => known.is_some(),
        Some(plan) if reports_only(s) => {
            let differences = plan.status.changes.join("; ");
            known.is_none_or(|known| !known.message.ends_with(&differences))
        }
        Some(_) => true,
    }
}

struct Plan {
    status: PlanStatus,
    body: Enrollment,
    /// What CPS cannot change.
    immutable: Vec<String>,
}

/// What the next write to CPS would do.
fn plan(s: &Snapshot<'_>, id: EnrollmentId, found: &Enrollment) -> Option<Plan> {
    let contract = s.certificate.status.as_ref().and_then(|status| status.contract_id.clone());
    let contract = s.intent().map(|intent| intent.contract_id).or(contract);
    let differences = desired::differences(s.spec(), contract.as_deref(), found);
    let mut changes: Vec<String> = differences.iter().map(|difference| difference.text.clone()).collect();
    let immutable = differences.iter().filter(|difference| !difference.field.can_change());
    let immutable = immutable.map(|difference| difference.text.clone()).collect();
    let (action, risk) = match desired::risk(&differences) {
        Some(risk) => (PlanAction::Update, risk),
        None if renewal_requested(s).is_some() => (PlanAction::Renew, Risk::Reissue),
        None => return None,
    };
    let body = desired::updated(s.spec(), found);
    if let Some(renewal) = renewal_requested(s).filter(|_| action == PlanAction::Renew) {
        changes.push(format!("certificate {} was issued before {}", renewal.serial_number, renewal.before));
    }
    let hash = desired::plan_hash(id, &changes.join("; "), found, &body);
    Some(Plan { status: PlanStatus { action, risk, changes, hash }, body, immutable })
}

fn carry_out(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    found: &Enrollment,
    plan: Plan,
) -> Result<(), Next> {
    if is_refused(s, d, id, &plan)? || is_in_the_way(s, d, id, found, &plan)? {
        return Ok(());
    }
    writable(s, d, account, id)?;
    if s.is_due(read_at(s), FRESH_READING) {
        // An update replaces the whole: it starts from what is there now.
        return Err(Next::Do(Step::ReadEnrollment(id)));
    }
    if let Some(renewal) = renewal_requested(s).filter(|wanted| Some(wanted) != s.recorded_renewal().as_ref())
    {
        return Err(Next::Do(Step::RecordRenewal(renewal)));
    }
    let PlanStatus { action, changes, hash, .. } = plan.status;
    d.withheld(Reason::Updating, format!("The enrollment is about to be changed: {}", changes.join("; ")));
    Err(Next::Do(Step::UpdateEnrollment(Box::new(Update {
        enrollment: id,
        renew: action == PlanAction::Renew,
        replace: replaces(s),
        override_renewal: overrides(s),
        plan: hash,
        body: plan.body,
    }))))
}

/// CPS cannot do it or does not, or the user has not approved it.
fn is_refused(s: &Snapshot<'_>, d: &mut Draft, id: EnrollmentId, plan: &Plan) -> Result<bool, Next> {
    let PlanStatus { risk, changes, hash, .. } = &plan.status;
    let differences = changes.join("; ");
    if *risk == Risk::Refused {
        d.withheld(
            Reason::Immutable,
            format!(
                "{}. Set the old value again; or delete this resource with deletionPolicy: Delete and apply it anew, since CPS \
                 takes a common name only once",
                plan.immutable.join("; ")
            ),
        );
        return Ok(true);
    }
    if s.memory.generation.updates >= MOST_UPDATES {
        d.withheld(
            Reason::UpdateIgnored,
            format!("CPS took the update, and still shows other values: {differences}. Set what it shows, or call Akamai support"),
        );
        return Err(reread(s, read_at(s), Step::ReadEnrollment(id), s.intervals.while_stalled()));
    }
    let needs_approval =
        *risk != Risk::MetadataOnly && s.spec().update_policy == Some(UpdatePolicy::RequireApproval);
    if needs_approval && s.annotation(APPROVE_PLAN_ANNOTATION) != Some(hash.as_str()) {
        d.withheld(
            Reason::PlanNeedsApproval,
            format!(
                "{risk:?}: {differences}. To have it carried out, annotate {APPROVE_PLAN_ANNOTATION}={hash}"
            ),
        );
        return Ok(true);
    }
    Ok(false)
}

/// A pending change or a renewal that CPS is about to begin comes first.
fn is_in_the_way(
    s: &Snapshot<'_>,
    d: &mut Draft,
    id: EnrollmentId,
    found: &Enrollment,
    plan: &Plan,
) -> Result<bool, Next> {
    let differences = plan.status.changes.join("; ");
    if let Some(pending) = found.pending_change() {
        let over = s.memory.change.as_ref().filter(|reading| {
            Some(reading.id) == pending.change_id() && reading.is_over() && read_at(s) <= reading.at
        });
        if over.is_some() {
            return Err(Next::Do(Step::ReadEnrollment(id)));
        }
        let renews = pending.change_type == Some(akamai_cps_types::ChangeType::Renewal);
        if !replaces(s) || renews && !overrides(s) {
            let change = pending.change_id().map(|id| format!(" {id}")).unwrap_or_default();
            d.withheld(
                Reason::UpdateWaits,
                format!("Until CPS has completed change{change}, this waits: {differences}"),
            );
            return Ok(true);
        }
    } else if plan.status.risk == Risk::Reissue && is_about_to_renew(found, s.now) && !overrides(s) {
        d.withheld(
            Reason::UpdateWaits,
            format!("CPS is about to renew the certificate, and takes this afterwards: {differences}"),
        );
        return Err(reread(s, read_at(s), Step::ReadEnrollment(id), s.intervals.while_stalled()));
    }
    Ok(false)
}

fn read_at(s: &Snapshot<'_>) -> Timestamp {
    s.memory.enrollment.reading.as_ref().map_or(s.now, |reading| reading.at)
}

fn replaces(s: &Snapshot<'_>) -> bool {
    s.spec().pending_change_policy == Some(PendingChangePolicy::Replace)
}

fn overrides(s: &Snapshot<'_>) -> bool {
    s.spec().renewal_window_policy == Some(RenewalWindowPolicy::Override)
}

fn is_about_to_renew(found: &Enrollment, now: Timestamp) -> bool {
    found.auto_renewal_start_time.is_some_and(|start| start <= now)
}

/// The renewal that the user asks for by annotation, until the certificate of that time has been replaced.
pub fn renewal_requested(s: &Snapshot<'_>) -> Option<Renewal> {
    if s.spec().observes() {
        return None;
    }
    let before: Timestamp = s.annotation(RENEW_BEFORE_ANNOTATION)?.parse().ok()?;
    let production: &DeploymentStatus = s.recorded_production()?;
    let wanted = Renewal { before, serial_number: production.serial_number.clone() };
    match s.recorded_renewal().filter(|recorded| recorded.before == before) {
        // Certificates are dated back by an hour, so that only the serial number tells that it has been done.
        Some(recorded) => (recorded.serial_number == production.serial_number).then_some(recorded),
        None => (before <= s.now && production.not_before.0 < before).then_some(wanted),
    }
}

/// The status may be older than what is in production: what is renewed is what is there now, and that is read after the
/// enrollment, since a change may end between the two. Where nothing is, nothing is to be renewed.
fn is_replaced(s: &Snapshot<'_>, id: EnrollmentId) -> Result<bool, Next> {
    let Some(deployments) =
        s.memory.enrollment.deployments.as_ref().filter(|deployments| deployments.at >= read_at(s))
    else {
        return Err(Next::Do(Step::ReadDeployments(id)));
    };
    let present =
        deployments.value.production.as_ref().and_then(|production| deployed::describe(production).ok());
    let replaced =
        |renewal: Renewal| present.is_none_or(|present| present.serial_number != renewal.serial_number);
    Ok(renewal_requested(s).is_none_or(replaced))
}

/// Nothing to compare: the enrollment was made from this very generation, or was found equal to it before.
fn is_as_sent(s: &Snapshot<'_>) -> bool {
    if renewal_requested(s).is_some() {
        return s.memory.enrollment.taken.is_some() && s.memory.generation.updates > 0;
    }
    let made = s.memory.enrollment.taken.as_ref().is_some_and(|created| created.generation == s.generation());
    let found = |status: &CertificateStatus| {
        let stalled = condition_set::is_true(&status.conditions, condition::STALLED);
        status.plan.is_none() && !stalled && status.enrollment_generation == Some(s.generation())
    };
    made || s.certificate.status.as_ref().is_some_and(found)
}

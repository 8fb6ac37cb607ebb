//! PURE: remembers the answer to a step. The operator and the model run this code, so what the model proves holds for
//! the operator.

use std::sync::Arc;
use std::time::Duration;

use akacert_api::reason::Reason;
use akamai_cps_types::{Change, ChangeId, DeploymentSchedule};
use jiff::Timestamp;

use super::answer::{Answer, Fault, FaultKind};
use super::failures::key;
use super::intervals::Intervals;
use super::memory::{
    Acknowledgement, Attempt, DeploymentsReading, Failure, Forecast, Look, Memory, OfChange, OfStop, Reading,
    Taken,
};
use super::step::Step;

/// How long not to repeat a request that CPS refused as invalid. Somebody may have corrected the cause after that.
const REFUSED: Duration = Duration::from_secs(3600);

/// When a step began and ended, and the back-off of a failure.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// When the step began. A read shows the state of this time, or a later one.
    pub begun: Timestamp,
    /// When the answer came. The effects of a write began at this time, or earlier.
    pub ended: Timestamp,
    /// The intervals of the certificate, for the back-off of a failure.
    pub intervals: Intervals,
}

impl Memory {
    /// Updates the memory with the answer to a step.
    pub fn absorb(&mut self, step: &Step, answer: Answer, moment: Moment) {
        self.asked(step);
        let Answer::Failed(fault) = answer else {
            self.answered(step, answer, moment);
            return self.failures.forget(step);
        };
        match self.meaning(step, &fault, moment) {
            Some(reason) => self.failed(step, reason, fault, moment),
            None => self.failures.forget(step),
        }
    }

    /// Drops what a write makes untrue, whatever its answer.
    fn asked(&mut self, step: &Step) {
        if matches!(step, Step::CreateEnrollment { .. }) {
            self.create.list = None;
            self.create.attempt = self.create.answer_lost().map(Attempt::AnswerLost);
        }
        if matches!(step, Step::UpdateEnrollment(_) | Step::DeleteEnrollment(_)) {
            self.enrollment.reading = None;
        }
        if let Step::WriteRecord(record) = step {
            for one in record.each() {
                self.records.removed.remove(&one);
            }
        }
    }

    /// What a failure means. `None`: it is an answer, and nothing has failed.
    fn meaning(&mut self, step: &Step, fault: &Fault, moment: Moment) -> Option<Reason> {
        let unavailable = match fault.kind {
            FaultKind::Other(reason) => reason,
            FaultKind::OutcomeUnknown
            | FaultKind::NotFound
            | FaultKind::Conflict
            | FaultKind::LiveOnNetwork
            | FaultKind::Invalid => Reason::CpsUnavailable,
        };
        match (step, fault.kind) {
            (Step::CreateEnrollment { .. }, FaultKind::OutcomeUnknown) => {
                self.create.attempt = Some(Attempt::AnswerLost(moment.ended));
                None
            }
            (Step::CreateEnrollment { .. }, FaultKind::Conflict) => {
                self.create.attempt = Some(Attempt::NameTaken(moment.ended));
                None
            }
            (Step::CreateEnrollment { .. }, FaultKind::Invalid) => Some(Reason::EnrollmentRefused),
            // Somebody else's change came first, or the answer was lost. What CPS has now decides.
            (Step::UpdateEnrollment(_), FaultKind::OutcomeUnknown) => None,
            (Step::UpdateEnrollment(_), FaultKind::Conflict) => Some(Reason::UpdateWaits),
            (Step::UpdateEnrollment(_), FaultKind::Invalid) => Some(Reason::UpdateRefused),
            (Step::DeleteEnrollment(_), FaultKind::LiveOnNetwork) => Some(Reason::DeletionRefused),
            (Step::DeleteEnrollment(_), FaultKind::NotFound | FaultKind::OutcomeUnknown) => {
                self.enrollment.removal = Some(moment.ended);
                None
            }
            // CPS may have moved on by itself, and then takes no input. The next look at the change shows it.
            (
                Step::Acknowledge { .. }
                | Step::AcknowledgeWarnings(..)
                | Step::AcknowledgeDeployment { .. }
                | Step::Schedule(..),
                FaultKind::NotFound | FaultKind::Conflict | FaultKind::OutcomeUnknown,
            ) => {
                self.answered(step, Answer::Done, moment);
                None
            }
            _ => Some(unavailable),
        }
    }

    /// Holds the step back until its back-off ends. The shell also calls this if something keeps it from starting the
    /// step.
    pub fn failed(&mut self, step: &Step, reason: Reason, fault: Fault, moment: Moment) {
        let count = self.failure(step).map_or(0, |before| before.count).saturating_add(1);
        let refused = matches!(reason, Reason::EnrollmentRefused | Reason::UpdateRefused).then_some(REFUSED);
        let delay = fault.retry_after.or(refused).unwrap_or_else(|| moment.intervals.after_failure(count));
        let retry_at = moment.ended.checked_add(delay).unwrap_or(Timestamp::MAX);
        let message = said(step, reason, fault.message);
        self.failures.insert(key(step), Failure { reason, message, count, retry_at });
    }

    fn answered(&mut self, step: &Step, answer: Answer, moment: Moment) {
        let at = moment.begun;
        match (step, answer) {
            (Step::ListEnrollments { .. }, Answer::Enrollments { begun, found }) => {
                self.create.list = Some(Reading { at: begun, value: found });
                // Whether what it shows is there has to be asked again.
                self.enrollment.reading.take_if(|reading| reading.value.is_none());
            }
            (Step::Watch { .. } | Step::ReadEnrollment(_), Answer::Enrollment { begun, found }) => {
                self.enrollment.reading = Some(Reading { at: begun, value: found });
            }
            (Step::ReadChange(_, id), Answer::Change(change)) => self.change_read(*id, change, at),
            (Step::ReadChallenges(_, id), Answer::Challenges(domains)) => {
                if let Some(change) = self.change_mut(*id) {
                    change.challenges = Some(Reading { at, value: Arc::new(domains) });
                }
            }
            (Step::ReadWarnings(_, id, _), Answer::Warnings(value)) => {
                if let Some(change) = self.change_mut(*id) {
                    change.stop.warnings = Some(Reading { at, value });
                }
            }
            (Step::ReadStaged(_, id), Answer::Staged(value)) => {
                if let Some(change) = self.change_mut(*id) {
                    change.stop.staged = Some(Reading { at, value });
                }
            }
            (Step::ReadDeployments(_), Answer::Deployments(value)) => {
                let reads = self.enrollment.deployments.as_ref().map_or(0, |before| before.reads);
                self.enrollment.deployments =
                    Some(DeploymentsReading { at, value: Arc::new(*value), reads: reads.saturating_add(1) });
            }
            (step, answer) => self.looked_or_written(step, answer, moment),
        }
    }

    fn looked_or_written(&mut self, step: &Step, answer: Answer, moment: Moment) {
        let at = moment.ended;
        match (step, answer) {
            (Step::Preflight(targets), Answer::Found(failures)) => {
                let before = self.looks.preflight.take();
                self.looks.preflight = Some(Look::after(before, targets.clone(), failures, at));
            }
            (Step::Probe { tokens, elsewhere, .. }, Answer::Found(failures)) => {
                let all = tokens.iter().chain(elsewhere).cloned().collect();
                let before = self.looks.probe.take();
                self.looks.probe = Some(Look::after(before, all, failures, at));
            }
            (Step::CheckRecords(records), Answer::Found(missing)) => {
                let before = self.looks.records.take();
                self.looks.records = Some(Look::after(before, records.clone(), missing, at));
            }
            (Step::Forecast { fingerprint, .. }, Answer::Forecast(names)) => {
                self.forecast = Some(Forecast { at, fingerprint: fingerprint.clone(), names });
            }
            (Step::WriteRecord(record), Answer::Done) => {
                self.records.written.insert(record.as_ref().clone(), at);
            }
            (Step::RemoveRecord(record), Answer::Done) => {
                for one in record.each() {
                    self.records.written.remove(&one);
                    self.records.removed.insert(one);
                }
            }
            (Step::ForgetEnrollment, Answer::Done) => *self = Self::of_generation(self.generation.number),
            (step, answer) => self.written_to_cps(step, answer, moment),
        }
    }

    fn written_to_cps(&mut self, step: &Step, answer: Answer, moment: Moment) {
        let at = moment.begun;
        match (step, answer) {
            (Step::CreateEnrollment { .. }, Answer::Taken { enrollment, change }) => {
                self.create.attempt = None;
                self.enrollment.taken = Some(self.taken(enrollment, change, moment));
            }
            (Step::UpdateEnrollment(_), Answer::Taken { enrollment, change }) => {
                self.enrollment.taken = Some(self.taken(enrollment, change, moment));
                self.generation.updates += 1;
                self.change = None;
            }
            (Step::Acknowledge { change, proof, .. }, _) => {
                let proof = proof.as_ref().clone();
                self.told(*change, at, |of| of.acknowledgement = Some(Acknowledgement { proof, at }));
            }
            (Step::AcknowledgeWarnings(_, id, _), _) => self.told(*id, at, |of| {
                of.stop.warnings = None;
                of.warnings_told = Some(at);
            }),
            (Step::AcknowledgeDeployment { change, .. }, _) => {
                self.enrollment.deployments = None;
                self.told(*change, at, |of| {
                    of.stop.staged = None;
                    of.deployment_told = Some(at);
                });
            }
            (Step::Schedule(_, id, schedule), _) => self.schedule_set(*id, schedule),
            (Step::DeleteEnrollment(_), _) => self.enrollment.removal = Some(moment.ended),
            // The watches show what was written to the cluster, and whether somebody undoes it.
            (Step::Publish(write) | Step::HandOff(write), Answer::Done) => {
                self.writes.written(write, moment.ended, moment.intervals);
            }
            _ => {}
        }
    }

    fn taken(
        &self,
        enrollment: akamai_cps_types::EnrollmentId,
        change: Option<ChangeId>,
        moment: Moment,
    ) -> Taken {
        Taken { at: moment.ended, enrollment, change, generation: self.generation.number }
    }

    /// Records a write to a change, and looks at the change again soon. The write used up the reading of the
    /// enrollment, so the next write needs a new one.
    fn told(&mut self, id: ChangeId, at: Timestamp, remember: impl FnOnce(&mut OfChange)) {
        self.enrollment.reading = None;
        if let Some(change) = self.change_mut(id) {
            remember(change);
            change.at = at;
            change.unchanged = 0;
        }
    }

    /// Assumes that CPS took the schedule. The next look at the change shows whether it did.
    fn schedule_set(&mut self, id: ChangeId, schedule: &DeploymentSchedule) {
        self.enrollment.reading = None;
        if let Some(change) = self.change_mut(id).and_then(|of| of.change.as_mut()) {
            change.status_info.deployment_schedule = Some(schedule.clone());
        }
    }

    fn change_read(&mut self, id: ChangeId, change: Option<Box<Change>>, at: Timestamp) {
        if change.as_ref().is_none_or(|change| change.status_info.is_cancelled()) {
            self.enrollment.reading = None;
        }
        let Some(known) = self.change_mut(id) else {
            self.change = Some(OfChange::new(id, at, change));
            self.looks = Default::default();
            self.enrollment.deployments = None;
            return;
        };
        known.at = at;
        if known.change == change {
            known.unchanged = known.unchanged.saturating_add(1);
            return;
        }
        known.change = change;
        known.unchanged = 0;
        known.stop = OfStop::default();
        self.enrollment.deployments = None;
    }
}

/// The message for the user: CPS's words, after their meaning where that is not plain.
fn said(step: &Step, reason: Reason, message: String) -> String {
    match (step, reason) {
        (Step::DeleteEnrollment(id), Reason::DeletionRefused) => format!(
            "CPS refuses to remove enrollment {id}, because its certificate is live: detach it from its edge hostnames, or set \
             deletionPolicy: Retain to leave it in CPS ({message})"
        ),
        (_, Reason::EnrollmentRefused) => format!("CPS refused to create the enrollment: {message}"),
        (_, Reason::UpdateRefused) => format!("CPS refused the update: {message}"),
        (_, Reason::UpdateWaits) => format!("CPS cannot take the update now: {message}"),
        _ => message,
    }
}

//! What the world answers to a step: the cluster, CPS, DNS, the network. What is remembered of it is the operator's own
//! `Memory::absorb`. Not here: the rules that must never be broken (`world`).

use std::collections::BTreeMap;

use super::cps::{Cps, Duplicate};
use super::user::WARNING;
use super::world::{CreateFault, World};
use crate::life::Step;
use crate::life::absorb::Moment;
use crate::life::answer::{Answer, Fault, FaultKind};
use crate::life::fixtures::{self, play};
use crate::life::intervals::Intervals;
use crate::outside::NameForecast;
use crate::published::{Record, Token};
use akacert_api::names::{
    CERTIFICATE_FINALIZER, ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION, RENEWAL_ANNOTATION,
};
use akacert_api::reason::Reason;
use akamai_cps_types::{Enrollment, EnrollmentId};
use jiff::Timestamp;

impl World {
    /// Does a step, unless the operator dies at it.
    pub(super) fn survives(&mut self, step: &Step) -> bool {
        let Some(crash) = &mut self.crash else {
            self.perform(step);
            return true;
        };
        if crash.after > 0 {
            crash.after -= 1;
            self.perform(step);
            return true;
        }
        if crash.done {
            self.answer(step);
        }
        false
    }

    fn perform(&mut self, step: &Step) {
        let answer = self.answer(step);
        let moment =
            Moment { begun: self.now, ended: self.now, intervals: Intervals { scale: 1.0, seed: 0 } };
        self.memory.absorb(step, answer, moment);
        self.lost = self.memory.create.answer_lost();
    }

    fn answer(&mut self, step: &Step) -> Answer {
        match step {
            Step::RecordIntent(intent) => {
                self.record(INTENT_ANNOTATION, serde_json::to_string(intent).unwrap())
            }
            Step::RecordEnrollment(id) => {
                let ours = self.cps.ours.iter().any(|held| held.id == *id);
                assert!(ours, "records what is not ours: {self:?}");
                self.record(ENROLLMENT_ID_ANNOTATION, id.to_string())
            }
            Step::RecordRenewal(renewal) => {
                self.record(RENEWAL_ANNOTATION, serde_json::to_string(renewal).unwrap())
            }
            Step::RemoveFinalizer => {
                self.certificate.metadata.finalizers = None;
                Answer::Done
            }
            Step::Publish(write) | Step::HandOff(write) => {
                play(&mut self.published, write);
                Answer::Done
            }
            Step::Forecast { targets, .. } => {
                let forecast = NameForecast { automatic: false, failure: None, served: None };
                Answer::Forecast(
                    targets.iter().map(|target| (target.name.clone(), forecast.clone())).collect(),
                )
            }
            Step::Preflight(_) => Answer::Found(BTreeMap::new()),
            Step::Probe { tokens, .. } => self.fetch(tokens),
            Step::CheckRecords(records) => self.look_for(records),
            Step::WriteRecord(record) if self.account => {
                self.zone.extend(values(record));
                Answer::Done
            }
            Step::RemoveRecord(record) if self.account => {
                for value in values(record) {
                    self.zone.remove(&value);
                }
                Answer::Done
            }
            Step::WriteRecord(_) | Step::RemoveRecord(_) => unavailable(),
            Step::ListEnrollments { .. }
            | Step::Watch { .. }
            | Step::ReadEnrollment(_)
            | Step::ReadChange(..)
            | Step::ReadChallenges(..)
            | Step::ReadWarnings(..)
            | Step::ReadStaged(..)
            | Step::ReadDeployments(_)
            | Step::CreateEnrollment { .. }
            | Step::UpdateEnrollment(_)
            | Step::Acknowledge { .. }
            | Step::AcknowledgeWarnings(..)
            | Step::AcknowledgeDeployment { .. }
            | Step::Schedule(..)
            | Step::DeleteEnrollment(_)
            | Step::ForgetEnrollment => self.call(step),
        }
    }

    fn record(&mut self, annotation: &str, value: String) -> Answer {
        self.certificate.metadata.finalizers = Some(vec![CERTIFICATE_FINALIZER.into()]);
        self.certificate.metadata.annotations.get_or_insert_default().insert(annotation.into(), value);
        Answer::Done
    }

    fn fetch(&mut self, tokens: &[Token]) -> Answer {
        let served = self.served();
        self.fetched.extend(tokens.iter().filter(|token| served.contains(token)).cloned());
        let missing = tokens.iter().filter(|token| !served.contains(token));
        Answer::Found(missing.map(|token| (token.host.clone(), "not there".to_owned())).collect())
    }

    fn look_for(&mut self, records: &[Record]) -> Answer {
        let there = |record: &&Record| values(record).iter().all(|value| self.zone.contains(value));
        let (there, missing): (Vec<_>, Vec<_>) = records.iter().partition(there);
        self.found.extend(there.into_iter().flat_map(values));
        Answer::Found(
            missing.into_iter().map(|record| (record.name.clone(), "not there".to_owned())).collect(),
        )
    }

    /// A call of CPS.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the sequences ask for nothing else of this CPS")]
    fn call(&mut self, step: &Step) -> Answer {
        self.called.push(step.name());
        if self.failing_calls > 0 {
            self.failing_calls -= 1;
            return unavailable();
        }
        let (now, cps) = (self.now, &mut self.cps);
        match step {
            Step::ListEnrollments { after, .. } => {
                let (begun, found) = self.list(*after);
                Answer::Enrollments { begun, found }
            }
            Step::Watch { enrollment, after, .. } => {
                let (begun, list) = self.list(*after);
                let ours = list.into_iter().find(|listed| listed.enrollment_id() == Some(*enrollment));
                Answer::Enrollment { begun, found: ours.map(Box::new) }
            }
            Step::ReadEnrollment(id) => {
                Answer::Enrollment { begun: now, found: cps.enrollment(*id).map(Box::new) }
            }
            Step::ReadChange(id, change) => Answer::Change(cps.change(*id, *change).map(Box::new)),
            Step::ReadChallenges(id, _) => Answer::Challenges(cps.challenges(*id)),
            Step::ReadWarnings(..) => Answer::Warnings(fixtures::warnings(WARNING)),
            Step::ReadDeployments(id) => {
                self.seen = cps.in_production(*id);
                Answer::Deployments(Box::new(cps.deployments(*id)))
            }
            Step::CreateEnrollment { body, .. } => create(cps, body, self.create_fault.take(), now),
            Step::UpdateEnrollment(wanted) => {
                assert!(!wanted.replace, "cancels a change that nobody gave up");
                let Ok(change) = cps.update(wanted.enrollment, &wanted.body, wanted.renew) else {
                    return unavailable();
                };
                if std::mem::take(&mut self.update_lost) {
                    return fault(FaultKind::OutcomeUnknown);
                }
                Answer::Taken { enrollment: wanted.enrollment, change }
            }
            Step::Acknowledge { enrollment, .. } => {
                cps.acknowledge(*enrollment);
                Answer::Done
            }
            Step::AcknowledgeWarnings(id, ..) => {
                cps.acknowledge_warnings(*id);
                Answer::Done
            }
            Step::DeleteEnrollment(id) if cps.remove(*id) => Answer::Done,
            Step::DeleteEnrollment(_) => fault(FaultKind::LiveOnNetwork),
            other => panic!("{other} is no step of a living certificate"),
        }
    }

    /// The list that all certificates of the contract share, begun after a time.
    fn list(&mut self, after: Timestamp) -> (Timestamp, Vec<Enrollment>) {
        let newest = self.list.take().filter(|(begun, _)| *begun >= after);
        let list = newest.unwrap_or_else(|| (self.now, self.cps.list()));
        self.list = Some(list.clone());
        list
    }
}

fn values(record: &Record) -> Vec<(String, String)> {
    record.values.iter().map(|value| (record.name.clone(), value.clone())).collect()
}

fn unavailable() -> Answer {
    fault(FaultKind::Other(Reason::CpsUnavailable))
}

fn fault(kind: FaultKind) -> Answer {
    Answer::Failed(Fault { kind, message: "HTTP 503".into(), retry_after: None })
}

fn create(cps: &mut Cps, body: &Enrollment, lost: Option<CreateFault>, now: Timestamp) -> Answer {
    if lost == Some(CreateFault::RequestLost) {
        return fault(FaultKind::OutcomeUnknown);
    }
    let created = cps.create(body, lost == Some(CreateFault::AnswerLostAndLate), now);
    match (created, lost) {
        (Ok((enrollment, change)), None) => {
            Answer::Taken { enrollment: EnrollmentId(enrollment.0), change: Some(change) }
        }
        (Err(Duplicate), None) => fault(FaultKind::Conflict),
        (_, Some(_)) => fault(FaultKind::OutcomeUnknown),
    }
}

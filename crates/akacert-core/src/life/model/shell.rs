//! A model of the shell around the decision: does a step as `crate::act` does, and remembers what came of it, as
//! `crate::controller` does. Not here: the rules (`world`).

use std::collections::BTreeMap;
use std::sync::Arc;

use akamai_cps_types::Enrollment;
use jiff::Timestamp;

use super::cps::{Cps, Duplicate};
use super::world::{CreateFault, World};
use crate::life::Step;
use crate::life::fixtures::{self, play};
use crate::life::forecast::Forecast;
use crate::life::schedule::Schedule;
use crate::life::snapshot::{
    Acknowledged, ChangeReading, Created, Failure, Memory, Preflight, Probe, Reading, RecordsLook,
};
use crate::outside::Outlook;
use crate::published::{Record, Token};
use akacert_api::names::{
    CERTIFICATE_FINALIZER, ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION, RENEWAL_ANNOTATION,
};
use akacert_api::reason::Reason;

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
            self.perform(step);
        }
        false
    }

    fn perform(&mut self, step: &Step) {
        let done = match step {
            Step::RecordIntent(intent) => {
                self.record(INTENT_ANNOTATION, serde_json::to_string(intent).unwrap());
                true
            }
            Step::RecordEnrollment(id) => {
                assert!(
                    self.cps.ours.iter().any(|held| held.id == *id),
                    "records what is not ours: {self:?}"
                );
                self.record(ENROLLMENT_ID_ANNOTATION, id.to_string());
                true
            }
            Step::RecordRenewal(renewal) => {
                self.record(RENEWAL_ANNOTATION, serde_json::to_string(renewal).unwrap());
                true
            }
            Step::Publish(write) => {
                play(&mut self.published, write);
                true
            }
            Step::LookOutside { targets, fingerprint, .. } => {
                let outlook = Outlook { automatic: false, failure: None, served: None };
                let outlook = targets.iter().map(|target| (target.name.clone(), outlook.clone())).collect();
                self.known.memory.forecast =
                    Some(Forecast { at: self.now, fingerprint: fingerprint.clone(), outlook });
                true
            }
            Step::Preflight(targets) => {
                self.known.memory.preflight = Some(Preflight {
                    at: self.now,
                    targets: targets.clone(),
                    failures: Default::default(),
                    failed: 0,
                });
                true
            }
            Step::Probe { tokens, .. } => {
                self.probe(tokens);
                true
            }
            Step::WriteRecord(record) if self.account => {
                self.zone.extend(values(record));
                self.known.memory.written.insert(record.as_ref().clone(), self.now);
                true
            }
            Step::RemoveRecord(record) if self.account => {
                for value in values(record) {
                    self.zone.remove(&value);
                }
                self.known.memory.written.clear();
                self.known.memory.removed.insert(record.as_ref().clone());
                true
            }
            Step::WriteRecord(_) | Step::RemoveRecord(_) => false,
            Step::CheckRecords(records) => {
                self.check_records(records);
                true
            }
            other => self.call(other),
        };
        let failed_before = self.known.memory.failure.as_ref().filter(|failure| failure.step == step.name());
        let count = failed_before.map_or(0, |failure| failure.count) + 1;
        if !done {
            let delay = Schedule { scale: 1.0, seed: u64::from(count) }.after_failure(count);
            self.known.memory.failure = Some(Failure {
                step: step.name(),
                reason: Reason::CpsUnavailable,
                message: "HTTP 503".into(),
                stalled: false,
                count,
                retry_at: self.now + delay,
            });
        } else if failed_before.is_some() {
            self.known.memory.failure = None;
        }
    }

    fn record(&mut self, annotation: &str, value: String) {
        self.certificate.metadata.finalizers = Some(vec![CERTIFICATE_FINALIZER.into()]);
        self.certificate.metadata.annotations.get_or_insert_default().insert(annotation.into(), value);
    }

    fn probe(&mut self, tokens: &[Token]) {
        let served = self.served();
        let failures: BTreeMap<_, _> = tokens
            .iter()
            .filter(|token| !served.contains(token))
            .map(|token| (token.host.clone(), "not there".to_owned()))
            .collect();
        self.fetched.extend(tokens.iter().filter(|token| served.contains(token)).cloned());
        let memory = &mut self.known.memory;
        let before =
            memory.probe.as_ref().filter(|before| before.tokens == tokens).map_or(0, |before| before.failed);
        let failed = if failures.is_empty() { 0 } else { before + 1 };
        memory.probe = Some(Probe { at: self.now, tokens: tokens.to_vec(), failures, failed });
    }

    fn check_records(&mut self, records: &[Record]) {
        let there = |record: &&Record| values(record).iter().all(|value| self.zone.contains(value));
        let (there, missing): (Vec<_>, Vec<_>) = records.iter().partition(there);
        self.found.extend(there.into_iter().flat_map(values));
        let missing: BTreeMap<_, _> =
            missing.into_iter().map(|record| (record.name.clone(), "not there".to_owned())).collect();
        let memory = &mut self.known.memory;
        let before = memory.records.as_ref().filter(|before| before.records == records);
        let failed = if missing.is_empty() { 0 } else { before.map_or(0, |before| before.failed) + 1 };
        memory.records = Some(RecordsLook { at: self.now, records: records.to_vec(), missing, failed });
    }

    /// A call of CPS. Answers whether it succeeded.
    fn call(&mut self, step: &Step) -> bool {
        self.called.push(step.name());
        if self.failing_calls > 0 {
            self.failing_calls -= 1;
            if matches!(step, Step::CreateEnrollment { .. }) {
                self.known.memory.list = None;
            }
            return false;
        }
        let (now, memory, cps) = (self.now, &mut self.known.memory, &mut self.cps);
        match step {
            Step::ListEnrollments { after, .. } => {
                let newest = self.list.take().filter(|(begun, _)| begun >= after);
                let (at, value) = newest.unwrap_or_else(|| (now, cps.list()));
                self.list = Some((at, value.clone()));
                memory.list = Some(Reading { at, value });
            }
            Step::ReadEnrollment(id) => {
                memory.enrollment = Some(Reading { at: now, value: cps.enrollment(*id).map(Box::new) });
            }
            Step::Watch { enrollment, after, .. } => {
                let newest = self.list.take().filter(|(begun, _)| begun >= after);
                let (at, list) = newest.unwrap_or_else(|| (now, cps.list()));
                self.list = Some((at, list.clone()));
                let ours = list.into_iter().find(|listed| listed.enrollment_id() == Some(*enrollment));
                memory.enrollment = Some(Reading { at, value: ours.map(Box::new) });
            }
            Step::ReadChange(id, change) => {
                let answer = cps.change(*id, *change);
                let before =
                    memory.change.as_ref().filter(|before| before.id == *change && before.change == answer);
                let unchanged = before.map_or(0, |before| before.unchanged + 1);
                if memory.change.as_ref().is_none_or(|before| before.id != *change) {
                    memory.challenges = None;
                    memory.probe = None;
                }
                if unchanged == 0 {
                    memory.warnings = None;
                    memory.staged = None;
                    memory.deployments = None;
                    memory.deployment_reads = 0;
                }
                if answer.as_ref().is_none_or(|change| change.status_info.is_cancelled()) {
                    memory.enrollment = None;
                }
                memory.change = Some(ChangeReading { id: *change, at: now, change: answer, unchanged });
            }
            Step::ReadChallenges(id, _) => {
                memory.challenges = Some(Reading { at: now, value: Arc::new(cps.challenges(*id)) });
            }
            Step::ReadWarnings(..) => {
                memory.warnings =
                    Some(Reading { at: now, value: fixtures::warnings("DNS name x not CNAMEd") });
            }
            Step::ReadDeployments(id) => {
                memory.deployments = Some(Reading { at: now, value: Arc::new(cps.deployments(*id)) });
                memory.deployment_reads += 1;
                self.seen = cps.in_production(*id);
            }
            Step::CreateEnrollment { body, .. } => {
                create(cps, body, self.create_fault.take(), memory, now);
                self.lost = memory.uncertain_create;
            }
            Step::UpdateEnrollment(wanted) => {
                assert!(!wanted.replace, "cancels a change that nobody gave up");
                memory.enrollment = None;
                let Ok(change) = cps.update(wanted.enrollment, &wanted.body, wanted.renew) else {
                    return false;
                };
                let generation = memory.generation;
                if self.update_lost {
                    self.update_lost = false;
                    return true;
                }
                memory.created = Some(Created { at: now, enrollment: wanted.enrollment, change, generation });
                memory.updates.push(wanted.plan.clone());
                memory.change = None;
            }
            Step::Acknowledge { enrollment, change, proof } => {
                cps.acknowledge(*enrollment);
                memory.acknowledged =
                    Some(Acknowledged { change: *change, proof: proof.as_ref().clone(), at: now });
                memory.enrollment = None;
                if let Some(reading) = &mut memory.change {
                    reading.at = now;
                    reading.unchanged = 0;
                }
            }
            other => panic!("{other} is no step of a living certificate"),
        }
        true
    }
}

fn values(record: &Record) -> Vec<(String, String)> {
    record.values.iter().map(|value| (record.name.clone(), value.clone())).collect()
}

fn create(cps: &mut Cps, body: &Enrollment, fault: Option<CreateFault>, memory: &mut Memory, now: Timestamp) {
    memory.list = None;
    memory.duplicate = None;
    let generation = memory.generation;
    let answer = match fault {
        Some(CreateFault::RequestLost) => None,
        fault => {
            Some((cps.create(body, fault == Some(CreateFault::AnswerLostAndLate), now), fault.is_some()))
        }
    };
    match answer {
        Some((Ok((enrollment, change)), false)) => {
            memory.uncertain_create = None;
            memory.created = Some(Created { at: now, enrollment, change: Some(change), generation });
        }
        Some((Err(Duplicate), false)) => memory.duplicate = Some(now),
        Some((_, true)) | None => memory.uncertain_create = Some(now),
    }
}

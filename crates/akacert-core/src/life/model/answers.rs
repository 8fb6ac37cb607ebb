//! What the world answers to a step: the cluster, CPS, DNS, the network. What is remembered of it is the operator's own
//! `Memory::absorb`. Not here: the rules that must never be broken (`world`).

use super::cps::{Cps, Duplicate};
use super::user::WARNING;
use super::world::{CreateFault, Outside, World};
use crate::life::Step;
use crate::life::absorb::Moment;
use crate::life::answer::{Answer, Fault, FaultKind};
use crate::life::fixtures::{self, play};
use crate::life::intervals::Intervals;
use crate::outside::{NameForecast, Need, Served, Target};
use crate::published::{Record, Token};
use akacert_api::names::{
    CERTIFICATE_FINALIZER, ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION, RENEWAL_ANNOTATION,
};
use akacert_api::reason::Reason;
use akacert_api::way::Way;
use akamai_cps_types::{ChangeId, Enrollment, EnrollmentId};
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
        self.me.memory.absorb(step, answer, moment);
        self.me.lost = self.me.memory.create.answer_lost();
    }

    fn answer(&mut self, step: &Step) -> Answer {
        match step {
            Step::RecordIntent(intent) => {
                self.record(&[(INTENT_ANNOTATION, serde_json::to_string(intent).unwrap())])
            }
            Step::RecordEnrollment(id) => {
                let me = &self.me;
                let held = self.cps.ours.iter().find(|held| held.id == *id);
                // What the status says of one that is gone may be recorded once more.
                let may = held.is_none_or(|held| held.maker.as_ref() == Some(&me.uid())) || me.adopts();
                assert!(may, "records what is not ours: {self:?}");
                self.record(&[(ENROLLMENT_ID_ANNOTATION, id.to_string())])
            }
            Step::RecordRenewal(renewal) => {
                self.record(&[(RENEWAL_ANNOTATION, serde_json::to_string(renewal).unwrap())])
            }
            Step::ForgetEnrollment => {
                self.record(&[(ENROLLMENT_ID_ANNOTATION, String::new()), (INTENT_ANNOTATION, String::new())])
            }
            Step::RemoveFinalizer if self.me.stale.take().is_some() => Answer::Overtaken,
            Step::RemoveFinalizer => {
                self.me.change().metadata.finalizers = None;
                Answer::Done
            }
            Step::Publish(write) | Step::HandOff(write) => {
                play(&mut self.me.published, write);
                self.share();
                Answer::Done
            }
            Step::WriteRecord(record) => self.write(record),
            Step::RemoveRecord(record) => self.remove(record),
            Step::Forecast { targets, served, .. } => self.look_outside(targets, *served),
            Step::Preflight(targets) => self.preflight(targets),
            Step::Probe { tokens, elsewhere, .. } => self.fetch(tokens, elsewhere),
            Step::CheckRecords(records) => self.look_for(records),
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
            | Step::DeleteEnrollment(_) => self.call(step),
        }
    }

    /// Annotations are set on the version that was looked at, or not at all.
    fn record(&mut self, annotations: &[(&str, String)]) -> Answer {
        if self.me.stale.take().is_some() {
            return Answer::Overtaken;
        }
        let metadata = &mut self.me.change().metadata;
        metadata.finalizers = Some(vec![CERTIFICATE_FINALIZER.into()]);
        let known = metadata.annotations.get_or_insert_default();
        known.extend(annotations.iter().map(|(annotation, value)| ((*annotation).to_owned(), value.clone())));
        Answer::Done
    }

    /// The Service and its EndpointSlices are everybody's.
    pub(super) fn share(&mut self) {
        for other in &mut self.others {
            other.published.service.clone_from(&self.me.published.service);
            other.published.endpoint_slices.clone_from(&self.me.published.endpoint_slices);
        }
    }

    /// The account for Edge DNS is the one for CPS.
    fn takes(&self, record: &Record) -> Result<(), Answer> {
        if self.zone_refuses && record.name.ends_with("api.example.com") {
            return Err(fault(FaultKind::Other(Reason::DnsUpdateFailed)));
        }
        if self.account { Ok(()) } else { Err(unavailable()) }
    }

    fn write(&mut self, record: &Record) -> Answer {
        let taken = self.takes(record);
        if taken.is_ok() {
            self.zone.extend(values(record));
        }
        taken.err().unwrap_or(Answer::Done)
    }

    fn remove(&mut self, record: &Record) -> Answer {
        let taken = self.takes(record);
        if taken.is_ok() {
            let gone = values(record);
            self.zone.retain(|known| !gone.contains(known));
        }
        taken.err().unwrap_or(Answer::Done)
    }

    fn look_outside(&self, targets: &[Target], served: bool) -> Answer {
        let failure = (self.outside == Outside::Elsewhere).then(|| "leads elsewhere".to_owned());
        let at_akamai = self.outside == Outside::AtAkamai;
        let served = served.then(|| Served { failure: failure.clone(), plain_http: at_akamai });
        let outlook = NameForecast { automatic: at_akamai, failure, served };
        Answer::Forecast(targets.iter().map(|target| (target.name.clone(), outlook.clone())).collect())
    }

    fn preflight(&self, targets: &[Target]) -> Answer {
        let fails = |target: &&Target| {
            let redirects = || self.network && self.me.redirects(&target.name);
            let as_needed = !matches!(target.need, Need::Redirect { .. }) || redirects();
            self.outside == Outside::Elsewhere || !as_needed
        };
        let failing = targets.iter().filter(fails);
        Answer::Found(failing.map(|it| (it.name.clone(), "leads elsewhere".to_owned())).collect())
    }

    fn fetch(&mut self, tokens: &[Token], elsewhere: &[Token]) -> Answer {
        let served = self.served(&self.me);
        let external = |host: &str| matches!(self.me.certificate.spec.way(host), Way::External);
        let led = |token: &Token| self.network && (external(&token.host) || self.me.redirects(&token.host));
        let all = tokens.iter().map(|token| (token, served.contains(token)));
        let all = all.chain(elsewhere.iter().map(|token| (token, led(token))));
        let (there, missing): (Vec<_>, Vec<_>) = all.partition(|(_, there)| *there);
        self.me.fetched.extend(there.into_iter().map(|(token, _)| token.clone()));
        let told = |(token, _): (&Token, bool)| (token.host.clone(), "not there".to_owned());
        Answer::Found(missing.into_iter().map(told).collect())
    }

    fn look_for(&mut self, records: &[Record]) -> Answer {
        let there = |record: &&Record| values(record).iter().all(|value| self.zone.contains(value));
        let (there, missing): (Vec<_>, Vec<_>) = records.iter().partition(there);
        self.me.found.extend(there.into_iter().flat_map(values));
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
                self.me.seen = cps.in_production(*id);
                Answer::Deployments(Box::new(cps.deployments(*id)))
            }
            Step::CreateEnrollment { body, .. } => {
                create(cps, body, self.me.uid(), self.create_fault.take(), now)
            }
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
            Step::ReadStaged(_, change) => Answer::Staged(staged(*change)),
            Step::AcknowledgeDeployment { enrollment, change, hash } => {
                assert_eq!(*hash, staged(*change), "lets go what nobody has read");
                cps.let_go(*enrollment, now);
                Answer::Done
            }
            Step::Schedule(_, change, schedule) => {
                cps.schedule(*change, schedule);
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

/// Stands for what waits on staging.
fn staged(change: ChangeId) -> String {
    format!("hash of {change}")
}

fn unavailable() -> Answer {
    fault(FaultKind::Other(Reason::CpsUnavailable))
}

fn fault(kind: FaultKind) -> Answer {
    Answer::Failed(Fault { kind, message: "HTTP 503".into(), retry_after: None })
}

fn create(
    cps: &mut Cps,
    body: &Enrollment,
    maker: String,
    lost: Option<CreateFault>,
    now: Timestamp,
) -> Answer {
    if lost == Some(CreateFault::RequestLost) {
        return fault(FaultKind::OutcomeUnknown);
    }
    let created = cps.create(body, maker, lost == Some(CreateFault::AnswerLostAndLate), now);
    match (created, lost) {
        (Ok((enrollment, change)), None) => {
            Answer::Taken { enrollment: EnrollmentId(enrollment.0), change: Some(change) }
        }
        (Err(Duplicate), None) => fault(FaultKind::Conflict),
        (_, Some(_)) => fault(FaultKind::OutcomeUnknown),
    }
}

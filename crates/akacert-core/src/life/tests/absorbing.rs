//! What the memory keeps of an answer: each kind of answer against each kind of memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use akamai_cps_types::{ChangeId, DeploymentSchedule};
use jiff::Timestamp;

use super::*;
use crate::life::absorb::Moment;
use crate::life::answer::{Answer, Fault, FaultKind};
use crate::life::fixtures::{change, noon};
use crate::life::memory::{DeploymentsReading, Look, Memory, OfChange, Reading, Taken};
use crate::life::proof::Proof;
use crate::life::step::{Update, Warnings};
use crate::published::{By, Record};

const ID: EnrollmentId = EnrollmentId(10002);
const CHANGE: ChangeId = ChangeId(20003);
const OTHER: ChangeId = ChangeId(20009);

/// The parts of the memory that are set, as words in a fixed order.
fn words(memory: &Memory) -> String {
    let of = memory.change.as_ref();
    let known = [
        ("list", memory.create.list.is_some()),
        ("answer-lost", memory.create.answer_lost().is_some()),
        ("name-taken", memory.create.name_taken().is_some()),
        ("taken", memory.enrollment.taken.is_some()),
        ("enrollment", memory.enrollment.reading.is_some()),
        ("deployments", memory.enrollment.deployments.is_some()),
        ("removal", memory.enrollment.removal.is_some()),
        ("change", of.is_some_and(|of| of.id == CHANGE)),
        ("other-change", of.is_some_and(|of| of.id == OTHER)),
        ("challenges", of.is_some_and(|of| of.challenges.is_some())),
        ("acknowledgement", of.is_some_and(|of| of.acknowledgement.is_some())),
        ("warnings", of.is_some_and(|of| of.stop.warnings.is_some())),
        ("staged", of.is_some_and(|of| of.stop.staged.is_some())),
        ("preflight", memory.looks.preflight.is_some()),
        ("probe", memory.looks.probe.is_some()),
        ("records", memory.looks.records.is_some()),
        ("written", !memory.records.written.is_empty()),
        ("removed", !memory.records.removed.is_empty()),
        ("writes", memory.writes != Default::default()),
        ("forecast", memory.forecast.is_some()),
        ("failed", !memory.failures.is_empty()),
    ];
    known.iter().filter(|(_, known)| *known).map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
}

/// An empty memory.
fn nothing() -> Memory {
    Memory::of_generation(1)
}

/// The list was read, and no enrollment has our common name.
fn listed() -> Memory {
    let mut memory = nothing();
    memory.create.list = Some(Reading { at: noon(), value: vec![] });
    memory
}

/// A change has stopped, and everything was read and checked.
fn stopped() -> Memory {
    let mut memory = nothing();
    let stands = change("wait-ack-change-management", "awaiting-input", &["change-management"]);
    let mut of = OfChange::new(CHANGE, noon(), Some(Box::new(stands)));
    of.challenges = Some(Reading { at: noon(), value: Default::default() });
    of.stop.warnings = Some(Reading { at: noon(), value: warnings("careful") });
    of.stop.staged = Some(Reading { at: noon(), value: "da39a3ee".into() });
    memory.change = Some(of);
    memory.enrollment.taken = Some(Taken { at: noon(), enrollment: ID, change: Some(CHANGE), generation: 1 });
    memory.enrollment.reading = Some(Reading { at: noon(), value: None });
    memory.enrollment.deployments =
        Some(DeploymentsReading { at: noon(), value: Default::default(), reads: 3 });
    let look = |failed| Look { at: noon(), at_what: vec![], failures: BTreeMap::new(), failed };
    memory.looks.preflight = Some(look(0));
    memory.looks.probe = Some(Look { at: noon(), at_what: vec![], failures: BTreeMap::new(), failed: 0 });
    memory
}

fn later() -> Timestamp {
    noon() + Duration::from_secs(60)
}

fn absorbed(mut memory: Memory, step: &Step, answer: Answer) -> Memory {
    memory.absorb(step, answer, Moment { begun: later(), ended: later(), scale: 1.0 });
    memory
}

fn failed(kind: FaultKind) -> Answer {
    Answer::Failed(Fault { kind, message: "no".into(), retry_after: None })
}

fn create() -> Step {
    let body = Box::new(enrollment(10002, &["www.example.com"]));
    Step::CreateEnrollment { contract: "1-1TJZH5".into(), body }
}

fn update() -> Step {
    let body = enrollment(10002, &["www.example.com"]);
    let plan = "5f1c".to_owned();
    let (replace, override_renewal, renew) = (false, false, false);
    Step::UpdateEnrollment(Box::new(Update { enrollment: ID, body, replace, override_renewal, renew, plan }))
}

fn acknowledge() -> Step {
    Step::Acknowledge { enrollment: ID, change: CHANGE, proof: Box::new(Proof::default()) }
}

fn record() -> Box<Record> {
    let values = BTreeSet::from(["digest".to_owned()]);
    Box::new(Record { name: "_acme-challenge.www.example.com".into(), values, by: By::Manual })
}

#[track_caller]
fn assert_words(memory: Memory, step: Step, answer: Answer, expected: &str) {
    let said = format!("{step} {answer:?}");
    assert_eq!(words(&absorbed(memory, &step, answer)), expected, "{said}");
}

/// Everything that `stopped()` holds.
const ALL: &str = "taken enrollment deployments change challenges warnings staged preflight probe";

#[test]
fn a_create_forgets_the_list_whatever_its_answer() {
    let taken = Answer::Taken { enrollment: ID, change: Some(CHANGE) };
    assert_words(listed(), create(), taken, "taken");
    assert_words(listed(), create(), failed(FaultKind::OutcomeUnknown), "answer-lost");
    assert_words(listed(), create(), failed(FaultKind::Conflict), "name-taken");
    assert_words(listed(), create(), failed(FaultKind::Invalid), "failed");
    assert_words(listed(), create(), failed(FaultKind::Other(Reason::CpsUnavailable)), "failed");
}

#[test]
fn that_an_answer_was_lost_is_known_until_a_create_is_answered() {
    let lost = absorbed(listed(), &create(), failed(FaultKind::OutcomeUnknown));
    let unreachable = failed(FaultKind::Other(Reason::CpsUnavailable));
    assert_words(lost.clone(), create(), unreachable, "answer-lost failed");
    assert_words(lost, create(), Answer::Taken { enrollment: ID, change: None }, "taken");
}

#[test]
fn an_update_forgets_the_enrollment_and_if_cps_took_it_the_change_before_it() {
    let taken = Answer::Taken { enrollment: ID, change: Some(OTHER) };
    assert_words(stopped(), update(), taken, "taken deployments preflight probe");
    let without = "taken deployments change challenges warnings staged preflight probe";
    assert_words(stopped(), update(), failed(FaultKind::OutcomeUnknown), without);
    assert_words(stopped(), update(), failed(FaultKind::Conflict), &format!("{without} failed"));
    let counted = absorbed(stopped(), &update(), Answer::Taken { enrollment: ID, change: None });
    assert_eq!(counted.generation.updates, 1);
}

#[test]
fn another_change_replaces_all_that_belonged_to_the_one_before() {
    let read = || Answer::Change(Some(Box::new(change("new", "running", &[]))));
    assert_words(stopped(), Step::ReadChange(ID, OTHER), read(), "taken enrollment other-change");
    assert_words(nothing(), Step::ReadChange(ID, CHANGE), read(), "change");
}

#[test]
fn a_change_that_moves_leaves_its_stop_behind_and_one_that_stands_keeps_everything() {
    let moved = Answer::Change(Some(Box::new(change("complete", "completed", &[]))));
    let left = "taken enrollment change challenges preflight probe";
    assert_words(stopped(), Step::ReadChange(ID, CHANGE), moved, left);
    let same = stopped().change.unwrap().change;
    let stands = absorbed(stopped(), &Step::ReadChange(ID, CHANGE), Answer::Change(same));
    assert_eq!((words(&stands).as_str(), stands.change.unwrap().unchanged), (ALL, 1));
}

#[test]
fn a_change_that_cps_does_not_show_any_more_says_that_the_enrollment_has_to_be_asked() {
    let left = "taken change challenges preflight probe";
    assert_words(stopped(), Step::ReadChange(ID, CHANGE), Answer::Change(None), left);
    let cancelled = Answer::Change(Some(Box::new(change("cancelled", "cancelled", &[]))));
    assert_words(nothing(), Step::ReadChange(ID, CHANGE), cancelled, "change");
}

#[test]
fn what_was_read_for_a_change_that_is_not_followed_any_more_is_dropped() {
    for (step, answer) in [
        (Step::ReadChallenges(ID, OTHER), Answer::Challenges(vec![])),
        (Step::ReadWarnings(ID, OTHER, Warnings::PreVerification), Answer::Warnings(warnings("x"))),
        (Step::ReadStaged(ID, OTHER), Answer::Staged("x".into())),
    ] {
        assert_words(nothing(), step, answer, "");
    }
}

#[test]
fn an_acknowledgement_counts_although_cps_had_gone_on_by_itself() {
    let told = "taken deployments change challenges acknowledgement warnings staged preflight probe";
    for answer in [
        Answer::Done,
        failed(FaultKind::NotFound),
        failed(FaultKind::Conflict),
        failed(FaultKind::OutcomeUnknown),
    ] {
        assert_words(stopped(), acknowledge(), answer, told);
    }
    let refused = failed(FaultKind::Other(Reason::Throttled));
    assert_words(stopped(), acknowledge(), refused, &format!("{ALL} failed"));
}

#[test]
fn what_was_acknowledged_is_read_again_before_the_next_acknowledgement() {
    let warned = Step::AcknowledgeWarnings(ID, CHANGE, Warnings::PreVerification);
    let left = "taken deployments change challenges staged preflight probe";
    assert_words(stopped(), warned, Answer::Done, left);
    let deployed = Step::AcknowledgeDeployment { enrollment: ID, change: CHANGE, hash: "da39a3ee".into() };
    assert_words(stopped(), deployed, Answer::Done, "taken change challenges warnings preflight probe");
}

#[test]
fn a_schedule_shows_in_the_change_until_it_is_read_again() {
    let opens = DeploymentSchedule { not_before: Some(later()), not_after: None };
    let step = Step::Schedule(ID, CHANGE, opens.clone());
    let memory = absorbed(stopped(), &step, Answer::Done);
    let shown = memory.change.unwrap().change.unwrap().status_info.deployment_schedule;
    assert_eq!(shown, Some(opens));
}

#[test]
fn deployments_are_counted_until_the_change_moves() {
    let read = Step::ReadDeployments(ID);
    let memory = absorbed(stopped(), &read, Answer::Deployments(Box::default()));
    assert_eq!(memory.enrollment.deployments.unwrap().reads, 4);
    let memory = absorbed(nothing(), &read, Answer::Deployments(Box::default()));
    assert_eq!(memory.enrollment.deployments.unwrap().reads, 1);
}

#[test]
fn a_removal_is_accepted_when_cps_says_so_and_when_its_answer_is_lost() {
    let gone = "taken deployments removal change challenges warnings staged preflight probe";
    for answer in [Answer::Done, failed(FaultKind::NotFound), failed(FaultKind::OutcomeUnknown)] {
        assert_words(stopped(), Step::DeleteEnrollment(ID), answer, gone);
    }
    let live = absorbed(stopped(), &Step::DeleteEnrollment(ID), failed(FaultKind::LiveOnNetwork));
    let failure = live.failure(&Step::DeleteEnrollment(ID)).unwrap();
    assert_eq!(failure.reason, Reason::DeletionRefused);
    assert!(failure.message.starts_with("CPS refuses to remove enrollment 10002"), "{}", failure.message);
}

#[test]
fn a_record_that_is_written_again_is_not_removed_any_more() {
    let removed = absorbed(nothing(), &Step::RemoveRecord(record()), Answer::Done);
    assert_eq!(words(&removed), "removed");
    assert_words(removed, Step::WriteRecord(record()), Answer::Done, "written");
}

#[test]
fn a_value_that_is_removed_leaves_the_others_that_were_written() {
    let of = |value: &str| Box::new(Record { values: [value.to_owned()].into(), ..*record() });
    let first = absorbed(nothing(), &Step::WriteRecord(of("first")), Answer::Done);
    let both = absorbed(first, &Step::WriteRecord(of("second")), Answer::Done);
    let left = absorbed(both, &Step::RemoveRecord(of("first")), Answer::Done);
    assert_eq!(left.records.written.into_keys().collect::<Vec<_>>(), [*of("second")]);
    assert_eq!(left.records.removed, [*of("first")].into());
}

#[test]
fn a_value_that_may_have_been_written_again_does_not_count_as_removed() {
    let removed = absorbed(nothing(), &Step::RemoveRecord(record()), Answer::Done);
    let lost = failed(FaultKind::Other(Reason::DnsUpdateFailed));
    assert_words(removed, Step::WriteRecord(record()), lost, "failed");
}

#[test]
fn looks_at_the_same_count_in_a_row_and_a_look_at_something_else_begins_anew() {
    let wrong = || Answer::Found(BTreeMap::from([("www.example.com".to_owned(), "404".to_owned())]));
    let look = |elsewhere| Step::Probe { tokens: vec![], elsewhere, explain: false };
    let token = crate::published::Token { host: "a".into(), path: "/b".into(), body: "c".into() };
    let twice = absorbed(absorbed(nothing(), &look(vec![]), wrong()), &look(vec![]), wrong());
    assert_eq!(twice.looks.probe.as_ref().unwrap().failed, 2);
    let other = absorbed(twice, &look(vec![token]), wrong());
    assert_eq!(other.looks.probe.unwrap().failed, 1);
}

#[test]
fn an_enrollment_that_is_forgotten_takes_everything_with_it() {
    assert_words(stopped(), Step::ForgetEnrollment, Answer::Done, "");
    assert_words(stopped(), Step::ForgetEnrollment, Answer::Overtaken, ALL);
}

#[test]
fn a_step_that_fails_waits_ever_longer_until_it_succeeds() {
    let step = Step::ReadDeployments(ID);
    let once = absorbed(nothing(), &step, failed(FaultKind::Other(Reason::CpsUnavailable)));
    let twice = absorbed(once.clone(), &step, failed(FaultKind::Other(Reason::CpsUnavailable)));
    let wait = |memory: &Memory| memory.failure(&step).unwrap().retry_at.duration_since(later());
    assert!(wait(&twice) > wait(&once), "{:?} {:?}", wait(&once), wait(&twice));
    assert_words(twice, step, Answer::Deployments(Box::default()), "deployments");
}

#[test]
fn cps_says_how_long_to_wait_and_what_it_refused_is_not_sent_again_for_an_hour() {
    let throttled = Fault {
        kind: FaultKind::Other(Reason::Throttled),
        message: "slow down".into(),
        retry_after: Some(Duration::from_secs(17)),
    };
    let memory = absorbed(listed(), &create(), Answer::Failed(throttled));
    assert_eq!(memory.failure(&create()).unwrap().retry_at, later() + Duration::from_secs(17));
    let memory = absorbed(listed(), &create(), failed(FaultKind::Invalid));
    let failure = memory.failure(&create()).unwrap();
    assert_eq!(
        (failure.reason, failure.retry_at),
        (Reason::EnrollmentRefused, later() + Duration::from_secs(3600))
    );
}

#[test]
fn another_generation_of_spec_keeps_the_change_and_an_answer_that_was_lost() {
    let mut memory = absorbed(listed(), &create(), failed(FaultKind::OutcomeUnknown));
    memory.change = stopped().change;
    memory.for_generation(2);
    assert_eq!(words(&memory), "answer-lost change challenges warnings staged");
    let mut memory = absorbed(listed(), &create(), failed(FaultKind::Conflict));
    memory.for_generation(2);
    assert_eq!(words(&memory), "");
}

#[test]
fn a_certificate_at_rest_remembers_what_failed_and_when_it_was_looked_at() {
    let mut memory =
        absorbed(stopped(), &Step::RemoveRecord(record()), failed(FaultKind::Other(Reason::DnsUpdateFailed)));
    memory.rest(later());
    assert_eq!(words(&memory), "failed");
    assert_eq!(memory.last_look().unwrap().at, noon());
    // By then every step was tried again, or is no longer wanted.
    memory.rest(later() + Duration::from_secs(3600));
    assert_eq!(words(&memory), "");
}

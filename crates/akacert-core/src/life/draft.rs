//! PURE: builds the status that belongs to a decision. It has the steps in order; the three conditions of kstatus
//! follow from them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::expiry;
use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::{CertificateStatus, condition};

/// The steps, in the order of a certificate's life. Each is a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// The certificate can use its account.
    AccountReady,
    /// CPS has our enrollment.
    EnrollmentCreated,
    /// The tokens and records are published.
    ChallengesPublished,
    /// The authority can reach what is published.
    ChallengesReachable,
    /// The authority has validated every name.
    DomainsValidated,
    /// The certificate is deployed.
    Deployed,
}

const STEPS: [(Progress, &str); 6] = [
    (Progress::AccountReady, condition::ACCOUNT_READY),
    (Progress::EnrollmentCreated, condition::ENROLLMENT_CREATED),
    (Progress::ChallengesPublished, condition::CHALLENGES_PUBLISHED),
    (Progress::ChallengesReachable, condition::CHALLENGES_REACHABLE),
    (Progress::DomainsValidated, condition::DOMAINS_VALIDATED),
    (Progress::Deployed, condition::DEPLOYED),
];

/// The conditions that summarise, in order.
const SUMMARY: [&str; 5] =
    [condition::READY, condition::RECONCILING, condition::STALLED, condition::RENEWING, condition::DRIFTED];

/// The conditions beside the steps. Each stays until it is checked again.
const BESIDE: [&str; 4] =
    [condition::PREFLIGHT_PASSED, condition::RENEWAL_READY, condition::SERVED, condition::HANDED_OFF];

struct Report {
    done: bool,
    reason: Reason,
    message: String,
}

/// A status in progress. Facts (IDs, change, deployments) start with the recorded values, and conditions start empty.
pub struct Draft {
    /// The facts.
    pub status: CertificateStatus,
    reports: [Option<Report>; STEPS.len()],
    obstacle: Option<Obstacle>,
    drift: Option<String>,
    /// The conditions beside the steps that this draft has checked.
    beside: Vec<Condition>,
    gone: Vec<&'static str>,
    /// The certificate is Ready for this generation of `spec`. What CPS does now happens behind a certificate that
    /// serves.
    was_ready: bool,
    /// CPS shows nothing in production.
    nothing_serves: bool,
    /// The recorded steps belong to another change.
    starts_anew: bool,
    kept: bool,
    previous: Vec<Condition>,
    generation: i64,
    now: Timestamp,
}

struct Obstacle {
    /// The current step; `None` if `spec` itself cannot be followed.
    step: Option<Progress>,
    reason: Reason,
    message: String,
}

impl Draft {
    /// A draft that starts from the certificate's recorded status.
    #[must_use]
    pub fn new(certificate: &AkamaiCertificate, now: Timestamp) -> Self {
        let status = certificate.status.clone().unwrap_or_default();
        let previous = status.conditions.clone();
        let generation = certificate.metadata.generation.unwrap_or_default();
        let was_ready =
            status.observed_generation == generation && condition_set::is_true(&previous, condition::READY);
        Self {
            status,
            reports: Default::default(),
            obstacle: None,
            drift: None,
            beside: vec![],
            gone: vec![],
            was_ready,
            nothing_serves: false,
            starts_anew: false,
            kept: false,
            previous,
            generation,
            now,
        }
    }

    /// Whether the certificate is Ready for this generation of `spec`, unless this draft says otherwise.
    #[must_use]
    pub fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// Keeps the certificate Ready: the new `spec` asks for nothing that is not in production.
    pub fn still_ready(&mut self) {
        self.was_ready = condition_set::is_true(&self.previous, condition::READY);
    }

    /// Starts the steps again for another change, for which no name is validated yet.
    pub fn starts_anew(&mut self) {
        self.starts_anew = true;
    }

    /// Reports that somebody else has changed the enrollment.
    pub fn drifted(&mut self, message: String) {
        self.drift = Some(message);
    }

    /// Sets a condition beside the steps, which does not change `Ready`.
    pub fn beside(&mut self, type_: &str, holds: bool, reason: Reason, message: String) {
        let condition = self.condition(type_, if holds { "True" } else { "False" }, reason, &message);
        self.beside.retain(|before| before.type_ != type_);
        self.beside.push(condition);
    }

    /// Whether a condition beside the steps was False when it was last checked.
    #[must_use]
    pub fn has_failed(&self, type_: &str) -> bool {
        condition_set::find(&self.previous, type_).is_some_and(|found| found.status == "False")
    }

    /// Removes a condition beside the steps that no longer matters.
    pub fn without(&mut self, type_: &'static str) {
        self.gone.push(type_);
    }

    /// Reports that a step is done.
    pub fn done(&mut self, step: Progress, reason: Reason, message: impl Into<String>) {
        self.reports[step as usize] = Some(Report { done: true, reason, message: message.into() });
    }

    /// Reports that a step is no longer done, without changing `Ready`.
    pub fn noted(&mut self, step: Progress, reason: Reason, message: impl Into<String>) {
        self.reports[step as usize] = Some(Report { done: false, reason, message: message.into() });
    }

    /// Reports that the user's wish is not met, whatever the steps say.
    pub fn withheld(&mut self, reason: Reason, message: String) {
        self.kept = false;
        self.obstacle = Some(Obstacle { step: None, reason, message });
    }

    /// CPS shows nothing in production: a certificate that was Ready is no longer.
    pub fn nothing_serves(&mut self) {
        self.nothing_serves = true;
    }

    /// Reports that a step is not done. The reason says who has to act.
    pub fn not_done(&mut self, step: Progress, reason: Reason, message: impl Into<String>) {
        let message = message.into();
        self.kept = false;
        self.reports[step as usize] = Some(Report { done: false, reason, message: message.clone() });
        // The first obstacle is reported, unless a later one needs a human or says more about the same step.
        let replaced = |first: &Obstacle| {
            let severer = reason.severity() > first.reason.severity();
            (severer && reason.is_stalled())
                || (first.step == Some(step) && reason.is_stalled() == first.reason.is_stalled())
        };
        if self.obstacle.as_ref().is_none_or(replaced) {
            self.obstacle = Some(Obstacle { step: Some(step), reason, message });
        }
    }

    /// Reports a failure at the first step that is not done.
    pub fn blocked(&mut self, reason: Reason, message: &str) {
        let step = STEPS
            .iter()
            .map(|(step, _)| *step)
            .find(|step| !self.is_done(*step))
            .unwrap_or(Progress::Deployed);
        self.obstacle = None;
        self.not_done(step, reason, message);
    }

    /// Whether a step is done. If this draft has not checked it, the recorded status decides.
    #[must_use]
    pub fn is_done(&self, step: Progress) -> bool {
        match &self.reports[step as usize] {
            Some(report) => report.done,
            None if self.starts_anew && step > Progress::EnrollmentCreated => false,
            None => condition_set::is_true(&self.previous, STEPS[step as usize].1),
        }
    }

    /// Keeps the recorded conditions, except for the steps that this draft reports.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Finishes the status.
    #[must_use]
    pub fn finish(mut self) -> CertificateStatus {
        self.status.observed_generation = self.generation;
        let mut wanted = Vec::with_capacity(STEPS.len() + 2);
        match (&self.obstacle, self.kept) {
            (_, true) => {
                self.carry(&SUMMARY, &mut wanted);
            }
            (None, false) if !self.is_complete() => self.between_steps(&mut wanted),
            (None, false) => {
                wanted.push(self.condition(
                    condition::READY,
                    "True",
                    Reason::Deployed,
                    &self.message(Progress::Deployed),
                ));
            }
            (Some(obstacle), false) if self.is_behind(obstacle) => self.behind(obstacle, &mut wanted),
            (Some(obstacle), false) => {
                wanted.push(self.condition(condition::READY, "False", obstacle.reason, &obstacle.message));
                let present =
                    if obstacle.reason.is_stalled() { condition::STALLED } else { condition::RECONCILING };
                wanted.push(self.condition(present, "True", obstacle.reason, &obstacle.message));
            }
        }
        if let Some(expiry) = self.expires_soon() {
            wanted.retain(|condition| !SUMMARY[..3].contains(&condition.type_.as_str()));
            wanted.insert(0, self.condition(condition::READY, "False", Reason::ExpiringSoon, &expiry));
            wanted.insert(1, self.condition(condition::RECONCILING, "True", Reason::ExpiringSoon, &expiry));
        }
        if let Some(drift) =
            self.drift.as_ref().filter(|_| !wanted.iter().any(|found| found.type_ == condition::DRIFTED))
        {
            wanted.push(self.condition(condition::DRIFTED, "True", Reason::Drifted, drift));
        }
        for (step, type_) in STEPS {
            match &self.reports[step as usize] {
                Some(report) => {
                    let status = if report.done { "True" } else { "False" };
                    wanted.push(self.condition(type_, status, report.reason, &report.message));
                }
                None if self.kept => self.carry(&[type_], &mut wanted),
                None => wanted.push(self.condition(
                    type_,
                    "False",
                    Reason::Waiting,
                    "An earlier step is not done yet.",
                )),
            }
        }
        for type_ in BESIDE.into_iter().filter(|type_| !self.gone.contains(type_)) {
            match self.beside.iter().find(|found| found.type_ == type_) {
                Some(found) => wanted.push(found.clone()),
                None => self.carry(&[type_], &mut wanted),
            }
        }
        self.status.conditions = condition_set::merged(&self.previous, wanted);
        self.status
    }

    /// Whether every step is done, which is what `Ready` means.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.reports.iter().all(|report| report.as_ref().is_some_and(|report| report.done))
    }

    /// Whether an obstacle shows beside `Ready`. While a certificate serves it does, unless it contradicts what
    /// `Ready` says.
    fn is_behind(&self, obstacle: &Obstacle) -> bool {
        self.was_ready && obstacle.step != Some(Progress::EnrollmentCreated) && !self.is_invalid()
    }

    /// What is in production is not what `spec` asks for, or nothing is, whatever else there is to report.
    fn is_invalid(&self) -> bool {
        if self.nothing_serves {
            return true;
        }
        let deployed = self.reports[Progress::Deployed as usize].as_ref();
        deployed.is_some_and(|report| report.reason == Reason::CertificateInvalid)
    }

    fn behind(&self, obstacle: &Obstacle, wanted: &mut Vec<Condition>) {
        self.carry(&[condition::READY], wanted);
        if let Some(drift) = self.drift.as_ref().filter(|_| obstacle.step.is_none()) {
            let message = format!("{drift}. {}", obstacle.message);
            return wanted.push(self.condition(condition::DRIFTED, "True", obstacle.reason, &message));
        }
        let production = self.status.deployments.as_ref().and_then(|known| known.production.as_ref());
        let late = production.filter(|production| expiry::late(production) <= self.now);
        let (reason, message) = match late {
            Some(production) => (
                Reason::RenewalLate,
                format!("The certificate expires at {:.0}: {}", production.not_after.0, obstacle.message),
            ),
            None => (obstacle.reason, obstacle.message.clone()),
        };
        wanted.push(self.condition(condition::RENEWING, "True", reason, &message));
    }

    /// The message if the certificate serves, but expires soon.
    fn expires_soon(&self) -> Option<String> {
        let production = self.status.deployments.as_ref()?.production.as_ref()?;
        let near = expiry::soon(production) <= self.now && self.now < production.not_after.0;
        let serves = match &self.obstacle {
            None => self.is_complete(),
            Some(obstacle) => self.is_behind(obstacle),
        };
        let meanwhile =
            self.obstacle.as_ref().map(|obstacle| format!(": {}", obstacle.message)).unwrap_or_default();
        (near && serves && !self.kept).then(|| {
            format!(
                "The certificate expires at {:.0} and has not been renewed{meanwhile}",
                production.not_after.0
            )
        })
    }

    /// Keeps the recorded verdict between two steps, unless there is none.
    fn between_steps(&self, wanted: &mut Vec<Condition>) {
        if condition_set::find(&self.previous, condition::READY).is_some() {
            return self.carry(&SUMMARY, wanted);
        }
        let message = "The operator is working on it.";
        wanted.push(self.condition(condition::READY, "False", Reason::Waiting, message));
        wanted.push(self.condition(condition::RECONCILING, "True", Reason::Waiting, message));
    }

    fn carry(&self, types: &[&str], wanted: &mut Vec<Condition>) {
        wanted.extend(types.iter().filter_map(|type_| condition_set::find(&self.previous, type_).cloned()));
    }

    fn message(&self, step: Progress) -> String {
        self.reports[step as usize].as_ref().map(|report| report.message.clone()).unwrap_or_default()
    }

    fn condition(&self, type_: &str, status: &str, reason: Reason, message: &str) -> Condition {
        condition_set::condition(type_, status, reason.as_str(), message, self.generation, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::fixtures::certificate;

    fn draft() -> Draft {
        Draft::new(&certificate(), Timestamp::from_second(1_000).unwrap())
    }

    fn summary(status: &CertificateStatus) -> Vec<(String, String, String)> {
        status.conditions.iter().map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone())).collect()
    }

    fn of(status: &CertificateStatus, type_: &str) -> Option<(String, String)> {
        condition_set::find(&status.conditions, type_).map(|c| (c.status.clone(), c.reason.clone()))
    }

    #[test]
    fn a_waiting_step_makes_the_certificate_reconciling() {
        let mut draft = draft();
        draft.done(Progress::AccountReady, Reason::AccountReady, "");
        draft.not_done(Progress::EnrollmentCreated, Reason::Creating, "about to");
        let status = draft.finish();
        assert_eq!(of(&status, "Ready"), Some(("False".into(), "Creating".into())));
        assert_eq!(of(&status, "Reconciling"), Some(("True".into(), "Creating".into())));
        assert_eq!(of(&status, "Stalled"), None);
        assert_eq!(of(&status, "Deployed"), Some(("False".into(), "Waiting".into())));
        assert_eq!(status.observed_generation, 1);
    }

    #[test]
    fn a_step_that_needs_a_human_makes_the_certificate_stalled() {
        let mut draft = draft();
        draft.not_done(Progress::EnrollmentCreated, Reason::CommonNameTaken, "taken");
        let status = draft.finish();
        assert_eq!(of(&status, "Stalled"), Some(("True".into(), "CommonNameTaken".into())));
        assert_eq!(of(&status, "Reconciling"), None);
    }

    #[test]
    fn a_finished_certificate_is_neither_reconciling_nor_stalled() {
        let mut draft = draft();
        for (step, _) in STEPS {
            draft.done(step, Reason::Deployed, "in production");
        }
        let status = draft.finish();
        assert_eq!(summary(&status)[0], ("Ready".into(), "True".into(), "Deployed".into()));
        assert_eq!(status.conditions.len(), 7);
    }

    #[test]
    fn between_two_steps_nothing_is_ready() {
        let mut draft = draft();
        draft.done(Progress::AccountReady, Reason::AccountReady, "");
        draft.done(Progress::EnrollmentCreated, Reason::EnrollmentCreated, "");
        let status = draft.finish();
        assert_eq!(of(&status, "Ready"), Some(("False".into(), "Waiting".into())));
        assert_eq!(of(&status, "Reconciling"), Some(("True".into(), "Waiting".into())));
    }

    #[test]
    fn a_failure_is_reported_at_the_first_step_that_is_not_done() {
        let mut draft = draft();
        draft.done(Progress::AccountReady, Reason::AccountReady, "");
        draft.blocked(Reason::CpsUnavailable, "CPS does not answer");
        let status = draft.finish();
        assert_eq!(of(&status, "EnrollmentCreated"), Some(("False".into(), "CpsUnavailable".into())));
        assert_eq!(of(&status, "Ready"), Some(("False".into(), "CpsUnavailable".into())));
    }
}

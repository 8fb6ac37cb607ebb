//! An enrollment as the model of CPS holds it, with its only change. Not here: several of them (`cps`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use akamai_cps_types::{
    ChallengeType, Change, ChangeId, DeploymentSchedule, Deployments, DomainValidation, Enrollment,
    EnrollmentId, PendingChange,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::cps::Mood;
use crate::life::fixtures;

/// How long CPS's tokens live.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// So many certificates with the same names follow each other before the first one comes again.
const SERIAL_NUMBERS: usize = 8;

/// Certificates by their names, some of each, since a renewed one has another serial number. Keys are slow to make.
static CERTIFICATES: Mutex<BTreeMap<(Vec<String>, usize), Deployments>> = Mutex::new(BTreeMap::new());

/// A certificate in production.
fn certificate(names: &[String], serial: usize) -> Deployments {
    let mut certificates = CERTIFICATES.lock().unwrap();
    let known = certificates.entry((names.to_vec(), serial));
    let make = || fixtures::in_production(&names.iter().map(String::as_str).collect::<Vec<_>>());
    known.or_insert_with(make).clone()
}

/// Where a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Preparing,
    /// Warnings wait for a human.
    Warned,
    /// The status asks for challenges, and no input is offered yet.
    Opening,
    Challenges,
    Issuing,
    Staging,
    /// The certificate is on staging, and waits for a human.
    Staged,
    /// It may go to production, and waits for its schedule.
    Scheduled,
    Production,
    Complete,
    /// Complete, and not shown any more.
    Forgotten,
}

/// What is in production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Production {
    Nothing,
    NameMissing,
    AllNames,
}

/// An enrollment with its only change.
#[derive(Debug)]
pub struct Held {
    pub id: EnrollmentId,
    pub change: ChangeId,
    pub phase: Phase,
    pub production: Production,
    pub removed: bool,
    /// The operator was told, for these tokens.
    pub acknowledged: bool,
    pub body: Enrollment,
    /// Since when it shows in answers; none: accepted, but not in any answer yet.
    pub shown: Option<Timestamp>,
    pub names: Vec<String>,
    /// Why there is a change.
    kind: &'static str,
    /// The names of the certificate in production, and the how manieth it is.
    deployed: (Vec<String>, usize),
    /// The resource that it was created for; none when somebody else made it.
    pub maker: Option<String>,
    /// When the change may go to production.
    pub schedule: Option<DeploymentSchedule>,
    /// How many of the names have a token by now.
    offered: usize,
    validated: BTreeSet<String>,
    tokens: u32,
    expires: Timestamp,
}

impl Held {
    pub fn new(
        id: EnrollmentId,
        change: ChangeId,
        body: &Enrollment,
        maker: Option<String>,
        now: Timestamp,
    ) -> Self {
        let names: Vec<String> = body.csr.names().into_iter().collect();
        let mut body = body.clone();
        body.id = Some(id);
        body.csr.sans = Some(names.iter().rev().cloned().collect());
        Self {
            id,
            change,
            phase: Phase::Preparing,
            production: Production::Nothing,
            removed: false,
            acknowledged: false,
            body,
            shown: Some(now),
            names,
            kind: "new-certificate",
            deployed: (vec![], 0),
            maker,
            schedule: None,
            offered: 0,
            validated: BTreeSet::new(),
            tokens: 0,
            expires: now + TOKEN_LIFE,
        }
    }

    /// It is in production, and nothing is pending.
    pub fn deployed(mut self) -> Self {
        self.phase = Phase::Forgotten;
        self.production = Production::AllNames;
        self.deployed = (self.names.clone(), 1);
        self
    }

    pub fn advance(&mut self, now: Timestamp, proven: impl Fn(&DomainValidation) -> bool, mood: Mood) {
        self.phase = match self.phase {
            Phase::Preparing if mood.warns => Phase::Warned,
            Phase::Warned if mood.warns => Phase::Warned,
            Phase::Preparing | Phase::Warned => Phase::Opening,
            Phase::Opening => {
                self.offer(mood.slow);
                Phase::Challenges
            }
            Phase::Challenges => {
                self.validate(now, proven, mood.slow);
                if self.validated.len() == self.names.len() { Phase::Issuing } else { Phase::Challenges }
            }
            Phase::Issuing => Phase::Staging,
            Phase::Staging if self.body.change_management => Phase::Staged,
            Phase::Staged => Phase::Staged,
            Phase::Staging | Phase::Scheduled => self.released(now),
            Phase::Production => {
                self.production = mood.deploys_at_first.unwrap_or(Production::AllNames);
                self.deployed = self.next();
                Phase::Complete
            }
            Phase::Complete | Phase::Forgotten => {
                if mood.deploys_at_first.is_none() && self.production != Production::AllNames {
                    self.production = Production::AllNames;
                }
                Phase::Forgotten
            }
        };
    }

    /// Its certificates come after those of another enrollment.
    pub fn follows(&mut self, serial: usize) {
        self.deployed.1 = serial;
    }

    /// Which certificate is in production.
    pub fn serial(&self) -> usize {
        self.deployed.1
    }

    /// The certificate that the change brings.
    fn next(&self) -> (Vec<String>, usize) {
        (self.names.clone(), (self.deployed.1 + 1) % SERIAL_NUMBERS)
    }

    /// The certificate goes to production, or waits until it may.
    fn released(&self, now: Timestamp) -> Phase {
        let schedule = self.schedule.clone().unwrap_or_default();
        let too_early = schedule.not_before.is_some_and(|opens| now < opens);
        let too_late = schedule.not_after.is_some_and(|closes| closes <= now);
        if too_early || too_late { Phase::Scheduled } else { Phase::Production }
    }

    /// Somebody lets the certificate go from staging to production.
    pub fn let_go(&mut self, now: Timestamp) {
        if self.phase == Phase::Staged {
            self.phase = self.released(now);
        }
    }

    /// An update takes effect. Answers whether it needs another certificate.
    pub fn update(&mut self, body: &Enrollment, change: ChangeId, renew: bool) -> bool {
        let names: Vec<String> = body.csr.names().into_iter().collect();
        let same = names == self.names;
        self.body = Enrollment { id: Some(self.id), ..body.clone() };
        self.names = names;
        if !same || renew {
            self.begin(change, if same { "renewal" } else { "modify-san" });
        }
        !same || renew
    }

    /// Somebody else changes the names.
    pub fn edit(&mut self, names: &[&str], change: ChangeId) {
        self.names = names.iter().map(|name| (*name).to_owned()).collect();
        self.body.csr.sans = Some(self.names.clone());
        self.begin(change, "modify-san");
    }

    pub fn is_pending(&self) -> bool {
        !matches!(self.phase, Phase::Complete | Phase::Forgotten)
    }

    pub fn begin(&mut self, change: ChangeId, kind: &'static str) {
        self.change = change;
        self.kind = kind;
        self.phase = Phase::Preparing;
        self.acknowledged = false;
        self.validated.clear();
        self.tokens += 1;
        self.offered = 0;
        self.schedule = None;
    }

    /// The names of the certificate in production.
    pub fn in_production(&self) -> Vec<String> {
        match self.production {
            Production::Nothing => vec![],
            Production::NameMissing => vec![self.body.csr.cn.clone()],
            Production::AllNames => self.deployed.0.clone(),
        }
    }

    fn offer(&mut self, slowly: bool) {
        self.offered = if slowly { self.offered + 1 } else { self.names.len() };
    }

    fn validate(&mut self, now: Timestamp, proven: impl Fn(&DomainValidation) -> bool, slowly: bool) {
        if self.expires <= now {
            return self.rotate(now);
        }
        if self.offered < self.names.len() {
            return self.offer(slowly);
        }
        for domain in self.challenges().into_iter().filter(|domain| !domain.is_validated()) {
            if proven(&domain) {
                self.validated.insert(domain.domain);
            } else if self.acknowledged {
                // The authority looked and did not find it: the order failed, and a new one has new tokens.
                return self.rotate(now);
            }
            if slowly {
                return;
            }
        }
    }

    pub fn rotate(&mut self, now: Timestamp) {
        self.tokens += 1;
        self.offered = 0;
        self.acknowledged = false;
        self.expires = now + TOKEN_LIFE;
    }

    pub fn view(&self) -> Enrollment {
        let mut view = self.body.clone();
        if self.is_pending() {
            let location = format!("/cps-api/enrollments/{}/changes/{}", self.id, self.change);
            view.pending_changes = vec![
                serde_json::from_value::<PendingChange>(
                    json!({"location": location, "changeType": self.kind}),
                )
                .unwrap(),
            ];
        }
        view
    }

    pub fn change(&self) -> Change {
        let (status, state, inputs): (_, _, &[&str]) = match self.phase {
            Phase::Preparing => ("pre-verification-safety-checks", "running", &[]),
            Phase::Warned => (
                "wait-review-pre-verification-safety-checks",
                "awaiting-input",
                &["pre-verification-warnings-acknowledgement"],
            ),
            Phase::Opening => ("coodinate-domain-validation", "running", &[]),
            Phase::Challenges => {
                ("coodinate-domain-validation", "awaiting-input", &["lets-encrypt-challenges"])
            }
            Phase::Issuing => ("check-for-cert", "running", &[]),
            Phase::Staging => ("deploy-cert-to-staging", "running", &[]),
            Phase::Staged => ("wait-ack-change-management", "awaiting-input", &["change-management"]),
            Phase::Scheduled => ("live-check-action", "running", &[]),
            Phase::Production => ("deploy-cert-to-production", "running", &[]),
            Phase::Complete | Phase::Forgotten => ("complete", "completed", &[]),
        };
        let mut change = fixtures::change(status, state, inputs);
        change.status_info.deployment_schedule = self.schedule.clone();
        change
    }

    pub fn challenges(&self) -> Vec<DomainValidation> {
        if self.phase != Phase::Challenges {
            return vec![];
        }
        let domain = |(index, name): (usize, &String)| {
            let token = format!("{}-{}", self.tokens, name.replace('.', "-"));
            let validated = self.validated.contains(name);
            let mut domain =
                fixtures::domain(name, &token, if validated { "VALIDATED" } else { "RESPONSE_ERROR" });
            domain.expires = Some(self.expires);
            for challenge in &mut domain.challenges {
                if challenge.challenge_type == ChallengeType::Dns01 {
                    challenge.response_body = Some(format!("{token}-digest"));
                }
            }
            if index >= self.offered && !validated {
                domain.challenges.clear();
            }
            domain
        };
        self.names.iter().enumerate().map(domain).collect()
    }

    pub fn deployments(&self) -> Deployments {
        let mut deployments = match self.production {
            Production::Nothing => Deployments::default(),
            Production::NameMissing => certificate(std::slice::from_ref(&self.body.csr.cn), self.deployed.1),
            Production::AllNames => certificate(&self.deployed.0, self.deployed.1),
        };
        if self.phase == Phase::Staged {
            let (names, serial) = self.next();
            deployments.staging = certificate(&names, serial).production;
        }
        deployments
    }
}

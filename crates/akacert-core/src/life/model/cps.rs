//! A model of CPS: enrollments of one contract, each with one change that goes through its statuses when told to.
//! Not here: what the operator makes of it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use akamai_cps_types::{
    ChallengeType, Change, ChangeId, Deployments, DomainValidation, Enrollment, EnrollmentId, PendingChange,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::life::fixtures;

/// How long CPS's tokens live.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// So many certificates with the same names follow each other before the first one comes again.
const SERIAL_NUMBERS: usize = 8;

/// Certificates by the number of their names, some of each, since a renewed one has another serial number.
static CERTIFICATES: LazyLock<Vec<Vec<Deployments>>> = LazyLock::new(|| {
    let names = ["www.example.com", "api.example.com", "new.example.com"];
    let certificates = |count: usize| {
        std::iter::repeat_with(move || fixtures::in_production(&names[..count])).take(SERIAL_NUMBERS)
    };
    (1..=names.len()).map(|count| certificates(count).collect()).collect()
});

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
    body: Enrollment,
    /// Since when it shows in answers; none: accepted, but not in any answer yet.
    pub shown: Option<Timestamp>,
    pub names: Vec<String>,
    /// Why there is a change.
    kind: &'static str,
    /// How many names the certificate in production has, and the how manieth it is.
    deployed: (usize, usize),
    /// How many of the names have a token by now.
    offered: usize,
    validated: BTreeSet<String>,
    tokens: u32,
    expires: Timestamp,
}

/// Where a common name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Nowhere,
    /// Under the contract.
    Here,
    /// Under another contract, whose list nobody reads.
    Elsewhere,
}

#[derive(Debug, Default)]
pub struct Cps {
    pub ours: Vec<Held>,
    /// Where somebody else has an enrollment with our common name.
    pub foreign: Option<Taken>,
    /// The next change stops at a warning.
    pub warns: bool,
    /// Tokens come, and are validated, one name after the other.
    pub slow: bool,
    /// What the next change brings into production at first.
    pub deploys_at_first: Option<Production>,
    /// The certificates are live, so that CPS removes no enrollment.
    pub is_live: bool,
    /// Renewals that were ordered.
    pub renewals: usize,
    last_id: u64,
}

/// CPS refuses a common name that is taken.
pub struct Duplicate;

impl Cps {
    pub fn create(
        &mut self,
        body: &Enrollment,
        hidden: bool,
        now: Timestamp,
    ) -> Result<(EnrollmentId, ChangeId), Duplicate> {
        if !self.ours.is_empty() || self.foreign.is_some() {
            return Err(Duplicate);
        }
        self.last_id += 1;
        let (id, change) = (EnrollmentId(10_000 + self.last_id), ChangeId(20_000 + self.last_id));
        let mut returned = body.clone();
        returned.id = Some(id);
        let names: Vec<String> = body.csr.names().into_iter().collect();
        returned.csr.sans = Some(names.iter().rev().cloned().collect());
        self.ours.push(Held {
            id,
            change,
            phase: Phase::Preparing,
            production: Production::Nothing,
            removed: false,
            acknowledged: false,
            body: returned,
            shown: (!hidden).then_some(now),
            names,
            kind: "new-certificate",
            deployed: (0, 0),
            offered: 0,
            validated: BTreeSet::new(),
            tokens: 0,
            expires: now + TOKEN_LIFE,
        });
        Ok((id, change))
    }

    /// A removal. It is carried out with the next move.
    pub fn remove(&mut self, id: EnrollmentId) -> bool {
        let accepted = !self.is_live;
        self.ours.iter_mut().filter(|held| held.id == id).for_each(|held| held.removed |= accepted);
        accepted
    }

    /// The warnings of a change are passed over.
    pub fn acknowledge_warnings(&mut self, id: EnrollmentId) {
        for held in self.ours.iter_mut().filter(|held| held.id == id && held.phase == Phase::Warned) {
            held.phase = Phase::Opening;
        }
    }

    pub fn list(&self) -> Vec<Enrollment> {
        let ours = self.ours.iter().filter(|held| held.shown.is_some()).map(Held::view);
        let foreign =
            (self.foreign == Some(Taken::Here)).then(|| fixtures::enrollment(777, &["www.example.com"]));
        ours.chain(foreign).collect()
    }

    pub fn enrollment(&self, id: EnrollmentId) -> Option<Enrollment> {
        self.held(id).map(Held::view)
    }

    pub fn change(&self, id: EnrollmentId, change: ChangeId) -> Option<Change> {
        let held = self.held(id).filter(|held| held.phase != Phase::Forgotten && held.change == change);
        held.map(Held::change)
    }

    /// An update. Answers with the change that it began, if it needs one.
    pub fn update(
        &mut self,
        id: EnrollmentId,
        body: &Enrollment,
        renew: bool,
    ) -> Result<Option<ChangeId>, Duplicate> {
        self.last_id += 1;
        let change = ChangeId(20_000 + self.last_id);
        let held = self.ours.iter_mut().find(|held| held.id == id && !held.is_pending()).ok_or(Duplicate)?;
        let names: Vec<String> = body.csr.names().into_iter().collect();
        let same = names == held.names;
        held.body = Enrollment { id: Some(id), ..body.clone() };
        held.names = names;
        self.renewals += usize::from(renew);
        if same && !renew {
            return Ok(None);
        }
        held.begin(change, if same { "renewal" } else { "modify-san" });
        Ok(Some(change))
    }

    /// CPS begins a renewal by itself.
    pub fn renew(&mut self) {
        self.last_id += 1;
        let change = ChangeId(20_000 + self.last_id);
        self.ours.iter_mut().filter(|held| !held.is_pending()).for_each(|held| held.begin(change, "renewal"));
    }

    /// Somebody else changes the names of the enrollment.
    pub fn edit_elsewhere(&mut self) {
        self.last_id += 1;
        let change = ChangeId(20_000 + self.last_id);
        for held in self.ours.iter_mut().filter(|held| !held.is_pending()) {
            held.names = vec!["www.example.com".into()];
            held.body.csr.sans = Some(held.names.clone());
            held.begin(change, "modify-san");
        }
    }

    pub fn challenges(&self, id: EnrollmentId) -> Vec<DomainValidation> {
        self.held(id).map(Held::challenges).unwrap_or_default()
    }

    pub fn deployments(&self, id: EnrollmentId) -> Deployments {
        self.held(id).map(Held::deployments).unwrap_or_default()
    }

    /// The names of the certificate in production.
    pub fn in_production(&self, id: EnrollmentId) -> Vec<&'static str> {
        self.held(id).map(Held::in_production).unwrap_or_default()
    }

    fn held(&self, id: EnrollmentId) -> Option<&Held> {
        self.ours.iter().find(|held| held.id == id && held.shown.is_some())
    }

    pub fn acknowledge(&mut self, id: EnrollmentId) {
        for held in self.ours.iter_mut().filter(|held| held.id == id && held.phase == Phase::Challenges) {
            held.acknowledged = true;
        }
    }

    /// CPS makes new tokens.
    pub fn rotate(&mut self, now: Timestamp) {
        self.ours.iter_mut().for_each(|held| held.rotate(now));
    }

    /// One move of each change. A name that is proven can be validated, whether CPS was told or not.
    pub fn advance(&mut self, now: Timestamp, proven: impl Fn(&DomainValidation) -> bool) {
        let (warns, slowly, at_first) = (self.warns, self.slow, self.deploys_at_first);
        self.ours.retain(|held| !held.removed);
        for held in &mut self.ours {
            held.shown.get_or_insert(now);
            held.advance(now, &proven, warns, slowly, at_first);
        }
    }
}

impl Held {
    fn advance(
        &mut self,
        now: Timestamp,
        proven: impl Fn(&DomainValidation) -> bool,
        warns: bool,
        slowly: bool,
        at_first: Option<Production>,
    ) {
        self.phase = match self.phase {
            Phase::Preparing if warns => Phase::Warned,
            Phase::Warned if warns => Phase::Warned,
            Phase::Preparing | Phase::Warned => Phase::Opening,
            Phase::Opening => {
                self.offer(slowly);
                Phase::Challenges
            }
            Phase::Challenges => {
                self.validate(now, proven, slowly);
                if self.validated.len() == self.names.len() { Phase::Issuing } else { Phase::Challenges }
            }
            Phase::Issuing => Phase::Staging,
            Phase::Staging => Phase::Production,
            Phase::Production => {
                self.production = at_first.unwrap_or(Production::AllNames);
                self.deployed = (self.names.len(), (self.deployed.1 + 1) % SERIAL_NUMBERS);
                Phase::Complete
            }
            Phase::Complete | Phase::Forgotten => {
                if at_first.is_none() {
                    self.production = Production::AllNames;
                }
                Phase::Forgotten
            }
        };
    }

    fn is_pending(&self) -> bool {
        !matches!(self.phase, Phase::Complete | Phase::Forgotten)
    }

    fn begin(&mut self, change: ChangeId, kind: &'static str) {
        self.change = change;
        self.kind = kind;
        self.phase = Phase::Preparing;
        self.acknowledged = false;
        self.validated.clear();
        self.tokens += 1;
        self.offered = 0;
    }

    fn in_production(&self) -> Vec<&'static str> {
        let names = ["www.example.com", "api.example.com", "new.example.com"];
        match self.production {
            Production::Nothing => vec![],
            Production::NameMissing => names[..1].to_vec(),
            Production::AllNames => names[..self.deployed.0].to_vec(),
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

    fn rotate(&mut self, now: Timestamp) {
        self.tokens += 1;
        self.offered = 0;
        self.acknowledged = false;
        self.expires = now + TOKEN_LIFE;
    }

    fn view(&self) -> Enrollment {
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

    fn change(&self) -> Change {
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
            Phase::Production => ("deploy-cert-to-production", "running", &[]),
            Phase::Complete | Phase::Forgotten => ("complete", "completed", &[]),
        };
        fixtures::change(status, state, inputs)
    }

    fn challenges(&self) -> Vec<DomainValidation> {
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

    fn deployments(&self) -> Deployments {
        match self.production {
            Production::Nothing => Deployments::default(),
            Production::NameMissing => CERTIFICATES[0][self.deployed.1].clone(),
            Production::AllNames => CERTIFICATES[self.deployed.0 - 1][self.deployed.1].clone(),
        }
    }
}

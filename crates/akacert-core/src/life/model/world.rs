//! A model of all that the decision looks at and drives: the cluster, CPS, the network, the clock. Every rule that must
//! never be broken is checked here, at each step. Not here: what it answers to a
//! step (`answers`).

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use akamai_cps_types::{DomainValidation, Enrollment};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::counts::Counts;
use super::cps::{Cps, Phase, Production};
use super::offered::{records, tokens};
use super::user::Setting;
use crate::account::{Account, View};
use crate::life::fixtures;
use crate::life::intervals::ForecastTimes;
use crate::life::intervals::Intervals;
use crate::life::memory::Memory;
use crate::life::report::{is_at_rest, is_worth_a_write};
use crate::life::{Decision, Next, Pause, Snapshot, Step, next};
use crate::published::{self, SolverEndpoint, Token};
use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::{CertificateStatus, condition};

/// More steps than a certificate ever needs without time passing.
const MOST_STEPS: usize = 60;

/// A create whose answer was lost may have been carried out, and not show yet, for as long.
const IN_FLIGHT: Duration = Duration::from_secs(240);

/// What came into CPS after a list, CPS refuses to create again; but nobody relies on that for long.
const OLD_LIST: SignedDuration = SignedDuration::from_secs(300);

/// Clients are slow to build.
static ACCOUNT: LazyLock<Arc<Account>> = LazyLock::new(|| Arc::new(fixtures::account()));

/// What becomes of the next create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateFault {
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It is carried out and shows up later, and the answer is lost.
    AnswerLostAndLate,
    /// It is never carried out, and nobody can tell.
    RequestLost,
}

/// The operator dies at one of its next steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// How many steps are still done.
    pub after: u32,
    /// Whether the step at which it dies is done too.
    pub done: bool,
}

pub struct World {
    /// The certificate is in the cluster; before, nobody looks.
    pub applied: bool,
    pub certificate: AkamaiCertificate,
    pub published: published::Observed,
    pub cps: Cps,
    pub now: Timestamp,
    /// Tokens can be fetched from outside.
    pub network: bool,
    pub account: bool,
    pub create_fault: Option<CreateFault>,
    pub failing_calls: u32,
    /// The answer to the next update is lost.
    pub update_lost: bool,
    /// Renewals that the user has asked for.
    pub renewals_asked: usize,
    pub crash: Option<Crash>,
    /// The calls of CPS, by their names.
    pub called: Vec<&'static str>,
    pub(super) setting: Setting,
    /// The hashes that the user has approved.
    pub(super) approved: BTreeSet<String>,
    pub steps: usize,
    pub counts: Counts,
    pub log: Vec<String>,
    /// The names of the certificate that was last seen in production.
    pub(super) seen: Vec<&'static str>,
    pub(super) memory: Memory,
    /// When this operator lost the answer to a create.
    pub(super) lost: Option<Timestamp>,
    /// The last list, which certificates share.
    pub(super) list: Option<(Timestamp, Vec<Enrollment>)>,
    wake: Option<Timestamp>,
    /// When this operator started.
    started: Timestamp,
    pub(super) fetched: BTreeSet<Token>,
    /// The TXT records in DNS: names and values.
    pub zone: BTreeSet<(String, String)>,
    /// Those that were there when somebody deleted the ConfigMap, the only trace of them that survives a crash.
    pub forgotten: BTreeSet<(String, String)>,
    /// Those that this operator has found in DNS.
    pub(super) found: BTreeSet<(String, String)>,
    publishing: published::Rules,
}

impl World {
    /// A certificate that is about to be applied. One of its names is proven by a TXT record, the others by tokens.
    pub fn new() -> Self {
        let mut scene = fixtures::Scene::new();
        let validation = json!({
            "http01": {"ingress": {"className": "traefik"}},
            "domains": [{"names": ["api.example.com"], "dns01": {"edgeDns": {}}}]
        });
        scene.certificate.spec.validation = serde_json::from_value(validation).unwrap();
        let mut world = Self {
            applied: false,
            certificate: scene.certificate,
            published: scene.published,
            cps: Cps::default(),
            now: scene.now,
            network: true,
            account: true,
            create_fault: None,
            failing_calls: 0,
            update_lost: false,
            renewals_asked: 0,
            crash: None,
            called: vec![],
            setting: Setting::default(),
            approved: BTreeSet::new(),
            steps: 0,
            counts: Counts::default(),
            log: vec![],
            seen: vec![],
            memory: Memory::default(),
            lost: None,
            list: None,
            wake: None,
            started: scene.now,
            fetched: BTreeSet::new(),
            zone: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            found: BTreeSet::new(),
            publishing: scene.publishing,
        };
        world.solver(true);
        world
    }

    /// The solver has a ready replica, or none.
    pub fn solver(&mut self, ready: bool) {
        let replica = SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 };
        self.published.solver = if ready { vec![replica] } else { vec![] };
    }

    /// The operator starts anew and looks.
    pub fn restart(&mut self) {
        self.memory = Memory::default();
        self.found.clear();
        self.lost = None;
        self.list = None;
        self.crash = None;
        self.started = self.now;
        self.look();
    }

    /// Time passes; the operator looks whenever it wanted to.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(wake) = self.wake.filter(|wake| *wake <= until) {
            self.now = wake;
            self.look();
        }
        self.now = until;
    }

    pub fn status(&self) -> CertificateStatus {
        self.certificate.status.clone().unwrap_or_default()
    }

    /// How many calls there were, beside the list that all certificates of a contract share.
    pub fn calls(&self) -> usize {
        self.called.iter().filter(|call| **call != "Watch").count()
    }

    pub fn is_ready(&self) -> bool {
        condition_set::is_true(&self.status().conditions, condition::READY)
    }

    /// CPS makes a move.
    pub fn advance_cps(&mut self) {
        let served: BTreeSet<Token> = self.served();
        let (zone, spec) = (self.zone.clone(), self.certificate.spec.clone());
        self.cps.advance(self.now, |domain| match spec.way(&domain.domain).is_dns() {
            true => records(domain).iter().all(|record| zone.contains(record)),
            false => tokens(domain).iter().all(|token| served.contains(token)),
        });
    }

    /// Observe, decide, report, act, until the decision is to wait.
    pub fn look(&mut self) {
        if !self.applied {
            return;
        }
        for _ in 0..MOST_STEPS {
            self.memory.for_generation(self.certificate.metadata.generation.unwrap_or_default());
            let Decision { next, status } = self.decide();
            self.check(&next, &status);
            if is_worth_a_write(&self.certificate, &status, &next) {
                self.check_reported(&status);
                self.counts.status(&self.status(), &status);
                self.certificate.status = Some(status);
            }
            let step = match next {
                Next::Do(step) => step,
                Next::Pause(pause) => return self.pause(pause),
            };
            self.steps += 1;
            self.counts.step(&step);
            self.log.push(format!("{}: {step}", self.now));
            if !self.survives(&step) {
                self.log.push("the operator dies".into());
                return self.restart();
            }
        }
        panic!("runs in a circle: {self:?}");
    }

    fn pause(&mut self, pause: Pause) {
        self.wake = match pause {
            Pause::Until(time) => {
                assert!(time > self.now, "waits for no time: {self:?}");
                Some(time)
            }
            Pause::UntilEvent => None,
        };
        if is_at_rest(&self.status()) {
            self.memory.rest(self.now);
        }
    }

    fn decide(&self) -> Decision {
        let view = if self.account {
            View::Ready(ACCOUNT.clone())
        } else {
            View::NotReady { message: "no".into(), transient: false }
        };
        next(&Snapshot {
            certificate: &self.certificate,
            account: &view,
            published: &self.published,
            memory: &self.memory,
            publishing: &self.publishing,
            roots: &fixtures::ROOTS,
            rival: &|_| None,
            intervals: Intervals { scale: 1.0, seed: 7 },
            forecast_times: ForecastTimes { interval: Duration::from_secs(24 * 3600), started: self.started },
            now: self.now,
        })
    }

    /// What must never happen.
    fn check(&self, next: &Next, status: &CertificateStatus) {
        assert!(self.cps.ours.len() <= 1, "two enrollments: {self:?}");
        assert!(self.cps.renewals <= self.renewals_asked, "renews more than was asked for: {self:?}");
        let gone = condition_set::find(&status.conditions, condition::STALLED)
            .is_some_and(|stalled| stalled.reason == Reason::EnrollmentGone.as_str());
        let shown = self.cps.ours.iter().any(|held| held.shown.is_some());
        assert!(!gone || !shown, "calls it gone, and it is there: {self:?}");
        let Next::Do(step) = next else { return };
        self.check_approved(step);
        if let Step::CreateEnrollment { .. } = step {
            assert!(self.certificate.metadata.annotations.is_some(), "no trace of the create: {self:?}");
            let list = self.memory.create.list.as_ref().map_or(Timestamp::MIN, |list| list.at);
            assert!(self.now.duration_since(list) <= OLD_LIST, "creates by an old list: {self:?}");
            let overlooked = self.cps.ours.iter().any(|held| held.shown.is_some_and(|shown| shown < list));
            assert!(!overlooked, "creates what there is: {self:?}");
            let in_flight = self.lost.is_some_and(|lost| self.now < lost + IN_FLIGHT);
            assert!(!in_flight, "repeats a create blindly: {self:?}");
        }
        if let Step::WriteRecord(record) = step {
            let remembered = self.published.config_map.iter().any(|map| {
                let known = published::content_of(map).records;
                known
                    .iter()
                    .any(|known| known.name == record.name && known.values.is_superset(&record.values))
            });
            assert!(remembered, "writes what nobody would remove: {self:?}");
        }
        if let Step::Acknowledge { .. } = step {
            let offered = self.memory.challenges().map(|reading| reading.value.clone()).unwrap_or_default();
            let way = |domain: &&DomainValidation| self.certificate.spec.way(&domain.domain);
            for record in offered.iter().filter(|domain| way(domain).is_dns()).flat_map(records) {
                assert!(self.found.contains(&record), "{record:?} was never found: {self:?}");
            }
            let offered: Vec<Token> =
                offered.iter().filter(|domain| !way(domain).is_dns()).flat_map(tokens).collect();
            let (routed, stored) = (self.routed(), self.stored());
            for token in offered {
                assert!(stored.contains(&token), "{token:?} is not in the ConfigMap: {self:?}");
                assert!(
                    routed.contains(&(token.host.clone(), token.path.clone())),
                    "{token:?} has no path: {self:?}"
                );
                assert!(self.fetched.contains(&token), "{token:?} was never fetched: {self:?}");
            }
        }
    }

    /// What a status may never say to others.
    fn check_reported(&self, status: &CertificateStatus) {
        if condition_set::is_true(&status.conditions, condition::READY) {
            let names = self.certificate.spec.names();
            let missing = names.iter().any(|name| !self.seen.contains(name));
            assert!(!missing, "Ready without a certificate: {self:?}");
        }
    }

    fn stored(&self) -> BTreeSet<Token> {
        self.published.config_map.iter().flat_map(|map| published::content_of(map).tokens).collect()
    }

    /// Hosts and paths in the Ingress.
    fn routed(&self) -> BTreeSet<(String, String)> {
        let ingress = self.published.ingresses.first().and_then(|ingress| ingress.spec.as_ref());
        let rules = ingress.and_then(|spec| spec.rules.as_ref()).into_iter().flatten();
        rules
            .flat_map(|rule| {
                let paths = rule.http.iter().flat_map(|http| &http.paths);
                paths.map(|path| {
                    (rule.host.clone().unwrap_or_default(), path.path.clone().unwrap_or_default())
                })
            })
            .collect()
    }

    /// What somebody outside gets.
    pub(super) fn served(&self) -> BTreeSet<Token> {
        let whole =
            self.network && self.published.service.is_some() && !self.published.endpoint_slices.is_empty();
        if !whole || self.published.solver.is_empty() {
            return BTreeSet::new();
        }
        let routed = self.routed();
        self.stored()
            .into_iter()
            .filter(|token| routed.contains(&(token.host.clone(), token.path.clone())))
            .collect()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let conditions: Vec<_> = self
            .status()
            .conditions
            .iter()
            .map(|condition| {
                format!(
                    "{}={} {}: {}",
                    condition.type_, condition.status, condition.reason, condition.message
                )
            })
            .collect();
        let phases: Vec<(Phase, Production)> =
            self.cps.ours.iter().map(|held| (held.phase, held.production)).collect();
        write!(f, "at {}\n{:#?}\n{phases:?}\n{:#?}", self.now, self.log, conditions)
    }
}

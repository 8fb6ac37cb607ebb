//! A model of all that the decision looks at and drives: the cluster, CPS, the network, the clock. It looks at every
//! resource as the operator does. Not here: what must never happen (`rules`), what it answers to a step (`answers`).

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use akamai_cps_types::{DomainValidation, Enrollment};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::counts::Counts;
use super::cps::Cps;
use super::held::{Phase, Production};
use super::offered::{records, tokens};
use super::resource::Resource;
use super::user::Setting;
use super::ways::Ways;
use crate::account::{Account, View};
use crate::life::fixtures;
use crate::life::intervals::{ForecastTimes, Intervals};
use crate::life::report::{is_at_rest, is_worth_a_write};
use crate::life::{Decision, Next, Pause, Snapshot, next};
use crate::published::{self, Token};
use crate::rivals;
use akacert_api::condition_set;
use akacert_api::status::{CertificateStatus, condition};
use akacert_api::way::Way;

/// More steps than a certificate ever needs without time passing.
const MOST_STEPS: usize = 60;

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

/// How the names look from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    AsNeeded,
    /// They lead to Akamai, which answers plain HTTP too.
    AtAkamai,
    /// They lead somewhere else.
    Elsewhere,
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
    /// The resource that is told about, and the one that is looked at.
    pub me: Resource,
    /// Others with the same common name, in the same namespace.
    pub others: Vec<Resource>,
    pub cps: Cps,
    pub now: Timestamp,
    /// Tokens can be fetched from outside.
    pub network: bool,
    pub outside: Outside,
    pub account: bool,
    /// The second zone takes no record.
    pub zone_refuses: bool,
    pub create_fault: Option<CreateFault>,
    pub failing_calls: u32,
    /// Somebody has removed an enrollment from CPS.
    pub removed: bool,
    /// The answer to the next update is lost.
    pub update_lost: bool,
    /// Renewals that the user has asked for.
    pub renewals_asked: usize,
    pub crash: Option<Crash>,
    /// The calls of CPS, by their names.
    pub called: Vec<&'static str>,
    pub(super) setting: Setting,
    /// The hashes and changes that the user has approved.
    pub(super) approved: BTreeSet<String>,
    pub steps: usize,
    pub counts: Counts,
    pub log: Vec<String>,
    /// The last list, which certificates share.
    pub(super) list: Option<(Timestamp, Vec<Enrollment>)>,
    /// When this operator started.
    started: Timestamp,
    /// The TXT records in DNS: names and values.
    pub zone: BTreeSet<(String, String)>,
    /// Those that the user wrote himself.
    pub by_hand: BTreeSet<(String, String)>,
    /// Those that were there when somebody deleted the ConfigMap, the only trace of them that survives a crash.
    pub forgotten: BTreeSet<(String, String)>,
    publishing: published::Rules,
}

impl World {
    /// A certificate that is about to be applied. One of its names is proven by a TXT record, the others by tokens.
    pub fn new() -> Self {
        let mut scene = fixtures::Scene::new();
        scene.certificate.spec.validation = Some(Ways::Mixed.validation());
        scene.certificate.metadata.creation_timestamp = Some(Time(scene.now));
        let mut world = Self {
            me: Resource::new(scene.certificate),
            others: vec![],
            cps: Cps::default(),
            now: scene.now,
            network: true,
            outside: Outside::AsNeeded,
            account: true,
            zone_refuses: false,
            create_fault: None,
            failing_calls: 0,
            removed: false,
            update_lost: false,
            renewals_asked: 0,
            crash: None,
            called: vec![],
            setting: Setting::default(),
            approved: BTreeSet::new(),
            steps: 0,
            counts: Counts::default(),
            log: vec![],
            list: None,
            started: scene.now,
            zone: BTreeSet::new(),
            by_hand: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            publishing: scene.publishing,
        };
        world.solver(true);
        world
    }

    /// The solver has a ready replica, or none.
    pub fn solver(&mut self, ready: bool) {
        self.all().for_each(|resource| resource.solver(ready));
    }

    pub fn all(&mut self) -> impl Iterator<Item = &mut Resource> {
        std::iter::once(&mut self.me).chain(&mut self.others)
    }

    /// The operator starts anew and looks.
    pub fn restart(&mut self) {
        self.starts();
        self.look();
    }

    fn starts(&mut self) {
        self.all().for_each(Resource::forget);
        self.list = None;
        self.crash = None;
        self.started = self.now;
    }

    /// Another operator leads from now on. Its watches are behind until time passes.
    pub fn take_over(&mut self, lag: usize) {
        self.starts();
        self.all().for_each(|resource| resource.taken_over(lag));
        self.look();
    }

    /// Time passes; the operator looks whenever it wanted to.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let behind = self.all().filter_map(|resource| resource.stale.take()).count();
        if behind > 0 {
            self.look();
        }
        while let Some((wake, index)) = self.wakes().filter(|(wake, _)| *wake <= until) {
            self.now = wake.max(self.now);
            if !self.turn(index, Self::look_at_it) {
                self.restart();
            }
        }
        self.now = until;
    }

    /// The resource that is to be looked at first, and when.
    fn wakes(&self) -> Option<(Timestamp, usize)> {
        let all = std::iter::once(&self.me).chain(&self.others).enumerate();
        all.filter_map(|(index, resource)| Some((resource.wake?, index))).min()
    }

    pub fn status(&self) -> CertificateStatus {
        self.me.status()
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
        let proven: Vec<String> = self.proven();
        self.cps.advance(self.now, |domain| proven.contains(&domain.domain));
    }

    /// The names that CPS asks for, and that a certificate authority can prove.
    fn proven(&self) -> Vec<String> {
        let offered = self.cps.ours.iter().flat_map(|held| held.challenges());
        let all = || std::iter::once(&self.me).chain(&self.others).filter(|resource| resource.applied);
        let served: BTreeSet<Token> = all().flat_map(|resource| self.served(resource)).collect();
        let proven = |domain: &DomainValidation, by: &Resource| match by.certificate.spec.way(&domain.domain)
        {
            Way::External => self.network,
            Way::Redirect(_) if by.redirects(&domain.domain) => self.network,
            Way::EdgeDns(_) | Way::DnsEndpoint(_) | Way::Rfc2136(_) | Way::Manual => {
                records(domain).iter().all(|record| self.zone.contains(record))
            }
            Way::Edge | Way::Ingress(_) | Way::Gateway(_) | Way::Redirect(_) => {
                tokens(domain).iter().all(|token| served.contains(token))
            }
        };
        offered
            .filter(|domain| all().any(|resource| proven(domain, resource)))
            .map(|domain| domain.domain)
            .collect()
    }

    /// The tokens that somebody outside gets.
    pub(super) fn served(&self, resource: &Resource) -> BTreeSet<Token> {
        if self.network { resource.served() } else { BTreeSet::new() }
    }

    /// Looks at every resource, whatever it waited for.
    pub fn look(&mut self) {
        while !(0..=self.others.len()).all(|index| self.turn(index, Self::look_at_it)) {
            self.starts();
        }
        self.others.retain(|other| !other.is_gone());
    }

    /// Does something with a resource as with the one that is told about.
    fn turn<T>(&mut self, index: usize, act: impl FnOnce(&mut Self) -> T) -> T {
        let other = index.checked_sub(1);
        if let Some(other) = other {
            std::mem::swap(&mut self.me, &mut self.others[other]);
        }
        let result = act(self);
        if let Some(other) = other {
            std::mem::swap(&mut self.me, &mut self.others[other]);
        }
        result
    }

    /// Observe, decide, report, act, until the decision is to wait. Answers whether the operator survives it.
    fn look_at_it(&mut self) -> bool {
        if !self.me.applied {
            return true;
        }
        for _ in 0..MOST_STEPS {
            let generation = self.me.view().metadata.generation.unwrap_or_default();
            self.me.memory.for_generation(generation);
            self.me.published.shared_in_use = self
                .others
                .iter()
                .any(|other| other.published.config_map.is_some() || !other.published.ingresses.is_empty());
            let Decision { next, status } = self.decide();
            self.check(&next, &status);
            if is_worth_a_write(self.me.view(), &status, &next) {
                // The API server refuses the status of an old version, and shows the newest one.
                if self.me.stale.take().is_some() {
                    continue;
                }
                self.report(status);
            }
            let step = match next {
                Next::Do(step) => step,
                Next::Pause(pause) => {
                    self.pause(pause);
                    return true;
                }
            };
            self.steps += 1;
            self.counts.step(&step);
            let name = self.me.certificate.metadata.name.as_deref().unwrap_or_default();
            self.log.push(format!("{}: {name}: {step}", self.now));
            if !self.survives(&step) {
                self.log.push("the operator dies".into());
                return false;
            }
        }
        panic!("runs in a circle: {self:?}");
    }

    fn report(&mut self, status: CertificateStatus) {
        self.check_reported(&status);
        let known = self.me.view().status.clone().unwrap_or_default();
        self.counts.status(&known, &status);
        self.me.change().status = Some(status);
    }

    fn pause(&mut self, pause: Pause) {
        self.me.wake = match pause {
            Pause::Until(time) => {
                assert!(time > self.now, "waits for no time: {self:?}");
                Some(time)
            }
            Pause::UntilEvent => None,
        };
        self.check_paused();
        if is_at_rest(&self.me.status()) {
            self.me.memory.rest(self.now);
        }
    }

    fn decide(&self) -> Decision {
        let view = if self.account {
            View::Ready(ACCOUNT.clone())
        } else {
            View::NotReady { message: "no".into(), transient: false }
        };
        let others = || self.others.iter().filter(|other| other.applied).map(|other| &other.certificate);
        next(&Snapshot {
            certificate: self.me.view(),
            account: &view,
            published: &self.me.published,
            memory: &self.me.memory,
            publishing: &self.publishing,
            roots: &fixtures::ROOTS,
            rival: &|id| rivals::rival(self.me.view(), id, others()),
            intervals: Intervals { scale: 1.0, seed: 7 },
            forecast_times: ForecastTimes { interval: Duration::from_secs(24 * 3600), started: self.started },
            now: self.now,
        })
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = |resource: &Resource| -> Vec<String> {
            let conditions = resource.status().conditions.into_iter();
            conditions.map(|is| format!("{}={} {}: {}", is.type_, is.status, is.reason, is.message)).collect()
        };
        let phases: Vec<(Phase, Production)> =
            self.cps.ours.iter().map(|held| (held.phase, held.production)).collect();
        let all: Vec<Vec<String>> = std::iter::once(&self.me).chain(&self.others).map(told).collect();
        write!(f, "at {}\n{:#?}\n{phases:?}\n{all:#?}", self.now, self.log)
    }
}

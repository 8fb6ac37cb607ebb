//! What the user of the model does beside editing: he chooses policies, approves what he is asked about, and deletes the
//! certificate in the end. Not here: everything that happens to him (`super::event`).

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::resource::{Resource, another};
use super::world::World;
use crate::life::Step;
use crate::life::fixtures;
use crate::warnings;
use akacert_api::condition_set;
use akacert_api::names::{
    APPROVE_DEPLOYMENT_ANNOTATION, APPROVE_PLAN_ANNOTATION, APPROVE_WARNINGS_ANNOTATION,
};
use akacert_api::policy::{
    AdoptionPolicy, Approve, Day, DeletionPolicy, DeploymentPolicy, DeploymentWindow, Handoff,
    ManagementPolicy, RecreatePolicy, ServedProbe, UpdatePolicy,
};
use akacert_api::reason::Reason;

/// What CPS warns of.
pub const WARNING: &str = "DNS name x not CNAMEd";

/// When certificates go to production each day, where the user wants a window. The sequences begin at noon.
pub const WINDOW: (&str, &str) = ("13:00", "23:00");

/// Another resource with the same common name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rival {
    Creates,
    Adopts,
    Observes,
}

/// What the user chose when he applied the certificate, and how it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting {
    /// Plans wait for approval.
    pub asks: bool,
    /// What is deployed is told to pipelines.
    pub hands_off: bool,
    /// How the names are served is looked at.
    pub probes: bool,
    /// CPS stops after staging.
    pub stages: bool,
    /// The operator lets go what is on staging.
    pub lets_go: bool,
    /// Certificates go to production in a window.
    pub window: bool,
    /// Somebody has made an enrollment before.
    pub made_before: bool,
    pub adoption: Option<AdoptionPolicy>,
    /// What is gone is created again.
    pub recreates: bool,
    /// Nothing happens at first, so that the certificate becomes Ready.
    pub settles: bool,
    pub rival: Option<Rival>,
    /// The names lead elsewhere in the end; or else to Akamai.
    pub leads_elsewhere: bool,
    /// The enrollment goes with the certificate.
    pub deletes: bool,
    /// The account is not Ready when the certificate is deleted, or CPS refuses the removal at first.
    pub hampered: bool,
}

impl World {
    pub(super) fn choose(&mut self, setting: Setting) {
        let spec = &mut self.me.certificate.spec;
        spec.update_policy = setting.asks.then_some(UpdatePolicy::RequireApproval);
        spec.handoff = setting.hands_off.then(|| Handoff { config_map_name: "www-deployed".into() });
        spec.probe = setting.probes.then(ServedProbe::default);
        spec.change_management = setting.stages.then_some(true);
        spec.deployment = (setting.lets_go || setting.window).then(|| DeploymentPolicy {
            approve: setting.lets_go.then_some(Approve::Auto),
            window: setting.window.then(window),
        });
        spec.adoption_policy = setting.adoption;
        spec.recreate_policy = setting.recreates.then_some(RecreatePolicy::Recreate);
        spec.deletion_policy = setting.deletes.then_some(DeletionPolicy::Delete);
        if setting.made_before {
            self.cps.made_elsewhere(&["www.example.com"], self.now);
        }
        self.setting = setting;
    }

    /// The other resource is applied.
    pub(super) fn rival(&mut self) {
        let Some(rival) = self.setting.rival.filter(|_| self.others.is_empty()) else { return };
        let mut certificate = match rival {
            Rival::Creates | Rival::Adopts => another("rival", &["rival.example.com"]),
            Rival::Observes => another("observer", &[]),
        };
        let later = self.now.max(fixtures::noon()) + SignedDuration::from_secs(1);
        certificate.metadata.creation_timestamp = Some(Time(later));
        certificate.spec.adoption_policy = match rival {
            Rival::Creates => None,
            Rival::Adopts => Some(AdoptionPolicy::AdoptOrCreate),
            Rival::Observes => Some(AdoptionPolicy::AdoptOnly),
        };
        certificate.spec.management_policy = (rival == Rival::Observes).then_some(ManagementPolicy::Observe);
        let mut other = Resource::new(certificate);
        other.applied = true;
        other.published.solver.clone_from(&self.me.published.solver);
        self.others.push(other);
        self.share();
        self.look();
    }

    /// The user approves what the status asks for, and does what it asks him to do by hand.
    pub(super) fn approve(&mut self) {
        let status = self.status();
        let asks = |reason: Reason| status.conditions.iter().any(|found| found.reason == reason.as_str());
        let staged = asks(Reason::DeploymentNeedsApproval);
        let change = status.change.as_ref();
        let asked = [
            (APPROVE_PLAN_ANNOTATION, status.plan.as_ref().map(|plan| plan.hash.clone())),
            (APPROVE_WARNINGS_ANNOTATION, change.and_then(|change| change.warnings_hash.clone())),
            (APPROVE_DEPLOYMENT_ANNOTATION, change.filter(|_| staged).map(|change| change.id.to_string())),
        ];
        let mut news = false;
        for (annotation, hash) in asked {
            let Some(hash) = hash else { continue };
            self.approved.insert(hash.clone());
            let annotations = self.me.change().metadata.annotations.get_or_insert_default();
            news |= annotations.insert(annotation.into(), hash.clone()) != Some(hash);
        }
        let written = self.by_hand.len();
        for challenge in status.domains.iter().flat_map(|domain| &domain.challenges) {
            let Some(value) = &challenge.value else { continue };
            self.by_hand.insert((challenge.path.trim_end_matches('.').to_owned(), value.clone()));
        }
        self.zone.extend(self.by_hand.iter().cloned());
        if news || self.by_hand.len() > written {
            self.look();
        }
    }

    /// Nothing is done that needs approval and has none, and nothing is removed that nobody asked to remove.
    pub(super) fn check_approved(&self, step: &Step) {
        // The other resources ask for nothing.
        let asks = self.setting.asks && self.is_mine();
        let deleted = self.me.certificate.metadata.deletion_timestamp.is_some();
        if let Step::UpdateEnrollment(update) = step {
            let names = self.cps.held(update.enrollment).map(|held| &held.names);
            let reissues = update.renew || names != Some(&update.body.csr.names().into_iter().collect());
            let approved = !asks || !reissues || self.approved.contains(&update.plan);
            assert!(approved, "carries out what nobody approved: {self:?}");
        }
        if let Step::AcknowledgeWarnings(_, change, _) = step {
            let found = warnings::told_apart(&fixtures::warnings(WARNING));
            let hash = warnings::hash(i64::try_from(change.0).unwrap(), &found);
            assert!(self.approved.contains(&hash), "passes over warnings that nobody read: {self:?}");
        }
        if let Step::AcknowledgeDeployment { change, .. } = step {
            let approved = self.setting.lets_go || self.approved.contains(&change.to_string());
            assert!(approved, "lets go what nobody approved: {self:?}");
        }
        if let Step::DeleteEnrollment(_) = step {
            assert!(deleted && self.setting.deletes, "removes an enrollment that is to stay: {self:?}");
        }
        if let Step::RemoveFinalizer = step {
            assert!(deleted, "lets a certificate go that is to stay: {self:?}");
            let done = !self.setting.deletes || !self.is_mine() || self.cps.ours.is_empty();
            assert!(done, "forgets an enrollment that is to go: {self:?}");
        }
    }

    /// The resource that is looked at is the one that the sequence is about.
    fn is_mine(&self) -> bool {
        self.me.certificate.metadata.name.as_deref() == Some("www")
    }

    /// The user deletes the certificate.
    pub(super) fn delete(&mut self) {
        self.account = !self.setting.hampered;
        self.cps.is_live = self.setting.hampered;
        self.me.change().metadata.deletion_timestamp = Some(Time(self.now));
        self.look();
        self.pass(Duration::from_secs(3600));
        self.account = true;
        self.look();
        self.pass(Duration::from_secs(3600));
        self.cps.is_live = false;
        // A day: what fails is tried again each 15 minutes at least.
        for _ in 0..24 * 6 {
            if self.me.is_gone() {
                break;
            }
            self.advance_cps();
            self.pass(Duration::from_secs(600));
        }
        assert!(self.me.is_gone(), "is not let go: {self:?}");
        // What is to be removed is gone with the next move.
        self.advance_cps();
        assert_eq!(self.cps.ours.is_empty(), self.setting.deletes, "{self:?}");
        let published = &self.me.published;
        let left = published.config_map.is_some() || !published.ingresses.is_empty();
        assert!(!left && published.service.is_none(), "something is published still: {self:?}");
    }

    /// The user deletes the other resources that he wanted to manage the same enrollment.
    pub(super) fn end_rivalry(&mut self) {
        let now = self.now;
        for other in self.others.iter_mut().filter(|other| !other.observes()) {
            other.change().metadata.deletion_timestamp = Some(Time(now));
        }
        self.look();
    }

    /// Whoever observes an enrollment that is there sees its certificate.
    pub(super) fn check_observers(&self) {
        for other in self.others.iter().filter(|other| other.observes()) {
            let there = self.cps.ours.iter().any(|held| Some(held.id.0) == other.recorded());
            let ready =
                condition_set::is_true(&other.status().conditions, akacert_api::status::condition::READY);
            assert!(!there || ready, "the observer is not Ready in the end: {self:?}");
        }
    }
}

fn window() -> DeploymentWindow {
    DeploymentWindow {
        days: vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun],
        from: WINDOW.0.into(),
        to: WINDOW.1.into(),
        time_zone: "UTC".into(),
    }
}

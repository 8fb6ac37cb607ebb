//! What the user of the model does beside changing names: he approves what he is asked about, and deletes the certificate
//! in the end. Not here: everything that happens to him (`super::Event`).

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::world::World;
use crate::life::Step;
use crate::life::fixtures;
use crate::warnings;
use akacert_api::names::{APPROVE_PLAN_ANNOTATION, APPROVE_WARNINGS_ANNOTATION};
use akacert_api::policy::{DeletionPolicy, Handoff, UpdatePolicy};

/// What CPS warns of.
pub const WARNING: &str = "DNS name x not CNAMEd";

/// What the user chose when he applied the certificate, and how it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting {
    /// Plans wait for approval.
    pub asks: bool,
    /// What is deployed is told to pipelines.
    pub hands_off: bool,
    /// The enrollment goes with the certificate.
    pub deletes: bool,
    /// The account is not Ready when the certificate is deleted, or CPS refuses the removal at first.
    pub hampered: bool,
}

impl World {
    pub(super) fn choose(&mut self, setting: Setting) {
        let spec = &mut self.certificate.spec;
        spec.update_policy = setting.asks.then_some(UpdatePolicy::RequireApproval);
        spec.handoff = setting.hands_off.then(|| Handoff { config_map_name: "www-deployed".into() });
        spec.deletion_policy = setting.deletes.then_some(DeletionPolicy::Delete);
        self.setting = setting;
    }

    /// The user approves what the status asks for.
    pub(super) fn approve(&mut self) {
        let status = self.status();
        let warnings = status.change.and_then(|change| change.warnings_hash);
        let asked = [
            (APPROVE_PLAN_ANNOTATION, status.plan.map(|plan| plan.hash)),
            (APPROVE_WARNINGS_ANNOTATION, warnings),
        ];
        let mut news = false;
        for (annotation, hash) in asked {
            let Some(hash) = hash else { continue };
            self.approved.insert(hash.clone());
            let annotations = self.certificate.metadata.annotations.get_or_insert_default();
            news |= annotations.insert(annotation.into(), hash.clone()) != Some(hash);
        }
        if news {
            self.look();
        }
    }

    /// Nothing is done that needs approval and has none, and nothing is removed that nobody asked to remove.
    pub(super) fn check_approved(&self, step: &Step) {
        if let Step::UpdateEnrollment(update) = step {
            let approved = !self.setting.asks || self.approved.contains(&update.plan);
            assert!(approved, "carries out what nobody approved: {self:?}");
        }
        if let Step::AcknowledgeWarnings(_, change, _) = step {
            let found = warnings::told_apart(&fixtures::warnings(WARNING));
            let hash = warnings::hash(i64::try_from(change.0).unwrap(), &found);
            assert!(self.approved.contains(&hash), "passes over warnings that nobody read: {self:?}");
        }
        let deleted = self.certificate.metadata.deletion_timestamp.is_some();
        if let Step::DeleteEnrollment(_) = step {
            let asked = deleted && self.setting.deletes;
            assert!(asked, "removes an enrollment that is to stay: {self:?}");
        }
        if let Step::RemoveFinalizer = step {
            assert!(deleted, "lets a certificate go that is to stay: {self:?}");
            let done = !self.setting.deletes || self.cps.ours.is_empty();
            assert!(done, "forgets an enrollment that is to go: {self:?}");
        }
    }

    /// The user deletes the certificate.
    pub(super) fn delete(&mut self) {
        self.account = !self.setting.hampered;
        self.cps.is_live = self.setting.hampered;
        self.certificate.metadata.deletion_timestamp = Some(Time(self.now));
        self.look();
        self.pass(Duration::from_secs(3600));
        self.account = true;
        self.look();
        self.pass(Duration::from_secs(3600));
        self.cps.is_live = false;
        // A day: what fails is tried again each 15 minutes at least.
        for _ in 0..24 * 6 {
            self.advance_cps();
            self.pass(Duration::from_secs(600));
        }
        assert!(self.certificate.metadata.finalizers.is_none(), "is not let go: {self:?}");
        assert_eq!(self.cps.ours.is_empty(), self.setting.deletes, "{self:?}");
    }
}

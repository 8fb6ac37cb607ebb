//! A model of CPS: enrollments of one contract. Not here: what becomes of one (`held`), what the operator makes of it.

use akamai_cps_types::{
    Change, ChangeId, DeploymentSchedule, Deployments, DomainValidation, Enrollment, EnrollmentId,
};
use jiff::Timestamp;

use super::held::{Held, Phase, Production};
use crate::life::fixtures;

/// How CPS goes about its changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mood {
    /// A change stops at a warning.
    pub warns: bool,
    /// Tokens come, and are validated, one name after the other.
    pub slow: bool,
    /// What a change brings into production at first.
    pub deploys_at_first: Option<Production>,
}

/// Where a common name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Nowhere,
    /// Under the contract. Nobody can read it, as where the list is behind.
    Here,
    /// Under another contract, whose list nobody reads.
    Elsewhere,
}

#[derive(Debug, Default)]
pub struct Cps {
    pub ours: Vec<Held>,
    /// Where somebody else has an enrollment with our common name.
    pub foreign: Option<Taken>,
    pub mood: Mood,
    /// The certificates are live, so that CPS removes no enrollment.
    pub is_live: bool,
    /// Renewals that were ordered.
    pub renewals: usize,
    last_id: u64,
    /// Which certificate was the last one in production.
    last_serial: usize,
}

/// CPS refuses a common name that is taken.
pub struct Duplicate;

impl Cps {
    pub fn create(
        &mut self,
        body: &Enrollment,
        maker: String,
        hidden: bool,
        now: Timestamp,
    ) -> Result<(EnrollmentId, ChangeId), Duplicate> {
        if !self.ours.is_empty() || self.foreign.is_some() {
            return Err(Duplicate);
        }
        let change = self.next_change();
        let id = EnrollmentId(10_000 + self.last_id);
        let mut held = Held::new(id, change, body, Some(maker), now);
        held.shown = (!hidden).then_some(now);
        held.follows(self.last_serial);
        self.ours.push(held);
        Ok((id, change))
    }

    /// Somebody else has made an enrollment long ago.
    pub fn made_elsewhere(&mut self, names: &[&str], now: Timestamp) {
        let change = self.next_change();
        let id = EnrollmentId(10_000 + self.last_id);
        let body = fixtures::enrollment(id.0, names);
        self.ours.push(Held::new(id, change, &body, None, now).deployed());
    }

    /// Somebody else removes what there is.
    pub fn remove_elsewhere(&mut self) {
        self.keep(|held| held.shown.is_none());
    }

    fn keep(&mut self, stays: impl Fn(&Held) -> bool) {
        self.last_serial = self.ours.last().map_or(self.last_serial, Held::serial);
        self.ours.retain(stays);
    }

    fn next_change(&mut self) -> ChangeId {
        self.last_id += 1;
        ChangeId(20_000 + self.last_id)
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
        let change = self.next_change();
        let held = self.ours.iter_mut().find(|held| held.id == id && !held.is_pending()).ok_or(Duplicate)?;
        self.renewals += usize::from(renew);
        Ok(held.update(body, change, renew).then_some(change))
    }

    /// CPS begins a renewal by itself.
    pub fn renew(&mut self) {
        let change = self.next_change();
        self.ours.iter_mut().filter(|held| !held.is_pending()).for_each(|held| held.begin(change, "renewal"));
    }

    /// Somebody else changes the names of the enrollment.
    pub fn edit_elsewhere(&mut self) {
        let change = self.next_change();
        for held in self.ours.iter_mut().filter(|held| !held.is_pending()) {
            held.edit(&["www.example.com"], change);
        }
    }

    /// Somebody else chooses whether CPS stops after staging. That takes no change.
    pub fn stages_elsewhere(&mut self) {
        for held in self.ours.iter_mut().filter(|held| !held.is_pending()) {
            held.body.change_management = !held.body.change_management;
        }
    }

    /// What waits on staging may go to production.
    pub fn let_go(&mut self, id: EnrollmentId, now: Timestamp) {
        self.ours.iter_mut().filter(|held| held.id == id).for_each(|held| held.let_go(now));
    }

    /// A change gets a schedule.
    pub fn schedule(&mut self, change: ChangeId, schedule: &DeploymentSchedule) {
        for held in self.ours.iter_mut().filter(|held| held.change == change) {
            held.schedule = Some(schedule.clone());
        }
    }

    pub fn challenges(&self, id: EnrollmentId) -> Vec<DomainValidation> {
        self.held(id).map(Held::challenges).unwrap_or_default()
    }

    pub fn deployments(&self, id: EnrollmentId) -> Deployments {
        self.held(id).map(Held::deployments).unwrap_or_default()
    }

    /// The names of the certificate in production.
    pub fn in_production(&self, id: EnrollmentId) -> Vec<String> {
        self.held(id).map(Held::in_production).unwrap_or_default()
    }

    pub fn held(&self, id: EnrollmentId) -> Option<&Held> {
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
        let mood = self.mood;
        self.keep(|held| !held.removed);
        for held in &mut self.ours {
            held.shown.get_or_insert(now);
            held.advance(now, &proven, mood);
        }
    }
}

//! What must never happen, whatever happens to the operator: checked at each decision, at each pause and at each status.
//! Not here: what needs an approval (`user`), what is left at rest (`ways`).

use std::time::Duration;

use akamai_cps_types::DomainValidation;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::held::Phase;
use super::offered::{records, tokens};
use super::user::WINDOW;
use super::world::World;
use crate::life::step::Effect;
use crate::life::{Next, Step};
use crate::published::{self, CHALLENGES_PATH};
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::{CertificateStatus, condition};
use akacert_api::way::Way;

/// A create whose answer was lost may have been carried out, and not show yet, for as long.
const IN_FLIGHT: Duration = Duration::from_secs(240);

/// What came into CPS after a list, CPS refuses to create again; but nobody relies on that for long.
const OLD_LIST: SignedDuration = SignedDuration::from_secs(300);

impl World {
    /// What must never happen.
    pub(super) fn check(&self, next: &Next, status: &CertificateStatus) {
        assert!(self.cps.ours.len() <= 1, "two enrollments: {self:?}");
        assert!(self.cps.renewals <= self.renewals_asked, "renews more than was asked for: {self:?}");
        let Next::Do(step) = next else { return self.check_gone(status) };
        self.check_approved(step);
        self.check_owned(step);
        if let Step::CreateEnrollment { .. } = step {
            self.check_create();
        }
        if let Step::WriteRecord(record) = step {
            let mut known = self.me.content().records.into_iter();
            let remembered =
                known.any(|known| known.name == record.name && known.values.is_superset(&record.values));
            assert!(remembered, "writes what nobody would remove: {self:?}");
        }
        if let Step::Acknowledge { .. } = step {
            self.check_acknowledgement();
        }
        if let Step::Schedule(_, _, schedule) = step {
            let opens = schedule.not_before.zip(schedule.not_after);
            let at_once = opens.is_none() && !self.has_window();
            assert!(at_once || opens.is_some_and(is_a_window), "deploys outside the window: {self:?}");
        }
    }

    fn check_gone(&self, status: &CertificateStatus) {
        let gone = condition_set::find(&status.conditions, condition::STALLED)
            .is_some_and(|stalled| stalled.reason == Reason::EnrollmentGone.as_str());
        let recorded = status.enrollment_id.and_then(|id| u64::try_from(id).ok());
        let shown = self.cps.ours.iter().any(|held| Some(held.id.0) == recorded && held.shown.is_some());
        assert!(!gone || !shown, "calls it gone, and it is there: {self:?}");
    }

    /// Whoever only observes writes nothing, and nobody writes to what an older resource has.
    fn check_owned(&self, step: &Step) {
        let me = &self.me;
        let writes = step.effect() == Effect::Cps;
        if me.observes() {
            let published = matches!(step, Step::Publish(_));
            assert!(!writes && step.effect() != Effect::Dns && !published, "an observer writes: {self:?}");
        }
        let creates = matches!(step, Step::CreateEnrollment { .. });
        let Some(id) = me.recorded().filter(|_| writes && !creates && me.stale.is_none()) else { return };
        let age = &me.certificate.metadata.creation_timestamp;
        let older = self.others.iter().any(|other| {
            let manages = other.applied && !other.observes();
            manages && other.recorded() == Some(id) && other.certificate.metadata.creation_timestamp < *age
        });
        assert!(!older, "writes to what another resource has: {self:?}");
    }

    fn check_create(&self) {
        let me = &self.me;
        assert!(me.certificate.metadata.annotations.is_some(), "no trace of the create: {self:?}");
        let list = me.memory.create.list.as_ref().map_or(Timestamp::MIN, |list| list.at);
        assert!(self.now.duration_since(list) <= OLD_LIST, "creates by an old list: {self:?}");
        let overlooked = self.cps.ours.iter().any(|held| held.shown.is_some_and(|shown| shown < list));
        assert!(!overlooked, "creates what there is: {self:?}");
        let in_flight = me.lost.is_some_and(|lost| self.now < lost + IN_FLIGHT);
        assert!(!in_flight, "repeats a create blindly: {self:?}");
    }

    /// Everything that CPS asks for is published, and was found.
    fn check_acknowledgement(&self) {
        let me = &self.me;
        let offered = me.memory.challenges().map(|reading| reading.value.clone()).unwrap_or_default();
        let spec = &me.view().spec;
        let way = |domain: &DomainValidation| spec.way(&domain.domain);
        for record in offered.iter().filter(|domain| way(domain).is_dns()).flat_map(records) {
            assert!(me.found.contains(&record), "{record:?} was never found: {self:?}");
        }
        let by_http = || offered.iter().filter(|domain| !way(domain).is_dns());
        for token in by_http().flat_map(tokens) {
            assert!(me.fetched.contains(&token), "{token:?} was never fetched: {self:?}");
        }
        let (routed, stored) = (me.routed(), me.content().tokens);
        let served = |domain: &&DomainValidation| published::is_served(spec, &domain.domain);
        for token in by_http().filter(served).flat_map(tokens) {
            assert!(stored.contains(&token), "{token:?} is not in the ConfigMap: {self:?}");
            let leads = |path: &str| routed.contains(&(token.host.clone(), path.to_owned()));
            assert!(leads(&token.path), "{token:?} has no path: {self:?}");
        }
        let redirected = |domain: &&DomainValidation| matches!(way(domain), Way::Redirect(_));
        for domain in by_http().filter(redirected).filter(|domain| !served(domain)) {
            let path = (domain.domain.clone(), CHALLENGES_PATH.to_owned());
            let stands = domain.is_validated() || routed.contains(&path);
            assert!(stands, "{} has no redirect: {self:?}", domain.domain);
        }
    }

    fn has_window(&self) -> bool {
        let deployment = self.me.view().spec.deployment.as_ref();
        deployment.is_some_and(|deployment| deployment.window.is_some())
    }

    /// A change whose deployment is waited for has the schedule that the window wants.
    pub(super) fn check_paused(&self) {
        let followed = self.me.memory.change.as_ref().filter(|change| !change.is_over());
        let Some(change) = followed.filter(|_| self.has_window()) else { return };
        let waits = [Reason::WaitingForDeployment, Reason::WaitingForWindow, Reason::WaitingForValidation];
        let status = self.me.status();
        let ready = condition_set::find(&status.conditions, condition::READY);
        let waited = ready.is_some_and(|ready| waits.iter().any(|reason| reason.as_str() == ready.reason));
        let open = self.cps.ours.iter().find(|held| {
            let early = !matches!(held.phase, Phase::Production | Phase::Complete | Phase::Forgotten);
            held.change == change.id && early
        });
        let Some(held) = open.filter(|_| waited) else { return };
        let schedule = held.schedule.clone().unwrap_or_default();
        let window = schedule.not_before.zip(schedule.not_after);
        assert!(window.is_some_and(is_a_window), "waits without a schedule: {self:?}");
    }

    /// What a status may never say to others. While a change is under way nobody has to look at what is in production.
    pub(super) fn check_reported(&self, status: &CertificateStatus) {
        if condition_set::is_true(&status.conditions, condition::READY) && status.change.is_none() {
            let names = self.me.view().spec.names();
            let missing = names.iter().any(|name| !self.me.seen.iter().any(|seen| seen == name));
            assert!(!missing, "Ready without a certificate: {self:?}");
        }
    }
}

/// Whether it is one day's window.
fn is_a_window((opens, closes): (Timestamp, Timestamp)) -> bool {
    let clock = |time: Timestamp| time.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    (clock(opens).as_str(), clock(closes).as_str()) == WINDOW && closes.duration_since(opens).as_hours() < 24
}

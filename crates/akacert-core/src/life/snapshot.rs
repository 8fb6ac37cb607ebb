//! What a decision rests on: one certificate as observed in the cluster and in CPS, and the clock. Plain data.
//! Not here: how it is observed; what is remembered of earlier looks (`super::memory`).

use std::time::Duration;

use akamai_cps_types::EnrollmentId;
use jiff::Timestamp;

use super::intent::{Intent, Renewal};
use super::memory::Memory;
use super::pause::{Next, Pause};
use super::schedule::Pace;
use super::schedule::Schedule;
use crate::account;
use crate::deployed;
use crate::published;
use akacert_api::AkamaiCertificate;
use akacert_api::certificate::CertificateSpec;
use akacert_api::names::{ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION, RENEWAL_ANNOTATION};
use akacert_api::status::DeploymentStatus;

/// One certificate, as observed.
pub struct Snapshot<'a> {
    /// The resource.
    pub certificate: &'a AkamaiCertificate,
    /// Its account.
    pub account: &'a account::View,
    /// What is published for it.
    pub published: &'a published::Observed,
    /// What was read from CPS and from the network since the operator started.
    pub memory: &'a Memory,
    /// Settings of the publisher.
    pub publishing: &'a published::Rules,
    /// The authorities that a deployed certificate may come from.
    pub roots: &'a deployed::Roots,
    /// Another resource that has an enrollment, as `namespace/name`, if there is one that it rather belongs to.
    pub rival: &'a dyn Fn(EnrollmentId) -> Option<String>,
    /// When to look again.
    pub schedule: Schedule,
    /// When to look from outside.
    pub outside: Pace,
    /// The clock.
    pub now: Timestamp,
}

impl Snapshot<'_> {
    /// What the user wants.
    #[must_use]
    pub fn spec(&self) -> &CertificateSpec {
        &self.certificate.spec
    }

    /// Why a Gateway does not serve a route; none when each is served. Routes that are left of another way do not count.
    #[must_use]
    pub fn route_trouble(&self) -> Option<published::RouteTrouble> {
        let counts = |route: &published::HTTPRoute| {
            let mut wanted = self.spec().ways().filter_map(|(_, way)| way.gateway());
            wanted.any(|wanted| wanted.parent_refs == route.spec.parent_refs)
        };
        let mut routes = self.published.http_routes.iter().filter(|route| counts(route));
        routes.find_map(|route| published::trouble(route))
    }

    /// The generation of the spec.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.certificate.metadata.generation.unwrap_or_default()
    }

    /// The recorded intent of a create.
    #[must_use]
    pub fn intent(&self) -> Option<Intent> {
        serde_json::from_str(self.annotation(INTENT_ANNOTATION)?).ok()
    }

    /// The recorded ID of our enrollment: in an annotation, or in the status. An empty annotation says that it is gone.
    #[must_use]
    pub fn recorded_enrollment(&self) -> Option<EnrollmentId> {
        let id = match self.annotation(ENROLLMENT_ID_ANNOTATION) {
            Some(id) => id.parse().ok(),
            None => self.certificate.status.as_ref()?.enrollment_id.and_then(|id| u64::try_from(id).ok()),
        };
        id.map(EnrollmentId)
    }

    /// The recorded certificate that a requested renewal replaces.
    #[must_use]
    pub fn recorded_renewal(&self) -> Option<Renewal> {
        serde_json::from_str(self.annotation(RENEWAL_ANNOTATION)?).ok()
    }

    /// An annotation of the certificate.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.certificate.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// What was deployed in production when somebody last looked.
    #[must_use]
    pub fn recorded_production(&self) -> Option<&DeploymentStatus> {
        self.certificate.status.as_ref()?.deployments.as_ref()?.production.as_ref()
    }

    /// Whether a time plus an interval has come.
    #[must_use]
    pub fn is_due(&self, since: Timestamp, interval: Duration) -> bool {
        self.until(since, interval).is_zero()
    }

    /// A pause of this length, from now.
    #[must_use]
    pub fn later(&self, wait: Duration) -> Pause {
        Pause::Until(self.now.checked_add(wait).unwrap_or(Timestamp::MAX))
    }

    /// Nothing to do before this much time has passed.
    #[must_use]
    pub fn pause(&self, wait: Duration) -> Next {
        Next::Pause(self.later(wait))
    }

    /// How long until a time plus an interval.
    #[must_use]
    pub fn until(&self, since: Timestamp, interval: Duration) -> Duration {
        let due = since.checked_add(interval).unwrap_or(Timestamp::MAX);
        Duration::try_from(due.duration_since(self.now)).unwrap_or(Duration::ZERO)
    }
}

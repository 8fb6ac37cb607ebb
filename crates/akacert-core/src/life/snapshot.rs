//! The input of a decision, as plain data: one certificate as observed in the cluster and in CPS, and the time.

use std::time::Duration;

use akamai_cps_types::EnrollmentId;
use jiff::Timestamp;

use super::intent::{Intent, Renewal};
use super::intervals::ForecastTimes;
use super::intervals::Intervals;
use super::memory::Memory;
use super::pause::{Next, Pause};
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
    /// The account, as the certificate sees it.
    pub account: &'a account::View,
    /// What is published for the certificate.
    pub published: &'a published::Observed,
    /// What the operator remembers of it.
    pub memory: &'a Memory,
    /// Settings of the publisher.
    pub publishing: &'a published::Rules,
    /// The trusted roots of deployed certificates.
    pub roots: &'a deployed::Roots,
    /// Returns another resource that has a better claim to the enrollment, as `namespace/name`, if there is one.
    pub rival: &'a dyn Fn(EnrollmentId) -> Option<String>,
    /// The intervals.
    pub intervals: Intervals,
    /// When to check from outside.
    pub forecast_times: ForecastTimes,
    /// The current time.
    pub now: Timestamp,
}

impl Snapshot<'_> {
    /// The certificate's `spec`.
    #[must_use]
    pub fn spec(&self) -> &CertificateSpec {
        &self.certificate.spec
    }

    /// Why a Gateway does not serve a route; `None` if each serves its own. Routes left over from another way do not
    /// count.
    #[must_use]
    pub fn route_trouble(&self) -> Option<published::RouteTrouble> {
        let counts = |route: &published::HTTPRoute| {
            let mut wanted = self.spec().ways().filter_map(|(_, way)| way.gateway());
            wanted.any(|wanted| wanted.parent_refs == route.spec.parent_refs)
        };
        let mut routes = self.published.http_routes.iter().filter(|route| counts(route));
        routes.find_map(|route| published::trouble(route))
    }

    /// `metadata.generation`.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.certificate.metadata.generation.unwrap_or_default()
    }

    /// The recorded intent of a create.
    #[must_use]
    pub fn intent(&self) -> Option<Intent> {
        serde_json::from_str(self.annotation(INTENT_ANNOTATION)?).ok()
    }

    /// The ID of our enrollment, from the annotation or the status. An empty annotation means that the enrollment is
    /// gone.
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

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.certificate.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// The deployment in production, as the status has it.
    #[must_use]
    pub fn recorded_production(&self) -> Option<&DeploymentStatus> {
        self.certificate.status.as_ref()?.deployments.as_ref()?.production.as_ref()
    }

    /// Whether an interval after a time is over.
    #[must_use]
    pub fn is_due(&self, since: Timestamp, interval: Duration) -> bool {
        self.until(since, interval).is_zero()
    }

    /// A pause of this length.
    #[must_use]
    pub fn later(&self, wait: Duration) -> Pause {
        Pause::Until(self.now.checked_add(wait).unwrap_or(Timestamp::MAX))
    }

    /// The decision to do nothing for this long.
    #[must_use]
    pub fn pause(&self, wait: Duration) -> Next {
        Next::Pause(self.later(wait))
    }

    /// How long until an interval after a time is over.
    #[must_use]
    pub fn until(&self, since: Timestamp, interval: Duration) -> Duration {
        let due = since.checked_add(interval).unwrap_or(Timestamp::MAX);
        Duration::try_from(due.duration_since(self.now)).unwrap_or(Duration::ZERO)
    }
}

//! What a decision rests on: one certificate as observed in the cluster and in CPS, and the clock. Plain data.
//! Not here: how it is observed (`crate::observe`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use akamai_cps_types::{Change, ChangeId, Deployments, DomainValidation, Enrollment, EnrollmentId, Warnings};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::forecast::{Forecast, Pace};
use super::schedule::Schedule;
use crate::account;
use crate::deployed;
use crate::desired;
use crate::outside::Target;
use crate::published::{self, Record, Token};
use akacert_api::AkamaiCertificate;
use akacert_api::certificate::CertificateSpec;
use akacert_api::names::{ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION, RENEWAL_ANNOTATION};
use akacert_api::reason::Reason;
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

    /// How long until a time plus an interval.
    #[must_use]
    pub fn until(&self, since: Timestamp, interval: Duration) -> Duration {
        let due = since.checked_add(interval).unwrap_or(Timestamp::MAX);
        Duration::try_from(due.duration_since(self.now)).unwrap_or(Duration::ZERO)
    }
}

/// The recorded intent to create an enrollment. Written before the POST, so that a crash in between leaves a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The contract, without `ctr_`.
    pub contract_id: String,
    /// The common name.
    pub common_name: String,
    /// SHA-256 of the body.
    pub body_hash: String,
    /// SHA-256 of the names, which still tell when the spec or the account's defaults have changed since.
    pub names_hash: String,
    /// The same of earlier intents of this resource, whose creates may have been carried out without an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_names: Vec<String>,
    /// When the intent was recorded.
    pub time: Timestamp,
    /// Enrollments with this common name that were there before; none of them can be ours.
    #[serde(default)]
    pub existing: Vec<EnrollmentId>,
}

impl Intent {
    /// Whether an enrollment has the names of this intent or of one before it.
    #[must_use]
    pub fn has_names_of(&self, found: &Enrollment) -> bool {
        let names = desired::names_hash(&found.csr);
        names == self.names_hash || self.earlier_names.contains(&names)
    }

    /// The names of the intents that another one replaces: those of this one and of the last few before it.
    #[must_use]
    pub fn names_so_far(&self) -> Vec<String> {
        let mut names = self.earlier_names.clone();
        names.retain(|earlier| *earlier != self.names_hash);
        names.push(self.names_hash.clone());
        names.split_off(names.len().saturating_sub(8))
    }
}

/// A renewal that the user asked for by annotation. Recorded before the order, so that it is ordered once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewal {
    /// What the user wrote.
    pub before: Timestamp,
    /// Serial number of the certificate that was in production then.
    pub serial_number: String,
}

/// Something read at a time.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: T,
}

/// What was read for one certificate since the operator started. Losing it costs some calls and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The generation of `spec` that the readings were made for.
    pub generation: i64,
    /// Enrollments of the contract with our common name.
    pub list: Option<Reading<Vec<Enrollment>>>,
    /// When the answer to a create was lost.
    pub uncertain_create: Option<Timestamp>,
    /// When CPS refused a create because the common name is taken.
    pub duplicate: Option<Timestamp>,
    /// The answer to our create or to our last update.
    pub created: Option<Created>,
    /// Plans carried out for this generation of `spec`, until the enrollment was seen as wanted.
    pub updates: Vec<String>,
    /// Our enrollment; None inside when CPS does not have it.
    pub enrollment: Option<Reading<Option<Box<Enrollment>>>>,
    /// The pending change.
    pub change: Option<ChangeReading>,
    /// The challenges of the pending change.
    pub challenges: Option<Reading<Arc<Vec<DomainValidation>>>>,
    /// The warnings of the pending change.
    pub warnings: Option<Reading<Warnings>>,
    /// When warnings were last acknowledged.
    pub warnings_told: Option<Timestamp>,
    /// What waits on staging: stands for it in the acknowledgement.
    pub staged: Option<Reading<String>>,
    /// When the deployment was last acknowledged.
    pub deployment_told: Option<Timestamp>,
    /// What is deployed.
    pub deployments: Option<Reading<Arc<Deployments>>>,
    /// How often the deployments were read since the change was over.
    pub deployment_reads: u32,
    /// The last look at the names themselves.
    pub preflight: Option<Preflight>,
    /// The last self-check.
    pub probe: Option<Probe>,
    /// The last look at TXT records.
    pub records: Option<RecordsLook>,
    /// The TXT records that were written, and when.
    pub written: BTreeMap<Record, Timestamp>,
    /// The TXT records that were removed since.
    pub removed: BTreeSet<Record>,
    /// What was last found outside while the certificate was at rest.
    pub forecast: Option<Forecast>,
    /// The last acknowledgement, with the tokens that it was about.
    pub acknowledged: Option<Acknowledged>,
    /// What is left once the certificate is at rest.
    pub watched: Option<Watched>,
    /// The removal of the enrollment was accepted.
    pub removal: Option<Timestamp>,
    /// The last step failed.
    pub failure: Option<Failure>,
}

impl Memory {
    /// When our enrollment, its change or what is deployed of it was last looked at, and when CPS begins to renew. A list
    /// from before says nothing.
    #[must_use]
    pub fn last_look(&self) -> Option<Watched> {
        let enrollment = self.enrollment.as_ref();
        let looks = [
            self.watched.map(|watched| watched.at),
            self.created.as_ref().map(|created| created.at),
            self.change.as_ref().map(|reading| reading.at),
            enrollment.map(|reading| reading.at),
            self.deployments.as_ref().map(|reading| reading.at),
        ];
        let start = enrollment.and_then(|reading| reading.value.as_ref()?.auto_renewal_start_time);
        let known = self.watched.and_then(|watched| watched.renewal_start);
        looks.into_iter().flatten().max().map(|at| Watched { at, renewal_start: start.or(known) })
    }
}

/// Up to when CPS is known to do nothing with an enrollment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched {
    /// When it was last looked at.
    pub at: Timestamp,
    /// When CPS begins to renew.
    pub renewal_start: Option<Timestamp>,
}

/// The answer to a create or an update.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// When.
    pub at: Timestamp,
    /// The enrollment.
    pub enrollment: EnrollmentId,
    /// The change that it began.
    pub change: Option<ChangeId>,
    /// The generation of `spec` that it was made from.
    pub generation: i64,
}

/// A change as read.
#[derive(Clone, Debug)]
pub struct ChangeReading {
    /// Its ID.
    pub id: ChangeId,
    /// When it was read.
    pub at: Timestamp,
    /// The change; None when CPS does not know it any more.
    pub change: Option<Change>,
    /// How often it was read and found as before.
    pub unchanged: u32,
}

/// A look at the names themselves.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// When.
    pub at: Timestamp,
    /// The names, and what their ways need.
    pub targets: Vec<Target>,
    /// What is wrong, by name. Empty: everything is as it should be.
    pub failures: BTreeMap<String, String>,
    /// How many looks in a row found something, this one included.
    pub failed: u32,
}

/// A look at TXT records.
#[derive(Clone, Debug)]
pub struct RecordsLook {
    /// When.
    pub at: Timestamp,
    /// The records that were looked for.
    pub records: Vec<Record>,
    /// What is missing, by the names of the records. Empty: every name server has every value.
    pub missing: BTreeMap<String, String>,
    /// How many looks in a row found something missing, this one included.
    pub failed: u32,
}

/// A self-check.
#[derive(Clone, Debug)]
pub struct Probe {
    /// When.
    pub at: Timestamp,
    /// The tokens that were looked for, wherever they are served.
    pub tokens: Vec<Token>,
    /// What failed, by host. Empty: everything was reachable.
    pub failures: BTreeMap<String, String>,
    /// How many self-checks failed in a row, this one included.
    pub failed: u32,
}

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledged {
    /// The change.
    pub change: ChangeId,
    /// What was published.
    pub proof: Proof,
    /// When.
    pub at: Timestamp,
}

/// What CPS asks for, by the ways of the names: tokens that the solver serves, tokens that are served elsewhere, and TXT
/// records with one value each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proof {
    /// Served by the solver.
    pub tokens: Vec<Token>,
    /// Served by CPS itself, behind a redirect, or by somebody else.
    pub elsewhere: Vec<Token>,
    /// TXT records.
    pub records: Vec<Record>,
}

impl Proof {
    /// Every token, wherever it is served.
    #[must_use]
    pub fn all_tokens(&self) -> Vec<Token> {
        self.tokens.iter().chain(&self.elsewhere).cloned().collect()
    }

    /// Whether what was known of this holds for another: for what is left of it once some names are validated.
    #[must_use]
    pub fn covers(&self, other: &Proof) -> bool {
        let known = self.all_tokens();
        other.all_tokens().iter().all(|token| known.contains(token))
            && other.records.iter().all(|record| self.records.contains(record))
    }
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which step, by its name.
    pub step: &'static str,
    /// What to report.
    pub reason: Reason,
    /// What to report.
    pub message: String,
    /// Whether a human has to do something.
    pub stalled: bool,
    /// How often in a row.
    pub count: u32,
    /// Not before this time again.
    pub retry_at: Timestamp,
}

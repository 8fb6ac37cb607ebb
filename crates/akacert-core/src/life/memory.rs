//! What the operator remembers of one certificate between looks. There is one part for each lifetime, and the
//! operator forgets by dropping a part. Losing all of it costs calls, and what failed
//! is tried again at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use akamai_cps_types::{Change, ChangeId, Deployments, DomainValidation, Enrollment, EnrollmentId, Warnings};
use jiff::Timestamp;

pub use super::failures::{Failure, Failures};
use super::proof::Proof;
use super::step::Step;
use super::writes::Writes;
use crate::outside::{NameForecast, Target};
use crate::published::{Record, Token};

/// All that the operator remembers of one certificate.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Valid for one generation of `spec`.
    pub generation: OfGeneration,
    /// Valid for one create.
    pub create: OfCreate,
    /// Valid for our enrollment.
    pub enrollment: OfEnrollment,
    /// Valid for the change in progress.
    pub change: Option<OfChange>,
    /// Valid for what is published now.
    pub looks: Looks,
    /// The TXT records that the ConfigMap lists.
    pub records: OfRecords,
    /// The last check from outside. The next one replaces it.
    pub forecast: Option<Forecast>,
    /// The last write of each object in the cluster. It is kept for as long as somebody may undo it.
    pub writes: Writes,
    /// The failed steps. A failure stays until the step succeeds; at rest, until its back-off is over.
    pub failures: Failures,
}

/// Facts about one generation of `spec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfGeneration {
    /// The generation.
    pub number: i64,
    /// How many updates CPS has accepted for it.
    pub updates: usize,
}

/// Facts about the create in progress.
#[derive(Clone, Debug, Default)]
pub struct OfCreate {
    /// The enrollments with our common name.
    pub list: Option<Reading<Vec<Enrollment>>>,
    /// What happened to the last create, if it gave us no enrollment.
    pub attempt: Option<Attempt>,
}

/// A create that gave us no enrollment that we know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The answer was lost at this time.
    AnswerLost(Timestamp),
    /// CPS refused it at this time because the common name is taken.
    NameTaken(Timestamp),
}

impl OfCreate {
    /// When the answer was lost, if it was.
    #[must_use]
    pub fn answer_lost(&self) -> Option<Timestamp> {
        match self.attempt {
            Some(Attempt::AnswerLost(at)) => Some(at),
            Some(Attempt::NameTaken(_)) | None => None,
        }
    }

    /// When CPS said that the common name is taken, if it did.
    #[must_use]
    pub fn name_taken(&self) -> Option<Timestamp> {
        match self.attempt {
            Some(Attempt::NameTaken(at)) => Some(at),
            Some(Attempt::AnswerLost(_)) | None => None,
        }
    }
}

/// Facts about our enrollment.
#[derive(Clone, Debug, Default)]
pub struct OfEnrollment {
    /// The enrollment, as last read. The inner `None` means that CPS does not have it.
    pub reading: Option<Reading<Option<Box<Enrollment>>>>,
    /// The deployments, as last read.
    pub deployments: Option<DeploymentsReading>,
    /// The answer to our create or to our last update.
    pub taken: Option<Taken>,
    /// When CPS accepted the removal.
    pub removal: Option<Timestamp>,
    /// Until when CPS is known to be idle. This part is kept while the certificate rests.
    pub quiet: Option<Quiet>,
}

/// A value that was read, with the time.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<T> {
    /// When the call began.
    pub at: Timestamp,
    /// What the call returned.
    pub value: T,
}

/// The deployments that were read, with the time.
#[derive(Clone, Debug)]
pub struct DeploymentsReading {
    /// When the last call began.
    pub at: Timestamp,
    /// What the call returned.
    pub value: Arc<Deployments>,
    /// How often they were read since the change last moved.
    pub reads: u32,
}

/// The answer to a create or an update.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// When the answer came.
    pub at: Timestamp,
    /// The enrollment that CPS named in it.
    pub enrollment: EnrollmentId,
    /// The change that CPS began, if any.
    pub change: Option<ChangeId>,
    /// The generation of `spec` that we sent.
    pub generation: i64,
}

/// An idle enrollment of a certificate at rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quiet {
    /// When the operator last looked at the enrollment.
    pub at: Timestamp,
    /// When CPS will begin to renew.
    pub renewal_start: Option<Timestamp>,
}

/// Facts about one change. Another change replaces all of them.
#[derive(Clone, Debug)]
pub struct OfChange {
    /// The change's ID.
    pub id: ChangeId,
    /// When it was last read or written to.
    pub at: Timestamp,
    /// The change; `None` if CPS no longer knows it.
    pub change: Option<Box<Change>>,
    /// How often in a row it was read without having changed.
    pub unchanged: u32,
    /// The challenges that CPS offers.
    pub challenges: Option<Reading<Arc<Vec<DomainValidation>>>>,
    /// The last acknowledgement of challenges.
    pub acknowledgement: Option<Acknowledgement>,
    /// When warnings were last acknowledged.
    pub warnings_told: Option<Timestamp>,
    /// When the deployment was last acknowledged.
    pub deployment_told: Option<Timestamp>,
    /// Valid until the change moves.
    pub stop: OfStop,
}

impl OfChange {
    /// Starts with a change that was read for the first time.
    #[must_use]
    pub fn new(id: ChangeId, at: Timestamp, change: Option<Box<Change>>) -> Self {
        Self {
            id,
            at,
            change,
            unchanged: 0,
            challenges: None,
            acknowledgement: None,
            warnings_told: None,
            deployment_told: None,
            stop: OfStop::default(),
        }
    }

    /// Whether the change is complete or cancelled, or CPS no longer shows it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.change
            .as_ref()
            .is_none_or(|change| change.status_info.is_complete() || change.status_info.is_cancelled())
    }
}

/// Facts about the state in which a change has stopped.
#[derive(Clone, Debug, Default)]
pub struct OfStop {
    /// The warnings at which CPS stopped.
    pub warnings: Option<Reading<Warnings>>,
    /// The hash of what waits on staging.
    pub staged: Option<Reading<String>>,
}

/// An acknowledgement of challenges.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledgement {
    /// What was published.
    pub proof: Proof,
    /// When it was sent.
    pub at: Timestamp,
}

/// The results of checks from outside of what is published. Another change or generation of `spec` needs new ones.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// Of the names themselves: whether they meet the requirements of their ways.
    pub preflight: Option<Look<Vec<Target>>>,
    /// Of the tokens, wherever they are served. The failures are by host.
    pub probe: Option<Look<Vec<Token>>>,
    /// Of the TXT records. The failures are by the name of the record.
    pub records: Option<Look<Vec<Record>>>,
}

/// The result of a check from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Look<T> {
    /// When the check was made.
    pub at: Timestamp,
    /// What was checked.
    pub at_what: T,
    /// What was wrong, by name. Empty if nothing was.
    pub failures: BTreeMap<String, String>,
    /// How many checks in a row found something wrong, including this one.
    pub failed: u32,
}

impl<T: PartialEq> Look<T> {
    /// The next check of the same, or the first of something else.
    pub(super) fn after(
        before: Option<Self>,
        at_what: T,
        failures: BTreeMap<String, String>,
        at: Timestamp,
    ) -> Self {
        let before = before.filter(|before| before.at_what == at_what).map_or(0, |before| before.failed);
        let failed = if failures.is_empty() { 0 } else { before.saturating_add(1) };
        Self { at, at_what, failures, failed }
    }
}

/// The result of the daily check from outside.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// When the check was made.
    pub at: Timestamp,
    /// The fingerprint of the certificate that should be served.
    pub fingerprint: String,
    /// The result for each name.
    pub names: BTreeMap<String, NameForecast>,
}

/// What the operator has done to TXT records since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfRecords {
    /// The records that it wrote, and when.
    pub written: BTreeMap<Record, Timestamp>,
    /// The values that it removed since, one per record.
    pub removed: BTreeSet<Record>,
}

impl Memory {
    /// An empty memory for a generation of `spec`.
    #[must_use]
    pub fn of_generation(number: i64) -> Self {
        Self { generation: OfGeneration { number, updates: 0 }, ..Self::default() }
    }

    /// Drops what belongs to another generation of `spec`.
    pub fn for_generation(&mut self, number: i64) {
        if self.generation.number == number {
            return;
        }
        self.generation = OfGeneration { number, updates: 0 };
        self.create.list = None;
        self.create.attempt = self.create.answer_lost().map(Attempt::AnswerLost);
        self.enrollment.reading = None;
        self.enrollment.deployments = None;
        self.looks = Looks::default();
        self.failures = Failures::default();
        self.writes = Writes::default();
    }

    /// Drops everything that the next look would not use, now that the certificate is at rest. Ten thousand
    /// certificates need no memory of how they got there.
    pub fn rest(&mut self, now: Timestamp) {
        let quiet = self.last_look();
        let mut failures = std::mem::take(&mut self.failures);
        failures.rest(now);
        let mut writes = std::mem::take(&mut self.writes);
        writes.rest(now);
        *self = Self {
            generation: OfGeneration { number: self.generation.number, updates: 0 },
            enrollment: OfEnrollment { quiet, ..OfEnrollment::default() },
            // Keep failed checks too, or every look would repeat them at once.
            looks: Looks {
                preflight: self.looks.preflight.take().filter(|look| look.failed > 0),
                ..Looks::default()
            },
            forecast: self.forecast.take(),
            writes,
            failures,
            ..Self::default()
        };
    }

    /// When the operator last looked at our enrollment, its change or its deployments, and when CPS begins to renew.
    /// An earlier list says nothing new.
    #[must_use]
    pub fn last_look(&self) -> Option<Quiet> {
        let OfEnrollment { reading, deployments, taken, quiet, .. } = &self.enrollment;
        let looks = [
            quiet.map(|quiet| quiet.at),
            taken.as_ref().map(|taken| taken.at),
            self.change.as_ref().map(|change| change.at),
            reading.as_ref().map(|reading| reading.at),
            deployments.as_ref().map(|reading| reading.at),
        ];
        let start = reading.as_ref().and_then(|reading| reading.value.as_ref()?.auto_renewal_start_time);
        let known = quiet.and_then(|quiet| quiet.renewal_start);
        looks.into_iter().flatten().max().map(|at| Quiet { at, renewal_start: start.or(known) })
    }

    /// The challenges, if they were read for the change in progress.
    #[must_use]
    pub fn challenges(&self) -> Option<&Reading<Arc<Vec<DomainValidation>>>> {
        self.change.as_ref()?.challenges.as_ref()
    }

    /// The last acknowledgement of challenges for the change in progress.
    #[must_use]
    pub fn acknowledgement(&self) -> Option<&Acknowledgement> {
        self.change.as_ref()?.acknowledgement.as_ref()
    }

    /// The change with this ID, if it is the one in progress.
    pub(super) fn change_mut(&mut self, id: ChangeId) -> Option<&mut OfChange> {
        self.change.as_mut().filter(|change| change.id == id)
    }

    /// The failure that holds a step back.
    #[must_use]
    pub fn failure(&self, step: &Step) -> Option<&Failure> {
        self.failures.of(step)
    }
}

//! What is remembered of one certificate between looks, split by how long it holds, so that forgetting is dropping. All of
//! it can be lost: that costs some calls, and nothing else. Not here: what an answer changes in it (`super::absorb`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use akamai_cps_types::{Change, ChangeId, Deployments, DomainValidation, Enrollment, EnrollmentId, Warnings};
use jiff::Timestamp;

pub use super::failures::{Failure, Failures};
use super::proof::Proof;
use super::step::Step;
use super::writes::Writes;
use crate::outside::{Outlook, Target};
use crate::published::{Record, Token};

/// What is remembered of one certificate.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Holds for one generation of `spec`.
    pub generation: OfGeneration,
    /// Holds until an enrollment is recorded.
    pub create: OfCreate,
    /// Holds for our enrollment.
    pub enrollment: OfEnrollment,
    /// Holds for the change that is followed.
    pub change: Option<OfChange>,
    /// Holds for what is published now.
    pub looks: Looks,
    /// The TXT records that the ConfigMap names.
    pub records: OfRecords,
    /// The last look from outside, which the next one replaces.
    pub forecast: Option<Forecast>,
    /// What was written in the cluster. It holds for as long as somebody may undo it.
    pub writes: Writes,
    /// What failed. It holds until the step succeeds, however long the certificate rests meanwhile.
    pub failures: Failures,
}

/// What belongs to one generation of `spec`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfGeneration {
    /// Which.
    pub number: i64,
    /// How many updates CPS took for it.
    pub updates: usize,
}

/// What belongs to the create under way.
#[derive(Clone, Debug, Default)]
pub struct OfCreate {
    /// The enrollments with our common name.
    pub list: Option<Reading<Vec<Enrollment>>>,
    /// What came of the last create, where that was no enrollment.
    pub attempt: Option<Attempt>,
}

/// A create that brought no enrollment that we know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Its answer was lost at this time.
    AnswerLost(Timestamp),
    /// CPS refused it at this time, because the common name is taken.
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

/// What belongs to our enrollment.
#[derive(Clone, Debug, Default)]
pub struct OfEnrollment {
    /// The enrollment; none inside when CPS does not have it.
    pub reading: Option<Reading<Option<Box<Enrollment>>>>,
    /// What is deployed.
    pub deployments: Option<DeploymentsReading>,
    /// The answer to our create or to our last update.
    pub taken: Option<Taken>,
    /// When CPS accepted its removal.
    pub removal: Option<Timestamp>,
    /// Up to when CPS is known to do nothing with it: what is left once the certificate rests.
    pub quiet: Option<Quiet>,
}

/// Something read at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<T> {
    /// When the call was begun.
    pub at: Timestamp,
    /// What it showed.
    pub value: T,
}

/// What is deployed, as read.
#[derive(Clone, Debug)]
pub struct DeploymentsReading {
    /// When the last call was begun.
    pub at: Timestamp,
    /// What it showed.
    pub value: Arc<Deployments>,
    /// How often it was read since the change last moved.
    pub reads: u32,
}

/// The answer to a create or an update.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// When it came.
    pub at: Timestamp,
    /// The enrollment.
    pub enrollment: EnrollmentId,
    /// The change that it began.
    pub change: Option<ChangeId>,
    /// The generation of `spec` that it was made from.
    pub generation: i64,
}

/// CPS does nothing with an enrollment that rests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quiet {
    /// When the enrollment was last looked at.
    pub at: Timestamp,
    /// When CPS begins to renew.
    pub renewal_start: Option<Timestamp>,
}

/// What belongs to one change. Another change replaces all of it.
#[derive(Clone, Debug)]
pub struct OfChange {
    /// Its ID.
    pub id: ChangeId,
    /// When it was last read, or last written to.
    pub at: Timestamp,
    /// The change; none when CPS does not know it any more.
    pub change: Option<Box<Change>>,
    /// How often it was read and found as before.
    pub unchanged: u32,
    /// What CPS asks for.
    pub challenges: Option<Reading<Arc<Vec<DomainValidation>>>>,
    /// The last acknowledgement of challenges.
    pub acknowledged: Option<Acknowledged>,
    /// When warnings were last acknowledged.
    pub warnings_told: Option<Timestamp>,
    /// When the deployment was last acknowledged.
    pub deployment_told: Option<Timestamp>,
    /// Holds as long as the change does not move.
    pub stop: OfStop,
}

impl OfChange {
    /// A change that was read for the first time.
    #[must_use]
    pub fn new(id: ChangeId, at: Timestamp, change: Option<Box<Change>>) -> Self {
        Self {
            id,
            at,
            change,
            unchanged: 0,
            challenges: None,
            acknowledged: None,
            warnings_told: None,
            deployment_told: None,
            stop: OfStop::default(),
        }
    }

    /// The change is complete or cancelled, or CPS does not show it any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.change
            .as_ref()
            .is_none_or(|change| change.status_info.is_complete() || change.status_info.is_cancelled())
    }
}

/// What belongs to the place where a change stands still.
#[derive(Clone, Debug, Default)]
pub struct OfStop {
    /// The warnings that CPS stopped at.
    pub warnings: Option<Reading<Warnings>>,
    /// Stands for what waits on staging.
    pub staged: Option<Reading<String>>,
}

/// An acknowledgement of challenges.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledged {
    /// What was published.
    pub proof: Proof,
    /// When it was sent.
    pub at: Timestamp,
}

/// Looks from outside at what is published. Another change, and another generation of `spec`, need others.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// At the names themselves, for what their ways need.
    pub preflight: Option<Look<Vec<Target>>>,
    /// At the tokens, wherever they are served; what fails, by host.
    pub probe: Option<Look<Vec<Token>>>,
    /// At the TXT records; what is missing, by the names of the records.
    pub records: Option<Look<Vec<Record>>>,
}

/// A look from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Look<T> {
    /// When it was made.
    pub at: Timestamp,
    /// What was looked for.
    pub at_what: T,
    /// What was wrong, by name. Empty: nothing.
    pub failures: BTreeMap<String, String>,
    /// How many looks in a row found something wrong, this one included.
    pub failed: u32,
}

impl<T: PartialEq> Look<T> {
    /// Another look at the same, or the first at something else.
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

/// What was found outside.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// When.
    pub at: Timestamp,
    /// Fingerprint of the certificate that should be served.
    pub fingerprint: String,
    /// What each name showed.
    pub outlook: BTreeMap<String, Outlook>,
}

/// What was done to TXT records since the operator started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfRecords {
    /// Those that were written, and when.
    pub written: BTreeMap<Record, Timestamp>,
    /// The values that were removed since, each by itself.
    pub removed: BTreeSet<Record>,
}

impl Memory {
    /// Nothing is remembered but the generation.
    #[must_use]
    pub fn of_generation(number: i64) -> Self {
        Self { generation: OfGeneration { number, updates: 0 }, ..Self::default() }
    }

    /// Drops what was read for another generation of `spec`.
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

    /// The certificate is at rest: drops everything that the next look would not use anyway. Ten thousand certificates need
    /// no memory of how they got there.
    pub fn rest(&mut self, now: Timestamp) {
        let quiet = self.last_look();
        let mut failures = std::mem::take(&mut self.failures);
        failures.rest(now);
        let mut writes = std::mem::take(&mut self.writes);
        writes.rest(now);
        *self = Self {
            generation: OfGeneration { number: self.generation.number, updates: 0 },
            enrollment: OfEnrollment { quiet, ..OfEnrollment::default() },
            // Nor is a name that is not as its new way needs it looked at again at once.
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

    /// When our enrollment, its change or what is deployed of it was last looked at, and when CPS begins to renew. A list
    /// from before says nothing.
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

    /// What CPS asks for, as far as it was read for the change that is followed.
    #[must_use]
    pub fn challenges(&self) -> Option<&Reading<Arc<Vec<DomainValidation>>>> {
        self.change.as_ref()?.challenges.as_ref()
    }

    /// The last acknowledgement of challenges of the change that is followed.
    #[must_use]
    pub fn acknowledged(&self) -> Option<&Acknowledged> {
        self.change.as_ref()?.acknowledged.as_ref()
    }

    /// The change with this ID, if it is the one that is followed.
    pub(super) fn change_mut(&mut self, id: ChangeId) -> Option<&mut OfChange> {
        self.change.as_mut().filter(|change| change.id == id)
    }

    /// The failure of a step, which may not be tried before its time.
    #[must_use]
    pub fn failure(&self, step: &Step) -> Option<&Failure> {
        self.failures.of(step.name())
    }
}

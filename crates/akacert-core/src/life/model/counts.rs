//! How often each kind of step, each reason and each event occurred in the sequences that were played. The kinds come
//! from the types: what never occurs fails the test, unless `absent` says why it cannot.

use std::collections::BTreeMap;

use super::absent::NOT_IN_THE_MODEL;
use crate::events;
use crate::life::Step;
use akacert_api::reason::Reason;
use akacert_api::status::CertificateStatus;

/// Without the kind of a new step here, `Kind::of` does not compile.
macro_rules! kinds {
    ($($kind:ident)*) => {
        /// The steps, without what they are about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($kind,)* }

        impl Kind {
            const ALL: &[Kind] = &[$(Kind::$kind,)*];

            fn of(step: &Step) -> Kind {
                match step { $(Step::$kind { .. } => Kind::$kind,)* }
            }
        }
    };
}

kinds! {
    ListEnrollments Watch ReadEnrollment ReadChange ReadChallenges ReadWarnings ReadStaged ReadDeployments
    Preflight Probe CheckRecords WriteRecord RemoveRecord RecordIntent CreateEnrollment Forecast RecordEnrollment
    Publish HandOff Acknowledge UpdateEnrollment AcknowledgeWarnings AcknowledgeDeployment Schedule RecordRenewal
    ForgetEnrollment DeleteEnrollment RemoveFinalizer
}

/// What can occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    Step(Kind),
    /// A condition that is written has a reason that it did not have before.
    Reason(Reason),
    /// An event of Kubernetes.
    Event(Reason),
}

impl Seen {
    fn all() -> impl Iterator<Item = Self> {
        let steps = Kind::ALL.iter().copied().map(Seen::Step);
        let reasons = Reason::ALL.iter().copied().map(Seen::Reason);
        steps.chain(reasons).chain(events::reasons().map(Seen::Event))
    }
}

#[derive(Debug, Default)]
pub struct Counts(BTreeMap<Seen, usize>);

impl Counts {
    pub fn step(&mut self, step: &Step) {
        self.count(Seen::Step(Kind::of(step)));
    }

    /// A status that is written in place of another.
    pub fn status(&mut self, old: &CertificateStatus, new: &CertificateStatus) {
        let had = |type_: &str, reason: &str| {
            old.conditions.iter().any(|known| known.type_ == type_ && known.reason == reason)
        };
        for condition in &new.conditions {
            if !had(&condition.type_, &condition.reason) {
                self.count(Seen::Reason(reason(&condition.reason)));
            }
        }
        for event in events::between(old, new) {
            let reason = reason(&event.reason);
            self.count(Seen::Event(reason));
            // No condition ever has these.
            if matches!(reason, Reason::RenewalStarted | Reason::Renewed) {
                self.count(Seen::Reason(reason));
            }
        }
    }

    pub fn add(&mut self, other: &Counts) {
        for (seen, count) in &other.0 {
            *self.0.entry(*seen).or_default() += count;
        }
    }

    /// What is wrong with the model: what never occurred, and what `absent` calls impossible and occurred.
    pub fn faults(&self) -> Vec<String> {
        let never = Seen::all()
            .filter(|seen| !self.0.contains_key(seen) && absence(*seen).is_none())
            .map(|seen| format!("{seen:?} never occurred"));
        let after_all = self.0.keys().filter_map(|seen| {
            Some(format!("{seen:?} occurs, though NOT_IN_THE_MODEL says: {}", absence(*seen)?))
        });
        never.chain(after_all).collect()
    }

    fn count(&mut self, seen: Seen) {
        *self.0.entry(seen).or_default() += 1;
    }
}

/// A line for each that occurred.
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(seen, count)| writeln!(f, "{count:>7} {seen:?}"))
    }
}

fn absence(seen: Seen) -> Option<&'static str> {
    let row = |seen: Seen| NOT_IN_THE_MODEL.iter().find(|(absent, _)| absent.contains(&seen));
    let row = match seen {
        Seen::Event(reason) => row(seen).or(row(Seen::Reason(reason))),
        Seen::Step(_) | Seen::Reason(_) => row(seen),
    };
    row.map(|(_, why)| *why)
}

fn reason(word: &str) -> Reason {
    let found = Reason::ALL.iter().find(|reason| reason.as_str() == word);
    *found.unwrap_or_else(|| panic!("{word} is no reason of ours"))
}

//! PURE: the last write of each object in the cluster. The operator repeats a write that somebody undoes each time ever
//! more rarely. Not here: writes that fail (`super::failures`).

use std::collections::BTreeMap;

use akacert_api::reason::Reason;
use jiff::Timestamp;

use super::failures::Failure;
use super::intervals::Intervals;
use crate::published::{Kind, Write};

/// The operator repeats a write at once so often in a row, because people delete and edit objects by hand.
const AT_ONCE: u32 = 2;

/// Kind, namespace and name of an object.
type Target = (Kind, String, String);

/// The last writes, by their objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes(BTreeMap<Target, Written>);

/// The last write of one object.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    /// Hash of what was written. `None`: the object was deleted.
    content: Option<u64>,
    /// How often in a row the operator had to repeat it.
    again: u32,
    /// The operator does not repeat it before this time.
    retry_at: Timestamp,
    /// If the object stays as it is until then, the operator relies on it.
    settled_at: Timestamp,
    /// If the object stays as it is until then, the operator forgets the dispute.
    forgotten_at: Timestamp,
}

impl Written {
    fn is_disputed(&self) -> bool {
        self.again > AT_ONCE
    }

    fn trouble(&self, (kind, namespace, name): &Target, retry_at: Timestamp) -> Failure {
        let message = format!(
            "{kind} {namespace}/{name} is changed back each time that it is written: find out by whom (kubectl get \
             --show-managed-fields)"
        );
        Failure { reason: Reason::Overruled, message, count: self.again, retry_at }
    }
}

impl Writes {
    /// Records a write that succeeded.
    pub(super) fn written(&mut self, write: &Write, at: Timestamp, intervals: Intervals) {
        let (kind, namespace, name) = write.target();
        let key = (kind, namespace.to_owned(), name.to_owned());
        let content = write.content();
        let before = self.0.get(&key).filter(|before| before.content == content && at < before.forgotten_at);
        let again = before.map_or(0, |before| before.again.saturating_add(1));
        let after = |wait| at.checked_add(wait).unwrap_or(Timestamp::MAX);
        let retry_at = if again < AT_ONCE { at } else { after(intervals.after_failure(again - AT_ONCE + 1)) };
        let settled_at = after(intervals.settling());
        let forgotten_at = after(intervals.after_dispute());
        self.0.insert(key, Written { content, again, retry_at, settled_at, forgotten_at });
    }

    /// Why a write has to wait, and until when: the operator has done it before, and somebody has undone it.
    #[must_use]
    pub(super) fn held(&self, write: &Write, now: Timestamp) -> Option<Failure> {
        let (kind, namespace, name) = write.target();
        let key = (kind, namespace.to_owned(), name.to_owned());
        let last = self.0.get(&key).filter(|last| last.content == write.content() && now < last.retry_at)?;
        Some(last.trouble(&key, last.retry_at))
    }

    /// A disputed object whose last write is only some moments old.
    #[must_use]
    pub(super) fn unsettled(&self, now: Timestamp) -> Option<Failure> {
        let (key, last) =
            self.disputes(now).find(|(key, last)| key.0 != Kind::Handoff && now < last.settled_at)?;
        Some(last.trouble(key, last.settled_at))
    }

    /// A disputed object of one of these kinds.
    #[must_use]
    pub(super) fn disputed(&self, now: Timestamp, counts: impl Fn(Kind) -> bool) -> Option<Failure> {
        let (key, last) = self.disputes(now).find(|(key, _)| counts(key.0))?;
        Some(last.trouble(key, last.forgotten_at))
    }

    fn disputes(&self, now: Timestamp) -> impl Iterator<Item = (&Target, &Written)> {
        self.0.iter().filter(move |(_, last)| last.is_disputed() && now < last.forgotten_at)
    }

    /// Forgets disputes that are over.
    pub(super) fn rest(&mut self, now: Timestamp) {
        self.0.retain(|_, last| now < last.forgotten_at);
    }
}

//! PURE: what is published for a certificate and when it goes: what the pending change needs, and what stands for the life
//! of the certificate. Not here: which requests that takes (`crate::published`), whether it can be reached (`reaching`).

use std::collections::BTreeSet;

use super::draft::{Draft, Progress};
use super::memory::Failure;
use super::ours::has_finalizer;
use super::proof::Proof;
use super::reaching;
use super::{Next, Pause, Snapshot, Step, is_ready};
use crate::account;
use crate::published::{self, Blocked, Content, Kind, Record, Redirection, Wanted, Write};
use akacert_api::reason::Reason;
use jiff::Timestamp;

/// A resource that is being deleted waits for so many tries to remove a TXT record.
const TRIES: u32 = 3;

/// What stands for the life of the certificate, as it is and as it should be. Planned once a look.
pub(super) struct Standing {
    /// What the certificate's ConfigMap has.
    content: Content,
    /// What stands, and what stood and still has to.
    wanted: Wanted,
    /// The requests that are missing until all of it stands.
    missing: Result<Vec<Write>, Blocked>,
    /// The requests that remove everything else.
    surplus: Vec<Write>,
}

impl Standing {
    pub(super) fn of(s: &Snapshot<'_>) -> Self {
        let content = content(s);
        let surplus = removal(s, &Wanted::standing());
        let kept = kept(s, &content, &surplus);
        let wanted = Wanted { kept, ..Wanted::standing() };
        // What the kept redirects need is no surplus.
        let surplus = if wanted.kept.is_empty() { surplus } else { removal(s, &wanted) };
        let missing = published::plan(s.certificate, &wanted, s.published, s.publishing);
        Self { content, wanted, missing, surplus }
    }

    /// Whether nothing else is published.
    pub(super) fn is_all(&self) -> bool {
        self.surplus.is_empty() && self.content.records.is_empty() && self.content.tokens.is_empty()
    }
}

/// What is published now, by the certificate's ConfigMap.
fn content(s: &Snapshot<'_>) -> Content {
    s.published.config_map.as_deref().map(published::content_of).unwrap_or_default()
}

fn removal(s: &Snapshot<'_>, wanted: &Wanted) -> Vec<Write> {
    published::plan_removal(s.certificate, wanted, s.published, s.publishing)
}

/// What the solver redirects for an Ingress that stood, as long as that is there: it goes first.
fn kept(s: &Snapshot<'_>, content: &Content, surplus: &[Write]) -> Vec<Redirection> {
    let stands = surplus
        .iter()
        .any(|write| write.target().0 == Kind::Ingress && published::is_standing(write, s.published));
    if stands { content.redirects.iter().cloned().collect() } else { Vec::new() }
}

/// Everything that the change needs is published. What rotated away stays until the change has completed, but for TXT
/// values of long ago.
pub(super) fn published(s: &Snapshot<'_>, d: &mut Draft, proof: &Proof) -> Result<(), Next> {
    let old = content(s);
    let kept = kept(s, &old, &removal(s, &Wanted::standing()));
    // Somebody may have deleted the ConfigMap: what was written since the start is remembered twice.
    let records = &s.memory.records;
    let known = old.records.into_iter().chain(records.written.keys().cloned());
    // The ConfigMap need not list values that are no longer in DNS.
    let known: Vec<Record> = known.map(|record| record.without(&records.removed)).collect();
    let wanted = Wanted {
        tokens: published::keep(old.tokens, &proof.tokens),
        records: published::keep_records(known, &proof.records),
        kept,
        ..Wanted::standing()
    };
    match published::plan(s.certificate, &wanted, s.published, s.publishing) {
        Ok(writes) => match writes.into_iter().next() {
            Some(write) => {
                d.not_done(
                    Progress::ChallengesPublished,
                    Reason::WaitingForChallenges,
                    "The tokens are being published",
                );
                Err(Next::Do(Step::Publish(Box::new(write))))
            }
            None => {
                stays(s, d)?;
                rotated_away_removed(s, &wanted.records, proof)
            }
        },
        Err(blocked) => {
            report(d, &blocked);
            Err(Next::Pause(Pause::UntilEvent))
        }
    }
}

/// No disputed object was written only some moments ago.
fn stays(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    let Some(undone) = s.memory.writes.unsettled(s.now) else { return Ok(()) };
    d.not_done(Progress::ChallengesPublished, undone.reason, undone.message);
    Err(Next::Pause(Pause::Until(undone.retry_at)))
}

/// Old TXT values are removed, one at a time. If the operator cannot remove one, it goes on and tries again later.
fn rotated_away_removed(s: &Snapshot<'_>, known: &[Record], proof: &Proof) -> Result<(), Next> {
    if s.memory.failures.of(Step::REMOVE_RECORD).is_some_and(|failure| s.now < failure.retry_at) {
        return Ok(());
    }
    let ours: Vec<Record> = known.iter().filter(|record| record.by.is_ours()).cloned().collect();
    match published::rotated_away(&ours, &proof.records, &s.memory.records.written) {
        Some(record) => Err(Next::Do(Step::RemoveRecord(Box::new(record)))),
        None => Ok(()),
    }
}

fn report(d: &mut Draft, blocked: &Blocked) {
    d.not_done(Progress::ChallengesPublished, blocked.reason(), blocked.to_string());
}

/// What stands for the life of the certificate stands, whatever CPS does. It needs no call of CPS, and what somebody
/// deletes comes back. Answers what is in the way, where a certificate is Ready all the same.
pub(super) fn stands(s: &Snapshot<'_>, d: &mut Draft, standing: &Standing) -> Result<Option<Failure>, Next> {
    // Names that the account does not allow are not published.
    let allowed = matches!(s.account, account::View::Ready(_));
    if !allowed || !has_finalizer(s) || s.spec().observes() {
        return Ok(None);
    }
    let missing = match &standing.missing {
        Ok(missing) if missing.is_empty() => Ok(Vec::new()),
        _ => {
            // Tokens and records of a pending change stay in the ConfigMap; what leads to them is not looked at here.
            let held = Content { redirects: BTreeSet::new(), ..standing.content.clone() };
            let wanted = Wanted { held, ..standing.wanted.clone() };
            published::plan(s.certificate, &wanted, s.published, s.publishing)
        }
    };
    match missing.map(|writes| writes.into_iter().next()) {
        Ok(None) => Ok(s.memory.writes.disputed(s.now, |kind| kind != Kind::Handoff).filter(|_| is_ready(s))),
        Ok(Some(write)) => {
            let step = Step::Publish(Box::new(write));
            match super::held(s, &step).filter(|_| is_ready(s)) {
                Some(held) => Ok(Some(held)),
                None => Err(Next::Do(step)),
            }
        }
        Err(blocked) if is_ready(s) => {
            // A kind that the cluster gets wakes nobody.
            let retry_at = s.now.checked_add(s.intervals.while_stalled()).unwrap_or(Timestamp::MAX);
            Ok(Some(Failure { reason: blocked.reason(), message: blocked.to_string(), count: 1, retry_at }))
        }
        Err(blocked) => {
            report(d, &blocked);
            Err(s.pause(s.intervals.while_stalled()))
        }
    }
}

/// The change is over: what was published for it goes. What stood goes once what stands in its place is proven.
pub(super) fn nothing_for_the_change(
    s: &Snapshot<'_>,
    d: &mut Draft,
    standing: &Standing,
) -> Result<(), Next> {
    records_removed(s)?;
    let stood = |write: &&Write| published::is_standing(write, s.published);
    let publish = |write: &Write| Err(Next::Do(Step::Publish(Box::new(write.clone()))));
    // A ConfigMap that stays loses its tokens before their routes go: by them a route would be wanted again.
    if let Some(write) = standing.missing.iter().flatten().next() {
        return publish(write);
    }
    if let Some(write) = standing.surplus.iter().find(|write| !stood(write)) {
        return publish(write);
    }
    if let Some(write) = standing.surplus.iter().find(stood) {
        reaching::successor_stands(s, d)?;
        return publish(write);
    }
    reaching::succeeded(s, d);
    Ok(())
}

/// The resource is being deleted: everything goes. TXT records that cannot be removed are left after some tries.
pub(super) fn nothing_at_all(s: &Snapshot<'_>) -> Result<(), Next> {
    let given_up = s.memory.failures.of(Step::REMOVE_RECORD).is_some_and(|failure| failure.count >= TRIES);
    if !given_up {
        records_removed(s)?;
    }
    match removal(s, &Wanted::default()).into_iter().next() {
        Some(write) => Err(Next::Do(Step::Publish(Box::new(write)))),
        None => Ok(()),
    }
}

/// No TXT record of ours is left. The ConfigMap remembers them until then.
fn records_removed(s: &Snapshot<'_>) -> Result<(), Next> {
    let removed = &s.memory.records.removed;
    let left = content(s).records.into_iter().map(|record| record.without(removed));
    match left.into_iter().find(|record| !record.values.is_empty()) {
        Some(record) => Err(Next::Do(Step::RemoveRecord(Box::new(record)))),
        None => Ok(()),
    }
}

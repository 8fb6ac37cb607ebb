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

    /// The requests that are missing, whatever a pending change publishes beside.
    fn missing(&self, s: &Snapshot<'_>) -> Result<Vec<Write>, Blocked> {
        if self.missing.as_ref().is_ok_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        // Tokens and records of the change stay in the ConfigMap; what leads to them is not looked at here.
        let held = Content { redirects: BTreeSet::new(), ..self.content.clone() };
        published::plan(s.certificate, &Wanted { held, ..self.wanted.clone() }, s.published, s.publishing)
    }

    /// What a change publishes beside, if some of what stands cannot be written: the ConfigMap keeps its redirects.
    fn beside(&self) -> Wanted {
        Wanted { kept: self.content.redirects.iter().cloned().collect(), ..Wanted::default() }
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
    let standing = Standing::of(s);
    // What stands comes first (`stands`). If some of it cannot be written, the change goes on without it.
    let beside = if standing.missing(s).is_ok_and(|missing| missing.is_empty()) {
        standing.wanted
    } else {
        standing.beside()
    };
    let old = standing.content;
    // Somebody may have deleted the ConfigMap: what was written since the start is remembered twice.
    let records = &s.memory.records;
    let known = old.records.into_iter().chain(records.written.keys().cloned());
    // The ConfigMap need not list values that are no longer in DNS.
    let known: Vec<Record> = known.map(|record| record.without(&records.removed)).collect();
    let wanted = Wanted {
        tokens: published::keep(old.tokens, &proof.tokens),
        records: published::keep_records(known, &proof.records),
        ..beside
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
    if s.memory.failures.named(Step::REMOVE_RECORD).is_some_and(|failure| s.now < failure.retry_at) {
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
    match standing.missing(s).map(|writes| first(s, &writes).cloned()) {
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

/// The first write to do. What serves comes before what leads to it; of what leads there, one that is held keeps no other
/// back.
fn first<'a>(s: &Snapshot<'_>, writes: &'a [Write]) -> Option<&'a Write> {
    let serves =
        |write: &Write| matches!(write.target().0, Kind::ConfigMap | Kind::Service | Kind::EndpointSlice);
    let is_held = |write: &Write| super::held(s, &Step::Publish(Box::new(write.clone()))).is_some();
    writes.iter().find(|write| serves(write) || !is_held(write)).or(writes.first())
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
    // A ConfigMap that stays loses its tokens before their routes go: by them a route would be wanted again. What is
    // missing besides came first (`stands`): it cannot be written now, and holds nothing up.
    let is_config_map = |write: &&Write| write.target().0 == Kind::ConfigMap;
    let missing = standing.missing.clone().or_else(|_| {
        let beside = standing.beside();
        published::plan(s.certificate, &beside, s.published, s.publishing)
    });
    if let Some(write) = missing.iter().flatten().find(is_config_map) {
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
    let given_up = s.memory.failures.named(Step::REMOVE_RECORD).is_some_and(|failure| failure.count >= TRIES);
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

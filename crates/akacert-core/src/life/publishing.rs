//! PURE: what is published for a certificate and when it goes: what the pending change needs, and what stands for the life
//! of the certificate. Not here: which requests that takes (`crate::published`), whether it can be reached (`reaching`).

use super::draft::{Draft, Progress};
use super::ours::has_finalizer;
use super::proof::Proof;
use super::reaching;
use super::{Next, Pause, Snapshot, Step, is_ready};
use crate::account;
use crate::published::{self, Blocked, Content, Kind, Redirection, Wanted};
use akacert_api::reason::Reason;
use akacert_api::status::condition;

/// A resource that is being deleted waits for so many tries to remove a TXT record.
const TRIES: u32 = 3;

/// What is published now, by the certificate's ConfigMap.
fn content(s: &Snapshot<'_>) -> Content {
    s.published.config_map.as_deref().map(published::published).unwrap_or_default()
}

/// What stands for the life of the certificate, and what stood and still has to.
fn standing(s: &Snapshot<'_>) -> Wanted {
    Wanted { kept: kept(s), ..Wanted::standing() }
}

/// What the solver redirects for an Ingress that stood, as long as that is there: it goes first.
fn kept(s: &Snapshot<'_>) -> Vec<Redirection> {
    let removed = published::plan_removal(s.certificate, &Wanted::standing(), s.published, s.publishing);
    let stands = removed
        .iter()
        .any(|write| write.target().0 == Kind::Ingress && published::is_standing(write, s.published));
    if stands { content(s).redirects.into_iter().collect() } else { Vec::new() }
}

/// Everything that the change needs is published; what rotated away stays until the change has completed.
pub(super) fn published(s: &Snapshot<'_>, d: &mut Draft, proof: &Proof) -> Result<(), Next> {
    let old = content(s);
    // Somebody may have deleted the ConfigMap: what was written since the start is remembered twice.
    let written = s.memory.records.written.keys().cloned();
    let wanted = Wanted {
        tokens: published::keep(old.tokens, &proof.tokens),
        records: published::keep_records(old.records.into_iter().chain(written), &proof.records),
        kept: kept(s),
        standing: true,
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
            None => Ok(()),
        },
        Err(blocked) => {
            report(d, &blocked);
            Err(Next::Pause(Pause::UntilEvent))
        }
    }
}

fn report(d: &mut Draft, blocked: &Blocked) {
    d.not_done(Progress::ChallengesPublished, blocked.reason(), blocked.to_string());
}

/// What stands for the life of the certificate stands, whatever CPS does. It needs no call of CPS, and what somebody
/// deletes comes back.
pub(super) fn stands(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    // Names that the account does not allow are not published.
    let allowed = matches!(s.account, account::View::Ready(_));
    if !allowed || !has_finalizer(s) || s.spec().observes() {
        return Ok(());
    }
    let old = content(s);
    // Tokens and records of a pending change stay as they are.
    let wanted = Wanted {
        tokens: old.tokens.into_iter().collect(),
        records: old.records.into_iter().collect(),
        kept: kept(s),
        standing: true,
    };
    let standing = published::plan(s.certificate, &standing(s), s.published, s.publishing);
    if matches!(&standing, Ok(writes) if writes.is_empty()) {
        return Ok(());
    }
    match published::plan(s.certificate, &wanted, s.published, s.publishing) {
        Ok(writes) => match writes.into_iter().next() {
            Some(write) => Err(Next::Do(Step::Publish(Box::new(write)))),
            None => Ok(()),
        },
        Err(blocked) if is_ready(s) => {
            d.beside(condition::RENEWAL_READY, false, blocked.reason(), blocked.to_string());
            Ok(())
        }
        Err(blocked) => {
            report(d, &blocked);
            // A kind that the cluster gets wakes nobody.
            Err(s.pause(s.schedule.while_stalled()))
        }
    }
}

/// Whether nothing is published but what stands.
pub(super) fn only_stands(s: &Snapshot<'_>) -> bool {
    let wanted = Wanted::standing();
    content(s).records.is_empty()
        && published::plan_removal(s.certificate, &wanted, s.published, s.publishing).is_empty()
        && content(s).tokens.is_empty()
}

/// The change is over: what was published for it goes. What stood goes once what stands in its place is proven.
pub(super) fn nothing_for_the_change(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    records_removed(s)?;
    let wanted = standing(s);
    let writes = published::plan_removal(s.certificate, &wanted, s.published, s.publishing);
    let (standing, others): (Vec<_>, Vec<_>) =
        writes.into_iter().partition(|write| published::is_standing(write, s.published));
    // A ConfigMap that stays loses its tokens before their routes go: by them a route would be wanted again.
    if let Ok(writes) = published::plan(s.certificate, &wanted, s.published, s.publishing)
        && let Some(write) = writes.into_iter().next()
    {
        return Err(Next::Do(Step::Publish(Box::new(write))));
    }
    if let Some(write) = others.into_iter().next() {
        return Err(Next::Do(Step::Publish(Box::new(write))));
    }
    if let Some(write) = standing.into_iter().next() {
        reaching::successor_stands(s, d)?;
        return Err(Next::Do(Step::Publish(Box::new(write))));
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
    let writes = published::plan_removal(s.certificate, &Wanted::default(), s.published, s.publishing);
    match writes.into_iter().next() {
        Some(write) => Err(Next::Do(Step::Publish(Box::new(write)))),
        None => Ok(()),
    }
}

/// No TXT record of ours is left. The ConfigMap remembers them until then.
fn records_removed(s: &Snapshot<'_>) -> Result<(), Next> {
    match content(s).records.into_iter().find(|record| !s.memory.records.removed.contains(record)) {
        Some(record) => Err(Next::Do(Step::RemoveRecord(Box::new(record)))),
        None => Ok(()),
    }
}

//! PURE: whether the authority would find what is published: names that meet the requirements of their ways
//! (preflight), every token, every TXT record. The operator acknowledges nothing before that.

use std::collections::BTreeMap;

use super::draft::{Draft, Progress};
use super::memory::Look;
use super::proof::Proof;
use super::{Next, Pause, Snapshot, Step};
use crate::outside::Target;
use crate::published::{By, Record, Token};
use akacert_api::reason::Reason;
use akacert_api::status::{self, condition};

/// This many failed self-checks in a row count as trouble. Before that, the Ingress controller is probably still
/// catching up.
const TROUBLE: u32 = 4;

/// The text for a standing object whose replacement is not proven yet.
const STAYS: &str = "What it replaces stays until then";

/// Checks that everything is as the authority needs it. Returns when to check again.
pub(super) fn reachable(s: &Snapshot<'_>, d: &mut Draft, proof: &Proof) -> Result<Pause, Next> {
    if !s.spec().self_check() {
        d.without(condition::PREFLIGHT_PASSED);
        records_written(s, d, proof)?;
        d.done(Progress::ChallengesReachable, Reason::SelfCheckOff, "validation.selfCheck is Off");
        return Ok(Pause::UntilEvent);
    }
    let looked = preflight(s, d);
    // A Gateway that refuses a redirect explains more than a name that does not redirect.
    if !matches!(looked, Err(Next::Do(Step::Preflight(_)))) {
        routes_accepted(s, d)?;
    }
    looked?;
    records_written(s, d, proof)?;
    let again = records_found(s, d, proof)?;
    tokens_fetched(s, d, proof).map_err(|next| no_later(next, again))?;
    d.done(Progress::ChallengesReachable, Reason::ChallengesReachable, found(proof));
    Ok(again)
}

/// The records are checked in time, whatever the tokens wait for.
fn no_later(next: Next, look: Pause) -> Next {
    match next {
        Next::Pause(pause) => Next::Pause(pause.min(look)),
        Next::Do(step) => Next::Do(step),
    }
}

fn found(proof: &Proof) -> String {
    let mut found = Vec::new();
    if !proof.tokens.is_empty() {
        found.push("Every token was fetched, from each solver replica and by its public URL".to_owned());
    }
    if !proof.elsewhere.is_empty() {
        found.push("Every redirect led to its token".to_owned());
    }
    if !proof.records.is_empty() {
        found.push("Every TXT record was found on each name server of its zone".to_owned());
    }
    if found.is_empty() {
        found.push("Every name is CNAMEd to Akamai".to_owned());
    }
    found.join("; ")
}

/// Checks that each name meets the requirements of its way.
fn preflight(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    let targets = Target::all(s.spec());
    let Some(last) = s.memory.looks.preflight.as_ref().filter(|last| last.at_what == targets) else {
        d.not_done(
            Progress::ChallengesReachable,
            Reason::ChallengesPublished,
            "The names have not been looked at yet",
        );
        return Err(Next::Do(Step::Preflight(targets)));
    };
    for domain in &mut d.status.domains {
        let failure = last.failures.get(&domain.name);
        domain.preflight =
            Some(if failure.is_none() { status::Preflight::Passed } else { status::Preflight::Failed });
        if let Some(failure) = failure {
            domain.error = Some(failure.clone());
        }
    }
    if last.failures.is_empty() {
        let message = "Every name is as its way of validation needs it".to_owned();
        d.beside(condition::PREFLIGHT_PASSED, true, Reason::PreflightPassed, message);
        return Ok(());
    }
    let message = summary(&last.failures.iter().collect());
    d.beside(condition::PREFLIGHT_PASSED, false, Reason::PreflightFailed, message.clone());
    d.not_done(Progress::ChallengesReachable, Reason::PreflightFailed, message);
    let again = s.until(last.at, s.intervals.self_check(last.failed));
    Err(if again.is_zero() { Next::Do(Step::Preflight(targets)) } else { s.pause(again) })
}

/// Checks that the Gateways serve our routes.
fn routes_accepted(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    let Some(trouble) = s.route_trouble() else { return Ok(()) };
    // The route's status has the Gateway's answer. A change of it wakes this certificate.
    let read_at = s.memory.challenges().map_or(s.now, |reading| reading.at);
    let patience = s.until(read_at, s.intervals.unchecked());
    let patient = trouble.is_silence && !patience.is_zero();
    let reason = if patient { Reason::ChallengesPublished } else { Reason::RouteNotAccepted };
    d.not_done(Progress::ChallengesReachable, reason, trouble.message);
    Err(if patient { s.pause(patience) } else { Next::Pause(Pause::UntilEvent) })
}

/// Checks that every token was fetched as the authority would fetch it.
fn tokens_fetched(s: &Snapshot<'_>, d: &mut Draft, proof: &Proof) -> Result<(), Next> {
    let tokens = proof.all_tokens();
    if tokens.is_empty() {
        return Ok(());
    }
    let probe =
        |explain| Step::Probe { tokens: proof.tokens.clone(), elsewhere: proof.elsewhere.clone(), explain };
    if !proof.tokens.is_empty() && s.published.solver.is_empty() {
        d.not_done(
            Progress::ChallengesReachable,
            Reason::SolverNotReady,
            format!(
                "No replica of the solver is ready: look at the Deployment behind Service {}/{}",
                s.publishing.operator_namespace, s.publishing.solver_service
            ),
        );
        // The solver's EndpointSlices wake this certificate.
        return Err(Next::Pause(Pause::UntilEvent));
    }
    let known = |last: &&Look<Vec<Token>>| tokens.iter().all(|token| last.at_what.contains(token));
    let Some(last) = s.memory.looks.probe.as_ref().filter(known) else {
        d.not_done(
            Progress::ChallengesReachable,
            Reason::ChallengesPublished,
            "The tokens have not been fetched yet",
        );
        return Err(probe(false).into());
    };
    let failures: BTreeMap<_, _> =
        last.failures.iter().filter(|(host, _)| tokens.iter().any(|token| token.host == **host)).collect();
    if failures.is_empty() {
        return Ok(());
    }
    for domain in &mut d.status.domains {
        if let Some(failure) = failures.get(&domain.name) {
            domain.error = Some((*failure).clone());
        }
    }
    let reason = if last.failed < TROUBLE { Reason::ChallengesPublished } else { Reason::SelfCheckFailed };
    d.not_done(Progress::ChallengesReachable, reason, summary(&failures));
    let again = s.until(last.at, s.intervals.self_check(last.failed));
    Err(if again.is_zero() { Next::Do(probe(last.failed > 0)) } else { s.pause(again) })
}

/// Checks that the TXT records that we write ourselves are written.
fn records_written(s: &Snapshot<'_>, d: &mut Draft, proof: &Proof) -> Result<(), Next> {
    let missing = proof.records.iter().filter(|record| record.by.is_ours()).find(|record| {
        let written = s.memory.records.written.get(*record);
        // If a record has disappeared since, somebody deleted it: write it again.
        let lost = s.memory.looks.records.as_ref().is_some_and(|look| {
            look.failures.contains_key(&record.name)
                && written.is_some_and(|at| *at < look.at && s.is_due(*at, s.intervals.records() / 2))
        });
        written.is_none() || lost
    });
    if let Some(record) = missing {
        d.not_done(
            Progress::ChallengesReachable,
            Reason::ChallengesPublished,
            format!("The TXT record {} is being written", record.name),
        );
        return Err(Next::Do(Step::WriteRecord(Box::new(record.clone()))));
    }
    Ok(())
}

/// Restores what somebody deletes while CPS and the authority work.
pub(super) fn records_stay(s: &Snapshot<'_>, d: &mut Draft, proof: &Proof) -> Result<Pause, Next> {
    if !s.spec().self_check() {
        return Ok(Pause::UntilEvent);
    }
    records_written(s, d, proof)?;
    records_found(s, d, proof)
}

/// Checks that each name server of the zones has every TXT record.
fn records_found(s: &Snapshot<'_>, d: &mut Draft, proof: &Proof) -> Result<Pause, Next> {
    if proof.records.is_empty() {
        return Ok(Pause::UntilEvent);
    }
    let check = Step::CheckRecords(proof.records.clone());
    let known = |look: &&Look<Vec<Record>>| proof.records.iter().all(|record| look.at_what.contains(record));
    let Some(look) = s.memory.looks.records.as_ref().filter(known) else {
        d.not_done(
            Progress::ChallengesReachable,
            Reason::ChallengesPublished,
            "The TXT records have not been looked for yet",
        );
        return Err(check.into());
    };
    let missing: BTreeMap<_, _> =
        look.failures.iter().filter(|(name, _)| proof.records.iter().any(|r| r.name == **name)).collect();
    if missing.is_empty() {
        let again = s.until(look.at, s.intervals.records());
        return if again.is_zero() { Err(check.into()) } else { Ok(s.later(again)) };
    }
    for domain in &mut d.status.domains {
        let record = record_name(&domain.name);
        if let Some(failure) = missing.get(&record) {
            domain.error = Some((*failure).clone());
        }
    }
    // Name servers need a moment to follow. Somebody who has to create records by hand is told at once.
    let manual = proof.records.iter().any(|record| record.by == By::Manual);
    let patient = !manual && look.failed < TROUBLE;
    let reason = if patient { Reason::ChallengesPublished } else { Reason::RecordMissing };
    d.not_done(Progress::ChallengesReachable, reason, hint(summary(&missing), &proof.records));
    // However long one record is missing, another that somebody deletes comes back just as fast.
    let again = s.until(look.at, s.intervals.self_check(look.failed).min(s.intervals.records()));
    Err(if again.is_zero() { Next::Do(check) } else { s.pause(again) })
}

fn record_name(name: &str) -> String {
    format!("_acme-challenge.{}", name.strip_prefix("*.").unwrap_or(name))
}

/// Says who has to act if we do not write the records.
fn hint(message: String, records: &[Record]) -> String {
    let manual = records.iter().any(|record| record.by == By::Manual);
    let external = records.iter().any(|record| matches!(record.by, By::DnsEndpoint(_)));
    match (manual, external) {
        (true, _) => format!("{message}. Create the TXT records that status.domains shows (dns01.manual)"),
        (false, true) => {
            format!("{message}. external-dns makes them from the DNSEndpoint; look at its log if it lasts")
        }
        (false, false) => message,
    }
}

/// Checks that the replacement of a standing object works as the authority needs it.
pub(super) fn successor_stands(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    let targets = Target::all(s.spec());
    let last = s.memory.looks.preflight.as_ref().filter(|last| last.at_what == targets);
    let Some(last) = last else { return Err(Next::Do(Step::Preflight(targets))) };
    let trouble = s.route_trouble();
    let failures: BTreeMap<_, _> = last.failures.iter().collect();
    let message = match (failures.is_empty(), trouble) {
        (true, None) => return Ok(()),
        (true, Some(trouble)) => trouble.message,
        (false, _) => summary(&failures),
    };
    let message = format!("{STAYS}: {message}");
    d.beside(condition::RENEWAL_READY, false, Reason::RenewalWouldFail, message);
    // The certificate is at rest, where each look costs calls of CPS. So look often only while something may be
    // catching up.
    let catching_up = (1..TROUBLE).contains(&last.failed);
    let interval =
        if catching_up { s.intervals.self_check(last.failed) } else { s.intervals.while_stalled() };
    let again = s.until(last.at, interval);
    Err(if again.is_zero() { Next::Do(Step::Preflight(targets)) } else { s.pause(again) })
}

/// The replacement is in place: clear the message that said it was not.
pub(super) fn succeeded(s: &Snapshot<'_>, d: &mut Draft) {
    let told =
        s.certificate.status.as_ref().and_then(|status| {
            akacert_api::condition_set::find(&status.conditions, condition::RENEWAL_READY)
        });
    if told.is_some_and(|told| told.message.starts_with(STAYS)) {
        let message = "Every name is as the next renewal needs it".to_owned();
        d.beside(condition::RENEWAL_READY, true, Reason::RenewalReady, message);
    }
}

/// Each failure once, with the names that have it.
pub(super) fn summary(failures: &BTreeMap<&String, &String>) -> String {
    let mut names = BTreeMap::<&str, Vec<&str>>::new();
    for (name, failure) in failures {
        names.entry(failure).or_default().push(name);
    }
    names
        .iter()
        .map(|(failure, names)| format!("{}: {failure}", names.join(", ")))
        .collect::<Vec<_>>()
        .join("; ")
}

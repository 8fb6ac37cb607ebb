//! PURE: while CPS asks for challenges: publish every token, check that each can be fetched, acknowledge, wait.
//! Not here: what publishing writes (`crate::publish`), how a token is fetched (`crate::probe`).

use std::collections::BTreeMap;
use std::time::Duration;

use akamai_cps::types::{ChallengeType, ChangeId, DomainValidation, EnrollmentId};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::draft::{Draft, Progress};
use super::following::{whole_second, writable};
use super::snapshot::{Acknowledged, ChangeReading};
use super::{Snapshot, Step};
use crate::accounts::Account;
use crate::allowed;
use crate::api::reason::Reason;
use crate::api::status::{ChallengeStatus, DomainStatus};
use crate::publish::{self, Blocked, Token};

/// From this many failed self-checks in a row on it is trouble: before, the Ingress controller is just catching up.
const TROUBLE: u32 = 4;

/// The next step towards validated names. CPS is looked at again after `next_look`, whatever happens here.
pub fn validated(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    change: &ChangeReading,
    next_look: Duration,
) -> Step {
    match steps(s, d, account, id, change) {
        Ok(()) => Step::Wait { again: Some(next_look) },
        Err(Step::Wait { again }) => {
            Step::Wait { again: Some(again.map_or(next_look, |again| again.min(next_look))) }
        }
        Err(step) => step,
    }
}

fn steps(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    change: &ChangeReading,
) -> Result<(), Step> {
    let domains = challenges(s, id, change)?;
    d.status.domains = domains.iter().map(|domain| shown(s, domain)).collect();
    let tokens = tokens(domains, account);
    if !is_complete(domains) {
        d.waiting(
            Progress::ChallengesPublished,
            Reason::WaitingForChallenges,
            "CPS asks for the challenges, but has not offered a token for every name yet",
        );
    }
    published(s, d, &tokens)?;
    if !is_complete(domains) {
        return Ok(());
    }
    d.done(
        Progress::ChallengesPublished,
        Reason::ChallengesPublished,
        format!("{} tokens are published by Ingress {}", tokens.len(), publish::ingress_name(s.certificate)),
    );
    reachable(s, d, &tokens)?;
    let told = acknowledged(s, d, account, id, change.id, tokens)?;
    let left: Vec<&str> =
        domains.iter().filter(|domain| !domain.is_validated()).map(|domain| domain.domain.as_str()).collect();
    d.waiting(
        Progress::DomainsValidated,
        Reason::WaitingForValidation,
        format!("CPS was told at {told:.0} that the tokens are published; it and the certificate authority are validating {}", left.join(", ")),
    );
    Ok(())
}

/// The challenges on offer. Read anew when they may have rotated, and with each look while some are missing.
fn challenges<'a>(
    s: &'a Snapshot<'_>,
    id: EnrollmentId,
    change: &ChangeReading,
) -> Result<&'a [DomainValidation], Step> {
    let read = Step::ReadChallenges(id, change.id);
    let Some(reading) = &s.memory.challenges else { return Err(read) };
    let expired = reading.value.iter().any(|domain| {
        !domain.is_validated()
            && domain.expires.is_some_and(|expires| expires <= s.now && reading.at < expires)
    });
    let incomplete = !is_complete(&reading.value) && reading.at < change.at;
    // A failed authorization is followed by another order, with other tokens.
    let asked_again =
        s.memory.acknowledged.as_ref().is_some_and(|told| reading.at < told.at && told.at < change.at);
    if expired || incomplete || asked_again || s.is_due(reading.at, s.schedule.challenges()) {
        return Err(read);
    }
    Ok(&reading.value)
}

/// Every name that is not validated has a token. An empty list says that CPS is not ready.
fn is_complete(domains: &[DomainValidation]) -> bool {
    !domains.is_empty()
        && domains.iter().all(|domain| {
            domain.is_validated()
                || domain
                    .to_publish(ChallengeType::Http01)
                    .any(|challenge| challenge.http_location().is_some())
        })
}

/// The tokens to publish, each for a name that the account allows.
fn tokens(domains: &[DomainValidation], account: &Account) -> Vec<Token> {
    let mut tokens: Vec<Token> = domains
        .iter()
        .flat_map(|domain| domain.to_publish(ChallengeType::Http01))
        .filter_map(|challenge| {
            let (host, path) = challenge.http_location()?;
            let host = host.to_ascii_lowercase();
            let allowed = account
                .allowed_domains
                .as_deref()
                .is_none_or(|allowed| allowed::disallowed(allowed, &[host.as_str()]).is_empty());
            let body = challenge.response_body.clone()?;
            (allowed && path.starts_with("/.well-known/acme-challenge/")).then(|| Token {
                host,
                path: path.to_owned(),
                body,
            })
        })
        .collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

/// Every token is published; old ones stay until the change has completed.
fn published(s: &Snapshot<'_>, d: &mut Draft, tokens: &[Token]) -> Result<(), Step> {
    let old = s.published.config_map.as_deref().map(publish::published_tokens).unwrap_or_default();
    let tokens = publish::keep(old, tokens);
    if tokens.is_empty() {
        return Ok(());
    }
    match publish::plan(s.certificate, &tokens, s.published, s.publishing) {
        Ok(writes) => match writes.into_iter().next() {
            Some(write) => {
                d.waiting(
                    Progress::ChallengesPublished,
                    Reason::WaitingForChallenges,
                    "The tokens are being published",
                );
                Err(Step::Publish(Box::new(write)))
            }
            None => Ok(()),
        },
        Err(blocked) => {
            match blocked {
                Blocked::NamespaceTerminating => {
                    d.waiting(
                        Progress::ChallengesPublished,
                        Reason::NamespaceTerminating,
                        blocked.to_string(),
                    );
                }
                Blocked::NameTaken { .. } => {
                    d.stalled(Progress::ChallengesPublished, Reason::NameTaken, blocked.to_string())
                }
                Blocked::AnnotationNotAllowed { .. } => {
                    d.stalled(
                        Progress::ChallengesPublished,
                        Reason::AnnotationNotAllowed,
                        blocked.to_string(),
                    );
                }
            }
            Err(Step::Wait { again: None })
        }
    }
}

/// Every token was fetched as the authority would.
fn reachable(s: &Snapshot<'_>, d: &mut Draft, tokens: &[Token]) -> Result<(), Step> {
    if !s.spec().self_check() {
        d.done(Progress::ChallengesReachable, Reason::SelfCheckOff, "validation.selfCheck is Off");
        return Ok(());
    }
    let probe = Step::Probe { tokens: tokens.to_vec() };
    if s.published.solver.is_empty() {
        d.waiting(
            Progress::ChallengesReachable,
            Reason::SolverNotReady,
            format!(
                "No replica of the solver is ready: look at the Deployment behind Service {}/{}",
                s.publishing.operator_namespace, s.publishing.solver_service
            ),
        );
        // The solver's EndpointSlices wake this certificate.
        return Err(Step::Wait { again: None });
    }
    let Some(last) = s.memory.probe.as_ref().filter(|last| cover(&last.tokens, tokens)) else {
        d.waiting(
            Progress::ChallengesReachable,
            Reason::ChallengesPublished,
            "The tokens have not been fetched yet",
        );
        return Err(probe);
    };
    let failures: BTreeMap<_, _> =
        last.failures.iter().filter(|(host, _)| tokens.iter().any(|token| token.host == **host)).collect();
    if failures.is_empty() {
        d.done(
            Progress::ChallengesReachable,
            Reason::ChallengesReachable,
            "Every token was fetched, from each solver replica and by its public URL",
        );
        return Ok(());
    }
    for domain in &mut d.status.domains {
        if let Some(failure) = failures.get(&domain.name) {
            domain.error = Some((*failure).clone());
        }
    }
    let reason = if last.failed < TROUBLE { Reason::ChallengesPublished } else { Reason::SelfCheckFailed };
    d.waiting(Progress::ChallengesReachable, reason, summary(&failures));
    let again = s.until(last.at, s.schedule.self_check(last.failed));
    Err(if again.is_zero() { probe } else { Step::Wait { again: Some(again) } })
}

/// Each failure once, with the hosts that it is about.
fn summary(failures: &BTreeMap<&String, &String>) -> String {
    let mut hosts = BTreeMap::<&str, Vec<&str>>::new();
    for (host, failure) in failures {
        hosts.entry(failure).or_default().push(host);
    }
    hosts
        .iter()
        .map(|(failure, hosts)| format!("{}: {failure}", hosts.join(", ")))
        .collect::<Vec<_>>()
        .join("; ")
}

/// CPS was told about these very tokens. Answers when.
fn acknowledged(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    change: ChangeId,
    tokens: Vec<Token>,
) -> Result<Timestamp, Step> {
    let recorded = d.status.change.as_ref().and_then(|change| change.acknowledged.as_ref()).map(|at| at.0);
    let last = match &s.memory.acknowledged {
        Some(last) => Some(last).filter(|last| is_about(last, change, &tokens)).map(|last| last.at),
        None => recorded,
    };
    let Some(at) = last.filter(|at| !s.is_due(*at, s.schedule.acknowledge_again())) else {
        settled(s, d)?;
        writable(s, d, account, id)?;
        return Err(Step::Acknowledge { enrollment: id, change, tokens });
    };
    if let Some(change) = &mut d.status.change {
        change.acknowledged = Some(Time(whole_second(at)));
    }
    Ok(at)
}

/// Without the self-check nothing tells that the Ingress controller has followed, so it is given time.
fn settled(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Step> {
    let read_at = s.memory.challenges.as_ref().map_or(s.now, |reading| reading.at);
    let again = s.until(read_at, s.schedule.unchecked());
    if s.spec().self_check() || again.is_zero() {
        return Ok(());
    }
    d.waiting(
        Progress::DomainsValidated,
        Reason::ChallengesPublished,
        "validation.selfCheck is Off, so CPS is told once the Ingress controller has had a minute to follow",
    );
    Err(Step::Wait { again: Some(again) })
}

fn is_about(last: &Acknowledged, change: ChangeId, tokens: &[Token]) -> bool {
    last.change == change && cover(&last.tokens, tokens)
}

/// What was known of a set of tokens holds for what is left of it once some names are validated.
fn cover(known: &[Token], tokens: &[Token]) -> bool {
    tokens.iter().all(|token| known.contains(token))
}

fn shown(s: &Snapshot<'_>, domain: &DomainValidation) -> DomainStatus {
    let name = domain.domain.to_ascii_lowercase();
    let known = s.spec().names().contains(&name.as_str());
    DomainStatus {
        state: domain
            .validation_status
            .clone()
            .or_else(|| domain.status.clone())
            .unwrap_or_else(|| "UNKNOWN".into()),
        // Before the token is published, RESPONSE_ERROR and its text are what CPS says of every name.
        error: domain
            .error
            .clone()
            .filter(|_| known && !domain.is_validated() && s.memory.acknowledged.is_some()),
        expires: domain.expires.map(|expires| Time(whole_second(expires))),
        challenges: domain
            .challenges
            .iter()
            .filter_map(|challenge| {
                Some(ChallengeStatus {
                    challenge_type: challenge.challenge_type.to_string(),
                    path: challenge.full_path.clone()?,
                })
            })
            .collect(),
        name,
    }
}

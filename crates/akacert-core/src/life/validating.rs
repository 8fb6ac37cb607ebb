//! PURE: while CPS asks for challenges: publish, check that the authority can reach everything, acknowledge, wait.

use std::time::Duration;

use akamai_cps_types::{ChallengeType, ChangeId, DomainValidation, EnrollmentId};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::draft::{Draft, Progress};
use super::memory::OfChange;
use super::ours::writable;
use super::proof::Proof;
use super::stages::whole_second;
use super::{Next, Pause, Snapshot, Step, offered, publishing, reaching};
use crate::account::Account;
use akacert_api::certificate::SecureNetwork;
use akacert_api::reason::Reason;
use akacert_api::status::{ChallengeStatus, DomainStatus, FailuresStatus};
use akacert_api::way::Way;

/// If tokens differ this long after an acknowledgement, they have rotated. A refusal is not the cause.
const ROTATION: SignedDuration = SignedDuration::from_hours(24);

/// The next step towards validated names. CPS is checked again after `next_look`, whatever happens here.
pub fn validated(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    change: &OfChange,
    next_look: Duration,
) -> Next {
    bounded(s, steps(s, d, account, id, change), next_look)
}

/// The step to do now, or a pause that ends after `next_look` at the latest.
fn bounded(s: &Snapshot<'_>, result: Result<Pause, Next>, next_look: Duration) -> Next {
    match result {
        Ok(pause) | Err(Next::Pause(pause)) => Next::Pause(pause.min(s.later(next_look))),
        Err(step) => step,
    }
}

fn steps(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    change: &OfChange,
) -> Result<Pause, Next> {
    let domains = challenges(s, id, change)?;
    d.status.domains = domains.iter().map(|domain| shown(s, domain)).collect();
    let proof = offered::proof(s.spec(), domains, account);
    let complete = offered::is_complete(s.spec(), domains);
    if !complete {
        d.not_done(
            Progress::ChallengesPublished,
            Reason::WaitingForChallenges,
            "CPS asks for the challenges, but has not offered a token for every name yet",
        );
    }
    publishing::published(s, d, &proof)?;
    if !complete {
        return Ok(Pause::UntilEvent);
    }
    d.done(Progress::ChallengesPublished, Reason::ChallengesPublished, what_is_published(s, &proof));
    count_refusals(s, d, domains, &proof);
    let again = reaching::reachable(s, d, &proof)?;
    let told = acknowledged(s, d, account, id, change.id, domains, proof)?;
    let left: Vec<&str> =
        domains.iter().filter(|domain| !domain.is_validated()).map(|domain| domain.domain.as_str()).collect();
    d.not_done(
        Progress::DomainsValidated,
        Reason::WaitingForValidation,
        format!(
            "CPS was told at {told:.0} that everything is published; it and the certificate authority are validating {}{}",
            left.join(", "),
            reminder(s)
        ),
    );
    Ok(again)
}

/// Restores what somebody deletes while CPS and the authority work.
pub fn still_published(s: &Snapshot<'_>, d: &mut Draft, account: &Account, next_look: Duration) -> Next {
    let reading = s.memory.challenges().filter(|_| !s.spec().observes());
    let result = reading.map_or(Ok(Pause::UntilEvent), |reading| {
        let proof = offered::proof(s.spec(), &reading.value, account);
        publishing::published(s, d, &proof)?;
        reaching::records_stay(s, d, &proof)
    });
    bounded(s, result, next_look)
}

/// How many tokens and records each way publishes.
fn what_is_published(s: &Snapshot<'_>, proof: &Proof) -> String {
    let mut ways: Vec<&str> = s.spec().ways().map(|(_, way)| way.name()).collect();
    ways.sort_unstable();
    ways.dedup();
    let mut parts = Vec::new();
    for (count, what) in [
        (proof.tokens.len(), "tokens served by the solver"),
        (proof.elsewhere.len(), "tokens behind redirects"),
        (proof.records.len(), "TXT records"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let parts = if parts.is_empty() { "nothing needs to be published".to_owned() } else { parts.join(", ") };
    format!("{parts} ({})", ways.join(", "))
}

/// Only on Enhanced TLS does CPS validate names at its edge without help.
fn reminder(s: &Snapshot<'_>) -> &'static str {
    let enhanced = s.spec().network.as_ref().and_then(|network| network.secure_network)
        == Some(SecureNetwork::EnhancedTLS);
    let edge = s.spec().ways().any(|(_, way)| matches!(way, Way::Edge));
    if edge && !enhanced {
        "; on Standard TLS the property needs the behaviour AutoDomainValidation"
    } else {
        ""
    }
}

/// The challenges on offer. They are read again when they may have rotated, and at each look while some are missing.
fn challenges<'a>(
    s: &'a Snapshot<'_>,
    id: EnrollmentId,
    change: &OfChange,
) -> Result<&'a [DomainValidation], Next> {
    let read = Step::ReadChallenges(id, change.id);
    let Some(reading) = s.memory.challenges() else { return Err(read.into()) };
    let expired = reading.value.iter().any(|domain| {
        !domain.is_validated()
            && domain.expires.is_some_and(|expires| expires <= s.now && reading.at < expires)
    });
    let incomplete = !offered::is_complete(s.spec(), &reading.value) && reading.at < change.at;
    // A failed authorization is followed by a new order, with new tokens.
    let asked_again =
        s.memory.acknowledgement().is_some_and(|told| reading.at < told.at && told.at < change.at);
    if expired || incomplete || asked_again || s.is_due(reading.at, s.intervals.challenges()) {
        return Err(read.into());
    }
    Ok(&reading.value)
}

/// Counts refusals. If other challenges and an error follow an acknowledgement, the authority refused it. Each
/// acknowledgement counts once.
fn count_refusals(s: &Snapshot<'_>, d: &mut Draft, domains: &[DomainValidation], proof: &Proof) {
    let Some(told) = s.memory.acknowledgement() else { return };
    let last = Time(whole_second(told.at));
    let observed = s.certificate.status.as_ref().map_or(-1, |status| status.observed_generation);
    let edited = observed > 0 && observed != s.generation();
    if edited {
        // After the user has changed something, try at once.
        d.status.failures = Some(FailuresStatus { count: 0, last });
        return;
    }
    let read_at = s.memory.challenges().map_or(told.at, |reading| reading.at);
    let recent = read_at > told.at && read_at.duration_since(told.at) < ROTATION;
    let refused = domains.iter().any(|domain| !domain.is_validated() && domain.error.is_some());
    if !(recent && refused) || told.proof.covers(proof) {
        return;
    }
    match &mut d.status.failures {
        Some(failures) if failures.last == last => {}
        Some(failures) => {
            *failures = FailuresStatus { count: failures.count.saturating_add(1), last };
        }
        None => d.status.failures = Some(FailuresStatus { count: 1, last }),
    }
}

/// Delays the next acknowledgement after a refusal, since each refusal counts against the authority's limits.
fn not_refused(s: &Snapshot<'_>, d: &mut Draft, domains: &[DomainValidation]) -> Result<(), Next> {
    let Some(failures) = d.status.failures.as_ref().filter(|failures| failures.count > 0) else {
        return Ok(());
    };
    let wait = s.intervals.after_refusal(failures.count);
    let again = s.until(failures.last.0, wait);
    if again.is_zero() {
        return Ok(());
    }
    let not_before = failures.last.0.checked_add(wait).unwrap_or(failures.last.0);
    let refused: Vec<String> = domains
        .iter()
        .filter(|domain| !domain.is_validated())
        .filter_map(|domain| {
            // The authority's text ends with a full stop, and so does this sentence.
            let error = domain.error.as_ref()?.trim_end_matches('.');
            Some(format!("{}: {error}", domain.domain))
        })
        .collect();
    d.not_done(
        Progress::DomainsValidated,
        Reason::AuthorizationFailed,
        format!(
            "The certificate authority refused {}. The challenges are acknowledged again not before {not_before:.0}",
            refused.join("; ")
        ),
    );
    Err(s.pause(again))
}

/// Checks that CPS was told about exactly these tokens. Returns when.
fn acknowledged(
    s: &Snapshot<'_>,
    d: &mut Draft,
    account: &Account,
    id: EnrollmentId,
    change: ChangeId,
    domains: &[DomainValidation],
    proof: Proof,
) -> Result<Timestamp, Next> {
    let recorded = d.status.change.as_ref().and_then(|change| change.acknowledged.as_ref()).map(|at| at.0);
    let last = match s.memory.acknowledgement() {
        Some(last) => Some(last).filter(|last| last.proof.covers(&proof)).map(|last| last.at),
        None => recorded,
    };
    let Some(at) = last.filter(|at| !s.is_due(*at, s.intervals.acknowledge_again())) else {
        not_refused(s, d, domains)?;
        caught_up(s, d)?;
        writable(s, d, account, id)?;
        return Err(Next::Do(Step::Acknowledge { enrollment: id, change, proof: Box::new(proof) }));
    };
    if let Some(change) = &mut d.status.change {
        change.acknowledged = Some(Time(whole_second(at)));
    }
    Ok(at)
}

/// Waits a while if there is no self-check, because then nothing shows whether the Ingress controller has caught up.
fn caught_up(s: &Snapshot<'_>, d: &mut Draft) -> Result<(), Next> {
    let read_at = s.memory.challenges().map_or(s.now, |reading| reading.at);
    let again = s.until(read_at, s.intervals.unchecked());
    if s.spec().self_check() || again.is_zero() {
        return Ok(());
    }
    d.not_done(
        Progress::DomainsValidated,
        Reason::ChallengesPublished,
        "validation.selfCheck is Off, so CPS is told once the Ingress controller has had a minute to follow",
    );
    Err(s.pause(again))
}

fn shown(s: &Snapshot<'_>, domain: &DomainValidation) -> DomainStatus {
    let name = domain.domain.to_ascii_lowercase();
    let known = s.spec().names().contains(&name.as_str());
    let way = offered::way(s.spec(), domain);
    DomainStatus {
        way: known.then(|| way.name().to_owned()),
        preflight: None,
        state: domain
            .validation_status
            .clone()
            .or_else(|| domain.status.clone())
            .unwrap_or_else(|| "UNKNOWN".into()),
        // Before the token is published, CPS shows RESPONSE_ERROR and its text for every name.
        error: domain
            .error
            .clone()
            .filter(|_| known && !domain.is_validated() && s.memory.acknowledgement().is_some()),
        expires: domain.expires.map(|expires| Time(whole_second(expires))),
        challenges: domain
            .challenges
            .iter()
            .filter_map(|challenge| {
                let is = |kind| challenge.challenge_type == kind;
                let redirect = matches!(way, Way::External) && is(ChallengeType::Http01);
                let value = matches!(way, Way::Manual) && is(ChallengeType::Dns01);
                Some(ChallengeStatus {
                    challenge_type: challenge.challenge_type.to_string(),
                    path: challenge.full_path.clone()?,
                    redirect_to: challenge.redirect_full_path.clone().filter(|_| redirect),
                    value: challenge.response_body.clone().filter(|_| value),
                })
            })
            .collect(),
        name,
    }
}

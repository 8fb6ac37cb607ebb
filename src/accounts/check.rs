//! PURE: what a check of an account shows, what still holds after a restart, how to report it, and when to repeat it.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use akamai_cps::{Client, Error};
use jiff::Timestamp;
use kube::ResourceExt;

use super::credentials::Problem;
use super::secrets::{Place, Unread};
use akacert_api::AkamaiCertificate;
use akacert_api::account::Defaults;
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::{AccountStatus, SecretVersion, condition};
use akacert_core::events::{self, Event, Severity};
use akacert_core::life::intervals::Intervals;

const SHOWN: usize = 5;

/// Reasons that pass without anybody's action.
const TRANSIENT: [Reason; 3] = [Reason::CpsUnavailable, Reason::Throttled, Reason::ClusterError];

/// How soon after a restart the operator repeats the checks of accounts that were Ready. Each account has its own
/// moment within this time.
const CHECK_AGAIN: Duration = Duration::from_secs(600);
/// The first of these checks waits this long, because certificates have more urgent calls right after a start.
const FIRST_CHECK_AGAIN: Duration = Duration::from_secs(60);

/// What a check of an account depends on. If any of it changes, the operator checks the account again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    pub uid: Option<String>,
    pub generation: i64,
    pub secret: Option<SecretVersion>,
}

#[derive(Clone)]
pub(super) struct Check {
    pub subject: Subject,
    pub outcome: Outcome,
    /// How many checks of this subject failed in a row, including this one.
    pub failures: u32,
    /// `None`: the check is repeated only when the subject changes.
    pub repeat_at: Option<Timestamp>,
    /// The status shows this check.
    pub reported: bool,
}

impl Check {
    /// A check made now, after `before`.
    pub fn after(
        before: Option<&Self>,
        subject: Subject,
        outcome: Outcome,
        intervals: Intervals,
        now: Timestamp,
    ) -> Self {
        let before = before.filter(|before| before.subject == subject);
        let failures = match outcome.ready {
            true => 0,
            false => before.map_or(0, |before| before.failures).saturating_add(1),
        };
        let repeat_at = outcome.repeat_after(failures, intervals).and_then(|wait| now.checked_add(wait).ok());
        // An outage says nothing about credentials that Akamai has accepted.
        let accepted = before.map(|before| &before.outcome).filter(|before| before.ready);
        let outcome = match accepted {
            Some(accepted) if outcome.is_transient() => accepted.clone(),
            _ => outcome,
        };
        Self { subject, outcome, failures, repeat_at, reported: false }
    }

    /// A check from before a restart, as the account's status records it. A real check follows in the background.
    pub fn vouched(subject: Subject, outcome: Outcome, intervals: Intervals, now: Timestamp) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "a number below 1000")]
        let moment = (intervals.seed % 1000) as f64 / 1000.0;
        let wait = FIRST_CHECK_AGAIN + (CHECK_AGAIN - FIRST_CHECK_AGAIN).mul_f64(moment);
        let repeat_at = now.checked_add(wait.mul_f64(intervals.scale)).ok();
        Self { subject, outcome, failures: 0, repeat_at, reported: true }
    }

    /// Whether this check says everything about the subject, so that no other is due.
    pub fn stands(&self, subject: &Subject, now: Timestamp) -> bool {
        self.subject == *subject && self.repeat_at.is_none_or(|at| at > now)
    }

    /// Whether the check before already told certificates the same.
    pub fn is_no_news(&self, before: Option<&Self>) -> bool {
        before.is_some_and(|before| {
            before.subject == self.subject
                && before.outcome.ready == self.outcome.ready
                && before.outcome.message == self.outcome.message
                && before.outcome.contracts == self.outcome.contracts
        })
    }

    /// How long until the check is due again.
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        self.repeat_at.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default())
    }
}

/// What the status of an account still proves after a restart of the operator.
#[derive(Debug, PartialEq)]
pub(super) enum Vouched {
    /// Akamai accepted these credentials. Certificates can use the account once its Secret has been read.
    Ready { contracts: Vec<String>, message: String },
    /// The account was not usable, so the operator checks it at once. Until then certificates see the old message.
    NotReady { message: String, transient: bool },
}

impl Vouched {
    /// `None` if the account or its Secret has changed since. The operator then checks it first.
    pub fn by(status: &AccountStatus, subject: &Subject) -> Option<Self> {
        if status.observed_generation != subject.generation || status.checked_secret != subject.secret {
            return None;
        }
        let ready = condition_set::find(&status.conditions, condition::READY)?;
        let is = |reason: Reason| ready.reason == reason.as_str();
        if ready.status != "True" {
            let transient = TRANSIENT.into_iter().any(is);
            return Some(Self::NotReady { message: ready.message.clone(), transient });
        }
        subject.secret.as_ref()?;
        let contracts = status.contracts.clone();
        // If the account is marked for deletion, the message names its users, which may have changed.
        let message =
            if is(Reason::AccountInUse) { accepted_with(&contracts) } else { ready.message.clone() };
        Some(Self::Ready { contracts, message })
    }
}

fn accepted_with(contracts: &[String]) -> String {
    let found = if contracts.is_empty() { "none".to_owned() } else { contracts.join(", ") };
    format!("Akamai accepted the credentials; contracts: {found}")
}

/// The result of a check.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub ready: bool,
    pub reason: Reason,
    pub message: String,
    pub contracts: Vec<String>,
    pub client: Option<Client>,
    /// The pause that Akamai asked for.
    pub pause: Option<Duration>,
}

impl Outcome {
    pub fn refused(reason: Reason, message: String) -> Self {
        Self { ready: false, reason, message, contracts: Vec::new(), client: None, pause: None }
    }

    pub fn without_secret(place: &Place) -> Self {
        Self::refused(Reason::SecretNotFound, format!("Secret {place} does not exist: create it"))
    }

    pub fn unusable(place: &Place, problem: &Problem) -> Self {
        let reason = match problem {
            Problem::EndpointNotAllowed(_) => Reason::EndpointNotAllowed,
            Problem::Invalid(_) => Reason::SecretInvalid,
        };
        Self::refused(reason, format!("Secret {place} {problem}"))
    }

    pub fn unread(place: &Place, why: &Unread) -> Self {
        Self::refused(Reason::ClusterError, format!("Secret {place} cannot be read: {why}"))
    }

    /// The result if certificates can use the account, through this client.
    pub fn accepted(client: Client, contracts: Vec<String>, message: String) -> Self {
        let reason = Reason::CredentialsAccepted;
        Self { ready: true, reason, message, contracts, client: Some(client), pause: None }
    }

    /// What the one call, which lists the contracts, shows about the credentials in a Secret.
    pub fn of(
        answer: Result<Vec<String>, Error>,
        client: Client,
        defaults: Option<&Defaults>,
        place: &Place,
    ) -> Self {
        let default_contract = defaults.and_then(|defaults| defaults.contract_id.as_ref());
        match answer {
            Ok(contracts) => {
                let message = accepted_with(&contracts);
                Self::accepted(client, contracts, message)
            }
            Err(error) if error.is_unauthorized() => Self::refused(
                Reason::CredentialsRejected,
                format!("Akamai refused the credentials in Secret {place}: {error}"),
            ),
            // Listing contracts needs a grant of its own. Without it, the default contract has to be right.
            Err(error) if error.is_forbidden() && default_contract.is_some() => Self::accepted(
                client,
                Vec::new(),
                "Akamai accepted the credentials, which may not list contracts; the account's default is used".into(),
            ),
            Err(error) if error.is_forbidden() => Self::refused(
                Reason::PermissionMissing,
                format!("Akamai accepted the credentials in Secret {place}, but they may not do what is needed: {error}"),
            ),
            Err(error @ Error::InvalidRequest { .. }) => {
                Self::refused(Reason::SecretInvalid, format!("Secret {place} cannot be used: {error}"))
            }
            Err(error) => {
                let pause = error.retry_after();
                let reason = if pause.is_some() { Reason::Throttled } else { Reason::CpsUnavailable };
                Self { pause, ..Self::refused(reason, error.to_string()) }
            }
        }
    }

    /// The outcome for an account that is marked for deletion, and that certificates still use.
    pub fn while_in_use(mut self, users: &[Arc<AkamaiCertificate>]) -> Self {
        if !users.is_empty() && self.ready {
            let mut names: Vec<String> = users
                .iter()
                .map(|user| format!("{}/{}", user.namespace().unwrap_or_default(), user.name_any()))
                .collect();
            names.sort();
            let more = names.len().saturating_sub(SHOWN);
            names.truncate(SHOWN);
            self.reason = Reason::AccountInUse;
            self.message = format!(
                "The account is marked for deletion and stays until no certificate refers to it: delete {}",
                names.join(", ")
            );
            if more > 0 {
                self.message.push_str(&format!(" and {more} more"));
            }
        }
        self
    }

    /// Whether the cause passes without anybody's action.
    pub fn is_transient(&self) -> bool {
        TRANSIENT.contains(&self.reason)
    }

    /// When to check again although nothing has changed in the cluster. Watches show changes of the account and its
    /// Secret, but no repair at Akamai.
    fn repeat_after(&self, failures: u32, intervals: Intervals) -> Option<Duration> {
        if self.is_transient() {
            return Some(intervals.after_failure(failures).max(self.pause.unwrap_or_default()));
        }
        matches!(self.reason, Reason::CredentialsRejected | Reason::PermissionMissing)
            .then(|| intervals.while_stalled())
    }

    /// The status to report of a subject.
    pub fn status(&self, before: &AccountStatus, subject: &Subject, now: Timestamp) -> AccountStatus {
        let condition = |type_, status| {
            let (reason, generation) = (self.reason.as_str(), subject.generation);
            condition_set::condition(type_, status, reason, &self.message, generation, now)
        };
        let mut wanted = vec![condition(condition::READY, if self.ready { "True" } else { "False" })];
        if !self.ready && !self.is_transient() {
            wanted.push(condition(condition::STALLED, "True"));
        }
        AccountStatus {
            observed_generation: subject.generation,
            // An outage does not remove the contracts.
            contracts: if self.is_transient() { before.contracts.clone() } else { self.contracts.clone() },
            checked_secret: subject.secret.clone(),
            conditions: condition_set::merged(&before.conditions, wanted),
        }
    }

    /// The event to send when the reason changes.
    pub fn event(&self) -> Event {
        let fine = self.ready && self.reason != Reason::AccountInUse;
        let severity = if fine { Severity::Normal } else { Severity::Warning };
        events::event(severity, self.reason.as_str(), "Check", &self.message)
    }
}

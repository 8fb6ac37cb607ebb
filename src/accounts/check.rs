//! PURE: what a check of an account says, how it is reported, and when it is repeated.
//! Not here: making it (`super::controller`).

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use akamai_cps::{Client, Error};
use jiff::Timestamp;
use kube::ResourceExt;

use akacert_api::AkamaiCertificate;
use akacert_api::account::Defaults;
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::{AccountStatus, condition};
use akacert_core::events::{self, Event, Severity};
use akacert_core::life::schedule::Schedule;

/// How many certificates a message names.
const SHOWN: usize = 5;

/// What a check of an account is about. Once any of it has changed, the account is checked again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    pub uid: Option<String>,
    pub generation: i64,
    /// UID and version of the Secret.
    pub secret: Option<(String, String)>,
}

/// The last check of an account, and what came of it.
#[derive(Clone)]
pub(super) struct Check {
    pub subject: Subject,
    pub outcome: Outcome,
    /// How many checks of this subject failed in a row, this one included.
    pub failures: u32,
    /// None: when the subject has changed, and not before.
    pub repeat_at: Option<Timestamp>,
}

impl Check {
    /// A check that was made now, after another one.
    pub fn after(
        before: Option<&Self>,
        subject: Subject,
        outcome: Outcome,
        schedule: Schedule,
        now: Timestamp,
    ) -> Self {
        let before = before.filter(|before| before.subject == subject);
        let failures = match outcome.ready {
            true => 0,
            false => before.map_or(0, |before| before.failures).saturating_add(1),
        };
        let repeat_at = outcome.repeat_after(failures, schedule).and_then(|wait| now.checked_add(wait).ok());
        Self { subject, outcome, failures, repeat_at }
    }

    /// Whether it says all there is to say about this subject.
    pub fn stands(&self, subject: &Subject, now: Timestamp) -> bool {
        self.subject == *subject && self.repeat_at.is_none_or(|at| at > now)
    }

    /// How long until it is to be repeated.
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        self.repeat_at.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default())
    }
}

/// What came of a check.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub ready: bool,
    pub reason: Reason,
    pub message: String,
    pub contracts: Vec<String>,
    pub client: Option<Client>,
    /// Akamai asked for so long a pause.
    pub pause: Option<Duration>,
}

impl Outcome {
    /// The account cannot be used.
    pub fn refused(reason: Reason, message: String) -> Self {
        Self { ready: false, reason, message, contracts: Vec::new(), client: None, pause: None }
    }

    /// The API server does not give the Secret; in its own words, without the rest of its answer.
    pub fn unread(secret: &str, error: &kube::Error) -> Self {
        let why = match error {
            kube::Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        };
        Self::refused(Reason::ClusterError, format!("{secret} cannot be read: {why}"))
    }

    /// The account can be used by this client.
    fn accepted(client: Client, contracts: Vec<String>, message: String) -> Self {
        let reason = Reason::CredentialsAccepted;
        Self { ready: true, reason, message, contracts, client: Some(client), pause: None }
    }

    /// What the one call, which lists the contracts, says about the credentials in a Secret.
    pub fn of(
        answer: Result<Vec<String>, Error>,
        client: Client,
        defaults: Option<&Defaults>,
        secret: &str,
    ) -> Self {
        let default_contract = defaults.and_then(|defaults| defaults.contract_id.as_ref());
        match answer {
            Ok(contracts) => {
                let found = if contracts.is_empty() { "none".to_owned() } else { contracts.join(", ") };
                let message = format!("Akamai accepted the credentials; contracts: {found}");
                Self::accepted(client, contracts, message)
            }
            Err(error) if error.is_unauthorized() => Self::refused(
                Reason::CredentialsRejected,
                format!("Akamai refused the credentials in {secret}: {error}"),
            ),
            // The contracts can be listed by hand; without the grant the default has to be right.
            Err(error) if error.is_forbidden() && default_contract.is_some() => Self::accepted(
                client,
                Vec::new(),
                "Akamai accepted the credentials, which may not list contracts; the account's default is used".into(),
            ),
            Err(error) if error.is_forbidden() => Self::refused(
                Reason::PermissionMissing,
                format!("Akamai accepted the credentials in {secret}, but they may not do what is needed: {error}"),
            ),
            Err(error @ Error::InvalidRequest { .. }) => {
                Self::refused(Reason::SecretInvalid, format!("{secret} cannot be used: {error}"))
            }
            Err(error) => {
                let pause = error.retry_after();
                let reason = if pause.is_some() { Reason::Throttled } else { Reason::CpsUnavailable };
                Self { pause, ..Self::refused(reason, error.to_string()) }
            }
        }
    }

    /// As reported of an account that is marked for deletion: it stays until no certificate refers to it.
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

    /// It passes by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self.reason, Reason::CpsUnavailable | Reason::Throttled | Reason::ClusterError)
    }

    /// When to check again although nothing has changed here: what is wrong on Akamai's side can pass unseen, while a
    /// change of the account or of its Secret is seen.
    fn repeat_after(&self, failures: u32, schedule: Schedule) -> Option<Duration> {
        match self.reason {
            _ if self.is_transient() => {
                Some(schedule.after_failure(failures).max(self.pause.unwrap_or_default()))
            }
            Reason::CredentialsRejected | Reason::PermissionMissing => Some(schedule.while_stalled()),
            _ => None,
        }
    }

    /// The status to report.
    pub fn status(&self, before: &AccountStatus, generation: i64, now: Timestamp) -> AccountStatus {
        let condition = |type_, status| {
            condition_set::condition(type_, status, self.reason.as_str(), &self.message, generation, now)
        };
        let mut wanted = vec![condition(condition::READY, if self.ready { "True" } else { "False" })];
        if !self.ready && !self.is_transient() {
            wanted.push(condition(condition::STALLED, "True"));
        }
        AccountStatus {
            observed_generation: generation,
            // An outage does not take them away.
            contracts: if self.is_transient() { before.contracts.clone() } else { self.contracts.clone() },
            conditions: condition_set::merged(&before.conditions, wanted),
        }
    }

    /// The event to send when the reason has changed.
    pub fn event(&self) -> Event {
        let fine = self.ready && self.reason != Reason::AccountInUse;
        let severity = if fine { Severity::Normal } else { Severity::Warning };
        events::event(severity, self.reason.as_str(), "Check", &self.message)
    }
}

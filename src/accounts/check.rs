//! PURE: what a check of an account says, how it is reported, and when it is repeated.
//! Not here: making it (`super::controller`).

use std::sync::Arc;
use std::time::Duration;

use akamai_cps::{Client, Error};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::events::{Event, EventType};

use crate::api::AkamaiCertificate;
use crate::api::account::Defaults;
use crate::api::reason::Reason;
use crate::api::status::{AccountStatus, condition};
use crate::next::schedule::Schedule;
use crate::{events, status};

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
                let message = format!("Akamai accepted the credentials; contracts: {}", contracts.join(", "));
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
            let names: Vec<String> = users
                .iter()
                .take(5)
                .map(|user| format!("{}/{}", user.namespace().unwrap_or_default(), user.name_any()))
                .collect();
            self.reason = Reason::AccountInUse;
            self.message = format!(
                "The account is marked for deletion and stays until no certificate refers to it; {} still do, such as {}",
                users.len(),
                names.join(", ")
            );
        }
        self
    }

    /// It passes by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self.reason, Reason::CpsUnavailable | Reason::Throttled)
    }

    /// When to check again although nothing has changed here: what is wrong on Akamai's side can pass unseen, while a
    /// change of the account or of its Secret is seen.
    fn repeat_after(&self, failures: u32, schedule: Schedule) -> Option<Duration> {
        match self.reason {
            Reason::CpsUnavailable | Reason::Throttled => {
                Some(schedule.after_failure(failures).max(self.pause.unwrap_or_default()))
            }
            Reason::CredentialsRejected | Reason::PermissionMissing => Some(schedule.while_stalled()),
            _ => None,
        }
    }

    /// The status to report.
    pub fn status(&self, before: &AccountStatus, generation: i64, now: Timestamp) -> AccountStatus {
        let condition = |type_, status| {
            status::condition(type_, status, self.reason.as_str(), &self.message, generation, now)
        };
        let mut wanted = vec![condition(condition::READY, if self.ready { "True" } else { "False" })];
        if !self.ready && !self.is_transient() {
            wanted.push(condition(condition::STALLED, "True"));
        }
        AccountStatus {
            observed_generation: generation,
            contracts: self.contracts.clone(),
            conditions: status::merged(&before.conditions, wanted),
        }
    }

    /// The event to send when the reason has changed.
    pub fn event(&self) -> Event {
        let fine = self.ready && self.reason != Reason::AccountInUse;
        let type_ = if fine { EventType::Normal } else { EventType::Warning };
        events::event(type_, self.reason.as_str(), "Check", &self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::next::fixtures::{account, certificate, noon};
    use akamai_cps::Problem;
    use serde_json::json;

    const SCHEDULE: Schedule = Schedule { scale: 1.0, seed: 0 };

    fn answered(status: u16, detail: &str) -> Error {
        let problem = Problem::parse(json!({"title": detail}).to_string().as_bytes());
        Error::Api { operation: "list contracts", status, problem: Box::new(problem) }
    }

    fn throttled(seconds: u64) -> Error {
        Error::Throttled { operation: "list contracts", retry_after: Duration::from_secs(seconds) }
    }

    fn unreachable() -> Error {
        Error::Unreachable { operation: "list contracts", reason: "connection refused".into() }
    }

    fn outcome(answer: Result<&[&str], Error>) -> Outcome {
        let answer = answer.map(|contracts| contracts.iter().map(|id| (*id).to_owned()).collect());
        Outcome::of(answer, account().client, None, "Secret shop/akamai")
    }

    fn subject(generation: i64) -> Subject {
        Subject { uid: Some("1".into()), generation, secret: Some(("2".into(), "3".into())) }
    }

    fn made(before: Option<&Check>, generation: i64, outcome: Outcome) -> Check {
        Check::after(before, subject(generation), outcome, SCHEDULE, noon())
    }

    #[test]
    fn the_answer_to_one_call_tells_whether_the_account_can_be_used_and_if_not_why() {
        let cases = [
            (
                outcome(Ok(&["1-A", "1-B"])),
                true,
                "CredentialsAccepted",
                "Akamai accepted the credentials; contracts: 1-A, 1-B",
            ),
            (
                outcome(Err(answered(401, "no"))),
                false,
                "CredentialsRejected",
                "Akamai refused the credentials in Secret shop/akamai: ",
            ),
            (
                outcome(Err(answered(403, "no"))),
                false,
                "PermissionMissing",
                "Akamai accepted the credentials in Secret shop/akamai, but they may not do what is needed: ",
            ),
            (
                outcome(Err(throttled(7))),
                false,
                "Throttled",
                "list contracts: the request limit of the Akamai account is used up",
            ),
            (outcome(Err(answered(502, "no"))), false, "CpsUnavailable", "list contracts: HTTP 502: no"),
            (
                outcome(Err(unreachable())),
                false,
                "CpsUnavailable",
                "list contracts: Akamai cannot be reached (connection refused)",
            ),
        ];
        for (outcome, ready, reason, message) in cases {
            assert_eq!((outcome.ready, outcome.reason.as_str()), (ready, reason));
            assert!(outcome.message.starts_with(message), "{}", outcome.message);
            assert_eq!(outcome.client.is_some(), ready, "{reason}");
        }
    }

    #[test]
    fn credentials_that_may_not_list_contracts_will_do_with_a_default_contract() {
        let defaults = Defaults { contract_id: Some("1-A".into()), ..Defaults::default() };
        let outcome =
            Outcome::of(Err(answered(403, "no")), account().client, Some(&defaults), "Secret shop/akamai");
        assert_eq!((outcome.ready, outcome.reason), (true, Reason::CredentialsAccepted));
        assert_eq!(outcome.contracts, Vec::<String>::new());
    }

    #[test]
    fn a_check_stands_until_the_account_or_its_secret_changes() {
        let check = made(None, 1, outcome(Ok(&["1-A"])));
        let later = noon() + Duration::from_secs(86_400);
        assert!(check.stands(&subject(1), later));
        assert_eq!(check.wait(later), None);
        let others = [
            subject(2),
            Subject { uid: Some("9".into()), ..subject(1) },
            Subject { secret: Some(("2".into(), "4".into())), ..subject(1) },
            Subject { secret: Some(("9".into(), "3".into())), ..subject(1) },
            Subject { secret: None, ..subject(1) },
        ];
        for other in others {
            assert!(!check.stands(&other, noon()), "{other:?}");
        }
    }

    #[test]
    fn an_outage_is_looked_at_soon_and_then_ever_more_rarely() {
        let mut waits = Vec::new();
        let mut last: Option<Check> = None;
        for _ in 0..20 {
            let check = made(last.as_ref(), 1, outcome(Err(unreachable())));
            waits.push(check.wait(noon()).unwrap());
            last = Some(check);
        }
        assert!(waits[0] <= Duration::from_secs(6), "{waits:?}");
        assert!(waits[4] > waits[0] * 4, "{waits:?}");
        assert!(waits[19] >= Duration::from_secs(540) && waits[19] <= Duration::from_secs(660), "{waits:?}");
        let after_a_change = made(last.as_ref(), 2, outcome(Err(unreachable())));
        assert_eq!(after_a_change.wait(noon()), Some(waits[0]));
        let after_a_success = made(last.as_ref(), 1, outcome(Ok(&["1-A"])));
        assert_eq!(after_a_success.failures, 0);
    }

    #[test]
    fn a_pause_that_akamai_asks_for_is_kept() {
        let check = made(None, 1, outcome(Err(throttled(90))));
        assert_eq!(check.wait(noon()), Some(Duration::from_secs(90)));
        assert!(check.stands(&subject(1), noon() + Duration::from_secs(89)));
        assert!(!check.stands(&subject(1), noon() + Duration::from_secs(90)));
    }

    #[test]
    fn what_can_be_mended_here_only_is_not_checked_again_by_the_clock() {
        let repeated = |outcome| made(None, 1, outcome).wait(noon());
        for reason in [Reason::SecretNotFound, Reason::SecretInvalid, Reason::EndpointNotAllowed] {
            assert_eq!(repeated(Outcome::refused(reason, String::new())), None, "{reason:?}");
        }
        // These can be mended in Akamai Control Center.
        for status in [401, 403] {
            let wait = repeated(outcome(Err(answered(status, "no")))).unwrap();
            assert!(wait > Duration::from_secs(600), "{status}");
        }
    }

    #[test]
    fn an_account_is_stalled_while_somebody_has_to_do_something() {
        let conditions = |outcome: Outcome| -> Vec<String> {
            let status = outcome.status(&AccountStatus::default(), 3, noon());
            assert_eq!(status.observed_generation, 3);
            let shown = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
                format!("{}={} {}", condition.type_, condition.status, condition.reason)
            };
            status.conditions.iter().map(shown).collect()
        };
        assert_eq!(conditions(outcome(Ok(&["1-A"]))), ["Ready=True CredentialsAccepted"]);
        assert_eq!(conditions(outcome(Err(unreachable()))), ["Ready=False CpsUnavailable"]);
        assert_eq!(
            conditions(outcome(Err(answered(401, "no")))),
            ["Ready=False CredentialsRejected", "Stalled=True CredentialsRejected"]
        );
    }

    #[test]
    fn an_account_that_is_being_deleted_names_five_of_its_users_at_most() {
        let user = |name: String| {
            let mut user = certificate();
            user.metadata.name = Some(name);
            Arc::new(user)
        };
        let users: Vec<_> = (1..=7).map(|n| user(format!("c{n}"))).collect();
        let ready = outcome(Ok(&["1-A"]));
        let reported = ready.clone().while_in_use(&users);
        assert_eq!((reported.ready, reported.reason), (true, Reason::AccountInUse));
        assert_eq!(
            reported.message,
            "The account is marked for deletion and stays until no certificate refers to it; 7 still do, such as shop/c1, \
             shop/c2, shop/c3, shop/c4, shop/c5"
        );
        assert!(matches!(reported.event().type_, EventType::Warning));
        assert_eq!(ready.while_in_use(&[]).reason, Reason::CredentialsAccepted);
        // Why it cannot be used is the more important news.
        let rejected = outcome(Err(answered(401, "no"))).while_in_use(&users);
        assert_eq!(rejected.reason, Reason::CredentialsRejected);
    }
}

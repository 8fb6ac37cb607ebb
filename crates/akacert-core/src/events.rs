//! PURE: which events a change of the status causes.

use akacert_api::condition_set;
use akacert_api::reason::{self, Reason};
use akacert_api::status::{CertificateStatus, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// An event of `events.k8s.io/v1`, without the object that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether somebody should look.
    pub severity: Severity,
    /// The condition's reason.
    pub reason: String,
    /// What the operator was doing.
    pub action: &'static str,
    /// What happened, cut to the API server's limit.
    pub note: String,
}

/// The type of an event, as `kubectl describe` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good news.
    Normal,
    /// Trouble.
    Warning,
}

/// The steps whose completion is worth an event, with the event's reason.
const NEWS: [(&str, Reason, &str); 4] = [
    (condition::ENROLLMENT_CREATED, Reason::EnrollmentCreated, "Create"),
    (condition::CHALLENGES_PUBLISHED, Reason::ChallengesPublished, "Publish"),
    (condition::DOMAINS_VALIDATED, Reason::DomainsValidated, "Validate"),
    (condition::READY, Reason::Deployed, "Deploy"),
];

/// The conditions that mean trouble in this status. Each change of their reason causes an event.
const TROUBLE: [(&str, &str, &str); 6] = [
    (condition::READY, "False", "Reconcile"),
    (condition::RENEWING, "True", "Renew"),
    (condition::DRIFTED, "True", "Compare"),
    (condition::RENEWAL_READY, "False", "Forecast"),
    (condition::SERVED, "False", "Probe"),
    (condition::HANDED_OFF, "False", "HandOff"),
];

/// The events between two statuses: one for each completed step, and one for each new trouble.
#[must_use]
pub fn between(old: &CertificateStatus, new: &CertificateStatus) -> Vec<Event> {
    let mut events = Vec::new();
    for (type_, reason, action) in NEWS {
        if let Some(done) = turned_true(old, new, type_).filter(|done| done.reason == reason.as_str()) {
            events.push(event(Severity::Normal, reason.as_str(), action, &done.message));
        }
    }
    events.extend(renewal(old, new));
    for (type_, status, action) in TROUBLE {
        let Some(trouble) =
            condition_set::find(&new.conditions, type_).filter(|found| found.status == status)
        else {
            continue;
        };
        let known = condition_set::find(&old.conditions, type_).map(|known| known.reason.as_str());
        let patience = Reason::ALL.iter().any(|reason| {
            reason.as_str() == trouble.reason && reason.severity() == reason::Severity::Progress
        });
        if known != Some(trouble.reason.as_str()) && !patience {
            events.push(event(Severity::Warning, &trouble.reason, action, &trouble.message));
        }
    }
    events
}

/// The event for the beginning of a renewal, or for its end with another certificate.
fn renewal(old: &CertificateStatus, new: &CertificateStatus) -> Option<Event> {
    let normal = |reason: Reason, note: &str| Some(event(Severity::Normal, reason.as_str(), "Renew", note));
    if let Some(renewing) = turned_true(old, new, condition::RENEWING) {
        return normal(Reason::RenewalStarted, &renewing.message);
    }
    let before = old.deployments.as_ref()?.production.as_ref()?;
    let now = new.deployments.as_ref()?.production.as_ref()?;
    let note = format!(
        "Certificate {} took the place of {}, until {:.0}",
        now.serial_number, before.serial_number, now.not_after.0
    );
    if before.serial_number == now.serial_number { None } else { normal(Reason::Renewed, &note) }
}

fn turned_true<'a>(
    old: &CertificateStatus,
    new: &'a CertificateStatus,
    type_: &str,
) -> Option<&'a Condition> {
    let was = condition_set::is_true(&old.conditions, type_);
    condition_set::find(&new.conditions, type_).filter(|condition| !was && condition.status == "True")
}

/// An event, with its note cut to the API server's limit.
#[must_use]
pub fn event(severity: Severity, reason: &str, action: &'static str, note: &str) -> Event {
    // events.k8s.io limits a note to 1 kB.
    let note = note.char_indices().take_while(|(at, _)| *at < 1000).map(|(_, letter)| letter).collect();
    Event { severity, reason: reason.to_owned(), action, note }
}

/// Every reason that an event of a certificate can have.
#[cfg(test)]
pub(crate) fn reasons() -> impl Iterator<Item = Reason> {
    let news = NEWS.iter().map(|(_, reason, _)| *reason).chain([Reason::RenewalStarted, Reason::Renewed]);
    let trouble = |reason: &Reason| reason.severity() != reason::Severity::Progress;
    news.chain(Reason::ALL.iter().copied().filter(trouble))
}

/// Renders `docs/events.md`.
#[must_use]
pub fn handbook_page() -> String {
    let mut page = String::from(
        "# Events\n\nThe operator (`akacert.io/operator`) reports events of `events.k8s.io/v1` on the certificate or account that they are about. It reports an event when a fact changes, never \
         because time passes. This page is rendered from `crates/akacert-core/src/events.rs`.\n\n\
         | Type | Action | Reason | When |\n|---|---|---|---|\n",
    );
    let mut row = |type_: &str, action: &str, reason: &str, when: &str| {
        page.push_str(&format!("| {type_} | `{action}` | {reason} | {when} |\n"));
    };
    for (type_, reason, action) in NEWS {
        row("Normal", action, &format!("`{reason}`"), &format!("`{type_}` has become True"));
    }
    let (started, renewed) = (Reason::RenewalStarted, Reason::Renewed);
    row("Normal", "Renew", &format!("`{started}`"), started.meaning());
    row("Normal", "Renew", &format!("`{renewed}`"), renewed.meaning());
    for (type_, status, action) in TROUBLE {
        let when = format!("`{type_}` is {status} for a new reason that is more than waiting");
        row("Warning", action, "the condition's", &when);
    }
    row("Normal or Warning", "Check", "the account's", "the account's condition has a new reason");
    page.push_str("\n[Reasons](reasons.md) explains each reason.\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn status(conditions: &[(&str, &str, Reason)]) -> CertificateStatus {
        CertificateStatus {
            conditions: conditions
                .iter()
                .map(|(type_, status, reason)| {
                    condition_set::condition(
                        type_,
                        status,
                        reason.as_str(),
                        "message",
                        1,
                        Timestamp::UNIX_EPOCH,
                    )
                })
                .collect(),
            ..CertificateStatus::default()
        }
    }

    fn reasons(old: &CertificateStatus, new: &CertificateStatus) -> Vec<String> {
        between(old, new).into_iter().map(|event| event.reason).collect()
    }

    #[test]
    fn a_step_that_is_done_is_told_once() {
        let before = status(&[("Ready", "False", Reason::Creating)]);
        let after = status(&[
            ("Ready", "False", Reason::WaitingForChallenges),
            ("EnrollmentCreated", "True", Reason::EnrollmentCreated),
        ]);
        assert_eq!(reasons(&before, &after), ["EnrollmentCreated"]);
        assert_eq!(reasons(&after, &after), Vec::<String>::new());
    }

    #[test]
    fn new_trouble_is_a_warning_and_patience_is_not() {
        let before = status(&[("Ready", "False", Reason::Creating)]);
        let after = status(&[("Ready", "False", Reason::CommonNameTaken)]);
        let events = between(&before, &after);
        assert_eq!(events.len(), 1);
        assert!(matches!(events[0].severity, Severity::Warning));
        assert_eq!(
            reasons(&before, &status(&[("Ready", "False", Reason::WaitingForChallenges)])),
            Vec::<String>::new()
        );
    }
}

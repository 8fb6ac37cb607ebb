//! PURE: how far a change has come, in terms of the steps.

use akacert_api::reason::Reason;
use akacert_api::status::condition;
use jiff::Timestamp;

use super::draft::{Draft, Progress};

/// Reports the steps before validation as done.
pub fn report_published(d: &mut Draft) {
    d.done(Progress::ChallengesPublished, Reason::ChallengesPublished, "Every token is published");
    if d.is_done(Progress::ChallengesReachable) {
        d.done(Progress::ChallengesReachable, Reason::ChallengesReachable, "Every token was fetched");
    } else {
        d.done(Progress::ChallengesReachable, Reason::SelfCheckOff, "CPS went on without our check");
    }
}

/// Reports that the authority has validated every name.
pub fn report_validated(d: &mut Draft) {
    report_published(d);
    d.status.domains.clear();
    d.status.failures = None;
    if d.has_failed(condition::PREFLIGHT_PASSED) {
        // Somebody fixed the cause, or CPS continued without us.
        d.without(condition::PREFLIGHT_PASSED);
    }
    d.done(
        Progress::DomainsValidated,
        Reason::DomainsValidated,
        "The certificate authority has validated every name; this is not deployment yet",
    );
}

/// Kubernetes times have no fractions of a second.
pub fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The text "since <time>", for messages.
pub fn since(d: &Draft) -> String {
    let since = d.status.change.as_ref().and_then(|change| change.since.as_ref());
    since.map(|since| format!("since {:.0}", since.0)).unwrap_or_default()
}

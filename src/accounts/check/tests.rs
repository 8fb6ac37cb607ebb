//! What a check of an account shows, as a specification.

use super::*;
use crate::accounts::tests::client;
use akacert_core::life::fixtures::{certificate, noon};
use akamai_cps::Problem;
use serde_json::json;

const INTERVALS: Intervals = Intervals { scale: 1.0, seed: 0 };

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

fn place() -> Place {
    Place { namespace: "shop".into(), name: "akamai".into() }
}

fn outcome(answer: Result<&[&str], Error>) -> Outcome {
    let answer = answer.map(|contracts| contracts.iter().map(|id| (*id).to_owned()).collect());
    Outcome::of(answer, client(), None, &place())
}

fn version(uid: &str, resource_version: &str) -> Option<SecretVersion> {
    Some(SecretVersion { uid: uid.into(), resource_version: resource_version.into() })
}

fn subject(generation: i64) -> Subject {
    Subject { uid: Some("1".into()), generation, secret: version("2", "3") }
}

/// The status that a first check leaves behind.
fn reported(outcome: &Outcome) -> AccountStatus {
    outcome.status(&AccountStatus::default(), &subject(1), noon())
}

fn made(before: Option<&Check>, generation: i64, outcome: Outcome) -> Check {
    Check::after(before, subject(generation), outcome, INTERVALS, noon())
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
        (outcome(Ok(&[])), true, "CredentialsAccepted", "Akamai accepted the credentials; contracts: none"),
        (
            outcome(Err(Error::InvalidRequest { operation: "list contracts", reason: "a line feed".into() })),
            false,
            "SecretInvalid",
            "Secret shop/akamai cannot be used: list contracts: the request cannot be made (a line feed)",
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
    let outcome = Outcome::of(Err(answered(403, "no")), client(), Some(&defaults), &place());
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
        Subject { secret: version("2", "4"), ..subject(1) },
        Subject { secret: version("9", "3"), ..subject(1) },
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
fn a_secret_that_the_api_server_does_not_give_is_asked_for_again_soon() {
    let refused = Outcome::unread(&place(), &Unread::because("secrets \"akamai\" is forbidden"));
    assert_eq!(refused.message, "Secret shop/akamai cannot be read: secrets \"akamai\" is forbidden");
    assert!(refused.is_transient());
    assert!(made(None, 1, refused).wait(noon()).unwrap() <= Duration::from_secs(6));
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
    // Somebody can repair these in Akamai Control Center.
    for status in [401, 403] {
        let wait = repeated(outcome(Err(answered(status, "no")))).unwrap();
        assert!(wait > Duration::from_secs(600), "{status}");
    }
}

#[test]
fn an_account_is_stalled_while_somebody_has_to_do_something() {
    let conditions = |outcome: Outcome| -> Vec<String> {
        let status = outcome.status(&AccountStatus::default(), &subject(3), noon());
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
fn the_contracts_that_were_found_stay_through_an_outage() {
    let found = reported(&outcome(Ok(&["1-A"])));
    assert_eq!(found.contracts, ["1-A"]);
    assert_eq!(outcome(Err(unreachable())).status(&found, &subject(1), noon()).contracts, ["1-A"]);
    let rejected = outcome(Err(answered(401, "no"))).status(&found, &subject(1), noon());
    assert_eq!(rejected.contracts, Vec::<String>::new());
}

#[test]
fn an_account_that_reports_the_same_again_has_nothing_to_write() {
    let later = noon() + Duration::from_secs(3600);
    let before = reported(&outcome(Err(answered(401, "no"))));
    assert_eq!(outcome(Err(answered(401, "no"))).status(&before, &subject(1), later), before);
    assert_ne!(outcome(Err(answered(401, "no"))).status(&before, &subject(2), later), before);
    assert_ne!(outcome(Ok(&["1-A"])).status(&before, &subject(1), later), before);
    let another_secret = Subject { secret: version("2", "4"), ..subject(1) };
    assert_ne!(outcome(Err(answered(401, "no"))).status(&before, &another_secret, later), before);
}

#[test]
fn an_account_that_is_being_deleted_names_five_of_its_users_at_most() {
    let user = |name: String| {
        let mut user = certificate();
        user.metadata.name = Some(name);
        Arc::new(user)
    };
    let users: Vec<_> = (1..=7).rev().map(|n| user(format!("c{n}"))).collect();
    let ready = outcome(Ok(&["1-A"]));
    let reported = ready.clone().while_in_use(&users);
    assert_eq!((reported.ready, reported.reason), (true, Reason::AccountInUse));
    assert_eq!(
        reported.message,
        "The account is marked for deletion and stays until no certificate refers to it: delete shop/c1, shop/c2, \
         shop/c3, shop/c4, shop/c5 and 2 more"
    );
    assert!(matches!(reported.event().severity, Severity::Warning));
    assert_eq!(ready.while_in_use(&[]).reason, Reason::CredentialsAccepted);
    // The reason why the account cannot be used matters more.
    let rejected = outcome(Err(answered(401, "no"))).while_in_use(&users);
    assert_eq!(rejected.reason, Reason::CredentialsRejected);
}

#[test]
fn a_status_vouches_for_an_account_until_the_account_or_its_secret_changes() {
    let status = reported(&outcome(Ok(&["1-A"])));
    let message = "Akamai accepted the credentials; contracts: 1-A".to_owned();
    let ready = Vouched::Ready { contracts: vec!["1-A".into()], message };
    assert_eq!(Vouched::by(&status, &subject(1)), Some(ready));
    let changed = [
        subject(2),
        Subject { secret: version("2", "4"), ..subject(1) },
        Subject { secret: version("9", "3"), ..subject(1) },
        Subject { secret: None, ..subject(1) },
    ];
    for changed in changed {
        assert_eq!(Vouched::by(&status, &changed), None, "{changed:?}");
    }
    assert_eq!(Vouched::by(&AccountStatus::default(), &subject(1)), None);
    let by_an_older_version = AccountStatus { checked_secret: None, ..status };
    assert_eq!(Vouched::by(&by_an_older_version, &subject(1)), None);
}

#[test]
fn a_status_repeats_why_an_account_could_not_be_used() {
    let vouched = |outcome: &Outcome| Vouched::by(&reported(outcome), &subject(1));
    let not_ready = |outcome: &Outcome, transient| {
        Some(Vouched::NotReady { message: outcome.message.clone(), transient })
    };
    let outage = outcome(Err(unreachable()));
    assert_eq!(vouched(&outage), not_ready(&outage, true));
    let rejected = outcome(Err(answered(401, "no")));
    assert_eq!(vouched(&rejected), not_ready(&rejected, false));
    let missing = Outcome::without_secret(&place());
    let nowhere = Subject { secret: None, ..subject(1) };
    let status = missing.status(&AccountStatus::default(), &nowhere, noon());
    assert_eq!(Vouched::by(&status, &nowhere), not_ready(&missing, false));
}

#[test]
fn who_uses_an_account_that_is_marked_for_deletion_is_found_out_anew() {
    let in_use = outcome(Ok(&["1-A"])).while_in_use(&[Arc::new(certificate())]);
    assert_eq!(in_use.reason, Reason::AccountInUse);
    let message = "Akamai accepted the credentials; contracts: 1-A".to_owned();
    let ready = Vouched::Ready { contracts: vec!["1-A".into()], message };
    assert_eq!(Vouched::by(&reported(&in_use), &subject(1)), Some(ready));
}

#[test]
fn what_the_status_vouches_for_is_checked_again_each_account_at_another_moment() {
    let wait = |seed, scale| {
        let intervals = Intervals { scale, seed };
        Check::vouched(subject(1), outcome(Ok(&["1-A"])), intervals, noon()).wait(noon()).unwrap()
    };
    assert_eq!(wait(0, 1.0), Duration::from_secs(60));
    assert_eq!(wait(500, 1.0), Duration::from_secs(330));
    assert_eq!(wait(500, 0.1), Duration::from_secs(33));
    assert!(wait(999, 1.0) < Duration::from_secs(600));
}

#[test]
fn an_outage_does_not_take_away_what_akamai_has_accepted() {
    let vouched = Check::vouched(subject(1), outcome(Ok(&["1-A"])), INTERVALS, noon());
    let outage = made(Some(&vouched), 1, outcome(Err(unreachable())));
    assert!(outage.outcome.ready && outage.outcome.client.is_some());
    assert_eq!(outage.failures, 1);
    assert!(outage.is_no_news(Some(&vouched)));
    assert!(outage.wait(noon()).unwrap() <= Duration::from_secs(6));
    let rejected = made(Some(&outage), 1, outcome(Err(answered(401, "no"))));
    assert!(!rejected.outcome.ready && !rejected.is_no_news(Some(&outage)));
    // Akamai never accepted credentials that are newer than the status.
    assert!(!made(Some(&vouched), 2, outcome(Err(unreachable()))).outcome.ready);
}

#[test]
fn a_check_that_confirms_the_one_before_is_no_news() {
    let before = Check::vouched(subject(1), outcome(Ok(&["1-A"])), INTERVALS, noon());
    assert!(made(Some(&before), 1, outcome(Ok(&["1-A"]))).is_no_news(Some(&before)));
    assert!(!made(Some(&before), 1, outcome(Ok(&["1-A", "1-B"]))).is_no_news(Some(&before)));
    // A new generation may change who may use the account.
    assert!(!made(Some(&before), 2, outcome(Ok(&["1-A"]))).is_no_news(Some(&before)));
    assert!(!before.is_no_news(None));
}

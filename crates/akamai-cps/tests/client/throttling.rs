//! "Not now" in all its forms: the call returns the time to wait, and every client of the account waits.

use std::time::Duration;

use akamai_cps::types::EnrollmentId;
use akamai_cps::{Budget, Error, Priority};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::server::{PROBLEM, builder, create};

const TOO_MANY: &str = r#"{"type":"Too many Requests","title":"HTTP 429 - Too many requests","detail":"You have exhausted your API Request Quota using Account: <A>"}"#;

#[tokio::test]
async fn a_long_wait_comes_back_at_once_and_pauses_the_account() {
    let in_a_minute = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60);
    let limit_text =
        format!("this operation has reached the limit for your account. Please try after {in_a_minute}");
    let firewall = "<html>deny rule IPBLOCK-BURST4-54013</html>";
    let cases = [
        (
            ResponseTemplate::new(429).insert_header("retry-after", "30").set_body_raw(TOO_MANY, PROBLEM),
            30..=33,
        ),
        (
            ResponseTemplate::new(429).insert_header("x-ratelimit-next", in_a_minute.to_string().as_str()),
            55..=68,
        ),
        (ResponseTemplate::new(429), 45..=50),
        (ResponseTemplate::new(503).set_body_string(limit_text), 55..=68),
        (ResponseTemplate::new(400).set_body_string(firewall), 45..=50),
    ];
    for (number, (template, expected)) in cases.into_iter().enumerate() {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(template).mount(&server).await;
        let budget = Budget::new(1000, 10);
        let client = || builder(&server.uri()).budget(budget.clone()).fallback_pause(Duration::from_secs(45));
        let cps = client().build().unwrap().with(Priority::Poll, "a");
        let error = cps.get_enrollment(EnrollmentId(1)).await.unwrap_err();
        let wait = error.retry_after().unwrap();
        assert!(expected.contains(&wait.as_secs()) && error.is_transient(), "case {number}: {error:?}");

        // Another client of the account does not even send a request.
        let neighbour = client().build().unwrap().with(Priority::Publish, "b");
        let error = create(&neighbour).await.unwrap_err();
        assert!(matches!(error, Error::Throttled { .. }), "case {number}: {error:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "case {number}");
    }
}

#[tokio::test]
async fn a_read_waits_out_a_short_pause_by_itself() {
    let server = MockServer::start().await;
    let short = ResponseTemplate::new(429).insert_header("retry-after", "1");
    Mock::given(any()).respond_with(short).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(json!([]))).mount(&server).await;
    let cps = builder(&server.uri()).build().unwrap().with(Priority::Poll, "a");
    cps.list_contracts().await.unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_write_that_was_turned_away_was_not_carried_out_and_is_not_repeated() {
    let server = MockServer::start().await;
    let short = ResponseTemplate::new(429).insert_header("retry-after", "1");
    Mock::given(any()).respond_with(short).mount(&server).await;
    let error =
        create(&builder(&server.uri()).build().unwrap().with(Priority::Publish, "a")).await.unwrap_err();
    assert!(error.retry_after().unwrap() <= Duration::from_millis(1100), "{error:?}");
    assert!(!error.is_outcome_unknown());
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_write_that_meets_an_outage_pauses_the_account_but_may_have_been_carried_out() {
    let server = MockServer::start().await;
    let outage = ResponseTemplate::new(503).insert_header("retry-after", "30").set_body_string("<html>");
    Mock::given(any()).respond_with(outage).mount(&server).await;
    let client = builder(&server.uri()).build().unwrap();
    assert!(create(&client.with(Priority::Publish, "a")).await.unwrap_err().is_outcome_unknown());
    assert!(client.budget().paused_for().is_some());
}

#[test]
fn the_message_of_a_throttled_call_is_the_same_each_time() {
    let text = |seconds| {
        Error::Throttled { operation: "get-change", retry_after: Duration::from_secs(seconds) }.to_string()
    };
    assert_eq!(text(1), text(60));
}

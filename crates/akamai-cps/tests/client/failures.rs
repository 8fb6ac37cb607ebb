//! Error answers: which are tried again, what they become, and what never appears in a message.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use akamai_cps::types::{ChangeId, EnrollmentId};
use akamai_cps::{Error, Priority};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::server::{PROBLEM, builder, closing_server, cps, create, verified_nonce};

const E: EnrollmentId = EnrollmentId(1);

/// A server that always answers like this.
async fn failing(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

async fn count(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_read_is_repeated_after_a_server_error_each_time_with_a_nonce_of_its_own() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(502)).up_to_n_times(2).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(json!([]))).mount(&server).await;
    cps(&server).list_contracts().await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let nonces: std::collections::BTreeSet<_> = requests.iter().map(verified_nonce).collect();
    assert_eq!(nonces.len(), 3);
}

#[tokio::test]
async fn a_read_that_keeps_failing_ends_with_the_last_answer() {
    let server =
        failing(ResponseTemplate::new(500).set_body_raw(r#"{"title":"Internal error"}"#, PROBLEM)).await;
    let error = cps(&server).get_enrollment(E).await.unwrap_err();
    let text = "get-enrollment: HTTP 500: Internal error; Akamai has a problem, it will be tried again";
    assert_eq!((error.to_string().as_str(), error.is_transient(), count(&server).await), (text, true, 3));
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let server = failing(ResponseTemplate::new(400).set_body_raw(r#"{"title":"Bad name"}"#, PROBLEM)).await;
    let error = cps(&server).get_enrollment(E).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.is_transient()),
        ("get-enrollment: HTTP 400: Bad name", false)
    );
    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_repeated_and_says_so() {
    let (url, requests) = closing_server().await;
    let cps = builder(&url).build().unwrap().with(Priority::Publish, "uid");
    let error = create(&cps).await.unwrap_err();
    assert!(error.is_outcome_unknown() && error.is_transient(), "{error}");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    assert!(error.to_string().ends_with("look at what Akamai has before trying again"), "{error}");

    let error = cps.acknowledge_dv_challenges(E, ChangeId(2)).await.unwrap_err();
    assert!(error.is_outcome_unknown());
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_read_whose_answer_is_lost_is_repeated_and_then_unreachable() {
    let (url, requests) = closing_server().await;
    let error =
        builder(&url).build().unwrap().with(Priority::Poll, "uid").get_enrollment(E).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_write_that_meets_a_server_error_has_an_unknown_outcome() {
    for status in [500, 502, 503, 504] {
        let server = failing(ResponseTemplate::new(status)).await;
        let error = create(&cps(&server)).await.unwrap_err();
        assert_eq!(
            (error.is_outcome_unknown(), error.status(), count(&server).await),
            (true, Some(status), 1)
        );
    }
}

#[tokio::test]
async fn a_write_that_succeeds_with_an_answer_nobody_understands_has_an_unknown_outcome() {
    let server = failing(ResponseTemplate::new(202).set_body_string("<html>")).await;
    assert!(create(&cps(&server)).await.unwrap_err().is_outcome_unknown());
    let error = cps(&server).get_enrollment(E).await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedAnswer { status: 202, .. }), "{error}");
}

#[tokio::test]
async fn a_write_that_cannot_be_sent_is_known_not_to_have_happened() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = create(&builder(&url).build().unwrap().with(Priority::Publish, "uid")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends() {
    let server = failing(ResponseTemplate::new(200).set_delay(Duration::from_secs(60))).await;
    let client = builder(&server.uri()).timeout(Duration::from_millis(50)).build().unwrap();
    let error = create(&client.with(Priority::Poll, "uid")).await.unwrap_err();
    let expected = "create-enrollment: the outcome is unknown (no answer in time); \
                    look at what Akamai has before trying again";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = failing(ResponseTemplate::new(200)).await;
    let server = failing(ResponseTemplate::new(302).insert_header("location", target.uri().as_str())).await;
    let error = cps(&server).get_enrollment(E).await.unwrap_err();
    assert_eq!((error.status(), count(&target).await), (Some(302), 0));
    assert!(error.to_string().ends_with("check that the host is an Akamai API host"), "{error}");
}

#[tokio::test]
async fn every_kind_of_error_body_becomes_one_clear_message() {
    let html = "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY>Reference #18.5c.17.1a</BODY></HTML>";
    let cases = [
        (
            html.to_owned(),
            r#"HTTP 403: an HTML page titled "Access Denied"; check the grants of the API client and the contract"#,
        ),
        (String::new(), "HTTP 403: no explanation; check the grants of the API client and the contract"),
        ("sorry".to_owned(), "HTTP 403: sorry; check the grants of the API client and the contract"),
    ];
    for (body, expected) in cases {
        let server = failing(ResponseTemplate::new(403).set_body_string(body)).await;
        let error = cps(&server).get_enrollment(E).await.unwrap_err();
        assert_eq!(error.to_string(), format!("get-enrollment: {expected}"));
        assert!(error.is_forbidden());
    }
}

#[tokio::test]
async fn only_cps_itself_can_say_that_something_is_gone() {
    let gone = r#"{"type":"https://akaa-x/cps/v2/error-types/not-found","title":"Not Found","instance":"https://akaa-x/?id=1"}"#;
    for (status, body, expected) in
        [(404, gone, true), (410, gone, true), (404, "<html>", false), (404, "", false)]
    {
        let server = failing(ResponseTemplate::new(status).set_body_raw(body, PROBLEM)).await;
        let error = cps(&server).get_enrollment(E).await.unwrap_err();
        assert_eq!((error.is_not_found(), error.status()), (expected, Some(status)), "{body}");
    }
}

#[tokio::test]
async fn conflicts_are_told_apart_by_the_last_segment_of_their_type() {
    let body = r#"{"type":"https://h/cps/v2/error-types/certificate-live-on-network","title":"Certificate(s) are still live."}"#;
    let server = failing(ResponseTemplate::new(409).set_body_raw(body, PROBLEM)).await;
    let error = cps(&server).delete_enrollment(E, &Default::default()).await.unwrap_err();
    assert!(
        error.is_conflict("certificate-live-on-network") && !error.is_conflict("invalid-enrollment-state")
    );
    assert!(!error.is_transient());

    let body = r#"{"type":"https://h/cps/v2/error-types/invalid-enrollment-state","title":"Invalid state"}"#;
    let server = failing(ResponseTemplate::new(409).set_body_raw(body, PROBLEM)).await;
    assert!(cps(&server).acknowledge_dv_challenges(E, ChangeId(2)).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn refused_credentials_are_recognised_and_nothing_of_them_is_shown() {
    let body = r#"{"type":"https://problems.luna.akamaiapis.net/-/pep-authn/deny","title":"Not authorized","status":401,
        "detail":"Inactive token akab-access-token of akab-client-token signed client-secret-value",
        "requestId":"933ed8a4","clientIp":"192.0.2.0"}"#;
    let server = failing(ResponseTemplate::new(401).set_body_raw(body, PROBLEM)).await;
    let client = builder(&server.uri()).build().unwrap();
    let error = client.with(Priority::Poll, "uid").list_contracts().await.unwrap_err();
    assert!(error.is_unauthorized());
    let expected = "list-contracts: HTTP 401: Not authorized: Inactive token [redacted] of [redacted] signed [redacted]; \
                    check the credentials, and that this machine's clock is right";
    assert_eq!(error.to_string(), expected);
    let debug = format!("{error:?} {client:?} {:?}", client.with(Priority::Poll, "uid"));
    for secret in ["akab-access-token", "akab-client-token", "client-secret-value"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_permitted_is_not_sent() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).mount(&server).await;
    // Permission is withdrawn between the first try and its repetition.
    let asked = Arc::new(Mutex::new(0));
    let permit: akamai_cps::Permit = Arc::new(move || {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        *asked == 1
    });
    let client = builder(&server.uri()).permit(permit).build().unwrap();
    let error = client.with(Priority::Poll, "uid").list_contracts().await.unwrap_err();
    let expected = "list-contracts: not sent, since this process may not call Akamai now; another one does";
    assert_eq!((error.to_string().as_str(), error.is_transient()), (expected, true));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn every_request_that_went_out_is_observed() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(json!([]))).mount(&server).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let observer: akamai_cps::Observer = Arc::new(move |record| {
        log.lock().unwrap().push((record.operation, record.flow.to_owned(), record.status))
    });
    let client = builder(&server.uri()).observer(observer).build().unwrap();
    client.with(Priority::Poll, "uid").list_contracts().await.unwrap();
    let expected =
        [("list-contracts", "uid".to_owned(), Some(500)), ("list-contracts", "uid".to_owned(), Some(200))];
    assert_eq!(*seen.lock().unwrap(), expected);
}

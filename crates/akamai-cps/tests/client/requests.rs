//! What the client sends: paths, queries, media types, signatures.

use akamai_cps::types::{ChangeId, ContractId, DeploymentSchedule, EnrollmentId};
use akamai_cps::{CreateParams, DeleteParams, Network, Priority, UpdateParams};
use serde_json::json;
use wiremock::matchers::{any, header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::server::{builder, cps, create, credentials, enrollment, verified_nonce};

const E: EnrollmentId = EnrollmentId(10002);
const C: ChangeId = ChangeId(20001);

/// A server that gives this answer to everything.
async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

async fn last(server: &MockServer) -> Request {
    server.received_requests().await.unwrap().pop().unwrap()
}

fn line(request: &Request) -> String {
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{} {}{query}", request.method, request.url.path())
}

#[tokio::test]
async fn create_sends_the_enrollment_for_the_bare_contract_and_gives_the_ids_back() {
    let status = json!({"enrollment": "/cps/v2/enrollments/10002", "changes": ["/cps/v2/enrollments/10002/changes/7"]});
    let server = answering(ResponseTemplate::new(202).set_body_json(status)).await;
    let created = create(&cps(&server)).await.unwrap();
    assert_eq!((created.enrollment, created.changes), (E, vec![ChangeId(7)]));

    let request = last(&server).await;
    assert_eq!(line(&request), "POST /cps/v2/enrollments?contractId=1-1TJZH5");
    assert_eq!(request.headers["accept"], "application/vnd.akamai.cps.enrollment-status.v1+json");
    assert_eq!(request.headers["content-type"], "application/vnd.akamai.cps.enrollment.v11+json");
    let expected = json!({
        "certificateType": "san", "validationType": "dv", "ra": "lets-encrypt",
        "changeManagement": false, "enableMultiStackedCertificates": false,
        "csr": {"cn": "www.example.com"},
        "networkConfiguration": {"geography": "core", "secureNetwork": "enhanced-tls", "sniOnly": true, "quicEnabled": false},
    });
    assert_eq!(request.body_json::<serde_json::Value>().unwrap(), expected);
    verified_nonce(&request);
}

#[tokio::test]
async fn parameters_are_sent_only_when_they_are_asked_for() {
    let status = json!({"enrollment": "/cps/v2/enrollments/10002", "changes": null});
    let server = answering(ResponseTemplate::new(200).set_body_json(status)).await;
    let cps = cps(&server);
    let day = Some(jiff::civil::date(2027, 1, 31));

    let params = CreateParams { allow_duplicate_cn: true, deploy_not_before: day, ..Default::default() };
    cps.create_enrollment(&ContractId::new("1-2"), &enrollment(), &params).await.unwrap();
    let expected =
        "POST /cps/v2/enrollments?contractId=1-2&allow-duplicate-cn=true&deploy-not-before=2027-01-31";
    assert_eq!(line(&last(&server).await), expected);

    cps.update_enrollment(E, &enrollment(), &UpdateParams::default()).await.unwrap();
    assert_eq!(line(&last(&server).await), "PUT /cps/v2/enrollments/10002");
    let params = UpdateParams {
        allow_cancel_pending_changes: true,
        allow_staging_bypass: true,
        force_renewal: true,
        renewal_date_check_override: true,
        allow_missing_certificate_addition: true,
        deploy_not_before: day,
        deploy_not_after: day,
    };
    cps.update_enrollment(E, &enrollment(), &params).await.unwrap();
    let expected = "PUT /cps/v2/enrollments/10002?allow-cancel-pending-changes=true&allow-staging-bypass=true\
                    &force-renewal=true&renewal-date-check-override=true&allow-missing-certificate-addition=true\
                    &deploy-not-after=2027-01-31&deploy-not-before=2027-01-31";
    assert_eq!(line(&last(&server).await), expected);

    let params = DeleteParams { allow_cancel_pending_changes: true, ..Default::default() };
    cps.delete_enrollment(E, &params).await.unwrap();
    assert_eq!(
        line(&last(&server).await),
        "DELETE /cps/v2/enrollments/10002?allow-cancel-pending-changes=true"
    );
}

#[tokio::test]
async fn every_acknowledgement_goes_to_its_own_place_and_needs_no_body_in_the_answer() {
    let server = answering(ResponseTemplate::new(204)).await;
    let cps = cps(&server);
    let plain =
        ("application/vnd.akamai.cps.acknowledgement.v1+json", r#"{"acknowledgement":"acknowledge"}"#);
    let hashed = (
        "application/vnd.akamai.cps.acknowledgement-with-hash.v1+json",
        r#"{"acknowledgement":"acknowledge","hash":"da39a3ee"}"#,
    );
    let mut seen = Vec::new();
    cps.acknowledge_dv_challenges(E, C).await.unwrap();
    seen.push(("lets-encrypt-challenges-completed", plain, last(&server).await));
    cps.acknowledge_pre_verification_warnings(E, C).await.unwrap();
    seen.push(("pre-verification-warnings-ack", plain, last(&server).await));
    cps.acknowledge_post_verification_warnings(E, C).await.unwrap();
    seen.push(("post-verification-warnings-ack", plain, last(&server).await));
    cps.acknowledge_change_management(E, C, "da39a3ee").await.unwrap();
    seen.push(("change-management-ack", hashed, last(&server).await));
    for (leaf, (content_type, body), request) in seen {
        assert_eq!(
            line(&request),
            format!("POST /cps/v2/enrollments/10002/changes/20001/input/update/{leaf}")
        );
        assert_eq!(request.headers["accept"], "application/vnd.akamai.cps.change-id.v1+json");
        assert_eq!(request.headers["content-type"], content_type);
        assert_eq!(String::from_utf8(request.body.clone()).unwrap(), body);
        verified_nonce(&request);
    }
}

#[tokio::test]
async fn a_deployment_schedule_is_sent_with_null_for_an_open_end() {
    let server = answering(ResponseTemplate::new(200).set_body_json(json!({"change": "/cps/v2/x/2"}))).await;
    let schedule = DeploymentSchedule { not_before: "2027-01-31T00:00:00Z".parse().ok(), not_after: None };
    cps(&server).set_deployment_schedule(E, C, &schedule).await.unwrap();
    let request = last(&server).await;
    assert_eq!(
        request.body_json::<serde_json::Value>().unwrap(),
        json!({"notBefore": "2027-01-31T00:00:00Z", "notAfter": null})
    );
}

#[tokio::test]
async fn contracts_are_listed_by_the_contract_api() {
    let server =
        answering(ResponseTemplate::new(200).set_body_json(json!(["3-1EFAKE", "ctr_3-XBOGUS"]))).await;
    let contracts = cps(&server).list_contracts().await.unwrap();
    assert_eq!(contracts, [ContractId::new("3-1EFAKE"), ContractId::new("3-XBOGUS")]);
    let request = last(&server).await;
    assert_eq!(line(&request), "GET /contract-api/v1/contracts/identifiers?depth=TOP");
    assert!(!request.headers.contains_key("content-type"));
}

#[tokio::test]
async fn a_deployment_that_is_not_there_is_none() {
    let server = MockServer::start().await;
    let base = "/cps/v2/enrollments/10002/deployments";
    Mock::given(path(format!("{base}/production")))
        .respond_with(ResponseTemplate::new(404))
        .mount(&server)
        .await;
    let deployment =
        json!({"primaryCertificate": {"certificate": "PEM", "trustChain": null}, "networkConfiguration": {}});
    let staging = ResponseTemplate::new(200).set_body_json(deployment);
    Mock::given(path(format!("{base}/staging"))).respond_with(staging).mount(&server).await;
    let both = json!({"production": null, "staging": null});
    Mock::given(path(base)).respond_with(ResponseTemplate::new(200).set_body_json(both)).mount(&server).await;

    let cps = cps(&server);
    assert_eq!(cps.get_deployment(E, Network::Production).await.unwrap(), None);
    let staging = cps.get_deployment(E, Network::Staging).await.unwrap().unwrap();
    assert_eq!(staging.primary_certificate.unwrap().certificate.as_deref(), Some("PEM"));
    let both = cps.get_deployments(E).await.unwrap();
    assert!(both.production.is_none() && both.staging.is_none());
}

#[tokio::test]
async fn a_removal_at_once_and_a_removal_under_way_are_told_apart() {
    let server = MockServer::start().await;
    let status =
        json!({"enrollment": "/cps/v2/enrollments/1", "changes": ["/cps/v2/enrollments/1/changes/5"]});
    let later = ResponseTemplate::new(202).set_body_json(status);
    Mock::given(method("DELETE")).and(path("/cps/v2/enrollments/1")).respond_with(later).mount(&server).await;
    let gone = ResponseTemplate::new(200);
    Mock::given(method("DELETE")).and(path("/cps/v2/enrollments/2")).respond_with(gone).mount(&server).await;

    let cps = cps(&server);
    let removal = cps.delete_enrollment(EnrollmentId(1), &DeleteParams::default()).await.unwrap();
    assert!(!removal.complete && removal.changes == [ChangeId(5)]);
    assert!(cps.delete_enrollment(EnrollmentId(2), &DeleteParams::default()).await.unwrap().complete);
}

#[tokio::test]
async fn the_account_key_goes_with_every_request_and_is_signed() {
    let server = MockServer::start().await;
    Mock::given(query_param("accountSwitchKey", "1-ABCD:1-2RBL"))
        .and(query_param("contractId", "1-1"))
        .and(header("user-agent", "tester/1"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"enrollments": []})))
        .expect(1)
        .mount(&server)
        .await;
    let credentials = credentials().with_account_key(Some("1-ABCD:1-2RBL".to_owned()));
    let client = akamai_cps::Client::builder(credentials)
        .base_url(server.uri())
        .user_agent("tester/1")
        .build()
        .unwrap();
    assert_eq!(
        client.with(Priority::Housekeeping, "x").list_enrollments(&ContractId::new("1-1")).await.unwrap(),
        []
    );
    verified_nonce(&last(&server).await);
}

#[tokio::test]
async fn clients_that_share_a_transport_sign_with_their_own_credentials() {
    let server = answering(ResponseTemplate::new(200).set_body_json(json!(["1-A"]))).await;
    let transport = akamai_cps::Transport::builder().user_agent("tester/1").build().unwrap();
    for token in ["akab-first", "akab-second"] {
        let host = "akab-test.luna.akamaiapis.net";
        let credentials =
            akamai_cps::Credentials::new(host, token, "client-secret-value", "akab-access-token").unwrap();
        let client = akamai_cps::Client::builder(credentials)
            .base_url(server.uri())
            .user_agent("never sent")
            .transport(transport.clone())
            .build()
            .unwrap();
        client.with(Priority::Housekeeping, "x").list_contracts().await.unwrap();
        let request = last(&server).await;
        assert_eq!(request.headers["user-agent"], "tester/1");
        let signature = request.headers["authorization"].to_str().unwrap();
        assert!(signature.contains(&format!("client_token={token};")), "{signature}");
    }
}

#[tokio::test]
async fn an_update_sends_back_what_it_does_not_know_and_leaves_out_what_only_cps_writes() {
    let read = json!({
        "id": "10002", "location": "/cps-api/enrollments/10002", "orgId": "645263546",
        "certificateType": "san", "validationType": "dv", "ra": "a-new-authority", "changeManagement": null,
        "enableMultiStackedCertificates": false, "signatureAlgorithm": null,
        "csr": {"cn": "www.example.com", "sans": ["a.example.com"], "newField": [1]},
        "networkConfiguration": {"geography": "moon", "secureNetwork": "enhanced-tls", "sniOnly": true,
                                 "quicEnabled": false, "fipsMode": true},
        "pendingChanges": ["/cps-api/enrollments/10002/changes/7"], "assignedSlots": [1], "slots": [1],
        "stagingSlots": [1], "productionSlots": [1], "maxAllowedSanNames": 100, "maxAllowedWildcardSanNames": 25,
        "autoRenewalStartTime": "2027-01-31T00:00:00z", "brandNew": {"a": null},
    });
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(read))
        .mount(&server)
        .await;
    let saved = ResponseTemplate::new(200).set_body_json(json!({"enrollment": "/cps/v2/enrollments/10002"}));
    Mock::given(method("PUT")).respond_with(saved).mount(&server).await;

    let cps = cps(&server);
    let enrollment = cps.get_enrollment(E).await.unwrap();
    assert_eq!(enrollment.enrollment_id(), Some(E));
    assert_eq!(enrollment.pending_change().unwrap().change_id(), Some(ChangeId(7)));
    assert_eq!(enrollment.auto_renewal_start_time.unwrap().to_string(), "2027-01-31T00:00:00Z");
    cps.update_enrollment(E, &enrollment, &UpdateParams::default()).await.unwrap();

    let expected = json!({
        "orgId": 645263546, "certificateType": "san", "validationType": "dv", "ra": "a-new-authority",
        "changeManagement": false, "enableMultiStackedCertificates": false,
        "csr": {"cn": "www.example.com", "sans": ["a.example.com"], "newField": [1]},
        "networkConfiguration": {"geography": "moon", "secureNetwork": "enhanced-tls", "sniOnly": true,
                                 "quicEnabled": false, "fipsMode": true},
        "brandNew": {"a": null},
    });
    assert_eq!(last(&server).await.body_json::<serde_json::Value>().unwrap(), expected);
}

#[tokio::test]
async fn a_host_without_a_port_of_its_own_is_signed_as_it_is_sent() {
    let server = answering(ResponseTemplate::new(200).set_body_json(json!([]))).await;
    let url = format!("HTTP://LOCALHOST:{}/", server.address().port());
    builder(&url).build().unwrap().with(Priority::Poll, "uid").list_contracts().await.unwrap();
    verified_nonce(&last(&server).await);
}

#[test]
fn only_scheme_and_host_are_taken_for_a_base_url() {
    for url in
        ["cps.example.com", "ftp://cps.example.com", "https://a/b", "https://a/?b=c", "https://u:p@a", ""]
    {
        let error = builder(url).build().unwrap_err().to_string();
        assert!(error.contains("give scheme and host only"), "{url}: {error}");
    }
    let error =
        builder("https://cps.example.com").root_certificate_pem("no PEM").build().unwrap_err().to_string();
    assert_eq!(error, "the additional certificate authority is no PEM certificate");
}

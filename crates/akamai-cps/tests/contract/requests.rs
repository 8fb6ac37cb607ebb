//! What the client sends, against Akamai's schemas: the table of operations, every query parameter and every body.

use akamai_cps::types::{
    AuthenticationOptions, ChangeId, ClientMutualAuthentication, Contact, ContractId, Csr,
    DeploymentSchedule, DnsNameSettings, Enrollment, EnrollmentId, NetworkConfiguration, OcspOption,
    OcspStapling, Organization,
};
use akamai_cps::{
    Client, CreateParams, Credentials, DeleteParams, Network, Priority, UpdateParams, operations,
};
use serde_json::{Value, json};
use wiremock::matchers::{any, method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::document::{Document, violations};

/// Query parameters that the document does not have, and the evidence that CPS accepts them.
const UNDOCUMENTED_PARAMETERS: &[(&str, &str, &str)] =
    &[("POST", "allow-duplicate-cn", "sent by edgegrid-golang, terraform-provider-akamai and cli-cps")];

/// The document that a path belongs to, and the path in it.
fn document_of(path: &str) -> (Document, String) {
    let documents = [
        ("/cps/v2", Document::cps as fn() -> Document),
        ("/config-dns/v2", Document::edge_dns),
        ("/contract-api/v1", Document::contracts),
    ];
    let mut found =
        documents.iter().filter_map(|(base, document)| Some((document, path.strip_prefix(base)?)));
    found.next().map(|(document, path)| (document(), path.to_owned())).unwrap()
}

#[test]
fn every_operation_is_in_the_document_with_its_media_types() {
    for operation in operations() {
        let (document, path) = document_of(&operation.path.replace("{}", "1"));
        let template = document.template_of(&path).unwrap_or_else(|| panic!("{operation:?}"));
        let method = operation.method.as_str();
        let answers = document.answer_media_types(method, &template);
        assert!(answers.iter().any(|answer| answer == operation.accept), "{operation:?}: {answers:?}");
        if let Some(content_type) = operation.content_type {
            assert!(document.request_schema(method, &template, content_type).is_some(), "{operation:?}");
        }
    }
}

#[tokio::test]
async fn every_body_and_query_parameter_that_is_sent_fits_the_document() {
    let server = MockServer::start().await;
    let status = json!({"enrollment": "/cps/v2/enrollments/1", "changes": []});
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(status)).mount(&server).await;
    let record = json!({"name": "there.example.com", "type": "TXT", "ttl": 60, "rdata": ["\"a\""]});
    let record = ResponseTemplate::new(200).set_body_json(record);
    let read =
        |name| Mock::given(method("GET")).and(path_regex(format!("/names/{name}.example.com/types/TXT$")));
    read("new").respond_with(ResponseTemplate::new(404)).with_priority(1).mount(&server).await;
    read("there").respond_with(record).with_priority(1).mount(&server).await;
    call_everything(&server).await;

    let requests = server.received_requests().await.unwrap();
    let (mut bodies, mut names) = (0, std::collections::BTreeSet::new());
    for request in requests {
        let (document, path) = document_of(request.url.path());
        let (method, template) = (request.method.as_str(), document.template_of(&path).unwrap());
        let known = document.query_parameters(method, &template);
        for (name, _) in request.url.query_pairs() {
            let undocumented =
                UNDOCUMENTED_PARAMETERS.iter().any(|(m, parameter, _)| *m == method && *parameter == name);
            assert!(undocumented || known.contains(&name.to_string()), "{method} {template}?{name}");
        }
        names.insert(format!("{method} {template}"));
        if !request.body.is_empty() {
            let content_type = request.headers["content-type"].to_str().unwrap();
            let schema = document.request_schema(method, &template, content_type).unwrap();
            let body: Value = request.body_json().unwrap();
            assert_eq!(violations(&schema, &body), Vec::<String>::new(), "{method} {template}: {body}");
            bodies += 1;
        }
    }
    let table = operations().iter().map(|operation| {
        let (document, path) = document_of(&operation.path.replace("{}", "1"));
        format!("{} {}", operation.method, document.template_of(&path).unwrap())
    });
    assert_eq!(names, table.collect(), "nothing in the table was left out");
    // 3 enrollments created, 3 updated, 2 schedules, 4 acknowledgements, 2 TXT records.
    assert_eq!(bodies, 14);
}

/// Calls every operation. It does not matter here whether the client can parse the answer.
async fn call_everything(server: &MockServer) {
    let credentials = Credentials::new("h.luna.akamaiapis.net", "ct", "cs", "at").unwrap();
    let credentials = credentials.with_account_key(Some("1-ABCD:1-2RBL".to_owned()));
    let client = Client::builder(credentials).base_url(server.uri()).budget(akamai_cps::Budget::unlimited());
    let client = client.build().unwrap();
    let cps = client.with(Priority::Poll, "uid");
    let (contract, e, c) = (ContractId::new("1-1TJZH5"), EnrollmentId(1), ChangeId(2));
    let day = Some(jiff::civil::date(2027, 1, 31));

    let params = CreateParams { allow_duplicate_cn: true, deploy_not_before: day, deploy_not_after: day };
    for enrollment in [minimal(), complete(), read_from_akamais_sample()] {
        // Only an update omits the read-only fields.
        let enrollment = enrollment.for_update();
        let _ = cps.create_enrollment(&contract, &enrollment, &params).await;
    }
    let params = UpdateParams {
        allow_cancel_pending_changes: true,
        allow_staging_bypass: true,
        force_renewal: true,
        renewal_date_check_override: true,
        allow_missing_certificate_addition: true,
        deploy_not_before: day,
        deploy_not_after: day,
    };
    for enrollment in [minimal(), complete(), read_from_akamais_sample()] {
        let _ = cps.update_enrollment(e, &enrollment, &params).await;
    }
    let params =
        DeleteParams { allow_cancel_pending_changes: true, deploy_not_before: day, deploy_not_after: day };
    let _ = cps.delete_enrollment(e, &params).await;
    let _ = cps.list_enrollments(&contract).await;
    let _ = cps.get_enrollment(e).await;
    let _ = cps.get_change(e, c).await;
    let _ = cps.cancel_change(e, c).await;
    let _ = cps.get_deployment_schedule(e, c).await;
    let open = DeploymentSchedule::default();
    let closed = DeploymentSchedule { not_before: Some(jiff::Timestamp::UNIX_EPOCH), not_after: None };
    let _ = cps.set_deployment_schedule(e, c, &open).await;
    let _ = cps.set_deployment_schedule(e, c, &closed).await;
    let _ = cps.get_dv_challenges(e, c).await;
    let _ = cps.get_pre_verification_warnings(e, c).await;
    let _ = cps.get_post_verification_warnings(e, c).await;
    let _ = cps.get_change_management_info(e, c).await;
    let _ = cps.acknowledge_dv_challenges(e, c).await;
    let _ = cps.acknowledge_pre_verification_warnings(e, c).await;
    let _ = cps.acknowledge_post_verification_warnings(e, c).await;
    let _ = cps.acknowledge_change_management(e, c, "da39a3ee").await;
    let _ = cps.get_deployments(e).await;
    let _ = cps.get_deployment(e, Network::Staging).await;
    let _ = cps.get_deployment(e, Network::Production).await;
    let _ = cps.list_contracts().await;

    let (edge_dns, a, b) = (client.edge_dns(Priority::Poll, "uid"), ["a".to_owned()], ["b \"é\"".to_owned()]);
    let _ = edge_dns.zones().await;
    let _ = edge_dns.add_txt("example.com", "new.example.com", &b, 60).await;
    let _ = edge_dns.add_txt("example.com", "there.example.com", &b, 60).await;
    let _ = edge_dns.remove_txt("example.com", "there.example.com", &a).await;
}

fn minimal() -> Enrollment {
    let csr = Csr { cn: "www.example.com".into(), ..Csr::default() };
    Enrollment::domain_validated(csr, NetworkConfiguration::new("core", "standard-tls", true))
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn contact() -> Contact {
    Contact {
        first_name: text("A"),
        last_name: text("B"),
        title: text("Engineer"),
        organization_name: text("Example"),
        email: text("a@example.com"),
        phone: text("617-555-0111"),
        address_line_one: text("150 Broadway"),
        address_line_two: text("Floor 2"),
        city: text("Cambridge"),
        region: text("MA"),
        postal_code: text("02142"),
        country: text("US"),
        ..Contact::default()
    }
}

fn organization() -> Organization {
    Organization {
        name: text("Example"),
        phone: text("617-555-0111"),
        address_line_one: text("150 Broadway"),
        address_line_two: text("Floor 2"),
        city: text("Cambridge"),
        region: text("MA"),
        postal_code: text("02142"),
        country: text("US"),
        ..Organization::default()
    }
}

/// Every field that may be set.
fn complete() -> Enrollment {
    let csr = Csr {
        cn: "www.example.com".into(),
        sans: Some(vec!["api.example.com".into()]),
        c: text("US"),
        st: text("MA"),
        l: text("Cambridge"),
        o: text("Example"),
        ou: text("Web"),
        preferred_trust_chain: text("dst-root-ca-x3"),
        ..Csr::default()
    };
    let ocsp = Some(OcspOption { enabled: Some(true), ..OcspOption::default() });
    let options = AuthenticationOptions { send_ca_list_to_client: Some(false), ocsp, ..Default::default() };
    let network = NetworkConfiguration {
        quic_enabled: true,
        must_have_ciphers: text("ak-akamai-2020q1"),
        preferred_ciphers: text("ak-akamai-2020q1"),
        ocsp_stapling: Some(OcspStapling::On),
        disallowed_tls_versions: Some(vec!["TLSv1".into(), "TLSv1_1".into()]),
        dns_name_settings: Some(DnsNameSettings { clone_dns_names: true, ..DnsNameSettings::default() }),
        client_mutual_authentication: Some(ClientMutualAuthentication {
            set_id: text("set"),
            authentication_options: Some(options),
            ..ClientMutualAuthentication::default()
        }),
        ..NetworkConfiguration::new("china+core", "enhanced-tls", true)
    };
    Enrollment {
        change_management: true,
        certificate_chain_type: text("default"),
        signature_algorithm: text("SHA-256"),
        org: Some(organization()),
        org_id: Some(645_263_546),
        admin_contact: Some(contact()),
        tech_contact: Some(contact()),
        third_party: Some(Default::default()),
        ..Enrollment::domain_validated(csr, network)
    }
}

fn read_from_akamais_sample() -> Enrollment {
    let place = "GET /enrollments/{enrollmentId} 200 application/vnd.akamai.cps.enrollment.v11+json";
    let samples = Document::cps().samples();
    let sample = samples.into_iter().find(|sample| sample.place == place).unwrap();
    serde_json::from_value(sample.value).unwrap()
}

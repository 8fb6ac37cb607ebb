//! Bodies and contracts that CPS refuses.

use serde_json::{Value, json};

use crate::world::{World, enrollment};

/// A valid body with one value changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = enrollment(&["www.example.com"]);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[field] = value;
    body
}

#[tokio::test]
async fn a_prefixed_or_foreign_contract_gives_the_400_with_the_error_inside_its_title() {
    let world = World::start(|_| {}).await;
    for contract in ["ctr_C-1", "X-9"] {
        let answer =
            world.cps.create_with(&format!("contractId={contract}"), &enrollment(&["www.example.com"])).await;
        assert_eq!(answer.status, 400);
        let title = format!(
            "ApiError(type=Forbidden, title=Invalid Contract, detail=The current contract does not belong to ACG list., source=Contract ID: {contract})"
        );
        assert_eq!(answer.json, json!({"type": "", "title": title, "detail": ""}));
    }
}

#[tokio::test]
async fn a_common_name_that_is_taken_in_any_contract_gives_409() {
    let world = World::start(|_| {}).await;
    world.cps.created(&enrollment(&["www.example.com"])).await;
    let again = world.cps.create_with("contractId=C-2", &enrollment(&["WWW.example.com"])).await;
    assert_eq!((again.status, again.slug()), (409, "duplicate-cn"));
}

#[tokio::test]
async fn a_taken_common_name_is_accepted_with_allow_duplicate_cn() {
    let world = World::start(|_| {}).await;
    let body = enrollment(&["www.example.com"]);
    world.cps.created(&body).await;
    let again = world.cps.create_with("contractId=C-1&allow-duplicate-cn=true", &body).await;
    assert_eq!(again.status, 202);
}

#[tokio::test]
async fn bad_bodies_give_400_and_name_the_reason() {
    let world = World::start(|_| {}).await;
    let mtls = json!({"setId": "s", "authenticationOptions": null});
    let vip = {
        let mut body = with("/networkConfiguration/sniOnly", json!(false));
        body["networkConfiguration"]["dnsNameSettings"] = json!({"cloneDnsNames": true});
        body
    };
    let many: Vec<String> = (0..100).map(|n| format!("n{n}.example.com")).collect();
    let wildcards: Vec<String> = (0..26).map(|n| format!("*.n{n}.example.com")).collect();
    let table = [
        (
            with("/networkConfiguration/clientMutualAuthentication", mtls),
            "Invalid network configuration - Create enrollment request contains client mutual authentication configuration",
        ),
        (vip, "dnsNameSettings is only allowed with sniOnly true."),
        (
            with("/networkConfiguration/dnsNameSettings", json!({"cloneDnsNames": false})),
            "dnsNameSettings.dnsNames is required when cloneDnsNames is false.",
        ),
        (with("/csr/sans", json!(many)), "The number of SANs (101) exceeds the maximum of 100."),
        (with("/csr/sans", json!(wildcards)), "The number of wildcard SANs exceeds 25."),
        (with("/csr/cn", json!(null)), "Field /csr/cn is required."),
        (with("/csr/cn", json!("no_name.example.com")), "[no_name.example.com] is not a valid domain name."),
        (
            with("/networkConfiguration/secureNetwork", json!("plain")),
            "Field /networkConfiguration/secureNetwork must be one of enhanced-tls, standard-tls.",
        ),
        (
            with("/networkConfiguration/sniOnly", json!("true")),
            "Field /networkConfiguration/sniOnly must be true or false.",
        ),
        (
            with("/enableMultiStackedCertificates", json!(true)),
            "enableMultiStackedCertificates must be false for dv.",
        ),
        (with("/techContact", json!(null)), "Field /techContact/firstName is required."),
        (with("/adminContact/phone", json!("")), "Field /adminContact/phone is required."),
        (with("/org", json!(null)), "Field /org is required."),
    ];
    for (body, detail) in table {
        let answer = world.cps.create(&body).await;
        assert_eq!((answer.status, answer.json["detail"].as_str()), (400, Some(detail)));
    }
}

#[tokio::test]
async fn a_hundred_names_with_the_common_name_are_accepted() {
    let world = World::start(|_| {}).await;
    let names: Vec<String> = (0..99).map(|n| format!("n{n}.example.com")).collect();
    assert_eq!(world.cps.create(&with("/csr/sans", json!(names))).await.status, 202);
}

#[tokio::test]
async fn contacts_may_be_absent_when_an_organisation_on_file_is_named() {
    let world = World::start(|_| {}).await;
    let mut body = enrollment(&["www.example.com"]);
    for field in ["org", "adminContact", "techContact"] {
        body[field] = json!(null);
    }
    body["orgId"] = json!(645_263_546);
    assert_eq!(world.cps.create(&body).await.status, 202);
}

#[tokio::test]
async fn a_body_that_is_no_json_gives_400() {
    let world = World::start(|_| {}).await;
    let answer = world.cps.create(&json!("text")).await;
    assert_eq!((answer.status, answer.slug()), (400, "invalid-request"));
}

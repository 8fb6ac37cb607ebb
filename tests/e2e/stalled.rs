//! Problems that only show after `kubectl apply` and need a human. Each message says what is wrong and what to do,
//! and each certificate continues by itself after the repair. `refused` has what the API server refuses.

use akamai_cps::types::{ContractId, Csr, Enrollment, EnrollmentId, NetworkConfiguration};
use akamai_cps::{CreateParams, DeleteParams};
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::Api;
use serde_json::json;
use testbed::{Call, TestBed};

use crate::scene::{Scene, eventually, says};

crate::together![
    a_contract_that_the_credentials_do_not_see_is_unknown,
    contacts_that_nobody_sets_are_named,
    an_account_may_not_be_used_in_a_namespace_that_it_does_not_select,
    an_account_may_not_be_used_for_a_name_that_it_does_not_allow,
    a_foreign_enrollment_with_the_common_name_is_left_alone,
    an_ingress_of_the_name_that_is_not_ours_is_left_alone,
    an_annotation_has_to_be_on_the_allow_list,
    the_network_of_an_enrollment_cannot_be_changed,
    sni_only_of_an_enrollment_cannot_be_changed,
];

async fn a_contract_that_the_credentials_do_not_see_is_unknown(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "contract").await?;
    scene.apply("www", json!({"contractId": "ctr_1-NOPE"})).await?;
    stalled(
        &scene,
        "ContractUnknown",
        "contract 1-NOPE is none of those that the account's credentials see (1-TESTBED): correct spec.contractId, or the \
         account's default",
    )
    .await?;
    ensure!(scene.enrollments("www").await?.is_empty());
    scene.apply("www", json!({"contractId": "1-TESTBED"})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn contacts_that_nobody_sets_are_named(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "contacts").await?;
    scene.account(json!({"defaults": {"adminContact": null, "techContact": null}})).await?;
    scene.apply("www", json!({})).await?;
    stalled(
        &scene,
        "ContactsMissing",
        "CPS needs adminContact, techContact: set that in the certificate's spec, or in the account's spec.defaults",
    )
    .await?;
    ensure!(scene.enrollments("www").await?.is_empty());
    scene.account(json!({})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn an_account_may_not_be_used_in_a_namespace_that_it_does_not_select(bed: &TestBed) -> Result<()> {
    let scene = Scene::without_account(bed, "not-selected").await?;
    scene.account(json!({"allowedNamespaces": {"matchLabels": {"team": "web"}}})).await?;
    scene.apply("www", json!({})).await?;
    let message = "ClusterAkamaiAccount not-selected does not allow namespace not-selected: label the namespace as its \
                   allowedNamespaces asks, or ask its owner";
    stalled(&scene, "NamespaceNotAllowed", message).await?;
    says(&scene.until("www", "AccountReady", "False", "NamespaceNotAllowed").await?, message)?;
    ensure!(scene.enrollments("www").await?.is_empty());
    Ok(())
}

async fn an_account_may_not_be_used_for_a_name_that_it_does_not_allow(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "domain").await?;
    scene.apply("www", json!({"dnsNames": ["www.bank.example", scene.host("api"), "bank.example"]})).await?;
    stalled(
        &scene,
        "DomainNotAllowed",
        "ClusterAkamaiAccount domain does not allow www.bank.example, bank.example: remove what its allowedDomains does not \
         cover, or ask its owner",
    )
    .await?;
    ensure!(scene.enrollments("www").await?.is_empty());
    scene.apply("www", json!({"dnsNames": [scene.host("api")]})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn a_foreign_enrollment_with_the_common_name_is_left_alone(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "foreign").await?;
    let id = foreign_enrollment(&scene).await?;
    let before = scene.bed.cps()?.get_enrollment(id).await?;
    let calls = bed.calls().await?.len();

    scene.apply("www", json!({})).await?;
    stalled(
        &scene,
        "CommonNameTaken",
        &format!(
            "Contract 1-TESTBED already has enrollment {id} with the common name www.foreign.example.com, and it is not \
             ours: remove it, or choose another common name. Nothing was written to it"
        ),
    )
    .await?;
    let touched =
        bed.calls().await?.split_off(calls).into_iter().any(|call| call.enrollment_id == Some(id.0));
    ensure!(!touched, "the operator called CPS about the foreign enrollment");
    ensure!(scene.bed.cps()?.get_enrollment(id).await? == before);

    let cancelling = DeleteParams { allow_cancel_pending_changes: true, ..DeleteParams::default() };
    scene.bed.cps()?.delete_enrollment(id, &cancelling).await?;
    let status = scene.until_ready("www").await?;
    ensure!(status.enrollment_id.is_some_and(|ours| u64::try_from(ours) != Ok(id.0)));
    Ok(())
}

/// An enrollment that somebody else created, with a change that waits for its validation.
async fn foreign_enrollment(scene: &Scene<'_>) -> Result<EnrollmentId> {
    scene.lead_away("www").await?;
    let csr = Csr { cn: scene.host("www"), ..Csr::default() };
    let network = NetworkConfiguration::new("core", "standard-tls", true);
    let mut body = Enrollment::domain_validated(csr, network);
    let person =
        json!({"firstName": "Eve", "lastName": "Else", "email": "eve@example.com", "phone": "617-555-0113"});
    body.admin_contact = Some(serde_json::from_value(person.clone())?);
    body.tech_contact = Some(serde_json::from_value(person)?);
    body.org = Some(serde_json::from_value(json!({"name": "Somebody else", "country": "US"}))?);
    let cps = scene.bed.cps()?;
    let created =
        cps.create_enrollment(&ContractId::new("1-TESTBED"), &body, &CreateParams::default()).await?;
    let change = *created.changes.first().context("no change")?;
    eventually("the foreign change asks for its challenges", async || {
        let waits = cps.get_change(created.enrollment, change).await?.status_info.is_domain_validation();
        Ok(waits.then_some(()))
    })
    .await?;
    scene.lead_back("www").await?;
    Ok(created.enrollment)
}

async fn an_ingress_of_the_name_that_is_not_ours_is_left_alone(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "taken").await?;
    let theirs = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "akacert-www", "namespace": "taken"},
        "spec": {"ingressClassName": "traefik", "defaultBackend": {"service": {"name": "shop", "port": {"number": 80}}}}
    });
    bed.apply(&theirs.to_string()).await?;
    let ingresses: Api<Ingress> = Api::namespaced(bed.client(), "taken");
    let before = ingresses.get("akacert-www").await?;
    scene.apply("www", json!({})).await?;
    stalled(
        &scene,
        "NameTaken",
        "Ingress taken/akacert-www exists and was not made by akacert for this certificate: rename or delete it",
    )
    .await?;
    let after = ingresses.get("akacert-www").await?;
    ensure!(after.metadata.resource_version == before.metadata.resource_version, "{after:?}");
    bed.kubectl(&["-n", "taken", "delete", "ingress", "akacert-www"]).await?;
    scene.until_ready("www").await.map(drop)
}

async fn an_annotation_has_to_be_on_the_allow_list(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "annotation").await?;
    let key = "nginx.ingress.kubernetes.io/server-snippet";
    scene
        .apply("www", json!({"validation": {"http01": {"ingress": {"annotations": {key: "return 200;"}}}}}))
        .await?;
    stalled(
        &scene,
        "AnnotationNotAllowed",
        "the annotation nginx.ingress.kubernetes.io/server-snippet is not on the operator's allow-list: remove it from \
         spec.validation.http01.ingress.annotations, or have the operator started with --allow-ingress-annotation \
         nginx.ingress.kubernetes.io/server-snippet",
    )
    .await?;
    ensure!(scene.enrollments("www").await?.is_empty());
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn the_network_of_an_enrollment_cannot_be_changed(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "secure-network").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    let calls = bed.calls().await?.len();
    scene.apply("www", json!({"network": {"secureNetwork": "EnhancedTLS"}})).await?;
    stalled(
        &scene,
        "Immutable",
        "network.secureNetwork is EnhancedTLS, but the enrollment is on StandardTLS, which CPS cannot change. Set the old \
         value again; or delete this resource with deletionPolicy: Delete and apply it anew, since CPS takes a common name \
         only once",
    )
    .await?;
    ensure!(writes(&scene, calls).await? == 0, "the operator wrote to CPS");
    scene.apply("www", json!({"network": {"secureNetwork": "StandardTLS"}})).await?;
    scene.until_ready("www").await.map(drop)
}

async fn sni_only_of_an_enrollment_cannot_be_changed(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "sni-only").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    scene.apply("www", json!({"network": {"sniOnly": false}})).await?;
    stalled(
        &scene,
        "Immutable",
        "network.sniOnly is false, but the enrollment has true, which CPS cannot change. Set the old value again; or \
         delete this resource with deletionPolicy: Delete and apply it anew, since CPS takes a common name only once",
    )
    .await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await.map(drop)
}

/// Checks that the certificate `www` is Stalled and not Ready, with this reason and exactly this message.
async fn stalled(scene: &Scene<'_>, reason: &str, message: &str) -> Result<()> {
    let ready = scene.until("www", "Ready", "False", reason).await?;
    let stalled = scene.until("www", "Stalled", "True", reason).await?;
    ensure!(ready == message, "Ready: {ready}");
    ensure!(stalled == message, "Stalled: {stalled}");
    Ok(())
}

/// How many writes to the enrollment of the certificate `www` came after the first `since` calls.
async fn writes(scene: &Scene<'_>, since: usize) -> Result<usize> {
    let ours = scene.enrollments("www").await?[0].enrollment_id().map(|id| id.0);
    let is_write = |call: &&Call| call.method != "GET" && call.enrollment_id == ours;
    Ok(scene.bed.calls().await?.split_off(since).iter().filter(is_write).count())
}

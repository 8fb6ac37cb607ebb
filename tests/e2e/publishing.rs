//! What is published while a change waits for validation: the ConfigMap for the solver, the Ingress, and the Service
//! that the certificates of a namespace share. Also what the solver answers, and what never leaves the ConfigMap and
//! the Secret.

use akacert_api::names::{CERTIFICATE_UID_LABEL, COMPONENT_LABEL, MANAGED_BY_LABEL, SERVICE_NAME_LABEL};
use akamai_cps::types::ChallengeType;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use testbed::{EDGERC, HOST, NAMESPACE, TestBed};

use crate::scene::{Scene, eventually, uid};

crate::together![
    pipelines_read_what_is_deployed_and_no_other_config_map_is_overwritten,
    the_config_map_in_the_operators_namespace_has_what_cps_asks_for,
    the_ingress_routes_exactly_the_tokens_paths_and_belongs_to_the_certificate,
    labels_and_path_type_of_the_ingress_are_the_users,
    the_service_has_no_selector_and_lists_both_replicas_of_the_solver,
    what_is_deleted_by_hand_comes_back,
    the_first_certificate_to_finish_leaves_the_shared_service_to_the_other,
    the_solver_answers_with_exactly_the_body_at_the_path_of_the_host_and_nowhere_else,
    no_token_is_in_status_events_or_logs,
];

crate::alone![
    an_annotation_that_the_operators_flag_allows_is_on_the_ingress,
    the_endpoint_slices_follow_the_solver_when_it_is_scaled,
    without_a_solver_the_acknowledgement_waits,
    no_secret_is_in_status_events_or_logs,
];

/// The challenges that the simulator shows for a certificate: host, path and body of each token.
async fn asked_for(scene: &Scene<'_>, label: &str) -> Result<Vec<Value>> {
    let enrollments = scene.enrollments(label).await?;
    let enrollment = enrollments.first().context("no enrollment")?;
    let change = enrollment.pending_change().and_then(|pending| pending.change_id()).context("no change")?;
    let id = enrollment.enrollment_id().context("no ID")?;
    let domains = scene.bed.cps()?.get_dv_challenges(id, change).await?.dv;
    let mut tokens: Vec<Value> = domains
        .iter()
        .flat_map(|domain| domain.challenges.iter().map(move |challenge| (&domain.domain, challenge)))
        .filter(|(_, challenge)| challenge.challenge_type == ChallengeType::Http01)
        .map(|(host, challenge)| {
            let path = format!("/.well-known/acme-challenge/{}", challenge.token.clone().unwrap_or_default());
            json!({"host": host, "path": path, "body": challenge.response_body})
        })
        .collect();
    tokens.sort_by_key(ToString::to_string);
    Ok(tokens)
}

fn text<'a>(token: &'a Value, key: &str) -> &'a str {
    token[key].as_str().unwrap_or_default()
}

async fn ingress(scene: &Scene<'_>, label: &str) -> Result<Ingress> {
    let api: Api<Ingress> = Api::namespaced(scene.bed.client(), &scene.name);
    Ok(api.get(&format!("akacert-{label}")).await?)
}

/// The addresses in the EndpointSlices of the namespace's shared Service.
async fn endpoints(scene: &Scene<'_>) -> Result<Vec<String>> {
    let slices: Api<EndpointSlice> = Api::namespaced(scene.bed.client(), &scene.name);
    let ours = ListParams::default().labels(&format!("{SERVICE_NAME_LABEL}=akacert-solver"));
    let listed = slices.list(&ours).await?.items;
    let mut addresses: Vec<String> = listed
        .into_iter()
        .flat_map(|slice| slice.endpoints)
        .flat_map(|endpoint| endpoint.addresses)
        .collect();
    addresses.sort();
    Ok(addresses)
}

/// The addresses of the solver's pods.
async fn solver_pods(bed: &TestBed) -> Result<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(bed.client(), NAMESPACE);
    let solver = ListParams::default().labels("app.kubernetes.io/component=solver");
    let pods =
        pods.list(&solver).await?.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let mut addresses: Vec<String> = pods.filter_map(|pod| pod.status?.pod_ip).collect();
    addresses.sort();
    Ok(addresses)
}

async fn scale_solver(bed: &TestBed, replicas: usize) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    bed.kubectl(&["-n", NAMESPACE, "scale", "deployment/akacert-solver", &replicas]).await?;
    bed.rolled_out().await
}

async fn the_config_map_in_the_operators_namespace_has_what_cps_asks_for(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "config-map").await?;
    scene.apply_held("www", json!({"dnsNames": [scene.host("api")]})).await?;
    let mut tokens = scene.published("www").await?;
    tokens.sort_by_key(ToString::to_string);
    let asked_for = asked_for(&scene, "www").await?;
    ensure!(tokens.len() == 2 && tokens == asked_for, "{tokens:?}\n{asked_for:?}");

    let uid = uid(&scene.certificates().get("www").await?);
    let config_maps: Api<ConfigMap> = Api::namespaced(bed.client(), NAMESPACE);
    let found = config_maps.get(&format!("akacert-{uid}")).await?;
    ensure!(found.labels()[MANAGED_BY_LABEL] == "akacert");
    ensure!(found.labels()[COMPONENT_LABEL] == "http01-challenges");
    ensure!(found.labels()[CERTIFICATE_UID_LABEL] == uid);
    ensure!(found.owner_references().is_empty(), "an owner reference cannot cross namespaces");
    scene.lead_back("www").await
}

async fn the_ingress_routes_exactly_the_tokens_paths_and_belongs_to_the_certificate(
    bed: &TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "ingress").await?;
    scene.apply_held("www", json!({"dnsNames": [scene.host("api")]})).await?;
    let certificate = scene.certificates().get("www").await?;
    let found = ingress(&scene, "www").await?;
    ensure!(found.owner_references() == [certificate.controller_owner_ref(&()).context("no UID")?]);
    let spec = found.spec.context("no spec")?;
    ensure!(spec.ingress_class_name.as_deref() == Some("traefik") && spec.default_backend.is_none());
    let mut routed = Vec::new();
    for rule in spec.rules.unwrap_or_default() {
        for path in rule.http.context("a rule without paths")?.paths {
            let backend = path.backend.service.context("no Service")?;
            ensure!(path.path_type == "Exact" && backend.name == "akacert-solver", "{backend:?}");
            routed.push((rule.host.clone().unwrap_or_default(), path.path.unwrap_or_default()));
        }
    }
    let tokens = scene.published("www").await?;
    let mut expected: Vec<_> =
        tokens.iter().map(|token| (text(token, "host").to_owned(), text(token, "path").to_owned())).collect();
    expected.sort();
    routed.sort();
    ensure!(routed == expected, "{routed:?}");
    scene.lead_back("www").await
}

async fn labels_and_path_type_of_the_ingress_are_the_users(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "ingress-labels").await?;
    let route = json!({"labels": {"team": "shop"}, "pathType": "ImplementationSpecific"});
    scene.apply_held("www", json!({"validation": {"http01": {"ingress": route}}})).await?;
    let found = ingress(&scene, "www").await?;
    ensure!(found.labels()["team"] == "shop" && found.labels()[MANAGED_BY_LABEL] == "akacert");
    let rules = found.spec.and_then(|spec| spec.rules).unwrap_or_default();
    let paths: Vec<_> = rules.into_iter().filter_map(|rule| rule.http).flat_map(|http| http.paths).collect();
    ensure!(paths.len() == 1 && paths[0].path_type == "ImplementationSpecific", "{paths:?}");
    scene.lead_back("www").await
}

async fn an_annotation_that_the_operators_flag_allows_is_on_the_ingress(bed: &mut TestBed) -> Result<()> {
    let arguments = "/spec/template/spec/containers/0/args";
    let flag = json!([{"op": "add", "path": format!("{arguments}/-"), "value": "--allow-ingress-annotation=example.com/*"}]);
    let patch = ["-n", NAMESPACE, "patch", "deployment/akacert-operator", "--type=json", "-p"];
    bed.kubectl(&[&patch[..], &[&flag.to_string()]].concat()).await?;
    bed.rolled_out().await?;
    let result = async {
        let scene = Scene::new(bed, "annotations").await?;
        let route = json!({"annotations": {"example.com/throttle": "none"}});
        scene.apply_held("www", json!({"validation": {"http01": {"ingress": route}}})).await?;
        let found = ingress(&scene, "www").await?;
        ensure!(
            found.annotations().get("example.com/throttle").is_some_and(|value| value == "none"),
            "{found:?}"
        );
        scene.lead_back("www").await?;
        scene.until_ready("www").await.map(drop)
    };
    let result = result.await;
    bed.kubectl(&["-n", NAMESPACE, "rollout", "undo", "deployment/akacert-operator"]).await?;
    bed.rolled_out().await?;
    result
}

async fn the_service_has_no_selector_and_lists_both_replicas_of_the_solver(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "service").await?;
    scene.apply_held("www", json!({})).await?;
    let services: Api<Service> = Api::namespaced(bed.client(), "service");
    let spec = services.get("akacert-solver").await?.spec.context("no spec")?;
    ensure!(spec.cluster_ip.as_deref() == Some("None") && spec.selector.is_none(), "{spec:?}");
    let (found, pods) = (endpoints(&scene).await?, solver_pods(bed).await?);
    ensure!(pods.len() == 2 && found == pods, "{found:?} {pods:?}");
    let slices: Api<EndpointSlice> = Api::namespaced(bed.client(), "service");
    for slice in slices.list(&ListParams::default()).await? {
        let manager = &slice.labels()["endpointslice.kubernetes.io/managed-by"];
        ensure!(manager == "akacert.io" && slice.address_type == "IPv4", "{slice:?}");
    }
    scene.lead_back("www").await
}

async fn the_endpoint_slices_follow_the_solver_when_it_is_scaled(bed: &mut TestBed) -> Result<()> {
    let scene = Scene::new(bed, "scaled").await?;
    scene.apply_held("www", json!({})).await?;
    let result = async {
        for replicas in [3, 1] {
            scale_solver(bed, replicas).await?;
            eventually(&format!("{replicas} endpoints"), async || {
                let (found, pods) = (endpoints(&scene).await?, solver_pods(bed).await?);
                Ok((found.len() == replicas && found == pods).then_some(()))
            })
            .await?;
        }
        Ok(())
    };
    let result = result.await;
    scale_solver(bed, 2).await?;
    scene.lead_back("www").await?;
    result
}

async fn without_a_solver_the_acknowledgement_waits(bed: &mut TestBed) -> Result<()> {
    let scene = Scene::new(bed, "solverless").await?;
    scale_solver(bed, 0).await?;
    let result = async {
        scene.apply("www", json!({})).await?;
        let message = scene.until("www", "ChallengesReachable", "False", "SolverNotReady").await?;
        ensure!(message.contains("Service akacert-system/akacert-solver"), "{message}");
        Ok(())
    };
    let result = result.await;
    scale_solver(bed, 2).await?;
    result?;
    scene.until_ready("www").await.map(drop)
}

async fn what_is_deleted_by_hand_comes_back(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "by-hand").await?;
    scene.apply_held("www", json!({})).await?;
    let config_map = format!("akacert-{}", uid(&scene.certificates().get("www").await?));
    comes_back::<ConfigMap>(bed, NAMESPACE, &config_map).await?;
    comes_back::<Ingress>(bed, "by-hand", "akacert-www").await?;
    comes_back::<EndpointSlice>(bed, "by-hand", "akacert-solver-ipv4-8080").await?;
    comes_back::<Service>(bed, "by-hand", "akacert-solver").await?;
    // The Service's EndpointSlice went with it, and comes back with the new Service.
    let services: Api<Service> = Api::namespaced(bed.client(), "by-hand");
    let owner = services.get("akacert-solver").await?.uid();
    let slices: Api<EndpointSlice> = Api::namespaced(bed.client(), "by-hand");
    eventually("the new Service has an EndpointSlice", async || {
        let found = slices.get_opt("akacert-solver-ipv4-8080").await?;
        let owned =
            |slice: &EndpointSlice| slice.owner_references().iter().any(|o| Some(&o.uid) == owner.as_ref());
        Ok(found.filter(owned).map(drop))
    })
    .await?;
    scene.lead_back("www").await
}

async fn comes_back<K>(bed: &TestBed, namespace: &str, name: &str) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(bed.client(), namespace);
    let before = api.get(name).await?.uid();
    api.delete(name, &DeleteParams::default()).await?;
    eventually(&format!("{name} is back"), async || {
        let found = api.get_opt(name).await?;
        Ok(found.filter(|found| found.uid() != before).map(drop))
    })
    .await
}

async fn the_first_certificate_to_finish_leaves_the_shared_service_to_the_other(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "shared").await?;
    scene.apply_held("second", json!({})).await?;
    let services: Api<Service> = Api::namespaced(bed.client(), "shared");
    let service = services.get("akacert-solver").await?.uid();
    scene.apply("first", json!({})).await?;
    scene.until_ready("first").await?;
    let ingresses: Api<Ingress> = Api::namespaced(bed.client(), "shared");
    scene.until_gone(&ingresses, "akacert-first").await?;
    ensure!(services.get("akacert-solver").await?.uid() == service, "the Service was made anew");
    ensure!(!endpoints(&scene).await?.is_empty());
    scene.lead_back("second").await?;
    scene.until_ready("second").await?;
    scene.until_gone(&services, "akacert-solver").await
}

/// The Ingress controller's answer for a path of a host: status and body.
async fn fetched(host: &str, path: &str) -> Result<(u16, String)> {
    let request = reqwest::Client::new().get(format!("http://{HOST}{path}")).header("Host", host);
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

async fn the_solver_answers_with_exactly_the_body_at_the_path_of_the_host_and_nowhere_else(
    bed: &TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "solver").await?;
    scene.apply_held("www", json!({})).await?;
    scene.apply_held("api", json!({})).await?;
    let (www, api) = (scene.published("www").await?.remove(0), scene.published("api").await?.remove(0));
    for token in [&www, &api] {
        eventually("the Ingress controller routes the token", async || {
            let answer = fetched(text(token, "host"), text(token, "path")).await?;
            Ok((answer == (200, text(token, "body").to_owned())).then_some(()))
        })
        .await?;
    }
    let path = text(&www, "path");
    for (host, path) in [(text(&api, "host"), path), (text(&www, "host"), &path[..path.len() - 1])] {
        let (status, _) = fetched(host, path).await?;
        ensure!(status == 404, "{status} for {path} of {host}");
    }
    // Without the Ingress controller in between, the solver itself distinguishes hosts.
    let replica = endpoints(&scene).await?.remove(0);
    let direct =
        |host: &str| reqwest::Client::new().get(format!("http://{replica}:8080{path}")).header("Host", host);
    ensure!(direct(text(&www, "host")).send().await?.text().await? == text(&www, "body"));
    ensure!(direct(text(&api, "host")).send().await?.status() == 404);
    scene.lead_back("www").await
}

/// Everything that a user or the person on call can read about a scene's certificates, except the ConfigMap.
async fn readable(scene: &Scene<'_>) -> Result<String> {
    let arguments = ["-n", &scene.name, "get", "akcert,ingress,services,endpointslices,events", "-o", "yaml"];
    let objects = scene.bed.kubectl(&arguments).await?;
    let account = scene.bed.kubectl(&["get", "clusterakamaiaccount", &scene.name, "-o", "yaml"]).await?;
    let logs = [scene.bed.pod_logs("akacert-operator")?, scene.bed.pod_logs("akacert-solver")?];
    let all = [&objects, &account, &logs[0], &logs[1]];
    ensure!(
        all.iter().all(|text| text.contains(&scene.name) || text.contains("akacert")),
        "something is empty"
    );
    Ok(all.map(String::as_str).join("\n"))
}

async fn no_token_is_in_status_events_or_logs(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "no-token").await?;
    scene.apply_held("www", json!({})).await?;
    let tokens = scene.published("www").await?;
    let held = readable(&scene).await?;
    scene.lead_back("www").await?;
    scene.until_ready("www").await?;
    let done = readable(&scene).await?;
    for token in &tokens {
        let body = text(token, "body");
        ensure!(!body.is_empty() && !held.contains(body) && !done.contains(body), "a token can be read");
        // The body is the token, a dot, and the thumbprint of CPS's account key. The path contains the token.
        let thumbprint = body.split('.').next_back().unwrap_or_default();
        ensure!(!thumbprint.is_empty() && !held.contains(thumbprint), "a thumbprint can be read");
    }
    Ok(())
}

async fn no_secret_is_in_status_events_or_logs(bed: &mut TestBed) -> Result<()> {
    let scene = Scene::new(bed, "no-secret").await?;
    let refused =
        json!({"kind": "server-error", "method": "GET", "path": "/changes/", "status": 500, "count": 4});
    bed.control("POST", "/faults", Some(refused)).await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    let readable = readable(&scene).await?;
    let secrets: Vec<&str> = EDGERC
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .filter(|(key, _)| key.ends_with("secret") || key.ends_with("token"))
        .map(|(_, value)| value)
        .collect();
    ensure!(secrets.len() == 3, "client_token, client_secret, access_token");
    for secret in secrets {
        ensure!(!readable.contains(secret), "a credential can be read");
    }
    Ok(())
}

async fn pipelines_read_what_is_deployed_and_no_other_config_map_is_overwritten(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "handoff").await?;
    let others = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "theirs", "namespace": "handoff"}, "data": {"theirs": "yes"}});
    bed.apply(&others.to_string()).await?;
    scene.apply("www", json!({"handoff": {"configMapName": "theirs"}})).await?;
    scene.until_ready("www").await?;
    scene.until("www", "HandedOff", "False", "NameTaken").await?;
    scene.patch("www", json!({"handoff": {"configMapName": "ours"}})).await?;
    scene.until("www", "HandedOff", "True", "HandedOff").await?;
    let status = scene.until_ready("www").await?;
    let config_maps: Api<ConfigMap> = Api::namespaced(bed.client(), "handoff");
    ensure!(config_maps.get("theirs").await?.data.unwrap_or_default().len() == 1, "it was overwritten");

    let data = config_maps.get("ours").await?.data.unwrap_or_default();
    let production = status.deployments.and_then(|found| found.production).context("not deployed")?;
    let told = |key: &str| data.get(key).map(String::as_str).unwrap_or_default();
    ensure!(told("fingerprint") == production.fingerprint && told("dnsNames") == "www.handoff.example.com");
    ensure!(told("enrollmentId") == status.enrollment_id.unwrap_or_default().to_string());
    comes_back::<ConfigMap>(bed, "handoff", "ours").await?;
    scene.patch("www", json!({"handoff": null})).await?;
    scene.until_gone(&config_maps, "ours").await
}

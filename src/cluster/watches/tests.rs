//! The watches against an API server in memory: whom they wake.

use std::time::Duration;

use akacert_core::life::fixtures::Scene;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::cluster::api_server::ApiServer;

const DEADLINE: Duration = Duration::from_secs(60);
const SERVICE: &str = "/api/v1/namespaces/shop/services/akacert-solver";

struct World {
    api: ApiServer,
    watches: Watches,
    wake: Wake,
    _end: tokio_util::sync::DropGuard,
}

impl World {
    /// Two certificates of `shop` and one of `blog`, each with a ConfigMap and an Ingress, and the Service of `shop`.
    async fn new() -> Self {
        let api = ApiServer::default();
        for (namespace, name) in [("shop", "www"), ("shop", "api"), ("blog", "www")] {
            api.put(&config_map(namespace, name), &tokens(namespace, name));
            api.put(&ingress(namespace, name), &route(namespace, name, "first"));
        }
        api.put(SERVICE, &shared("shop", "first"));
        let shutdown = CancellationToken::new();
        let rules = Scene::new().publishing;
        let (watches, wake) = Watches::start(&api.client(), &rules, &Scope::default(), &shutdown);
        timeout(DEADLINE, watches.synced()).await.unwrap().unwrap();
        Self { api, watches, wake, _end: shutdown.drop_guard() }
    }

    /// The next certificates that are woken, in any order.
    async fn woken(&mut self, count: usize) -> Vec<String> {
        let mut woken = Vec::new();
        while woken.len() < count {
            let next = timeout(DEADLINE, self.wake.next()).await.expect("nobody was woken").unwrap();
            woken.push(format!("{}/{}", next.namespace.unwrap(), next.name));
        }
        woken.sort();
        woken
    }

    /// Wakes `blog/www`, and answers who was woken before.
    async fn woken_before_a_change_in_another_namespace(&mut self) -> Vec<String> {
        self.api.put(&ingress("blog", "www"), &route("blog", "www", "changed at last"));
        let mut woken = Vec::new();
        while woken.last().is_none_or(|last| last != "blog/www") {
            woken.extend(self.woken(1).await);
        }
        woken.pop();
        woken
    }
}

fn config_map(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/akacert-system/configmaps/akacert-{namespace}-{name}")
}

fn ingress(namespace: &str, name: &str) -> String {
    format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}-acme")
}

fn tokens(namespace: &str, name: &str) -> Value {
    json!({"metadata": {
        "name": format!("akacert-{namespace}-{name}"), "namespace": "akacert-system",
        "labels": {
            "app.kubernetes.io/managed-by": "akacert", "akacert.io/component": "http01-challenges",
            "akacert.io/certificate-uid": format!("uid-of-{namespace}-{name}")
        },
        "annotations": {"akacert.io/certificate-namespace": namespace, "akacert.io/certificate-name": name}
    }})
}

fn route(namespace: &str, name: &str, note: &str) -> Value {
    json!({"metadata": {
        "name": format!("{name}-acme"), "namespace": namespace, "annotations": {"note": note},
        "labels": {
            "app.kubernetes.io/managed-by": "akacert",
            "akacert.io/certificate-uid": format!("uid-of-{namespace}-{name}")
        },
        "ownerReferences": [{
            "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiCertificate", "name": name, "controller": true,
            "uid": format!("uid-of-{namespace}-{name}")
        }]
    }})
}

fn shared(namespace: &str, note: &str) -> Value {
    json!({"metadata": {
        "name": "akacert-solver", "namespace": namespace, "annotations": {"note": note},
        "labels": {"app.kubernetes.io/managed-by": "akacert", "akacert.io/component": "http01-solver"}
    }})
}

#[tokio::test]
async fn the_first_list_wakes_nobody() {
    let mut world = World::new().await;
    assert!(world.woken_before_a_change_in_another_namespace().await.is_empty());
}

#[tokio::test]
async fn an_ingress_that_somebody_deletes_wakes_its_certificate() {
    let mut world = World::new().await;
    world.api.remove(&ingress("shop", "www"));
    assert_eq!(world.woken(1).await, ["shop/www"]);
}

#[tokio::test]
async fn a_config_map_wakes_the_certificate_that_its_annotations_name() {
    let mut world = World::new().await;
    world.api.remove(&config_map("shop", "api"));
    assert_eq!(world.woken(1).await, ["shop/api"]);
}

#[tokio::test]
async fn what_a_namespace_shares_wakes_those_of_the_namespace_that_publish() {
    let mut world = World::new().await;
    world.api.put(SERVICE, &shared("shop", "changed"));
    assert_eq!(world.woken(2).await, ["shop/api", "shop/www"]);
    assert!(world.woken_before_a_change_in_another_namespace().await.is_empty());
}

#[tokio::test]
async fn a_replica_of_the_solver_wakes_all_that_publish() {
    let mut world = World::new().await;
    let labels = json!({"kubernetes.io/service-name": Scene::new().publishing.solver_service});
    let slice = json!({
        "metadata": {"name": "solver-1", "namespace": "akacert-system", "labels": labels},
        "addressType": "IPv4", "ports": [], "endpoints": [],
    });
    world.api.put("/apis/discovery.k8s.io/v1/namespaces/akacert-system/endpointslices/solver-1", &slice);
    assert_eq!(world.woken(3).await, ["blog/www", "shop/api", "shop/www"]);
}

#[tokio::test]
async fn an_object_of_somebody_else_wakes_nobody() {
    let mut world = World::new().await;
    let mut theirs = route("shop", "www", "theirs");
    theirs["metadata"]["ownerReferences"] = json!([]);
    world.api.put("/apis/networking.k8s.io/v1/namespaces/shop/ingresses/theirs", &theirs);
    assert!(world.woken_before_a_change_in_another_namespace().await.is_empty());
}

#[tokio::test]
async fn what_changed_or_went_while_a_watch_was_broken_wakes_its_certificate_and_no_other() {
    let mut world = World::new().await;
    world.api.break_watches();
    world.api.remove(&ingress("shop", "www"));
    world.api.put(&ingress("shop", "api"), &route("shop", "api", "changed"));
    assert_eq!(world.woken(2).await, ["shop/api", "shop/www"]);
    assert!(world.woken_before_a_change_in_another_namespace().await.is_empty());
}

#[tokio::test]
async fn a_kind_that_the_cluster_lacks_is_missing_and_does_not_hold_up_the_others() {
    let world = World::new().await;
    assert_eq!(world.watches.missing_kinds(), [Kind::HttpRoute, Kind::DnsEndpoint].into());
}

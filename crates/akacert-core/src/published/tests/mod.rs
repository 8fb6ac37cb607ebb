//! What publishing does, as tables of cases, without an API server. The cases share the objects made here.

mod compare;
mod content;
mod objects;
mod plan;
mod removal;
mod ways;

use std::sync::Arc;

use kube::Resource;
use serde_json::json;

use super::*;
use akacert_api::AkamaiCertificate;

const UID: &str = "5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11";

fn certificate() -> AkamaiCertificate {
    certificate_with(json!({"className": "traefik"}))
}

/// The certificate shop/www with a certain `validation.http01.ingress`.
fn certificate_with(ingress: serde_json::Value) -> AkamaiCertificate {
    certificate_by(json!({"http01": {"ingress": ingress}}))
}

/// The certificate shop/www with a certain `validation`.
fn certificate_by(validation: serde_json::Value) -> AkamaiCertificate {
    serde_json::from_value(json!({
        "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiCertificate",
        "metadata": {"name": "www", "namespace": "shop", "uid": UID},
        "spec": {
            "accountRef": {"kind": "ClusterAkamaiAccount", "name": "production"},
            "commonName": "www.example.com",
            "validation": validation
        }
    }))
    .unwrap()
}

fn rules() -> Rules {
    Rules {
        operator_namespace: "akacert-system".into(),
        allowed_dns_servers: ["ns1.example.net".to_owned()].into(),
        allowed_ingress_annotations: ["kubernetes.io/tls-acme".to_owned(), "traefik.io/*".to_owned()].into(),
        solver_service: "akacert-solver".into(),
    }
}

fn token(host: &str, name: &str) -> Token {
    Token {
        host: host.into(),
        path: format!("/.well-known/acme-challenge/{name}"),
        body: format!("{name}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"),
    }
}

fn two_tokens() -> Vec<Token> {
    vec![token("www.example.com", "aaa"), token("api.example.com", "bbb")]
}

fn replica(address: &str) -> SolverEndpoint {
    let address: std::net::SocketAddr = address.parse().unwrap();
    SolverEndpoint { ip: address.ip(), port: address.port() }
}

/// One ready replica, nothing published.
fn nothing() -> Observed {
    Observed { solver: vec![replica("10.1.2.3:8080")], ..Observed::default() }
}

/// An object as the API server has it after a write of ours.
fn stored<K: Resource + Clone>(object: &K, uid: &str) -> Arc<K> {
    let mut object = object.clone();
    object.meta_mut().uid = Some(uid.into());
    object.meta_mut().resource_version = Some("67".into());
    Arc::new(object)
}

/// These tokens, and what stands for the life of the certificate.
fn wanted(tokens: &[Token]) -> Wanted {
    Wanted { tokens: tokens.to_vec(), standing: true, ..Wanted::default() }
}

/// The Ingress of tokens.
fn ingress(certificate: &AkamaiCertificate, tokens: &[Token]) -> Ingress {
    super::wanted::objects(certificate, &wanted(tokens), &rules()).ingresses.remove(0)
}

/// Does the writes in memory, one at a time as the operator does, until there is nothing to write.
fn publish(
    certificate: &AkamaiCertificate,
    tokens: &[Token],
    mut observed: Observed,
    rules: &Rules,
) -> (Observed, Vec<String>) {
    let mut log = Vec::new();
    while let Some(write) = plan(certificate, &wanted(tokens), &observed, rules).unwrap().into_iter().next() {
        log.push(write.to_string());
        assert!(log.len() < 20, "publishing never ends: {log:?}");
        observed = after(observed, &write);
    }
    (observed, log)
}

/// What is observed after a write.
fn after(mut observed: Observed, write: &Write) -> Observed {
    match write {
        Write::Apply(Object::ConfigMap(object)) => observed.config_map = Some(stored(object, "uid-cm")),
        Write::Apply(Object::Service(object)) => observed.service = Some(stored(object, "uid-svc")),
        Write::Apply(Object::Ingress(object)) => {
            observed.ingresses.retain(|found| found.metadata.name != object.metadata.name);
            observed.ingresses.push(stored(object, "uid-ing"));
        }
        Write::Apply(Object::EndpointSlice(object)) => {
            observed.endpoint_slices.retain(|slice| slice.metadata.name != object.metadata.name);
            observed.endpoint_slices.push(stored(object, "uid-eps"));
        }
        // It does not publish tokens.
        Write::Apply(Object::Handoff(_)) | Write::Delete { kind: Kind::Handoff, .. } => {}
        Write::Delete { kind: Kind::ConfigMap, .. } => observed.config_map = None,
        Write::Delete { kind: Kind::Service, .. } => observed.service = None,
        Write::Delete { kind: Kind::Ingress, name, .. } => {
            observed.ingresses.retain(|found| found.metadata.name.as_ref() != Some(name));
        }
        Write::Apply(Object::HttpRoute(object)) => {
            observed.http_routes.retain(|found| found.metadata.name != object.metadata.name);
            observed.http_routes.push(stored(object, "uid-route"));
        }
        Write::Delete { kind: Kind::HttpRoute, name, .. } => {
            observed.http_routes.retain(|found| found.metadata.name.as_ref() != Some(name));
        }
        Write::Apply(Object::DnsEndpoint(object)) => {
            observed.dns_endpoints.retain(|found| found.metadata.name != object.metadata.name);
            observed.dns_endpoints.push(stored(object, "uid-endpoint"));
        }
        Write::Delete { kind: Kind::DnsEndpoint, name, .. } => {
            observed.dns_endpoints.retain(|found| found.metadata.name.as_ref() != Some(name));
        }
        Write::Apply(Object::Snippets(object)) => {
            observed.snippets = vec![stored(object, "uid-snippets")];
        }
        Write::Delete { kind: Kind::Snippets, .. } => observed.snippets.clear(),
        Write::Delete { kind: Kind::EndpointSlice, name, .. } => {
            observed.endpoint_slices.retain(|slice| slice.metadata.name.as_ref() != Some(name));
        }
    }
    observed
}

/// Everything published for two tokens.
fn published() -> Observed {
    publish(&certificate(), &two_tokens(), nothing(), &rules()).0
}

fn json_of<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap()
}

/// Changes the only object of its kind.
fn edit<K: Clone>(objects: &mut [Arc<K>], edit: impl FnOnce(&mut K)) {
    assert_eq!(objects.len(), 1);
    edit(Arc::make_mut(&mut objects[0]));
}

fn change<K: Clone>(object: &mut Option<Arc<K>>, edit: impl FnOnce(&mut K)) {
    edit(Arc::make_mut(object.as_mut().unwrap()));
}

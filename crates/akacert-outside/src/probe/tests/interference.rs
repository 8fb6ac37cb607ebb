//! Which Ingress may answer in place of the operator's own.

use k8s_openapi::api::networking::v1::Ingress;
use serde_json::json;

use super::super::interfering;

const HOST: &str = "www.example.com";
const PATH: &str = "/.well-known/acme-challenge/aaa";

fn ingress(name: &str, host: Option<&str>, path: Option<&str>, path_type: &str) -> Ingress {
    let backend = json!({"service": {"name": "app", "port": {"number": 80}}});
    let rule = json!({
        "host": host,
        "http": {"paths": [{"path": path, "pathType": path_type, "backend": backend}]},
    });
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"rules": [rule]}})).unwrap()
}

#[test]
fn a_rule_interferes_if_it_is_for_the_host_and_covers_the_path() {
    let host = Some(HOST);
    let cases = [
        (host, Some("/"), "Prefix", true),
        (host, Some("/.well-known"), "Prefix", true),
        (host, Some("/.well-known/"), "Prefix", true),
        (host, Some(PATH), "Prefix", true),
        (host, Some("/.well"), "Prefix", false),
        (host, Some("/.well-known/acme-challenge/aa"), "Prefix", false),
        (host, Some("/app"), "Prefix", false),
        (host, Some(PATH), "Exact", true),
        (host, Some("/.well-known"), "Exact", false),
        (host, Some("/.well"), "ImplementationSpecific", true),
        (host, Some("/app"), "ImplementationSpecific", false),
        (host, None, "ImplementationSpecific", true),
        (Some("WWW.example.com"), Some("/"), "Prefix", true),
        (Some("*.example.com"), Some("/"), "Prefix", true),
        (Some("*.com"), Some("/"), "Prefix", false),
        (Some("example.com"), Some("/"), "Prefix", false),
        (None, Some("/"), "Prefix", false),
    ];
    for (host, path, path_type, expected) in cases {
        let found = interfering(&[ingress("legacy", host, path, path_type)], "ours", HOST, PATH);
        assert_eq!(found.is_some(), expected, "{host:?} {path:?} {path_type}");
    }
}

#[test]
fn the_closest_rule_is_named_and_ours_is_left_out() {
    let ingresses = [
        ingress("ours", Some(HOST), Some(PATH), "Exact"),
        ingress("wild", Some("*.example.com"), Some(PATH), "Exact"),
        ingress("app", Some(HOST), Some("/"), "Prefix"),
        ingress("legacy", Some(HOST), Some("/.well-known"), "Prefix"),
        ingress("other", Some(HOST), Some("/.well-known"), "Prefix"),
    ];
    assert_eq!(
        interfering(&ingresses, "ours", HOST, PATH).unwrap(),
        "Ingress legacy has a rule for www.example.com and /.well-known, which may answer instead: exempt \
         /.well-known/acme-challenge/ from it"
    );
    assert_eq!(interfering(&ingresses[..1], "ours", HOST, PATH), None);
    assert_eq!(interfering(&[Ingress::default()], "ours", HOST, PATH), None);
}

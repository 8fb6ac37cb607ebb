//! What each object looks like: the whole of it, written by hand.

use serde_json::json;

use super::super::objects;
use super::*;

fn content(tokens: &[Token]) -> Content {
    Content { tokens: tokens.iter().cloned().collect(), ..Content::default() }
}

#[test]
fn the_config_map_is_named_and_labelled_by_uid_and_lies_in_the_operators_namespace() {
    let made = objects::config_map(&certificate(), &content(&two_tokens()), &rules());
    assert_eq!(
        json_of(&made),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11",
                "namespace": "akacert-system",
                "labels": {
                    "app.kubernetes.io/managed-by": "akacert",
                    "akacert.io/component": "http01-challenges",
                    "akacert.io/certificate-uid": "5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11"
                },
                "annotations": {"akacert.io/certificate-namespace": "shop", "akacert.io/certificate-name": "www"}
            },
            "data": {"challenges.json": concat!(
                r#"[{"host":"api.example.com","path":"/.well-known/acme-challenge/bbb","#,
                r#""body":"bbb.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"},"#,
                r#"{"host":"www.example.com","path":"/.well-known/acme-challenge/aaa","#,
                r#""body":"aaa.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"}]"#
            )}
        })
    );
}

#[test]
fn the_ingress_has_a_rule_a_host_and_an_exact_path_a_token_and_is_owned_by_the_certificate() {
    let backend = json!({"service": {"name": "akacert-solver", "port": {"name": "http"}}});
    assert_eq!(
        json_of(&ingress(&certificate(), &two_tokens())),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {
                "name": "akacert-www", "namespace": "shop",
                "labels": {
                    "app.kubernetes.io/managed-by": "akacert",
                    "akacert.io/certificate-uid": "5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11"
                },
                "ownerReferences": [{
                    "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiCertificate", "name": "www",
                    "uid": "5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11", "controller": true
                }]
            },
            "spec": {
                "ingressClassName": "traefik",
                "rules": [
                    {"host": "api.example.com", "http": {"paths": [
                        {"path": "/.well-known/acme-challenge/bbb", "pathType": "Exact", "backend": backend}
                    ]}},
                    {"host": "www.example.com", "http": {"paths": [
                        {"path": "/.well-known/acme-challenge/aaa", "pathType": "Exact", "backend": backend}
                    ]}}
                ]
            }
        })
    );
}

#[test]
fn two_tokens_of_one_host_are_two_paths_of_one_rule() {
    let tokens = [token("www.example.com", "new"), token("www.example.com", "old")];
    let rules = ingress(&certificate(), &tokens).spec.unwrap().rules.unwrap();
    let paths: Vec<_> =
        rules[0].http.as_ref().unwrap().paths.iter().map(|path| path.path.clone().unwrap()).collect();
    assert_eq!(rules.len(), 1);
    assert_eq!(paths, ["/.well-known/acme-challenge/new", "/.well-known/acme-challenge/old"]);
}

#[test]
fn the_path_type_of_the_spec_is_the_path_type_of_every_path() {
    for path_type in ["Exact", "Prefix", "ImplementationSpecific"] {
        let certificate = certificate_with(json!({"className": "gce", "pathType": path_type}));
        let rules = ingress(&certificate, &two_tokens()).spec.unwrap().rules.unwrap();
        for rule in rules {
            assert_eq!(rule.http.unwrap().paths[0].path_type, path_type);
        }
    }
}

#[test]
fn labels_of_the_spec_are_on_the_ingress_but_never_ours_changed_and_never_those_of_a_deployer() {
    let certificate = certificate_with(json!({
        "className": "traefik",
        "labels": {
            "team": "web",
            "app.kubernetes.io/managed-by": "somebody",
            "app.kubernetes.io/instance": "shop",
            "argocd.argoproj.io/instance": "shop"
        },
        "annotations": {
            "traefik.io/priority": "7",
            "argocd.argoproj.io/tracking-id": "shop:networking.k8s.io/Ingress:shop/akacert-www"
        }
    }));
    let metadata = ingress(&certificate, &two_tokens()).metadata;
    assert_eq!(
        json_of(&metadata.labels),
        json!({"team": "web", "app.kubernetes.io/managed-by": "akacert", "akacert.io/certificate-uid": UID})
    );
    assert_eq!(json_of(&metadata.annotations), json!({"traefik.io/priority": "7"}));
}

#[test]
fn the_shared_service_is_headless_and_has_no_selector() {
    assert_eq!(
        json_of(&objects::service("shop")),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "akacert-solver", "namespace": "shop",
                "labels": {"app.kubernetes.io/managed-by": "akacert", "akacert.io/component": "http01-solver"}
            },
            "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
        })
    );
}

#[test]
fn there_is_an_endpoint_slice_for_each_address_family_and_the_service_owns_it() {
    let service = stored(&objects::service("shop"), "uid-svc");
    let solver = [replica("10.1.2.4:8080"), replica("10.1.2.3:8080"), replica("[2001:db8::7]:8080")];
    let slices = objects::endpoint_slices(&service, &solver);
    let expected = |family: &str, lower: &str, endpoints: serde_json::Value| {
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": format!("akacert-solver-{lower}-8080"), "namespace": "shop",
                "labels": {
                    "app.kubernetes.io/managed-by": "akacert",
                    "akacert.io/component": "http01-solver",
                    "kubernetes.io/service-name": "akacert-solver",
                    "endpointslice.kubernetes.io/managed-by": "akacert.io"
                },
                "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "akacert-solver", "uid": "uid-svc"}]
            },
            "addressType": family,
            "endpoints": endpoints,
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]
        })
    };
    let ready = |address: &str| json!({"addresses": [address], "conditions": {"ready": true}});
    assert_eq!(
        slices.iter().map(json_of).collect::<Vec<_>>(),
        [
            expected("IPv4", "ipv4", json!([ready("10.1.2.3"), ready("10.1.2.4")])),
            expected("IPv6", "ipv6", json!([ready("2001:db8::7")]))
        ]
    );
}

#[test]
fn the_name_of_an_ingress_is_bounded_and_stays_unique() {
    let named = |name: String| {
        let mut certificate = certificate();
        certificate.metadata.name = Some(name);
        ingress_name(&certificate)
    };
    assert_eq!(named("www".into()), "akacert-www");
    assert_eq!(named("x".repeat(245)), format!("akacert-{}", "x".repeat(245)));
    let (one, other) = (named(format!("{}1", "x".repeat(252))), named(format!("{}2", "x".repeat(252))));
    assert_eq!((one.len(), other.len()), (253, 253));
    assert_ne!(one, other);
    assert!(one.starts_with("akacert-xxx"));
}

#[test]
fn only_ready_endpoints_of_the_solver_count_and_an_absent_condition_means_ready() {
    let slice = serde_json::from_value(json!({
        "addressType": "IPv4",
        "metadata": {"name": "akacert-solver-x7k2p"},
        "endpoints": [
            {"addresses": ["10.1.2.3"], "conditions": {"ready": true, "serving": true}},
            {"addresses": ["10.1.2.4"], "conditions": {"ready": false, "serving": true, "terminating": true}},
            {"addresses": ["10.1.2.5"], "conditions": {}}
        ],
        "ports": [{"name": "metrics", "port": 8081}, {"name": "http", "port": 8080}]
    }))
    .unwrap();
    assert_eq!(
        crate::published::ready_endpoints(&slice),
        [replica("10.1.2.3:8080"), replica("10.1.2.5:8080")]
    );
}

#[test]
fn a_slice_without_endpoints_or_ports_is_no_replica() {
    for slice in [
        json!({"addressType": "IPv4", "metadata": {"name": "x"}, "endpoints": null, "ports": null}),
        json!({"addressType": "IPv4", "metadata": {"name": "x"}, "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": []}),
        json!({"addressType": "FQDN", "metadata": {"name": "x"}, "endpoints": [{"addresses": ["a.example"]}], "ports": [{"port": 1}]}),
    ] {
        let slice = serde_json::from_value(slice).unwrap();
        assert_eq!(crate::published::ready_endpoints(&slice), []);
    }
}

//! When an object counts as unchanged. The observed objects are answers of a kube-apiserver 1.37.

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

use super::super::compare::satisfies;
use super::super::objects;
use super::*;

fn served_service() -> Value {
    json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": {
            "name": "akacert-solver", "namespace": "shop",
            "uid": "db629ff0-1de6-4769-864e-043a6a7e08a6", "resourceVersion": "221",
            "creationTimestamp": "2026-11-23T10:51:30Z",
            "labels": {"app.kubernetes.io/managed-by": "akacert", "akacert.io/component": "http01-solver"},
            "managedFields": [{
                "manager": "akacert", "operation": "Apply", "apiVersion": "v1",
                "time": "2026-11-23T10:51:31Z", "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:akacert.io/component": {}, "f:app.kubernetes.io/managed-by": {}}},
                    "f:spec": {
                        "f:clusterIP": {},
                        "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}":
                            {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}}
                    }
                }
            }]
        },
        "spec": {
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}],
            "clusterIP": "None", "clusterIPs": ["None"], "type": "ClusterIP", "sessionAffinity": "None",
            "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack", "internalTrafficPolicy": "Cluster"
        },
        "status": {"loadBalancer": {}}
    })
}

fn served_slice() -> Value {
    json!({
        "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": "akacert-solver-ipv4-8080", "namespace": "shop",
            "uid": "b009662c-db47-4c7f-8012-f7692757d8f4", "resourceVersion": "225", "generation": 2,
            "creationTimestamp": "2026-11-23T10:51:31Z",
            "labels": {
                "app.kubernetes.io/managed-by": "akacert", "akacert.io/component": "http01-solver",
                "kubernetes.io/service-name": "akacert-solver", "endpointslice.kubernetes.io/managed-by": "akacert.io",
                "service.kubernetes.io/headless": ""
            },
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": "akacert-solver",
                "uid": "db629ff0-1de6-4769-864e-043a6a7e08a6"
            }]
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": true}}],
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}]
    })
}

fn served_ingress() -> Value {
    let mut ingress = json_of(&ingress(&certificate(), &two_tokens()));
    ingress["metadata"]["uid"] = json!("b3c047ce-b669-45a9-a779-8762f300cb47");
    ingress["metadata"]["resourceVersion"] = json!("229");
    ingress["metadata"]["generation"] = json!(1);
    ingress["metadata"]["creationTimestamp"] = json!("2026-11-23T10:51:32Z");
    ingress["metadata"]["finalizers"] = json!(["ingress.k8s.example/resources"]);
    ingress["metadata"]["annotations"] = json!({"ingress.k8s.example/backends": "{}"});
    ingress["metadata"]["managedFields"] = json!([
        {
            "manager": "akacert", "operation": "Apply", "apiVersion": "networking.k8s.io/v1", "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:akacert.io/certificate-uid": {}, "f:app.kubernetes.io/managed-by": {}}},
                "f:spec": {"f:ingressClassName": {}, "f:rules": {}}
            }
        },
        {
            "manager": "glbc", "operation": "Update", "apiVersion": "networking.k8s.io/v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:annotations": {"f:ingress.k8s.example/backends": {}}}}
        }
    ]);
    ingress["status"] = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}});
    ingress
}

fn service_is_unchanged(observed: Value) -> bool {
    satisfies(&objects::service("shop"), &serde_json::from_value::<Service>(observed).unwrap())
}

fn slice_is_unchanged(observed: Value) -> bool {
    let service = serde_json::from_value(served_service()).unwrap();
    let desired = objects::endpoint_slices(&service, &[replica("10.1.2.3:8080")]).remove(0);
    satisfies(&desired, &serde_json::from_value::<EndpointSlice>(observed).unwrap())
}

fn ingress_is_unchanged(observed: Value) -> bool {
    let desired = ingress(&certificate(), &two_tokens());
    satisfies(&desired, &serde_json::from_value::<Ingress>(observed).unwrap())
}

#[test]
fn defaults_of_the_api_server_and_fields_of_others_are_no_change() {
    assert!(service_is_unchanged(served_service()));
    assert!(slice_is_unchanged(served_slice()));
    assert!(ingress_is_unchanged(served_ingress()));
}

fn edited(mut value: Value, pointer: &str, to: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = to;
    value
}

#[test]
fn another_value_of_a_field_of_ours_is_a_change() {
    let edits = [
        ("/metadata/labels/akacert.io~1component", json!("other")),
        ("/spec/ports/0/name", json!("web")),
        ("/spec/ports", json!([])),
    ];
    for (pointer, to) in edits {
        assert!(!service_is_unchanged(edited(served_service(), pointer, to)), "{pointer}");
    }
    let edits = [
        ("/endpoints/0/addresses/0", json!("10.1.2.4")),
        ("/endpoints", json!([])),
        (
            "/endpoints",
            json!([{"addresses": ["10.1.2.3"], "conditions": {"ready": true}}, {"addresses": ["10.1.2.4"]}]),
        ),
        ("/ports/0/port", json!(80)),
        ("/metadata/ownerReferences/0/uid", json!("another")),
    ];
    for (pointer, to) in edits {
        assert!(!slice_is_unchanged(edited(served_slice(), pointer, to)), "{pointer}");
    }
    let edits = [
        ("/spec/ingressClassName", json!("nginx")),
        ("/spec/rules/0/host", json!("evil.example.com")),
        ("/spec/rules/0/http/paths/0/pathType", json!("Prefix")),
        ("/spec/rules/0/http/paths/0/backend/service/name", json!("shop")),
        ("/spec/rules", json!([])),
    ];
    for (pointer, to) in edits {
        assert!(!ingress_is_unchanged(edited(served_ingress(), pointer, to)), "{pointer}");
    }
}

#[test]
fn a_rule_or_path_too_many_is_a_change() {
    let mut more = served_ingress();
    let rule = more["spec"]["rules"][0].clone();
    more["spec"]["rules"].as_array_mut().unwrap().push(rule);
    assert!(!ingress_is_unchanged(more));
    let mut more = served_ingress();
    let path = more["spec"]["rules"][0]["http"]["paths"][0].clone();
    more["spec"]["rules"][0]["http"]["paths"].as_array_mut().unwrap().push(path);
    assert!(!ingress_is_unchanged(more));
}

#[test]
fn an_owner_that_somebody_else_added_is_no_change() {
    let mut owned = served_ingress();
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"});
    owned["metadata"]["ownerReferences"].as_array_mut().unwrap().push(other);
    assert!(ingress_is_unchanged(owned));
}

#[test]
fn a_label_or_annotation_that_we_wrote_and_that_is_not_wanted_any_more_is_a_change() {
    for (map, key) in [("labels", "team"), ("annotations", "traefik.io/priority")] {
        let mut former = served_ingress();
        former["metadata"][map][key] = json!("x");
        assert!(ingress_is_unchanged(former.clone()), "{map} of somebody else");
        former["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"][format!("f:{map}")]
            [format!("f:{key}")] = json!({});
        assert!(!ingress_is_unchanged(former), "{map} of ours");
    }
}

/// The ConfigMap of one token, as the API server has it; an earlier apply of ours wrote these keys of `data`.
fn served_config_map(written: &[&str]) -> (ConfigMap, Value) {
    let content = Content { tokens: two_tokens().into_iter().collect(), ..Content::default() };
    let desired = objects::config_map(&certificate(), &content, &rules());
    let mut observed = json_of(&desired);
    observed["metadata"]["uid"] = json!("b3c047ce-b669-45a9-a779-8762f300cb47");
    let mut owned = json!({});
    for key in written {
        owned[format!("f:{key}")] = json!({});
        if observed["data"].get(key).is_none() {
            observed["data"][key] = json!("[]");
        }
    }
    observed["metadata"]["managedFields"] = json!([{
        "manager": "akacert", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": owned}
    }]);
    (desired, observed)
}

#[test]
fn a_key_of_data_that_is_not_wanted_is_a_change_whoever_wrote_it() {
    let (desired, unchanged) = served_config_map(&[CHALLENGES_KEY]);
    let read = |observed: Value| serde_json::from_value::<ConfigMap>(observed).unwrap();
    assert!(satisfies(&desired, &read(unchanged.clone())));
    assert_eq!(without_surplus(&desired, &read(unchanged.clone())), None);

    let (_, ours) = served_config_map(&[CHALLENGES_KEY, "records.json"]);
    assert!(!satisfies(&desired, &read(ours)));

    let mut others = unchanged;
    others["data"]["note"] = json!("do not touch");
    assert!(!satisfies(&desired, &read(others.clone())));
    assert_eq!(without_surplus(&desired, &read(others)), Some(json!({"data": {"note": null}})));
}

#[test]
fn a_field_that_we_wrote_and_that_is_not_wanted_any_more_is_a_change() {
    let mut former = served_ingress();
    former["spec"]["defaultBackend"] = json!({"service": {"name": "shop", "port": {"number": 80}}});
    assert!(ingress_is_unchanged(former.clone()), "of somebody else");
    former["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:defaultBackend"] = json!({});
    assert!(!ingress_is_unchanged(former), "of ours");

    let mut former = served_service();
    former["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:ports"]["k:{\"port\":443,\"protocol\":\"TCP\"}"] =
        json!({".": {}});
    assert!(!service_is_unchanged(former));
}

#[test]
fn tls_that_somebody_added_to_our_ingress_is_a_change_and_goes() {
    let mut secured = served_ingress();
    secured["spec"]["tls"] = json!([{"hosts": ["www.example.com"], "secretName": "www"}]);
    assert!(!ingress_is_unchanged(secured.clone()));
    let desired = ingress(&certificate(), &two_tokens());
    let observed = serde_json::from_value(secured).unwrap();
    assert_eq!(without_surplus(&desired, &observed), Some(json!({"spec": {"tls": null}})));
}

/// As the API server and a Gateway's controller have it: with defaults, an annotation and a status.
fn served_route(desired: &HTTPRoute) -> Value {
    let mut route = json_of(desired);
    route["metadata"]["uid"] = json!("b3c047ce-b669-45a9-a779-8762f300cb47");
    route["metadata"]["annotations"] = json!({"gateway.example/seen": "1"});
    route["metadata"]["managedFields"] = json!([{
        "manager": "akacert", "operation": "Apply", "apiVersion": "gateway.networking.k8s.io/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {
                "f:labels": {"f:akacert.io/certificate-uid": {}, "f:app.kubernetes.io/managed-by": {}}
            },
            "f:spec": {"f:hostnames": {}, "f:parentRefs": {}, "f:rules": {}}
        }
    }]);
    let parent = &mut route["spec"]["parentRefs"][0];
    parent["group"] = json!("gateway.networking.k8s.io");
    parent["kind"] = json!("Gateway");
    let backend = &mut route["spec"]["rules"][0]["backendRefs"][0];
    for (key, value) in [("group", json!("")), ("kind", json!("Service")), ("weight", json!(1))] {
        backend[key] = value;
    }
    route["status"] = json!({"parents": []});
    route
}

#[test]
fn an_http_route_with_defaults_is_unchanged_and_one_with_a_filter_or_a_rule_too_many_is_not() {
    let certificate = certificate_by(json!({"http01": {"gateway": {"parentRefs": [{"name": "public"}]}}}));
    let desired =
        super::super::wanted::objects(&certificate, &wanted(&two_tokens()), &rules()).http_routes.remove(0);
    let is_unchanged =
        |observed: Value| satisfies(&desired, &serde_json::from_value::<HTTPRoute>(observed).unwrap());
    assert!(is_unchanged(served_route(&desired)));

    let mut filtered = served_route(&desired);
    let redirect = json!({"scheme": "https", "hostname": "www.example.com", "statusCode": 301});
    filtered["spec"]["rules"][0]["filters"] =
        json!([{"type": "RequestRedirect", "requestRedirect": redirect}]);
    assert!(!is_unchanged(filtered));

    let mut ruled = served_route(&desired);
    let rule = ruled["spec"]["rules"][0].clone();
    ruled["spec"]["rules"].as_array_mut().unwrap().push(rule);
    assert!(!is_unchanged(ruled));
}

#[test]
fn a_dns_endpoint_that_external_dns_has_seen_is_unchanged_and_one_with_another_record_set_is_not() {
    let certificate = certificate_by(json!({"dns01": {"dnsEndpoint": {}}}));
    let by = By::of(certificate.spec.way("www.example.com")).unwrap();
    let record =
        Record { name: "_acme-challenge.www.example.com".into(), values: ["digest".to_owned()].into(), by };
    let records = Wanted { records: vec![record], ..Wanted::standing() };
    let desired = super::super::wanted::objects(&certificate, &records, &rules()).dns_endpoints.remove(0);
    let is_unchanged =
        |observed: Value| satisfies(&desired, &serde_json::from_value::<DNSEndpoint>(observed).unwrap());
    let mut seen = json_of(&desired);
    seen["metadata"]["generation"] = json!(1);
    seen["status"] = json!({"observedGeneration": 1});
    assert!(is_unchanged(seen.clone()));

    let mut more = seen;
    let another =
        json!({"dnsName": "www.example.com", "recordType": "A", "recordTTL": 60, "targets": ["192.0.2.1"]});
    more["spec"]["endpoints"].as_array_mut().unwrap().push(another);
    assert!(!is_unchanged(more));
}

#[test]
fn a_list_that_somebody_put_into_an_item_of_ours_is_a_change() {
    let contained = |observed: &Value| {
        super::super::compare::contains(
            observed,
            &json!({"rules": [{"matches": [{"path": {"value": "/a"}}]}]}),
        )
    };
    let rule = json!({"rules": [{"matches": [{"path": {"type": "Exact", "value": "/a"}}], "timeouts": {}}]});
    assert!(contained(&rule));
    let mut filtered = rule;
    filtered["rules"][0]["filters"] = json!([{"type": "RequestRedirect"}]);
    assert!(!contained(&filtered));
}

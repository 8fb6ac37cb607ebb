//! What each way of validation publishes in the cluster.

use serde_json::{Value, json};

use super::*;

fn of(validation: Value) -> AkamaiCertificate {
    let mut certificate = certificate();
    certificate.spec.dns_names = Some(vec!["api.example.com".into()]);
    certificate.spec.validation = Some(serde_json::from_value(validation).unwrap());
    certificate
}

fn gateway() -> Value {
    json!({"parentRefs": [{"name": "public", "namespace": "infra", "sectionName": "http"}]})
}

fn kinds(log: &[String]) -> Vec<&str> {
    log.iter().filter_map(|write| write.split(' ').nth(1)).collect()
}

#[test]
fn tokens_of_a_gateway_are_exact_paths_of_an_http_route_to_the_solver() {
    let certificate = of(json!({"http01": {"gateway": gateway()}}));
    let (observed, log) = publish(&certificate, &two_tokens(), nothing(), &rules());
    assert_eq!(kinds(&log), ["ConfigMap", "Service", "EndpointSlice", "HTTPRoute"]);
    assert_eq!(
        json_of(&observed.http_routes[0].spec),
        json!({
            "parentRefs": [{"name": "public", "namespace": "infra", "sectionName": "http"}],
            "hostnames": ["api.example.com", "www.example.com"],
            "rules": [{
                "matches": [
                    {"path": {"type": "Exact", "value": "/.well-known/acme-challenge/aaa"}},
                    {"path": {"type": "Exact", "value": "/.well-known/acme-challenge/bbb"}}
                ],
                "backendRefs": [{"name": "akacert-solver", "port": 80}]
            }]
        })
    );
}

#[test]
fn a_redirect_by_a_gateway_has_no_backend_and_needs_no_config_map() {
    let certificate = of(json!({"http01": {"redirect": {"gateway": gateway()}}}));
    let (observed, log) = publish(&certificate, &[], nothing(), &rules());
    assert_eq!(kinds(&log), ["HTTPRoute"]);
    assert_eq!(
        json_of(&observed.http_routes[0].spec.rules),
        json!([{
            "matches": [{"path": {"type": "PathPrefix", "value": "/.well-known/acme-challenge"}}],
            "filters": [{"type": "RequestRedirect", "requestRedirect": {
                "scheme": "http", "hostname": "dcv.akamai.com", "statusCode": 302
            }}]
        }])
    );
}

#[test]
fn a_redirect_by_an_ingress_leads_to_the_solver_which_learns_of_it_by_the_config_map() {
    let certificate =
        of(json!({"http01": {"redirect": {"host": "dcv.example.net", "ingress": {"className": "traefik"}}}}));
    let (observed, log) = publish(&certificate, &[], nothing(), &rules());
    assert_eq!(kinds(&log), ["ConfigMap", "Service", "EndpointSlice", "Ingress"]);
    let rules = observed.ingresses[0].spec.clone().unwrap().rules.unwrap();
    let path = &rules[0].http.as_ref().unwrap().paths[0];
    assert_eq!(
        (path.path.as_deref(), path.path_type.as_str()),
        (Some("/.well-known/acme-challenge"), "Prefix")
    );
    assert_eq!(
        observed.config_map.unwrap().data.clone().unwrap()["redirects.json"],
        r#"[{"host":"api.example.com","to":"dcv.example.net"},{"host":"www.example.com","to":"dcv.example.net"}]"#
    );
}

#[test]
fn what_stands_stays_when_the_tokens_of_other_names_go() {
    let certificate = of(json!({
        "http01": {"ingress": {"className": "traefik"}},
        "domains": [{"names": ["api.example.com"], "http01": {"redirect": {"ingress": {"className": "traefik"}}}}]
    }));
    let tokens = [token("www.example.com", "aaa")];
    let (observed, _) = publish(&certificate, &tokens, nothing(), &rules());
    assert_eq!(observed.ingresses.len(), 2);
    let removal: Vec<_> = plan_removal(&certificate, &Wanted::standing(), &observed, &rules())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(removal, ["delete Ingress shop/akacert-www"]);
    let (rest, log) = publish(&certificate, &[], observed, &rules());
    assert_eq!(kinds(&log), ["ConfigMap"]);
    assert!(super::super::content_of(&rest.config_map.unwrap()).tokens.is_empty());
}

#[test]
fn another_gateway_is_another_route_so_that_the_first_stands_until_the_second_does() {
    let first = of(json!({"http01": {"redirect": {"gateway": gateway()}}}));
    let second = of(json!({"http01": {"redirect": {"gateway": {"parentRefs": [{"name": "other"}]}}}}));
    let (observed, _) = publish(&first, &[], nothing(), &rules());
    let (observed, _) = publish(&second, &[], observed, &rules());
    assert_eq!(observed.http_routes.len(), 2);
    let removal = plan_removal(&second, &Wanted::standing(), &observed, &rules());
    assert_eq!(removal.len(), 1);
    assert!(is_standing(&removal[0], &observed));
}

#[test]
fn another_host_is_the_same_route_since_two_for_one_path_would_be_in_each_others_way() {
    let of_host = |host: &str| of(json!({"http01": {"redirect": {"host": host, "gateway": gateway()}}}));
    let (observed, _) = publish(&of_host("one.example.net"), &[], nothing(), &rules());
    let (observed, log) = publish(&of_host("two.example.net"), &[], observed, &rules());
    assert_eq!(kinds(&log), ["HTTPRoute"]);
    assert_eq!(observed.http_routes.len(), 1);
}

#[test]
fn values_of_a_name_are_one_record_set_of_a_dns_endpoint() {
    let certificate = of(json!({"dns01": {"dnsEndpoint": {"labels": {"dns": "public"}}}}));
    let by = By::of(certificate.spec.way("www.example.com")).unwrap();
    let record = |value: &str| Record {
        name: "_acme-challenge.example.com".into(),
        values: [value.to_owned()].into(),
        by: by.clone(),
    };
    let wanted = Wanted { records: vec![record("one"), record("two")], ..Wanted::standing() };
    let objects = super::super::wanted::objects(&certificate, &wanted, &rules());
    assert!(objects.config_map.is_none(), "external-dns removes what it made");
    assert_eq!(objects.dns_endpoints[0].metadata.labels.as_ref().unwrap()["dns"], "public");
    assert_eq!(
        json_of(&objects.dns_endpoints[0].spec),
        json!({"endpoints": [{
            "dnsName": "_acme-challenge.example.com", "recordType": "TXT", "recordTTL": 60, "targets": ["one", "two"]
        }]})
    );
}

#[test]
fn more_hosts_than_a_route_can_have_are_several_routes() {
    let mut certificate = of(json!({"http01": {"gateway": gateway()}}));
    let names: Vec<String> = (0..20).map(|n| format!("n{n}.example.com")).collect();
    certificate.spec.dns_names = Some(names.clone());
    let tokens: Vec<_> = names.iter().map(|name| token(name, &format!("t-{name}"))).collect();
    let (observed, _) = publish(&certificate, &tokens, nothing(), &rules());
    let hosts: Vec<_> = observed.http_routes.iter().map(|route| route.spec.hostnames.len()).collect();
    assert_eq!(hosts, [16, 4]);
}

#[test]
fn a_kind_that_the_cluster_does_not_have_is_said_to_be_missing() {
    let certificate = of(json!({"http01": {"gateway": gateway()}}));
    let observed = Observed { missing_kinds: [Kind::HttpRoute].into(), ..nothing() };
    let blocked = plan(&certificate, &wanted(&two_tokens()), &observed, &rules()).unwrap_err();
    assert_eq!(
        blocked.to_string(),
        "the operator sees no HTTPRoutes: install the CRDs of Gateway API and a controller for it, let its role have them, \
         or choose another way in spec.validation"
    );
}

#[test]
fn updates_go_to_name_servers_that_a_flag_allows_and_no_others() {
    let rfc2136 = |server: &str| {
        of(
            json!({"dns01": {"rfc2136": {"server": server, "keyName": "k", "keySecretRef": {"name": "tsig"}}}}),
        )
    };
    assert_eq!(may_publish(&rfc2136("NS1.example.net"), &rules()), Ok(()));
    assert_eq!(
        may_publish(&rfc2136("10.0.0.53:53"), &rules()).unwrap_err().to_string(),
        "the operator does not send DNS updates to 10.0.0.53:53: correct dns01.rfc2136.server, or have the operator \
         started with --allow-dns-server 10.0.0.53:53"
    );
}

#[test]
fn external_names_get_a_config_map_with_snippets_and_without_tokens() {
    let certificate = of(json!({"http01": {"external": {}}}));
    let (observed, log) = publish(&certificate, &[], nothing(), &rules());
    assert_eq!(log, ["apply ConfigMap shop/akacert-www-redirect"]);
    let data = observed.snippets[0].data.clone().unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["apache.conf", "nginx.conf", "property-manager.json"]);
}

#[test]
fn a_config_map_that_stays_for_its_redirects_loses_its_records() {
    let certificate = of(json!({
        "http01": {"redirect": {"ingress": {"className": "traefik"}}},
        "domains": [{"names": ["api.example.com"], "dns01": {"edgeDns": {}}}]
    }));
    let record = Record {
        name: "_acme-challenge.api.example.com".into(),
        values: ["digest".to_owned()].into(),
        by: By::EdgeDns(Default::default()),
    };
    let with_record = Wanted { records: vec![record], ..Wanted::standing() };
    let publish = |wanted: &Wanted, mut observed: Observed| {
        let mut log = Vec::new();
        while let Some(write) = plan(&certificate, wanted, &observed, &rules()).unwrap().into_iter().next() {
            log.push(write.to_string());
            assert!(log.len() < 20, "publishing never ends: {log:?}");
            observed = after(observed, &write);
        }
        (observed, log)
    };
    let (observed, _) = publish(&with_record, nothing());
    let (observed, log) = publish(&Wanted::standing(), observed);
    assert_eq!(kinds(&log), ["ConfigMap"]);
    let content = read(&observed.config_map.unwrap()).unwrap();
    assert!(content.records.is_empty());
    assert_eq!(content.redirects.len(), 1);
}

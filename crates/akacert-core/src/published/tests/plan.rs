//! Which requests publishing makes, and which it refuses to make.

use serde_json::json;

use super::*;

fn first(observed: &Observed) -> Result<Option<String>, Blocked> {
    let writes = plan(&certificate(), &wanted(&two_tokens()), observed, &rules())?;
    Ok(writes.first().map(ToString::to_string))
}

#[test]
fn what_serves_is_written_before_what_routes() {
    let (_, log) = publish(&certificate(), &two_tokens(), nothing(), &rules());
    assert_eq!(
        log,
        [
            "apply ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11",
            "apply Service shop/akacert-solver",
            "apply EndpointSlice shop/akacert-solver-ipv4-8080",
            "apply Ingress shop/akacert-www",
        ]
    );
}

#[test]
fn nothing_is_written_when_everything_is_as_it_should_be() {
    assert_eq!(plan(&certificate(), &wanted(&two_tokens()), &published(), &rules()), Ok(vec![]));
}

#[test]
fn a_second_certificate_of_the_namespace_shares_service_and_endpoint_slices() {
    let observed = Observed { config_map: None, ingresses: vec![], ..published() };
    let writes = plan(&certificate(), &wanted(&two_tokens()), &observed, &rules()).unwrap();
    assert_eq!(
        writes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "apply ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11",
            "apply Ingress shop/akacert-www"
        ]
    );
}

#[test]
fn a_hundred_names_are_one_config_map_and_one_ingress_and_fit_into_them() {
    let tokens: Vec<_> = (0..100).map(|n| token(&format!("name-{n}.example.com"), &"t".repeat(43))).collect();
    let (observed, log) = publish(&certificate(), &tokens, nothing(), &rules());
    assert_eq!(log.len(), 4);
    let data = observed.config_map.unwrap().data.clone().unwrap();
    assert!(data["challenges.json"].len() < 100_000);
    assert_eq!(observed.ingresses[0].spec.clone().unwrap().rules.unwrap().len(), 100);
}

#[test]
fn rotated_tokens_change_config_map_and_ingress_and_nothing_else() {
    let rotated = keep(two_tokens(), &[token("www.example.com", "ccc"), token("api.example.com", "ddd")]);
    let (observed, log) = publish(&certificate(), &rotated, published(), &rules());
    assert_eq!(
        log,
        [
            "apply ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11",
            "apply Ingress shop/akacert-www"
        ]
    );
    assert_eq!(super::super::content_of(&observed.config_map.unwrap()).tokens.len(), 4);
}

#[test]
fn the_endpoint_slices_follow_the_solvers_ready_replicas() {
    let moved =
        Observed { solver: vec![replica("10.1.2.9:8080"), replica("[2001:db8::9]:8080")], ..published() };
    let (moved, log) = publish(&certificate(), &two_tokens(), moved, &rules());
    assert_eq!(
        log,
        [
            "apply EndpointSlice shop/akacert-solver-ipv4-8080",
            "apply EndpointSlice shop/akacert-solver-ipv6-8080"
        ]
    );
    let left = Observed { solver: vec![replica("10.1.2.9:8080")], ..moved };
    let (left, log) = publish(&certificate(), &two_tokens(), left, &rules());
    assert_eq!(log, ["delete EndpointSlice shop/akacert-solver-ipv6-8080"]);
    let none = Observed { solver: vec![], ..left };
    let (_, log) = publish(&certificate(), &two_tokens(), none, &rules());
    assert_eq!(log, ["delete EndpointSlice shop/akacert-solver-ipv4-8080"]);
}

#[test]
fn without_a_ready_replica_everything_else_is_published() {
    let observed = Observed { solver: vec![], ..nothing() };
    let (_, log) = publish(&certificate(), &two_tokens(), observed, &rules());
    assert_eq!(
        log,
        [
            "apply ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11",
            "apply Service shop/akacert-solver",
            "apply Ingress shop/akacert-www"
        ]
    );
}

#[test]
fn in_the_operators_own_namespace_the_ingress_leads_to_the_solvers_own_service() {
    let mut certificate = certificate();
    certificate.metadata.namespace = Some("akacert-system".into());
    let rules = Rules { solver_service: "solver".into(), ..rules() };
    let (observed, log) = publish(&certificate, &two_tokens(), nothing(), &rules);
    assert_eq!(
        log,
        [
            "apply ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11",
            "apply Ingress akacert-system/akacert-www"
        ]
    );
    let rules = observed.ingresses[0].spec.clone().unwrap().rules.unwrap();
    let backend = &rules[0].http.as_ref().unwrap().paths[0].backend;
    assert_eq!(json_of(backend), json!({"service": {"name": "solver", "port": {"name": "http"}}}));
}

#[test]
fn nothing_is_published_into_a_namespace_that_is_being_deleted() {
    let observed = Observed { namespace_terminating: true, ..nothing() };
    assert_eq!(first(&observed), Err(Blocked::NamespaceTerminating));
}

#[test]
fn without_tokens_there_is_nothing_to_publish() {
    assert_eq!(plan(&certificate(), &wanted(&[]), &nothing(), &rules()), Ok(vec![]));
}

#[test]
fn annotations_of_the_spec_have_to_be_on_the_allow_list() {
    let cases = [
        ("kubernetes.io/tls-acme", None),
        ("traefik.io/priority", None),
        ("traefik.io.evil.example/priority", Some("traefik.io.evil.example/priority")),
        ("kubernetes.io/tls-acme-2", Some("kubernetes.io/tls-acme-2")),
        ("nginx.ingress.kubernetes.io/server-snippet", Some("nginx.ingress.kubernetes.io/server-snippet")),
    ];
    for (key, refused) in cases {
        let certificate = certificate_with(json!({"className": "traefik", "annotations": {(key): "x"}}));
        let result = plan(&certificate, &wanted(&two_tokens()), &nothing(), &rules()).map(|_| ());
        let expected = refused.map_or(Ok(()), |key| Err(Blocked::AnnotationNotAllowed { key: key.into() }));
        assert_eq!(result, expected, "{key}");
    }
}

#[test]
fn an_allow_list_entry_of_a_bare_star_allows_nothing() {
    let rules = Rules { allowed_ingress_annotations: ["*".to_owned()].into(), ..rules() };
    let certificate = certificate_with(json!({"className": "traefik", "annotations": {"a.example/b": "x"}}));
    let blocked = plan(&certificate, &wanted(&two_tokens()), &nothing(), &rules).unwrap_err();
    assert_eq!(
        blocked.to_string(),
        "the annotation a.example/b is not on the operator's allow-list: remove it from \
         spec.validation.http01.ingress.annotations, or have the operator started with --allow-ingress-annotation a.example/b"
    );
}

#[test]
fn an_object_of_our_name_that_is_not_ours_is_left_alone() {
    let taken = |spoil: fn(&mut Observed)| {
        let mut observed = published();
        spoil(&mut observed);
        first(&observed).unwrap_err().to_string()
    };
    assert_eq!(
        taken(|observed| edit(&mut observed.ingresses, |ingress| {
            ingress.metadata.owner_references = None;
            ingress.metadata.labels = None;
        })),
        "Ingress shop/akacert-www exists and was not made by akacert for this certificate: rename or delete it"
    );
    assert_eq!(
        taken(|observed| change(&mut observed.service, |service| service.metadata.labels = None)),
        "Service shop/akacert-solver exists and was not made by akacert for this certificate: rename or delete it"
    );
    assert_eq!(
        taken(|observed| change(&mut observed.config_map, |config_map| {
            let labels = config_map.metadata.labels.as_mut().unwrap();
            labels.insert("akacert.io/certificate-uid".into(), "another".into());
        })),
        "ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11 exists and was not made by akacert for \
         this certificate: rename or delete it"
    );
    assert_eq!(
        taken(|observed| {
            let slice = Arc::make_mut(&mut observed.endpoint_slices[0]);
            slice.metadata.labels.as_mut().unwrap().remove("app.kubernetes.io/managed-by");
        }),
        "EndpointSlice shop/akacert-solver-ipv4-8080 exists and was not made by akacert for this certificate: rename or \
         delete it"
    );
}

#[test]
fn an_ingress_that_another_controller_owns_is_not_ours_whatever_its_labels_say() {
    let mut observed = published();
    edit(&mut observed.ingresses, |ingress| {
        let owner = &mut ingress.metadata.owner_references.as_mut().unwrap()[0];
        owner.kind = "Shop".into();
        owner.uid = "another".into();
    });
    assert!(matches!(first(&observed), Err(Blocked::NameTaken { kind: Kind::Ingress, .. })));
}

#[test]
fn the_ingress_of_a_former_certificate_of_the_same_name_is_taken_over() {
    let mut observed = Observed { config_map: None, ..published() };
    edit(&mut observed.ingresses, |ingress| {
        ingress.metadata.owner_references.as_mut().unwrap()[0].uid = "former".into();
        ingress
            .metadata
            .labels
            .as_mut()
            .unwrap()
            .insert("akacert.io/certificate-uid".into(), "former".into());
    });
    let (_, log) = publish(&certificate(), &two_tokens(), observed, &rules());
    assert_eq!(log.last().unwrap(), "apply Ingress shop/akacert-www");
}

//! Which requests removal and the sweep make.

use std::collections::BTreeSet;

use super::*;

fn removal(certificate: &AkamaiCertificate, observed: &Observed) -> Vec<String> {
    plan_removal(certificate, &Wanted::standing(), observed, &rules())
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn what_routes_goes_first_and_the_shared_service_last() {
    assert_eq!(
        removal(&certificate(), &published()),
        [
            "delete Ingress shop/akacert-www",
            "delete ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11",
            "delete Service shop/akacert-solver",
        ]
    );
}

#[test]
fn the_shared_service_stays_while_another_certificate_of_the_namespace_publishes() {
    let observed = Observed { shared_in_use: true, ..published() };
    assert_eq!(
        removal(&certificate(), &observed),
        [
            "delete Ingress shop/akacert-www",
            "delete ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11"
        ]
    );
}

#[test]
fn removal_has_an_end() {
    let mut observed = published();
    for _ in 0..3 {
        let write = plan_removal(&certificate(), &Wanted::standing(), &observed, &rules()).remove(0);
        observed = after(observed, &write);
    }
    // The EndpointSlices are left to garbage collection: the Service owned them.
    assert_eq!(observed.endpoint_slices.len(), 1);
    assert_eq!(removal(&certificate(), &observed), [""; 0]);
}

#[test]
fn what_is_on_its_way_out_is_not_deleted_again() {
    let mut observed = published();
    let now = serde_json::from_value(json!("2026-11-23T12:00:00Z")).unwrap();
    edit(&mut observed.ingresses, |ingress| ingress.metadata.deletion_timestamp = Some(now));
    assert_eq!(
        removal(&certificate(), &observed),
        [
            "delete ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11",
            "delete Service shop/akacert-solver",
        ]
    );
}

#[test]
fn objects_that_are_not_ours_are_not_removed() {
    let mut observed = published();
    // Whatever its labels say.
    edit(&mut observed.ingresses, |ingress| ingress.metadata.owner_references = None);
    change(&mut observed.service, |service| service.metadata.labels = None);
    assert_eq!(
        removal(&certificate(), &observed),
        ["delete ConfigMap akacert-system/akacert-5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11"]
    );
}

#[test]
fn in_the_operators_own_namespace_the_solvers_service_is_never_removed() {
    let mut certificate = certificate();
    certificate.metadata.namespace = Some("akacert-system".into());
    assert!(!removal(&certificate, &published()).iter().any(|write| write.contains("Service")));
}

/// What the watches show when the certificates www (in shop, with [`UID`]) and blog (in press) are published.
fn inventory() -> Inventory {
    let mut blog = certificate();
    blog.metadata.name = Some("blog".into());
    blog.metadata.namespace = Some("press".into());
    blog.metadata.uid = Some("blog-uid".into());
    let both = [published(), publish(&blog, &two_tokens(), nothing(), &rules()).0];
    let mut inventory = Inventory::default();
    for (place, observed) in both.into_iter().enumerate() {
        inventory.config_maps.extend(observed.config_map);
        inventory.ingresses.extend(observed.ingresses);
        inventory
            .services
            .extend(observed.service.map(|service| stored(&*service, &format!("uid-svc-{place}"))));
        inventory.endpoint_slices.extend(observed.endpoint_slices);
    }
    inventory
}

fn swept(inventory: &Inventory, alive: &[&str]) -> Vec<String> {
    let alive: BTreeSet<String> = alive.iter().map(|uid| (*uid).to_owned()).collect();
    sweep(inventory, &alive, &rules()).iter().map(ToString::to_string).collect()
}

#[test]
fn the_sweep_leaves_living_certificates_alone() {
    assert_eq!(swept(&inventory(), &[UID, "blog-uid"]), [""; 0]);
}

#[test]
fn the_sweep_removes_what_a_dead_certificate_left_and_the_service_that_nobody_needs() {
    let mut inventory = inventory();
    for (place, slice) in inventory.endpoint_slices.iter_mut().enumerate() {
        let owners = Arc::make_mut(slice).metadata.owner_references.as_mut().unwrap();
        owners[0].uid = format!("uid-svc-{place}");
    }
    assert_eq!(
        swept(&inventory, &[UID]),
        [
            "delete Ingress press/akacert-blog",
            "delete ConfigMap akacert-system/akacert-blog-uid",
            "delete Service press/akacert-solver",
        ]
    );
}

#[test]
fn the_sweep_removes_endpoint_slices_whose_service_is_gone() {
    let mut inventory = inventory();
    inventory.services.clear();
    inventory.ingresses.clear();
    inventory.config_maps.clear();
    assert_eq!(
        swept(&inventory, &[]),
        [
            "delete EndpointSlice shop/akacert-solver-ipv4-8080",
            "delete EndpointSlice press/akacert-solver-ipv4-8080"
        ]
    );
}

#[test]
fn the_sweep_never_touches_a_service_of_the_operators_own_namespace() {
    let mut inventory = Inventory { config_maps: vec![], ingresses: vec![], ..inventory() };
    for service in &mut inventory.services {
        Arc::make_mut(service).metadata.namespace = Some("akacert-system".into());
    }
    for slice in &mut inventory.endpoint_slices {
        Arc::make_mut(slice).metadata.namespace = Some("akacert-system".into());
    }
    assert_eq!(swept(&inventory, &[]), [""; 0]);
}

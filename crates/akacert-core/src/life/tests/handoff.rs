//! What the ConfigMap tells pipelines about a deployed certificate.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;

use super::*;
use crate::published::{Object, Write};
use akacert_api::policy::Handoff;

fn asked() -> Scene {
    let mut scene = Scene::ready();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    scene.certificate.spec.handoff = Some(Handoff { config_map_name: "www-certificate".into() });
    scene
}

fn handed_off(scene: &Scene) -> ConfigMap {
    let Step::HandOff(write) = scene.step() else { panic!() };
    let Write::Apply(Object::Handoff(config_map)) = *write else { panic!("{write}") };
    config_map
}

#[test]
fn the_config_map_says_what_is_deployed_and_is_owned_by_the_certificate() {
    let config_map = handed_off(&asked());
    assert_eq!(config_map.metadata.namespace.as_deref(), Some("shop"));
    assert_eq!(config_map.metadata.name.as_deref(), Some("www-certificate"));
    assert_eq!(config_map.metadata.owner_references.unwrap()[0].name, "www");
    let data = config_map.data.unwrap();
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(keys, ["commonName", "dnsNames", "enrollmentId", "fingerprint", "notAfter", "serialNumber"]);
    assert_eq!(data["enrollmentId"], "10002");
    assert_eq!(data["dnsNames"], "api.example.com,www.example.com");
    assert_eq!(data["notAfter"], "2027-12-31T00:00:00Z");
}

#[test]
fn nothing_is_handed_off_before_the_certificate_is_deployed() {
    let mut scene = Scene::created();
    scene.certificate.spec.handoff = asked().certificate.spec.handoff;
    scene.change("deploy-cert-to-production", "running", &[]);
    assert_step(&scene.next(), "Wait");
}

#[test]
fn what_is_handed_off_is_not_written_again_until_it_changes_or_nobody_wants_it() {
    let mut scene = asked();
    scene.published.handoffs = vec![Arc::new(handed_off(&scene))];
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "HandedOff", "True", Reason::HandedOff);
    scene.certificate.spec.handoff = Some(Handoff { config_map_name: "other".into() });
    assert_eq!(handed_off(&scene).metadata.name.as_deref(), Some("other"));
    scene.certificate.spec.handoff = None;
    let decision = scene.next();
    assert!(
        matches!(&decision.next, Next::Do(Step::HandOff(write)) if matches!(**write, Write::Delete { .. }))
    );
    assert_eq!(says(&decision.status, "HandedOff"), Default::default());
}

#[test]
fn a_config_map_that_cannot_be_written_is_told_and_leaves_the_certificate_ready() {
    let mut scene = asked();
    let until = scene.now.checked_add(std::time::Duration::from_secs(60)).unwrap();
    scene.fail(Step::HAND_OFF, Reason::NameTaken, 1, until);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "HandedOff", "False", Reason::NameTaken);
    assert_says(&decision, "Ready", "True", Reason::Deployed);
}

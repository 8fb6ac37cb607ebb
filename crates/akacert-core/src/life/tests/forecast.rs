//! What the daily check of a certificate at rest finds, and what the status says.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{assert_step, says};
use crate::life::Decision;
use crate::life::fixtures::Scene;
use crate::life::memory::Forecast;
use crate::outside::{NameForecast, Served};
use akacert_api::policy::ServedProbe;

const NAMES: [&str; 2] = ["www.example.com", "api.example.com"];

fn reachable() -> NameForecast {
    NameForecast { automatic: false, failure: None, served: None }
}

/// A certificate at rest, a day after the operator's start.
fn due() -> Scene {
    let mut scene = Scene::ready();
    scene.now = scene.now.checked_add(Duration::from_secs(24 * 3600)).unwrap();
    scene.enrollment(&NAMES);
    scene
}

fn found(of: impl Fn(&str) -> NameForecast) -> (Scene, Decision) {
    let mut scene = due();
    look(&mut scene, of);
    let decision = scene.next();
    (scene, decision)
}

fn look(scene: &mut Scene, of: impl Fn(&str) -> NameForecast) {
    let deployments = scene.certificate.status.as_ref().unwrap().deployments.clone().unwrap();
    let names: BTreeMap<_, _> = NAMES.iter().map(|name| ((*name).to_owned(), of(name))).collect();
    let fingerprint = deployments.production.unwrap().fingerprint;
    scene.memory.forecast = Some(Forecast { at: scene.now, fingerprint, names });
}

#[test]
fn a_certificate_at_rest_is_looked_at_from_outside_once_an_interval() {
    let mut scene = due();
    assert_step(&scene.next(), "Forecast");
    look(&mut scene, |_| reachable());
    assert_step(&scene.next(), "Wait");
    scene.now = scene.now.checked_add(Duration::from_secs(24 * 3600)).unwrap();
    scene.enrollment(&NAMES);
    assert_step(&scene.next(), "Forecast");
}

#[test]
fn names_that_answer_are_ready_for_the_renewal() {
    let (_, decision) = found(|_| reachable());
    assert_eq!(says(&decision.status, "RenewalReady"), ("True".into(), "RenewalReady".into()));
    assert_eq!(says(&decision.status, "Ready"), ("True".into(), "Deployed".into()));
    assert_eq!(says(&decision.status, "Served"), Default::default());
}

#[test]
fn a_name_that_would_fail_is_named_leaves_ready_and_is_looked_at_within_the_hour() {
    let (mut scene, decision) = found(|name| {
        let failure = (name == "api.example.com").then(|| "no address".to_owned());
        NameForecast { failure, ..reachable() }
    });
    assert_eq!(says(&decision.status, "RenewalReady"), ("False".into(), "RenewalWouldFail".into()));
    assert_eq!(says(&decision.status, "Ready"), ("True".into(), "Deployed".into()));
    assert_eq!(says(&decision.status, "Reconciling"), Default::default());
    let said = decision.status.conditions.iter().find(|found| found.type_ == "RenewalReady").unwrap();
    assert_eq!(said.message, "api.example.com: no address");
    scene.now = scene.now.checked_add(Duration::from_secs(3600)).unwrap();
    scene.enrollment(&NAMES);
    assert_step(&scene.next(), "Forecast");
}

#[test]
fn a_lost_ingress_class_would_fail_the_renewal() {
    let mut scene = due();
    look(&mut scene, |_| reachable());
    scene.published.missing_ingress_classes = vec!["traefik".into()];
    let decision = scene.next();
    let said = decision.status.conditions.iter().find(|found| found.type_ == "RenewalReady").unwrap();
    assert_eq!(said.message, "there is no IngressClass `traefik`: create it, or correct className");
}

#[test]
fn names_that_cps_validates_by_itself_are_never_an_alarm() {
    let mut scene = due();
    look(&mut scene, |_| NameForecast { automatic: true, ..reachable() });
    scene.published.missing_ingress_classes = vec!["traefik".into()];
    let decision = scene.next();
    assert_eq!(says(&decision.status, "RenewalReady"), ("True".into(), "AutoValidated".into()));
}

#[test]
fn how_names_are_served_is_looked_at_where_it_is_asked_for() {
    let mut scene = due();
    look(&mut scene, |_| reachable());
    scene.certificate.spec.probe = Some(ServedProbe {});
    assert_step(&scene.next(), "Forecast");
    for (failure, plain_http, expected) in [
        (None, false, ("True", "Served")),
        (None, true, ("True", "PlainHttp")),
        (Some("another certificate".to_owned()), true, ("False", "NotServed")),
    ] {
        let served = Some(Served { failure, plain_http });
        look(&mut scene, |_| NameForecast { served: served.clone(), ..reachable() });
        let decision = scene.next();
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        assert_eq!(says(&decision.status, "Served"), expected);
        scene.certificate.status = Some(decision.status);
    }
    scene.certificate.spec.probe = None;
    look(&mut scene, |_| reachable());
    assert_eq!(says(&scene.next().status, "Served"), Default::default());
}

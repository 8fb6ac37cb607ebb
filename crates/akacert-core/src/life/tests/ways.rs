//! Every way of validation, as a specification: what the operator publishes, checks, acknowledges and removes.

use std::collections::BTreeMap;

use akamai_cps_types::DomainValidation;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::life::answer::Answer;
use crate::life::proof::Proof;
use akacert_api::names::CERTIFICATE_FINALIZER;

/// CPS offers the challenges of both names, and `spec.validation` sets their ways.
fn asked(validation: Value) -> Scene {
    let mut scene = Scene::created();
    scene.certificate.spec.validation = Some(serde_json::from_value(validation).unwrap());
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(offered());
    scene.enrollment(&["www.example.com", "api.example.com"]);
    scene.published.solver = vec![SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 }];
    scene
}

fn offered() -> Vec<DomainValidation> {
    vec![
        domain("www.example.com", "aaa", "RESPONSE_ERROR"),
        domain("api.example.com", "bbb", "RESPONSE_ERROR"),
    ]
}

/// Carries out the steps, each with the best outcome, until the challenges are acknowledged or the decision is to
/// pause.
fn go_on(scene: &mut Scene) -> Vec<String> {
    let mut done = Vec::new();
    for _ in 0..40 {
        let Next::Do(step) = scene.next().next else { return done };
        done.push(if let Step::Publish(write) = &step {
            write.to_string().split(' ').take(2).collect::<Vec<_>>().join(" ")
        } else {
            step.to_string()
        });
        let last = matches!(step, Step::Acknowledge { .. });
        succeed(scene, step);
        if last {
            return done;
        }
    }
    panic!("no end: {done:?}");
}

/// Carries out a step with the best outcome.
fn succeed(scene: &mut Scene, step: Step) {
    if let Step::Publish(write) = &step {
        play(&mut scene.published, write);
    }
    let looks = matches!(step, Step::Preflight(_) | Step::Probe { .. } | Step::CheckRecords(_));
    let writes = matches!(
        step,
        Step::Publish(_) | Step::WriteRecord(_) | Step::RemoveRecord(_) | Step::Acknowledge { .. }
    );
    assert!(looks || writes, "{step} was not expected");
    scene.answer(&step, if looks { Answer::Found(BTreeMap::new()) } else { Answer::Done });
}

fn later(scene: &mut Scene, seconds: u64) {
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(seconds)).unwrap();
}

#[test]
fn each_way_publishes_what_it_needs_and_looks_at_it_before_anything_is_acknowledged() {
    let gateway = json!({"parentRefs": [{"name": "public"}]});
    let rfc2136 = json!({"server": "ns1.example.net", "keyName": "k", "keySecretRef": {"name": "tsig"}});
    let record = |name: &str| format!("WriteRecord: _acme-challenge.{name}.example.com");
    let (www, api) = (record("www"), record("api"));
    for (validation, steps) in [
        (json!({"edge": {}}), vec!["Preflight", "Acknowledge"]),
        (
            json!({"http01": {"ingress": {"className": "traefik"}}}),
            vec![
                "apply ConfigMap",
                "apply Service",
                "apply EndpointSlice",
                "apply Ingress",
                "Preflight",
                "Probe",
                "Acknowledge",
            ],
        ),
        (json!({"http01": {"external": {}}}), vec!["apply ConfigMap", "Preflight", "Probe", "Acknowledge"]),
        (
            json!({"http01": {"redirect": {"ingress": {"className": "traefik"}}}}),
            vec![
                "apply ConfigMap",
                "apply Service",
                "apply EndpointSlice",
                "apply Ingress",
                "Preflight",
                "Probe",
                "Acknowledge",
            ],
        ),
        (
            json!({"dns01": {"edgeDns": {}}}),
            vec!["apply ConfigMap", "Preflight", &api, &www, "CheckRecords", "Acknowledge"],
        ),
        (
            json!({"dns01": {"rfc2136": rfc2136}}),
            vec!["apply ConfigMap", "Preflight", &api, &www, "CheckRecords", "Acknowledge"],
        ),
        (
            json!({"dns01": {"dnsEndpoint": {}}}),
            vec!["apply DNSEndpoint", "Preflight", "CheckRecords", "Acknowledge"],
        ),
        (json!({"dns01": {"manual": {}}}), vec!["Preflight", "CheckRecords", "Acknowledge"]),
        (
            json!({"http01": {"gateway": gateway}}),
            // The Gateway has not answered yet.
            vec!["apply ConfigMap", "apply Service", "apply EndpointSlice", "apply HTTPRoute", "Preflight"],
        ),
    ] {
        let mut scene = asked(validation.clone());
        scene.publishing.allowed_dns_servers = ["ns1.example.net".to_owned()].into();
        assert_eq!(go_on(&mut scene), steps, "{validation}");
    }
}

#[test]
fn the_solver_serves_the_token_of_a_name_that_the_pending_change_has_and_whose_redirect_no_longer_stands() {
    let mut scene = asked(json!({"http01": {"redirect": {"ingress": {"className": "traefik"}}}}));
    scene.certificate.spec.dns_names = None;
    scene.pending(&["www.example.com", "api.example.com"], 20003, "new-certificate");
    let steps = go_on(&mut scene);
    let served = |step: &&String| step.as_str() == "apply Ingress";
    assert_eq!(steps.iter().filter(served).count(), 2, "one redirects, one leads to the token: {steps:?}");
    assert_eq!(steps.last().map(String::as_str), Some("Acknowledge"));
    let routed =
        scene.published.ingresses.iter().flat_map(|ingress| &ingress.spec).flat_map(|spec| &spec.rules);
    let mut routed: Vec<_> = routed.flatten().map(|rule| rule.host.clone().unwrap()).collect();
    routed.sort();
    assert_eq!(routed, ["api.example.com", "www.example.com"]);
    let content = published::content_of(scene.published.config_map.as_ref().unwrap());
    assert_eq!(
        content.tokens.iter().map(|token| token.host.as_str()).collect::<Vec<_>>(),
        ["api.example.com"]
    );
    assert_eq!(content.redirects.iter().map(|to| to.host.as_str()).collect::<Vec<_>>(), ["www.example.com"]);
}

#[test]
fn a_record_is_in_the_config_map_before_it_is_anywhere_else_and_leaves_it_last() {
    let mut scene = asked(json!({"dns01": {"edgeDns": {}}}));
    let Step::Publish(write) = scene.step() else { panic!() };
    play(&mut scene.published, &write);
    let content = published::content_of(scene.published.config_map.as_ref().unwrap());
    assert_eq!(content.records.len(), 2);
    go_on(&mut scene);

    scene.change("complete", "completed", &[]);
    scene.deployments(super::super::fixtures::IN_PRODUCTION.clone());
    assert_eq!(
        go_on(&mut scene),
        [
            "RemoveRecord: _acme-challenge.api.example.com",
            "RemoveRecord: _acme-challenge.www.example.com",
            "delete ConfigMap"
        ]
    );
    assert_says(&scene.next(), "Ready", "True", Reason::Deployed);
}

#[test]
fn a_record_that_somebody_deletes_while_cps_waits_is_written_again() {
    let mut scene = asked(json!({"dns01": {"edgeDns": {}}}));
    go_on(&mut scene);
    let decision = scene.next();
    let Next::Pause(Pause::Until(again)) = decision.next else { panic!() };
    assert!(again <= scene.now + std::time::Duration::from_secs(45), "{again:?}");
    later(&mut scene, 45);
    let Step::CheckRecords(records) = scene.step() else { panic!() };
    let missing = [("_acme-challenge.www.example.com".to_owned(), "ns1 does not have it".to_owned())].into();
    scene.memory.looks.records = Some(Look { at: scene.now, at_what: records, failures: missing, failed: 1 });
    let Step::WriteRecord(record) = scene.step() else { panic!() };
    assert_eq!(record.name, "_acme-challenge.www.example.com");
}

#[test]
fn a_record_that_somebody_deletes_while_a_token_cannot_be_fetched_is_written_again() {
    let api = json!({"names": ["api.example.com"], "http01": {"external": {}}});
    let mut scene = asked(json!({"dns01": {"edgeDns": {}}, "domains": [api]}));
    let elsewhere = loop {
        let step = scene.step();
        if let Step::Probe { elsewhere, .. } = step {
            break elsewhere;
        }
        succeed(&mut scene, step);
    };
    let failures = [("api.example.com".to_owned(), "404".to_owned())].into();
    scene.memory.looks.probe = Some(Look { at: scene.now, at_what: elsewhere, failures, failed: 20 });
    let decision = scene.next();
    assert_says(&decision, "ChallengesReachable", "False", Reason::SelfCheckFailed);
    let Next::Pause(Pause::Until(again)) = decision.next else { panic!() };
    assert!(again <= scene.now + std::time::Duration::from_secs(44), "{again:?}");
    later(&mut scene, 44);
    assert_step(&scene.next(), "CheckRecords");
}

#[test]
fn a_route_that_is_left_of_another_way_holds_nothing_up() {
    let by = |gateway: &str| json!({"http01": {"gateway": {"parentRefs": [{"name": gateway}]}}});
    let mut scene = asked(by("private"));
    go_on(&mut scene);
    // A Gateway needs some moments.
    assert_says(&scene.next(), "ChallengesReachable", "False", Reason::ChallengesPublished);
    later(&mut scene, 70);
    assert_says(&scene.next(), "ChallengesReachable", "False", Reason::RouteNotAccepted);
    // The way has changed, and no Gateway has answered about the old route yet.
    scene.certificate.spec.validation =
        Some(serde_json::from_value(json!({"http01": {"ingress": {"className": "traefik"}}})).unwrap());
    assert_eq!(scene.published.http_routes.len(), 1);
    assert_eq!(go_on(&mut scene), ["apply Ingress", "Probe", "Acknowledge"]);
}

#[test]
fn a_gateway_that_refuses_a_redirect_is_told_ahead_of_what_follows_from_it() {
    let mut scene =
        asked(json!({"http01": {"redirect": {"gateway": {"parentRefs": [{"name": "private"}]}}}}));
    assert_eq!(published_now(&mut scene), ["apply HTTPRoute"]);
    later(&mut scene, 70);
    preflight(&mut scene, &[("www.example.com", "it does not redirect")]);
    let decision = scene.next();
    assert_says(&decision, "PreflightPassed", "False", Reason::PreflightFailed);
    assert_says(&decision, "ChallengesReachable", "False", Reason::RouteNotAccepted);
}

#[test]
fn a_record_that_a_name_server_does_not_have_yet_delays_the_acknowledgement() {
    let mut scene = asked(json!({"dns01": {"manual": {}}}));
    preflight(&mut scene, &[]);
    let Step::CheckRecords(records) = scene.step() else { panic!() };
    let missing = [("_acme-challenge.www.example.com".to_owned(), "ns1 does not have it".to_owned())].into();
    scene.memory.looks.records = Some(Look { at: scene.now, at_what: records, failures: missing, failed: 1 });
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesReachable", "False", Reason::RecordMissing);
    let www = &decision.status.domains[0];
    assert_eq!(
        (www.way.as_deref(), www.error.as_deref()),
        (Some("dns01.manual"), Some("ns1 does not have it"))
    );
    // Somebody else has to publish it.
    assert_eq!(www.challenges[1].value.as_deref(), Some("digest"));
}

#[test]
fn nothing_is_acknowledged_before_the_preflight_passes() {
    let mut scene = asked(json!({"http01": {"ingress": {"className": "traefik"}}}));
    publish_all(&mut scene);
    preflight(&mut scene, &[("api.example.com", "CAA records allow others only")]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "PreflightPassed", "False", Reason::PreflightFailed);
    assert_says(&decision, "ChallengesReachable", "False", Reason::PreflightFailed);
    let said = decision.status.conditions.iter().find(|found| found.type_ == "Ready").unwrap();
    assert_eq!(said.message, "api.example.com: CAA records allow others only");
    let found: Vec<_> = decision.status.domains.iter().map(|domain| domain.preflight).collect();
    use akacert_api::status::Preflight::{Failed, Passed};
    assert_eq!(found, [Some(Passed), Some(Failed)]);
}

#[test]
fn a_wildcard_and_its_base_name_share_one_record_set() {
    let mut scene = asked(json!({"dns01": {"edgeDns": {}}}));
    scene.certificate.spec.dns_names = Some(vec!["*.www.example.com".into()]);
    let wildcard = json!({"domain": "*.www.example.com", "validationStatus": "RESPONSE_ERROR", "challenges": [
        {"type": "dns-01", "status": "pending", "fullPath": "_acme-challenge.www.example.com.", "responseBody": "second"}
    ]});
    scene.challenges(vec![
        domain("www.example.com", "aaa", "RESPONSE_ERROR"),
        serde_json::from_value(wildcard).unwrap(),
    ]);
    scene.enrollment(&["www.example.com", "*.www.example.com"]);
    let Step::Publish(write) = scene.step() else { panic!() };
    play(&mut scene.published, &write);
    let content = published::content_of(scene.published.config_map.as_ref().unwrap());
    let records: Vec<_> = content.records.iter().collect();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].values, ["digest".to_owned(), "second".to_owned()].into());
}

#[test]
fn a_record_below_a_name_that_the_account_does_not_allow_is_not_written() {
    let mut scene = asked(json!({"dns01": {"edgeDns": {}}}));
    scene.challenges(vec![domain("www.elsewhere.org", "aaa", "RESPONSE_ERROR")]);
    assert!(!matches!(scene.next().next, Next::Do(Step::Publish(_) | Step::WriteRecord(_))));
}

#[test]
fn a_refusal_of_the_authority_is_told_and_the_next_acknowledgement_waits_for_an_hour() {
    let mut scene = asked(json!({"http01": {"ingress": {"className": "traefik"}}}));
    go_on(&mut scene);
    later(&mut scene, 120);
    // The authority refused a name, and CPS has ordered again.
    let mut refused = domain("www.example.com", "ccc", "RESPONSE_ERROR");
    refused.error = Some("Invalid response from http://www.example.com: 404".into());
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![refused, domain("api.example.com", "ddd", "RESPONSE_ERROR")]);
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let done = go_on(&mut scene);
    assert!(!done.contains(&"Acknowledge".to_owned()), "{done:?}");
    let decision = scene.next();
    assert_says(&decision, "DomainsValidated", "False", Reason::AuthorizationFailed);
    let said = decision.status.conditions.iter().find(|found| found.type_ == "Ready").unwrap();
    assert!(
        said.message.starts_with(
            "The certificate authority refused www.example.com: Invalid response from http://www.example.com: 404. The \
             challenges are acknowledged again not before 2026-11-23T"
        ),
        "{}",
        said.message
    );
    assert_eq!(decision.status.failures.as_ref().unwrap().count, 1);
    scene.certificate.status = Some(CertificateStatus { observed_generation: 1, ..decision.status });
    // An hour after the acknowledgement, give or take ten per cent.
    let minutes = |scene: &Scene| {
        let Next::Pause(Pause::Until(again)) = scene.next().next else { return 0 };
        again.duration_since(scene.now).as_secs() / 60
    };
    assert!(minutes(&scene) <= 2, "CPS is followed meanwhile");
    later(&mut scene, 4000);
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.of_change().challenges.as_mut().unwrap().at = scene.now;
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let done = go_on(&mut scene);
    assert_eq!(done.last().map(String::as_str), Some("Acknowledge"));
}

/// The certificate is Ready with a standing redirect, and nothing is published.
fn redirected(route: Value) -> Scene {
    let mut scene = Scene::ready();
    let validation = json!({"http01": {"redirect": route}});
    scene.certificate.spec.validation = Some(serde_json::from_value(validation).unwrap());
    scene.certificate.metadata.finalizers = Some(vec![CERTIFICATE_FINALIZER.into()]);
    scene.published.solver = vec![SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 }];
    scene
}

/// Publishes what is missing, and returns what that was.
fn published_now(scene: &mut Scene) -> Vec<String> {
    let mut writes = Vec::new();
    while let Next::Do(Step::Publish(write)) = scene.next().next {
        writes.push(write.to_string().split(' ').take(2).collect::<Vec<_>>().join(" "));
        assert!(writes.len() < 20, "publishing does not end: {writes:?}");
        play(&mut scene.published, &write);
    }
    writes
}

#[test]
fn a_standing_redirect_stands_while_the_certificate_is_at_rest_and_comes_back_without_a_call() {
    let mut scene = redirected(json!({"ingress": {"className": "traefik"}}));
    let all = ["apply ConfigMap", "apply Service", "apply EndpointSlice", "apply Ingress"];
    assert_eq!(published_now(&mut scene), all);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    scene.published.ingresses.clear();
    assert_eq!(published_now(&mut scene), ["apply Ingress"]);
}

#[test]
fn what_stood_goes_only_once_what_stands_in_its_place_is_found() {
    let mut scene = redirected(json!({"ingress": {"className": "traefik"}}));
    published_now(&mut scene);
    let other = json!({"http01": {"redirect": {"ingress": {"className": "nginx"}}}});
    scene.certificate.spec.validation = Some(serde_json::from_value(other).unwrap());
    assert_eq!(published_now(&mut scene), ["apply Ingress"]);
    scene.deployments(super::super::fixtures::IN_PRODUCTION.clone());
    scene.change("complete", "completed", &[]);
    scene.enrollment(&["www.example.com", "api.example.com"]);
    preflight(&mut scene, &[("www.example.com", "does not redirect")]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "RenewalReady", "False", Reason::RenewalWouldFail);
    assert_eq!(scene.published.ingresses.len(), 2);
    scene.certificate.status = Some(decision.status);
    later(&mut scene, 60);
    preflight(&mut scene, &[]);
    assert_eq!(published_now(&mut scene), ["delete Ingress"]);
    // The forecast of failure was about objects that are gone by now.
    scene.forecast_times.started = scene.now.checked_sub(std::time::Duration::from_secs(3700)).unwrap();
    assert_step(&scene.next(), "Forecast");
}

/// One Gateway accepts its routes, and the others refuse theirs.
fn accepted(scene: &mut Scene, gateway: &str) {
    for route in &mut scene.published.http_routes {
        let mut taken = (**route).clone();
        let parent = taken.spec.parent_refs[0].clone();
        let status = if parent.name == gateway { "True" } else { "False" };
        let said = json!({"parents": [{"parentRef": parent, "conditions": [{"type": "Accepted", "status": status,
            "reason": "Accepted", "message": "", "lastTransitionTime": "2026-11-23T12:00:00Z"}]}]});
        taken.status = Some(serde_json::from_value(said).unwrap());
        *route = taken.into();
    }
}

#[test]
fn what_an_ingress_leads_to_goes_after_it_and_a_refused_route_is_in_nobodys_way() {
    let mut scene = redirected(json!({"ingress": {"className": "traefik"}}));
    published_now(&mut scene);
    scene.deployments(super::super::fixtures::IN_PRODUCTION.clone());
    scene.change("complete", "completed", &[]);
    scene.enrollment(&["www.example.com", "api.example.com"]);
    for gateway in ["private", "public"] {
        let other = json!({"http01": {"redirect": {"gateway": {"parentRefs": [{"name": gateway}]}}}});
        scene.certificate.spec.validation = Some(serde_json::from_value(other).unwrap());
        assert_eq!(published_now(&mut scene), ["apply HTTPRoute"]);
        accepted(&mut scene, "nobody");
        if scene.memory.looks.preflight.is_none() {
            preflight(&mut scene, &[]);
        }
        assert_says(&scene.next(), "RenewalReady", "False", Reason::RenewalWouldFail);
        assert!(scene.published.config_map.is_some() && scene.published.service.is_some());
    }
    accepted(&mut scene, "public");
    let mut gone = published_now(&mut scene);
    assert_eq!(gone.remove(0), "delete Ingress");
    gone.sort();
    assert_eq!(gone, ["delete ConfigMap", "delete HTTPRoute", "delete Service"]);
}

#[test]
fn a_resource_that_is_deleted_tries_to_remove_its_records_and_does_not_wait_for_ever() {
    let mut scene = asked(json!({"dns01": {"edgeDns": {}}}));
    go_on(&mut scene);
    scene.certificate.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(scene.now));
    assert_step(&scene.next(), "RemoveRecord");
    let until = Timestamp::MAX;
    scene.fail(Step::REMOVE_RECORD, Reason::DnsUpdateFailed, 3, until);
    assert_eq!(published_now(&mut scene), ["delete ConfigMap"]);
    assert_step(&scene.next(), "RemoveFinalizer");
}

#[test]
fn what_was_proven_holds_for_less_and_not_for_more() {
    let all = super::super::offered::proof(
        &asked(json!({"dns01": {"manual": {}}})).certificate.spec,
        &offered(),
        &super::super::fixtures::account(),
    );
    assert!(all.covers(&Proof::default()));
    assert!(!Proof::default().covers(&all));
}

#[test]
fn where_some_names_are_redirected_the_route_of_the_others_goes_once_and_does_not_come_back() {
    let mut scene = asked(json!({
        "http01": {"ingress": {"className": "traefik"}},
        "domains": [{"names": ["api.example.com"], "http01": {"redirect": {"ingress": {"className": "traefik"}}}}]
    }));
    go_on(&mut scene);
    assert_eq!(scene.published.ingresses.len(), 2);
    scene.change("complete", "completed", &[]);
    scene.deployments(super::super::fixtures::IN_PRODUCTION.clone());
    assert_eq!(go_on(&mut scene), ["apply ConfigMap", "delete Ingress"]);
    assert_eq!(scene.published.ingresses.len(), 1);
}

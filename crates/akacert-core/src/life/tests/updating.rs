//! Changes of `spec`, and changes of the enrollment by somebody else.

use super::*;
use crate::life::step::Update;
use akacert_api::policy::{
    DriftPolicy, PendingChangePolicy, RecreatePolicy, RenewalWindowPolicy, UpdatePolicy,
};
use akacert_api::status::{PlanAction, Risk};

const NAMES: [&str; 2] = ["www.example.com", "api.example.com"];

/// The certificate is Ready, the user adds a name, and the operator has just read the enrollment.
fn name_added() -> Scene {
    let mut scene = Scene::ready();
    scene.edit(|spec| spec.dns_names = Some(vec!["api.example.com".into(), "new.example.com".into()]));
    scene.enrollment(&NAMES);
    scene
}

fn update(decision: Decision) -> Box<Update> {
    let Next::Do(Step::UpdateEnrollment(update)) = decision.next else { panic!() };
    update
}

#[test]
fn a_changed_spec_is_compared_with_what_cps_has_now() {
    let mut scene = name_added();
    scene.memory.enrollment.reading = None;
    assert_step(&scene.next(), "ReadEnrollment");
}

#[test]
fn an_added_name_becomes_one_update_that_keeps_everything_else() {
    let mut scene = name_added();
    let found = scene.memory.enrollment.reading.as_mut().unwrap().value.as_mut().unwrap();
    found.extra.insert("unknownField".into(), "kept".into());
    let decision = scene.next();
    assert_says(&decision, "Ready", "False", Reason::Updating);
    assert_says(&decision, "Reconciling", "True", Reason::Updating);
    let plan = decision.status.plan.clone().unwrap();
    assert_eq!((plan.action, plan.risk), (PlanAction::Update, Risk::Reissue));
    assert_eq!(plan.changes, ["dnsNames: + new.example.com"]);
    let update = update(decision);
    let names: Vec<String> = update.body.csr.names().into_iter().collect();
    assert_eq!(names, ["api.example.com", "new.example.com", "www.example.com"]);
    assert_eq!(update.body.extra["unknownField"], "kept");
    assert!(!update.replace && !update.override_renewal && !update.renew);
}

/// The risk in the plan after the user patches `spec`.
fn risk(change: serde_json::Value) -> Risk {
    let mut scene = Scene::ready();
    scene.edit(|spec| {
        let mut json = serde_json::to_value(&*spec).unwrap();
        json.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        *spec = serde_json::from_value(json).unwrap();
    });
    scene.enrollment(&NAMES);
    scene.next().status.plan.unwrap().risk
}

#[test]
fn each_field_has_its_risk() {
    use serde_json::json;
    let contact =
        json!({"firstName": "New", "lastName": "Tech", "email": "new@akamai.com", "phone": "617-555-0199"});
    let cases = [
        (json!({"techContact": contact}), Risk::MetadataOnly),
        (json!({"organization": {"name": "Another"}}), Risk::MetadataOnly),
        (json!({"network": {"quicEnabled": true}}), Risk::Redeploy),
        (json!({"network": {"disallowedTlsVersions": ["TLSv1"]}}), Risk::Redeploy),
        (json!({"network": {"secureNetwork": "EnhancedTLS"}}), Risk::Refused),
        (json!({"dnsNames": ["api.example.com", "new.example.com"]}), Risk::Reissue),
        (json!({"dnsNames": []}), Risk::Reissue),
        (json!({"csr": {"organizationalUnit": "Web"}}), Risk::Reissue),
    ];
    for (change, expected) in cases {
        assert_eq!(risk(change.clone()), expected, "{change}");
    }
}

#[test]
fn an_update_starts_from_a_reading_that_is_fresh() {
    let mut scene = name_added();
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(60)).unwrap();
    assert_step(&scene.next(), "ReadEnrollment");
}

#[test]
fn a_change_under_way_is_waited_for() {
    let mut scene = name_added();
    scene.pending(&NAMES, 20009, "modify-certificate");
    let decision = scene.next();
    assert_step(&decision, "ReadChange");
    assert_says(&decision, "Ready", "False", Reason::UpdateWaits);
    assert_says(&decision, "Reconciling", "True", Reason::UpdateWaits);
}

#[test]
fn a_change_under_way_is_cancelled_only_by_policy() {
    let mut scene = name_added();
    scene.certificate.spec.pending_change_policy = Some(PendingChangePolicy::Replace);
    scene.pending(&NAMES, 20009, "modify-certificate");
    assert!(update(scene.next()).replace);
}

#[test]
fn a_renewal_is_not_cancelled_without_its_own_policy() {
    let mut scene = name_added();
    scene.certificate.spec.pending_change_policy = Some(PendingChangePolicy::Replace);
    scene.pending(&NAMES, 20009, "renewal");
    assert_says(&scene.next(), "Ready", "False", Reason::UpdateWaits);
    scene.certificate.spec.renewal_window_policy = Some(RenewalWindowPolicy::Override);
    assert!(update(scene.next()).override_renewal);
}

#[test]
fn a_new_certificate_is_not_ordered_while_cps_is_about_to_renew() {
    let mut scene = name_added();
    let found = scene.memory.enrollment.reading.as_mut().unwrap().value.as_mut().unwrap();
    found.auto_renewal_start_time = Some(scene.now);
    assert_says(&scene.next(), "Ready", "False", Reason::UpdateWaits);
    scene.certificate.spec.renewal_window_policy = Some(RenewalWindowPolicy::Override);
    assert!(update(scene.next()).override_renewal);
}

#[test]
fn a_plan_waits_for_its_own_approval_and_for_no_other() {
    let mut scene = name_added();
    scene.certificate.spec.update_policy = Some(UpdatePolicy::RequireApproval);
    let decision = scene.next();
    assert_says(&decision, "Stalled", "True", Reason::PlanNeedsApproval);
    let hash = decision.status.plan.unwrap().hash;
    scene.annotate("akacert.io/approve-plan", "0123456789ab");
    assert_says(&scene.next(), "Stalled", "True", Reason::PlanNeedsApproval);
    scene.annotate("akacert.io/approve-plan", &hash);
    assert_eq!(update(scene.next()).plan, hash);
    // The enrollment has changed meanwhile, so the approval was for another state.
    scene.enrollment(&["www.example.com"]);
    assert_says(&scene.next(), "Stalled", "True", Reason::PlanNeedsApproval);
}

#[test]
fn what_cps_makes_something_else_of_is_not_sent_for_ever() {
    let mut scene = name_added();
    scene.memory.generation.updates = 2;
    let decision = scene.next();
    assert_says(&decision, "Stalled", "True", Reason::UpdateIgnored);
    assert!(!changes_something(&decision));
}

#[test]
fn what_somebody_else_has_changed_is_undone_and_ready_stays() {
    let mut scene = Scene::ready();
    scene.enrollment(&["www.example.com"]);
    let decision = scene.next();
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    assert_says(&decision, "Drifted", "True", Reason::Updating);
    let names: Vec<String> = update(decision).body.csr.names().into_iter().collect();
    assert_eq!(names, ["api.example.com", "www.example.com"]);
}

#[test]
fn what_somebody_else_has_changed_is_only_reported_where_policy_says_so() {
    let mut scene = Scene::ready();
    scene.certificate.spec.drift_policy = Some(DriftPolicy::Report);
    scene.enrollment(&["www.example.com"]);
    scene.deployments(crate::life::fixtures::IN_PRODUCTION.clone());
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    assert_says(&decision, "Drifted", "True", Reason::Drifted);
    // Once reported, this is the steady state.
    scene.certificate.status = Some(decision.status.clone());
    assert_eq!(scene.next().status, decision.status);
}

#[test]
fn an_enrollment_that_is_gone_is_created_anew_only_by_policy() {
    let mut scene = Scene::ready();
    scene.memory.enrollment.reading = Some(crate::life::memory::Reading { at: scene.now, value: None });
    assert_says(&scene.next(), "Stalled", "True", Reason::EnrollmentGone);
    scene.certificate.spec.recreate_policy = Some(RecreatePolicy::Recreate);
    assert_step(&scene.next(), "ForgetEnrollment");
    scene.annotate("akacert.io/enrollment-id", "");
    scene.annotate("akacert.io/create-intent", "");
    scene.memory = Default::default();
    assert_step(&scene.next(), "ListEnrollments");
}

#[test]
fn a_renewal_by_annotation_is_recorded_ordered_and_done_once() {
    let mut scene = Scene::ready();
    scene.enrollment(&NAMES);
    // The certificate was issued on 1 November.
    scene.annotate("akacert.io/renew-before", "2026-11-20T00:00:00Z");
    assert_step(&scene.next(), "ReadDeployments");
    scene.deployments(crate::life::fixtures::IN_PRODUCTION.clone());
    let Step::RecordRenewal(renewal) = scene.step() else { panic!() };
    scene.annotate("akacert.io/renewal", &serde_json::to_string(&renewal).unwrap());
    assert!(update(scene.next()).renew);
    // The new certificate is in production, and the status does not show it yet.
    scene.deployments(crate::life::fixtures::in_production(&NAMES));
    assert!(!changes_something(&scene.next()));
    let mut status = scene.certificate.status.clone().unwrap();
    status.deployments.as_mut().unwrap().production.as_mut().unwrap().serial_number = "another".into();
    scene.certificate.status = Some(status);
    assert_step(&scene.next(), "Wait");
}

#[test]
fn a_renewal_by_annotation_is_ordered_only_by_what_is_in_production_after_the_change_before() {
    let mut scene = Scene::ready();
    scene.deployments(crate::life::fixtures::IN_PRODUCTION.clone());
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(1)).unwrap();
    scene.enrollment(&NAMES);
    scene.annotate("akacert.io/renew-before", "2026-11-20T00:00:00Z");
    assert_step(&scene.next(), "ReadDeployments");
    scene.pending(&NAMES, 20009, "renewal");
    assert_step(&scene.next(), "ReadChange");
}

#[test]
fn no_renewal_is_ordered_while_cps_shows_nothing_in_production() {
    let mut scene = Scene::ready();
    scene.enrollment(&NAMES);
    scene.deployments(Default::default());
    scene.annotate("akacert.io/renew-before", "2026-11-20T00:00:00Z");
    assert_step(&scene.next(), "Wait");
}

#[test]
fn a_certificate_that_was_issued_later_is_not_renewed() {
    let mut scene = Scene::ready();
    scene.enrollment(&NAMES);
    scene.annotate("akacert.io/renew-before", "2026-10-01T00:00:00Z");
    assert_step(&scene.next(), "Wait");
}

#[test]
fn whoever_waits_for_an_approval_still_sees_a_renewal() {
    let mut scene = name_added();
    scene.certificate.spec.update_policy = Some(UpdatePolicy::RequireApproval);
    scene.deployments(crate::life::fixtures::IN_PRODUCTION.clone());
    let decision = scene.next();
    assert_step(&decision, "Wait");
    scene.certificate.status = Some(decision.status);
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(1800)).unwrap();
    assert_step(&scene.next(), "Watch");
    scene.pending(&NAMES, 20009, "renewal");
    assert_step(&scene.next(), "ReadChange");
}

#[test]
fn a_certificate_that_lost_a_name_is_not_ready_while_the_update_that_brings_it_back_waits_for_approval() {
    let mut scene = Scene::ready();
    scene.certificate.spec.update_policy = Some(UpdatePolicy::RequireApproval);
    scene.enrollment(&["www.example.com"]);
    scene.change("complete", "completed", &[]);
    scene.deployments(crate::life::fixtures::in_production(&["www.example.com"]));
    let decision = scene.next();
    assert_says(&decision, "Ready", "False", Reason::PlanNeedsApproval);
    assert_says(&decision, "Deployed", "False", Reason::CertificateInvalid);
    assert_says(&decision, "Drifted", "True", Reason::Drifted);
}

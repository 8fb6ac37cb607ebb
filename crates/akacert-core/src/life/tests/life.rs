//! The account, suspension, and steps that failed.

use super::*;

#[test]
fn without_its_account_a_certificate_waits() {
    let mut scene = Scene::new();
    scene.view = View::Missing { message: "ClusterAkamaiAccount production does not exist".into() };
    let decision = scene.next();
    assert!(matches!(decision.next, Next::Pause(Pause::UntilEvent)));
    assert_says(&decision, "AccountReady", "False", Reason::AccountNotFound);
    assert_says(&decision, "Reconciling", "True", Reason::AccountNotFound);
}

#[test]
fn a_namespace_that_the_account_does_not_allow_is_stalled() {
    let mut scene = Scene::new();
    scene.view = View::NamespaceNotAllowed { message: "not selected".into() };
    assert_says(&scene.next(), "Stalled", "True", Reason::NamespaceNotAllowed);
}

#[test]
fn a_suspended_certificate_does_nothing() {
    let mut scene = Scene::created();
    scene.certificate.spec.suspend = Some(true);
    let decision = scene.next();
    assert!(matches!(decision.next, Next::Pause(Pause::UntilEvent)));
    assert_says(&decision, "Ready", "False", Reason::Suspended);
}

#[test]
fn a_suspended_certificate_stays_ready_as_long_as_what_is_deployed_serves_its_names() {
    let mut scene = Scene::created();
    scene.change("complete", "completed", &[]);
    scene.deployments(in_production(&["www.example.com", "api.example.com"]));
    scene.certificate.status = Some(scene.next().status);
    scene.certificate.spec.suspend = Some(true);
    scene.certificate.metadata.generation = Some(2);
    let decision = scene.next();
    assert!(matches!(decision.next, Next::Pause(Pause::Until(_))));
    assert_says(&decision, "Ready", "True", Reason::Deployed);

    scene.certificate.spec.dns_names = Some(vec!["api.example.com".into(), "new.example.com".into()]);
    assert_says(&scene.next(), "Ready", "False", Reason::Suspended);

    scene.certificate.spec.dns_names = None;
    assert_says(&scene.next(), "Ready", "True", Reason::Deployed);
    scene.now = "2027-12-31T00:00:00Z".parse().unwrap();
    assert_says(&scene.next(), "Ready", "False", Reason::Suspended);
}

#[test]
fn a_step_that_failed_waits_for_its_time_and_says_why() {
    let mut scene = Scene::new();
    let until = scene.now.checked_add(std::time::Duration::from_secs(5)).unwrap();
    scene.fail("ListEnrollments", Reason::CpsUnavailable, 1, until);
    let decision = scene.next();
    assert!(matches!(decision.next, Next::Pause(Pause::Until(again)) if again == until));
    assert_says(&decision, "Ready", "False", Reason::CpsUnavailable);
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(6)).unwrap();
    assert_step(&scene.next(), "ListEnrollments");
}

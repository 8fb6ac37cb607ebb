//! The deployment window as the schedule of each change.

use akamai_cps_types::DeploymentSchedule;
use jiff::Timestamp;

use super::*;
use akacert_api::policy::{Day, DeploymentPolicy, DeploymentWindow};

const NAMES: [&str; 2] = ["www.example.com", "api.example.com"];
/// Noon on 23 November 2026, when tests begin, is a Monday.
const TUESDAY: &str = "2026-11-24T09:00:00Z";
const EVENING: &str = "2026-11-24T16:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// CPS is deploying a certificate that may go to production only on Tuesdays.
fn tuesdays() -> Scene {
    let mut scene = Scene::created();
    scene.certificate.spec.deployment = Some(DeploymentPolicy {
        approve: None,
        window: Some(DeploymentWindow {
            days: vec![Day::Tue],
            from: "09:00".into(),
            to: "16:00".into(),
            time_zone: "Etc/UTC".into(),
        }),
    });
    scene.enrollment(&NAMES);
    scene.change("deploy-cert-to-staging", "running", &[]);
    scene
}

/// CPS shows the change with this schedule.
fn shown(scene: &mut Scene, not_before: Option<&str>, not_after: Option<&str>) {
    let schedule = DeploymentSchedule { not_before: not_before.map(time), not_after: not_after.map(time) };
    let reading = scene.memory.change.as_mut().unwrap();
    reading.at = scene.now;
    reading.change.as_mut().unwrap().status_info.deployment_schedule = Some(schedule);
}

#[track_caller]
fn assert_scheduled(scene: &Scene, not_before: Option<&str>, not_after: Option<&str>) {
    let Step::Schedule(_, _, schedule) = scene.step() else { panic!() };
    let expected = DeploymentSchedule { not_before: not_before.map(time), not_after: not_after.map(time) };
    assert_eq!(schedule, expected);
}

#[test]
fn the_window_becomes_the_schedule_of_the_change_which_then_waits() {
    let mut scene = tuesdays();
    assert_scheduled(&scene, Some(TUESDAY), Some(EVENING));
    shown(&mut scene, Some(TUESDAY), Some(EVENING));
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Deployed", "False", Reason::WaitingForWindow);
}

#[test]
fn in_an_open_window_the_change_goes_on() {
    let mut scene = tuesdays();
    scene.now = time("2026-11-24T10:00:00Z");
    shown(&mut scene, Some(TUESDAY), Some(EVENING));
    assert_says(&scene.next(), "Deployed", "False", Reason::WaitingForDeployment);
}

#[test]
fn once_a_window_has_passed_the_change_gets_the_next() {
    let mut scene = tuesdays();
    scene.now = time("2026-11-24T17:00:00Z");
    shown(&mut scene, Some(TUESDAY), Some(EVENING));
    assert_scheduled(&scene, Some("2026-12-01T09:00:00Z"), Some("2026-12-01T16:00:00Z"));
}

#[test]
fn a_window_that_opens_when_the_live_certificate_is_about_to_expire_is_not_waited_for() {
    let mut scene = Scene::ready();
    scene.certificate.spec.deployment = tuesdays().certificate.spec.deployment;
    scene.pending(&NAMES, 20009, "renewal");
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(1)).unwrap();
    scene.change("deploy-cert-to-staging", "running", &[]);
    let change = scene.memory.change.as_mut().unwrap();
    change.id = akamai_cps_types::ChangeId(20009);
    assert_scheduled(&scene, Some(TUESDAY), Some(EVENING));
    let production = scene.certificate.status.as_mut().unwrap().deployments.as_mut().unwrap();
    production.production.as_mut().unwrap().not_after.0 = time("2026-11-25T00:00:00Z");
    // A twentieth of its lifetime is more than a day.
    shown(&mut scene, Some(TUESDAY), Some(EVENING));
    assert_scheduled(&scene, None, None);
}

#[test]
fn a_schedule_that_somebody_else_has_set_stays_without_a_window() {
    let mut scene = tuesdays();
    scene.certificate.spec.deployment = None;
    shown(&mut scene, Some(TUESDAY), None);
    assert_step(&scene.next(), "Wait");
}

#[test]
fn what_waits_for_a_window_that_is_taken_away_goes_on() {
    let mut scene = tuesdays();
    shown(&mut scene, Some(TUESDAY), Some(EVENING));
    scene.certificate.status = Some(scene.next().status);
    scene.certificate.spec.deployment = None;
    assert_scheduled(&scene, None, None);
}

#[test]
fn a_new_policy_during_a_renewal_leaves_the_certificate_ready() {
    let mut scene = Scene::ready();
    scene.certificate.metadata.generation = Some(2);
    scene.memory.generation.number = 2;
    scene.pending(&NAMES, 20009, "renewal");
    scene.change("deploy-cert-to-staging", "running", &[]);
    scene.memory.change.as_mut().unwrap().id = akamai_cps_types::ChangeId(20009);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    assert_says(&decision, "Renewing", "True", Reason::WaitingForDeployment);
    assert_eq!(decision.status.observed_generation, 2);
}

#[test]
fn an_unknown_time_zone_needs_a_human() {
    let mut scene = tuesdays();
    let deployment = scene.certificate.spec.deployment.as_mut().unwrap();
    deployment.window.as_mut().unwrap().time_zone = "Europe/Atlantis".into();
    assert_says(&scene.next(), "Stalled", "True", Reason::ConfigurationInvalid);
}

#[test]
fn whoever_only_observes_schedules_nothing() {
    let mut scene = tuesdays();
    scene.certificate.spec.management_policy = Some(akacert_api::policy::ManagementPolicy::Observe);
    assert!(!changes_something(&scene.next()));
}

//! The decision, as a specification: from the snapshot to the next step and the status.

mod absorbing;
mod adopting;
mod creating;
mod ending;
mod following;
mod forecast;
mod handoff;
mod life;
mod publishing;
mod renewing;
mod scheduling;
mod updating;
mod validating;
mod ways;

use akamai_cps_types::EnrollmentId;
use kube::ResourceExt;

use super::fixtures::{Scene, domain, enrollment, in_production, play, warnings};
use super::memory::{Acknowledgement, Attempt, Look};
use super::{Decision, Next, Pause, Step};
use crate::account::View;
use crate::published::{self, SolverEndpoint};
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::CertificateStatus;

const VALIDATING: (&str, &str, &[&str]) =
    ("coodinate-domain-validation", "awaiting-input", &["lets-encrypt-challenges"]);

fn says(status: &CertificateStatus, type_: &str) -> (String, String) {
    condition_set::find(&status.conditions, type_)
        .map(|condition| (condition.status.clone(), condition.reason.clone()))
        .unwrap_or_default()
}

#[track_caller]
fn assert_says(decision: &Decision, type_: &str, status: &str, reason: Reason) {
    assert_eq!(says(&decision.status, type_), (status.to_owned(), reason.as_str().to_owned()), "{type_}");
}

/// The name of the step, or `Wait`.
fn step_of(decision: &Decision) -> &'static str {
    match &decision.next {
        Next::Do(step) => step.name(),
        Next::Pause(_) => "Wait",
    }
}

fn changes_something(decision: &Decision) -> bool {
    matches!(&decision.next, Next::Do(step) if step.is_side_effect())
}

#[track_caller]
fn assert_step(decision: &Decision, name: &str) {
    assert_eq!(step_of(decision), name, "{:?}", decision.next);
}

/// Applies the publisher's writes until everything is published.
fn publish_all(scene: &mut Scene) {
    for _ in 0..20 {
        let Next::Do(Step::Publish(write)) = scene.next().next else { return };
        play(&mut scene.published, &write);
    }
    panic!("publishing does not end");
}

/// CPS offers the challenges of both names, the solver is ready, and everything is published.
fn published() -> Scene {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![
        domain("www.example.com", "aaa", "RESPONSE_ERROR"),
        domain("api.example.com", "bbb", "RESPONSE_ERROR"),
    ]);
    scene.published.solver = vec![SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 }];
    publish_all(&mut scene);
    preflight(&mut scene, &[]);
    scene
}

/// The preflight has checked the names, with these failures.
fn preflight(scene: &mut Scene, failures: &[(&str, &str)]) {
    let Step::Preflight(targets) = scene.step() else { panic!("no preflight") };
    let failures: std::collections::BTreeMap<String, String> =
        failures.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect();
    let failed = u32::from(!failures.is_empty());
    scene.memory.looks.preflight = Some(Look { at: scene.now, at_what: targets, failures, failed });
}

/// Like `published`, and every token was fetched.
fn reachable() -> Scene {
    let mut scene = published();
    let Step::Probe { tokens, .. } = scene.step() else { panic!("no self-check") };
    scene.memory.looks.probe =
        Some(Look { at: scene.now, at_what: tokens, failures: Default::default(), failed: 0 });
    scene
}

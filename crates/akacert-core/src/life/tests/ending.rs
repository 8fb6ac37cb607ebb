//! The resource is being deleted.

use super::*;

fn deleted(policy: &str) -> Scene {
    let mut scene = Scene::created();
    scene.certificate.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(scene.now));
    scene.certificate.spec.deletion_policy = Some(serde_json::from_value(policy.into()).unwrap());
    scene
}

#[test]
fn retain_needs_no_credentials() {
    let mut scene = deleted("Retain");
    scene.view = View::Missing { message: "gone".into() };
    assert_step(&scene.next(), "RemoveFinalizer");
}

#[test]
fn delete_without_credentials_is_blocked_visibly_and_released_by_retain() {
    let mut scene = deleted("Delete");
    scene.view = View::Missing { message: "gone".into() };
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::DeletionBlocked);
    scene.certificate.spec.deletion_policy = None;
    assert_step(&scene.next(), "RemoveFinalizer");
}

#[test]
fn delete_reads_the_enrollment_before_it_removes_it() {
    let mut scene = deleted("Delete");
    assert_step(&scene.next(), "ReadEnrollment");
    scene.enrollment(&["www.example.com", "api.example.com"]);
    assert_step(&scene.next(), "DeleteEnrollment");
}

#[test]
fn delete_does_not_remove_an_enrollment_that_is_not_ours() {
    let mut scene = deleted("Delete");
    scene.enrollment(&["shop.example.com"]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "Stalled", "True", Reason::Conflict);
}

#[test]
fn a_removed_enrollment_lets_the_resource_go() {
    let mut scene = deleted("Delete");
    scene.memory.enrollment.reading = Some(crate::life::memory::Reading { at: scene.now, value: None });
    assert_step(&scene.next(), "RemoveFinalizer");
}

#[test]
fn what_is_published_goes_before_the_finalizer() {
    let mut scene = published();
    scene.certificate.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(scene.now));
    let mut removed = Vec::new();
    while let Next::Do(Step::Publish(write)) = scene.next().next {
        removed.push(write.to_string().split(' ').nth(1).unwrap().to_owned());
        play(&mut scene.published, &write);
    }
    assert_eq!(removed.first().map(String::as_str), Some("Ingress"), "{removed:?}");
    assert_step(&scene.next(), "RemoveFinalizer");
    assert_eq!(scene.certificate.name_any(), "www");
}

//! The steps of a change, one after the other.

use cps_simulator::Waits;
use serde_json::json;

use crate::world::{NEVER, World, enrollment, no_waits};

/// The wait that holds the change, and how the change then looks: status, state, number of inputs offered, and whether
/// staging and production have a deployment.
type Row = (fn(&mut Waits), &'static str, &'static str, usize, (bool, bool));

#[tokio::test]
async fn each_step_has_its_status_and_comes_after_the_one_before() {
    let table: [Row; 10] = [
        (|w| w.create_slot_files = NEVER, "create-slot-files", "running", 0, (false, false)),
        (|w| w.generate_csr = NEVER, "generate-csr", "running", 0, (false, false)),
        (|w| w.pre_verification = NEVER, "pre-verification-safety-checks", "running", 0, (false, false)),
        // The status comes before the input.
        (|w| w.input_window = NEVER, "coodinate-domain-validation", "running", 0, (false, false)),
        // No wait holds this step: the user has to publish.
        (|_| {}, "coodinate-domain-validation", "awaiting-input", 1, (false, false)),
        (|w| w.check_for_cert = NEVER, "check-for-cert", "running", 0, (false, false)),
        (|w| w.staging = NEVER, "deploy-cert-to-staging", "running", 0, (false, false)),
        (|w| w.live_check = NEVER, "live-check-action", "running", 0, (true, false)),
        (|w| w.production = NEVER, "deploy-cert-to-production", "running", 0, (true, false)),
        (|w| w.complete_visible = NEVER, "complete", "completed", 0, (true, true)),
    ];
    for (n, (hold, status, state, inputs, (staging, production))) in table.into_iter().enumerate() {
        let world = World::start(|config| {
            config.waits = no_waits();
            hold(&mut config.waits);
        })
        .await;
        let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
        if n > 4 {
            world.publish(&world.offered(ids).await);
            world.cps.acknowledge(ids).await;
        } else if n == 4 {
            world.offered(ids).await;
        }
        let change = world.reaches(ids, status).await;
        assert_eq!(change["statusInfo"]["state"], state, "{status}");
        assert_eq!(change["statusInfo"]["error"], json!(null), "{status}");
        assert_eq!(change["allowedInput"].as_array().unwrap().len(), inputs, "{status}");
        let deployments = world.cps.deployments(ids.0).await.json;
        let there = (!deployments["staging"].is_null(), !deployments["production"].is_null());
        assert_eq!(there, (staging, production), "{status}");
    }
}

#[tokio::test]
async fn the_input_names_its_links() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.offered(ids).await;
    let link = format!("/cps/v2/enrollments/{}/changes/{}", ids.0, ids.1);
    assert_eq!(
        world.cps.change(ids).await.json["allowedInput"],
        json!([{
            "type": "lets-encrypt-challenges",
            "requiredToProceed": true,
            "info": format!("{link}/input/info/lets-encrypt-challenges"),
            "update": format!("{link}/input/update/lets-encrypt-challenges-completed"),
        }])
    );
}

#[tokio::test]
async fn at_the_end_no_change_is_pending_although_it_can_still_be_read() {
    let world = World::start(|_| {}).await;
    let (e, c) = world.deployed(&["www.example.com"]).await;
    assert_eq!(world.cps.enrollment(e).await.json["pendingChanges"], json!([]));
    assert_eq!(world.cps.change((e, c)).await.json["statusInfo"]["status"], "complete");
}

#[tokio::test]
async fn a_finished_change_is_gone_after_a_while() {
    let world = World::start(|config| config.waits.complete_visible = std::time::Duration::ZERO).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    crate::world::eventually("the change is gone", async || {
        let answer = world.cps.change(ids).await;
        (answer.status == 404 && answer.json["title"] == "Not Found").then_some(())
    })
    .await;
    assert_eq!(world.cps.enrollment(ids.0).await.json["pendingChanges"], json!([]));
}

#[tokio::test]
async fn slots_come_with_the_steps() {
    let world = World::start(|config| config.waits.create_slot_files = NEVER).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com"])).await;
    assert_eq!(world.cps.enrollment(e).await.json["assignedSlots"], json!([]));

    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let read = world.cps.enrollment(e).await.json;
    assert_eq!(read["assignedSlots"].as_array().unwrap().len(), 1);
    assert_eq!(read["stagingSlots"], read["assignedSlots"]);
    assert_eq!(read["productionSlots"], read["assignedSlots"]);
}

#[tokio::test]
async fn speed_divides_the_waits() {
    // Half an hour and more at speed 1.
    let world = World::start(|config| {
        config.waits = Waits { complete_visible: NEVER, ..Waits::default() };
        config.speed = 100_000.0;
    })
    .await;
    world.deployed(&["www.example.com"]).await;
}

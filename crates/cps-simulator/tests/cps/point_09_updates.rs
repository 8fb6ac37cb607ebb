//! Point 9: an update while CPS deploys. The other rules of updates are in `update`.

use cps_simulator::{Quirks, Waits};

use crate::client::{Answer, last_id};
use crate::world::{NEVER, World, enrollment, no_waits};

async fn update(world: &World, enrollment_id: u64) -> Answer {
    let body = enrollment(&["www.example.com", "api.example.com"]);
    world.cps.put(enrollment_id, "allow-cancel-pending-changes=true", &body).await
}

#[tokio::test]
async fn an_update_while_cps_deploys_can_fail_with_a_server_error() {
    for (status, waits) in [
        ("deploy-cert-to-staging", Waits { staging: NEVER, ..no_waits() }),
        ("live-check-action", Waits { live_check: NEVER, ..no_waits() }),
        ("deploy-cert-to-production", Waits { production: NEVER, ..no_waits() }),
    ] {
        let world = World::start(|config| config.waits = waits).await;
        let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
        world.publish(&world.offered(ids).await);
        world.cps.acknowledge(ids).await;
        world.reaches(ids, status).await;
        world.simulator.set_quirks(Quirks { update_fails_while_deploying: true, ..Quirks::default() });
        assert_eq!(update(&world, ids.0).await.status, 500, "{status}");
        assert_eq!(world.cps.change(ids).await.json["statusInfo"]["status"], status);

        world.simulator.set_quirks(Quirks::default());
        let answer = update(&world, ids.0).await;
        assert_eq!(answer.status, 202, "{status}");
        assert_eq!(world.cps.change((ids.0, last_id(&answer.json["changes"][0]))).await.status, 200);
    }
}

#[tokio::test]
async fn an_update_before_the_deployment_does_not_fail_so() {
    let world = World::start(|_| {}).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.offered(ids).await;
    let quirks = serde_json::json!({"updateFailsWhileDeploying": true});
    assert_eq!(world.control("PUT", "/quirks", Some(quirks)).await.0, 204);
    assert_eq!(update(&world, ids.0).await.status, 202);
}

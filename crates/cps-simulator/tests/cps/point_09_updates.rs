//! Point 9: an update while CPS deploys. The other rules of updates are in `update`.

use cps_simulator::Quirks;
use serde_json::json;

use crate::client::{Call, last_id};
use crate::world::{World, enrollment, eventually};

#[tokio::test]
async fn an_update_while_cps_deploys_can_fail_with_a_server_error() {
    let world = World::start(|config| config.waits.live_check = std::time::Duration::from_secs(3600)).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "live-check-action").await;
    let update = async || {
        let path = format!("/cps/v2/enrollments/{}?allow-cancel-pending-changes=true", ids.0);
        let mut body = enrollment(&["www.example.com", "api.example.com"]);
        body["org"]["city"] = json!("Cambridge");
        world.cps.send(Call::new("PUT", path, "enrollment-status.v1").body("enrollment.v11", &body)).await
    };
    world.simulator.set_quirks(Quirks { update_fails_while_deploying: true, ..Quirks::default() });
    assert_eq!(update().await.status, 500);
    world.simulator.set_quirks(Quirks::default());
    let change = last_id(&update().await.json["changes"][0]);
    eventually("another change", async || {
        (world.cps.change((ids.0, change)).await.status == 200).then_some(())
    })
    .await;
}

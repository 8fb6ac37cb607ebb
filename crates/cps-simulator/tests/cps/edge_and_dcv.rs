//! The ports that stand for the edge and for `dcv.akamai.com`.

use std::net::SocketAddr;

use serde_json::json;

use crate::world::{World, challenge, enrollment};

fn any_port() -> Option<SocketAddr> {
    Some("127.0.0.1:0".parse().unwrap())
}

/// Fetches `https://name/` at the edge, and trusts only the simulator's root.
async fn fetch(world: &World, name: &str) -> reqwest::Result<reqwest::Response> {
    let edge = world.simulator.edge_address().unwrap();
    let root = reqwest::Certificate::from_pem(world.simulator.root_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).resolve(name, edge);
    client.build().unwrap().get(format!("https://{name}:{}/", edge.port())).send().await
}

#[tokio::test]
async fn the_edge_serves_each_production_certificate_by_its_names() {
    let world = World::start(|config| config.edge_listen = any_port()).await;
    world.deployed(&["www.example.com", "api.example.com"]).await;
    world.deployed(&["www.example.org"]).await;
    for name in ["www.example.com", "api.example.com", "www.example.org"] {
        assert!(fetch(&world, name).await.unwrap().status().is_success(), "{name}");
    }
    assert!(fetch(&world, "unknown.example.com").await.is_err());
}

#[tokio::test]
async fn the_edge_serves_nothing_before_production() {
    let world = World::start(|config| {
        config.edge_listen = any_port();
        config.waits.production = crate::world::NEVER;
    })
    .await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    world.publish(&world.offered(ids).await);
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "deploy-cert-to-production").await;
    assert!(fetch(&world, "www.example.com").await.is_err());
}

#[tokio::test]
async fn the_token_server_answers_any_host_with_the_response_body() {
    let world = World::start(|config| config.dcv_listen = any_port()).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let http = challenge(&world.offered(ids).await["dv"][0], "http-01");
    let dcv = world.simulator.dcv_address().unwrap();
    let path = format!("/.well-known/acme-challenge/{}", http["token"].as_str().unwrap());
    let response = world.http.get(format!("http://{dcv}{path}")).header("host", "any.example").send();
    assert_eq!(json!(response.await.unwrap().text().await.unwrap()), http["responseBody"]);
    let unknown = world.http.get(format!("http://{dcv}/.well-known/acme-challenge/x")).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
}

#[tokio::test]
async fn a_redirect_to_the_token_server_validates() {
    let world = World::start(|config| config.dcv_listen = any_port()).await;
    let ids = world.cps.created(&enrollment(&["www.example.com"])).await;
    let challenges = world.offered(ids).await;
    // The web server of the names redirects the request to the token server.
    let http = challenge(&challenges["dv"][0], "http-01");
    let dcv = world.simulator.dcv_address().unwrap();
    let path = format!("/.well-known/acme-challenge/{}", http["token"].as_str().unwrap());
    world.redirects.lock().unwrap().insert(path.clone(), format!("http://dcv.example:{}{path}", dcv.port()));
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn the_api_is_served_over_https_with_a_certificate() {
    let (world, _) = World::start_with_tls().await;
    assert!(world.cps.base.starts_with("https://127.0.0.1:"));
    assert_eq!(world.cps.create(&enrollment(&["www.example.com"])).await.status, 202);
}

//! TXT records in Edge DNS: which account and which zone, and what of others at the name stays.

use std::sync::{Arc, Mutex};

use akacert_api::validation::EdgeDns;
use akacert_core::life::Step;
use akacert_core::life::answer::Answer;
use akacert_core::life::fixtures::Scene;
use akacert_core::published::{By, Record};
use serde_json::{Value, json};

use super::cps::problem;
use super::world::World;

const ZONES: &str = "GET /config-dns/v2/zones";
const NAME: &str = "_acme-challenge.www.example.com";

fn record(name: &str, by: Value) -> Box<Record> {
    let by: EdgeDns = serde_json::from_value(by).unwrap();
    Box::new(Record { name: name.into(), values: ["ours".into()].into(), by: By::EdgeDns(by) })
}

/// An Edge DNS with these zones, and these values at the name in the zone `example.com`. It keeps what was sent.
async fn world(zones: Value, values: &'static [&'static str]) -> (World, Arc<Mutex<Vec<Value>>>) {
    let sent: Arc<Mutex<Vec<Value>>> = Arc::default();
    let keep = sent.clone();
    let total = zones.as_array().map_or(0, Vec::len);
    let world = World::new(Scene::new(), move |_, call, body| {
        let set = json!({"name": NAME, "type": "TXT", "ttl": 60, "rdata": values});
        match call.split_whitespace().next() {
            _ if call == ZONES => (200, json!({"metadata": {"totalElements": total}, "zones": zones})),
            Some("GET") if values.is_empty() => problem(404, "not-found"),
            Some("GET") => (200, set),
            _ => {
                keep.lock().unwrap().push(json!([call, body["rdata"]]));
                (200, body.clone())
            }
        }
    })
    .await;
    (world, sent)
}

async fn failure(world: &World, step: Step) -> String {
    let answer = world.perform(&step).await.unwrap();
    let Answer::Failed(fault) = answer else { panic!("{answer:?}") };
    fault.message
}

fn zone(name: &str, kind: &str) -> Value {
    json!({"zone": name, "type": kind})
}

#[tokio::test]
async fn a_value_is_added_to_those_of_others_and_taken_away_from_them() {
    let path = format!("/config-dns/v2/zones/example.com/names/{NAME}/types/TXT");
    let (world, sent) = world(json!([zone("example.com", "PRIMARY")]), &["\"theirs\""]).await;
    let written = world.perform(&Step::WriteRecord(record(NAME, json!({})))).await.unwrap();
    assert!(matches!(written, Answer::Done), "{written:?}");
    assert_eq!(*sent.lock().unwrap(), [json!([format!("PUT {path}"), ["\"theirs\"", "\"ours\""]])]);

    let (world, sent) =
        self::world(json!([zone("example.com", "PRIMARY")]), &["\"theirs\"", "\"ours\""]).await;
    world.perform(&Step::RemoveRecord(record(NAME, json!({})))).await.unwrap();
    assert_eq!(*sent.lock().unwrap(), [json!([format!("PUT {path}"), ["\"theirs\""]])]);
}

#[tokio::test]
async fn a_zone_that_cannot_be_written_to_is_named_and_the_zone_above_it_is_not_used() {
    let zones = json!([zone("example.com", "PRIMARY"), zone("www.example.com", "SECONDARY")]);
    let (world, sent) = world(zones, &[]).await;
    assert_eq!(
        failure(&world, Step::WriteRecord(record(NAME, json!({})))).await,
        "the account has no zone in Edge DNS for _acme-challenge.www.example.com that can be written to \
         (www.example.com is a secondary or an alias zone): create the zone, or name its account in \
         dns01.edgeDns.accountRef"
    );
    assert_eq!(*sent.lock().unwrap(), Vec::<Value>::new());
}

#[tokio::test]
async fn in_a_zone_that_is_gone_there_is_nothing_to_remove() {
    let (world, sent) = world(json!([]), &[]).await;
    let removed = world.perform(&Step::RemoveRecord(record(NAME, json!({})))).await.unwrap();
    assert!(matches!(removed, Answer::Done), "{removed:?}");
    assert_eq!(*sent.lock().unwrap(), Vec::<Value>::new());
}

#[tokio::test]
async fn an_account_that_is_missing_or_does_not_allow_the_name_is_not_asked() {
    let (world, sent) = world(json!([zone("example.com", "PRIMARY")]), &[]).await;
    let other = json!({"accountRef": {"kind": "ClusterAkamaiAccount", "name": "dns"}});
    let missing = failure(&world, Step::WriteRecord(record(NAME, other))).await;
    assert!(missing.contains("ClusterAkamaiAccount dns does not exist"), "{missing}");
    let not_ours = record("_acme-challenge.www.example.net", json!({}));
    let refused = failure(&world, Step::WriteRecord(not_ours)).await;
    assert!(refused.contains("www.example.net"), "{refused}");
    assert_eq!((sent.lock().unwrap().len(), world.api.requests().contains(&ZONES.to_owned())), (0, false));
}

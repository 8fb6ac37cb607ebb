//! Creating an enrollment: the answer, and the enrollment afterwards.

use std::collections::{BTreeSet, HashSet};

use serde_json::json;

use crate::client::last_id;
use crate::world::{World, enrollment};

#[tokio::test]
async fn a_create_is_answered_with_202_and_links_below_cps_v2() {
    let world = World::start(|_| {}).await;
    let answer = world.cps.create(&enrollment(&["www.example.com"])).await;
    assert_eq!(answer.status, 202);
    let (e, c) = (last_id(&answer.json["enrollment"]), last_id(&answer.json["changes"][0]));
    assert_eq!(
        answer.json,
        json!({
            "enrollment": format!("/cps/v2/enrollments/{e}"),
            "changes": [format!("/cps/v2/enrollments/{e}/changes/{c}")],
        })
    );
}

#[tokio::test]
async fn reading_it_gives_links_below_cps_api() {
    let world = World::start(|config| config.waits.create_slot_files = crate::world::NEVER).await;
    let (e, c) = world.cps.created(&enrollment(&["www.example.com"])).await;
    let read = world.cps.enrollment(e).await.json;
    assert_eq!(read["id"], e);
    assert_eq!(read["location"], format!("/cps-api/enrollments/{e}"));
    assert_eq!(
        read["pendingChanges"],
        json!([{"location": format!("/cps-api/enrollments/{e}/changes/{c}"), "changeType": "new-certificate"}])
    );
}

#[tokio::test]
async fn enrollments_and_changes_have_different_rising_numbers() {
    let world = World::start(|_| {}).await;
    let (e1, c1) = world.cps.created(&enrollment(&["a.example.com"])).await;
    let (e2, c2) = world.cps.created(&enrollment(&["b.example.com"])).await;
    assert_eq!(BTreeSet::from([e1, c1, e2, c2]).len(), 4);
    assert!(e1 < e2 && c1 < c2);
}

#[tokio::test]
async fn the_common_name_comes_among_the_sans_at_any_position() {
    let world = World::start(|_| {}).await;
    let mut positions = HashSet::new();
    for n in 0..40 {
        let names = [format!("www{n}.example.com"), format!("a{n}.example.com"), format!("b{n}.example.com")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (e, _) = world.cps.created(&enrollment(&names)).await;
        let sans = world.cps.enrollment(e).await.json["csr"]["sans"].clone();
        let sans: Vec<&str> = sans.as_array().unwrap().iter().map(|san| san.as_str().unwrap()).collect();
        assert_eq!(BTreeSet::from_iter(sans.clone()), BTreeSet::from_iter(names.clone()));
        positions.insert(sans.iter().position(|san| *san == names[0]).unwrap());
    }
    assert_eq!(positions, HashSet::from([0, 1, 2]));
}

#[tokio::test]
async fn defaults_are_filled_in() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com", "api.example.com"])).await;
    let read = world.cps.enrollment(e).await.json;
    let network = &read["networkConfiguration"];
    assert_eq!(read["certificateChainType"], "default");
    assert_eq!(read["maxAllowedSanNames"], 100);
    assert_eq!(read["maxAllowedWildcardSanNames"], 25);
    assert_eq!(network["mustHaveCiphers"], "ak-akamai-default");
    assert_eq!(network["preferredCiphers"], "ak-akamai-default");
    assert_eq!(network["ocspStapling"], "not-set");
    assert_eq!(network["dnsNameSettings"]["dnsNames"], read["csr"]["sans"]);
    assert_eq!(read["signatureAlgorithm"], json!(null));
    assert_eq!(read["thirdParty"], json!(null));
}

#[tokio::test]
async fn what_was_sent_comes_back() {
    let world = World::start(|_| {}).await;
    let mut sent = enrollment(&["www.example.com"]);
    sent["networkConfiguration"]["mustHaveCiphers"] = json!("ak-akamai-2020q1");
    sent["networkConfiguration"]["disallowedTlsVersions"] = json!(["TLSv1"]);
    let (e, _) = world.cps.created(&sent).await;
    let read = world.cps.enrollment(e).await.json;
    assert_eq!(read["networkConfiguration"]["mustHaveCiphers"], "ak-akamai-2020q1");
    assert_eq!(read["networkConfiguration"]["disallowedTlsVersions"], json!(["TLSv1"]));
    assert_eq!(read["adminContact"], sent["adminContact"]);
    assert_eq!(read["org"], sent["org"]);
}

#[tokio::test]
async fn the_list_is_of_one_contract_or_of_all() {
    let world = World::start(|_| {}).await;
    let (in_1, _) = world.cps.created(&enrollment(&["a.example.com"])).await;
    let other = world.cps.create_with("contractId=C-2", &enrollment(&["b.example.com"])).await;
    let in_2 = last_id(&other.json["enrollment"]);
    for (query, expected) in
        [("?contractId=C-1", vec![in_1]), ("?contractId=C-2", vec![in_2]), ("", vec![in_1, in_2])]
    {
        let list = world.cps.get(format!("/cps/v2/enrollments{query}"), "enrollments.v11").await;
        let ids: Vec<u64> =
            list.json["enrollments"].as_array().unwrap().iter().map(|e| e["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, expected, "{query}");
    }
}

#[tokio::test]
async fn the_contract_list_has_no_prefixes() {
    let world = World::start(|_| {}).await;
    let answer = world.cps.get("/contract-api/v1/contracts/identifiers?depth=TOP", "any").await;
    assert_eq!((answer.status, answer.json), (200, json!(["C-1", "C-2"])));
}

//! Edge DNS: quoted rdata, the two kinds of 409, pages of 25, and records that a name server really serves.

use std::time::Duration;

use cps_simulator::{Config, EdgeDnsZone, Fault, FaultKind, ZoneKind};
use serde_json::{Value, json};

use crate::client::{Answer, Call, txt_path};
use crate::name_server;
use crate::world::{NEVER, World, challenge, enrollment, eventually};

const ZONE: &str = "edge.test";
const NAME: &str = "_acme-challenge.www.edge.test";

fn zone(name: &str, kind: ZoneKind) -> EdgeDnsZone {
    EdgeDnsZone { name: name.into(), kind }
}

fn one_zone(config: &mut Config) {
    config.edge_dns.zones.push(zone(ZONE, ZoneKind::Primary));
}

/// Checks the form of an error of Edge DNS.
fn assert_problem(answer: &Answer, status: u16, slug: &str, detail: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json["type"], format!("https://problems.luna.akamaiapis.net/authoritative-dns/{slug}"));
    assert_eq!((&answer.json["status"], &answer.json["detail"]), (&json!(status), &json!(detail)));
    for field in ["title", "instance", "problemId"] {
        assert!(answer.json[field].is_string(), "{field} is missing");
    }
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.json["zones"].as_array().unwrap().iter().map(|zone| zone["zone"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_record_set_is_created_read_replaced_and_removed() {
    let world = World::start(one_zone).await;
    let missing = world.cps.txt(ZONE, NAME).await;
    let detail = format!("Unable to find record set with name {NAME} and type TXT");
    assert_problem(&missing, 404, "notFound", &detail);

    let created = world.cps.write_txt("POST", ZONE, NAME, &["\"first\""]).await;
    let set = json!({"name": NAME, "type": "TXT", "ttl": 60, "rdata": ["\"first\""]});
    assert_eq!((created.status, &created.json), (201, &set));
    assert_eq!(created.header("location"), format!("/config-dns/v2{}", txt_path(ZONE, NAME)));
    assert_eq!(world.cps.txt(ZONE, NAME).await.json, set);

    let replaced = world.cps.write_txt("PUT", ZONE, NAME, &["\"second\"", "\"third\""]).await;
    assert_eq!((replaced.status, &replaced.json["rdata"]), (200, &json!(["\"second\"", "\"third\""])));
    assert_eq!(world.cps.txt(ZONE, NAME).await.json, replaced.json);

    assert_eq!(world.cps.remove_txt(ZONE, NAME).await.status, 204);
    assert_eq!(world.cps.txt(ZONE, NAME).await.status, 404);
}

#[tokio::test]
async fn rdata_is_answered_with_quotes_and_escapes() {
    let world = World::start(one_zone).await;
    let long = format!("\"{}\"  \"{}\"", "x".repeat(255), "y".repeat(45));
    let sent = [r#""say \"hi\" \\""#, "\"ä\"", long.as_str()];
    let answered = json!([r#""say \"hi\" \\""#, r#""\195\164""#, long.replace("  ", " ")]);
    let created = world.cps.write_txt("POST", ZONE, NAME, &sent).await;
    assert_eq!((created.status, &created.json["rdata"]), (201, &answered));
    assert_eq!(world.cps.txt(ZONE, NAME).await.json["rdata"], answered);
}

#[tokio::test]
async fn what_is_no_record_set_of_its_path_is_refused() {
    let world = World::start(one_zone).await;
    let good = json!({"name": NAME, "type": "TXT", "ttl": 60, "rdata": ["\"a\""]});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let without_ttl = json!({"name": NAME, "type": "TXT", "rdata": ["\"a\""]});
    let name_and_type = "Name and type of the body";
    let table = [
        (with("rdata", json!(["bare"])), "Invalid rdata: [bare] is not in double quotes"),
        (with("rdata", json!([format!("\"{}\"", "x".repeat(256))])), "Invalid rdata: ["),
        (with("rdata", json!(["\"a\"", "\"\\097\""])), "[Duplicate rdata found]"),
        (with("rdata", json!([])), "rdata must not be empty"),
        (with("ttl", json!(-1)), "Invalid body: "),
        (with("ttl", json!(4_000_000_000_u32)), "The TTL value provided (4000000000) is not valid"),
        (with("name", json!("www.edge.test")), name_and_type),
        (with("name", json!(format!("{NAME}."))), name_and_type),
        (with("type", json!("CNAME")), name_and_type),
        (with("active", json!(true)), "Invalid body: unknown field `active`"),
        (without_ttl, "Invalid body: missing field `ttl`"),
    ];
    for method in ["POST", "PUT"] {
        for (body, detail) in &table {
            let answer = world.cps.send(Call::edge_dns(method, txt_path(ZONE, NAME)).json(body)).await;
            assert_eq!(answer.status, 400, "{body} {}", answer.text);
            assert!(answer.json["detail"].as_str().unwrap().starts_with(detail), "{}", answer.text);
        }
    }
    for name in ["_acme-challenge.www.edge.test.", "www.other.test"] {
        let answer = world.cps.write_txt("POST", ZONE, name, &["\"a\""]).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let mut call = Call::edge_dns("POST", txt_path(ZONE, NAME)).json(&good);
    call.content_type = None;
    assert_eq!(world.cps.send(call).await.status, 415);
    let mut call = Call::edge_dns("GET", txt_path(ZONE, NAME));
    call.accept = Some("text/plain".into());
    assert_eq!(world.cps.send(call).await.status, 406);
    assert_eq!(world.cps.txt(ZONE, NAME).await.status, 404);
}

#[tokio::test]
async fn what_is_there_is_not_created_and_what_is_not_is_not_replaced() {
    let world = World::start(one_zone).await;
    let detail = format!("[Record set with name {NAME} and type TXT: record does not exist]");
    let replaced = world.cps.write_txt("PUT", ZONE, NAME, &["\"a\""]).await;
    assert_problem(&replaced, 400, "invalidOperation", &detail);
    let removed = world.cps.remove_txt(ZONE, NAME).await;
    assert_problem(
        &removed,
        404,
        "notFound",
        &format!("Unable to find record set with name {NAME} and type TXT"),
    );
    assert_eq!(world.cps.write_txt("POST", ZONE, NAME, &["\"a\""]).await.status, 201);
    let again = world.cps.write_txt("POST", ZONE, NAME, &["\"b\""]).await;
    let detail = format!("[Duplicate record set found with name {NAME} and type TXT]");
    assert_problem(&again, 409, "modificationConflict", &detail);
}

#[tokio::test]
async fn zones_are_known_and_primary_to_be_written() {
    let world = World::start(|config| {
        config.edge_dns.zones.push(zone("second.test", ZoneKind::Secondary));
        config.edge_dns.zones.push(zone("alias.test", ZoneKind::Alias));
    })
    .await;
    let detail = "Unable to find zone 'edge.test'";
    assert_problem(&world.cps.write_txt("POST", ZONE, NAME, &["\"a\""]).await, 404, "notFound", detail);
    assert_problem(&world.cps.txt(ZONE, NAME).await, 404, "notFound", detail);
    for (zone, kind) in [("second.test", "Secondary"), ("alias.test", "Alias")] {
        let answer = world.cps.write_txt("POST", zone, &format!("www.{zone}"), &["\"a\""]).await;
        let detail = format!("The zone's type is {kind}: its records cannot be written.");
        assert_problem(&answer, 400, "invalidOperation", &detail);
    }
    let patched = world.cps.send(Call::edge_dns("PATCH", "/zones")).await;
    assert_problem(&patched, 405, "illegalMethod", "The method is not allowed here.");
    let unknown = world.cps.send(Call::edge_dns("GET", "/unknown")).await;
    assert_problem(&unknown, 404, "notFound", "There is no such operation.");
}

#[tokio::test]
async fn record_sets_are_created_together_or_not_at_all() {
    let world = World::start(one_zone).await;
    let set = |name: &str| json!({"name": name, "type": "TXT", "ttl": 60, "rdata": ["\"a\""]});
    let both = json!([set("a.edge.test"), set("b.edge.test")]);
    assert_eq!(world.cps.create_record_sets(ZONE, &both).await.status, 204);
    for sets in
        [json!([set("c.edge.test"), set("a.edge.test")]), json!([set("c.edge.test"), set("c.edge.test")])]
    {
        assert_eq!(world.cps.create_record_sets(ZONE, &sets).await.status, 409);
    }
    for sets in [json!([set("c.edge.test"), set("d.other.test")]), json!([])] {
        assert_eq!(world.cps.create_record_sets(ZONE, &sets).await.status, 400);
    }
    assert_eq!(world.cps.txt(ZONE, "b.edge.test").await.status, 200);
    assert_eq!(world.cps.txt(ZONE, "c.edge.test").await.status, 404);
}

#[tokio::test]
async fn zones_come_in_pages_of_25() {
    let world = World::start(|config| {
        let zones = (0..30).map(|n| zone(&format!("z{n:02}.test"), ZoneKind::Primary));
        config.edge_dns.zones.extend(zones);
        config.edge_dns.zones.push(zone("second.example", ZoneKind::Secondary));
    })
    .await;
    let first = world.cps.zones("").await;
    let metadata =
        json!({"page": 1, "pageSize": 25, "showAll": false, "totalElements": 31, "contractIds": ["C-1"]});
    assert_eq!((first.status, &first.json["metadata"]), (200, &metadata));
    assert_eq!(names(&first).len(), 25);
    let second = world.cps.zones("page=2").await;
    assert_eq!(names(&second), ["z24.test", "z25.test", "z26.test", "z27.test", "z28.test", "z29.test"]);
    assert_eq!(names(&world.cps.zones("page=3").await), Vec::<&str>::new());
    assert_eq!(names(&world.cps.zones("page=2&pageSize=2").await), ["z01.test", "z02.test"]);
    assert_eq!(names(&world.cps.zones("showAll=true").await).len(), 31);
    assert_eq!(names(&world.cps.zones("search=Z1&pageSize=100").await).len(), 10);
    assert_eq!(names(&world.cps.zones("types=secondary,ALIAS").await), ["second.example"]);
    assert_eq!(names(&world.cps.zones("contractIds=C-2").await), Vec::<&str>::new());
    for query in ["page=0", "pageSize=x", "showAll=yes"] {
        assert_eq!(world.cps.zones(query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn of_writes_to_one_zone_at_once_all_but_one_are_refused() {
    let world = World::start(|config| {
        one_zone(config);
        config.edge_dns.zones.push(zone("other.test", ZoneKind::Primary));
        config.waits.edge_dns_write = Duration::from_secs(1);
    })
    .await;
    let (cps, names) = (&world.cps, ["a.edge.test", "b.edge.test", "c.edge.test"]);
    let (a, b, c, other) = tokio::join!(
        cps.write_txt("POST", ZONE, names[0], &["\"a\""]),
        cps.write_txt("POST", ZONE, names[1], &["\"b\""]),
        cps.write_txt("POST", ZONE, names[2], &["\"c\""]),
        cps.write_txt("POST", "other.test", "a.other.test", &["\"a\""]),
    );
    assert_eq!(other.status, 201, "a write to another zone goes through");
    let answers = [a, b, c];
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let detail = "The zone is being modified by another request. Please try your request again.";
    let refused = |(answer, _): &(&Answer, &str)| answer.status != 201;
    let refused: Vec<_> = answers.iter().zip(names).filter(refused).collect();
    for (answer, _) in &refused {
        assert_problem(answer, 409, "concurrentZoneModification", detail);
    }
    let again = cps.write_txt("POST", ZONE, refused[0].1, &["\"x\""]).await;
    assert_eq!(again.status, 201, "{}", again.text);
}

#[tokio::test]
async fn signatures_faults_and_the_log_are_those_of_the_whole_api() {
    let world = World::start(one_zone).await;
    let call = Call { secret: "another-secret", ..Call::edge_dns("GET", "/zones") };
    assert_eq!(world.cps.send(call).await.status, 401);

    let fault = |kind| Fault { kind, method: None, path: Some("/config-dns/".into()), count: 1 };
    world.simulator.inject(fault(FaultKind::ConcurrentZoneModification));
    let answer = world.cps.write_txt("POST", ZONE, NAME, &["\"a\""]).await;
    assert_eq!((answer.status, answer.slug()), (409, "concurrentZoneModification"));
    world.simulator.inject(fault(FaultKind::ServerError { status: 500 }));
    let answer = world.cps.zones("").await;
    assert_problem(&answer, 500, "serverError", "Fault injected through the control endpoint.");
    world.simulator.inject(fault(FaultKind::LostAnswer));
    let body = json!({"name": NAME, "type": "TXT", "ttl": 60, "rdata": ["\"a\""]});
    let lost = world.cps.try_send(&Call::edge_dns("POST", txt_path(ZONE, NAME)).json(&body)).await;
    lost.expect_err("the connection ends");
    assert_eq!(world.cps.txt(ZONE, NAME).await.status, 200, "the write happened all the same");

    let calls = world.simulator.calls();
    let last = calls.last().unwrap();
    assert_eq!(last.pattern, "/config-dns/v2/zones/{zone}/names/{name}/types/TXT");
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [401, 409, 500, 201, 200]);
}

#[tokio::test]
async fn the_name_server_has_a_record_set_when_the_api_answers() {
    let world = World::start(|config| {
        one_zone(config);
        config.edge_dns.name_server = config.dns.map(name_server::with_its_key);
    })
    .await;
    let served = || world.txt.lock().unwrap().get(&format!("{NAME}.")).cloned().unwrap_or_default();
    world.cps.write_txt("POST", ZONE, NAME, &[r#""fi" "rst""#, r#""say \"hi\"""#]).await;
    assert_eq!(served(), ["first", "say \"hi\""]);
    world.cps.write_txt("PUT", ZONE, NAME, &["\"second\""]).await;
    assert_eq!(served(), ["second"]);
    world.cps.remove_txt(ZONE, NAME).await;
    assert_eq!(served(), [""; 0]);
}

#[tokio::test]
async fn what_the_name_server_does_not_take_is_not_written() {
    let world = World::start(|config| {
        one_zone(config);
        config.edge_dns.zones.push(zone("other.test", ZoneKind::Primary));
        config.edge_dns.name_server = config.dns.map(name_server::with_its_key);
    })
    .await;
    let refused = world.cps.write_txt("POST", "other.test", "www.other.test", &["\"a\""]).await;
    let detail = "The name server refuses an update: Not authorized";
    assert_problem(&refused, 500, "serverError", detail);
    assert_eq!(world.cps.txt("other.test", "www.other.test").await.status, 404);

    let world = World::start(|config| {
        one_zone(config);
        config.edge_dns.name_server = config.dns.map(|address| name_server::at(address, "YW5vdGhlciBrZXk="));
    })
    .await;
    let refused = world.cps.write_txt("POST", ZONE, NAME, &["\"a\""]).await;
    assert_eq!((refused.status, refused.slug()), (500, "serverError"), "{}", refused.text);
    assert!(!refused.text.contains("YW5vdGhlciBrZXk"));
    assert!(world.txt.lock().unwrap().is_empty());
}

#[tokio::test]
async fn others_write_through_the_control_endpoint_and_zones_come_and_go_there() {
    let world = World::start(|config| {
        one_zone(config);
        config.edge_dns.name_server = config.dns.map(name_server::with_its_key);
    })
    .await;
    let path = format!("/edge-dns/{ZONE}/{NAME}");
    let foreign = json!({"ttl": 300, "rdata": ["\"foreign\""]});
    assert_eq!(world.control("PUT", &path, Some(foreign.clone())).await.0, 204);
    assert_eq!(world.cps.txt(ZONE, NAME).await.json["rdata"], json!(["\"foreign\""]));
    assert_eq!(world.txt.lock().unwrap()[&format!("{NAME}.")], ["foreign"]);
    let (_, zones) = world.control("GET", "/edge-dns", None).await;
    assert_eq!(zones[ZONE]["txt"], json!({NAME: foreign}));
    assert_eq!(
        world.control("PUT", &path, Some(json!({"ttl": 300, "rdata": ["foreign"]}))).await.0,
        400,
        "it is quoted here as well"
    );
    assert_eq!(world.control("DELETE", &path, None).await.0, 204);
    assert_eq!(world.cps.txt(ZONE, NAME).await.status, 404);

    assert_eq!(world.control("PUT", "/edge-dns/child.edge.test", Some(json!("PRIMARY"))).await.0, 204);
    assert_eq!(names(&world.cps.zones("").await), ["child.edge.test", ZONE]);
    assert_eq!(world.control("DELETE", "/edge-dns/child.edge.test", None).await.0, 204);
    assert_eq!(world.control("DELETE", "/edge-dns/child.edge.test", None).await.0, 404);
    assert_eq!(names(&world.cps.zones("").await), [ZONE]);
}

#[tokio::test]
async fn records_outlive_a_restart_in_a_dump_and_given_zones_are_there_without_one() {
    let first = World::start(one_zone).await;
    first.cps.write_txt("POST", ZONE, NAME, &["\"kept\""]).await;
    let (_, mut dump) = first.control("GET", "/dump", None).await;
    let second = World::start(one_zone).await;
    assert_eq!(second.control("PUT", "/dump", Some(dump.clone())).await.0, 204);
    assert_eq!(second.cps.txt(ZONE, NAME).await.json["rdata"], json!(["\"kept\""]));
    dump.as_object_mut().unwrap().remove("edgeDns").unwrap();
    assert_eq!(second.control("PUT", "/dump", Some(dump)).await.0, 204);
    assert_eq!(names(&second.cps.zones("").await), [ZONE]);
    assert_eq!(second.cps.txt(ZONE, NAME).await.status, 404);
}

#[tokio::test]
async fn a_wildcard_and_its_base_are_proven_by_one_record_set() {
    let world = World::start(|config| {
        one_zone(config);
        config.edge_dns.name_server = config.dns.map(name_server::with_its_key);
    })
    .await;
    let ids = world.cps.created(&enrollment(&["*.edge.test", "edge.test"])).await;
    let challenges = world.offered(ids).await;
    let dv = challenges["dv"].as_array().unwrap();
    let kinds = |domain: &Value| -> Vec<String> {
        let challenges = domain["challenges"].as_array().unwrap().iter();
        challenges.map(|challenge| challenge["type"].as_str().unwrap().to_owned()).collect()
    };
    let of = |name: &str| dv.iter().find(|domain| domain["domain"] == name).unwrap();
    assert_eq!(dv.len(), 2);
    assert_eq!(kinds(of("*.edge.test")), ["dns-01"]);
    assert_eq!(kinds(of("edge.test")), ["http-01", "dns-01"]);
    let found: Vec<_> = dv.iter().map(|domain| challenge(domain, "dns-01")).collect();
    assert!(found.iter().all(|found| found["fullPath"] == "_acme-challenge.edge.test."));
    let values: Vec<_> =
        found.iter().map(|found| format!("\"{}\"", found["responseBody"].as_str().unwrap())).collect();
    assert_ne!(values[0], values[1]);

    let rdata: Vec<_> = values.iter().map(String::as_str).collect();
    let created = world.cps.write_txt("POST", ZONE, "_acme-challenge.edge.test", &rdata).await;
    assert_eq!(created.status, 201, "{}", created.text);
    world.cps.acknowledge(ids).await;
    world.reaches(ids, "complete").await;
}

#[tokio::test]
async fn the_error_of_the_authority_is_at_the_name_and_at_the_challenge_it_was_asked_about() {
    let world = World::start(|config| config.waits.failure_retry = NEVER).await;
    let names = ["*.wild.example.com", "record.example.com", "token.example.com"];
    let ids = world.cps.created(&enrollment(&names)).await;
    let challenges = world.offered(ids).await;
    let record = challenges["dv"].as_array().unwrap().iter().find(|d| d["domain"] == names[1]).unwrap();
    let record = challenge(record, "dns-01");
    let value = record["responseBody"].as_str().unwrap().to_owned();
    world.txt.lock().unwrap().insert(record["fullPath"].as_str().unwrap().to_owned(), vec![value]);
    world.cps.acknowledge(ids).await;
    let dv = eventually("the failure is shown", async || {
        let dv = world.cps.challenges(ids).await.json["dv"].clone();
        dv.as_array().unwrap().iter().any(|domain| domain["status"] == "Error").then_some(dv)
    })
    .await;
    let of = |name: &str| dv.as_array().unwrap().iter().find(|domain| domain["domain"] == name).unwrap();
    let wildcard = of(names[0]);
    assert_eq!(wildcard["error"], "The TXT record was not found.");
    assert_eq!(challenge(wildcard, "dns-01")["error"], wildcard["error"]);
    assert_eq!((&of(names[1])["error"], &of(names[1])["status"]), (&Value::Null, &json!("Awaiting user")));
    let token = of(names[2]);
    assert!(token["error"].as_str().unwrap().contains("404 Not Found"), "{token}");
    assert_eq!(challenge(token, "http-01")["error"], token["error"]);
    assert_eq!(challenge(token, "dns-01")["error"], Value::Null);
}

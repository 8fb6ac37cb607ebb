//! TXT records in Edge DNS: what the client sends, what it leaves to others, and what happens when others write too.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use akamai_cps::edge_dns::{Added, Removed, Turns, TxtRecord, ZoneType, zone_of};
use akamai_cps::types::EnrollmentId;
use akamai_cps::{Budget, Budgets, EdgeDns, Error, Priority};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::edge_dns_server::{EdgeDnsServer, Mishap, NAME, ZONE, problem, zone_busy};
use crate::server::{builder, verified_nonce};

fn values<const N: usize>(values: [&str; N]) -> Vec<String> {
    values.map(str::to_owned).to_vec()
}

fn line(request: &Request) -> String {
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{} {}{query}", request.method, request.url.path())
}

/// Method and path, the media types, and the body.
fn summary(request: &Request) -> (String, String, Option<String>, Option<Value>) {
    let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let body = (!request.body.is_empty()).then(|| request.body_json().unwrap());
    (line(request), header("accept").unwrap(), header("content-type"), body)
}

#[tokio::test]
async fn every_request_has_its_method_path_media_types_and_body_and_is_signed() {
    let dns = EdgeDnsServer::start().await;
    let client = dns.client();
    client.zones().await.unwrap();
    client.add_txt(ZONE, NAME, &values(["one"]), 60).await.unwrap();
    client.add_txt(ZONE, NAME, &values(["t\"wo"]), 60).await.unwrap();
    client.remove_txt(ZONE, NAME, &values(["one", "t\"wo"])).await.unwrap();

    let requests = dns.server.received_requests().await.unwrap();
    requests.iter().for_each(|request| drop(verified_nonce(request)));
    let path = "/config-dns/v2/zones/example.com/names/_acme-challenge.www.example.com/types/TXT";
    let json_type = || "application/json".to_owned();
    let read = || (format!("GET {path}"), json_type(), None, None);
    let write = |method: &str, rdata: Value| {
        let body = json!({"name": NAME, "type": "TXT", "ttl": 60, "rdata": rdata});
        (format!("{method} {path}"), json_type(), Some(json_type()), Some(body))
    };
    let expected = [
        ("GET /config-dns/v2/zones?showAll=true".to_owned(), json_type(), None, None),
        read(),
        write("POST", json!(["\"one\""])),
        read(),
        write("PUT", json!(["\"one\"", "\"t\\\"wo\""])),
        read(),
        (format!("DELETE {path}"), "*/*".to_owned(), None, None),
    ];
    assert_eq!(requests.iter().map(summary).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn names_are_sent_in_lower_case_without_the_dot_at_the_end() {
    let dns = EdgeDnsServer::start().await;
    let name = "_ACME-Challenge.WWW.Example.com.";
    dns.client().add_txt("EXAMPLE.com.", name, &values(["a"]), 60).await.unwrap();
    assert_eq!(dns.rdata().unwrap(), ["\"a\""]);
}

#[tokio::test]
async fn what_is_no_name_in_the_zone_is_not_sent() {
    let dns = EdgeDnsServer::start().await;
    for name in ["../../x.example.com", "www.example.org"] {
        let error = dns.client().txt(ZONE, name).await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest { .. }) && !error.is_transient(), "{error}");
    }
    assert!(dns.methods().await.is_empty());
}

#[tokio::test]
async fn a_record_is_read_as_it_is_meant() {
    let dns = EdgeDnsServer::with(&[r#""a \"b\" \\c""#, r#""\195\169" "second""#, "bare"]).await;
    let read = dns.client().txt(ZONE, NAME).await.unwrap();
    let expected = TxtRecord { ttl: 300, values: values([r#"a "b" \c"#, "ésecond", "bare"]) };
    assert_eq!(read, Some(expected));
    dns.state().set(&[]);
    assert_eq!(dns.client().txt(ZONE, NAME).await.unwrap(), None);
}

#[tokio::test]
async fn values_of_others_and_the_time_to_live_are_kept_byte_for_byte() {
    // Others may write them bare, in two strings, or with bytes that are not text.
    let foreign = ["bare", r#""two" "strings""#, r#""\255\000""#];
    let dns = EdgeDnsServer::with(&foreign).await;
    assert_eq!(dns.client().add_txt(ZONE, NAME, &values(["a", "a"]), 60).await.unwrap(), Added::Extended);
    let with_ours: Vec<String> =
        foreign.iter().map(|rdata| rdata.to_string()).chain(values(["\"a\""])).collect();
    assert_eq!(dns.state().records[NAME], (300, with_ours));
    assert_eq!(dns.client().remove_txt(ZONE, NAME, &values(["a", "b"])).await.unwrap(), Removed::Reduced);
    assert_eq!(dns.rdata().unwrap(), foreign);
}

#[tokio::test]
async fn nothing_is_written_when_there_is_nothing_to_do() {
    // Our value may be spelt differently there.
    let dns = EdgeDnsServer::with(&[r#""\097" "b""#, "\"other\""]).await;
    let client = dns.client();
    let ours = values(["ab"]);
    assert_eq!(client.add_txt(ZONE, NAME, &ours, 60).await.unwrap(), Added::AlreadyThere);
    assert_eq!(client.add_txt(ZONE, NAME, &[], 60).await.unwrap(), Added::AlreadyThere);
    assert_eq!(client.remove_txt(ZONE, NAME, &values(["c"])).await.unwrap(), Removed::NotThere);
    dns.state().set(&[]);
    assert_eq!(client.remove_txt(ZONE, NAME, &ours).await.unwrap(), Removed::NotThere);
    assert_eq!(dns.methods().await, ["GET"; 4]);
}

#[tokio::test]
async fn a_record_that_another_creates_first_is_extended() {
    let dns = EdgeDnsServer::start().await;
    dns.next_write(Mishap::Overtaken(vec!["\"theirs\""]));
    assert_eq!(dns.client().add_txt(ZONE, NAME, &values(["ours"]), 60).await.unwrap(), Added::Extended);
    assert_eq!(dns.rdata().unwrap(), ["\"theirs\"", "\"ours\""]);
    assert_eq!(dns.methods().await, ["GET", "POST", "GET", "PUT"]);
}

#[tokio::test]
async fn a_record_that_another_removes_first_is_created() {
    let not_found = || Mishap::Refused(problem(404, "notFound", "Unable to find record set"));
    for (mishap, expected) in [
        (Mishap::Overtaken(vec![]), vec!["\"ours\""]),
        // The other form of the conflict. The record exists again when it is read.
        (not_found(), vec!["\"theirs\"", "\"ours\""]),
    ] {
        let dns = EdgeDnsServer::with(&["\"theirs\""]).await;
        dns.next_write(mishap);
        dns.client().add_txt(ZONE, NAME, &values(["ours"]), 60).await.unwrap();
        assert_eq!(dns.rdata().unwrap(), expected);
    }
    let dns = EdgeDnsServer::with(&["\"ours\""]).await;
    dns.next_write(Mishap::Overtaken(vec![]));
    assert_eq!(dns.client().remove_txt(ZONE, NAME, &values(["ours"])).await.unwrap(), Removed::NotThere);
}

#[tokio::test]
async fn a_write_that_meets_another_in_the_zone_is_tried_again_with_what_is_there_then() {
    let dns = EdgeDnsServer::with(&["\"theirs\""]).await;
    dns.next_write(Mishap::Refused(zone_busy()));
    // Between the two attempts somebody else writes the same record.
    dns.next_write(Mishap::Overtaken(vec![]));
    dns.next_write(Mishap::Refused(zone_busy()));
    assert_eq!(dns.client().add_txt(ZONE, NAME, &values(["ours"]), 60).await.unwrap(), Added::Created);
    let expected = ["GET", "PUT", "GET", "PUT", "GET", "POST", "GET", "POST"];
    assert_eq!((dns.methods().await, dns.rdata().unwrap()), (values(expected), values(["\"ours\""])));

    dns.next_write(Mishap::Refused(zone_busy()));
    assert_eq!(dns.client().remove_txt(ZONE, NAME, &values(["ours"])).await.unwrap(), Removed::Deleted);
    assert_eq!(dns.rdata(), None);
}

#[tokio::test]
async fn a_zone_that_stays_busy_is_left_for_later() {
    let dns = EdgeDnsServer::start().await;
    (0..9).for_each(|_| dns.next_write(Mishap::Refused(zone_busy())));
    let error = dns.client().add_txt(ZONE, NAME, &values(["a"]), 60).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let expected = "edge-dns.create-txt: HTTP 409: Refused: Please try your request again";
    assert_eq!((error.to_string().as_str(), dns.methods().await.len()), (expected, 10));
}

#[tokio::test]
async fn a_conflict_that_stays_is_an_error_of_its_own() {
    let dns = EdgeDnsServer::start().await;
    let cname = || Mishap::Refused(problem(409, "conflict", "A CNAME exists at this name"));
    (0..9).for_each(|_| dns.next_write(cname()));
    let error = dns.client().add_txt(ZONE, NAME, &values(["a"]), 60).await.unwrap_err();
    let expected = "edge-dns.create-txt: HTTP 409: Refused: A CNAME exists at this name";
    assert_eq!((error.to_string().as_str(), error.is_transient()), (expected, false));
    assert_eq!(dns.methods().await, ["GET", "POST", "GET", "POST", "GET", "POST"]);
}

/// Twelve certificates, each with a value for one of four names, all at once. Returns the values that are missing in
/// the end.
async fn add_twelve(dns: &EdgeDnsServer, clients: &[EdgeDns]) -> Vec<String> {
    let name = |number: usize| format!("_acme-challenge.{}.example.com", number % 4);
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            let client = clients[number % clients.len()].clone();
            tokio::spawn(async move {
                client.add_txt(ZONE, &name(number), &[format!("value-{number}")], 60).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let state = dns.state();
    let is_missing =
        |number: &usize| !state.records[&name(*number)].1.contains(&format!("\"value-{number}\""));
    (0..12).filter(is_missing).map(name).collect()
}

#[tokio::test]
async fn twelve_certificates_in_one_zone_write_one_after_the_other_whichever_client_they_use() {
    let dns = EdgeDnsServer::start().await;
    dns.state().slow = true;
    let budgets = Budgets::unlimited();
    let client = || {
        let builder = dns.builder().edge_dns_turns(budgets.edge_dns("namespace/shop/account/production"));
        builder.build().unwrap().edge_dns(Priority::Publish, "uid")
    };
    let clients: Vec<EdgeDns> = (0..12).map(|_| client()).collect();
    assert_eq!(add_twelve(&dns, &clients).await, Vec::<String>::new());
    assert_eq!(dns.state().overlaps, 0);
}

#[tokio::test]
async fn two_processes_that_write_to_one_zone_lose_no_value() {
    let dns = EdgeDnsServer::start().await;
    dns.state().slow = true;
    // Clients with separate turns do not know of each other.
    let clients = [dns.client(), dns.client()];
    assert_eq!(add_twelve(&dns, &clients).await, Vec::<String>::new());
    assert!(dns.state().overlaps > 0);
}

#[tokio::test]
async fn all_zones_are_listed_however_many_there_are() {
    let dns = EdgeDnsServer::start().await;
    let zone =
        |name: String, zone_type: &str| json!({"zone": name, "type": zone_type, "contractId": "1-2ABCDE"});
    let mut zones: Vec<Value> =
        (0..60).map(|number| zone(format!("{number}.example.org"), "PRIMARY")).collect();
    zones.push(zone("example.com".to_owned(), "PRIMARY"));
    zones.push(zone("www.example.com".to_owned(), "SECONDARY"));
    dns.state().zones = zones;
    let zones = dns.client().zones().await.unwrap();
    assert_eq!((zones.len(), &zones[61].zone_type), (62, &ZoneType::Secondary));
    assert_eq!(zone_of(&zones, "api.example.com").unwrap().name, "example.com");
    assert_eq!(zone_of(&zones, NAME), None);
    assert_eq!(dns.methods().await.len(), 1);
}

#[tokio::test]
async fn part_of_the_zones_is_not_taken_for_all() {
    let part =
        json!({"metadata": {"totalElements": 2}, "zones": [{"zone": "example.com", "type": "PRIMARY"}]});
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(part)).mount(&server).await;
    let client = builder(&server.uri()).build().unwrap().edge_dns(Priority::Poll, "uid");
    let error = client.zones().await.unwrap_err().to_string();
    assert!(error.contains("1 of 2 zones although all were asked for"), "{error}");
}

#[tokio::test]
async fn only_a_404_of_edge_dns_itself_means_that_there_is_no_record() {
    let page = || ResponseTemplate::new(404).set_body_string("<html><title>Not Found</title></html>");
    let cases = [
        (ResponseTemplate::new(500), 3),
        (page(), 1),
        (problem(403, "forbidden", "No access to the zone"), 1),
        (problem(400, "badRequest", "The record does not exist"), 1),
        (ResponseTemplate::new(200).set_body_string("<html>"), 1),
    ];
    for (number, (answer, requests)) in cases.into_iter().enumerate() {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let client = builder(&server.uri()).build().unwrap().edge_dns(Priority::Poll, "uid");
        assert!(client.txt(ZONE, NAME).await.is_err(), "case {number}");
        assert!(client.add_txt(ZONE, NAME, &values(["a"]), 60).await.is_err(), "case {number}");
        assert!(client.remove_txt(ZONE, NAME, &values(["a"])).await.is_err(), "case {number}");
        let sent = server.received_requests().await.unwrap();
        assert!(sent.iter().all(|request| request.method == "GET"), "case {number}");
        assert_eq!(sent.len(), 3 * requests, "case {number}");
    }
}

#[tokio::test]
async fn a_zone_that_does_not_exist_is_an_error_when_something_is_to_be_written() {
    let dns = EdgeDnsServer::start().await;
    let error = dns.client().add_txt("example.org", "a.example.org", &values(["a"]), 60).await.unwrap_err();
    let expected = "edge-dns.create-txt: HTTP 404: Not Found: Unable to find zone";
    assert_eq!((error.to_string().as_str(), dns.methods().await.len()), (expected, 2));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_can_simply_be_asked_for_again() {
    let dns = EdgeDnsServer::start().await;
    let client = dns.client();
    for (value, expected) in [("one", vec!["\"one\""]), ("two", vec!["\"one\"", "\"two\""])] {
        dns.next_write(Mishap::AnswerLost);
        let error = client.add_txt(ZONE, NAME, &values([value]), 60).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{error}");
        assert_eq!(client.add_txt(ZONE, NAME, &values([value]), 60).await.unwrap(), Added::AlreadyThere);
        assert_eq!(dns.rdata().unwrap(), expected);
    }
    for (value, expected) in [("one", Some(values(["\"two\""]))), ("two", None)] {
        dns.next_write(Mishap::AnswerLost);
        let error = client.remove_txt(ZONE, NAME, &values([value])).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{error}");
        assert_eq!(client.remove_txt(ZONE, NAME, &values([value])).await.unwrap(), Removed::NotThere);
        assert_eq!(dns.rdata(), expected);
    }
    let writes = dns.methods().await.into_iter().filter(|method| method != "GET").count();
    assert_eq!(writes, 4);
}

#[tokio::test]
async fn the_budgets_of_cps_and_edge_dns_do_not_touch_each_other() {
    let server = MockServer::start().await;
    let too_many = ResponseTemplate::new(429).insert_header("retry-after", "30");
    Mock::given(any()).respond_with(too_many).mount(&server).await;
    let (budget, turns) = (Budget::new(1000, 10), Arc::new(Turns::new()));
    let client = builder(&server.uri()).budget(budget.clone()).edge_dns_turns(turns.clone()).build().unwrap();
    let before = turns.budget().remaining();

    let error = client.edge_dns(Priority::Poll, "uid").zones().await.unwrap_err();
    assert!(error.retry_after().is_some_and(|wait| wait > Duration::from_secs(25)), "{error}");
    assert_eq!((budget.paused_for(), budget.remaining()), (None, Some(10)));
    assert_eq!((before, turns.budget().remaining()), (Some(20), Some(0)));

    // CPS still gets requests.
    client.with(Priority::Poll, "uid").get_enrollment(EnrollmentId(1)).await.unwrap_err();
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[test]
fn the_clients_of_a_group_share_their_turns_and_others_do_not() {
    let budgets = Budgets::new();
    let first = budgets.edge_dns("a");
    assert!(Arc::ptr_eq(&first, &budgets.clone().edge_dns("a")));
    assert!(!Arc::ptr_eq(&first, &budgets.edge_dns("b")));
    assert_eq!(first.budget().remaining(), Some(20));
    assert_eq!(Budgets::unlimited().edge_dns("a").budget().remaining(), None);
    assert!(budgets.used().is_empty(), "a group that uses no CPS has no budget of it");
}

#[tokio::test]
async fn every_request_is_observed_under_its_own_name() {
    let dns = EdgeDnsServer::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let observer: akamai_cps::Observer =
        Arc::new(move |record| log.lock().unwrap().push((record.operation, record.status)));
    let client = dns.builder().observer(observer).build().unwrap().edge_dns(Priority::Publish, "uid");
    client.zones().await.unwrap();
    client.add_txt(ZONE, NAME, &values(["a"]), 60).await.unwrap();
    client.add_txt(ZONE, NAME, &values(["b"]), 60).await.unwrap();
    client.remove_txt(ZONE, NAME, &values(["a", "b"])).await.unwrap();
    let expected = [
        ("edge-dns.list-zones", Some(200)),
        ("edge-dns.get-txt", Some(404)),
        ("edge-dns.create-txt", Some(201)),
        ("edge-dns.get-txt", Some(200)),
        ("edge-dns.replace-txt", Some(200)),
        ("edge-dns.get-txt", Some(200)),
        ("edge-dns.delete-txt", Some(204)),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

//! An Edge DNS for tests: zones in pages of 25, TXT records in memory, both kinds of 409, and one failure at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use akamai_cps::edge_dns::Turns;
use akamai_cps::{ClientBuilder, EdgeDns, Priority};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::server::{PROBLEM, builder};

pub const ZONE: &str = "example.com";
pub const NAME: &str = "_acme-challenge.www.example.com";

/// How long a write takes. Meanwhile every other write to the zone is refused.
const WRITE_TIME: Duration = Duration::from_millis(20);

/// What happens to the next write.
pub enum Mishap {
    /// It gets this answer, and is not carried out.
    Refused(ResponseTemplate),
    /// Somebody else sets the record first.
    Overtaken(Vec<&'static str>),
    /// It is carried out, but its answer is lost.
    AnswerLost,
}

/// A running Edge DNS.
pub struct EdgeDnsServer {
    pub server: MockServer,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    /// TTL and rdata of the TXT records.
    pub records: BTreeMap<String, (u64, Vec<String>)>,
    pub zones: Vec<Value>,
    pub mishaps: VecDeque<Mishap>,
    /// How many writes were refused because of another one.
    pub overlaps: usize,
    /// Whether writes take time.
    pub slow: bool,
    busy_until: Option<Instant>,
}

impl EdgeDnsServer {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Records(state.clone())).mount(&server).await;
        Self { server, state }
    }

    /// A server with one record.
    pub async fn with(rdata: &[&str]) -> Self {
        let server = Self::start().await;
        server.state().set(rdata);
        server
    }

    pub fn builder(&self) -> ClientBuilder {
        builder(&self.server.uri()).edge_dns_turns(Arc::new(Turns::unlimited()))
    }

    pub fn client(&self) -> EdgeDns {
        self.builder().build().unwrap().edge_dns(Priority::Publish, "uid")
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn next_write(&self, mishap: Mishap) {
        self.state().mishaps.push_back(mishap);
    }

    /// The rdata of the record; `None` if it does not exist.
    pub fn rdata(&self) -> Option<Vec<String>> {
        self.state().records.get(NAME).map(|(_, rdata)| rdata.clone())
    }

    /// The methods of all requests so far.
    pub async fn methods(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().map(|request| request.method.to_string()).collect()
    }
}

impl State {
    pub fn set(&mut self, rdata: &[&str]) {
        let rdata: Vec<String> = rdata.iter().map(|rdata| (*rdata).to_owned()).collect();
        self.records.remove(NAME);
        if !rdata.is_empty() {
            self.records.insert(NAME.to_owned(), (300, rdata));
        }
    }

    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let path: Vec<&str> = request.url.path().trim_start_matches('/').split('/').collect();
        let (method, name) = match path[..] {
            ["config-dns", "v2", "zones"] => return self.list(request),
            ["config-dns", "v2", "zones", ZONE, "names", name, "types", "TXT"] => {
                (request.method.as_str(), name.to_owned())
            }
            _ => return problem(404, "notFound", "Unable to find zone"),
        };
        if method == "GET" {
            return match self.records.get(&name) {
                Some((ttl, rdata)) => ResponseTemplate::new(200).set_body_json(record(&name, *ttl, rdata)),
                None => problem(404, "notFound", "Unable to find record set"),
            };
        }
        match self.mishaps.pop_front() {
            Some(Mishap::Refused(answer)) => return answer,
            Some(Mishap::Overtaken(rdata)) => self.set(&rdata),
            Some(Mishap::AnswerLost) => {
                self.write(method, &name, request);
                return ResponseTemplate::new(504).set_body_string("<html>");
            }
            None => {}
        }
        if self.slow && self.busy_until.is_some_and(|end| Instant::now() < end) {
            self.overlaps += 1;
            return zone_busy();
        }
        let answer = self.write(method, &name, request);
        if !self.slow {
            return answer;
        }
        self.busy_until = Some(Instant::now() + WRITE_TIME);
        // The next write of the same client comes only after this one.
        answer.set_delay(WRITE_TIME * 2)
    }

    fn write(&mut self, method: &str, name: &str, request: &Request) -> ResponseTemplate {
        let is_there = self.records.contains_key(name);
        match method {
            "POST" if is_there => {
                let detail = format!("Duplicate record set found with name {name} and type TXT");
                return problem(409, "conflict", &detail);
            }
            "PUT" if !is_there => return problem(400, "badRequest", "The record does not exist"),
            "DELETE" if !is_there => return problem(404, "notFound", "Unable to find record set"),
            "DELETE" => {
                self.records.remove(name);
                return ResponseTemplate::new(204);
            }
            _ => {}
        }
        let body: Value = request.body_json().unwrap();
        assert_eq!((&body["name"], &body["type"]), (&json!(name), &json!("TXT")));
        let rdata = body["rdata"].as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned());
        self.records.insert(name.to_owned(), (body["ttl"].as_u64().unwrap(), rdata.collect()));
        ResponseTemplate::new(if method == "POST" { 201 } else { 200 }).set_body_json(body)
    }

    fn list(&self, request: &Request) -> ResponseTemplate {
        let all = request.url.query_pairs().any(|(name, value)| name == "showAll" && value == "true");
        let shown = if all { self.zones.len() } else { self.zones.len().min(25) };
        ResponseTemplate::new(200).set_body_json(json!({
            "metadata": {"page": 1, "pageSize": 25, "showAll": all, "totalElements": self.zones.len()},
            "zones": self.zones[..shown],
        }))
    }
}

pub fn record(name: &str, ttl: u64, rdata: &[String]) -> Value {
    json!({"name": name, "type": "TXT", "ttl": ttl, "rdata": rdata})
}

/// The answer to a write that met another one.
pub fn zone_busy() -> ResponseTemplate {
    problem(409, "concurrentZoneModification", "Please try your request again")
}

pub fn problem(status: u16, slug: &str, detail: &str) -> ResponseTemplate {
    let title = if status == 404 { "Not Found" } else { "Refused" };
    let problem_type = format!("https://problems.luna.akamaiapis.net/authoritative-dns/{slug}");
    let body = json!({"type": problem_type, "title": title, "detail": detail, "status": status});
    ResponseTemplate::new(status).set_body_raw(body.to_string(), PROBLEM)
}

struct Records(Arc<Mutex<State>>);

impl Respond for Records {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.0.lock().unwrap().answer(request)
    }
}

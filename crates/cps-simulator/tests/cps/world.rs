//! A simulator and its surroundings: a web server that publishes tokens, and a DNS server.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use cps_simulator::{Config, Credentials, Handle, Simulator, TlsFiles, Waits};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::client::{ACCESS_TOKEN, CLIENT_SECRET, CLIENT_TOKEN, Cps};
use crate::names::{self, Records};

/// Longer than any test: a wait of this length ends only when something else happens.
pub const NEVER: Duration = Duration::from_secs(86_400);

/// Bodies by host and path.
type Pages = Arc<Mutex<HashMap<(String, String), String>>>;
/// Targets by path, for any host.
type Redirects = Arc<Mutex<HashMap<String, String>>>;

pub struct World {
    pub simulator: Handle,
    pub cps: Cps,
    pub http: reqwest::Client,
    pub pages: Pages,
    pub redirects: Redirects,
    pub txt: Records,
}

/// No waits and no checks by CPS itself, so that only the client moves a change. A finished change stays readable.
pub fn no_waits() -> Waits {
    let zero = Duration::ZERO;
    Waits {
        create_slot_files: zero,
        generate_csr: zero,
        pre_verification: zero,
        input_window: zero,
        self_check: NEVER,
        rotation_gap: zero,
        failure_retry: zero,
        preparation_retry: zero,
        check_for_cert: zero,
        staging: zero,
        live_check: zero,
        production: zero,
        complete_visible: NEVER,
        removal: zero,
        edge_dns_write: zero,
    }
}

/// A body for these names that CPS accepts.
pub fn enrollment(names: &[&str]) -> Value {
    let contact =
        |email: &str| json!({"firstName": "A", "lastName": "B", "email": email, "phone": "617-555-0111"});
    json!({
        "ra": "lets-encrypt", "validationType": "dv", "certificateType": "san",
        "changeManagement": false, "enableMultiStackedCertificates": false,
        "csr": {"cn": names[0], "sans": &names[1..], "c": "US", "o": "Example"},
        "networkConfiguration": {
            "geography": "core", "secureNetwork": "enhanced-tls", "sniOnly": true, "quicEnabled": false,
            "dnsNameSettings": {"cloneDnsNames": true, "dnsNames": null},
        },
        "org": {"name": "Example"},
        "adminContact": contact("a@example.com"),
        "techContact": contact("b@akamai.com"),
    })
}

async fn page(State((pages, redirects)): State<(Pages, Redirects)>, request: Request) -> Response {
    let host = request.headers()["host"].to_str().unwrap().split(':').next().unwrap().to_owned();
    let path = request.uri().path().to_owned();
    if let Some(target) = redirects.lock().unwrap().get(&path) {
        return Redirect::temporary(target).into_response();
    }
    match pages.lock().unwrap().get(&(host, path)) {
        Some(body) => body.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl World {
    /// Starts without waits and request limits, unless `configure` sets some.
    pub async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        let (pages, redirects) = (Pages::default(), Redirects::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let validation_port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(page).with_state((pages.clone(), redirects.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let txt = Records::default();

        let credentials = Credentials {
            client_token: CLIENT_TOKEN.into(),
            client_secret: CLIENT_SECRET.into(),
            access_token: ACCESS_TOKEN.into(),
        };
        let any_port = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::new(any_port, vec![credentials], vec!["C-1".into(), "C-2".into()]);
        config.control_listen = Some(any_port);
        config.request_limits = false;
        config.validation_port = validation_port;
        config.dns = Some(names::start(txt.clone()).await);
        config.waits = no_waits();
        configure(&mut config);
        let simulator = Simulator::start(config).await.unwrap();
        let cps = Cps::new(simulator.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, cps, http, pages, redirects, txt }
    }

    /// Starts with HTTPS. The PEM file has the certificate that clients must trust.
    pub async fn start_with_tls() -> (Self, PathBuf) {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{:x}", rand::random::<u64>()));
        std::fs::create_dir_all(&directory).unwrap();
        let (cert, key) = (directory.join("tls.crt"), directory.join("tls.key"));
        let pair = rcgen::KeyPair::generate().unwrap();
        let signed =
            rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&pair).unwrap();
        std::fs::write(&cert, signed.pem()).unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        let mut world = Self::start(|config| config.tls = Some(TlsFiles { cert: cert.clone(), key })).await;
        world.cps = world.cps.trusting(reqwest::Certificate::from_der(signed.der()).unwrap());
        (world, cert)
    }

    /// Waits until a change offers its challenges, and returns them.
    pub async fn offered(&self, ids: (u64, u64)) -> Value {
        eventually("the challenges are offered", async || {
            let change = self.cps.change(ids).await;
            (change.json["allowedInput"].as_array().is_some_and(|inputs| !inputs.is_empty())).then_some(())
        })
        .await;
        let answer = self.cps.challenges(ids).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json
    }

    /// Publishes the HTTP-01 tokens on the web server of each name.
    pub fn publish(&self, challenges: &Value) {
        for domain in challenges["dv"].as_array().unwrap() {
            let challenge = &challenge(domain, "http-01");
            let path = challenge["fullPath"].as_str().unwrap().strip_prefix("http://").unwrap();
            let (host, path) = path.split_once('/').unwrap();
            let body = challenge["responseBody"].as_str().unwrap();
            self.pages.lock().unwrap().insert((host.to_owned(), format!("/{path}")), body.to_owned());
        }
    }

    /// Waits until a change has the status.
    pub async fn reaches(&self, ids: (u64, u64), status: &str) -> Value {
        eventually(status, async || {
            let answer = self.cps.change(ids).await;
            (answer.json["statusInfo"]["status"] == status).then_some(answer.json)
        })
        .await
    }

    /// Creates an enrollment and takes it to production.
    pub async fn deployed(&self, names: &[&str]) -> (u64, u64) {
        let ids = self.cps.created(&enrollment(names)).await;
        self.finish(ids).await;
        ids
    }

    /// Publishes the tokens of a change, acknowledges them, and waits for its end.
    pub async fn finish(&self, ids: (u64, u64)) {
        self.publish(&self.offered(ids).await);
        assert_eq!(self.cps.acknowledge(ids).await.status, 200);
        self.reaches(ids, "complete").await;
    }

    /// Calls the control endpoint, and returns the status and the body as JSON, or null.
    pub async fn control(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://{}{path}", self.simulator.control_address().unwrap());
        let mut request = self.http.request(method.parse().unwrap(), url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }
}

/// The challenge of a domain that has this type.
pub fn challenge(domain: &Value, kind: &str) -> Value {
    let challenges = domain["challenges"].as_array().unwrap();
    challenges.iter().find(|challenge| challenge["type"] == kind).unwrap().clone()
}

/// Asks again until there is an answer. Fails after half a minute.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

//! A signed HTTP client for the simulator. It signs with the code of the `akamai-cps` crate, which the simulator does not
//! use, and checks every answer against Akamai's document.

use akamai_cps::edgegrid::{Credentials, Signer};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::schema;

pub const CLIENT_TOKEN: &str = "akab-client-token";
pub const CLIENT_SECRET: &str = "a-client-secret=";
pub const ACCESS_TOKEN: &str = "akab-access-token";

/// `application/vnd.akamai.cps.NAME+json`.
pub fn media(name: &str) -> String {
    format!("application/vnd.akamai.cps.{name}+json")
}

/// A request before the signature. A new one has what a correct client sends.
#[derive(Clone)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub accept: Option<String>,
    pub content_type: Option<String>,
    pub body: String,
    pub time: Timestamp,
    pub nonce: String,
    pub secret: &'static str,
}

impl Call {
    pub fn new(method: &'static str, path: impl Into<String>, accept: &str) -> Self {
        Self {
            method,
            path: path.into(),
            accept: Some(media(accept)),
            content_type: None,
            body: String::new(),
            time: Timestamp::now(),
            nonce: format!("{:032x}", rand::random::<u128>()),
            secret: CLIENT_SECRET,
        }
    }

    /// A call of Edge DNS, whose bodies are `application/json`.
    pub fn edge_dns(method: &'static str, path: impl AsRef<str>) -> Self {
        let path = format!("/config-dns/v2{}", path.as_ref());
        Self { accept: Some("application/json".into()), ..Self::new(method, path, "") }
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.content_type = Some("application/json".into());
        self.body = body.to_string();
        self
    }

    pub fn body(mut self, content_type: &str, body: &Value) -> Self {
        self.content_type = Some(media(content_type));
        self.body = body.to_string();
        self
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
    /// The body; null if it is not JSON.
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The last segment of a problem's `type`.
    pub fn slug(&self) -> &str {
        self.json["type"].as_str().unwrap().rsplit('/').next().unwrap()
    }
}

/// The number at the end of a link.
pub fn last_id(link: &Value) -> u64 {
    link.as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap()
}

#[derive(Clone)]
pub struct Cps {
    pub base: String,
    http: reqwest::Client,
}

impl Cps {
    pub fn new(base: String) -> Self {
        Self { base, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// The same client, trusting another certificate.
    pub fn trusting(&self, certificate: reqwest::Certificate) -> Self {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap();
        Self { base: self.base.clone(), http }
    }

    /// Sends a call. An error is a connection that ended without an answer.
    pub async fn try_send(&self, call: &Call) -> reqwest::Result<Answer> {
        let credentials = Credentials::new("localhost", CLIENT_TOKEN, call.secret, ACCESS_TOKEN).unwrap();
        let mut request =
            http::Request::builder().method(call.method).uri(format!("{}{}", self.base, call.path));
        for (name, value) in [("accept", &call.accept), ("content-type", &call.content_type)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let (mut parts, body) = request.body(call.body.clone()).unwrap().into_parts();
        let authorization =
            Signer::new(credentials).sign(&parts, body.as_bytes(), call.time, &call.nonce).unwrap();
        parts.headers.insert("authorization", authorization);
        let request = reqwest::Request::try_from(http::Request::from_parts(parts, body)).unwrap();
        let response = self.http.execute(request).await?;

        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let answer = Answer { status, headers, json: serde_json::from_str(&text).unwrap_or_default(), text };
        schema::check(call.method, &call.path, &answer);
        Ok(answer)
    }

    pub async fn send(&self, call: Call) -> Answer {
        self.try_send(&call).await.unwrap()
    }

    pub async fn get(&self, path: impl Into<String>, accept: &str) -> Answer {
        self.send(Call::new("GET", path, accept)).await
    }

    pub async fn create(&self, body: &Value) -> Answer {
        self.create_with("contractId=C-1", body).await
    }

    pub async fn create_with(&self, query: &str, body: &Value) -> Answer {
        let path = format!("/cps/v2/enrollments?{query}");
        self.send(Call::new("POST", path, "enrollment-status.v1").body("enrollment.v11", body)).await
    }

    /// Creates and returns the IDs of the enrollment and its change.
    pub async fn created(&self, body: &Value) -> (u64, u64) {
        let answer = self.create(body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        (last_id(&answer.json["enrollment"]), last_id(&answer.json["changes"][0]))
    }

    pub async fn put(&self, enrollment: u64, query: &str, body: &Value) -> Answer {
        let path = format!("/cps/v2/enrollments/{enrollment}?{query}");
        self.send(Call::new("PUT", path, "enrollment-status.v1").body("enrollment.v11", body)).await
    }

    pub async fn delete(&self, enrollment: u64, query: &str) -> Answer {
        let path = format!("/cps/v2/enrollments/{enrollment}?{query}");
        self.send(Call::new("DELETE", path, "enrollment-status.v1")).await
    }

    pub async fn enrollment(&self, enrollment: u64) -> Answer {
        self.get(format!("/cps/v2/enrollments/{enrollment}"), "enrollment.v11").await
    }

    pub async fn change(&self, (enrollment, change): (u64, u64)) -> Answer {
        self.get(format!("/cps/v2/enrollments/{enrollment}/changes/{change}"), "change.v2").await
    }

    pub async fn cancel(&self, (enrollment, change): (u64, u64)) -> Answer {
        let path = format!("/cps/v2/enrollments/{enrollment}/changes/{change}");
        self.send(Call::new("DELETE", path, "change-id.v1")).await
    }

    pub async fn challenges(&self, (enrollment, change): (u64, u64)) -> Answer {
        let path =
            format!("/cps/v2/enrollments/{enrollment}/changes/{change}/input/info/lets-encrypt-challenges");
        self.get(path, "dv-challenges.v2").await
    }

    pub async fn acknowledge(&self, (enrollment, change): (u64, u64)) -> Answer {
        let path = format!(
            "/cps/v2/enrollments/{enrollment}/changes/{change}/input/update/lets-encrypt-challenges-completed"
        );
        let body = json!({"acknowledgement": "acknowledge"});
        self.send(Call::new("POST", path, "change-id.v1").body("acknowledgement.v1", &body)).await
    }

    pub async fn deployments(&self, enrollment: u64) -> Answer {
        self.get(format!("/cps/v2/enrollments/{enrollment}/deployments"), "deployments.v7").await
    }

    /// Lists zones of Edge DNS.
    pub async fn zones(&self, query: &str) -> Answer {
        self.send(Call::edge_dns("GET", format!("/zones?{query}"))).await
    }

    pub async fn txt(&self, zone: &str, name: &str) -> Answer {
        self.send(Call::edge_dns("GET", txt_path(zone, name))).await
    }

    /// Writes a TXT record set with `POST` or `PUT`. The values go into the body as they are.
    pub async fn write_txt(&self, method: &'static str, zone: &str, name: &str, rdata: &[&str]) -> Answer {
        let body = json!({"name": name, "type": "TXT", "ttl": 60, "rdata": rdata});
        self.send(Call::edge_dns(method, txt_path(zone, name)).json(&body)).await
    }

    pub async fn remove_txt(&self, zone: &str, name: &str) -> Answer {
        self.send(Call::edge_dns("DELETE", txt_path(zone, name))).await
    }

    pub async fn create_record_sets(&self, zone: &str, sets: &Value) -> Answer {
        let path = format!("/zones/{zone}/recordsets");
        self.send(Call::edge_dns("POST", path).json(&json!({"recordsets": sets}))).await
    }
}

/// The path of a TXT record set below `/config-dns/v2`.
pub fn txt_path(zone: &str, name: &str) -> String {
    format!("/zones/{zone}/names/{name}/types/TXT")
}

//! The log of API calls, with which tests count what a certificate costs. It grows until a test resets it.

use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::EDGE_DNS;
use crate::lock::lock;

/// One call of the API, answered or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The time of the answer.
    pub time: Timestamp,
    pub method: String,
    /// Path and query, exactly as received.
    pub path: String,
    /// The path with placeholders for numbers and names: `/cps/v2/enrollments/{enrollmentId}`,
    /// `/config-dns/v2/zones/{zone}/names/{name}/types/TXT`.
    pub pattern: String,
    /// For a create, the new enrollment.
    pub enrollment_id: Option<u64>,
    pub change_id: Option<u64>,
    /// The account switch key of the call.
    pub account: Option<String>,
    /// The status of the answer, even if a fault then lost the answer.
    pub status: u16,
    /// For a GET of a change: the SHA-256 of the answer's body, in base64. A list of a contract has megabytes, and
    /// nobody compares it.
    pub body_hash: Option<String>,
    /// Whether this is a GET of a change with exactly the same answer as the previous one: a poll that only waited.
    pub waiting: bool,
}

/// One call as the gateway reports it to the log.
pub(crate) struct Entry<'a> {
    pub method: &'a Method,
    pub path_and_query: &'a str,
    pub account: Option<&'a str>,
    pub status: u16,
    pub body: &'a [u8],
}

#[derive(Default)]
pub(crate) struct Calls(Mutex<Vec<Call>>);

impl Calls {
    pub(crate) fn list(&self) -> Vec<Call> {
        lock(&self.0).clone()
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    pub(crate) fn record(&self, entry: &Entry<'_>) {
        let path = entry.path_and_query.split('?').next().unwrap_or_default();
        let (pattern, mut enrollment_id, change_id) = pattern_of(path);
        if enrollment_id.is_none() && entry.method == Method::POST {
            enrollment_id = created(entry.body);
        }
        let is_poll = |pattern: &str, method: &str| {
            method == "GET" && pattern == "/cps/v2/enrollments/{enrollmentId}/changes/{changeId}"
        };
        let polled = is_poll(&pattern, entry.method.as_str());
        let body_hash = polled.then(|| BASE64_STANDARD.encode(Sha256::digest(entry.body)));
        let mut calls = lock(&self.0);
        let waiting = polled
            && calls
                .iter()
                .rev()
                .find(|call| call.change_id == change_id && is_poll(&call.pattern, &call.method))
                .is_some_and(|call| call.status == entry.status && call.body_hash == body_hash);
        calls.push(Call {
            time: Timestamp::now(),
            method: entry.method.to_string(),
            path: entry.path_and_query.to_owned(),
            pattern,
            enrollment_id,
            change_id,
            account: entry.account.map(str::to_owned),
            status: entry.status,
            body_hash,
            waiting,
        });
    }
}

/// Replaces the numbers in a path and its names of zones and records; returns the numbers too.
fn pattern_of(path: &str) -> (String, Option<u64>, Option<u64>) {
    let (mut enrollment, mut change) = (None, None);
    let edge_dns = path.starts_with(EDGE_DNS);
    let mut before = "";
    let mut pattern = Vec::new();
    for segment in path.split('/') {
        let number = segment.parse::<u64>().ok();
        pattern.push(match (before, number) {
            ("enrollments", Some(_)) => {
                enrollment = number;
                "{enrollmentId}"
            }
            ("changes", Some(_)) => {
                change = number;
                "{changeId}"
            }
            ("zones", None) if edge_dns => "{zone}",
            ("names", None) if edge_dns => "{name}",
            _ => segment,
        });
        before = segment;
    }
    (pattern.join("/"), enrollment, change)
}

/// Reads N from `{"enrollment": "/cps/v2/enrollments/N"}`.
fn created(body: &[u8]) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body["enrollment"].as_str()?.rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_a_path_become_placeholders() {
        let (pattern, enrollment, change) =
            pattern_of("/cps/v2/enrollments/7/changes/8/input/info/lets-encrypt-challenges");
        assert_eq!(
            pattern,
            "/cps/v2/enrollments/{enrollmentId}/changes/{changeId}/input/info/lets-encrypt-challenges"
        );
        assert_eq!((enrollment, change), (Some(7), Some(8)));
    }

    #[test]
    fn names_in_a_path_of_edge_dns_become_placeholders() {
        let (pattern, ..) = pattern_of("/config-dns/v2/zones/edge.test/names/names.edge.test/types/TXT");
        assert_eq!(pattern, "/config-dns/v2/zones/{zone}/names/{name}/types/TXT");
        assert_eq!(pattern_of("/config-dns/v2/zones").0, "/config-dns/v2/zones");
    }

    #[test]
    fn a_poll_waits_when_it_is_answered_like_the_one_before() {
        let calls = Calls::default();
        for body in ["a", "a", "b"] {
            calls.record(&Entry {
                method: &Method::GET,
                path_and_query: "/cps/v2/enrollments/7/changes/8",
                account: None,
                status: 200,
                body: body.as_bytes(),
            });
        }
        let waiting: Vec<_> = calls.list().iter().map(|call| call.waiting).collect();
        assert_eq!(waiting, [false, true, false]);
    }
}

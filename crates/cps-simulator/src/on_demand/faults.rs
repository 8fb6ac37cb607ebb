//! Faults: which requests or validations get which fault, and how often.

use std::sync::Mutex;

use http::Method;
use serde::{Deserialize, Serialize};

use crate::lock::lock;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum FaultKind {
    /// The answer comes late.
    Latency { milliseconds: u64 },
    /// The gateway answers 429 with `Retry-After` and `X-RateLimit-Next`.
    TooManyRequests {
        /// Seconds until the next try; 60 when absent.
        #[serde(default = "a_minute")]
        seconds: u64,
    },
    /// The firewall before CPS answers 400 with HTML (`IPBLOCK-BURST`).
    BurstBlock,
    /// The account limit answers 503 with plain text.
    LimitText {
        /// Seconds until the time that the text names; 60 when absent.
        #[serde(default = "a_minute")]
        seconds: u64,
    },
    /// CPS answers 5xx and does not carry out the request.
    ServerError {
        /// Status code; 500 when absent.
        #[serde(default = "internal_server_error")]
        status: u16,
    },
    /// Edge DNS answers 409 `concurrentZoneModification`, as if another write held the zone.
    ConcurrentZoneModification,
    /// CPS carries out the request, but the connection ends without an answer.
    LostAnswer,
    /// The connection ends before CPS carries out the request.
    ConnectionReset,
    /// The authority refuses an authorization; here `path` is part of the domain name.
    FailedAuthorization,
}

fn a_minute() -> u64 {
    60
}

fn internal_server_error() -> u16 {
    500
}

/// A fault, and the requests or domain names that get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Only requests with this method; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only requests whose path and query contain this; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many requests or names get it; 1 if absent.
    #[serde(default = "once")]
    pub count: u64,
}

fn once() -> u64 {
    1
}

/// The faults that are still to happen.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        lock(&self.0).push(fault);
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        lock(&self.0).clone()
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// Finds the first fault that fits, and counts it.
    fn take(&self, fits: impl Fn(&Fault) -> bool) -> Option<FaultKind> {
        let mut faults = lock(&self.0);
        let index = faults.iter().position(|fault| fault.count > 0 && fits(fault))?;
        faults[index].count -= 1;
        let kind = faults[index].kind.clone();
        if faults[index].count == 0 {
            faults.remove(index);
        }
        Some(kind)
    }

    /// The fault for a request.
    pub(crate) fn for_request(&self, method: &Method, path_and_query: &str) -> Option<FaultKind> {
        self.take(|fault| {
            fault.kind != FaultKind::FailedAuthorization
                && fault.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method.as_str()))
                && fault.path.as_ref().is_none_or(|path| path_and_query.contains(path.as_str()))
        })
    }

    /// The name among `names` whose authorization fails.
    pub(crate) fn failed_authorization(&self, names: &[&str]) -> Option<String> {
        for name in names {
            let fits = |fault: &Fault| {
                fault.kind == FaultKind::FailedAuthorization
                    && fault.path.as_ref().is_none_or(|path| name.contains(path.as_str()))
            };
            if self.take(fits).is_some() {
                return Some((*name).to_owned());
            }
        }
        None
    }
}

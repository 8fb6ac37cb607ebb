//! What is in the ConfigMap of a certificate: tokens and redirects for the solver, and the TXT records that have to be
//! removed. Operator and solver share this format. Not here: the ConfigMap's name and labels (`objects`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use akacert_api::validation::{DnsEndpoint, EdgeDns, Rfc2136};
use akacert_api::way::Way;

/// Where the authority looks for tokens (RFC 8555, section 8.3).
pub const CHALLENGES_PATH: &str = "/.well-known/acme-challenge";

/// Key under which the tokens are.
pub const CHALLENGES_KEY: &str = "challenges.json";

/// Key under which the redirects are; absent when there is none.
const REDIRECTS_KEY: &str = "redirects.json";

/// Key under which the TXT records are that we have written or are about to write; absent when there is none.
const RECORDS_KEY: &str = "records.json";

/// The most tokens that one certificate publishes. Tokens that rotated away are kept while the change lasts; a ConfigMap
/// and an Ingress have to hold them all.
const MOST_TOKENS: usize = 1000;

/// So many TXT values that rotated away stay at a name: the authority may still look for the last of them. A refused or
/// expired order has others, so a change that fails for weeks would gather them without end.
pub const MOST_ROTATED: usize = 4;

/// One HTTP-01 token: what has to be answered where (RFC 8555, section 8.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The host name, lower case, without a port.
    pub host: String,
    /// The path, starting with a slash.
    pub path: String,
    /// The answer, exactly.
    pub body: String,
}

/// A host whose challenges are redirected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Redirection {
    /// The host name, lower case, without a port.
    pub host: String,
    /// The host that it is redirected to.
    pub to: String,
}

/// TXT values at one name (RFC 8555, section 8.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Record {
    /// The name, lower case, without the last dot.
    pub name: String,
    /// The values.
    pub values: BTreeSet<String>,
    /// Who writes it.
    pub by: By,
}

impl Record {
    /// Each value by itself.
    pub fn each(&self) -> impl Iterator<Item = Record> + '_ {
        self.values.iter().map(|value| Record { values: [value.clone()].into(), ..self.clone() })
    }

    /// Without some of its values.
    #[must_use]
    pub fn without(mut self, gone: &BTreeSet<Record>) -> Self {
        let kept = self.each().filter(|one| !gone.contains(one)).flat_map(|one| one.values).collect();
        self.values = kept;
        self
    }
}

/// Who writes a TXT record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// We, in Edge DNS.
    EdgeDns(EdgeDns),
    /// We, by DNS updates.
    Rfc2136(Rfc2136),
    /// external-dns.
    DnsEndpoint(DnsEndpoint),
    /// Somebody else.
    Manual,
}

impl By {
    /// Who writes the records of a way; none for ways without records.
    #[must_use]
    pub fn of(way: Way<'_>) -> Option<Self> {
        match way {
            Way::EdgeDns(way) => Some(By::EdgeDns(way.clone())),
            Way::Rfc2136(way) => Some(By::Rfc2136(way.clone())),
            Way::DnsEndpoint(way) => Some(By::DnsEndpoint(way.clone())),
            Way::Manual => Some(By::Manual),
            Way::Edge | Way::Ingress(_) | Way::Gateway(_) | Way::Redirect(_) | Way::External => None,
        }
    }

    /// Whether we write it, and so have to remove it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, By::EdgeDns(_) | By::Rfc2136(_))
    }
}

/// Everything in the ConfigMap of a certificate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Tokens that the solver answers with.
    pub tokens: BTreeSet<Token>,
    /// Hosts that the solver redirects.
    pub redirects: BTreeSet<Redirection>,
    /// TXT records that we write. They are here before they are anywhere else, so that a crash leaves none behind.
    pub records: BTreeSet<Record>,
}

impl Content {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.redirects.is_empty() && self.records.is_empty()
    }
}

/// A ConfigMap does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The key of the tokens is missing.
    #[error("the ConfigMap has no key {CHALLENGES_KEY}")]
    KeyMissing,
    /// A value is not what it should be.
    #[error("{key} is not a JSON list of {what}: {source}")]
    NotAList {
        /// Its key.
        key: &'static str,
        /// Of what.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A token can never be asked for.
    #[error("{CHALLENGES_KEY} holds a token without a host or whose path does not start with a slash")]
    Unreachable,
}

/// As a ConfigMap has it.
pub(super) fn data(content: &Content) -> BTreeMap<String, String> {
    // Lists of strings cannot fail to become JSON.
    fn json<T: Serialize>(list: &BTreeSet<T>) -> String {
        serde_json::to_string(list).unwrap_or_default()
    }
    let mut data = BTreeMap::from([(CHALLENGES_KEY.to_owned(), json(&content.tokens))]);
    if !content.redirects.is_empty() {
        data.insert(REDIRECTS_KEY.to_owned(), json(&content.redirects));
    }
    if !content.records.is_empty() {
        data.insert(RECORDS_KEY.to_owned(), json(&content.records));
    }
    data
}

/// What is in a ConfigMap.
///
/// # Errors
/// The ConfigMap is not one that the operator writes.
pub fn read(config_map: &ConfigMap) -> Result<Content, Malformed> {
    let tokens: Option<BTreeSet<Token>> = list(config_map, CHALLENGES_KEY, "host, path and body")?;
    let tokens = tokens.ok_or(Malformed::KeyMissing)?;
    if tokens.iter().any(|token| token.host.is_empty() || !token.path.starts_with('/')) {
        return Err(Malformed::Unreachable);
    }
    Ok(Content {
        tokens,
        redirects: list(config_map, REDIRECTS_KEY, "host and to")?.unwrap_or_default(),
        records: list(config_map, RECORDS_KEY, "name, values and by")?.unwrap_or_default(),
    })
}

fn list<T: DeserializeOwned>(
    config_map: &ConfigMap,
    key: &'static str,
    what: &'static str,
) -> Result<Option<T>, Malformed> {
    let Some(json) = config_map.data.as_ref().and_then(|data| data.get(key)) else { return Ok(None) };
    serde_json::from_str(json).map(Some).map_err(|source| Malformed::NotAList { key, what, source })
}

/// What is in a ConfigMap; nothing if somebody spoilt it, so that it is written anew.
#[must_use]
pub fn content_of(config_map: &ConfigMap) -> Content {
    read(config_map).unwrap_or_default()
}

/// The old tokens and the wanted ones, in a stable order. Old ones stay until the change has completed, since the
/// authority may still ask for them; where both have an answer for a URL, the wanted one holds.
#[must_use]
pub fn keep(old: impl IntoIterator<Item = Token>, wanted: &[Token]) -> Vec<Token> {
    let url = |token: &Token| (token.host.clone(), token.path.clone());
    let mut tokens: BTreeMap<_, _> = wanted.iter().map(|token| (url(token), token.clone())).collect();
    for token in old {
        if tokens.len() >= MOST_TOKENS {
            break;
        }
        tokens.entry(url(&token)).or_insert(token);
    }
    tokens.into_values().collect()
}

/// The old records and the wanted ones: values that rotated away stay for a while, too (see [`rotated_away`]).
#[must_use]
pub fn keep_records(old: impl IntoIterator<Item = Record>, wanted: &[Record]) -> Vec<Record> {
    let mut records: BTreeMap<(String, By), BTreeSet<String>> = BTreeMap::new();
    for record in wanted.iter().cloned().chain(old).filter(|record| !record.values.is_empty()) {
        let values = records.entry((record.name, record.by)).or_default();
        values.extend(record.values);
    }
    records.into_iter().map(|((name, by), values)| Record { name, values, by }).collect()
}

/// The value to remove next: of those that rotated away from a name, all but the [`MOST_ROTATED`] that were written last.
/// What nobody knows the time of was written before all others.
#[must_use]
pub fn rotated_away(
    old: &[Record],
    wanted: &[Record],
    written: &BTreeMap<Record, Timestamp>,
) -> Option<Record> {
    let wanted: BTreeSet<Record> = wanted.iter().flat_map(Record::each).collect();
    old.iter().find_map(|record| {
        let mut rotated: Vec<Record> = record.each().filter(|one| !wanted.contains(one)).collect();
        rotated.sort_by_key(|one| written.get(one));
        let is_surplus = rotated.len() > MOST_ROTATED;
        rotated.into_iter().next().filter(|_| is_surplus)
    })
}

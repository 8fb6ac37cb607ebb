//! A token, and how tokens are written into and read from a ConfigMap. Operator and solver share this format.
//! Not here: the ConfigMap's name and labels (`objects`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};

use super::objects::CHALLENGES_KEY;

/// The most tokens that one certificate publishes. Tokens that rotated away are kept while the change lasts; a ConfigMap
/// and an Ingress have to hold them all.
const MOST_TOKENS: usize = 1000;

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

/// A ConfigMap does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum MalformedChallenges {
    /// The key is missing.
    #[error("the ConfigMap has no key {CHALLENGES_KEY}")]
    KeyMissing,
    /// The value is not a list of tokens.
    #[error("{CHALLENGES_KEY} is not a JSON list of host, path and body: {0}")]
    NotTokens(#[from] serde_json::Error),
    /// A token can never be asked for.
    #[error("{CHALLENGES_KEY} holds a token without a host or whose path does not start with a slash")]
    Unreachable,
}

/// The tokens in a ConfigMap.
///
/// # Errors
/// The ConfigMap is not one that the operator writes.
pub fn read_tokens(config_map: &ConfigMap) -> Result<Vec<Token>, MalformedChallenges> {
    let json = config_map.data.as_ref().and_then(|data| data.get(CHALLENGES_KEY));
    let tokens: Vec<Token> = serde_json::from_str(json.ok_or(MalformedChallenges::KeyMissing)?)?;
    if tokens.iter().any(|token| token.host.is_empty() || !token.path.starts_with('/')) {
        return Err(MalformedChallenges::Unreachable);
    }
    Ok(tokens)
}

/// The tokens in a ConfigMap; none if somebody spoilt it, so that it is written anew.
#[must_use]
pub fn published_tokens(config_map: &ConfigMap) -> Vec<Token> {
    read_tokens(config_map).unwrap_or_default()
}

/// The old tokens and the wanted ones, in a stable order. Old ones stay until the change has completed, since the
/// authority may still ask for them; where both have an answer for a URL, the wanted one holds.
#[must_use]
pub fn keep(old: Vec<Token>, wanted: &[Token]) -> Vec<Token> {
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

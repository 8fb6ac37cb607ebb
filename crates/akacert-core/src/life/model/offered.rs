//! What proves a name, as CPS offers it: tokens and TXT records.

use akamai_cps_types::{ChallengeType, DomainValidation};

use crate::published::Token;

/// The tokens of a name.
pub fn tokens(domain: &DomainValidation) -> Vec<Token> {
    domain
        .to_publish(ChallengeType::Http01)
        .filter_map(|challenge| {
            let (host, path) = challenge.http_location()?;
            Some(Token { host: host.into(), path: path.into(), body: challenge.response_body.clone()? })
        })
        .collect()
}

/// The TXT records of a name: where, and what.
pub fn records(domain: &DomainValidation) -> Vec<(String, String)> {
    domain
        .to_publish(ChallengeType::Dns01)
        .filter_map(|challenge| {
            let name = challenge.full_path.as_deref()?.trim_end_matches('.').to_owned();
            Some((name, challenge.response_body.clone()?))
        })
        .collect()
}

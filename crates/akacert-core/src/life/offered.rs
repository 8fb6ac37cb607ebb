//! PURE: turns the challenges that CPS offers into the tokens and TXT records that each name's way publishes, only
//! for names that the account allows.

use akamai_cps_types::{Challenge, ChallengeType, DomainValidation};

use super::proof::Proof;
use crate::account::Account;
use crate::allowed;
use crate::published::{self, By, CHALLENGES_PATH, Record, Token};
use akacert_api::certificate::CertificateSpec;
use akacert_api::way::Way;

/// The label of a TXT record below its name (RFC 8555, section 8.4).
const RECORD_LABEL: &str = "_acme-challenge.";

/// The way of a name, as CPS shows it. If CPS shows a wildcard by its base name, the challenges tell the two apart.
pub(super) fn way<'a>(spec: &'a CertificateSpec, domain: &DomainValidation) -> Way<'a> {
    let name = domain.domain.to_ascii_lowercase();
    let way = spec.way(&name);
    let wildcard = format!("*.{name}");
    let only_dns = !domain.challenges.is_empty()
        && domain.challenges.iter().all(|challenge| challenge.challenge_type == ChallengeType::Dns01);
    if way.is_http() && only_dns && spec.names().contains(&wildcard.as_str()) {
        return spec.way(&wildcard);
    }
    way
}

/// Whether every name that is not validated has the challenge that its way needs. An empty list means that CPS is not
/// ready.
pub(super) fn is_complete(spec: &CertificateSpec, domains: &[DomainValidation]) -> bool {
    !domains.is_empty()
        && domains.iter().all(|domain| {
            domain.is_validated()
                || match way(spec, domain) {
                    Way::Edge => true,
                    Way::EdgeDns(_) | Way::DnsEndpoint(_) | Way::Rfc2136(_) | Way::Manual => {
                        domain.to_publish(ChallengeType::Dns01).any(|offered| record_name(offered).is_some())
                    }
                    Way::Ingress(_) | Way::Gateway(_) | Way::Redirect(_) | Way::External => domain
                        .to_publish(ChallengeType::Http01)
                        .any(|challenge| challenge.http_location().is_some()),
                }
        })
}

/// What to publish.
pub(super) fn proof(spec: &CertificateSpec, domains: &[DomainValidation], account: &Account) -> Proof {
    let mut proof = Proof::default();
    for domain in domains {
        let way = way(spec, domain);
        if let Some(by) = By::of(way) {
            let offered = domain.to_publish(ChallengeType::Dns01);
            proof.records.extend(offered.filter_map(|offered| record(offered, &by, account)));
        } else if way.is_http() {
            let tokens =
                domain.to_publish(ChallengeType::Http01).filter_map(|offered| token(offered, account));
            let served = published::is_served(spec, &domain.domain.to_ascii_lowercase());
            if served { proof.tokens.extend(tokens) } else { proof.elsewhere.extend(tokens) }
        }
    }
    for tokens in [&mut proof.tokens, &mut proof.elsewhere] {
        tokens.sort();
        tokens.dedup();
    }
    proof.records.sort();
    proof.records.dedup();
    proof
}

fn token(offered: &Challenge, account: &Account) -> Option<Token> {
    let (host, path) = offered.http_location()?;
    let host = host.to_ascii_lowercase();
    let below = path.strip_prefix(CHALLENGES_PATH)?.starts_with('/');
    let body = offered.response_body.clone()?;
    (below && is_allowed(account, &host)).then(|| Token { host, path: path.to_owned(), body })
}

fn record(offered: &Challenge, by: &By, account: &Account) -> Option<Record> {
    let name = record_name(offered)?;
    let value = offered.response_body.clone()?;
    // A wildcard's record is below its base name, which the account need not allow.
    let base = name.strip_prefix(RECORD_LABEL)?;
    let allowed = is_allowed(account, base) || is_allowed(account, &format!("*.{base}"));
    allowed.then(|| Record { name, values: [value].into(), by: by.clone() })
}

/// The name of a TXT record, in lower case and without the trailing dot.
fn record_name(offered: &Challenge) -> Option<String> {
    let name = offered.full_path.as_deref()?.trim_end_matches('.').to_ascii_lowercase();
    name.starts_with(RECORD_LABEL).then_some(name)
}

fn is_allowed(account: &Account, host: &str) -> bool {
    account.allowed_domains.as_deref().is_none_or(|allowed| allowed::disallowed(allowed, &[host]).is_empty())
}

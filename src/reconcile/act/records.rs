//! I/O: writes or removes one TXT record, in Edge DNS or by DNS updates. Both can be repeated, and leave other values
//! at the name in place.

use std::net::SocketAddr;
use std::time::Duration;

use akamai_cps::Priority;
use akamai_cps::edge_dns::{EdgeDns as Client, closest_zone, zone_of};
use data_encoding::BASE64;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;

use super::{Context, fault};
use crate::process::failpoint;
use akacert_api::AkamaiCertificate;
use akacert_api::reason::Reason;
use akacert_api::validation::{EdgeDns, Rfc2136, TsigAlgorithm};
use akacert_core::account::{AccountKey, View};
use akacert_core::life::answer::{Answer, Fault};
use akacert_core::published::{By, Record, TTL};
use akacert_outside::dns::{self, DnsFailure, TsigKey, UpdateError, Updater};

const DNS_PORT: u16 = 53;

/// Why a TXT record could not be written or removed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The account cannot be used.
    #[error("the TXT record {name} cannot be written by dns01.edgeDns: {why}")]
    Account {
        /// The record's name.
        name: String,
        /// The registry's reason.
        why: String,
    },
    #[error(
        "the account has no zone in Edge DNS for {name}{}: create the zone, or name its account in dns01.edgeDns.accountRef",
        readonly.as_ref().map(|zone| format!(" that can be written to ({zone} is a secondary or an alias zone)")).unwrap_or_default()
    )]
    NoZone {
        /// The record's name.
        name: String,
        /// The zone that has the name, but is read-only.
        readonly: Option<String>,
    },
    /// Edge DNS refused the request, or did not answer.
    #[error("the TXT record {name} in Edge DNS: {source}")]
    EdgeDns {
        /// The record's name.
        name: String,
        source: akamai_cps::Error,
    },
    /// The Secret with the TSIG key cannot be used.
    #[error("Secret {secret} {why}")]
    Secret {
        secret: String,
        /// What is wrong with it, without its content.
        why: String,
    },
    /// The name server has no usable address.
    #[error("the name server {server} of dns01.rfc2136 has no address: correct dns01.rfc2136.server")]
    NoServer { server: String },
    /// The zone cannot be found.
    #[error("{0}")]
    Zone(#[from] DnsFailure),
    /// The name server refused the update, or did not answer.
    #[error("the TXT record {name}: {source}")]
    Update {
        /// The record's name.
        name: String,
        source: UpdateError,
    },
}

impl RecordError {
    /// When to try again, if the server says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let RecordError::EdgeDns { source, .. } = self else { return None };
        source.retry_after()
    }
}

fn failed(error: &RecordError) -> Fault {
    Fault { retry_after: error.retry_after(), ..fault::other(Reason::DnsUpdateFailed, error.to_string()) }
}

/// Writes a TXT record, unless it exists already.
pub(super) async fn write(record: &Record, certificate: &AkamaiCertificate, ctx: &Context) -> Answer {
    failpoint::reach("before writing a TXT record");
    let answer = add(record, certificate, ctx).await;
    failpoint::reach("after writing a TXT record");
    answer.map_or_else(|error| Answer::Failed(failed(&error)), |()| Answer::Done)
}

/// Removes a TXT record, if it exists.
pub(super) async fn remove(record: &Record, certificate: &AkamaiCertificate, ctx: &Context) -> Answer {
    failpoint::reach("before removing a TXT record");
    let answer = take_away(record, certificate, ctx).await;
    failpoint::reach("after removing a TXT record");
    answer.map_or_else(|error| Answer::Failed(failed(&error)), |()| Answer::Done)
}

async fn add(record: &Record, certificate: &AkamaiCertificate, ctx: &Context) -> Result<(), RecordError> {
    let values: Vec<String> = record.values.iter().cloned().collect();
    let name = &record.name;
    match &record.by {
        By::EdgeDns(way) => {
            let client = edge_dns(name, way, certificate, ctx)?;
            let zone = zone(&client, name).await?;
            let added = client.add_txt(&zone, name, &values, TTL).await;
            added.map(drop).map_err(|source| RecordError::EdgeDns { name: name.clone(), source })
        }
        By::Rfc2136(way) => {
            let (updater, zone) = updater(name, way, certificate, ctx).await?;
            let added = updater.add_txt(&zone, name, &values, TTL).await;
            added.map_err(|source| RecordError::Update { name: name.clone(), source })
        }
        By::DnsEndpoint(_) | By::Manual => Ok(()),
    }
}

async fn take_away(
    record: &Record,
    certificate: &AkamaiCertificate,
    ctx: &Context,
) -> Result<(), RecordError> {
    let values: Vec<String> = record.values.iter().cloned().collect();
    let name = &record.name;
    match &record.by {
        By::EdgeDns(way) => {
            let client = edge_dns(name, way, certificate, ctx)?;
            let zone = match zone(&client, name).await {
                // A zone that is gone has no records.
                Err(RecordError::NoZone { .. }) => return Ok(()),
                zone => zone?,
            };
            let removed = client.remove_txt(&zone, name, &values).await;
            removed.map(drop).map_err(|source| RecordError::EdgeDns { name: name.clone(), source })
        }
        By::Rfc2136(way) => {
            let (updater, zone) = updater(name, way, certificate, ctx).await?;
            let removed = updater.remove_txt(&zone, name, &values).await;
            removed.map_err(|source| RecordError::Update { name: name.clone(), source })
        }
        By::DnsEndpoint(_) | By::Manual => Ok(()),
    }
}

/// A client for the account that has the zones, if the certificate may use it for the name.
fn edge_dns(
    name: &str,
    way: &EdgeDns,
    certificate: &AkamaiCertificate,
    ctx: &Context,
) -> Result<Client, RecordError> {
    let reference = way.account_ref.as_ref().unwrap_or(&certificate.spec.account_ref);
    let key = AccountKey::referred_to(reference, certificate);
    let base = name.strip_prefix("_acme-challenge.").unwrap_or(name);
    // The record of a wildcard is at its base name.
    let wildcard = format!("*.{base}");
    let ours = certificate.spec.names();
    let mut names: Vec<&str> =
        ours.into_iter().filter(|known| *known == base || *known == wildcard).collect();
    if names.is_empty() {
        names.push(base);
    }
    match ctx.accounts.view_of(&key, certificate, &names) {
        View::Ready(account) => {
            let client = ctx.accounts.client(&account.key).ok_or_else(|| RecordError::Account {
                name: name.to_owned(),
                why: format!("{key} went away while it was used"),
            })?;
            Ok(client.edge_dns(Priority::Publish, certificate.uid().unwrap_or_default()))
        }
        View::Missing { message }
        | View::NotReady { message, .. }
        | View::NamespaceNotAllowed { message }
        | View::DomainNotAllowed { message } => {
            Err(RecordError::Account { name: name.to_owned(), why: message })
        }
    }
}

/// The zone for a record: the longest that matches, because a child zone may be delegated.
async fn zone(client: &Client, name: &str) -> Result<String, RecordError> {
    let zones =
        client.zones().await.map_err(|source| RecordError::EdgeDns { name: name.to_owned(), source })?;
    zone_of(&zones, name).map(|zone| zone.name.clone()).ok_or_else(|| RecordError::NoZone {
        name: name.to_owned(),
        readonly: closest_zone(&zones, name).map(|zone| zone.name.clone()),
    })
}

/// An updater for the record's zone, with the certificate's own key.
async fn updater(
    name: &str,
    way: &Rfc2136,
    certificate: &AkamaiCertificate,
    ctx: &Context,
) -> Result<(Updater, String), RecordError> {
    let zone = ctx.dns.zone(name).await?.apex;
    let key = TsigKey {
        name: way.key_name.clone(),
        algorithm: match way.algorithm.unwrap_or(TsigAlgorithm::HMACSHA256) {
            TsigAlgorithm::HMACSHA256 => dns::TsigAlgorithm::HmacSha256,
            TsigAlgorithm::HMACSHA384 => dns::TsigAlgorithm::HmacSha384,
            TsigAlgorithm::HMACSHA512 => dns::TsigAlgorithm::HmacSha512,
        },
        secret: secret(way, certificate, ctx).await?.into(),
    };
    Ok((Updater::new(server(&way.server, ctx).await?, key), zone))
}

/// The TSIG secret, decoded.
async fn secret(
    way: &Rfc2136,
    certificate: &AkamaiCertificate,
    ctx: &Context,
) -> Result<Vec<u8>, RecordError> {
    let namespace = certificate.namespace().unwrap_or_default();
    let reference = &way.key_secret_ref;
    let failed = |why: String| RecordError::Secret { secret: format!("{namespace}/{}", reference.name), why };
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &namespace);
    let found =
        api.get_opt(&reference.name).await.map_err(|error| failed(format!("cannot be read: {error}")))?;
    let found = found.ok_or_else(|| failed("does not exist: create it with the TSIG key".into()))?;
    let key = reference.key.as_deref().unwrap_or("secret");
    let value = found.data.as_ref().and_then(|data| data.get(key));
    let value = value
        .ok_or_else(|| failed(format!("has no key `{key}`: add it, or name its key in keySecretRef")))?;
    BASE64.decode(value.0.trim_ascii()).map_err(|_| {
        failed(format!("has a key `{key}` that is no base64: write it as tsig-keygen prints it"))
    })
}

/// The address for updates. The decision has checked that an operator flag allows the server. The owner of the
/// operator chose it, so any address will do.
async fn server(server: &str, ctx: &Context) -> Result<SocketAddr, RecordError> {
    if let Ok(address) = server.parse() {
        return Ok(address);
    }
    if let Ok(ip) = server.parse() {
        return Ok(SocketAddr::new(ip, DNS_PORT));
    }
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (server, Some(DNS_PORT)),
    };
    let unusable = || RecordError::NoServer { server: server.to_owned() };
    let port = port.ok_or_else(unusable)?;
    let addresses = ctx.dns.host(host).await?;
    addresses.first().map(|ip| SocketAddr::new(*ip, port)).ok_or_else(unusable)
}

//! PURE: what CPS reports as deployed, read from its PEM and verified: it chains, covers every name, and is valid now.
//! Not here: fetching it, or trust in a root.

use akamai_cps::types::{DeployedCertificate, Deployment};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

use crate::api::status::DeploymentStatus;

/// Why a deployed certificate cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// There is no certificate in it.
    #[error("CPS reports a deployment without a certificate")]
    Empty,
    /// It cannot be read.
    #[error("the deployed certificate cannot be read: {0}")]
    Unreadable(&'static str),
    /// A certificate of the chain is not signed by the next.
    #[error("the deployed certificate does not chain: `{0}` is not signed by `{1}`")]
    DoesNotChain(String, String),
    /// Names are not covered.
    #[error("the deployed certificate does not cover {}", .0.join(", "))]
    NamesMissing(Vec<String>),
    /// It has expired.
    #[error("the deployed certificate expired at {0:.0}")]
    Expired(Timestamp),
    /// It is not valid yet.
    #[error("the deployed certificate is not valid before {0:.0}")]
    NotYetValid(Timestamp),
}

/// What a deployment holds.
///
/// # Errors
/// There is no certificate in it, or it cannot be read.
pub fn describe(deployment: &Deployment) -> Result<DeploymentStatus, Invalid> {
    let primary = deployment.primary_certificate.as_ref().ok_or(Invalid::Empty)?;
    let pem = leaf(primary)?;
    let certificate = parsed(&pem)?;
    Ok(DeploymentStatus {
        serial_number: HEXLOWER.encode(certificate.raw_serial()),
        fingerprint: HEXLOWER.encode(&Sha256::digest(&pem.contents)),
        issuer: certificate.issuer().to_string(),
        not_before: Time(time(certificate.validity().not_before.timestamp())?),
        not_after: Time(time(certificate.validity().not_after.timestamp())?),
        dns_names: names(&certificate),
        key_algorithm: key_algorithm(&certificate, primary),
        signature_algorithm: signature_algorithm(&certificate),
    })
}

/// What a deployment holds, if it can be relied on for these names now.
///
/// # Errors
/// [`Invalid`], with the first reason found.
pub fn verify(deployment: &Deployment, wanted: &[&str], now: Timestamp) -> Result<DeploymentStatus, Invalid> {
    let status = describe(deployment)?;
    let primary = deployment.primary_certificate.as_ref().ok_or(Invalid::Empty)?;
    chains(primary)?;
    let missing: Vec<String> = wanted
        .iter()
        .filter(|name| !status.dns_names.iter().any(|covering| covers(covering, name)))
        .map(|name| (*name).to_owned())
        .collect();
    if !missing.is_empty() {
        return Err(Invalid::NamesMissing(missing));
    }
    if status.not_after.0 <= now {
        return Err(Invalid::Expired(status.not_after.0));
    }
    // Authorities date certificates back by an hour; a second of skew between clocks is no fault.
    if status.not_before.0 > now.saturating_add(jiff::SignedDuration::from_secs(60)).unwrap_or(now) {
        return Err(Invalid::NotYetValid(status.not_before.0));
    }
    Ok(status)
}

/// Each certificate is signed by the next, up to the last one that CPS gives.
fn chains(primary: &DeployedCertificate) -> Result<(), Invalid> {
    let mut pems = vec![leaf(primary)?];
    for pem in Pem::iter_from_buffer(primary.trust_chain.as_deref().unwrap_or_default().as_bytes()) {
        pems.push(pem.map_err(|_| Invalid::Unreadable("the trust chain is not PEM"))?);
    }
    let certificates = pems.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    let Some((mut current, rest)) = certificates.split_first() else { return Err(Invalid::Empty) };
    let mut rest: Vec<&X509Certificate<'_>> = rest.iter().collect();
    while !rest.is_empty() {
        // CPS does not promise an order, so the issuer is looked for by its name.
        let next =
            rest.iter().position(|candidate| candidate.subject().as_raw() == current.issuer().as_raw());
        let Some(next) = next else {
            let issuer = rest[0].subject().to_string();
            return Err(Invalid::DoesNotChain(current.subject().to_string(), issuer));
        };
        let issuer = rest.remove(next);
        if current.verify_signature(Some(issuer.public_key())).is_err() {
            return Err(Invalid::DoesNotChain(current.subject().to_string(), issuer.subject().to_string()));
        }
        current = issuer;
    }
    Ok(())
}

fn leaf(primary: &DeployedCertificate) -> Result<Pem, Invalid> {
    let text = primary.certificate.as_deref().filter(|text| !text.trim().is_empty()).ok_or(Invalid::Empty)?;
    let first = Pem::iter_from_buffer(text.as_bytes()).next().ok_or(Invalid::Empty)?;
    first.map_err(|_| Invalid::Unreadable("it is not PEM"))
}

fn parsed(pem: &Pem) -> Result<X509Certificate<'_>, Invalid> {
    X509Certificate::from_der(&pem.contents)
        .map(|(_, certificate)| certificate)
        .map_err(|_| Invalid::Unreadable("it is not X.509"))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let mut names: Vec<String> = extension
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// RFC 6125: a wildcard stands for exactly one label.
fn covers(covering: &str, name: &str) -> bool {
    match covering.strip_prefix("*.") {
        Some(base) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(base)),
        None => covering.eq_ignore_ascii_case(name),
    }
}

fn key_algorithm(certificate: &X509Certificate<'_>, primary: &DeployedCertificate) -> String {
    use x509_parser::public_key::PublicKey;
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(_)) => "RSA".into(),
        Ok(PublicKey::EC(_)) => "ECDSA".into(),
        _ => primary.key_algorithm.clone().unwrap_or_else(|| "unknown".into()),
    }
}

fn signature_algorithm(certificate: &X509Certificate<'_>) -> String {
    match certificate.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.11" => "SHA256-RSA".into(),
        "1.2.840.113549.1.1.12" => "SHA384-RSA".into(),
        "1.2.840.10045.4.3.2" => "SHA256-ECDSA".into(),
        "1.2.840.10045.4.3.3" => "SHA384-ECDSA".into(),
        other => other.to_owned(),
    }
}

fn time(second: i64) -> Result<Timestamp, Invalid> {
    Timestamp::from_second(second).map_err(|_| Invalid::Unreadable("its validity is out of range"))
}

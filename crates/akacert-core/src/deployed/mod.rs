//! PURE: parses and verifies the PEM that CPS reports as deployed. The certificate has to chain to a trusted root,
//! cover every name, and be valid now.

#[cfg(test)]
mod tests;
mod trust;

use akamai_cps_types::{DeployedCertificate, Deployment};
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

use akacert_api::status::DeploymentStatus;

pub use trust::{Roots, RootsError};

/// How far the operator's clock may be behind the authority's.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Why the operator does not accept a deployed certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The deployment contains no certificate.
    #[error("CPS reports a deployment without a certificate")]
    Empty,
    /// A certificate cannot be parsed.
    #[error("the deployed certificate cannot be read: {0}")]
    Unreadable(&'static str),
    /// The certificate that signed it is missing.
    #[error("the deployed certificate does not chain: CPS gives no certificate of its issuer `{0}`")]
    IssuerMissing(String),
    /// A certificate of the chain is not signed by its issuer.
    #[error("the deployed certificate does not chain: `{0}` is not signed by `{1}`")]
    DoesNotChain(String, String),
    /// No trusted root has signed the chain.
    #[error(
        "the deployed certificate is not from a trusted authority: no root of the bundle is, or has signed, `{0}`"
    )]
    Untrusted(String),
    /// It does not cover these names.
    #[error("the deployed certificate does not cover {}", .0.join(", "))]
    NamesMissing(Vec<String>),
    /// It expired at this time.
    #[error("the deployed certificate expired at {0:.0}")]
    Expired(Timestamp),
    /// It is valid only from this time on.
    #[error("the deployed certificate is not valid before {0:.0}")]
    NotYetValid(Timestamp),
}

/// Describes what is deployed.
///
/// # Errors
/// The deployment has no certificate, or one that cannot be parsed.
pub fn describe(deployment: &Deployment) -> Result<DeploymentStatus, Invalid> {
    let primary = deployment.primary_certificate.as_ref().ok_or(Invalid::Empty)?;
    let pem = leaf(primary)?;
    let certificate = parsed(&pem)?;
    Ok(DeploymentStatus {
        serial_number: serial_number(&certificate),
        fingerprint: HEXLOWER.encode(&Sha256::digest(&pem.contents)),
        issuer: certificate.issuer().to_string(),
        not_before: Time(time(certificate.validity().not_before.timestamp())?),
        not_after: Time(time(certificate.validity().not_after.timestamp())?),
        dns_names: names(&certificate),
        key_algorithm: key_algorithm(&certificate, primary),
        signature_algorithm: signature_algorithm(&certificate),
    })
}

/// Describes what is deployed, if it is valid for these names now.
///
/// # Errors
/// [`Invalid`], with the first reason found.
pub fn verify(
    deployment: &Deployment,
    wanted: &[&str],
    roots: &Roots,
    now: Timestamp,
) -> Result<DeploymentStatus, Invalid> {
    let status = describe(deployment)?;
    let primary = deployment.primary_certificate.as_ref().ok_or(Invalid::Empty)?;
    chains(primary, roots)?;
    let missing = not_covered(&status.dns_names, wanted);
    if !missing.is_empty() {
        return Err(Invalid::NamesMissing(missing));
    }
    if status.not_after.0 <= now {
        return Err(Invalid::Expired(status.not_after.0));
    }
    if status.not_before.0 > now.saturating_add(CLOCK_SKEW).unwrap_or(now) {
        return Err(Invalid::NotYetValid(status.not_before.0));
    }
    Ok(status)
}

/// Follows the chain from the certificate. The next certificate of the chain has to sign each one, as far as CPS gives
/// them, and a trusted root has to sign one of them. There has to be at least one issuer.
fn chains(primary: &DeployedCertificate, roots: &Roots) -> Result<(), Invalid> {
    let leaf = leaf(primary)?;
    let chain = Pem::iter_from_buffer(primary.trust_chain.as_deref().unwrap_or_default().as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Invalid::Unreadable("the trust chain is not PEM"))?;
    let certificate = parsed(&leaf)?;
    let issuers = chain.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    // CPS promises no order, and may include the certificate itself.
    let mut left: Vec<_> = issuers.iter().filter(|issuer| **issuer != certificate).collect();
    let mut path = vec![&certificate];
    while let Some(current) = path.last() {
        let named = |issuer: &&X509Certificate<'_>| issuer.subject().as_raw() == current.issuer().as_raw();
        if !left.iter().any(named) {
            break;
        }
        let signer = left
            .iter()
            .position(|issuer| named(issuer) && current.verify_signature(Some(issuer.public_key())).is_ok())
            .ok_or_else(|| Invalid::DoesNotChain(subject(current), current.issuer().to_string()))?;
        path.push(left.swap_remove(signer));
    }
    if path.len() == 1 {
        return Err(Invalid::IssuerMissing(certificate.issuer().to_string()));
    }
    // An authority can appear twice: signed by itself, and by an older authority.
    let known = |issuer: &X509Certificate<'_>| {
        path.iter().any(|known| known.public_key().raw == issuer.public_key().raw)
    };
    if let (Some(loose), Some(last)) = (left.iter().find(|issuer| !known(issuer)), path.last()) {
        return Err(Invalid::DoesNotChain(subject(last), subject(loose)));
    }
    match path.last() {
        Some(last) if !path.iter().any(|certificate| roots.vouch_for(certificate)) => {
            Err(Invalid::Untrusted(subject(last)))
        }
        _ => Ok(()),
    }
}

/// Let's Encrypt issues certificates without a subject.
fn subject(certificate: &X509Certificate<'_>) -> String {
    let subject = certificate.subject().to_string();
    if subject.is_empty() { format!("serial number {}", serial_number(certificate)) } else { subject }
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

/// In lower case, as `openssl x509 -serial` shows it. DER adds a zero byte if the first bit is one.
fn serial_number(certificate: &X509Certificate<'_>) -> String {
    let bytes = certificate.raw_serial();
    HEXLOWER.encode(bytes.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(bytes))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let mut names: Vec<String> = extension
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| {
            let GeneralName::DNSName(name) = name else { return None };
            Some(name.to_ascii_lowercase())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The wanted names that no covering name covers.
#[must_use]
pub fn not_covered(covering: &[String], wanted: &[&str]) -> Vec<String> {
    let covered = |name: &str| covering.iter().any(|covering| covers(covering, name));
    wanted.iter().filter(|name| !covered(name)).map(|name| (*name).to_owned()).collect()
}

/// Whether a name in a certificate covers another. A wildcard matches exactly one label (RFC 6125).
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

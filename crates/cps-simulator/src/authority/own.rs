//! The simulator's own root and intermediate, for use without an ACME authority. They sign what the simulator itself has
//! validated. They live in memory, unless a file keeps them for the next start.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::future::join_all;
use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequest, CertificateSigningRequestParams,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::fetch::{Fetcher, Method};
use super::{AuthorityError, Authorization, Failures};
use crate::model::{Challenge, Domain};

/// The lifetime of a certificate, the same as Let's Encrypt's.
const LIFE_DAYS: i64 = 90;

/// Why the simulator has no root.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error("cannot make or read the root certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot keep the root in {path}: {source}")]
    File { path: String, source: std::io::Error },
}

/// A root, and the intermediate that signs.
pub(crate) struct OwnRoot {
    /// PEM.
    root: String,
    /// PEM.
    intermediate: String,
    issuer: Issuer<'static, KeyPair>,
    /// Stands for the thumbprint of the account key in key authorizations.
    thumbprint: String,
}

impl OwnRoot {
    pub(crate) fn generate() -> Result<Self, rcgen::Error> {
        let root_key = KeyPair::generate()?;
        let root_params = ca_params("CPS simulator root", 3650);
        let root = root_params.self_signed(&root_key)?;
        let root_issuer = Issuer::new(root_params, root_key);
        let key = KeyPair::generate()?;
        let params = ca_params("CPS simulator intermediate", 1825);
        let intermediate = params.signed_by(&key, &root_issuer)?;
        Ok(Self {
            root: root.pem(),
            intermediate: intermediate.pem(),
            issuer: Issuer::new(params, key),
            thumbprint: random_text(),
        })
    }

    /// Reads root, intermediate and its key from a PEM file. If the file does not exist, it creates them and the
    /// file.
    pub(crate) fn kept(file: &Path) -> Result<Self, RootError> {
        let failed = |source| RootError::File { path: file.display().to_string(), source };
        if !file.exists() {
            let new = Self::generate()?;
            let text = [new.root.as_str(), &new.intermediate, &new.issuer.key().serialize_pem()].concat();
            std::fs::write(file, text).map_err(failed)?;
            return Ok(new);
        }
        let text = std::fs::read_to_string(file).map_err(failed)?;
        let mut parts = text.split_inclusive("-----\n").collect::<Vec<_>>().into_iter();
        // Each of the three PEM blocks begins and ends with a line of dashes.
        let mut part = || parts.by_ref().take(2).collect::<String>();
        let (root, intermediate) = (part(), part());
        let issuer = Issuer::from_ca_cert_pem(&intermediate, KeyPair::from_pem(&part())?)?;
        Ok(Self { root, intermediate, issuer, thumbprint: random_text() })
    }

    /// Signs a certificate for names without validation, and returns it with its chain.
    pub(crate) fn issue(&self, names: Vec<String>, key: &KeyPair, days: i64) -> Result<String, rcgen::Error> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, days);
        let certificate = params.signed_by(key, &self.issuer)?;
        Ok(format!("{}{}", certificate.pem(), self.intermediate))
    }

    /// The root as PEM, for clients that verify the chain.
    pub(crate) fn pem(&self) -> String {
        self.root.clone()
    }
}

fn ca_params(name: &str, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_life(&mut params, days);
    params
}

/// Starts the lifetime at the beginning of yesterday (UTC), so that a clock that is behind accepts the certificate.
fn set_life(params: &mut CertificateParams, days: i64) {
    let today = Timestamp::now().to_zoned(TimeZone::UTC);
    let day = |zoned: Result<Zoned, jiff::Error>| {
        let date = zoned.map_or_else(|_| today.date(), |zoned| zoned.date());
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(today.checked_sub(1.day()));
    params.not_after = day(today.checked_add(days.days()));
}

/// 43 characters, like a token or a thumbprint.
fn random_text() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

pub(crate) struct OwnOrder {
    root: Arc<OwnRoot>,
    names: Vec<String>,
}

impl OwnOrder {
    pub(crate) fn new(root: Arc<OwnRoot>, names: &[String]) -> Self {
        Self { root, names: names.to_vec() }
    }

    pub(crate) fn authorizations(&self) -> Vec<Authorization> {
        let challenge = |dns| Challenge::new(random_text(), &self.root.thumbprint, dns);
        let one = |name: &String| Authorization {
            name: name.clone(),
            valid: false,
            http01: (!name.starts_with("*.")).then(|| challenge(false)),
            dns01: Some(challenge(true)),
        };
        self.names.iter().map(one).collect()
    }

    pub(crate) async fn validate(&self, domains: &[(Domain, Method)], fetcher: &Fetcher) -> Failures {
        let looks = domains.iter().map(|(domain, _)| fetcher.look(domain));
        let found = join_all(looks).await;
        domains
            .iter()
            .zip(found)
            .filter_map(|((domain, _), found)| Some((domain.name.clone(), found.err()?)))
            .collect()
    }

    pub(crate) fn sign(&self, csr: &CertificateSigningRequest) -> Result<String, AuthorityError> {
        let mut request = CertificateSigningRequestParams::from_der(csr.der())?;
        request.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        request.params.use_authority_key_identifier_extension = true;
        set_life(&mut request.params, LIFE_DAYS);
        let certificate = request.signed_by(&self.root.issuer)?;
        Ok(format!("{}{}", certificate.pem(), self.root.intermediate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_before_a_restart_leads_to_the_same_root_afterwards() {
        let file = std::env::temp_dir().join(format!("root-{}.pem", random_text()));
        let first = OwnRoot::kept(&file).unwrap();
        let second = OwnRoot::kept(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!((first.pem(), &first.intermediate), (second.pem(), &second.intermediate));
        let key = KeyPair::generate().unwrap();
        let chain = second.issue(vec!["www.example.com".into()], &key, 5).unwrap();
        let leaf = x509_parser::pem::Pem::iter_from_buffer(chain.as_bytes()).next().unwrap().unwrap();
        let (_, intermediate) = x509_parser::pem::parse_x509_pem(first.intermediate.as_bytes()).unwrap();
        let (leaf, intermediate) = (leaf.parse_x509().unwrap(), intermediate.parse_x509().unwrap());
        assert!(leaf.verify_signature(Some(intermediate.public_key())).is_ok());
    }
}

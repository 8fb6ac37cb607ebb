//! Keys and certificates of the test bed. Each start creates new ones.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The authority that signs the certificates of the test bed's own servers. It is not the ACME authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    directory: PathBuf,
}

impl Authority {
    /// Creates an authority, and writes its certificate to `ca.pem` in the directory.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "akacert test bed");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        fs::write(directory.join("ca.pem"), &pem)?;
        Ok(Self { issuer: Issuer::new(params, key), pem, directory: directory.to_owned() })
    }

    /// The authority's certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The file with the authority's certificate.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Creates a certificate and a key for a server, and returns their files.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn server(&self, name: &str, hosts: &[&str]) -> Result<(PathBuf, PathBuf)> {
        let key = KeyPair::generate()?;
        let mut params =
            CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer)?;
        let (certificate_file, key_file) =
            (self.directory.join(format!("{name}.pem")), self.directory.join(format!("{name}.key")));
        fs::write(&certificate_file, certificate.pem())?;
        fs::write(&key_file, key.serialize_pem())?;
        Ok((certificate_file, key_file))
    }
}

/// Creates a key pair, and returns the files of the private and the public key.
///
/// # Errors
/// The files cannot be written.
pub fn key_pair(directory: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
    let key = KeyPair::generate()?;
    let (private, public) = (directory.join(format!("{name}.key")), directory.join(format!("{name}.pub")));
    fs::write(&private, key.serialize_pem())?;
    fs::write(&public, key.public_key_pem())?;
    Ok((private, public))
}

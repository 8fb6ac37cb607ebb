//! Which deployed certificates the operator accepts, as a specification. The tests make the certificates.

use std::sync::LazyLock;

use akamai_cps_types::{DeployedCertificate, Deployment};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256,
    SerialNumber,
};

use super::{Invalid, Roots, describe};
use akacert_api::status::DeploymentStatus;

const NAMES: [&str; 2] = ["www.example.com", "api.example.com"];

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// The only trusted root.
static ROOT: LazyLock<Authority> = LazyLock::new(|| Authority::root("Root"));

fn verify(deployed: &Deployment, wanted: &[&str], now: Timestamp) -> Result<DeploymentStatus, Invalid> {
    let roots = Roots::from_pem(ROOT.certificate.pem().as_bytes()).unwrap();
    super::verify(deployed, wanted, &roots, now)
}

/// An authority, and its certificate.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

impl Authority {
    fn root(name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self { params, key, certificate }
    }

    fn below(parent: &Self, name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &parent.issuer()).unwrap();
        Self { params, key, certificate }
    }

    /// A certificate for the same name and key, signed by `parent`.
    fn cross_signed(&self, parent: &Self) -> Certificate {
        self.params.signed_by(&self.key, &parent.issuer()).unwrap()
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    fn issue(&self, params: &CertificateParams) -> Certificate {
        self.issue_to(params, &KeyPair::generate().unwrap())
    }

    fn issue_to(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &self.issuer()).unwrap()
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = leaf_params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Parameters that are valid in October, November and December of 2026.
fn leaf_params(names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = rcgen::date_time_ymd(2026, 10, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params
}

fn deployment(certificate: &str, chain: &[&Certificate]) -> Deployment {
    Deployment {
        primary_certificate: Some(DeployedCertificate {
            certificate: Some(certificate.to_owned()),
            trust_chain: Some(chain.iter().map(|certificate| certificate.pem()).collect()),
            ..DeployedCertificate::default()
        }),
        ..Deployment::default()
    }
}

/// Root, intermediate, and a certificate for both names.
fn issued() -> (&'static Authority, Authority, Certificate) {
    let intermediate = Authority::below(&ROOT, "Intermediate");
    let leaf = intermediate.issue(&leaf_params(&NAMES));
    (&ROOT, intermediate, leaf)
}

#[test]
fn a_certificate_that_chains_covers_all_names_and_is_valid_is_relied_on() {
    let (root, intermediate, leaf) = issued();
    let deployed = deployment(&leaf.pem(), &[&intermediate.certificate, &root.certificate]);
    let status = verify(&deployed, &NAMES, now()).unwrap();
    assert_eq!(status.issuer, "CN=Intermediate");
    assert_eq!(status.dns_names, ["api.example.com", "www.example.com"]);
    assert_eq!(status.not_before.0.to_string(), "2026-10-01T00:00:00Z");
    assert_eq!(status.not_after.0.to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(
        (status.key_algorithm.as_str(), status.signature_algorithm.as_str()),
        ("ECDSA", "SHA256-ECDSA")
    );
    assert_eq!(status.fingerprint.len(), 64);
}

#[test]
fn the_chain_may_come_in_any_order_without_its_root_and_with_the_certificate_itself() {
    let (root, intermediate, leaf) = issued();
    for chain in [
        &[&intermediate.certificate][..],
        &[&root.certificate, &intermediate.certificate],
        &[&leaf, &intermediate.certificate, &root.certificate],
    ] {
        let verified = verify(&deployment(&leaf.pem(), chain), &NAMES, now());
        assert!(verified.is_ok(), "{verified:?}");
    }
}

#[test]
fn an_authority_may_be_there_twice_signed_by_itself_and_by_an_older_one() {
    let (root, intermediate, leaf) = issued();
    let older = Authority::root("Older root");
    let cross = root.cross_signed(&older);
    for chain in [[&root.certificate, &cross], [&cross, &root.certificate]] {
        let chain = [&intermediate.certificate, chain[0], chain[1]];
        let verified = verify(&deployment(&leaf.pem(), &chain), &NAMES, now());
        assert!(verified.is_ok(), "{verified:?}");
    }
}

#[test]
fn a_certificate_whose_issuer_signed_something_else_does_not_chain() {
    let (root, intermediate, _) = issued();
    // This one has the same name and another key.
    let impostor = Authority::root("Intermediate");
    let mut params = leaf_params(&NAMES);
    params.serial_number = Some(SerialNumber::from_slice(&[0x04, 0xAB]));
    let leaf = impostor.issue(&params);
    let deployed = deployment(&leaf.pem(), &[&intermediate.certificate, &root.certificate]);
    let invalid = verify(&deployed, &NAMES, now()).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "the deployed certificate does not chain: `serial number 04ab` is not signed by `CN=Intermediate`"
    );
}

#[test]
fn a_chain_with_a_wrong_signature_above_does_not_chain() {
    let (_, intermediate, leaf) = issued();
    let other_root = Authority::root("Root");
    let deployed = deployment(&leaf.pem(), &[&intermediate.certificate, &other_root.certificate]);
    assert_eq!(
        verify(&deployed, &NAMES, now()),
        Err(Invalid::DoesNotChain("CN=Intermediate".into(), "CN=Root".into()))
    );
}

#[test]
fn a_certificate_without_its_issuer_does_not_chain() {
    let (root, _, leaf) = issued();
    for chain in [&[][..], &[&root.certificate]] {
        let verified = verify(&deployment(&leaf.pem(), chain), &NAMES, now());
        assert_eq!(verified, Err(Invalid::IssuerMissing("CN=Intermediate".into())));
    }
}

#[test]
fn a_chain_that_leads_elsewhere_does_not_chain() {
    let (_, intermediate, leaf) = issued();
    let stranger = Authority::root("Stranger");
    let deployed = deployment(&leaf.pem(), &[&intermediate.certificate, &stranger.certificate]);
    assert_eq!(
        verify(&deployed, &NAMES, now()),
        Err(Invalid::DoesNotChain("CN=Intermediate".into(), "CN=Stranger".into()))
    );
}

#[test]
fn a_chain_that_no_trusted_root_has_signed_is_not_relied_on() {
    let stranger = Authority::root("Stranger");
    let intermediate = Authority::below(&stranger, "Intermediate");
    let leaf = intermediate.issue(&leaf_params(&NAMES));
    let untrusted = |name: &str| Err(Invalid::Untrusted(name.to_owned()));
    let chains = [(&[&stranger.certificate][..], "CN=Stranger"), (&[], "CN=Intermediate")];
    for (chain, last) in chains {
        let chain: Vec<_> = [&intermediate.certificate].into_iter().chain(chain.iter().copied()).collect();
        assert_eq!(verify(&deployment(&leaf.pem(), &chain), &NAMES, now()), untrusted(last));
    }
}

#[test]
fn a_root_of_the_right_name_with_another_key_vouches_for_nobody() {
    let impostor = Authority::root("Root");
    let leaf = impostor.issue(&leaf_params(&NAMES));
    let deployed = deployment(&leaf.pem(), &[&impostor.certificate]);
    assert_eq!(verify(&deployed, &NAMES, now()), Err(Invalid::Untrusted("CN=Root".into())));
}

#[test]
fn an_authority_that_a_trusted_root_has_signed_too_is_trusted() {
    let younger = Authority::root("Younger root");
    let leaf = younger.issue(&leaf_params(&NAMES));
    let cross = younger.cross_signed(&ROOT);
    assert!(verify(&deployment(&leaf.pem(), &[&cross]), &NAMES, now()).is_ok());
}

#[test]
fn a_bundle_without_a_certificate_is_refused() {
    let refused = |bundle: &str| Roots::from_pem(bundle.as_bytes()).unwrap_err().to_string();
    assert_eq!(refused(""), "there is no certificate in the bundle of trusted roots");
    let text = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    assert_eq!(refused(text), "the bundle of trusted roots cannot be read: it is not PEM");
}

#[test]
fn names_that_are_not_covered_are_named() {
    let covered = |names: &[&str], wanted: &[&str]| {
        let deployed = deployment(&ROOT.issue(&leaf_params(names)).pem(), &[&ROOT.certificate]);
        verify(&deployed, wanted, now()).map(|_| ())
    };
    let missing =
        |names: &[&str]| Err(Invalid::NamesMissing(names.iter().map(|name| (*name).to_owned()).collect()));
    let cases = [
        (&["www.example.com"][..], &["www.example.com"][..], Ok(())),
        (&["WWW.Example.com"], &["www.example.com"], Ok(())),
        (&["www.example.com"], &["www.example.com", "api.example.com"], missing(&["api.example.com"])),
        (&[], &["www.example.com"], missing(&["www.example.com"])),
        // A wildcard matches exactly one label.
        (&["*.example.com"], &["www.example.com"], Ok(())),
        (&["*.example.com"], &["example.com"], missing(&["example.com"])),
        (&["*.example.com"], &["a.b.example.com"], missing(&["a.b.example.com"])),
        (&["*.example.com"], &["*.example.com"], Ok(())),
        (&["www.example.com"], &["*.example.com"], missing(&["*.example.com"])),
    ];
    for (names, wanted, expected) in cases {
        assert_eq!(covered(names, wanted), expected, "{names:?} for {wanted:?}");
    }
}

#[test]
fn a_certificate_counts_from_its_first_to_its_last_second() {
    let (_, intermediate, leaf) = issued();
    let deployed = deployment(&leaf.pem(), &[&intermediate.certificate]);
    let at = |time: &str| verify(&deployed, &NAMES, time.parse().unwrap()).map(|_| ());
    let (begin, end) = ("2026-10-01T00:00:00Z".parse().unwrap(), "2027-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(at("2026-09-30T23:58:00Z"), Err(Invalid::NotYetValid(begin)));
    // The operator's clock may be a little behind.
    assert_eq!(at("2026-09-30T23:59:30Z"), Ok(()));
    assert_eq!(at("2026-12-31T23:59:59Z"), Ok(()));
    assert_eq!(at("2027-01-01T00:00:00Z"), Err(Invalid::Expired(end)));
    assert_eq!(Invalid::Expired(end).to_string(), "the deployed certificate expired at 2027-01-01T00:00:00Z");
}

#[test]
fn what_is_no_certificate_is_said_to_be_none() {
    let (_, intermediate, leaf) = issued();
    let broken = leaf.pem().replacen("MII", "MIJ", 1);
    let cases = [
        (String::new(), Invalid::Empty),
        ("  \n".into(), Invalid::Empty),
        ("hello".into(), Invalid::Empty),
        (
            "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n".into(),
            Invalid::Unreadable("it is not PEM"),
        ),
        (broken, Invalid::Unreadable("it is not X.509")),
    ];
    for (pem, expected) in cases {
        let deployed = deployment(&pem, &[&intermediate.certificate]);
        assert_eq!(verify(&deployed, &NAMES, now()), Err(expected), "{pem}");
    }
    assert_eq!(verify(&Deployment::default(), &NAMES, now()), Err(Invalid::Empty));
    assert_eq!(describe(&Deployment::default()), Err(Invalid::Empty));
}

#[test]
fn a_chain_that_cannot_be_read_does_not_chain() {
    let (_, _, leaf) = issued();
    let mut deployed = deployment(&leaf.pem(), &[]);
    let chain = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    deployed.primary_certificate.as_mut().unwrap().trust_chain = Some(chain.into());
    assert_eq!(verify(&deployed, &NAMES, now()), Err(Invalid::Unreadable("the trust chain is not PEM")));
}

#[test]
fn of_several_certificates_the_first_is_the_deployed_one() {
    let (_, intermediate, leaf) = issued();
    let both = format!("{}{}", leaf.pem(), intermediate.certificate.pem());
    assert!(verify(&deployment(&both, &[&intermediate.certificate]), &NAMES, now()).is_ok());
}

#[test]
fn a_serial_number_is_shown_as_openssl_shows_it() {
    let root = Authority::root("Root");
    let shown = |bytes: &[u8]| {
        let mut params = leaf_params(&NAMES);
        params.serial_number = Some(SerialNumber::from_slice(bytes));
        describe(&deployment(&root.issue(&params).pem(), &[])).unwrap().serial_number
    };
    assert_eq!(shown(&[0x04, 0xAB]), "04ab");
    // DER writes a zero byte before this one.
    assert_eq!(shown(&[0xFA, 0x01]), "fa01");
    assert_eq!(shown(&[0x00]), "00");
}

#[test]
fn the_algorithms_are_those_of_the_key_and_of_the_issuers_signature() {
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let root = Authority::root("Root");
    let by_ecdsa = describe(&deployment(&root.issue_to(&leaf_params(&NAMES), &rsa).pem(), &[])).unwrap();
    assert_eq!(
        (by_ecdsa.key_algorithm.as_str(), by_ecdsa.signature_algorithm.as_str()),
        ("RSA", "SHA256-ECDSA")
    );
    let by_rsa = leaf_params(&NAMES).self_signed(&rsa).unwrap();
    let by_rsa = describe(&deployment(&by_rsa.pem(), &[])).unwrap();
    assert_eq!((by_rsa.key_algorithm.as_str(), by_rsa.signature_algorithm.as_str()), ("RSA", "SHA256-RSA"));
}

//! Deployments, with real certificates.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde_json::{Value, json};
use x509_parser::pem::Pem;

use crate::world::{NEVER, World, enrollment};

fn parsed<T>(pem: &Value, read: impl FnOnce(x509_parser::certificate::X509Certificate<'_>) -> T) -> T {
    let pem = Pem::iter_from_buffer(pem.as_str().unwrap().as_bytes()).next().unwrap().unwrap();
    read(pem.parse_x509().unwrap())
}

#[tokio::test]
async fn nothing_deployed_is_null_in_the_list_and_an_empty_404_alone() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com"])).await;
    assert_eq!(world.cps.deployments(e).await.json, json!({"production": null, "staging": null}));
    for network in ["production", "staging"] {
        let path = format!("/cps/v2/enrollments/{e}/deployments/{network}");
        let answer = world.cps.get(path, "deployment.v7").await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""));
    }
}

#[tokio::test]
async fn both_networks_carry_the_same_certificate_at_the_end() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let list = world.cps.deployments(e).await.json;
    assert_eq!(list["production"], list["staging"]);
    let path = format!("/cps/v2/enrollments/{e}/deployments/production");
    assert_eq!(world.cps.get(path, "deployment.v8").await.status, 200);
    let path = format!("/cps/v2/enrollments/{e}/deployments/staging");
    assert_eq!(world.cps.get(path, "deployment.v7").await.json, list["staging"]);
}

#[tokio::test]
async fn a_deployment_has_the_settings_of_the_enrollment() {
    let world = World::start(|_| {}).await;
    let mut body = enrollment(&["www.example.com"]);
    body["networkConfiguration"]["disallowedTlsVersions"] = json!(["TLSv1", "TLSv1_1"]);
    let ids = world.cps.created(&body).await;
    world.finish(ids).await;
    let deployment = world.cps.deployments(ids.0).await.json["production"].clone();
    assert_eq!(
        deployment["networkConfiguration"],
        json!({
            "geography": "core", "secureNetwork": "enhanced-tls", "sniOnly": true, "quicEnabled": false,
            "mustHaveCiphers": "ak-akamai-default", "preferredCiphers": "ak-akamai-default",
            "ocspStapling": "not-set", "disallowedTlsVersions": ["TLSv1", "TLSv1_1"],
            "dnsNames": ["www.example.com"],
        })
    );
    assert_eq!(deployment["multiStackedCertificates"], json!([]));
    assert_eq!(deployment["primaryCertificate"]["keyAlgorithm"], "ECDSA");
}

#[tokio::test]
async fn the_certificate_covers_every_name_and_says_when_it_expires() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com", "api.example.com"]).await;
    let primary = world.cps.deployments(e).await.json["production"]["primaryCertificate"].clone();
    let (names, not_after) = parsed(&primary["certificate"], |certificate| {
        let names = certificate.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        names.sort();
        (names, certificate.validity().not_after.timestamp())
    });
    assert_eq!(names, ["DNSName(api.example.com)", "DNSName(www.example.com)"]);
    let expiry: jiff::Timestamp = primary["expiry"].as_str().unwrap().parse().unwrap();
    assert_eq!(expiry.as_second(), not_after);
}

#[tokio::test]
async fn the_chain_leads_to_the_simulators_root() {
    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let primary = world.cps.deployments(e).await.json["production"]["primaryCertificate"].clone();
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der(&world.simulator.root_pem())).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
    let leaf = der(primary["certificate"].as_str().unwrap());
    let chain = [der(primary["trustChain"].as_str().unwrap())];
    let name = "www.example.com".try_into().unwrap();
    use rustls::client::danger::ServerCertVerifier;
    verifier.build().unwrap().verify_server_cert(&leaf, &chain, &name, &[], UnixTime::now()).unwrap();
}

#[tokio::test]
async fn a_renewal_starts_twenty_days_before_expiry() {
    let world = World::start(|config| config.waits.production = NEVER).await;
    let (e, _) = world.cps.created(&enrollment(&["www.example.com"])).await;
    assert_eq!(world.cps.enrollment(e).await.json["autoRenewalStartTime"], json!(null));

    let world = World::start(|_| {}).await;
    let (e, _) = world.deployed(&["www.example.com"]).await;
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let start = time(&world.cps.enrollment(e).await.json["autoRenewalStartTime"]);
    let expiry = time(&world.cps.deployments(e).await.json["production"]["primaryCertificate"]["expiry"]);
    assert_eq!(expiry.duration_since(start), jiff::SignedDuration::from_hours(20 * 24));
}

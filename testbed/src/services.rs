//! What stands around the cluster but the DNS: the ACME authority, the ingress controller, and Akamai's stand-in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::process::Command;

use crate::dns::{DYN_TSIG, DYN_ZONE, EDGE_ZONES, EXTERNAL_DNS_DOMAIN};
use crate::network::{AUTHORITY, CPS, EDGE, HOST};
use crate::pki::Authority;
use crate::process::Process;
use crate::programs::{self, Programs};

/// How the CPS simulator runs.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Divides every wait.
    pub speed: f64,
    /// Whether requests are limited as CPS limits them.
    pub request_limits: bool,
    /// The contracts.
    pub contracts: Vec<String>,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self { speed: 2000.0, request_limits: false, contracts: vec!["1-TESTBED".into()] }
    }
}

/// The host in the credentials of the simulator.
pub const CPS_HOST: &str = "cps.akamai.test";
/// Where CPS serves tokens itself, and standing redirects lead.
pub const DCV_HOST: &str = "dcv.akamai.com";

/// The credentials that the simulator accepts, as `.edgerc`.
pub const EDGERC: &str = "[default]
host = cps.akamai.test
client_token = akab-testbed-client-token
client_secret = dGVzdGJlZC1jbGllbnQtc2VjcmV0LWRvLW5vdC11c2U=
access_token = akab-testbed-access-token
";

/// Starts Pebble, which validates for real: it never reuses an authorization and never skips a validation.
///
/// # Errors
/// It does not start.
pub async fn acme(work: &Path, programs: &Programs, authority: &Authority) -> Result<Process> {
    let (certificate, key) = authority.server("pebble", &[HOST])?;
    let config = work.join("pebble.json");
    let content = json!({"pebble": {
        "listenAddress": format!("{HOST}:14000"), "managementListenAddress": format!("{HOST}:15000"),
        "certificate": certificate, "privateKey": key, "httpPort": 80, "tlsPort": 443,
        "ocspResponderURL": "", "externalAccountBindingRequired": false,
        "retryAfter": {"authz": 0, "order": 0},
        "profiles": {"default": {"description": "ninety days", "validityPeriod": 7_776_000}},
    }});
    fs::write(&config, serde_json::to_vec(&content)?)?;
    let mut command = Command::new(programs.path("pebble")?);
    command
        .arg("-config")
        .arg(&config)
        .arg(format!("-dnsserver={AUTHORITY}:53"))
        .env("PEBBLE_AUTHZREUSE", "0")
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", "0");
    let mut acme = Process::start("pebble", &work.join("logs"), command)?;
    acme.until_listening(&format!("{HOST}:15000")).await?;
    Ok(acme)
}

/// The root that Pebble issues under, PEM.
///
/// # Errors
/// Pebble does not answer.
pub async fn acme_root(authority: &Authority) -> Result<String> {
    let client = reqwest::Client::builder()
        .add_root_certificate(reqwest::Certificate::from_pem(authority.pem().as_bytes())?)
        .build()?;
    let answer = client.get(format!("https://{HOST}:15000/roots/0")).send().await?;
    answer.text().await.context("Pebble does not give its root")
}

/// Starts Traefik as the ingress controller on port 80, for Ingress objects and for those of the Gateway API.
///
/// # Errors
/// It does not start.
pub async fn ingress(
    work: &Path,
    programs: &Programs,
    kubeconfig: &Path,
    throttle: Duration,
) -> Result<(Process, PathBuf)> {
    let access_log = work.join("logs/traefik-access.json");
    let mut command = Command::new(programs.path("traefik")?);
    command.env("KUBECONFIG", kubeconfig).args([
        "--providers.kubernetesingress=true".to_owned(),
        "--providers.kubernetesgateway=true".into(),
        format!("--providers.providersThrottleDuration={}ms", throttle.as_millis()),
        format!("--entrypoints.web.address={HOST}:80"),
        "--accesslog=true".into(),
        "--accesslog.format=json".into(),
        "--accesslog.fields.headers.names.User-Agent=keep".into(),
        format!("--accesslog.filepath={}", access_log.display()),
        "--global.checknewversion=false".into(),
        "--global.sendanonymoususage=false".into(),
        "--log.level=INFO".into(),
    ]);
    let mut traefik = Process::start("traefik", &work.join("logs"), command)?;
    traefik.until_listening(&format!("{HOST}:80")).await?;
    Ok((traefik, access_log))
}

/// Where Prometheus answers.
pub const PROMETHEUS: &str = "http://10.77.0.1:9090";

/// Starts Prometheus, which scrapes pods as a PodMonitor with `honorLabels` would have it do, every second.
///
/// # Errors
/// It does not start.
pub async fn prometheus(
    work: &Path,
    programs: &Programs,
    pods: &[(String, String)],
    rules: &Path,
) -> Result<Process> {
    let targets: Vec<_> = pods
        .iter()
        .map(|(pod, address)| {
            json!({"targets": [address], "labels": {"pod": pod, "namespace": crate::NAMESPACE}})
        })
        .collect();
    let config = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules],
        "scrape_configs": [{"job_name": "akacert", "honor_labels": true, "static_configs": targets}],
    });
    let file = work.join("prometheus.json");
    // JSON is YAML.
    fs::write(&file, serde_json::to_vec(&config)?)?;
    let mut command = Command::new(programs.path("prometheus")?);
    command.args([
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", work.join("prometheus").display()),
        format!("--web.listen-address={HOST}:9090"),
    ]);
    let mut prometheus = Process::start("prometheus", &work.join("logs"), command)?;
    prometheus.until_listening(&format!("{HOST}:9090")).await?;
    Ok(prometheus)
}

/// Whether the CPS simulator is started as Edge DNS too.
const SIMULATES_EDGE_DNS: bool = true;

/// Starts external-dns, which publishes the TXT records of DNSEndpoint objects below [`EXTERNAL_DNS_DOMAIN`] and takes
/// every other away there: its TXT registry, by which it would know its own, does not know those of TXT records, and
/// so would never change or delete one (kubernetes-sigs/external-dns#6718).
///
/// # Errors
/// It does not start.
pub async fn external_dns(work: &Path, programs: &Programs, kubeconfig: &Path) -> Result<Process> {
    let mut command = Command::new(programs.path("external-dns")?);
    command.arg(format!("--kubeconfig={}", kubeconfig.display())).args([
        "--source=crd".to_owned(),
        "--managed-record-types=TXT".into(),
        "--registry=noop".into(),
        "--policy=sync".into(),
        format!("--domain-filter={EXTERNAL_DNS_DOMAIN}"),
        "--interval=1s".into(),
        "--events".into(),
        "--min-event-sync-interval=100ms".into(),
        "--provider=rfc2136".into(),
        format!("--rfc2136-host={HOST}"),
        "--rfc2136-port=53".into(),
        format!("--rfc2136-zone={DYN_ZONE}"),
        format!("--rfc2136-tsig-keyname={}", DYN_TSIG.name),
        format!("--rfc2136-tsig-secret={}", DYN_TSIG.secret),
        format!("--rfc2136-tsig-secret-alg={}", DYN_TSIG.algorithm),
        // It compares with what the zone has.
        "--rfc2136-tsig-axfr".into(),
        "--rfc2136-min-ttl=1s".into(),
        format!("--metrics-address={HOST}:7979"),
    ]);
    let mut external_dns = Process::start("external-dns", &work.join("logs"), command)?;
    external_dns.until_listening(&format!("{HOST}:7979")).await?;
    Ok(external_dns)
}

/// Starts the CPS simulator with Pebble behind it.
///
/// # Errors
/// It does not start.
pub async fn simulator(work: &Path, authority: &Authority, options: &SimulatorOptions) -> Result<Process> {
    let (certificate, key) = authority.server("cps-simulator", &[CPS_HOST, CPS])?;
    let credentials = work.join("edgerc");
    fs::write(&credentials, EDGERC)?;
    let mut command = Command::new(programs::own("cps-simulator")?);
    command.args(["--listen", &format!("{CPS}:443"), "--control-listen", &format!("{CPS}:8080")]);
    command.args(["--dcv-listen", &format!("{CPS}:80"), "--edge-listen", &format!("{EDGE}:443")]);
    command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
    command.arg("--credentials").arg(credentials).arg("--root-file").arg(work.join("cps-simulator-root.pem"));
    command.args(["--acme-directory", &format!("https://{HOST}:14000/dir")]);
    command.arg("--acme-ca").arg(authority.file());
    command.args(["--dns", &format!("{HOST}:53"), "--speed", &options.speed.to_string()]);
    if SIMULATES_EDGE_DNS {
        for zone in EDGE_ZONES {
            command.args(["--edge-dns-zone", zone]);
        }
        command.args(["--edge-dns-server", &format!("{HOST}:53")]);
        command.arg("--edge-dns-tsig-file").arg(work.join("edge-dns.key"));
    }
    for contract in &options.contracts {
        command.args(["--contract", contract]);
    }
    if !options.request_limits {
        command.arg("--no-request-limits");
    }
    let mut simulator = Process::start("cps-simulator", &work.join("logs"), command)?;
    simulator.until_listening(&format!("{CPS}:443")).await?;
    simulator.until_listening(&format!("{CPS}:8080")).await?;
    Ok(simulator)
}

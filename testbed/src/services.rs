//! What stands around the cluster: DNS, the ACME authority, the ingress controller, and Akamai's stand-in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::network::{CPS, EDGE, HOST};
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

/// The credentials that the simulator accepts, as `.edgerc`.
pub const EDGERC: &str = "[default]
host = cps.akamai.test
client_token = akab-testbed-client-token
client_secret = dGVzdGJlZC1jbGllbnQtc2VjcmV0LWRvLW5vdC11c2U=
access_token = akab-testbed-access-token
";

/// Starts the DNS: every name is the ingress controller, unless [`set_address`] says otherwise.
///
/// # Errors
/// It does not start.
pub async fn dns(work: &Path, programs: &Programs) -> Result<Process> {
    let mut command = Command::new(programs.path("pebble-challtestsrv")?);
    command.args([
        format!("-dnsserver={HOST}:53"),
        format!("-management={HOST}:8055"),
        format!("-defaultIPv4={HOST}"),
        "-defaultIPv6=".into(),
        "-http01=".into(),
        "-https01=".into(),
        "-tlsalpn01=".into(),
        "-doh=".into(),
    ]);
    let mut dns = Process::start("dns", &work.join("logs"), command)?;
    dns.until_listening(&format!("{HOST}:8055")).await?;
    set_address(CPS_HOST, CPS).await?;
    Ok(dns)
}

/// Gives a name an IPv4 address of its own, instead of the one it has.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_address(name: &str, address: &str) -> Result<()> {
    set_addresses(name, &[address]).await
}

/// Gives a name IPv4 addresses of its own, instead of those it has.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_addresses(name: &str, addresses: &[&str]) -> Result<()> {
    let host = format!("{name}.");
    // Adding alone would leave the old ones.
    let requests =
        [("clear-a", json!({"host": host})), ("add-a", json!({"host": host, "addresses": addresses}))];
    for (path, body) in requests {
        let answer =
            reqwest::Client::new().post(format!("http://{HOST}:8055/{path}")).json(&body).send().await?;
        ensure!(answer.status().is_success(), "the DNS refused an address: {}", answer.status());
    }
    Ok(())
}

/// Makes a name an alias of another.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_alias(name: &str, target: &str) -> Result<()> {
    let body = json!({"host": format!("{name}."), "target": format!("{target}.")});
    let answer =
        reqwest::Client::new().post(format!("http://{HOST}:8055/set-cname")).json(&body).send().await?;
    ensure!(answer.status().is_success(), "the DNS refused an alias: {}", answer.status());
    Ok(())
}

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
        .arg(format!("-dnsserver={HOST}:53"))
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

/// Starts Traefik as the ingress controller on port 80.
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

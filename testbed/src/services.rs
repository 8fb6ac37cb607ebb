//! The servers around the cluster: the ACME authority, the ingress controller, and the stand-in for Akamai.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::process::Command;

use crate::bind::{self, EDGE_ZONES};
use crate::network::{AUTHORITY, CPS, CPS_HOST, EDGE, HOST};
use crate::pki::Authority;
use crate::process::Process;
use crate::programs::{self, Parts, Programs};

/// The settings of the CPS simulator.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// The divisor of every wait.
    pub speed: f64,
    /// Whether to limit requests as CPS does.
    pub request_limits: bool,
    /// The contracts that enrollments can be billed to.
    pub contracts: Vec<String>,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self { speed: 2000.0, request_limits: false, contracts: vec!["1-TESTBED".into()] }
    }
}

/// The credentials that the simulator accepts, as `.edgerc`.
pub const EDGERC: &str = "[default]
host = cps.akamai.test
client_token = akab-testbed-client-token
client_secret = dGVzdGJlZC1jbGllbnQtc2VjcmV0LWRvLW5vdC11c2U=
access_token = akab-testbed-access-token
";

/// Starts Pebble. It validates each name each time: it neither reuses an authorization nor skips a validation.
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

/// The root certificate of Pebble, as PEM.
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

/// Starts Traefik as the ingress controller on port 80. It serves Ingresses and the routes of the Gateway API.
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

/// Starts the CPS simulator with Pebble behind it.
///
/// # Errors
/// It does not start.
pub async fn simulator(
    work: &Path,
    authority: &Authority,
    parts: Parts,
    options: &SimulatorOptions,
) -> Result<Process> {
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
    // It writes the zones of Edge DNS to BIND.
    if parts == Parts::All {
        for zone in EDGE_ZONES {
            command.args(["--edge-dns-zone", zone]);
        }
        command.args(["--edge-dns-server", &format!("{HOST}:53")]);
        command.arg("--edge-dns-tsig-file").arg(bind::edge_key(work));
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

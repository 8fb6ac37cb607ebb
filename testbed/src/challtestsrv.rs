//! pebble-challtestsrv: a DNS server that leads every name to the ingress controller, unless a test sets something
//! else.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::network::{CPS, CPS_HOST, DCV_HOST, HOST};
use crate::process::Process;
use crate::programs::Programs;

/// Its address when BIND is in front of it.
pub const BEHIND_BIND: (&str, u16) = (HOST, 8053);

/// Starts it at some addresses.
///
/// # Errors
/// It does not start.
pub async fn start(work: &Path, programs: &Programs, addresses: &[(&str, u16)]) -> Result<Process> {
    let addresses: Vec<_> = addresses.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    let mut command = Command::new(programs.path("pebble-challtestsrv")?);
    command.args([
        format!("-dnsserver={}", addresses.join(",")),
        format!("-management={HOST}:8055"),
        format!("-defaultIPv4={HOST}"),
        "-defaultIPv6=".into(),
        "-http01=".into(),
        "-https01=".into(),
        "-tlsalpn01=".into(),
        "-doh=".into(),
    ]);
    let mut dns = Process::start("challtestsrv", &work.join("logs"), command)?;
    dns.until_listening(&format!("{HOST}:8055")).await?;
    for host in [CPS_HOST, DCV_HOST] {
        set_address(host, CPS).await?;
    }
    Ok(dns)
}

/// Gives a name its own IPv4 address, in place of the one that it has. This function and those below are for names
/// outside BIND's zones.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_address(name: &str, address: &str) -> Result<()> {
    set_addresses(name, &[address]).await
}

/// Gives a name its own IPv4 addresses, in place of those that it has. Answers list them in ascending order.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_addresses(name: &str, addresses: &[&str]) -> Result<()> {
    // Adding some would leave the old ones.
    clear_addresses(name).await?;
    manage("add-a", json!({"host": host(name), "addresses": addresses})).await
}

/// Lets a name lead to the ingress controller again.
///
/// # Errors
/// The DNS does not answer.
pub async fn clear_addresses(name: &str) -> Result<()> {
    manage("clear-a", json!({"host": host(name)})).await
}

/// Gives a name IPv6 addresses, in place of those that it has. Initially it has none.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_ipv6_addresses(name: &str, addresses: &[&str]) -> Result<()> {
    clear_ipv6_addresses(name).await?;
    manage("add-aaaa", json!({"host": host(name), "addresses": addresses})).await
}

/// Removes all IPv6 addresses of a name.
///
/// # Errors
/// The DNS does not answer.
pub async fn clear_ipv6_addresses(name: &str) -> Result<()> {
    manage("clear-aaaa", json!({"host": host(name)})).await
}

/// Makes a name an alias of another.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_alias(name: &str, target: &str) -> Result<()> {
    manage("set-cname", json!({"host": host(name), "target": host(target)})).await
}

/// Turns an alias into a name with addresses again.
///
/// # Errors
/// The DNS does not answer.
pub async fn clear_alias(name: &str) -> Result<()> {
    manage("clear-cname", json!({"host": host(name)})).await
}

/// Gives a name CAA records, in place of those that it has. Each is a tag and a value, such as `("issue",
/// "letsencrypt.org")`.
///
/// # Errors
/// The DNS does not answer.
pub async fn set_caa(name: &str, policies: &[(&str, &str)]) -> Result<()> {
    clear_caa(name).await?;
    let policies: Vec<_> = policies.iter().map(|(tag, value)| json!({"tag": tag, "value": value})).collect();
    manage("add-caa", json!({"host": host(name), "policies": policies})).await
}

/// Removes the CAA records of a name.
///
/// # Errors
/// The DNS does not answer.
pub async fn clear_caa(name: &str) -> Result<()> {
    manage("clear-caa", json!({"host": host(name)})).await
}

fn host(name: &str) -> String {
    format!("{name}.")
}

async fn manage(path: &str, body: Value) -> Result<()> {
    let answer = reqwest::Client::new().post(format!("http://{HOST}:8055/{path}")).json(&body).send().await?;
    ensure!(answer.status().is_success(), "the DNS refused {path}: {}", answer.status());
    Ok(())
}

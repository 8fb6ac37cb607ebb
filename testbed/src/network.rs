//! The network inside the namespace: one bridge with the addresses of the services, and one veth per pod.

use std::path::Path;

use anyhow::{Result, bail};
use tokio::process::Command;

/// The address of the API server, the ingress controller, the DNS and the ACME authority.
pub const HOST: &str = "10.77.0.1";
/// The same host in IPv6. Only servers that listen on every address answer there, and the ingress controller does
/// not.
pub const HOST_IPV6: &str = "fd77::1";
/// The address of the CPS simulator.
pub const CPS: &str = "10.77.0.2";
/// The address of the edge that the CPS simulator plays.
pub const EDGE: &str = "10.77.0.3";
/// The DNS address that only the ACME authority uses.
pub const AUTHORITY: &str = "10.77.0.4";

/// The host in the credentials of the simulator.
pub const CPS_HOST: &str = "cps.akamai.test";
/// The host at which CPS itself serves tokens. Standing redirects lead there.
pub const DCV_HOST: &str = "dcv.akamai.com";

const BRIDGE: &str = "akacert0";

/// Creates the bridge, and makes everything in the test bed use its DNS.
///
/// # Errors
/// A command failed.
pub async fn set_up(work: &Path) -> Result<()> {
    ip(&["link", "set", "lo", "up"]).await?;
    // Without its own address, a bridge takes the lowest of its ports', which changes as pods come and go.
    ip(&["link", "add", BRIDGE, "address", "02:00:0a:4d:00:01", "type", "bridge"]).await?;
    for address in [HOST, CPS, EDGE, AUTHORITY] {
        ip(&["addr", "add", &format!("{address}/16"), "dev", BRIDGE]).await?;
    }
    if has_ipv6() {
        ip(&["addr", "add", &format!("{HOST_IPV6}/64"), "dev", BRIDGE, "nodad"]).await?;
    }
    ip(&["link", "set", BRIDGE, "up"]).await?;
    let resolv = work.join("resolv.conf");
    tokio::fs::write(&resolv, format!("nameserver {HOST}\n")).await?;
    let target = tokio::fs::canonicalize("/etc/resolv.conf").await?;
    run("mount", &["--bind", &resolv.to_string_lossy(), &target.to_string_lossy()]).await
}

/// Gives the network namespace of a process an address on the bridge.
///
/// # Errors
/// A command failed.
pub async fn connect(pid: u32, address: &str) -> Result<()> {
    let (pid, outside) = (pid.to_string(), format!("pod{pid}"));
    ip(&["link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &pid]).await?;
    ip(&["link", "set", &outside, "master", BRIDGE, "up"]).await?;
    let (ipv4, ipv6) = (format!("{address}/16"), format!("fd77::{address}/64"));
    let mut commands = vec![
        vec!["link", "set", "lo", "up"],
        vec!["addr", "add", &ipv4, "dev", "eth0"],
        vec!["link", "set", "eth0", "up"],
    ];
    if has_ipv6() {
        commands.push(vec!["addr", "add", &ipv6, "dev", "eth0", "nodad"]);
    }
    for arguments in commands {
        let inside = ["-t", &pid, "-n", "ip"];
        run("nsenter", &[&inside[..], &arguments[..]].concat()).await?;
    }
    Ok(())
}

/// Whether the kernel has IPv6. Only tests of names with IPv6 addresses need it.
#[must_use]
pub fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

async fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments).await
}

/// Runs a command to its end.
///
/// # Errors
/// It failed; the error has its output.
pub async fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().await?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

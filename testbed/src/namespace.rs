//! The namespaces that everything runs in: user, network, mount and PID. Nothing leaks out, port 80 can be bound
//! without privileges, and when the first process in them ends, the kernel ends all others.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

const MARKER: &str = "AKACERT_TESTBED_INSIDE";

/// Runs this very program again inside the namespaces, unless it is inside already.
///
/// # Errors
/// The machine cannot do it; the error says what is missing.
pub fn enter() -> Result<()> {
    if env::var_os(MARKER).is_some() {
        return Ok(());
    }
    require("unshare", "util-linux")?;
    require("ip", "iproute2")?;
    require("mount", "mount")?;
    require("named", "bind9")?;
    require("dig", "bind9-dnsutils")?;
    require("nsupdate", "bind9-dnsutils")?;
    let possible = Command::new("unshare").args(["--user", "--map-root-user", "--net", "true"]).status();
    if !possible.is_ok_and(|status| status.success()) {
        bail!(
            "this machine does not let unprivileged users make user and network namespaces: \
             the test bed needs Linux with kernel.unprivileged_userns_clone=1 and without an AppArmor restriction of them"
        );
    }
    let program = env::current_exe().context("cannot find this program's own file")?;
    let error = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
        ])
        .arg(program)
        .args(env::args_os().skip(1))
        .env(MARKER, "1")
        .exec();
    Err(error).context("cannot run unshare")
}

/// A program that must be on this machine.
///
/// # Errors
/// It is not; the error names the Debian package that has it.
pub fn require(program: &str, package: &str) -> Result<()> {
    if on_path(program).is_none() {
        bail!("`{program}` is missing: install it (Debian package {package})");
    }
    Ok(())
}

/// Where a program is on PATH.
#[must_use]
pub fn on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Some tools that only root needs elsewhere are not on everybody's PATH.
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .map(|directory| directory.join(program))
        .find(|candidate| Path::is_file(candidate))
}

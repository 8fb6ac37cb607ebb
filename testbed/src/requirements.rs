//! What has to be installed on this machine. `requirements.sh` has the list; here is what looks whether it is needed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Whose requirements.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The demonstration.
    Demo,
    /// A test bed with every part.
    Shell,
}

/// Makes sure that programs are on this machine.
///
/// # Errors
/// One of them is not; the error says what else is missing too, and how to install it all.
pub fn require(purpose: Purpose, programs: &[&str]) -> Result<()> {
    match programs.iter().find(|program| on_path(program).is_none()) {
        None => Ok(()),
        Some(program) => {
            check(purpose)?;
            bail!("`{program}` is not on PATH")
        }
    }
}

/// Looks through everything that is required.
///
/// # Errors
/// Something is missing; the error says how to install all of it.
pub fn check(purpose: Purpose) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements.sh");
    let purpose = match purpose {
        Purpose::Demo => "demo",
        Purpose::Shell => "shell",
    };
    let output = Command::new("bash").arg(script).arg(purpose).output().context("cannot run bash")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

/// Where a program is on PATH.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // What usually only root needs is not on everybody's PATH.
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .map(|directory| directory.join(program))
        .find(|candidate| Path::is_file(candidate))
}

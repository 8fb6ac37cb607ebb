//! Checks what has to be installed on this machine. `requirements.sh` has the list.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The purpose that decides what is required.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The demonstration.
    Demo,
    /// A test bed with every part.
    Shell,
}

/// Checks that programs are on this machine.
///
/// # Errors
/// One is missing. The error also names everything else that is missing, and how to install it.
pub fn require(purpose: Purpose, programs: &[&str]) -> Result<()> {
    match programs.iter().find(|program| on_path(program).is_none()) {
        None => Ok(()),
        Some(program) => {
            check(purpose)?;
            bail!("`{program}` is not on PATH")
        }
    }
}

/// Checks everything that is required.
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

/// The path of a program on PATH.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Not everybody's PATH has the directories of programs that usually only root needs.
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .map(|directory| directory.join(program))
        .find(|candidate| Path::is_file(candidate))
}

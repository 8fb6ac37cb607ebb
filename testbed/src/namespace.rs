//! The namespaces of a test bed: user, network, mount and PID. Nothing leaks out of them, a process can bind port 80
//! without privileges, and nothing outlives the process that entered them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process;

use anyhow::{Context, Result};

use crate::contained::{self, End, Network};
use crate::requirements::{self, Purpose};

/// Set only inside; contains the directory for the files of the test bed.
const MARKER: &str = "AKACERT_TESTBED_INSIDE";

/// Runs this program again inside the namespaces, with the same arguments, and exits with its exit code. Returns only
/// inside.
///
/// A signal that asks this process to end also ends everything inside. So does the end of this process.
///
/// # Errors
/// The machine cannot do it; the error says what is missing.
pub fn enter() -> Result<()> {
    enter_with(env::args_os().skip(1))
}

/// Like [`enter`], with other arguments.
///
/// # Errors
/// As for [`enter`].
pub fn enter_with(arguments: impl IntoIterator<Item = OsString>) -> Result<()> {
    if files().is_some() {
        return Ok(());
    }
    requirements::require(Purpose::Demo, &["setpriv", "unshare", "nsenter", "mount", "ip"])?;
    if !are_possible() {
        requirements::check(Purpose::Demo)?;
    }
    let files = env::temp_dir().join(format!("akacert-testbed-{}", unique()?));
    fs::create_dir(&files).with_context(|| format!("cannot make {}", files.display()))?;
    let program = env::current_exe().context("cannot find this program's own file")?;
    let mut command = contained::command(Network::Own, program);
    command.args(arguments).env(MARKER, &files);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let end = runtime.block_on(contained::run(command));
    // Kept on request, to read the logs of a failure.
    if env::var_os("AKACERT_TESTBED_KEEP").is_some() {
        eprintln!("the test bed's files are kept in {}", files.display());
    } else if let Err(error) = fs::remove_dir_all(&files) {
        eprintln!("cannot remove {}: {error}", files.display());
    }
    process::exit(match end? {
        End::Exited(status) => status.code().unwrap_or(1),
        End::Asked(signal) => {
            eprintln!("{signal} has ended the test bed and everything in it");
            // The exit code that a shell would report.
            128 + signal as i32
        }
    })
}

/// The directory for the files of the test bed, which disappears with the namespaces. `None` outside of them.
#[must_use]
pub fn files() -> Option<PathBuf> {
    env::var_os(MARKER).map(PathBuf::from)
}

fn are_possible() -> bool {
    let mut unshare = process::Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "true"]);
    unshare.output().is_ok_and(|output| output.status.success())
}

fn unique() -> Result<u128> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos())
}

//! A command in its own PID namespace. When the command ends, when this process ends, or when a signal asks this
//! process to end, the kernel ends everything that the command has started.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

/// The network of a contained command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Network {
    /// The machine's.
    Machine,
    /// A new network, with its own mounts and its own `/proc`.
    Own,
}

/// How a contained command ended.
#[derive(Debug)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// Together with this process, because this signal asked it to end.
    Asked(Signal),
}

/// The signals that ask a process to end. A terminal sends the last one when it closes.
const ASKING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP];

/// How long the kernel may take to end the processes of a namespace.
const GRACE: Duration = Duration::from_secs(5);
/// The interval between two checks whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// A command that runs a program contained.
///
/// With `setpriv` the kernel kills `unshare` when this process ends for any reason. `unshare` does the same for the
/// first process in the namespace, and with that one the kernel kills all others. Rust offers no safe way to ask for
/// this.
pub fn command(network: Network, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--user", "--map-root-user"]);
    command.args(["--pid", "--fork", "--kill-child"]);
    if network == Network::Own {
        command.args(["--net", "--mount", "--mount-proc"]);
    }
    command.arg("--").arg(program);
    command
}

/// Runs a contained command until it ends, or until a signal asks this process to end. Nothing of it is left
/// afterwards.
///
/// # Errors
/// It cannot be started or ended.
pub async fn run(command: Command) -> Result<End> {
    let mut asked = Vec::new();
    for asking in ASKING.into_iter().filter(|signal| !is_ignored(*signal)) {
        let mut stream = signal(SignalKind::from_raw(asking as i32))?;
        asked.push(Box::pin(async move {
            stream.recv().await;
            asking
        }));
    }
    let mut child = tokio::process::Command::from(command).spawn().context("cannot run setpriv")?;
    tokio::select! {
        status = child.wait() => Ok(End::Exited(status?)),
        (asking, ..) = futures::future::select_all(asked) => {
            end(&mut child).await?;
            Ok(End::Asked(asking))
        }
    }
}

/// Whether the parent process wants this process to survive a signal, as `nohup` does.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal as u32 - 1)) != 0
}

/// Kills `unshare`, whereupon the kernel kills the first process in the namespace and with it all others. Waits until
/// the first one is gone, because it is the last to go.
async fn end(unshare: &mut Child) -> Result<()> {
    let first = unshare.id().map(children).unwrap_or_default();
    unshare.kill().await.context("cannot end what this process has started")?;
    let gone = async {
        while !first.iter().all(|pid| is_gone(*pid)) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(GRACE, gone).await.context("the kernel does not end what this process has started")
}

/// Whether a process has ended. A zombie has ended, even if nobody has collected its status.
fn is_gone(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // The state follows the name, which is in parentheses.
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

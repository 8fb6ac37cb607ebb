//! The test bed from outside: what it offers to a command, and that nothing outlives it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The test bed respects a signal that its parent has set to be ignored, as `nohup` and a shell's `&` do. The parent
/// of the tests must not affect the result.
fn testbed() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_testbed")]);
    command
}

/// How many processes on this machine have this mark in their environment.
fn alive(mark: &str) -> usize {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let state = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let zombie = state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
            !zombie && environment.windows(mark.len()).any(|window| window == mark.as_bytes())
        })
        .count()
}

fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {} s", limit.as_secs());
        std::thread::yield_now();
    }
}

/// A test bed with a command that does not end.
struct Staying {
    child: Child,
    mark: String,
    files: PathBuf,
}

impl Staying {
    /// Starts the test bed, and waits until the command runs.
    fn start(name: &str) -> Self {
        let mark = format!("testbed-mark-{name}-{}", std::process::id());
        let files = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&mark);
        std::fs::create_dir(&files).unwrap();
        let ready = files.join("ready");
        let child = testbed()
            .args(["exec", "--", "sh", "-c", "touch \"$READY\"; exec tail -f /dev/null"])
            .env("MARK", &mark)
            .env("READY", &ready)
            .env("TMPDIR", &files)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until("the command runs in the test bed", Duration::from_secs(60), || ready.exists());
        std::fs::remove_file(ready).unwrap();
        assert!(alive(&mark) > 5, "etcd, kube-apiserver, kube-controller-manager, Traefik, Pebble, …");
        Self { child, mark, files }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }
}

/// Sends a signal only to the process that was started.
fn ends_with_everything_in_it(signal: Signal) {
    let mut bed = Staying::start(signal.as_str());
    bed.signal(signal);
    let mut status = None;
    until("it ends", Duration::from_secs(10), || {
        status = bed.child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(128 + signal as i32));
    assert_eq!(alive(&bed.mark), 0, "processes outlive it");
    // Its files are gone, too.
    std::fs::remove_dir(bed.files).unwrap();
}

#[test]
fn a_command_finds_a_cluster_and_its_exit_code_is_passed_on() {
    let output = testbed().args(["exec", "--", "kubectl", "get", "nodes", "-o", "name"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "node/testbed");
    let failed = testbed().args(["exec", "--", "sh", "-c", "exit 7"]).status().unwrap();
    assert_eq!(failed.code(), Some(7));
}

#[test]
fn sigterm_to_it_alone_ends_it_with_everything_in_it() {
    ends_with_everything_in_it(Signal::SIGTERM);
}

#[test]
fn sigint_to_it_alone_ends_it_with_everything_in_it() {
    ends_with_everything_in_it(Signal::SIGINT);
}

#[test]
fn sighup_to_it_alone_ends_it_with_everything_in_it() {
    ends_with_everything_in_it(Signal::SIGHUP);
}

#[test]
fn nothing_outlives_it_when_it_is_killed() {
    let mut bed = Staying::start("killed");
    bed.signal(Signal::SIGKILL);
    bed.child.wait().unwrap();
    until("everything is gone", Duration::from_secs(10), || alive(&bed.mark) == 0);
    std::fs::remove_dir_all(bed.files).unwrap();
}

//! The test bed from outside: what it gives to a command, and that nothing of it outlives it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn testbed() -> Command {
    Command::new(env!("CARGO_BIN_EXE_testbed"))
}

/// Processes on this machine that run in a test bed with this mark on their environment.
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

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::yield_now();
    }
}

fn start_and_stay(mark: &str, ready: &Path) -> Child {
    testbed()
        .args(["exec", "--", "sh", "-c", "touch \"$READY\"; exec tail -f /dev/null"])
        .env("MARK", mark)
        .env("READY", ready)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_command_finds_a_cluster_and_its_exit_code_is_passed_on() {
    let output = testbed().args(["exec", "--", "kubectl", "get", "nodes", "-o", "name"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "node/testbed");
    let failed = testbed().args(["exec", "--", "sh", "-c", "exit 7"]).status().unwrap();
    assert_eq!(failed.code(), Some(7));
}

#[test]
fn nothing_outlives_it_when_it_is_killed() {
    let mark = format!("testbed-mark-{}", std::process::id());
    let ready = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&mark);
    let mut child = start_and_stay(&mark, &ready);
    until("the command runs in the test bed", || ready.exists());
    assert!(alive(&mark) > 5, "etcd, kube-apiserver, kube-controller-manager, Traefik, Pebble, …");
    child.kill().unwrap();
    child.wait().unwrap();
    until("everything is gone", || alive(&mark) == 0);
    std::fs::remove_file(ready).unwrap();
}

//! The builds of the programs: what a user sees, and that a build ends with the process that started it. A script
//! takes the place of Go.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A directory for a test, with a script in place of Go.
fn directory(name: &str, go: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("building-{name}"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(directory.join("programs")).unwrap();
    let file = directory.join("programs/go");
    fs::write(&file, format!("#!/bin/sh\n{go}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// `testbed build` with an empty cache and that script.
fn build(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    let path = std::env::var("PATH").unwrap();
    command.arg("build").env("PATH", format!("{}:{path}", directory.join("programs").display()));
    command.env("XDG_CACHE_HOME", directory.join("cache")).env("DIRECTORY", directory);
    command.env_remove("KUBEBUILDER_ASSETS").env("RUST_BACKTRACE", "1");
    command
}

#[test]
fn a_build_that_fails_is_told_in_sentences_with_what_it_said() {
    let directory = directory("fails", "echo 'go: no network' >&2; exit 1");
    let output = build(&directory).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let log = fs::read_dir(directory.join("cache/akacert/testbed")).unwrap().next().unwrap().unwrap().path();
    let duration = said.lines().nth(1).unwrap().rsplit_once(' ').unwrap().1.to_owned();
    assert_eq!(
        said,
        format!(
            "[1/7] building control-plane (Kubernetes and etcd) …
[1/7] building control-plane (Kubernetes and etcd) failed after {duration}
testbed: control-plane (Kubernetes and etcd) cannot be built
  because: build.sh said, at the end of {}:
go: no network
",
            log.join("build.log").display()
        )
    );
}

#[test]
fn a_backtrace_is_shown_on_request() {
    let directory = directory("backtrace", "exit 1");
    let output = build(&directory).arg("--backtrace").env_remove("RUST_BACKTRACE").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("testbed::main"), "{said}");
}

#[test]
fn a_build_ends_with_the_process_that_started_it() {
    let directory = directory("ends", "echo $$ > \"$DIRECTORY/started\"; exec tail -f /dev/null");
    let mut process = build(&directory).stderr(Stdio::null()).spawn().unwrap();
    until("Go runs", || directory.join("started").exists());
    assert!(tails(&directory) > 0);
    process.kill().unwrap();
    process.wait().unwrap();
    until("Go is gone", || tails(&directory) == 0);
}

/// How many processes of the build in this directory run.
fn tails(directory: &Path) -> usize {
    let mark = format!("DIRECTORY={}", directory.display());
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let environments = processes.filter_map(|process| fs::read(process.path().join("environ")).ok());
    environments
        .filter(|environment| environment.split(|byte| *byte == 0).any(|is| is == mark.as_bytes()))
        .count()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 10 s");
        std::thread::yield_now();
    }
}

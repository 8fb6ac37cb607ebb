//! `requirements.sh` on machines that lack something.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/requirements.sh");

/// A machine whose PATH has only what the test puts there.
struct Machine {
    programs: PathBuf,
}

impl Machine {
    /// A machine without any programs.
    fn bare(name: &str) -> Self {
        let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("requirements-{name}"));
        let _ = fs::remove_dir_all(&programs);
        fs::create_dir_all(&programs).unwrap();
        Self { programs }
    }

    /// Adds a program that is a shell script.
    fn with_script(self, program: &str, script: &str) -> Self {
        let file = self.programs.join(program);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Runs the script with an empty `/usr/sbin`, where it also looks for programs.
    fn requirements(&self, arguments: &[&str]) -> Output {
        let hide =
            "for d in /usr/sbin /sbin; do mount -t tmpfs tmpfs $d; done; PATH=$0 exec /bin/bash \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", hide]).arg(&self.programs);
        command.arg(SCRIPT).args(arguments).output().unwrap()
    }

    fn lacks(&self, purpose: &str) -> String {
        let output = self.requirements(&[purpose]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn a_machine_with_nothing_is_told_everything_at_once() {
    assert_eq!(
        Machine::bare("nothing").lacks("test"),
        "This machine lacks what is needed here:
  apt-get update && apt-get install --yes --no-install-recommends util-linux mount iproute2 openssl gcc bind9 make git \
bind9-dnsutils procps bsdutils python3 python3-venv
  Rust 1.95.0 or newer (https://rustup.rs)
  Go 1.26.7 or newer (https://go.dev/dl/)
"
    );
}

#[test]
fn the_demonstration_needs_neither_bind_nor_what_only_tests_need() {
    assert_eq!(
        Machine::bare("demo").lacks("demo"),
        "This machine lacks what is needed here:
  apt-get update && apt-get install --yes --no-install-recommends util-linux mount iproute2 openssl gcc
  Rust 1.95.0 or newer (https://rustup.rs)
  Go 1.26.0 or newer (https://go.dev/dl/)
"
    );
    let shell = Machine::bare("shell").lacks("shell");
    assert!(shell.contains(" gcc bind9\n"), "{shell}");
}

#[test]
fn it_takes_less_than_a_second() {
    let machine = Machine::bare("second");
    let took = |_| {
        let start = Instant::now();
        machine.lacks("test");
        start.elapsed()
    };
    // Other tests keep the machine busy.
    assert!((0..3).map(took).min().unwrap() < Duration::from_secs(1));
}

#[test]
fn what_is_too_old_is_told_with_its_version() {
    let machine = Machine::bare("old")
        .with_script("cargo", "echo 'cargo 1.94.1 (0123abc 2026-01-01)'")
        .with_script("go", "echo go1.26.6")
        .with_script("python3", "echo '3.9.2 venv'");
    let lacks = machine.lacks("test");
    let lines: Vec<_> = lacks.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "  Rust 1.95.0 or newer (https://rustup.rs); here is 1.94.1",
            "  Go 1.26.7 or newer (https://go.dev/dl/); here is 1.26.6",
            "  Python 3.11 or newer; here is 3.9.2",
        ]
    );
    assert!(!lacks.contains("python3"), "{lacks}");
}

#[test]
fn rustup_is_not_made_to_install_the_toolchain() {
    let machine = Machine::bare("rustup").with_script("rustup", "exit 0").with_script(
        "cargo",
        "[ \"$RUSTUP_AUTO_INSTALL\" = 0 ] && exit 1; echo 'cargo 1.95.0 (0123abc 2026-01-01)'",
    );
    let lacks = machine.lacks("demo");
    let command = "rustup toolchain install 1.95.0 --profile minimal --component clippy --component rustfmt";
    assert!(lacks.contains(&format!("\n  Rust 1.95.0: {command}\n")), "{lacks}");
}

#[test]
fn packages_are_installed_on_request_only() {
    let machine = Machine::bare("install");
    let log = machine.programs.join("log");
    let machine = machine.with_script("apt-get", &format!("echo \"$@\" >> {}", log.display()));
    machine.lacks("demo");
    assert!(!log.exists());
    machine.requirements(&["demo", "--install"]);
    assert_eq!(
        fs::read_to_string(log).unwrap(),
        "update\ninstall --yes --no-install-recommends util-linux mount iproute2 openssl gcc\n"
    );
}

#[test]
fn a_machine_with_everything_is_told_nothing() {
    let output = Command::new("bash").args([SCRIPT, "test"]).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

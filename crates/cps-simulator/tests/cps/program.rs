//! The program `cps-simulator`: its command line, its start and its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cps-simulator");

/// Ends the program even if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn edgerc(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, "[default]\nclient_token = ct\nclient_secret = cs\naccess_token = at\n").unwrap();
    path.display().to_string()
}

#[test]
fn it_says_where_it_serves_and_ends_by_sigterm() {
    let credentials = edgerc("program.edgerc");
    let mut command = Command::new(PROGRAM);
    command.args(["--listen", "127.0.0.1:0", "--credentials", &credentials]);
    command.args(["--contract", "C-1", "--contract", "C-2", "--speed", "1000", "--no-request-limits"]);
    command.args(["--edge-listen", "127.0.0.1:0", "--dcv-listen", "127.0.0.1:0"]);
    command.args(["--control-listen", "127.0.0.1:0", "--dns", "127.0.0.1:1", "--token-life", "12h"]);
    let mut running = Running(command.stderr(Stdio::piped()).env("NO_COLOR", "1").spawn().unwrap());
    let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let serving = lines.find_map(|line| line.ok().filter(|line| line.contains("serving"))).unwrap();
    for field in ["url=\"http://127.0.0.1:", "edge=127.0.0.1:", "dcv=127.0.0.1:", "control=127.0.0.1:"] {
        assert!(serving.contains(field), "{field} is not in {serving}");
    }
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_wrong_with_the_command_line_is_said_in_one_line() {
    let good = edgerc("good.edgerc");
    let table: [(&[&str], &str); 5] = [
        (&["--credentials", "/nonexistent"], "cps-simulator: cannot read /nonexistent: "),
        (
            &["--credentials", &good, "--speed", "0"],
            "cps-simulator: speed must be a positive number, but is 0",
        ),
        (
            &["--credentials", &good, "--token-life", "7"],
            "error: invalid value '7' for '--token-life <TIME>': 7 is not a number with a unit, such as 30s, 10m, 12h or 7d",
        ),
        (
            &["--credentials", &good, "--edge-dns-zone", "edge.test=MASTER"],
            "error: invalid value 'edge.test=MASTER' for '--edge-dns-zone <ZONE>': MASTER is not a zone type: use PRIMARY, SECONDARY or ALIAS",
        ),
        (
            &[
                "--credentials",
                &good,
                "--edge-dns-server",
                "127.0.0.1:1",
                "--edge-dns-tsig-file",
                "/nonexistent",
            ],
            "cps-simulator: cannot read the TSIG key in /nonexistent: ",
        ),
    ];
    for (arguments, message) in table {
        let output = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0", "--contract", "C-1"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(message), "{said}");
    }
}

#[test]
fn help_documents_every_argument() {
    let output = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for argument in [
        "--listen <ADDR>",
        "--tls-cert <FILE>",
        "--tls-key <FILE>",
        "--credentials <FILE>",
        "--contract <ID>",
        "--acme-directory <URL>",
        "--acme-ca <FILE>",
        "--dns <ADDR>",
        "--speed <N>",
        "--no-request-limits",
        "--edge-listen <ADDR>",
        "--dcv-listen <ADDR>",
        "--control-listen <ADDR>",
        "--token-life <TIME>",
        "--renewal-lead <TIME>",
        "--edge-dns-zone <ZONE>",
        "--edge-dns-server <ADDR>",
        "--edge-dns-tsig-file <FILE>",
    ] {
        assert!(help.contains(argument), "{argument} is not in the help");
    }
}

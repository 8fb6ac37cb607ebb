//! Akamai's own Python signer against the simulator. The first run installs it from PyPI into a virtual environment below
//! cargo's target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::{ACCESS_TOKEN, CLIENT_SECRET, CLIENT_TOKEN};
use crate::world::{World, enrollment};

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The interpreter of an environment with the packages of `requirements.txt`.
fn python() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edgegrid-python");
    let (python, done) = (directory.join("bin/python"), directory.join("requirements.txt"));
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == REQUIREMENTS) {
        return python;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cps/requirements.txt");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&source));
    std::fs::write(done, REQUIREMENTS).unwrap();
    python
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; it needs python3 with venv, and PyPI: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn akamais_python_signer_is_understood_and_a_wrong_secret_is_not() {
    let world = World::start(|_| {}).await;
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cps/signer.py");
    let mut command = tokio::process::Command::new(python);
    command.arg(script).arg(&world.cps.base).args([CLIENT_TOKEN, CLIENT_SECRET, ACCESS_TOKEN]);
    command.arg(enrollment(&["python.example.com"]).to_string());
    let output = command.output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "GET 200",
            "GET with accountSwitchKey 200",
            "POST 202",
            "POST with accountSwitchKey 409",
            "GET with a wrong secret 401 The signature does not match",
            "POST with a wrong secret 401 The signature does not match",
        ]
    );
}

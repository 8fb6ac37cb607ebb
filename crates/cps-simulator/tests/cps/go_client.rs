//! Akamai's own Go client, which the Terraform provider uses too, against the simulator over HTTPS. Go builds it from the
//! pinned module in `go-client`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::{ACCESS_TOKEN, CLIENT_SECRET, CLIENT_TOKEN};
use crate::world::World;

/// Builds the program; Go itself knows when nothing has changed.
fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cps/go-client");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-client");
    let mut command = Command::new("go");
    command.current_dir(source).args(["build", "-o"]).arg(&program).arg(".");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; it needs Go, and its module proxy: {said}");
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn akamais_go_client_takes_an_enrollment_through_its_first_day() {
    let (world, certificate) = World::start_with_tls().await;
    let program = tokio::task::spawn_blocking(build).await.unwrap();
    let host = world.cps.base.strip_prefix("https://").unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(&program);
        command.args(arguments).env("SSL_CERT_FILE", &certificate);
        command.env("AKAMAI_HOST", host).env("AKAMAI_ACCESS_TOKEN", ACCESS_TOKEN);
        command.env("AKAMAI_CLIENT_TOKEN", CLIENT_TOKEN).env("AKAMAI_CLIENT_SECRET", CLIENT_SECRET);
        let output = command.output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    let created = run(&["create"]).await;
    let (enrollment, change) = created.trim().split_once(' ').unwrap();
    world.publish(&world.offered((enrollment.parse().unwrap(), change.parse().unwrap())).await);
    let finished = run(&["finish", enrollment, change]).await;
    assert_eq!(
        finished.lines().collect::<Vec<_>>(),
        [
            "challenges 2 2",
            "change complete",
            "deployed ECDSA enhanced-tls",
            "enrollment go.example.com 0",
            "changes by a contact 0",
            "changes by a name 1",
            "listed 1 0",
        ]
    );
}

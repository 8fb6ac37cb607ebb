//! `kubectl akacert` as a user runs it: kubectl finds it, and it talks to the real API server.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::TestBed;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use crate::scene::{DEADLINE, Scene, says};

crate::together![
    its_exit_code_tells_a_pipeline_how_a_certificate_is,
    it_explains_what_waits_for_an_approval_and_gives_it,
    it_renews_a_certificate_once,
    it_watches_until_the_certificate_serves,
    it_probes_challenges_and_the_served_certificate_from_where_the_user_sits,
    kubectl_completes_its_commands_and_the_names_of_certificates,
    on_a_terminal_it_has_colours_and_watches_in_place,
];

async fn its_exit_code_tells_a_pipeline_how_a_certificate_is(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "exit-codes").await?;
    scene.apply_held("www", json!({})).await?;
    let (code, tree) = run(&scene, &["status", "www"]).await?;
    ensure!(code == 3, "{code}: {tree}");
    says(&tree, "AkamaiCertificate exit-codes/www: in progress (PreflightFailed)")?;
    says(&tree, "└─ awaited     www.exit-codes.example.com: ")?;
    let (code, table) = run(&scene, &["status"]).await?;
    ensure!(code == 3, "{code}: {table}");
    scene.lead_back("www").await?;
    scene.until_ready("www").await?;
    let (code, json) = run(&scene, &["status", "www", "-o", "json"]).await?;
    let read: Value = serde_json::from_str(&json)?;
    ensure!(code == 0 && read["spec"]["commonName"] == "www.exit-codes.example.com", "{code}: {json}");
    let (code, table) = run(&scene, &["status"]).await?;
    ensure!(code == 0, "{code}: {table}");
    let (code, said) = run(&scene, &["status", "nobody"]).await?;
    ensure!(code == 1, "{code}");
    says(&said, "akamaicertificates.akacert.io \"nobody\" not found")
}

async fn it_explains_what_waits_for_an_approval_and_gives_it(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "approver").await?;
    scene.apply("www", json!({"updatePolicy": "RequireApproval"})).await?;
    scene.until_ready("www").await?;
    scene.patch("www", json!({"dnsNames": [scene.host("api")]})).await?;
    scene.until("www", "Stalled", "True", "PlanNeedsApproval").await?;
    let (code, explained) = run(&scene, &["explain", "www"]).await?;
    ensure!(code == 4, "{code}: {explained}");
    says(&explained, "What to do: Read `status.plan`")?;
    let (code, json) = run(&scene, &["explain", "www", "-o", "json"]).await?;
    let explained: Value = serde_json::from_str(&json)?;
    ensure!(code == 4 && explained["reason"] == "PlanNeedsApproval", "{code}: {json}");
    let (code, json) = run(&scene, &["plan", "www", "--output=json"]).await?;
    let plan: Value = serde_json::from_str(&json)?;
    ensure!(code == 4 && plan["changes"][0] == "dnsNames: + api.approver.example.com", "{code}: {json}");
    let (code, said) = run(&scene, &["approve", "www", "plan"]).await?;
    ensure!(code == 1, "{code}: {said}");
    says(&said, "there is nobody to ask: pass --yes")?;
    let (code, approved) = run(&scene, &["approve", "www", "plan", "--yes"]).await?;
    ensure!(code == 0, "{code}: {approved}");
    says(&approved, "dnsNames: + api.approver.example.com")?;
    scene
        .until_status("www", "the name is in production", |status| {
            let production = status.deployments.as_ref()?.production.as_ref()?;
            production.dns_names.contains(&scene.host("api")).then_some(())
        })
        .await?;
    scene.until_ready("www").await?;
    let (code, plan) = run(&scene, &["plan", "www"]).await?;
    ensure!(code == 0 && plan == "www: nothing is outstanding.\n", "{code}: {plan}");
    Ok(())
}

async fn it_renews_a_certificate_once(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "renewer").await?;
    scene.apply("www", json!({})).await?;
    let serial = |status: &akacert_api::status::CertificateStatus| {
        Some(status.deployments.as_ref()?.production.as_ref()?.serial_number.clone())
    };
    let before = serial(&scene.until_ready("www").await?).context("nothing in production")?;
    // The annotation has whole seconds, so a certificate of this second is not older.
    let issued = jiff::Timestamp::now().as_second();
    crate::scene::eventually("the next second", async || {
        Ok((jiff::Timestamp::now().as_second() > issued).then_some(()))
    })
    .await?;
    let (code, said) = run(&scene, &["renew", "www", "--yes"]).await?;
    ensure!(code == 0, "{code}: {said}");
    says(&said, &format!("in place of {before}"))?;
    scene
        .until_status("www", "another certificate", |status| {
            (serial(status)? != before && status.change.is_none()).then_some(())
        })
        .await
}

async fn it_watches_until_the_certificate_serves(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "watcher").await?;
    scene.apply_held("www", json!({})).await?;
    let mut watching = command(&scene, &["status", "www", "--watch"])?.stdout(Stdio::piped()).spawn()?;
    let mut shown = BufReader::new(watching.stdout.take().context("no output")?).lines();
    until_shown(&mut shown, "in progress (PreflightFailed)").await?;
    scene.lead_back("www").await?;
    until_shown(&mut shown, "AkamaiCertificate watcher/www: Ready (Deployed)").await?;
    watching.kill().await?;
    Ok(())
}

async fn on_a_terminal_it_has_colours_and_watches_in_place(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "terminal").await?;
    scene.apply_held("www", json!({})).await?;
    let shown = on_a_terminal(&scene, "status www")?.output().await?;
    let (code, shown) = (shown.status.code(), String::from_utf8(shown.stdout)?);
    ensure!(code == Some(3), "{code:?}: {shown}");
    says(&shown, "terminal/www: \x1b[33min progress\x1b[0m (PreflightFailed)")?;
    let (_, plain) = run(&scene, &["status", "www"]).await?;
    ensure!(!plain.contains('\x1b'), "{plain}");

    let mut watching = on_a_terminal(&scene, "status www --watch")?.spawn()?;
    let mut shown = BufReader::new(watching.stdout.take().context("no output")?).lines();
    // Each time at the upper left corner of an empty screen.
    until_shown(&mut shown, "\x1b[H\x1b[JAkamaiCertificate terminal/www: \x1b[33min progress").await?;
    scene.lead_back("www").await?;
    until_shown(&mut shown, "\x1b[H\x1b[JAkamaiCertificate terminal/www: \x1b[32mReady\x1b[0m").await?;
    watching.kill().await?;
    Ok(())
}

/// Reads lines until one contains the text.
async fn until_shown(lines: &mut Lines<BufReader<ChildStdout>>, wanted: &str) -> Result<()> {
    let found = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains(wanted) {
                return Ok(());
            }
        }
        anyhow::bail!("it ended")
    };
    tokio::time::timeout(DEADLINE, found).await.with_context(|| format!("not shown: {wanted}"))?
}

async fn it_probes_challenges_and_the_served_certificate_from_where_the_user_sits(
    bed: &TestBed,
) -> Result<()> {
    let scene = Scene::new(bed, "prober").await?;
    scene.apply_held("www", json!({})).await?;
    let (code, seen) = run(&scene, &["probe", "www"]).await?;
    ensure!(code == 3, "{code}: {seen}");
    says(&seen, "├─ challenge   http://www.prober.example.com/.well-known/acme-challenge/")?;
    says(&seen, " cannot be reached\n")?;
    let (code, yaml) = run(&scene, &["probe", "www", "-o", "yaml"]).await?;
    ensure!(code == 3, "{code}: {yaml}");
    says(&yaml, "name: www.prober.example.com")?;
    says(&yaml, "fine: false")?;
    scene.lead_back("www").await?;
    scene.until_ready("www").await?;
    let edge = format!("--edge={}:443", testbed::EDGE);
    let (code, seen) = run(&scene, &["probe", "www", &edge]).await?;
    ensure!(code == 0, "{code}: {seen}");
    ensure!(
        seen == "www.prober.example.com\n├─ port 80     answers\n└─ certificate the deployed one is served\n",
        "{seen}"
    );
    Ok(())
}

async fn kubectl_completes_its_commands_and_the_names_of_certificates(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "completer").await?;
    scene.apply("www", json!({"suspend": true})).await?;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kubectl-akacert.md"))?;
    let (_, script) = page.split_once("```sh\n").context("no script in the handbook")?;
    let (script, _) = script.split_once("```").context("the script does not end")?;
    let directory = bed.work().join("completion");
    std::fs::create_dir_all(&directory)?;
    let file = directory.join("kubectl_complete-akacert");
    std::fs::write(&file, script)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    let plugin = testbed::own("kubectl-akacert")?;
    let path = std::env::join_paths([&directory, plugin.parent().context("the plugin is in no directory")?])?;
    let complete = async |words: &[&str]| {
        let mut kubectl = Command::new(bed.kubectl_directory()?.join("kubectl"));
        kubectl.args(["__complete", "akacert"]).args(words).env("PATH", &path).env("HOME", bed.work());
        let output = kubectl.env("KUBECONFIG", bed.kubeconfig()).output().await?;
        anyhow::Ok(String::from_utf8(output.stdout)?)
    };
    let answered = complete(&["st"]).await?;
    ensure!(answered.starts_with("status\tShows certificates") && answered.ends_with("\n:4\n"), "{answered}");
    let answered = complete(&["-n", "completer", "explain", "w"]).await?;
    ensure!(answered == "www\n:4\n", "{answered}");
    // Names help, but are not required.
    let answered = complete(&["--context", "nonesuch", "explain", ""]).await?;
    ensure!(answered == ":4\n", "{answered}");
    Ok(())
}

/// Exit code and output, including errors.
pub async fn run(scene: &Scene<'_>, arguments: &[&str]) -> Result<(i32, String)> {
    let output = command(scene, arguments)?.stdin(Stdio::null()).output().await?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code().context("it was killed")?, String::from_utf8(said)?))
}

/// kubectl with the plugin on a terminal, whose two ends are the command's standard input and output.
pub fn on_a_terminal(scene: &Scene<'_>, arguments: &str) -> Result<Command> {
    let kubectl = scene.bed.kubectl_directory()?.join("kubectl");
    let line = format!("{} akacert --namespace {} {arguments}", kubectl.display(), scene.name);
    let plugin = testbed::own("kubectl-akacert")?;
    let mut command = Command::new("/usr/bin/script");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .env("KUBECONFIG", scene.bed.kubeconfig())
        .env("HOME", scene.bed.work())
        .env("PATH", plugin.parent().context("the plugin is in no directory")?)
        .kill_on_drop(true);
    Ok(command)
}

/// kubectl, which finds the plugin on PATH.
fn command(scene: &Scene<'_>, arguments: &[&str]) -> Result<Command> {
    let plugin = testbed::own("kubectl-akacert")?;
    let mut command = Command::new(scene.bed.kubectl_directory()?.join("kubectl"));
    command
        .args(["akacert", "--namespace", &scene.name])
        .args(arguments)
        .env("KUBECONFIG", scene.bed.kubeconfig())
        .env("HOME", scene.bed.work())
        .env("PATH", plugin.parent().context("the plugin is in no directory")?)
        .kill_on_drop(true);
    Ok(command)
}

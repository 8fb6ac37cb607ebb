//! The demonstration: from `kubectl apply` to Ready, with proof that it really happened.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::api::{Api, DynamicObject, GroupVersionKind};
use kube::core::ApiResource;
use serde_json::Value;
use testbed::{Built, Options, Parts, SimulatorOptions, TestBed, duration, manifest, the_last};
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(120);
const NAMES: [&str; 3] = ["www.example.com", "example.com", "api.example.com"];

/// Runs the demonstration. With all parts, it then opens a shell and leaves everything running.
pub async fn run(parts: Parts, built: &[Built]) -> Result<ExitCode> {
    let clock = Instant::now();
    let bind = if parts == Parts::All { "BIND, " } else { "" };
    say(
        &clock,
        &format!(
            "starting etcd, kube-apiserver, kube-controller-manager, Traefik, {bind}Pebble and the CPS simulator"
        ),
    );
    // Slow enough to watch, and fast enough to wait for: an hour of CPS becomes some seconds.
    let simulator = SimulatorOptions { speed: 400.0, ..SimulatorOptions::default() };
    let bed = TestBed::start(&Options { parts, simulator, ..Options::default() }).await?;
    say(&clock, "kubectl apply -k: the CRDs, the operator and the solver");
    bed.install().await?;
    let started = clock.elapsed();
    let applied = Instant::now();
    for file in ["demo/account.yaml", "demo/certificate.yaml"] {
        let path = manifest(file);
        say(&clock, &format!("kubectl apply -f {file}"));
        print!("{}", bed.kubectl(&["apply", "-f", &path.to_string_lossy()]).await?);
    }
    let certificate = watch(&bed, &applied).await?;
    let ready = applied.elapsed();
    say(&clock, &format!("Ready, {:.1} s after kubectl apply", ready.as_secs_f64()));
    println!();
    print!("{}", bed.kubectl(&["get", "akamaicertificates", "-A"]).await?);
    println!();
    prove(&bed, &certificate).await?;
    if parts == Parts::All {
        open_shell(&bed).await?;
    } else {
        println!();
        print!("{}", took(built, started, ready));
    }
    Ok(ExitCode::SUCCESS)
}

/// The table of durations.
fn took(built: &[Built], started: Duration, ready: Duration) -> String {
    let mut parts: Vec<_> = built.iter().map(|built| (format!("build {}", built.what), built.took)).collect();
    parts.push(("start the test bed and the operator".into(), started));
    parts.push(("from kubectl apply to Ready".into(), ready));
    parts.push(("all of it".into(), parts.iter().map(|(_, took)| *took).sum()));
    let width = parts.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
    let rows = parts.iter().map(|(what, took)| format!("  {what:<width$}  {:>7}\n", duration(*took)));
    format!("What took how long\n------------------\n{}", rows.collect::<String>())
}

fn say(clock: &Instant, what: &str) {
    println!("[{:6.1} s] {what}", clock.elapsed().as_secs_f64());
}

/// Shows the conditions until the certificate is Ready. On a terminal the table changes in place. Elsewhere each
/// change prints a new one.
async fn watch(bed: &TestBed, applied: &Instant) -> Result<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("akacert.io", "v1alpha1", "AkamaiCertificate"));
    let api: Api<DynamicObject> = Api::namespaced_with(bed.client(), "shop", &kind);
    let (mut shown, mut lines) = (Vec::new(), 0);
    loop {
        ensure!(
            applied.elapsed() < DEADLINE,
            "the certificate is not Ready after {} s; the operator said:\n{}",
            DEADLINE.as_secs(),
            the_last(&bed.pod_logs("akacert-operator")?)
        );
        let certificate = api.get("www").await?;
        let table = conditions(&certificate.data);
        if table != shown {
            if std::io::stdout().is_terminal() {
                print!("{}", "\x1b[1A\x1b[2K".repeat(lines));
            } else if !shown.is_empty() {
                println!();
            }
            for line in &table {
                // A wrapped line would break the table. `kubectl describe` shows the whole message.
                println!("  {}", fitting(line));
            }
            std::io::stdout().flush()?;
            lines = table.len();
            shown = table;
        }
        if shown.iter().any(|line| line.starts_with("Ready") && line.contains("True")) {
            return Ok(certificate);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn conditions(object: &Value) -> Vec<String> {
    let conditions =
        object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    conditions
        .iter()
        .map(|condition| {
            format!(
                "{:<20} {:<6} {:<22} {}",
                text(condition, "type"),
                text(condition, "status"),
                text(condition, "reason"),
                text(condition, "message")
            )
        })
        .collect()
}

/// Shows the certificate with its names and expiry, the verification of its chain, and the token requests that proved
/// the names.
async fn prove(bed: &TestBed, certificate: &DynamicObject) -> Result<()> {
    let id = certificate
        .data
        .pointer("/status/enrollmentId")
        .and_then(Value::as_u64)
        .context("no enrollment ID")?;
    println!("The proof");
    println!("---------");
    show_certificate(bed, id).await?;
    show_requests(bed)
}

async fn show_certificate(bed: &TestBed, enrollment: u64) -> Result<()> {
    let files = bed.work().join("proof");
    std::fs::create_dir_all(&files)?;
    let file = |name: &str| files.join(name).to_string_lossy().into_owned();
    let (leaf, chain, root) = (file("leaf.pem"), file("chain.pem"), file("root.pem"));
    let deployed = bed.deployed_certificate(enrollment).await?;
    std::fs::write(&leaf, &deployed.certificate)?;
    std::fs::write(&chain, &deployed.trust_chain)?;
    std::fs::write(&root, bed.acme_root().await?)?;
    println!("$ openssl x509 -in leaf.pem -noout -issuer -serial -dates -ext subjectAltName");
    let show = ["x509", "-in", &leaf, "-noout", "-issuer", "-serial", "-dates", "-ext", "subjectAltName"];
    let text = output("openssl", &show).await?;
    print!("{text}");
    for name in NAMES {
        ensure!(text.contains(&format!("DNS:{name}")), "the certificate does not cover {name}");
    }
    println!("$ openssl verify -CAfile pebble-root.pem -untrusted chain.pem leaf.pem");
    let verify = ["verify", "-CAfile", &root, "-untrusted", &chain, &leaf];
    print!("{}", output("openssl", &verify).await?);
    Ok(())
}

fn show_requests(bed: &TestBed) -> Result<()> {
    println!("The authority's requests in Traefik's access log:");
    for name in NAMES {
        let fetched = bed.access_log()?.into_iter().find(|access| {
            access.request_host == name
                && access.downstream_status == 200
                && access.user_agent.contains("LetsEncrypt-Pebble-VA")
        });
        let fetched = fetched.with_context(|| format!("the authority did not fetch the token of {name}"))?;
        println!("  {} http://{}{}", fetched.downstream_status, fetched.request_host, fetched.request_path);
    }
    Ok(())
}

async fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    ensure!(
        output.status.success(),
        "{program} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8(output.stdout)?)
}

async fn open_shell(bed: &TestBed) -> Result<()> {
    println!(
        "
Everything is running. Try:
  kubectl get akamaicertificates -A -o wide --watch
  kubectl explain akamaicertificate.spec
  kubectl -n shop describe akamaicertificate www
  kubectl -n akacert-system get pods
  tail -f {}/logs/pod-akacert-operator-*.log
`exit` ends everything.",
        bed.work().display()
    );
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into());
    Command::new(shell).envs(bed.shell_environment("default").await?).status().await?;
    Ok(())
}

/// The part of a line that fits, with a mark if more follows.
fn fitting(line: &str) -> String {
    const WIDTH: usize = 150;
    match line.char_indices().nth(WIDTH) {
        None => line.to_owned(),
        Some(_) => line.chars().take(WIDTH - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_fit_says_that_it_goes_on() {
        let line = "a".repeat(150);
        assert_eq!(fitting(&line), line);
        let cut = fitting(&"ä".repeat(151));
        assert_eq!((cut.chars().count(), cut.ends_with("ä…")), (150, true));
    }

    #[test]
    fn the_table_has_a_row_for_each_part_and_the_sum() {
        let built = [Built { what: "with cargo".into(), took: Duration::from_secs(300) }];
        assert_eq!(
            took(&built, Duration::from_secs(12), Duration::from_secs(20)),
            "What took how long\n------------------\n  \
             build with cargo                       5m00s\n  \
             start the test bed and the operator      12s\n  \
             from kubectl apply to Ready              20s\n  \
             all of it                              5m32s\n"
        );
    }
}

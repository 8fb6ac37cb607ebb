//! The demonstration: from `kubectl apply` to Ready, and the proof that it really happened.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::api::{Api, DynamicObject, GroupVersionKind};
use kube::core::ApiResource;
use serde_json::Value;
use testbed::{Options, SimulatorOptions, TestBed, manifest};
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(120);
const NAMES: [&str; 3] = ["www.example.com", "example.com", "api.example.com"];

/// Runs the demonstration; with `shell` it leaves everything running and opens a shell.
pub async fn run(shell: bool) -> Result<ExitCode> {
    let clock = Instant::now();
    say(
        &clock,
        "starting etcd, kube-apiserver, kube-controller-manager, Traefik, BIND, Pebble and the CPS simulator",
    );
    // Slow enough to watch, fast enough to wait for: what takes CPS an hour takes some seconds.
    let simulator = SimulatorOptions { speed: 400.0, ..SimulatorOptions::default() };
    let bed = TestBed::start(&Options { simulator, ..Options::default() }).await?;
    say(&clock, "kubectl apply -k: the CRDs, the operator and the solver");
    bed.install().await?;
    for file in ["demo/account.yaml", "demo/certificate.yaml"] {
        let path = manifest(file);
        say(&clock, &format!("kubectl apply -f {file}"));
        print!("{}", bed.kubectl(&["apply", "-f", &path.to_string_lossy()]).await?);
    }
    let applied = Instant::now();
    let certificate = watch(&bed, &applied).await?;
    say(&clock, &format!("Ready, {:.1} s after kubectl apply", applied.elapsed().as_secs_f64()));
    println!();
    print!("{}", bed.kubectl(&["get", "akamaicertificates", "-A"]).await?);
    println!();
    prove(&bed, &certificate).await?;
    if shell {
        open_shell(&bed).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(clock: &Instant, what: &str) {
    println!("[{:6.1} s] {what}", clock.elapsed().as_secs_f64());
}

/// Shows the conditions until the certificate is Ready; on a terminal in place, elsewhere a line a change.
async fn watch(bed: &TestBed, applied: &Instant) -> Result<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("akacert.io", "v1alpha1", "AkamaiCertificate"));
    let api: Api<DynamicObject> = Api::namespaced_with(bed.client(), "shop", &kind);
    let (mut shown, mut lines) = (Vec::new(), 0);
    loop {
        ensure!(
            applied.elapsed() < DEADLINE,
            "not Ready after {} s; {}",
            DEADLINE.as_secs(),
            bed.pod_logs("akacert-operator")?
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
                // A line that wraps would spoil the table; the whole message is a `kubectl describe` away.
                println!("  {}", line.chars().take(150).collect::<String>());
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

/// The certificate, its chain verified, its names and expiry, and the token requests that proved the names.
async fn prove(bed: &TestBed, certificate: &DynamicObject) -> Result<()> {
    let id = certificate
        .data
        .pointer("/status/enrollmentId")
        .and_then(Value::as_u64)
        .context("no enrollment ID")?;
    println!("The proof");
    println!("---------");
    let files = bed.work().join("proof");
    std::fs::create_dir_all(&files)?;
    let (leaf, chain, root) = (files.join("leaf.pem"), files.join("chain.pem"), files.join("root.pem"));
    let deployed = bed.deployed_certificate(id).await?;
    std::fs::write(&leaf, &deployed.certificate)?;
    std::fs::write(&chain, &deployed.trust_chain)?;
    std::fs::write(&root, bed.acme_root().await?)?;
    println!("$ openssl x509 -in leaf.pem -noout -issuer -serial -dates -ext subjectAltName");
    let text = output(
        "openssl",
        &[
            "x509",
            "-in",
            &leaf.to_string_lossy(),
            "-noout",
            "-issuer",
            "-serial",
            "-dates",
            "-ext",
            "subjectAltName",
        ],
    )
    .await?;
    print!("{text}");
    for name in NAMES {
        ensure!(text.contains(&format!("DNS:{name}")), "the certificate does not cover {name}");
    }
    println!("$ openssl verify -CAfile pebble-root.pem -untrusted chain.pem leaf.pem");
    print!(
        "{}",
        output(
            "openssl",
            &[
                "verify",
                "-CAfile",
                &root.to_string_lossy(),
                "-untrusted",
                &chain.to_string_lossy(),
                &leaf.to_string_lossy()
            ]
        )
        .await?
    );
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
    let output = Command::new(program).args(arguments).output().await?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
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

//! The handbook's manifests and commands, as a reader would use them; a block is left out when a comment right after it
//! says `not run`, and why. Not here: what they are for, which other tests show.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::{EDGERC, NAMESPACE, TestBed};
use tokio::process::Command;

use crate::scene::{Scene, eventually};

crate::together![every_manifest_is_taken_and_every_command_works, every_sample_is_taken];

/// The page with what `kubectl akacert status` has printed.
const RECORDED: &str = "docs/kubectl-akacert.md";

async fn every_sample_is_taken(bed: &TestBed) -> Result<()> {
    let _namespace = Scene::without_account(bed, "samples").await?;
    let samples = fs::read_dir(root().join("deploy/samples"))?.collect::<Result<Vec<_>, _>>()?;
    ensure!(samples.len() >= 8, "only {} samples", samples.len());
    for sample in samples {
        let manifests = fs::read_to_string(sample.path())?.replace("namespace: shop", "namespace: samples");
        dry_run(bed, &manifests).await.with_context(|| sample.path().display().to_string())?;
    }
    Ok(())
}

/// What the handbook's reader has: the namespace, the account and the certificate of its examples.
async fn reader(bed: &TestBed) -> Result<Scene<'_>> {
    let scene = Scene::without_account(bed, "shop").await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"edgerc": EDGERC},
        "metadata": {"name": "akamai-production", "namespace": NAMESPACE}});
    bed.apply(&secret.to_string()).await?;
    bed.kubectl(&["label", "namespace", "shop", "akacert=allowed"]).await?;
    for sample in ["account.yaml", "certificate.yaml"] {
        bed.kubectl(&["apply", "-f", &root().join("deploy/samples").join(sample).to_string_lossy()]).await?;
    }
    // Argo CD's, for what is patched into it.
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}),
    ] {
        bed.apply(&object.to_string()).await?;
    }
    scene.until_ready("www").await?;
    let account = json!({"kind": "ClusterAkamaiAccount", "name": "production"});
    scene.apply_held("blog", json!({"accountRef": account})).await?;
    Ok(scene)
}

async fn every_manifest_is_taken_and_every_command_works(bed: &TestBed) -> Result<()> {
    let scene = reader(bed).await?;
    status_is_as_recorded(bed).await?;
    let (mut manifests, mut commands) = (0, 0);
    for page in pages()? {
        let text = fs::read_to_string(&page)?;
        for block in blocks(&text) {
            let place = format!("{}: {}", page.display(), block.text);
            if block.language == "yaml" && block.text.contains("apiVersion: akacert.io") {
                dry_run(bed, &block.text).await.context(place)?;
                manifests += 1;
            } else if block.language == "console" && block.not_run.is_none() {
                for command in block.text.lines().filter_map(|line| line.strip_prefix("$ ")) {
                    run(bed, command).await.with_context(|| place.clone())?;
                    commands += 1;
                }
            }
        }
    }
    ensure!(manifests >= 3 && commands >= 20, "only {manifests} manifests and {commands} commands");
    // Renewed twice on the way, by the commands.
    eventually("the certificate is at rest again", async || {
        let status = scene.certificates().get("www").await?.status;
        Ok(status.filter(|status| status.change.is_none()).map(drop))
    })
    .await?;
    scene.until_ready("www").await.map(drop)
}

/// Holds what a page says that `status` prints to what it prints; with UPDATE set writes it.
async fn status_is_as_recorded(bed: &TestBed) -> Result<()> {
    let page = root().join(RECORDED);
    let mut text = fs::read_to_string(&page)?;
    let recorded: Vec<_> = blocks(&text).into_iter().filter(|block| block.language == "console").collect();
    ensure!(recorded.len() == 2, "{} commands in {RECORDED}", recorded.len());
    for Block { text: block, .. } in recorded {
        let (command, output) = block.split_once('\n').context("no output")?;
        let printed = run(bed, command.trim_start_matches("$ ")).await?;
        if std::env::var_os("UPDATE").is_some() {
            text = text.replace(output, &printed);
            fs::write(&page, &text)?;
        } else {
            let (output, printed) = (without_numbers(output), without_numbers(&printed));
            ensure!(
                output == printed,
                "{RECORDED} has\n{output}instead of\n{printed}; record it with UPDATE=1"
            );
        }
    }
    Ok(())
}

/// Without what differs from one run to the next: identifiers, times, durations.
fn without_numbers(text: &str) -> String {
    let differs = |word: &str| {
        let word = word.trim_end_matches([' ', '\n', ',', ')']);
        let hexadecimal = word.len() == 6 && word.chars().all(|c| c.is_ascii_hexdigit());
        hexadecimal || word.contains(|c: char| c.is_ascii_digit())
    };
    text.split_inclusive([' ', '\n']).map(|word| if differs(word) { "… " } else { word }).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn pages() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root().join("docs"))?.collect::<Result<Vec<_>, _>>()?;
    let mut pages: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.push(root().join("README.md"));
    pages.sort();
    Ok(pages)
}

/// A fenced block of a page.
struct Block {
    language: String,
    text: String,
    /// Why it is not run.
    not_run: Option<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut parts = page.split("```");
    parts.next();
    let mut blocks = Vec::new();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').unwrap_or((block, ""));
        let not_run = after
            .trim_start()
            .strip_prefix("<!-- not run: ")
            .and_then(|comment| Some(comment.split_once(" -->")?.0.to_owned()));
        blocks.push(Block { language: language.to_owned(), text: text.to_owned(), not_run });
    }
    blocks
}

/// What the API server says to each manifest of a block.
async fn dry_run(bed: &TestBed, manifests: &str) -> Result<()> {
    let file = bed.work().join(format!("handbook-{:016x}.yaml", rand::random::<u64>()));
    fs::write(&file, manifests)?;
    bed.kubectl(&["apply", "--dry-run=server", "-f", &file.to_string_lossy()]).await.map(drop)
}

/// A command, in the project's directory, with kubectl in the reader's namespace; answers what it printed.
pub async fn run(bed: &TestBed, command: &str) -> Result<String> {
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", command])
        .current_dir(root())
        .envs(bed.shell_environment("shop").await?)
        .output()
        .await?;
    // 3 and 4 say that the certificate is not Ready, which some commands bring about.
    let worked = output.status.success() || matches!(output.status.code(), Some(3 | 4));
    ensure!(worked, "{command}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

//! The handbook's manifests and commands, as a reader would use them. The reader first follows Get started, on a
//! cluster that has only operator and solver. The test skips a block if a comment right after it says `not run`, with
//! the reason.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::{EDGERC, TestBed};
use tokio::process::Command;

use crate::scene::{Scene, eventually};

crate::together![every_manifest_is_taken_and_every_command_works, every_sample_is_taken];

/// The page with the recorded output of `kubectl akacert status`.
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

/// The page that the reader follows first.
const FIRST: &str = "docs/get-started.md";

/// A reader who does what the handbook says, in the project's directory.
struct Reader<'a> {
    bed: &'a TestBed,
    environment: Vec<(&'static str, OsString)>,
    manifests: usize,
    commands: usize,
}

impl<'a> Reader<'a> {
    /// The reader has an `.edgerc` in the home directory, and a kubeconfig whose namespace does not exist.
    async fn new(bed: &'a TestBed) -> Result<Self> {
        let home = bed.work().join("reader");
        fs::create_dir_all(&home)?;
        fs::write(home.join(".edgerc"), EDGERC)?;
        let mut environment = bed.shell_environment("nowhere").await?.to_vec();
        environment.push(("HOME", home.into()));
        Ok(Self { bed, environment, manifests: 0, commands: 0 })
    }

    /// Does what a page says.
    async fn read(&mut self, page: &Path) -> Result<()> {
        let text = fs::read_to_string(page)?;
        for block in blocks(&text) {
            let place = format!("{}: {}", page.display(), block.text);
            if block.language == "yaml" && block.text.contains("apiVersion: akacert.io") {
                dry_run(self.bed, &block.text).await.context(place)?;
                self.manifests += 1;
            } else if block.language == "console" && block.not_run.is_none() {
                for command in block.text.lines().filter_map(|line| line.strip_prefix("$ ")) {
                    self.run(command).await.with_context(|| place.clone())?;
                    self.commands += 1;
                }
            }
        }
        for command in spoken(&text) {
            self.run(&command).await.with_context(|| format!("{}: `{command}`", page.display()))?;
            self.commands += 1;
        }
        Ok(())
    }

    /// Runs a command, and returns its output.
    async fn run(&self, command: &str) -> Result<String> {
        run_in(&self.environment, command).await
    }
}

/// Creates what the handbook expects besides Get started: Argo CD's ConfigMap, and a certificate whose name leads
/// elsewhere.
async fn more(bed: &TestBed) -> Result<Scene<'_>> {
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}}),
    ] {
        bed.apply(&object.to_string()).await?;
    }
    let scene = Scene { bed, name: "shop".to_owned() };
    let account = json!({"kind": "ClusterAkamaiAccount", "name": "production"});
    scene.apply_held("blog", json!({"accountRef": account})).await?;
    // CPS checks the token too, and shows the result a moment later.
    scene
        .until_status("blog", "CPS's look at the token", |status| {
            status.domains.iter().any(|domain| domain.state == "RESPONSE_ERROR").then_some(())
        })
        .await?;
    Ok(scene)
}

async fn every_manifest_is_taken_and_every_command_works(bed: &TestBed) -> Result<()> {
    let mut reader = Reader::new(bed).await?;
    reader.read(&root().join(FIRST)).await?;
    let scene = more(bed).await?;
    status_is_as_recorded(&reader).await?;
    for page in pages()?.iter().filter(|page| !page.ends_with(FIRST)) {
        reader.read(page).await?;
    }
    let Reader { manifests, commands, .. } = reader;
    ensure!(manifests >= 4 && commands >= 55, "only {manifests} manifests and {commands} commands");
    // The commands renewed it twice.
    eventually("the certificate is at rest again", async || {
        let status = scene.certificates().get("www").await?.status;
        Ok(status.filter(|status| status.change.is_none()).map(drop))
    })
    .await?;
    scene.until_ready("www").await.map(drop)
}

/// Compares the recorded output of `status` with the real one. With UPDATE set, it writes the page.
async fn status_is_as_recorded(reader: &Reader<'_>) -> Result<()> {
    let page = root().join(RECORDED);
    let mut text = fs::read_to_string(&page)?;
    let recorded: Vec<_> = blocks(&text)
        .into_iter()
        .filter(|block| block.text.starts_with("$ kubectl akacert status ") && block.not_run.is_none())
        .collect();
    ensure!(recorded.len() == 2, "{} commands in {RECORDED}", recorded.len());
    for Block { text: block, .. } in recorded {
        let (command, output) = block.split_once('\n').context("no output")?;
        let printed = reader.run(command.trim_start_matches("$ ")).await?;
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

/// The text without what differs between runs: identifiers, times, durations.
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
    let mut pages = Vec::new();
    for directory in ["docs", "docs/decisions", ""] {
        let entries = fs::read_dir(root().join(directory))?.collect::<Result<Vec<_>, _>>()?;
        pages.extend(entries.into_iter().map(|entry| entry.path()));
    }
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    Ok(pages)
}

/// A fenced block of a page.
struct Block {
    language: String,
    text: String,
    /// The reason why it is not run.
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

/// The read-only commands in running text, with the reader's own names.
fn spoken(page: &str) -> Vec<String> {
    const LOOKS: &[&str] = &["get ", "-n akacert-system get ", "describe ", "explain ", "wait "];
    const PLUGIN_LOOKS: &[&str] = &["status", "explain ", "plan ", "probe "];
    let looks = |command: &&str| {
        let Some(arguments) = command.strip_prefix("kubectl ") else { return false };
        let begins = |with: &[&str], text: &str| with.iter().any(|with| text.starts_with(with));
        begins(LOOKS, arguments)
            || arguments.strip_prefix("akacert ").is_some_and(|text| begins(PLUGIN_LOOKS, text))
    };
    let outside = page.split("```").step_by(2);
    let spans = outside.flat_map(|text| text.split('`').skip(1).step_by(2)).filter(looks);
    spans.map(|span| span.replace("account NAME", "account production").replace("NAME", "www")).collect()
}

/// Sends each manifest of a block to the API server as a dry run.
async fn dry_run(bed: &TestBed, manifests: &str) -> Result<()> {
    let file = bed.work().join(format!("handbook-{:016x}.yaml", rand::random::<u64>()));
    fs::write(&file, manifests)?;
    bed.kubectl(&["apply", "--dry-run=server", "-f", &file.to_string_lossy()]).await.map(drop)
}

/// Runs a command in the project's directory, with kubectl in the namespace `shop`. Returns its output.
pub async fn run(bed: &TestBed, command: &str) -> Result<String> {
    run_in(&bed.shell_environment("shop").await?, command).await
}

async fn run_in(environment: &[(&'static str, OsString)], command: &str) -> Result<String> {
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", command])
        .current_dir(root())
        .envs(environment.iter().cloned())
        .output()
        .await?;
    // The plugin exits with 3 or 4 if a certificate is not Ready, which some commands cause.
    let told = command.starts_with("kubectl akacert ") && matches!(output.status.code(), Some(3 | 4));
    ensure!(output.status.success() || told, "{command}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

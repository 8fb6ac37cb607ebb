//! `kubectl akacert` shows what a certificate waits for and why, and gives the approvals that it asks for.
//!
//! This file has the command line and the exit codes. `show` renders the output, and `approval` has the meaning of
//! approvals.

mod approval;
mod complete;
mod probe;
mod show;
mod verdict;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use akacert_api::AkamaiCertificate;
use anyhow::{Context, Result, bail};
use approval::{Approval, Subject};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use futures::StreamExt;
use jiff::Timestamp;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::config::{Config, KubeConfigOptions};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde::Serialize;
use serde_json::json;
use verdict::Verdict;

/// What a certificate waits for, why, and the approvals that it asks for.
///
/// Exit codes: 0 the certificate is Ready, or the command did what it says; 1 the command failed; 3 the operator or CPS is
/// at work; 4 only a human can continue. For several certificates, the exit code is the worst one's.
#[derive(Parser)]
#[command(name = "kubectl-akacert", bin_name = "kubectl akacert", version, verbatim_doc_comment)]
struct Cli {
    /// The namespace; the context's when absent.
    #[arg(long, short, global = true)]
    namespace: Option<String>,
    /// The context of the kubeconfig.
    #[arg(long, global = true)]
    context: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows certificates as a table, or one as a tree: certificate, enrollment, change, names, and what it is waiting for.
    Status(Status),
    /// Says why a certificate is not Ready, and what to do.
    Explain {
        /// The certificate.
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Shows what the next write to CPS would do.
    Plan {
        /// The certificate.
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Approves what a certificate waits for, after showing what that means.
    Approve {
        /// The certificate.
        name: String,
        /// What is approved.
        #[arg(value_enum)]
        subject: Subject,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Renews a certificate now, once.
    Renew {
        /// The certificate.
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Fetches each challenge path and the served certificate of each name from here. Exits with 3 if one is not as it should be.
    Probe {
        /// The certificate.
        name: String,
        /// Where served certificates are looked at, ADDRESS:PORT, instead of where the names lead.
        #[arg(long, value_name = "ADDRESS")]
        edge: Option<SocketAddr>,
        #[command(flatten)]
        form: Form,
    },
    /// Prints a completion script for `kubectl-akacert`, the program; for `kubectl akacert` kubectl wants
    /// `kubectl_complete-akacert` on PATH.
    Completion {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Says what may stand next, as Cobra's programs do; for `kubectl_complete-akacert`.
    #[command(name = "__complete", hide = true)]
    Complete {
        /// The words after `kubectl akacert`, the last one as far as it is written; after `--`.
        #[arg(last = true)]
        words: Vec<String>,
    },
}

#[derive(Args)]
struct Status {
    /// The certificate; all of the namespace when absent.
    name: Option<String>,
    /// The certificates of all namespaces.
    #[arg(long, short = 'A', conflicts_with = "name")]
    all_namespaces: bool,
    #[command(flatten)]
    form: Form,
    /// Shows each change until it is interrupted.
    #[arg(long, short, conflicts_with = "output")]
    watch: bool,
}

/// The longest wait for names of certificates while somebody types a command.
const COMPLETION_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Args)]
struct Form {
    /// For programs instead of for people; certificates as the API server has them.
    #[arg(long, short, value_enum)]
    output: Option<Output>,
}

impl Form {
    /// Prints a value as JSON or YAML, or as the text that `text` makes of it.
    fn print(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        match self.output {
            Some(Output::Json) => println!("{}", serde_json::to_string_pretty(value)?),
            Some(Output::Yaml) => print!("{}", serde_saphyr::to_string(value)?),
            None => anstream::print!("{}", text()),
        }
        Ok(())
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Json,
    Yaml,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<ExitCode> {
    if let Command::Completion { shell } = &cli.command {
        clap_complete::generate(*shell, &mut Cli::command(), "kubectl-akacert", &mut std::io::stdout());
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Complete { words } = &cli.command {
        print!("{}", completed(words).await);
        return Ok(ExitCode::SUCCESS);
    }
    let (client, namespace) = connect(cli.context.as_deref(), cli.namespace.as_deref()).await?;
    let api: Api<AkamaiCertificate> = Api::namespaced(client.clone(), &namespace);
    match &cli.command {
        Command::Status(status) => {
            let api = if status.all_namespaces { Api::all(client) } else { api };
            match &status.name {
                _ if status.watch => watch(api, status).await,
                Some(name) => one(&api, name, &status.form).await,
                None => all(&api, status).await,
            }
        }
        Command::Explain { name, form } => {
            let certificate = api.get(name).await?;
            let explained = show::explain(&certificate);
            form.print(&explained, || show::explanation(&explained, Timestamp::now()))?;
            Ok(Verdict::of(&certificate).exit_code())
        }
        Command::Plan { name, form } => {
            let certificate = api.get(name).await?;
            let plan = certificate.status.as_ref().and_then(|status| status.plan.as_ref());
            form.print(&plan, || show::plan(&certificate))?;
            Ok(plan.map_or(ExitCode::SUCCESS, |_| Verdict::of(&certificate).exit_code()))
        }
        Command::Approve { name, subject, yes } => {
            let certificate = api.get(name).await?;
            annotate(&api, &certificate, &approval::approval(&certificate, *subject)?, *yes).await
        }
        Command::Renew { name, yes } => {
            let certificate = api.get(name).await?;
            annotate(&api, &certificate, &approval::renewal(&certificate, Timestamp::now())?, *yes).await
        }
        Command::Probe { name, edge, form } => {
            let findings = probe::probe(&api.get(name).await?, *edge).await?;
            form.print(&findings, || show::findings(&findings))?;
            let fine = findings.iter().flat_map(|finding| &finding.looks).all(|look| look.fine);
            Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(3) })
        }
        Command::Completion { .. } | Command::Complete { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// A client, and the namespace to use.
async fn connect(context: Option<&str>, namespace: Option<&str>) -> Result<(Client, String)> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = match context {
        Some(_) => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await?,
    };
    let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
    Ok((Client::try_from(config)?, namespace))
}

/// The candidates for completion. If the API server does not answer, they contain no names of certificates.
async fn completed(words: &[String]) -> String {
    let mut next = complete::next(&Cli::command(), words);
    if next.certificates {
        let names = async {
            let (client, namespace) = connect(next.context.as_deref(), next.namespace.as_deref()).await?;
            let api: Api<AkamaiCertificate> = Api::namespaced(client, &namespace);
            anyhow::Ok(api.list_metadata(&ListParams::default()).await?.items)
        };
        let found = tokio::time::timeout(COMPLETION_PATIENCE, names).await;
        let begun = words.last().map(String::as_str).unwrap_or_default();
        let names = found.ok().and_then(Result::ok).unwrap_or_default();
        let names = names.iter().map(|found| (found.name_any(), String::new()));
        next.words.extend(names.filter(|(name, _)| name.starts_with(begun)));
    }
    complete::lines(&next.words)
}

async fn one(api: &Api<AkamaiCertificate>, name: &str, form: &Form) -> Result<ExitCode> {
    let certificate = api.get(name).await?;
    form.print(&certificate, || show::tree(&certificate, Timestamp::now()))?;
    Ok(Verdict::of(&certificate).exit_code())
}

async fn all(api: &Api<AkamaiCertificate>, status: &Status) -> Result<ExitCode> {
    let found = api.list(&ListParams::default()).await?;
    if found.items.is_empty() && status.form.output.is_none() {
        eprintln!("No certificates found");
        return Ok(ExitCode::SUCCESS);
    }
    status.form.print(&found, || show::table(&found.items, status.all_namespaces, Timestamp::now()))?;
    Ok(Verdict::worst(&found.items).exit_code())
}

/// Prints the state after each change: in place on a terminal, otherwise below the previous one.
async fn watch(api: Api<AkamaiCertificate>, status: &Status) -> Result<ExitCode> {
    let config = match &status.name {
        Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
        None => watcher::Config::default(),
    };
    let (store, writer) = reflector::store();
    let mut events = std::pin::pin!(watcher(api, config).default_backoff().reflect(writer));
    let (mut last, in_place) = (String::new(), std::io::stdout().is_terminal());
    while let Some(event) = events.next().await {
        if let Err(error) = event {
            eprintln!("the watch broke, and is started again: {error}");
            continue;
        }
        let now = shown(&store, status);
        if now == last || now.is_empty() {
            continue;
        }
        if in_place {
            anstream::print!("\x1b[H\x1b[J{now}");
        } else {
            anstream::print!("{}{now}", if last.is_empty() { "" } else { "---\n" });
        }
        std::io::stdout().flush()?;
        last = now;
    }
    bail!("the watch ended")
}

fn shown(store: &Store<AkamaiCertificate>, status: &Status) -> String {
    let mut found: Vec<_> = store.state().iter().map(|found| found.as_ref().clone()).collect();
    found.sort_by_key(|found| (found.namespace(), found.name_any()));
    match (&status.name, found.as_slice()) {
        (_, []) => String::new(),
        (Some(_), [first, ..]) => show::tree(first, Timestamp::now()),
        (None, all) => show::table(all, status.all_namespaces, Timestamp::now()),
    }
}

/// Shows the meaning, asks, and sets the annotation.
async fn annotate(
    api: &Api<AkamaiCertificate>,
    certificate: &AkamaiCertificate,
    approval: &Approval,
    yes: bool,
) -> Result<ExitCode> {
    println!("{}", approval.meaning);
    if !yes && !confirmed()? {
        bail!("nothing was changed");
    }
    let patch = json!({"metadata": {"annotations": {approval.annotation: approval.value}}});
    let parameters = PatchParams { field_manager: Some("kubectl-akacert".into()), ..PatchParams::default() };
    api.patch(&certificate.name_any(), &parameters, &Patch::Merge(patch)).await?;
    println!("Set {}={} on {}.", approval.annotation, approval.value, certificate.name_any());
    Ok(ExitCode::SUCCESS)
}

fn confirmed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is nobody to ask: pass --yes");
    }
    print!("Go on? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("no answer")?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

//! The command line: one binary with a subcommand each for the operator, the solver, the export and the CRDs.

use std::path::PathBuf;

use akacert::cps::export;
use akacert::process::telemetry::{self, LogFormat};
use akacert::{operator, solver};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Manages Akamai certificate enrollments as Kubernetes custom resources.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value = "json")]
    log_format: LogFormat,
    /// What is logged, such as `info` or `info,akacert=debug`; `PUT /log` on the admin listener changes it later.
    #[arg(long, global = true, env = "AKACERT_LOG", default_value = "info")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one")]
enum Command {
    /// Runs the operator.
    Operator(operator::Settings),
    /// Runs the solver, which serves the tokens.
    Solver(solver::Settings),
    /// Prints manifests that observe the enrollments of a contract. Applying them changes nothing in CPS.
    Export(export::Settings),
    /// Prints the CustomResourceDefinitions, or writes each into a file of a directory.
    Crds {
        /// The directory to write the files into. Standard output when absent.
        #[arg(long)]
        output: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Command::Operator(settings) => {
            let log = telemetry::start(cli.log_format, &cli.log)?;
            operator::run(settings, log, shutdown()?).await?;
        }
        Command::Solver(settings) => {
            let log = telemetry::start(cli.log_format, &cli.log)?;
            solver::run(settings, log, shutdown()?).await?;
        }
        Command::Export(settings) => print!("{}", export::export(&settings).await?),
        Command::Crds { output } => crds(output)?,
    }
    Ok(())
}

/// A token that SIGTERM or SIGINT cancels.
fn shutdown() -> std::io::Result<CancellationToken> {
    let (mut terminated, mut interrupted) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}

fn crds(output: Option<PathBuf>) -> anyhow::Result<()> {
    for (file, crd) in akacert_api::crds() {
        let yaml = serde_saphyr::to_string(&crd)?;
        match &output {
            Some(directory) => std::fs::write(directory.join(file), yaml)?,
            None => println!("---\n{yaml}"),
        }
    }
    Ok(())
}

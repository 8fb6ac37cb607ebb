//! `testbed`: the test bed from the command line.

mod demo;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use testbed::{Options, Programs, TestBed};
use tokio::process::Command;

/// A real Kubernetes control plane, ingress controller and ACME authority, without privileges.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Finds or builds the programs.
    Build,
    /// From `kubectl apply` to Ready, with the proof.
    Demo,
    /// As `demo`, and leaves everything running with a shell.
    Shell,
    /// Runs a command in the test bed, with KUBECONFIG set and kubectl on PATH.
    Exec {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    // Built outside the namespaces, where the network is.
    Programs::find_or_build()?;
    match cli.command {
        Action::Build => Ok(ExitCode::SUCCESS),
        Action::Demo => {
            testbed::enter()?;
            testbed::block_on(demo::run(false))
        }
        Action::Shell => {
            testbed::enter()?;
            testbed::block_on(demo::run(true))
        }
        Action::Exec { command } => {
            testbed::enter()?;
            testbed::block_on(exec(&command))
        }
    }
}

async fn exec(command: &[String]) -> Result<ExitCode> {
    let bed = TestBed::start(&Options::default()).await?;
    let (program, arguments) = command.split_first().context("no command")?;
    let path = std::env::join_paths(
        std::iter::once(bed.kubectl_directory()?.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )?;
    let status = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", bed.kubeconfig())
        .env("PATH", path)
        .status()
        .await?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

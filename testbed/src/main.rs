//! `testbed`: the command line of the test bed.

mod demo;

use std::backtrace::BacktraceStatus;
use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use clap::{Parser, Subcommand};
use testbed::{Built, Options, Parts, Programs, TestBed};
use tokio::process::Command;

/// A real Kubernetes control plane, ingress controller and ACME authority, without privileges.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Action,
    /// With an error, print where in the code it comes from.
    #[arg(long, global = true)]
    backtrace: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Finds or builds the programs.
    Build,
    /// From `kubectl apply` to Ready, with the proof.
    Demo {
        /// A build that was necessary before, and how many seconds it took.
        #[arg(long = "built", value_name = "WHAT=SECONDS", value_parser = built)]
        built: Vec<Built>,
    },
    /// As `demo` with every part, and leaves everything running with a shell.
    Shell,
    /// Runs a command in the test bed, with KUBECONFIG set and kubectl on PATH.
    Exec {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = if cli.backtrace { with_backtraces(&cli.command) } else { run(&cli.command) };
    outcome.unwrap_or_else(|error| {
        eprint!("{}", told(&error));
        if cli.backtrace && error.backtrace().status() == BacktraceStatus::Captured {
            eprintln!("{}", error.backtrace());
        }
        ExitCode::FAILURE
    })
}

/// Starts this program again if it does not collect backtraces, because Rust decides that at the start.
fn with_backtraces(action: &Action) -> Result<ExitCode> {
    const SWITCH: &str = "RUST_LIB_BACKTRACE";
    if env::var_os(SWITCH).is_some_and(|value| value == "1") {
        return run(action);
    }
    let mut again = std::process::Command::new(env::current_exe()?);
    Err(again.args(env::args_os().skip(1)).env(SWITCH, "1").exec().into())
}

/// An error and its causes, one sentence each.
fn told(error: &Error) -> String {
    let causes = error.chain().skip(1).map(|cause| format!("  because: {cause}\n"));
    format!("testbed: {error}\n{}", causes.collect::<String>())
}

fn run(action: &Action) -> Result<ExitCode> {
    let parts = if matches!(action, Action::Demo { .. }) { Parts::Demo } else { Parts::All };
    // The namespaces have no network for builds. Inside them, everything is built already.
    let built = Programs::build(parts)?;
    match action {
        Action::Build => Ok(ExitCode::SUCCESS),
        Action::Demo { built: before } => {
            testbed::enter_with(env::args_os().skip(1).chain(built.iter().map(argument)))?;
            testbed::block_on(demo::run(parts, before))
        }
        Action::Shell => {
            testbed::enter()?;
            testbed::block_on(demo::run(parts, &[]))
        }
        Action::Exec { command } => {
            testbed::enter()?;
            testbed::block_on(exec(command))
        }
    }
}

fn argument(built: &Built) -> OsString {
    format!("--built={}={}", built.what, built.took.as_secs()).into()
}

fn built(argument: &str) -> Result<Built> {
    let (what, seconds) = argument.rsplit_once('=').context("there is no =")?;
    let took = Duration::from_secs(seconds.parse().context("what follows = is no number of seconds")?);
    Ok(Built { what: what.to_owned(), took })
}

async fn exec(command: &[String]) -> Result<ExitCode> {
    let bed = TestBed::start(&Options::default()).await?;
    let (program, arguments) = command.split_first().context("no command")?;
    let path = env::join_paths(
        std::iter::once(bed.kubectl_directory()?.to_owned())
            .chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
    )?;
    let status = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", bed.kubeconfig())
        .env("PATH", path)
        .status()
        .await
        .with_context(|| format!("cannot run {program}"))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_without_debug_text() {
        let error =
            Error::msg("the port is taken").context("etcd does not start").context("there is no demo");
        assert_eq!(
            told(&error),
            "testbed: there is no demo\n  because: etcd does not start\n  because: the port is taken\n"
        );
    }

    #[test]
    fn a_build_is_passed_on_as_an_argument() {
        let build = Built { what: "ingress (Traefik)".into(), took: Duration::from_millis(65_900) };
        let argument = argument(&build).into_string().unwrap();
        let passed_on = built(argument.strip_prefix("--built=").unwrap()).unwrap();
        assert_eq!((passed_on.what.as_str(), passed_on.took), ("ingress (Traefik)", Duration::from_secs(65)));
    }
}

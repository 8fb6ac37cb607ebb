//! The command line: one binary, a subcommand each for the operator, the solver and the CRDs.

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints the CustomResourceDefinitions, or writes each into a file of a directory.
    Crds {
        /// The directory.
        #[arg(long)]
        output: Option<std::path::PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Crds { output } => {
            for (file, crd) in akacert::api::crds() {
                let yaml = serde_saphyr::to_string(&crd)?;
                match &output {
                    Some(directory) => std::fs::write(directory.join(file), yaml)?,
                    None => println!("---\n{yaml}"),
                }
            }
        }
    }
    Ok(())
}

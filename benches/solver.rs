//! Compares the solver with nginx: requests per second, memory, and seconds until ready, with 100,000 tokens. This is
//! a table, not a test. `make bench` prints it.
//!
//! It runs without a cluster: its own small API server (`api`) serves the ConfigMaps.

#[path = "solver/api.rs"]
mod api;
#[path = "solver/fleet.rs"]
mod fleet;
#[path = "solver/load.rs"]
mod load;
#[path = "solver/process.rs"]
mod process;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use api::Api;
use fleet::Fleet;
use load::{Load, Round};
use process::{Server, free_port};

/// Compares the solver with nginx.
#[derive(Parser)]
struct Flags {
    /// Ends with success if nginx or wrk is missing.
    #[arg(long)]
    skip_if_missing: bool,
    /// Another build of akacert to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_akacert"))]
    akacert: PathBuf,
    #[arg(long, default_value_t = 10_000)]
    config_maps: usize,
    #[arg(long, default_value_t = 10)]
    tokens_each: usize,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// `cargo bench` says this.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<ExitCode> {
    let flags = Flags::parse();
    let missing: Vec<&str> = [("nginx", "nginx-light"), ("wrk", "wrk")]
        .iter()
        .filter(|(name, _)| process::find(name).is_none())
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty() {
        eprintln!("missing Debian packages: apt-get install {}", missing.join(" "));
        return Ok(if flags.skip_if_missing { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        // However it ends, no server and no file is left.
        tokio::select! {
            compared = compare(&flags) => compared.map(|()| ExitCode::SUCCESS),
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::FAILURE),
            _ = terminated.recv() => Ok(ExitCode::FAILURE),
        }
    })
}

async fn compare(flags: &Flags) -> Result<()> {
    let fleet = Fleet::new(flags.config_maps, flags.tokens_each);
    let directory = Directory::create()?;
    println!(
        "{} tokens in {} ConfigMaps. The API server is one of this benchmark's own: plain HTTP, lists by page, one watch.\n\
         One worker each. wrk: one thread, {} connections, {} rounds of {} s each, by turns. Neither logs requests. nginx\n\
         serves the same tokens as files in one directory, and keeps connections open for as long as the solver does.\n",
        fleet.tokens(),
        fleet.config_maps,
        load::CONNECTIONS,
        flags.rounds,
        flags.seconds
    );
    let api = Api::start(&fleet).await?;
    println!("{:<40} {:>10} {:>10} {:>8}   goal", "", "solver", "nginx", "ratio");
    let started = Instant::now();
    let solver = start_solver(&flags.akacert, &api, &directory.0).await?;
    alone("seconds until ready", started.elapsed().as_secs_f64(), "<= 1.1");
    memory("MiB when ready", &solver)?;
    let last = fleet.token(fleet.tokens() - 1);
    solver.expect(&last.host, &last.path, &last.body).await?;
    alone("seconds until one more is answered", one_more(&api, &solver, &fleet).await?.as_secs_f64(), "");
    api.let_relist().await?;
    memory("MiB after a second listing", &solver)?;

    let nginx = start_nginx(&fleet, &directory.0).await?;
    nginx.expect(&last.host, &last.path, &last.body).await?;
    let load = Load::prepare(&fleet, &directory.0, Duration::from_secs(flags.seconds))?;
    let (mut of_solver, mut of_nginx) = (Vec::new(), Vec::new());
    for round in 1..=flags.rounds {
        let (ours, theirs) = (load.run(&solver).await?, load.run(&nginx).await?);
        compared(&format!("requests/s, round {round}"), ours.per_second, theirs.per_second, "");
        of_solver.push(ours);
        of_nginx.push(theirs);
    }
    let (ours, theirs) = (Round::together(&of_solver), Round::together(&of_nginx));
    compared("requests/s, all rounds", ours.per_second, theirs.per_second, ">= 1.3");
    compared("requests per second of CPU time", ours.per_cpu_second, theirs.per_cpu_second, "");
    memory("MiB after the load", &solver)
}

fn memory(when: &str, solver: &Server) -> Result<()> {
    let memory = solver.memory()?;
    alone(when, memory.resident, "<= 100");
    alone(&format!("{when}, peak until then"), memory.peak, "<= 100");
    Ok(())
}

fn compared(what: &str, ours: f64, theirs: f64, goal: &str) {
    println!("{what:<40} {ours:>10.0} {theirs:>10.0} {:>8.2}   {goal}", ours / theirs);
}

fn alone(what: &str, ours: f64, goal: &str) {
    println!("{what:<40} {ours:>10.3} {:>10} {:>8}   {goal}", "", "");
}

/// How long the solver takes to answer with the token of a new ConfigMap.
async fn one_more(api: &Api, solver: &Server, fleet: &Fleet) -> Result<Duration> {
    let token = fleet.token(fleet.tokens());
    let config_map = fleet.config_map(fleet.config_maps);
    api.until_watched().await?;
    let start = Instant::now();
    api.add(config_map)?;
    solver.until(&token.host, &token.path, 200).await?;
    let took = start.elapsed();
    solver.expect(&token.host, &token.path, &token.body).await?;
    Ok(took)
}

async fn start_solver(akacert: &Path, api: &Api, directory: &Path) -> Result<Server> {
    let (port, admin) = (free_port()?, free_port()?);
    let kubeconfig = directory.join("kubeconfig");
    std::fs::write(&kubeconfig, api.kubeconfig())?;
    let solver = Server::start(
        port,
        tokio::process::Command::new(akacert)
            .args(["--log=warn", "solver", "--namespace=akacert-system"])
            .arg(format!("--listen=127.0.0.1:{port}"))
            .arg(format!("--admin-listen=127.0.0.1:{admin}"))
            .env("KUBECONFIG", kubeconfig)
            .env("TOKIO_WORKER_THREADS", "1"),
    )?;
    solver.at(admin).until("localhost", "/readyz", 200).await.context("the solver is not ready")?;
    Ok(solver)
}

async fn start_nginx(fleet: &Fleet, directory: &Path) -> Result<Server> {
    let (port, files) = (free_port()?, directory.join("tokens"));
    std::fs::create_dir(&files)?;
    for number in 0..fleet.tokens() {
        let token = fleet.token(number);
        std::fs::write(files.join(token.name()), token.body)?;
    }
    let (prefix, configuration) = (directory.display(), directory.join("nginx.conf"));
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {prefix}/nginx-{kind};\n"))
        .collect();
    let text = format!(
        "daemon off;\nmaster_process off;\npid {prefix}/nginx.pid;\nerror_log stderr;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n{temporary}  access_log off;\n  default_type text/plain;\n  sendfile on;\n  tcp_nopush on;\n  \
         keepalive_timeout 300;\n  keepalive_requests 1000000000;\n  server {{\n    listen 127.0.0.1:{port};\n    \
         location {}/ {{ alias {}/; }}\n  }}\n}}\n",
        fleet::CHALLENGES_PATH,
        files.display()
    );
    std::fs::write(&configuration, text)?;
    let program = process::find("nginx").context("nginx")?;
    let nginx = Server::start(
        port,
        tokio::process::Command::new(program).arg("-e").arg("stderr").arg("-c").arg(configuration),
    )?;
    let first = fleet.token(0);
    nginx.until(&first.host, &first.path, 200).await.context("nginx does not answer")?;
    ensure!(nginx.memory()?.resident > 0.0, "nginx has ended");
    Ok(nginx)
}

/// A directory that is removed when this value is dropped.
struct Directory(PathBuf);

impl Directory {
    fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("akacert-solver-bench-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

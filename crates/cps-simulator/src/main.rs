//! The command line of the CPS simulator. Its arguments become a [`Config`]; SIGTERM and SIGINT shut it down.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cps_simulator::{
    AcmeDirectory, Config, Credentials, EdgeDnsServer, EdgeDnsZone, EdgercError, Simulator, StartError,
    TlsFiles, ZoneKind,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A simulator of Akamai CPS v2 that issues real certificates.
///
/// It answers the CPS v2 API, the contract list and the TXT records of Edge DNS. It verifies EdgeGrid signatures, and takes
/// each change through the steps of CPS, whose waits --speed divides. An ACME authority issues the certificates; without
/// one the simulator fetches the HTTP-01 tokens itself and signs with a root of its own. The TXT records of Edge DNS can
/// go to a real name server. All state is in memory.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Address of the CPS API; port 0 lets the system choose
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// PEM certificate chain of the CPS API; without it the API is plain HTTP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM private key of the CPS API
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// .edgerc file; the simulator accepts every section of it as an API client
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    /// A contract of the account, without the prefix ctr_; repeat it for more
    #[arg(long = "contract", value_name = "ID", required = true)]
    contracts: Vec<String>,
    /// URL of the ACME directory that issues; without it the simulator signs with a root of its own
    #[arg(long, value_name = "URL")]
    acme_directory: Option<String>,
    /// PEM certificate of the CA behind the ACME directory's HTTPS; without it the system's roots count
    #[arg(long, value_name = "FILE", requires = "acme_directory")]
    acme_ca: Option<PathBuf>,
    /// DNS server (UDP) for the simulator's own look-ups; without it the system's resolver answers them
    #[arg(long, value_name = "ADDR")]
    dns: Option<SocketAddr>,
    /// Divides every wait, such as the 10 minutes of a deployment to staging, but not timestamps or request limits
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// Do not limit requests (35 a minute and 20 in 2 seconds for each account)
    #[arg(long)]
    no_request_limits: bool,
    /// File that keeps the simulator's own root over restarts
    #[arg(long, value_name = "FILE")]
    root_file: Option<PathBuf>,
    /// Address of a TLS port that serves the certificates in production by SNI, as the edge does
    #[arg(long, value_name = "ADDR")]
    edge_listen: Option<SocketAddr>,
    /// Address of a token server that answers on any host, as http://dcv.akamai.com does
    #[arg(long, value_name = "ADDR")]
    dcv_listen: Option<SocketAddr>,
    /// Address of the control endpoint (faults, log of calls, dump and load; no authentication)
    #[arg(long, value_name = "ADDR")]
    control_listen: Option<SocketAddr>,
    /// Port at which the simulator itself fetches HTTP-01 tokens
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    validation_port: u16,
    /// Host of the redirects that CPS offers for HTTP-01 tokens
    #[arg(long, value_name = "HOST", default_value = "dcv.akamai.com")]
    dcv_host: String,
    /// Life of a token until CPS replaces it, such as 30s, 10m, 12h or 7d (--speed does not divide it)
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    token_life: Duration,
    /// How long before expiry a renewal starts (--speed does not divide it)
    #[arg(long, value_name = "TIME", default_value = "20d", value_parser = duration)]
    renewal_lead: Duration,
    /// A zone of Edge DNS: NAME or NAME=TYPE, with PRIMARY, SECONDARY or ALIAS as type; repeat it for more
    #[arg(long = "edge-dns-zone", value_name = "ZONE", value_parser = edge_dns_zone)]
    edge_dns_zones: Vec<EdgeDnsZone>,
    /// Name server that gets each record set of Edge DNS by dynamic update (TCP); without it they stay in memory
    #[arg(long, value_name = "ADDR", requires = "edge_dns_tsig_file")]
    edge_dns_server: Option<SocketAddr>,
    /// File with the TSIG key for these updates, as tsig-keygen writes it
    #[arg(long, value_name = "FILE", requires = "edge_dns_server")]
    edge_dns_tsig_file: Option<PathBuf>,
    /// How often CPS itself looks for the tokens, at speed 1
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    self_check: Duration,
    /// How long a client can still read a finished change as complete, at speed 1
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    complete_visible: Duration,
    /// How far the timestamp of a request may be off
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    clock_skew: Duration,
}

/// Reads a number with one of the units s, m, h and d.
fn duration(text: &str) -> Result<Duration, String> {
    let help = || format!("{text} is not a number with a unit, such as 30s, 10m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(help)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(help()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| help())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

fn edge_dns_zone(text: &str) -> Result<EdgeDnsZone, String> {
    let (name, kind) = text.split_once('=').unwrap_or((text, "PRIMARY"));
    let kind = match kind {
        "PRIMARY" => ZoneKind::Primary,
        "SECONDARY" => ZoneKind::Secondary,
        "ALIAS" => ZoneKind::Alias,
        other => return Err(format!("{other} is not a zone type: use PRIMARY, SECONDARY or ALIAS")),
    };
    if name.is_empty() || name.ends_with('.') {
        return Err(format!(
            "{name} is not a zone name: write it without a dot at the end, like example.com"
        ));
    }
    Ok(EdgeDnsZone { name: name.to_owned(), kind })
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    Edgerc { path: String, source: EdgercError },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot listen for signals: {0}")]
    Signal(#[source] std::io::Error),
}

fn config(args: Args) -> Result<Config, Error> {
    let path = args.credentials.display().to_string();
    let text = std::fs::read_to_string(&args.credentials)
        .map_err(|source| Error::Read { path: path.clone(), source })?;
    let credentials = Credentials::from_edgerc(&text).map_err(|source| Error::Edgerc { path, source })?;
    let mut config = Config::new(args.listen, credentials, args.contracts);
    config.tls = args.tls_cert.zip(args.tls_key).map(|(cert, key)| TlsFiles { cert, key });
    config.acme = args.acme_directory.map(|url| AcmeDirectory { url, ca: args.acme_ca });
    config.dns = args.dns;
    config.speed = args.speed;
    config.request_limits = !args.no_request_limits;
    config.root_file = args.root_file;
    config.edge_listen = args.edge_listen;
    config.dcv_listen = args.dcv_listen;
    config.control_listen = args.control_listen;
    config.validation_port = args.validation_port;
    config.dcv_host = args.dcv_host;
    config.token_life = args.token_life;
    config.renewal_lead = args.renewal_lead;
    config.clock_skew = args.clock_skew;
    config.edge_dns.zones = args.edge_dns_zones;
    config.edge_dns.name_server = args
        .edge_dns_server
        .zip(args.edge_dns_tsig_file)
        .map(|(address, tsig_file)| EdgeDnsServer { address, tsig_file });
    config.waits.self_check = args.self_check;
    config.waits.complete_visible = args.complete_visible;
    Ok(config)
}

async fn run(args: Args) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
    let handle = Simulator::start(config(args)?).await?;
    tracing::info!(
        url = handle.url(),
        edge = handle.edge_address().map(tracing::field::display),
        dcv = handle.dcv_address().map(tracing::field::display),
        control = handle.control_address().map(tracing::field::display),
        "serving"
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    handle.shutdown().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cps-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

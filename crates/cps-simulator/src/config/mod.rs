//! The settings of a simulator: addresses, accepted clients, contracts, authority and waits. `main.rs` reads them
//! from the command line.

mod credentials;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use credentials::{Credentials, EdgercError};

/// The settings of a [`Simulator`](crate::Simulator).
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the CPS API; with port 0 the system chooses one.
    pub listen: SocketAddr,
    /// Certificate and key of the CPS API; plain HTTP without them.
    pub tls: Option<TlsFiles>,
    /// The accepted API clients.
    pub credentials: Vec<Credentials>,
    /// The contracts of the account, without the `ctr_` prefix.
    pub contracts: Vec<String>,
    /// The ACME authority that issues. Without it, the simulator signs with its own root.
    pub acme: Option<AcmeDirectory>,
    /// DNS server for the simulator's own lookups. Without it, the system's resolver.
    pub dns: Option<SocketAddr>,
    /// Divides every wait. It does not affect timestamps, token life and request limits.
    pub speed: f64,
    /// Whether the account's request limits (35 a minute, 20 in 2 seconds) apply.
    pub request_limits: bool,
    /// File in which the simulator keeps its own root, so that what it signed stays valid over a restart. Without it
    /// the root lives in memory only.
    pub root_file: Option<PathBuf>,
    /// Address of the TLS port that serves deployed certificates by SNI.
    pub edge_listen: Option<SocketAddr>,
    /// Address of the token server that stands for `dcv.akamai.com`.
    pub dcv_listen: Option<SocketAddr>,
    pub control_listen: Option<SocketAddr>,
    /// Port at which the simulator fetches HTTP-01 tokens; a real authority uses 80.
    pub validation_port: u16,
    /// Host of `redirectFullPath`.
    pub dcv_host: String,
    /// The lifetime of a token before CPS replaces it (wall clock).
    pub token_life: Duration,
    /// How long before expiry a renewal starts (`autoRenewalStartTime`).
    pub renewal_lead: Duration,
    /// How much a request's timestamp may differ from the simulator's clock.
    pub clock_skew: Duration,
    pub edge_dns: EdgeDnsConfig,
    pub waits: Waits,
}

#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// PEM chain, leaf first.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// An ACME authority (RFC 8555).
#[derive(Debug, Clone)]
pub struct AcmeDirectory {
    pub url: String,
    /// PEM file of the CA behind the directory's TLS certificate; the system's roots without it.
    pub ca: Option<PathBuf>,
}

/// Edge DNS at the start.
#[derive(Debug, Clone, Default)]
pub struct EdgeDnsConfig {
    /// The zones of the account; they belong to its first contract.
    pub zones: Vec<EdgeDnsZone>,
    /// The name server that serves the zones; without one their records are only in memory.
    pub name_server: Option<EdgeDnsServer>,
}

#[derive(Debug, Clone)]
pub struct EdgeDnsZone {
    /// Without a dot at the end.
    pub name: String,
    pub kind: ZoneKind,
}

/// The type of a zone of Edge DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ZoneKind {
    /// Edge DNS keeps the records.
    Primary,
    /// The records come from a name server of the customer.
    Secondary,
    /// The records are those of another zone.
    Alias,
}

/// An authoritative name server that takes dynamic updates (RFC 2136).
#[derive(Debug, Clone)]
pub struct EdgeDnsServer {
    pub address: SocketAddr,
    /// File of the TSIG key for updates, in BIND's syntax.
    pub tsig_file: PathBuf,
}

/// How long a change stays in each step at speed 1.
#[derive(Debug, Clone)]
pub struct Waits {
    /// `create-slot-files`.
    pub create_slot_files: Duration,
    /// `generate-csr`.
    pub generate_csr: Duration,
    /// `pre-verification-safety-checks`.
    pub pre_verification: Duration,
    /// `coodinate-domain-validation` while `allowedInput` is still empty.
    pub input_window: Duration,
    /// From one of CPS's own checks of the tokens to the next.
    pub self_check: Duration,
    /// From an expired token to its successor.
    pub rotation_gap: Duration,
    /// From a failed authorization to the next order.
    pub failure_retry: Duration,
    /// From a failed order to the next try, for example while the authority cannot be reached.
    pub preparation_retry: Duration,
    /// `check-for-cert`.
    pub check_for_cert: Duration,
    /// `deploy-cert-to-staging`.
    pub staging: Duration,
    /// `live-check-action`.
    pub live_check: Duration,
    /// `deploy-cert-to-production`.
    pub production: Duration,
    /// How long a client can still read a finished change as `complete`.
    pub complete_visible: Duration,
    /// Each of the two steps of a removal.
    pub removal: Duration,
    /// How long a write of Edge DNS holds its zone, at least 50 ms at any speed, so that writes can overlap.
    pub edge_dns_write: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            create_slot_files: Duration::from_secs(15),
            generate_csr: Duration::from_secs(15),
            pre_verification: Duration::from_secs(60),
            input_window: Duration::from_secs(30),
            self_check: Duration::from_secs(300),
            rotation_gap: Duration::from_secs(30),
            failure_retry: Duration::from_secs(60),
            preparation_retry: Duration::from_secs(540),
            check_for_cert: Duration::from_secs(60),
            staging: Duration::from_secs(600),
            live_check: Duration::from_secs(60),
            production: Duration::from_secs(1200),
            complete_visible: Duration::from_secs(30),
            removal: Duration::from_secs(300),
            edge_dns_write: Duration::from_millis(200),
        }
    }
}

impl Config {
    /// A simulator on `listen` with the defaults of the command line.
    #[must_use]
    pub fn new(listen: SocketAddr, credentials: Vec<Credentials>, contracts: Vec<String>) -> Self {
        Self {
            listen,
            tls: None,
            credentials,
            contracts,
            acme: None,
            dns: None,
            speed: 1.0,
            request_limits: true,
            root_file: None,
            edge_listen: None,
            dcv_listen: None,
            control_listen: None,
            validation_port: 80,
            dcv_host: "dcv.akamai.com".into(),
            token_life: Duration::from_secs(7 * 24 * 3600),
            renewal_lead: Duration::from_secs(20 * 24 * 3600),
            clock_skew: Duration::from_secs(30),
            edge_dns: EdgeDnsConfig::default(),
            waits: Waits::default(),
        }
    }

    /// A wait at the configured speed.
    pub(crate) fn scaled(&self, at_speed_one: Duration) -> Duration {
        at_speed_one.div_f64(self.speed)
    }

    /// The scheme of the CPS API, which is part of what clients sign.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The contract to which the zones of Edge DNS belong.
    pub(crate) fn first_contract(&self) -> &str {
        self.contracts.first().map_or("", String::as_str)
    }
}

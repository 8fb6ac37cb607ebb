//! A simulator of Akamai's Certificate Provisioning System (CPS v2) that issues real certificates, and of Edge DNS, whose
//! TXT records prove their names.
//!
//! [`Simulator::start`] runs it in this process; the program `cps-simulator` is a command line around it.
//!
//! One command starts a CPS to try clients with. It fetches the tokens, and signs with its own root:
//!
//! ```text
//! cps-simulator --listen 127.0.0.1:8700 --credentials ~/.edgerc --contract C-1 --speed 100 \
//!     --control-listen 127.0.0.1:8701
//! ```
//!
//! [`control`] lists what tests can make it do.
//!
//! Each of its modules uses only modules above it:
//!
//! | Module | What it contains |
//! |---|---|
//! | `config` | the settings of a simulator |
//! | `model` | the state of CPS, and the rules for it |
//! | `on_demand` | faults, warnings and quirks that tests ask for |
//! | `authority` | the issuer: an ACME authority, or the simulator's own root |
//! | `edge_dns` | zones, TXT records, and the name server that serves them |
//! | `lifecycle` | the tasks that move changes from step to step |
//! | `api` | the HTTP APIs: CPS, the contract list, Edge DNS |
//! | `listeners` | how a port is served, and the ports that stand for the edge and `dcv.akamai.com` |
//! | `gateway` | what comes before the API: signatures, limits, faults, the log of calls |
//! | `control` | the control endpoint |
//!
//! This file connects, starts and stops them.

#![allow(
    missing_docs,
    reason = "a product of its own: other crates use only its start, its settings and its handle"
)]

mod api;
mod authority;
mod config;
pub mod control;
mod edge_dns;
mod gateway;
mod lifecycle;
mod listeners;
mod lock;
mod model;
mod on_demand;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use authority::{FetchSetupError, RootError};
pub use config::{
    AcmeDirectory, Config, Credentials, EdgeDnsConfig, EdgeDnsServer, EdgeDnsZone, EdgercError, TlsFiles,
    Waits, ZoneKind,
};
pub use edge_dns::TsigKeyError;
pub use gateway::Call;
pub use listeners::TlsError;
pub use model::{Hesitation, Stage};
pub use on_demand::{Fault, FaultKind, Quirks, Warning};

use authority::{Authority, Fetcher, OwnRoot};
use control::Control;
use edge_dns::EdgeDns;
use gateway::Calls;
use lifecycle::{Context, Drivers, renewals};
use listeners::{dcv, edge, serve};
use model::Store;
use on_demand::OnDemand;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Fetch(#[from] FetchSetupError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    TsigKey(#[from] TsigKeyError),
    #[error("speed must be a positive number, but is {0}")]
    Speed(f64),
}

/// The simulator; see [`Simulator::start`].
#[derive(Debug)]
pub struct Simulator;

/// A running simulator. It stops when its handle is dropped; [`Handle::shutdown`] also waits for its connections.
pub struct Handle {
    config: Arc<Config>,
    own_root: Arc<OwnRoot>,
    on_demand: Arc<OnDemand>,
    calls: Arc<Calls>,
    ports: Ports<Option<SocketAddr>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The ports beside that of the API.
struct Ports<T> {
    edge: T,
    dcv: T,
    control: T,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("url", &self.url()).finish_non_exhaustive()
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

async fn bind_optional(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    match address {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
    }
}

fn bound(listener: &Option<TcpListener>) -> Option<SocketAddr> {
    listener.as_ref().and_then(|listener| listener.local_addr().ok())
}

/// All parts of a simulator, before any of them serves.
struct Parts {
    store: Arc<Store>,
    drivers: Arc<Drivers>,
    edge_dns: Arc<EdgeDns>,
    on_demand: Arc<OnDemand>,
    calls: Arc<Calls>,
    own_root: Arc<OwnRoot>,
}

impl Parts {
    fn new(config: &Arc<Config>, stop: &CancellationToken, tasks: &TaskTracker) -> Result<Self, StartError> {
        let own_root = Arc::new(match &config.root_file {
            Some(file) => OwnRoot::kept(file)?,
            None => OwnRoot::generate().map_err(RootError::from)?,
        });
        let authority = match config.acme.clone() {
            Some(directory) => Authority::acme(directory),
            None => Authority::Own(own_root.clone()),
        };
        let edge_dns = EdgeDns::new(config.clone(), tasks.clone())?;
        let (store, on_demand) = (Arc::new(Store::default()), Arc::new(OnDemand::default()));
        let context = Context {
            config: config.clone(),
            store: store.clone(),
            authority,
            fetcher: Fetcher::new(config.dns, config.validation_port)?,
            on_demand: on_demand.clone(),
        };
        let drivers = Drivers::new(context, stop.clone(), tasks.clone());
        Ok(Self { store, drivers, edge_dns, on_demand, calls: Arc::default(), own_root })
    }

    /// The API behind its gateway.
    fn api(&self, config: &Arc<Config>) -> Router {
        let cps = api::cps::Service {
            config: config.clone(),
            store: self.store.clone(),
            drivers: self.drivers.clone(),
            on_demand: self.on_demand.clone(),
        };
        let edge_dns =
            api::edge_dns::Service { edge_dns: self.edge_dns.clone(), on_demand: self.on_demand.clone() };
        let api = api::router(cps, edge_dns);
        gateway::router(config.clone(), self.on_demand.clone(), self.calls.clone(), api)
    }

    fn control(&self) -> Router {
        control::router(Control {
            store: self.store.clone(),
            drivers: self.drivers.clone(),
            edge_dns: self.edge_dns.clone(),
            on_demand: self.on_demand.clone(),
            calls: self.calls.clone(),
            own_root: self.own_root.clone(),
        })
    }
}

impl Simulator {
    /// Starts a simulator on the current tokio runtime; it serves when this returns.
    ///
    /// # Errors
    /// When an address is taken, a file is unusable, or a setting makes no sense.
    pub async fn start(mut config: Config) -> Result<Handle, StartError> {
        if !(config.speed.is_finite() && config.speed > 0.0) {
            return Err(StartError::Speed(config.speed));
        }
        let tls = config.tls.as_ref().map(listeners::acceptor).transpose()?;
        let api = bind(config.listen).await?;
        let ports = Ports {
            edge: bind_optional(config.edge_listen).await?,
            dcv: bind_optional(config.dcv_listen).await?,
            control: bind_optional(config.control_listen).await?,
        };
        config.listen =
            api.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;

        let (config, stop, tasks) = (Arc::new(config), CancellationToken::new(), TaskTracker::new());
        let parts = Parts::new(&config, &stop, &tasks)?;
        let handle = Handle {
            config: config.clone(),
            own_root: parts.own_root.clone(),
            on_demand: parts.on_demand.clone(),
            calls: parts.calls.clone(),
            ports: Ports { edge: bound(&ports.edge), dcv: bound(&ports.dcv), control: bound(&ports.control) },
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(stop.child_token().run_until_cancelled_owned(renewals::run(parts.drivers.clone())));
        serve(api, tls, parts.api(&config), &stop, &tasks);
        if let Some(port) = ports.edge {
            let acceptor = edge::acceptor(parts.store.clone()).map_err(TlsError::from)?;
            serve(port, Some(acceptor), edge::router(), &stop, &tasks);
        }
        if let Some(port) = ports.dcv {
            serve(port, None, dcv::router(parts.store.clone()), &stop, &tasks);
        }
        if let Some(port) = ports.control {
            serve(port, None, parts.control(), &stop, &tasks);
        }
        Ok(handle)
    }
}

impl Handle {
    /// The address of the API, with the port that the system chose if the setting was 0.
    #[must_use]
    pub fn api_address(&self) -> SocketAddr {
        self.config.listen
    }

    /// The base URL of the API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.config.scheme(), self.config.listen)
    }

    /// The address of the port that stands for the edge.
    #[must_use]
    pub fn edge_address(&self) -> Option<SocketAddr> {
        self.ports.edge
    }

    /// The address of the token server that stands for `dcv.akamai.com`.
    #[must_use]
    pub fn dcv_address(&self) -> Option<SocketAddr> {
        self.ports.dcv
    }

    #[must_use]
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.ports.control
    }

    /// The simulator's own root as PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.own_root.pem()
    }

    pub fn inject(&self, fault: Fault) {
        self.on_demand.faults.add(fault);
    }

    /// All API calls since the start or the last reset.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls.list()
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) {
        self.calls.clear();
    }

    pub fn set_quirks(&self, quirks: Quirks) {
        self.on_demand.set_quirks(quirks);
    }

    /// Stops, and gives open requests five seconds to finish.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        let finished = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
        if finished.is_err() {
            tracing::warn!("connections were still open at the end");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

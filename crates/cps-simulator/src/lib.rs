//! A simulator of Akamai's Certificate Provisioning System (CPS v2) that issues real certificates, and of Edge DNS, by
//! which their names are proven.
//!
//! [`Simulator::start`] runs it in this process; the program `cps-simulator` is a command line around it.
//!
//! One command gives a CPS to try clients against; it signs with a root of its own after it has fetched the tokens:
//!
//! ```text
//! cps-simulator --listen 127.0.0.1:8700 --credentials ~/.edgerc --contract C-1 --speed 100 \
//!     --control-listen 127.0.0.1:8701
//! ```
//!
//! What tests can make it do is in [`control`]. Here are only start and stop: the API is in `api`, what moves a change is in `lifecycle`.

mod api;
mod auth;
mod authority;
mod calls;
mod config;
pub mod control;
mod credentials;
mod dcv;
mod edge;
mod edge_dns;
mod enrollment;
mod faults;
mod fetch;
mod gateway;
mod lifecycle;
mod limits;
mod media;
mod problem;
mod query;
mod quirks;
mod renewals;
mod seed;
mod serve;
mod shared;
mod state;
mod validation;
mod view;
mod warnings;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use calls::Call;
pub use config::{AcmeDirectory, Config, EdgeDnsConfig, EdgeDnsServer, EdgeDnsZone, TlsFiles, Waits};
pub use credentials::{Credentials, EdgercError};
pub use edge_dns::{TsigKeyError, ZoneKind};
pub use faults::{Fault, FaultKind};
pub use fetch::FetchSetupError;
pub use quirks::Quirks;
pub use serve::TlsError;
pub use warnings::{Hesitation, Stage, Warning};

use auth::Verifier;
pub use authority::RootError;
use authority::{Authority, OwnRoot};
use shared::{Shared, lock};
use state::State;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Look-ups are impossible.
    #[error(transparent)]
    Fetch(#[from] FetchSetupError),
    /// The simulator's own root cannot be had.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The key for updates of the name server cannot be had.
    #[error(transparent)]
    TsigKey(#[from] TsigKeyError),
    /// A setting makes no sense.
    #[error("speed must be a positive number, but is {0}")]
    Speed(f64),
}

/// The simulator; see [`Simulator::start`].
#[derive(Debug)]
pub struct Simulator;

/// A running simulator. Dropping it stops it; [`Handle::shutdown`] also waits for its connections.
pub struct Handle {
    shared: Arc<Shared>,
    api: SocketAddr,
    edge: Option<SocketAddr>,
    dcv: Option<SocketAddr>,
    control: Option<SocketAddr>,
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

impl Simulator {
    /// Starts a simulator on the current tokio runtime; it serves when this returns.
    ///
    /// # Errors
    /// When an address is taken, a TLS file is unusable, or a setting makes no sense.
    pub async fn start(mut config: Config) -> Result<Handle, StartError> {
        if !(config.speed.is_finite() && config.speed > 0.0) {
            return Err(StartError::Speed(config.speed));
        }
        let tls = config.tls.as_ref().map(serve::tls_acceptor).transpose()?;
        let api = bind(config.listen).await?;
        let edge = bind_optional(config.edge_listen).await?;
        let dcv = bind_optional(config.dcv_listen).await?;
        let control = bind_optional(config.control_listen).await?;
        let address =
            api.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        config.listen = address;

        let own_root = Arc::new(match &config.root_file {
            Some(file) => OwnRoot::kept(file)?,
            None => OwnRoot::generate().map_err(RootError::from)?,
        });
        let mut state = State::default();
        shared::add_zones(&mut state.edge_dns, &config);
        let shared = Arc::new(Shared {
            verifier: Verifier::new(config.credentials.clone(), config.clock_skew),
            limits: limits::Limits::default(),
            faults: faults::Faults::default(),
            warnings: warnings::Warnings::default(),
            calls: calls::Calls::default(),
            edge_dns: edge_dns::EdgeDns::new(&config.edge_dns)?,
            fetcher: fetch::Fetcher::new(config.dns, config.validation_port)?,
            authority: match config.acme.clone() {
                Some(directory) => Authority::acme(directory),
                None => Authority::Own(own_root.clone()),
            },
            own_root,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            quirks: Mutex::default(),
            state: Mutex::new(state),
            signals: Mutex::default(),
            config,
        });
        let handle = Handle {
            api: address,
            edge: bound(&edge),
            dcv: bound(&dcv),
            control: bound(&control),
            shared: shared.clone(),
        };
        let (stop, tasks) = (&shared.stop, &shared.tasks);
        tasks.spawn(shared.stop.child_token().run_until_cancelled_owned(renewals::run(shared.clone())));
        let scheme = if tls.is_some() { "https" } else { "http" };
        serve::serve(api, tls, gateway::router(shared.clone(), scheme), stop, tasks);
        if let Some(edge) = edge {
            let acceptor = edge::acceptor(shared.clone()).map_err(TlsError::from)?;
            serve::serve(edge, Some(acceptor), edge::router(), stop, tasks);
        }
        if let Some(dcv) = dcv {
            serve::serve(dcv, None, dcv::router(shared.clone()), stop, tasks);
        }
        if let Some(control) = control {
            serve::serve(control, None, control::router(shared.clone()), stop, tasks);
        }
        Ok(handle)
    }
}

impl Handle {
    /// Address of the API, with the port that was chosen.
    #[must_use]
    pub fn api_address(&self) -> SocketAddr {
        self.api
    }

    /// Base URL of the API.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.api)
    }

    /// Address of the edge, if it is served.
    #[must_use]
    pub fn edge_address(&self) -> Option<SocketAddr> {
        self.edge
    }

    /// Address of the token server, if there is one.
    #[must_use]
    pub fn dcv_address(&self) -> Option<SocketAddr> {
        self.dcv
    }

    /// Address of the control endpoint, if there is one.
    #[must_use]
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control
    }

    /// PEM of the simulator's own root.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.shared.own_root.pem()
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// All API calls since the start or the last reset.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.list()
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) {
        self.shared.calls.clear();
    }

    /// Sets how answers are written.
    pub fn set_quirks(&self, quirks: Quirks) {
        *lock(&self.shared.quirks) = quirks;
    }

    /// Stops, and lets open requests finish for up to five seconds.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        let finished = tokio::time::timeout(Duration::from_secs(5), self.shared.tasks.wait()).await;
        if finished.is_err() {
            tracing::warn!("connections were still open at the end");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

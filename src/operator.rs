//! `akacert operator`: puts the parts together and runs them until shutdown. Not here: what any part does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use futures::StreamExt;
use ipnet::IpNet;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Readiness};
use crate::controller::{Certificates, Context};
use crate::lists::Lists;
use crate::metrics::{BudgetCollector, Metrics};
use crate::observe::Knowledge;

/// Flags of the operator.
#[derive(Args, Debug)]
pub struct Settings {
    /// The operator's own namespace: the tokens are published there, and Secrets of ClusterAkamaiAccounts lie there.
    #[arg(long, env = "POD_NAMESPACE")]
    pub operator_namespace: String,

    /// Name of the solver's Service in the operator's namespace.
    #[arg(long, default_value = "akacert-solver")]
    pub solver_service: String,

    /// An endpoint that may be called beside Akamai's own, such as a simulator or a proxy: https://HOST[:PORT] or
    /// http://HOST[:PORT]. Credentials are sent to it when a Secret's host is that HOST[:PORT].
    #[arg(long = "allow-endpoint", value_name = "URL")]
    pub allow_endpoints: Vec<String>,

    /// A file with certificates, PEM, of the authority that signed the allowed endpoints'.
    #[arg(long, value_name = "FILE")]
    pub endpoint_ca_file: Option<PathBuf>,

    /// A resolver for the self-check, ADDRESS:PORT; the system's when none is given.
    #[arg(long = "probe-resolver", value_name = "ADDRESS")]
    pub probe_resolvers: Vec<SocketAddr>,

    /// A range of private addresses that the self-check may connect to, such as 10.0.0.0/8.
    #[arg(long = "probe-allow", value_name = "CIDR")]
    pub probe_allow: Vec<IpNet>,

    /// An annotation key that certificates may put on their Ingress; `example.com/*` is all keys with that prefix.
    #[arg(long = "allow-ingress-annotation", value_name = "KEY")]
    pub allow_ingress_annotations: Vec<String>,

    /// Scale of all waiting intervals. 1 suits CPS; smaller is for simulators.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub interval_scale: f64,

    /// Do not limit the requests to Akamai. For simulators.
    #[arg(long)]
    pub no_request_limits: bool,

    /// Where liveness, readiness and metrics are served.
    #[arg(long, default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    pub admin_listen: SocketAddr,
}

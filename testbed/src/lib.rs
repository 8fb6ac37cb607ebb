//! A real Kubernetes to test against: etcd, kube-apiserver, kube-controller-manager, Traefik, BIND and Pebble, with
//! stand-ins for kubelet and for Akamai, in one unprivileged set of namespaces. Nothing that it starts outlives it.
//!
//! ```no_run
//! fn main() -> anyhow::Result<()> {
//!     testbed::enter()?;
//!     testbed::block_on(async {
//!         let bed = testbed::TestBed::start(&testbed::Options::default()).await?;
//!         println!("{}", bed.kubectl(&["get", "nodes"]).await?);
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Not here: tests.

mod bed;
mod control_plane;
mod cps;
mod dns;
mod gateway;
mod install;
mod kubelet;
mod namespace;
mod network;
mod pki;
mod process;
mod programs;
mod records;
mod services;

pub use bed::{Options, TestBed};
pub use cps::{Call, Deployed};
pub use dns::{
    DYN_TSIG, DYN_ZONE, EDGE_TSIG, EDGE_ZONES, EXTERNAL_DNS_DOMAIN, Tsig, clear_addresses, clear_alias,
    clear_caa, clear_ipv6_addresses, set_address, set_addresses, set_alias, set_caa, set_ipv6_addresses,
};
pub use gateway::{GATEWAYS, PRIVATE_GATEWAY, PUBLIC_GATEWAY};
pub use install::{NAMESPACE, SECRET, manifest};
pub use namespace::enter;
pub use network::{AUTHORITY, CPS, EDGE, HOST, HOST_IPV6, has_ipv6};
pub use process::Process;
pub use programs::{Programs, own};
pub use records::{Access, Query, Request};
pub use services::{CPS_HOST, DCV_HOST, EDGERC, PROMETHEUS, SimulatorOptions};

/// Runs a future on a runtime of its own.
///
/// # Errors
/// The future's.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

//! A real Kubernetes to test against: etcd, kube-apiserver, kube-controller-manager, Traefik and Pebble, with stand-ins
//! for kubelet and for Akamai, in one unprivileged set of namespaces. Nothing that it starts outlives it.
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
pub use install::{NAMESPACE, SECRET, manifest};
pub use namespace::enter;
pub use network::{CPS, EDGE, HOST};
pub use process::Process;
pub use programs::{Programs, own};
pub use records::{Access, Request};
pub use services::{CPS_HOST, EDGERC, PROMETHEUS, SimulatorOptions, set_address, set_addresses, set_alias};

/// Runs a future on a runtime of its own.
///
/// # Errors
/// The future's.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

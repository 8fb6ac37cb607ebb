//! A real Kubernetes to test against: etcd, kube-apiserver, kube-controller-manager, Traefik, BIND and Pebble, with
//! stand-ins for kubelet and for Akamai. Everything runs in one set of namespaces, without privileges. Nothing that the
//! test bed starts outlives it.
//!
//! `programs` finds or builds the programs, `namespace` makes the namespaces, and `bed` starts the programs in them. The
//! other modules are about one program each, or add to [`TestBed`] what tests need from one.
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

mod bed;
mod bind;
mod challtestsrv;
mod contained;
mod control_plane;
mod cps;
mod dns;
mod external_dns;
mod flux;
mod gateway;
mod install;
mod kubelet;
mod monitoring;
mod namespace;
mod network;
mod pki;
mod process;
mod programs;
mod progress;
mod records;
mod requirements;
mod services;

pub use bed::{Options, TestBed};
pub use bind::{DYN_TSIG, DYN_ZONE, EDGE_TSIG, EDGE_ZONES, EXTERNAL_DNS_DOMAIN, Tsig};
pub use challtestsrv::{
    clear_addresses, clear_alias, clear_caa, clear_ipv6_addresses, set_address, set_addresses, set_alias,
    set_caa, set_ipv6_addresses,
};
pub use cps::{Call, Deployed};
pub use gateway::{GATEWAYS, PRIVATE_GATEWAY, PUBLIC_GATEWAY};
pub use install::{NAMESPACE, SECRET, manifest};
pub use monitoring::PROMETHEUS;
pub use namespace::{enter, enter_with};
pub use network::{AUTHORITY, CPS, CPS_HOST, DCV_HOST, EDGE, HOST, HOST_IPV6, has_ipv6};
pub use process::{Process, Usage, the_last};
pub use programs::{Built, Parts, Programs, own};
pub use progress::duration;
pub use records::{Access, Query, Request};
pub use services::{EDGERC, SimulatorOptions};

/// Runs a future on its own runtime.
///
/// # Errors
/// The future's.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

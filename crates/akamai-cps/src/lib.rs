//! A client for the Akamai Certificate Provisioning System (CPS) API v2, and for the TXT records in Edge DNS that prove
//! domains to the certificate authority.
//!
//! This crate does not depend on Kubernetes. It has four layers. Each can be used without those above it:
//!
//! - [`edgegrid`]: credentials (`.edgerc`, environment) and EG1-HMAC-SHA256 signatures, for any HTTP client.
//! - [`budget`]: the request budget that all users of one Akamai account share, with priorities and fairness.
//! - [`types`]: the data that CPS sends and accepts. Unknown fields and values are kept.
//! - [`Client`]: the operations. [`Client::with`] returns a [`Cps`] handle with a priority and a flow (the certificate
//!   that the calls are for). Its calls wait in the budget under these. [`Client::edge_dns`] returns an [`EdgeDns`]
//!   handle in the same way; see [`edge_dns`].
//!
//! ```no_run
//! use akamai_cps::{Budget, Client, Credentials, Error, Priority};
//! use akamai_cps::types::{ContractId, Csr, Enrollment, NetworkConfiguration};
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::from_edgerc("[default]\nhost = …", "default")?;
//! let client = Client::builder(credentials).budget(Budget::new(25, 10)).build()?;
//!
//! let cps = client.with(Priority::Publish, "uid-of-the-certificate");
//! let csr = Csr { cn: "www.example.com".into(), ..Csr::default() };
//! let enrollment = Enrollment::domain_validated(csr, NetworkConfiguration::new("core", "enhanced-tls", true));
//! match cps.create_enrollment(&ContractId::new("1-1TJZH5"), &enrollment, &Default::default()).await {
//!     Ok(created) => println!("enrollment {}", created.enrollment),
//!     // CPS may have it: list the enrollments and look for ours before trying again.
//!     Err(error) if error.is_outcome_unknown() => {}
//!     Err(Error::Throttled { retry_after, .. }) => println!("come back in {retry_after:?}"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(()) }
//! ```
//!
//! The client repeats only reads (GET), a few times within seconds. It sends a write once. If the answer to a write is
//! lost, the result is [`Error::OutcomeUnknown`], and the caller has to check before it acts again. A call never sleeps
//! for more than a couple of seconds. A longer wait comes back as [`Error::Throttled`].
//!
//! Inside the crate, a module depends only on modules of the lines before its own:
//!
//! 1. `problem`, `operation`
//! 2. `error`
//! 3. [`edgegrid`], [`budget`], `transport`
//! 4. [`client`]
//! 5. `cps`, [`edge_dns`]

pub mod budget;
pub mod client;
mod cps;
pub mod edge_dns;
pub mod edgegrid;
mod error;
mod operation;
mod problem;
mod transport;

pub use akamai_cps_types as types;
pub use budget::{Budget, Budgets, Priority};
pub use client::{CallRecord, Client, ClientBuilder, Identity, Observer, Permit};
pub use cps::{Cps, CreateParams, DeleteParams, Network, Removal, UpdateParams};
pub use edge_dns::EdgeDns;
pub use edgegrid::Credentials;
pub use error::{BuildError, Error};
pub use operation::{Operation, operations};
pub use problem::Problem;
pub use transport::{Transport, TransportBuilder};

//! The API `akacert.io/v1alpha1`: three kinds, their reasons, and the names on objects.
//!
//! This crate has types, schemas, CEL rules and constants. It does not read or write a cluster.

#![allow(clippy::duplicated_attributes, reason = "each printer column has its own type and path")]

pub mod account;
pub mod account_ref;
pub mod certificate;
pub mod condition_set;
pub mod conditions;
pub mod names;
pub mod policy;
pub mod reason;
mod render;
mod schema;
pub mod status;
pub mod validation;
pub mod way;

pub use account::{AkamaiAccount, ClusterAkamaiAccount};
pub use certificate::AkamaiCertificate;
pub use reason::Reason;
pub use render::crds;

//! The cluster: watches of some or all namespaces, the published objects, events, and leader election.
//! `akacert_core::published` decides what to publish.

#[cfg(test)]
pub(crate) mod api_server;
mod drain;
pub mod event;
pub mod index;
pub mod leader;
pub mod optional;
mod publisher;
pub mod scope;
mod watches;

pub use drain::until_drained;
pub use publisher::{PublishError, Publisher};
pub use watches::Wake;

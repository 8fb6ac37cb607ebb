//! The cluster: watches of some or all namespaces, what is published in it, events, and who leads. Not here: what should be
//! published (`akacert_core::published`), certificates (`crate::reconcile`), accounts (`crate::accounts`).

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

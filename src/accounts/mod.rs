//! Accounts: from a resource and its Secret to a client that certificates may use, or to the reason why not.
//!
//! `credentials` is pure: Secret and flags to credentials. `controller` checks them with one call and reports what
//! `check` makes of the answer. `registry` is what certificates see. Not here: what the client is used for.

mod check;
mod controller;
mod credentials;
mod registry;
mod resource;
#[cfg(test)]
mod tests;

pub use controller::{Accounts, Settings};
pub use credentials::{Endpoint, Endpoints, EndpointsError};
pub use registry::Registry;

//! Accounts: turns a resource and its Secret into a client that certificates may use, or into the reason why not.
//!
//! `controller` reconciles an account. `secrets` reads its Secret, `credentials` (pure) parses it, and `clients`
//! makes the client. `slots` bounds how many accounts are checked at a time; the check is one call. `check` (pure)
//! decides what the answer means and what still holds after a restart. `report` writes the result to the account, and
//! `registry` shows it to certificates.

mod check;
mod clients;
mod controller;
mod credentials;
mod registry;
mod report;
mod resource;
mod secrets;
mod slots;
#[cfg(test)]
mod tests;

pub use controller::{Accounts, Settings};
pub use credentials::{Endpoint, Endpoints, EndpointsError};
pub use registry::Registry;

//! Accounts: from a resource and its Secret to a client that certificates may use, or to the reason why not.
//!
//! `controller` looks at an account. `secrets` reads its Secret, `credentials` (pure) says what is in it, `clients` makes
//! the client. One call tries it, once `slots` gives a turn; `check` (pure) says what the answer means and what still stands
//! after a restart. `report` writes it to the account, and `registry` is what certificates see.

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

//! The state of CPS: enrollments, their changes, and deployments. It is plain data and the rules for it.

mod body;
mod certificate;
mod change;
mod domain;
mod enrollment;
mod state;
mod store;
mod warning;

pub(crate) use body::{Difference, Invalid, accept, compare};
pub(crate) use certificate::{Deployment, Issued};
pub(crate) use change::{Asked, Change, ChangeError, ChangeKind, Offer, Schedule, Step};
pub(crate) use domain::{Challenge, Domain, Validation};
pub(crate) use enrollment::Enrollment;
pub(crate) use state::State;
pub(crate) use store::Store;
pub(crate) use warning::Shown;
pub use warning::{Hesitation, Stage};

//! Behaviour that a test requests from the simulator: faults, warnings, and other spellings of answers.
//!
//! The control endpoint sets them. Faults happen in `gateway` and `lifecycle`, warnings in `lifecycle`, and quirks in
//! `api`.

mod faults;
mod quirks;
mod warnings;

use std::sync::Mutex;

pub use faults::{Fault, FaultKind};
pub use quirks::Quirks;
pub use warnings::Warning;

use crate::lock::lock;
use faults::Faults;
use warnings::Warnings;

#[derive(Default)]
pub(crate) struct OnDemand {
    pub faults: Faults,
    pub warnings: Warnings,
    quirks: Mutex<Quirks>,
}

impl OnDemand {
    pub(crate) fn quirks(&self) -> Quirks {
        *lock(&self.quirks)
    }

    pub(crate) fn set_quirks(&self, quirks: Quirks) {
        *lock(&self.quirks) = quirks;
    }
}

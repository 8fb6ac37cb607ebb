//! The life of a change, in the steps of CPS. One task drives one change, and ends when the change is finished or
//! removed.
//!
//! `drivers` starts and stops the tasks, `steps` has what a task does, and `context` what it works with.

mod context;
mod deployment;
mod driver;
mod drivers;
mod issue;
pub(crate) mod renewals;
mod steps;
mod validation;

pub(crate) use context::Context;
pub(crate) use drivers::Drivers;

//! The life of a change, in the steps of CPS. One task drives one change; it ends when the change is finished or gone.
//!
//! `drivers` starts and stops the tasks, `steps` is what a task does, `context` is what it does it with.

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

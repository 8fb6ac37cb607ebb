//! akacert: a Kubernetes operator that manages Akamai certificate enrollments as custom resources.
//!
//! This crate is the shell: it observes, asks `akacert_core` what to do next, and does that one thing. Start reading
//! at
//! [`reconcile::reconcile`]. [`operator`] wires the parts together.

#![allow(missing_docs, reason = "the operator is a program: nobody else depends on it")]

pub mod accounts;
pub mod cluster;
pub mod cps;
pub mod operator;
pub mod process;
pub mod reconcile;
pub mod solver;

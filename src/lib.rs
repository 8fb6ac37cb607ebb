//! akacert: a Kubernetes operator that manages Akamai certificate enrollments as custom resources.
//!
//! The way of the data: [`controller`] looks at a certificate; [`next`] decides what it needs, as a pure function of what
//! was observed; [`act`] does that one thing; and [`controller`] looks again. [`accounts`] turns accounts and Secrets into
//! clients; [`publish`] and [`probe`] publish tokens and check that they can be fetched; [`solver`] serves them. [`leader`]
//! lets one operator at a time write.

pub mod accounts;
pub mod act;
pub mod admin;
pub mod allowed;
pub mod api;
pub mod controller;
pub mod deployed;
pub mod desired;
pub mod dns;
pub mod events;
pub mod export;
pub mod failpoint;
pub mod leader;
pub mod lists;
pub mod metrics;
pub mod next;
pub mod observe;
pub mod operator;
pub mod probe;
pub mod publish;
pub mod rivals;
pub mod scope;
pub mod solver;
pub mod status;
pub mod telemetry;
pub mod vanished;
pub mod warnings;
pub mod window;

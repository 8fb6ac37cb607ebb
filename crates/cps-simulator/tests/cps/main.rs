//! Compares the simulator with what is known of CPS, and checks its features for tests. Every answer must match
//! Akamai's document.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod client;
mod name_server;
mod names;
mod schema;
mod world;

mod challenges;
mod change_management;
mod control;
mod create;
mod deployments;
mod edge_and_dcv;
mod edge_dns;
mod go_client;
mod limits_and_faults;
mod media_types;
mod program;
mod python_signer;
mod quirks;
mod refusals;
mod removal;
mod renewals;
mod schedule;
mod signatures;
mod steps;
mod updates;
mod warnings;

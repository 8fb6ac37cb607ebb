//! The simulator against what is known of CPS: the points of the simulator checklist it is faithful in by
//! default, and what it offers to tests. Every CPS answer of these tests is checked against Akamai's document.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod client;
mod name_server;
mod names;
mod schema;
mod world;

mod change_management;
mod control;
mod edge_and_dcv;
mod go_client;
mod point_01_edgegrid;
mod point_02_media_types;
mod point_03_create;
mod point_04_refusals;
mod point_05_state_machine;
mod point_06_challenges;
mod point_07_warnings;
mod point_08_deployment;
mod point_09_updates;
mod point_10_delete;
mod point_11_deployments;
mod point_12_renewal;
mod point_13_limits_and_faults;
mod point_14_variants;
mod point_16_edge_dns;
mod program;
mod python_signer;
mod update;

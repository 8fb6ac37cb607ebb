//! The client against a real HTTP server: what it sends, what it repeats, and what it makes of every kind of answer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod edge_dns;
mod edge_dns_server;
mod failures;
mod requests;
mod server;
mod throttling;
mod tls;

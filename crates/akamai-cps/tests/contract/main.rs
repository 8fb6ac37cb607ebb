//! The client against Akamai's own OpenAPI documents (`tests/openapi`): it reads their samples, and what it sends
//! matches their schemas.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod document;
mod requests;
mod samples;

//! The client against Akamai's own OpenAPI documents (`tests/openapi`): their samples are read, and what the client
//! sends fits their schemas.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod document;
mod requests;
mod samples;

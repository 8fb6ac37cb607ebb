//! What any process needs: logs, metrics, health, failpoints. Nothing here knows what the process is for.

pub mod admin;
pub mod failpoint;
pub mod metrics;
pub mod telemetry;

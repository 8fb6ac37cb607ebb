//! What every process needs, whatever it does: logs, metrics, health, failpoints.

pub mod admin;
pub mod failpoint;
pub mod metrics;
pub mod telemetry;

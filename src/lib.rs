//! akacert: a Kubernetes operator that manages Akamai certificate enrollments as custom resources.
pub mod admin;
pub mod api;
pub mod probe;
pub mod publish;
pub mod solver;

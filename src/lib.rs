//! akacert: a Kubernetes operator that manages Akamai certificate enrollments as custom resources.
pub mod api;
pub mod publish;

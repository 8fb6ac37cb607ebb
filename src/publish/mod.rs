//! Publishing HTTP-01 tokens: a ConfigMap a certificate for the solver; an Ingress that routes the tokens' paths; and,
//! shared by the certificates of a namespace, a headless Service with EndpointSlices that follow the solver's replicas.
//!
//! `plan` is pure: it tells which requests are missing between what is there and what is wanted. `publisher` looks
//! (from watches, without requests) and does one request. Not here: which tokens are wanted (`crate::next`), whether
//! they can be fetched (`crate::probe`), serving them (`crate::solver`).

mod compare;
mod objects;
mod plan;
mod publisher;
mod token;
mod watches;
mod write;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::scope::Scope;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;

pub use objects::{CHALLENGES_KEY, SHARED_SERVICE, config_map_name, ingress_name};
pub use plan::{Inventory, permitted, plan, plan_handoff, plan_removal, sweep};
pub use publisher::{PublishError, Publisher};
pub use token::{MalformedChallenges, Token, keep, published_tokens, read_tokens};
pub use watches::Wake;
pub use write::{Kind, Object, Write};

#[cfg(test)]
mod tests;

/// Where one ready replica of the solver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SolverEndpoint {
    /// Its address.
    pub ip: IpAddr,
    /// Its port for challenges.
    pub port: u16,
}

impl From<SolverEndpoint> for SocketAddr {
    fn from(endpoint: SolverEndpoint) -> Self {
        SocketAddr::new(endpoint.ip, endpoint.port)
    }
}

impl fmt::Display for SolverEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

/// What is published for one certificate, as the watches show it. Objects that do not carry our labels are not in it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The certificate's tokens, in the operator's namespace.
    pub config_map: Option<Arc<ConfigMap>>,
    /// The certificate's Ingress.
    pub ingress: Option<Arc<Ingress>>,
    /// The Service that all certificates of the namespace share.
    pub service: Option<Arc<Service>>,
    /// Our EndpointSlices of that Service.
    pub endpoint_slices: Vec<Arc<EndpointSlice>>,
    /// The solver's ready replicas.
    pub solver: Vec<SolverEndpoint>,
    /// The certificate's namespace is being deleted, or is gone.
    pub namespace_terminating: bool,
    /// The certificate's ConfigMaps that tell what is deployed.
    pub handoffs: Vec<Arc<ConfigMap>>,
    /// The certificate's Ingress class does not exist.
    pub ingress_class_missing: bool,
    /// Another certificate of the namespace has something published.
    pub shared_in_use: bool,
}

/// Settings of the publisher, from operator flags.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the ConfigMaps go, and where the solver runs.
    pub operator_namespace: String,
    /// Annotation keys that a certificate may put on its Ingress; `example.com/*` is all keys with that prefix.
    pub allowed_ingress_annotations: BTreeSet<String>,
    /// Name of the solver's own Service, in the operator's namespace.
    pub solver_service: String,
    /// The namespaces of the certificates.
    pub scope: Scope,
}

/// Why nothing can be published. A human has to act, or the namespace is going away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// An object of the name that we need is not ours.
    #[error(
        "{kind} {namespace}/{name} exists and was not made by akacert for this certificate: rename or delete it"
    )]
    NameTaken {
        /// Its kind.
        kind: Kind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// An annotation for the Ingress is not on the operator's allow-list.
    #[error(
        "the annotation {key} is not on the operator's allow-list: remove it from \
         spec.validation.http01.ingress.annotations, or have the operator started with --allow-ingress-annotation {key}"
    )]
    AnnotationNotAllowed {
        /// Its key.
        key: String,
    },
    /// The certificate's namespace is being deleted.
    #[error("the namespace is being deleted, so nothing is published into it")]
    NamespaceTerminating,
}

//! Publishing in the cluster: a ConfigMap a certificate for the solver; Ingresses and HTTPRoutes that lead there, or
//! redirect to CPS; DNSEndpoints; and, shared by the certificates of a namespace, a headless Service with EndpointSlices
//! that follow the solver's replicas.
//!
//! `wanted` is what should be there, and `plan` tells which requests are missing; both are pure. `publisher` looks
//! (from watches, without requests) and does one request. Not here: which tokens are wanted (`crate::life`), whether
//! they can be fetched (`crate::outside`), serving them (`crate::solver`), TXT records that we write ourselves
//! (`crate::records`).

mod compare;
mod content;
mod dns_endpoint;
mod http_route;
mod kind;
mod objects;
mod plan;
mod replicas;
mod snippets;
mod wanted;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;

use akacert_api::reason::Reason;

pub use compare::{satisfies, slim, without_surplus};
pub use content::{
    By, CHALLENGES_KEY, CHALLENGES_PATH, Content, MOST_ROTATED, Malformed, Record, Redirection, Token,
    content_of, keep, keep_records, read, rotated_away,
};
pub use dns_endpoint::{DNSEndpoint, TTL};
pub use http_route::{HTTPRoute, RouteTrouble, trouble};
pub use kind::{Kind, Owner};
pub use objects::{
    CERTIFICATE_NAME_ANNOTATION, CERTIFICATE_NAMESPACE_ANNOTATION, SHARED_SERVICE, config_map_name,
    ingress_name,
};
pub use plan::{
    Inventory, is_ours, is_owned, is_standing, may_publish, not_ours, plan, plan_handoff, plan_removal, sweep,
};
pub use replicas::{SolverEndpoint, ready_endpoints};
pub use wanted::{Wanted, is_served};
pub use write::{Object, Target, Write};

#[cfg(test)]
mod tests;

/// What is published for one certificate, as the watches show it. Objects that do not carry our labels are not in it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The certificate's tokens, in the operator's namespace.
    pub config_map: Option<Arc<ConfigMap>>,
    /// The certificate's Ingresses.
    pub ingresses: Vec<Arc<Ingress>>,
    /// The certificate's HTTPRoutes.
    pub http_routes: Vec<Arc<HTTPRoute>>,
    /// The certificate's DNSEndpoints.
    pub dns_endpoints: Vec<Arc<DNSEndpoint>>,
    /// The certificate's ConfigMap that shows how to redirect.
    pub snippets: Vec<Arc<ConfigMap>>,
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
    /// Ingress classes that the certificate names and that do not exist.
    pub missing_ingress_classes: Vec<String>,
    /// Kinds that the cluster does not have.
    pub missing_kinds: BTreeSet<Kind>,
    /// Another certificate of the namespace has something published.
    pub shared_in_use: bool,
}

/// What operator flags allow and name.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Where the ConfigMaps go, and where the solver runs.
    pub operator_namespace: String,
    /// Annotation keys that a certificate may put on its Ingress; `example.com/*` is all keys with that prefix.
    pub allowed_ingress_annotations: BTreeSet<String>,
    /// Name of the solver's own Service, in the operator's namespace.
    pub solver_service: String,
    /// Name servers that certificates may have updated, HOST or HOST:PORT in lower case.
    pub allowed_dns_servers: BTreeSet<String>,
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
    /// The cluster does not have a kind.
    #[error(
        "the operator sees no {kind}s: install {}, let its role have them, or choose another way in spec.validation",
        kind.row().install.unwrap_or("them")
    )]
    KindMissing {
        /// Which.
        kind: Kind,
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
    /// A name server is not one that may be updated.
    #[error(
        "the operator does not send DNS updates to {server}: correct dns01.rfc2136.server, or have the operator started \
         with --allow-dns-server {server}"
    )]
    ServerNotAllowed {
        /// The server.
        server: String,
    },
    /// The certificate's namespace is being deleted.
    #[error("the namespace is being deleted, so nothing is published into it")]
    NamespaceTerminating,
}

impl Blocked {
    /// What to report.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Blocked::NameTaken { .. } => Reason::NameTaken,
            Blocked::KindMissing { .. } => Reason::KindMissing,
            Blocked::AnnotationNotAllowed { .. } => Reason::AnnotationNotAllowed,
            Blocked::ServerNotAllowed { .. } => Reason::ServerNotAllowed,
            Blocked::NamespaceTerminating => Reason::NamespaceTerminating,
        }
    }
}

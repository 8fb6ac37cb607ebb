//! One request to the API server that publishes or removes something. Not here: when (`plan`), sending it (`publisher`).

use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::dns_endpoint::DNSEndpoint;
use super::http_route::HTTPRoute;

/// The kinds of objects that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Holds the tokens.
    ConfigMap,
    /// Names the solver's replicas.
    EndpointSlice,
    /// What the Ingress routes to.
    Service,
    /// Routes paths.
    Ingress,
    /// Routes paths.
    HttpRoute,
    /// Has external-dns make TXT records.
    DnsEndpoint,
    /// A ConfigMap that shows how to redirect where a name is served elsewhere.
    Snippets,
    /// A ConfigMap that tells pipelines what is deployed.
    Handoff,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Handoff | Kind::Snippets => f.write_str("ConfigMap"),
            Kind::HttpRoute => f.write_str("HTTPRoute"),
            Kind::DnsEndpoint => f.write_str("DNSEndpoint"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}

/// An object as it should be: only the fields that we own.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "short-lived, and boxed by who keeps it")]
pub enum Object {
    /// Holds the tokens.
    ConfigMap(ConfigMap),
    /// Names the solver's replicas.
    EndpointSlice(EndpointSlice),
    /// What the Ingress routes to.
    Service(Service),
    /// Routes paths.
    Ingress(Ingress),
    /// Routes paths.
    HttpRoute(HTTPRoute),
    /// Has external-dns make TXT records.
    DnsEndpoint(DNSEndpoint),
    /// A ConfigMap that shows how to redirect where a name is served elsewhere.
    Snippets(ConfigMap),
    /// A ConfigMap that tells pipelines what is deployed.
    Handoff(ConfigMap),
}

impl Object {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Object::ConfigMap(_) => Kind::ConfigMap,
            Object::EndpointSlice(_) => Kind::EndpointSlice,
            Object::Service(_) => Kind::Service,
            Object::Ingress(_) => Kind::Ingress,
            Object::HttpRoute(_) => Kind::HttpRoute,
            Object::DnsEndpoint(_) => Kind::DnsEndpoint,
            Object::Snippets(_) => Kind::Snippets,
            Object::Handoff(_) => Kind::Handoff,
        }
    }

    /// Its metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Object::ConfigMap(object) | Object::Handoff(object) | Object::Snippets(object) => {
                &object.metadata
            }
            Object::EndpointSlice(object) => &object.metadata,
            Object::Service(object) => &object.metadata,
            Object::Ingress(object) => &object.metadata,
            Object::HttpRoute(object) => &object.metadata,
            Object::DnsEndpoint(object) => &object.metadata,
        }
    }
}

/// One request to the API server.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "short-lived, and boxed by who keeps it")]
pub enum Write {
    /// Server-side apply.
    Apply {
        /// The object.
        object: Object,
        /// It exists and is ours, so that conflicting fields are taken back. Otherwise it must not exist.
        force: bool,
    },
    /// Delete, if it is still the one that was seen.
    Delete {
        /// Kind.
        kind: Kind,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// UID of the object that was seen.
        uid: String,
    },
}

impl Write {
    /// Kind, namespace and name of the object.
    #[must_use]
    pub fn target(&self) -> (Kind, &str, &str) {
        match self {
            Write::Apply { object, .. } => {
                let metadata = object.metadata();
                (
                    object.kind(),
                    metadata.namespace.as_deref().unwrap_or_default(),
                    metadata.name.as_deref().unwrap_or_default(),
                )
            }
            Write::Delete { kind, namespace, name, .. } => (*kind, namespace, name),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self {
            Write::Apply { .. } => "apply",
            Write::Delete { .. } => "delete",
        };
        let (kind, namespace, name) = self.target();
        write!(f, "{verb} {kind} {namespace}/{name}")
    }
}

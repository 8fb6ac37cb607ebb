//! One request to the API server that publishes or removes something. Not here: when (`plan`), sending it (`publisher`).

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::dns_endpoint::DNSEndpoint;
use super::http_route::HTTPRoute;
use super::kind::Kind;

/// An object as it should be: only the fields that we own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
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
    /// Server-side apply. What exists and is ours gives back its conflicting fields; what is not ours stays as it is.
    Apply(Object),
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
    /// Stands for how the object is to be; none: it is to go.
    #[must_use]
    pub fn content(&self) -> Option<u64> {
        let Write::Apply(object) = self else { return None };
        let mut hasher = DefaultHasher::new();
        // What the API server takes can be written as JSON.
        serde_json::to_string(object).unwrap_or_default().hash(&mut hasher);
        Some(hasher.finish())
    }

    /// Kind, namespace and name of the object.
    #[must_use]
    pub fn target(&self) -> (Kind, &str, &str) {
        match self {
            Write::Apply(object) => {
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
            Write::Apply(_) => "apply",
            Write::Delete { .. } => "delete",
        };
        let (kind, namespace, name) = self.target();
        write!(f, "{verb} {kind} {namespace}/{name}")
    }
}

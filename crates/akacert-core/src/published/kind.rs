//! The kinds of objects that we publish, one row each. Not here: what such an object looks like (`objects`).

use std::fmt;

use akacert_api::names::{
    CERTIFICATE_UID_LABEL, CHALLENGES_COMPONENT, COMPONENT_LABEL, HANDOFF_COMPONENT, MANAGED_BY,
    MANAGED_BY_LABEL, SNIPPETS_COMPONENT, SOLVER_COMPONENT,
};

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

/// What is particular to a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kind as Kubernetes knows it.
    pub name: &'static str,
    /// Which objects of the kind are ours.
    pub label: Label,
    /// Whom such an object is for.
    pub owner: Owner,
    /// What has to be installed for the kind; none: every cluster has it.
    pub install: Option<&'static str>,
}

/// A label that is on all objects of a kind, beside [`MANAGED_BY_LABEL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// [`COMPONENT_LABEL`], with this value.
    Component(&'static str),
    /// [`CERTIFICATE_UID_LABEL`].
    CertificateUid,
}

/// Whom an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The certificate that its owner reference names.
    Referenced,
    /// The certificate that its annotations name: the object is in the operator's namespace.
    Annotated,
    /// All certificates of its namespace.
    Shared,
}

impl Kind {
    /// What is particular to the kind.
    #[must_use]
    pub fn row(self) -> Row {
        use Label::{CertificateUid, Component};
        use Owner::{Annotated, Referenced, Shared};
        let row = |name, label, owner, install| Row { name, label, owner, install };
        match self {
            Kind::ConfigMap => row("ConfigMap", Component(CHALLENGES_COMPONENT), Annotated, None),
            Kind::EndpointSlice => row("EndpointSlice", Component(SOLVER_COMPONENT), Shared, None),
            Kind::Service => row("Service", Component(SOLVER_COMPONENT), Shared, None),
            Kind::Ingress => row("Ingress", CertificateUid, Referenced, None),
            Kind::HttpRoute => row(
                "HTTPRoute",
                CertificateUid,
                Referenced,
                Some("the CRDs of Gateway API and a controller for it"),
            ),
            Kind::DnsEndpoint => {
                row("DNSEndpoint", CertificateUid, Referenced, Some("external-dns with its CRD"))
            }
            Kind::Snippets => row("ConfigMap", Component(SNIPPETS_COMPONENT), Referenced, None),
            Kind::Handoff => row("ConfigMap", Component(HANDOFF_COMPONENT), Referenced, None),
        }
    }
}

impl Row {
    /// The label selector of the objects that are ours.
    #[must_use]
    pub fn selector(&self) -> String {
        let ours = format!("{MANAGED_BY_LABEL}={MANAGED_BY}");
        match self.label {
            Label::Component(component) => format!("{ours},{COMPONENT_LABEL}={component}"),
            Label::CertificateUid => format!("{ours},{CERTIFICATE_UID_LABEL}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

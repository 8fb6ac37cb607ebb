//! What a decision knows of an account: its defaults and what it allows, as data. Not here: its credentials, and the client
//! that holds them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use akacert_api::AkamaiCertificate;
use akacert_api::account::Defaults;
use akacert_api::certificate::{AccountKind, AccountRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;

use crate::allowed;

/// Names an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey {
    /// Its kind.
    pub kind: AccountKind,
    /// Its namespace; none for a ClusterAkamaiAccount.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl AccountKey {
    /// The account that a certificate refers to.
    #[must_use]
    pub fn of(certificate: &AkamaiCertificate) -> Self {
        Self::referred_to(&certificate.spec.account_ref, certificate)
    }

    /// The account that a reference in a certificate means.
    #[must_use]
    pub fn referred_to(reference: &AccountRef, certificate: &AkamaiCertificate) -> Self {
        let namespace = match reference.kind {
            AccountKind::AkamaiAccount => certificate.namespace(),
            AccountKind::ClusterAkamaiAccount => None,
        };
        Self { kind: reference.kind, namespace, name: reference.name.clone() }
    }
}

impl AccountKey {
    /// `namespace/name`, or the name alone of a ClusterAkamaiAccount.
    #[must_use]
    pub fn path(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.path())
    }
}

/// An account whose credentials were accepted.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub key: AccountKey,
    /// The contracts that the credentials see.
    pub contracts: Vec<String>,
    /// Defaults for new enrollments.
    pub defaults: Defaults,
    /// The namespaces that may use it; none: its own.
    pub allowed_namespaces: Option<LabelSelector>,
    /// The names that it may be used for; none: all.
    pub allowed_domains: Option<Vec<String>>,
    /// The request budget that it shares.
    pub budget_group: String,
}

/// An account as one certificate sees it.
#[derive(Clone, Debug)]
pub enum View {
    /// It may be used.
    Ready(Arc<Account>),
    /// It does not exist.
    Missing {
        /// For the certificate's conditions.
        message: String,
    },
    /// Its credentials were not accepted, or were not checked yet.
    NotReady {
        /// For the certificate's conditions.
        message: String,
        /// It passes by itself: CPS cannot be reached, say.
        transient: bool,
    },
    /// It may not be used in this namespace.
    NamespaceNotAllowed {
        /// For the certificate's conditions.
        message: String,
    },
    /// It may not be used for a name.
    DomainNotAllowed {
        /// For the certificate's conditions.
        message: String,
    },
}

impl View {
    /// The account, if it may be used.
    #[must_use]
    pub fn ready(&self) -> Option<&Arc<Account>> {
        let View::Ready(account) = self else { return None };
        Some(account)
    }
}

/// An account as a certificate sees it in a namespace with these labels.
#[must_use]
pub fn permitted(
    account: Arc<Account>,
    certificate: &AkamaiCertificate,
    names: &[&str],
    labels: &BTreeMap<String, String>,
) -> View {
    let namespace = certificate.namespace().unwrap_or_default();
    let selected =
        account.allowed_namespaces.as_ref().is_none_or(|selector| allowed::selects(selector, labels));
    if !selected {
        let message = format!(
            "{} does not allow namespace {namespace}: label the namespace as its allowedNamespaces asks, or ask its owner",
            account.key
        );
        return View::NamespaceNotAllowed { message };
    }
    let refused = account
        .allowed_domains
        .as_deref()
        .map(|patterns| allowed::disallowed(patterns, names))
        .unwrap_or_default();
    if !refused.is_empty() {
        let message = format!(
            "{} does not allow {}: remove what its allowedDomains does not cover, or ask its owner",
            account.key,
            refused.join(", ")
        );
        return View::DomainNotAllowed { message };
    }
    View::Ready(account)
}

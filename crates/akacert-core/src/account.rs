//! What a decision knows of an account, as plain data: its defaults, and what it allows. The caller has the
//! credentials and the client.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use akacert_api::AkamaiCertificate;
use akacert_api::account::Defaults;
use akacert_api::certificate::{AccountKind, AccountRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;

use crate::allowed;

/// Identifies an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey {
    /// `AkamaiAccount` or `ClusterAkamaiAccount`.
    pub kind: AccountKind,
    /// The namespace; `None` for a ClusterAkamaiAccount.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
}

impl AccountKey {
    /// The account that a certificate refers to.
    #[must_use]
    pub fn of(certificate: &AkamaiCertificate) -> Self {
        Self::referred_to(&certificate.spec.account_ref, certificate)
    }

    /// The account that an `accountRef` of a certificate means.
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
    /// `namespace/name`, or only the name for a ClusterAkamaiAccount.
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

/// An account whose credentials Akamai has accepted.
#[derive(Clone, Debug)]
pub struct Account {
    /// Which account it is.
    pub key: AccountKey,
    /// The contracts that the credentials can see.
    pub contracts: Vec<String>,
    /// Defaults for new enrollments.
    pub defaults: Defaults,
    /// The namespaces that may use the account; `None`: only its own.
    pub allowed_namespaces: Option<LabelSelector>,
    /// The names that the account may be used for; `None`: all.
    pub allowed_domains: Option<Vec<String>>,
    /// The request budget that the account shares.
    pub budget_group: String,
}

/// An account as one certificate sees it.
#[derive(Clone, Debug)]
pub enum View {
    /// The certificate may use it.
    Ready(Arc<Account>),
    /// The account does not exist.
    Missing {
        /// The text for the certificate's conditions.
        message: String,
    },
    /// Akamai has rejected the credentials, or the operator has not checked them yet.
    NotReady {
        /// The text for the certificate's conditions.
        message: String,
        /// Whether the cause passes without anybody's action, such as an outage of CPS.
        transient: bool,
    },
    /// The account does not select the certificate's namespace.
    NamespaceNotAllowed {
        /// The text for the certificate's conditions.
        message: String,
    },
    /// The account does not allow a name of the certificate.
    DomainNotAllowed {
        /// The text for the certificate's conditions.
        message: String,
    },
}

impl View {
    /// The account, if the certificate may use it.
    #[must_use]
    pub fn ready(&self) -> Option<&Arc<Account>> {
        let View::Ready(account) = self else { return None };
        Some(account)
    }
}

/// The account as a certificate sees it whose namespace has these labels.
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

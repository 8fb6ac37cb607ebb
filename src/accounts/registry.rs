//! What certificates see of accounts: whether one may be used, and if not, why.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use akamai_cps::Client;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::allowed;
use crate::api::AkamaiCertificate;
use crate::api::account::Defaults;
use crate::api::certificate::{AccountKind, AccountRef};

/// Kind, namespace and name of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey {
    /// Cluster-wide, or of a namespace.
    pub kind: AccountKind,
    /// Its namespace; none for a ClusterAkamaiAccount.
    pub namespace: Option<String>,
    /// The resource's name.
    pub name: String,
}

impl AccountKey {
    /// What the `accountRef` of a certificate means.
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

    /// Whether a certificate refers to it.
    pub(super) fn is_of(&self, certificate: &AkamaiCertificate) -> bool {
        let reference = &certificate.spec.account_ref;
        let namespace = match reference.kind {
            AccountKind::AkamaiAccount => certificate.metadata.namespace.as_ref(),
            AccountKind::ClusterAkamaiAccount => None,
        };
        self.kind == reference.kind && self.name == reference.name && self.namespace.as_ref() == namespace
    }

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
    /// Which one.
    pub key: AccountKey,
    /// A client with its credentials.
    pub client: Client,
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
        match self {
            View::Ready(account) => Some(account),
            _ => None,
        }
    }
}

/// What is known of an account.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Ready(Arc<Account>),
    NotReady { why: String, transient: bool },
}

/// All accounts.
pub struct Registry {
    known: RwLock<HashMap<AccountKey, Known>>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
}

impl Registry {
    /// No accounts yet. Namespaces are looked up by their labels.
    #[must_use]
    pub fn new(namespaces: Store<PartialObjectMeta<Namespace>>) -> Self {
        Self { known: RwLock::default(), namespaces }
    }

    /// Certificates may not take an account for missing that is seen and not yet checked.
    pub(super) fn announce(&self, key: &AccountKey) {
        let being_checked =
            || Known::NotReady { why: "its credentials are being checked".into(), transient: true };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(key.clone()).or_insert_with(being_checked);
    }

    pub(super) fn set(&self, key: &AccountKey, known: Known) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), known);
    }

    pub(super) fn remove(&self, key: &AccountKey) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub(super) fn keys(&self, kind: AccountKind) -> Vec<AccountKey> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.keys().filter(|key| key.kind == kind).cloned().collect()
    }

    /// All accounts, and whether each can be used.
    #[must_use]
    pub fn verdicts(&self) -> Vec<(AccountKey, bool)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> =
            known.iter().map(|(key, known)| (key.clone(), matches!(known, Known::Ready(_)))).collect();
        all.sort();
        all
    }

    pub(super) fn knows(&self, key: &AccountKey) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// The account that a certificate refers to, as far as this certificate may use it.
    #[must_use]
    pub fn view(&self, certificate: &AkamaiCertificate) -> View {
        self.view_of(&AccountKey::of(certificate), certificate, &certificate.spec.names())
    }

    /// An account, as far as a certificate may use it for these names.
    #[must_use]
    pub fn view_of(&self, key: &AccountKey, certificate: &AkamaiCertificate, names: &[&str]) -> View {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        match known {
            None => View::Missing {
                message: format!("{key} does not exist: create it, and this certificate goes on by itself"),
            },
            Some(Known::NotReady { why, transient }) => {
                View::NotReady { message: format!("{key} is not ready: {why}"), transient }
            }
            Some(Known::Ready(account)) => {
                let labels = self.labels(&certificate.namespace().unwrap_or_default());
                permitted(account, certificate, names, &labels)
            }
        }
    }

    fn labels(&self, namespace: &str) -> BTreeMap<String, String> {
        let namespace = self.namespaces.get(&ObjectRef::new(namespace));
        namespace.and_then(|namespace| namespace.metadata.labels.clone()).unwrap_or_default()
    }
}

/// Whether a certificate of a namespace with these labels may use an account.
fn permitted(
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

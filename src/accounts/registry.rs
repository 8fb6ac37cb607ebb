//! What certificates see of accounts: whether they may use one, and if not, why.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use akacert_api::AkamaiCertificate;
use akacert_api::certificate::AccountKind;
use akacert_core::account::{Account, AccountKey, View, permitted};
use akamai_cps::Client;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};

#[derive(Clone, Debug)]
pub(super) enum Known {
    Ready { account: Arc<Account>, client: Client },
    NotReady { why: String, transient: bool },
}

/// All accounts.
pub struct Registry {
    known: RwLock<HashMap<AccountKey, Known>>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
}

impl Registry {
    /// An empty registry. It looks up the labels of namespaces in `namespaces`.
    #[must_use]
    pub fn new(namespaces: Store<PartialObjectMeta<Namespace>>) -> Self {
        Self { known: RwLock::default(), namespaces }
    }

    /// Marks an account as seen and not yet checked, so that certificates do not take it for missing.
    pub(super) fn announce(&self, key: &AccountKey) {
        let being_checked =
            || Known::NotReady { why: "its credentials are being checked".into(), transient: true };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(key.clone()).or_insert_with(being_checked);
    }

    pub(super) fn set(&self, key: &AccountKey, known: Known) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), known);
    }

    /// Akamai has accepted its credentials.
    #[cfg(test)]
    pub(crate) fn ready(&self, account: Account, client: Client) {
        self.set(&account.key.clone(), Known::Ready { account: Arc::new(account), client });
    }

    pub(super) fn remove(&self, key: &AccountKey) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub(super) fn keys(&self, kind: AccountKind) -> Vec<AccountKey> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.keys().filter(|key| key.kind == kind).cloned().collect()
    }

    /// All accounts, and whether certificates can use each.
    #[must_use]
    pub fn verdicts(&self) -> Vec<(AccountKey, bool)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> =
            known.iter().map(|(key, known)| (key.clone(), matches!(known, Known::Ready { .. }))).collect();
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
            Some(Known::Ready { account, .. }) => {
                let labels = self.labels(&certificate.namespace().unwrap_or_default());
                permitted(account, certificate, names, &labels)
            }
        }
    }

    /// A client for an account that is Ready. The [`View`] says whether a certificate may use the account.
    #[must_use]
    pub fn client(&self, key: &AccountKey) -> Option<Client> {
        match self.known.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            Some(Known::Ready { client, .. }) => Some(client.clone()),
            _ => None,
        }
    }

    fn labels(&self, namespace: &str) -> BTreeMap<String, String> {
        let namespace = self.namespaces.get(&ObjectRef::new(namespace));
        namespace.and_then(|namespace| namespace.metadata.labels.clone()).unwrap_or_default()
    }
}

/// Whether a certificate refers to an account. The same as comparing with [`AccountKey::of`], without allocating a key for each of ten thousand certificates.
pub(super) fn refers_to(certificate: &AkamaiCertificate, key: &AccountKey) -> bool {
    let reference = &certificate.spec.account_ref;
    let namespace = match reference.kind {
        AccountKind::AkamaiAccount => certificate.metadata.namespace.as_ref(),
        AccountKind::ClusterAkamaiAccount => None,
    };
    key.kind == reference.kind && key.name == reference.name && key.namespace.as_ref() == namespace
}

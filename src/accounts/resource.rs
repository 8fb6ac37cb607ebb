//! What both kinds of account have in common.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::Api;
use kube::runtime::reflector::Store;
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::cluster::scope::{Scope, Watch, everywhere};
use akacert_api::account::{Credentials, Defaults, RequestBudget};
use akacert_api::certificate::AccountKind;
use akacert_api::names::ACCOUNT_FINALIZER;
use akacert_api::status::AccountStatus;
use akacert_api::{AkamaiAccount, ClusterAkamaiAccount};
use akacert_core::account::AccountKey;

pub(super) trait AccountResource:
    Resource<DynamicType = (), Scope: Send>
    + ResourceExt
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    const KIND: AccountKind;
    fn credentials(&self) -> &Credentials;
    fn defaults(&self) -> Option<&Defaults>;
    fn request_budget(&self) -> Option<&RequestBudget>;
    fn allowed(&self) -> (Option<LabelSelector>, Option<Vec<String>>);
    fn status(&self) -> AccountStatus;
    fn api(&self, client: &Client) -> Api<Self>;
    fn watch(scope: &Scope, client: &Client, seen: &Store<Self>) -> Watch<Self>;

    fn key(&self) -> AccountKey {
        AccountKey { kind: Self::KIND, namespace: self.namespace(), name: self.name_any() }
    }

    /// Whether the account has the finalizer that keeps it while certificates refer to it.
    fn has_finalizer(&self) -> bool {
        self.finalizers().iter().any(|finalizer| finalizer == ACCOUNT_FINALIZER)
    }

    /// Accounts with the same budget name share a budget within one trust domain: a namespace, or the cluster. A
    /// tenant can neither join nor use up another's budget.
    fn budget_group(&self) -> String {
        let scope = self.namespace().map_or("cluster".into(), |namespace| format!("namespace/{namespace}"));
        match self.request_budget().and_then(|budget| budget.group.as_ref()) {
            Some(group) => format!("{scope}/group/{group}"),
            None => format!("{scope}/account/{}", self.name_any()),
        }
    }
}

impl AccountResource for AkamaiAccount {
    const KIND: AccountKind = AccountKind::AkamaiAccount;

    fn credentials(&self) -> &Credentials {
        &self.spec.credentials
    }
    fn defaults(&self) -> Option<&Defaults> {
        self.spec.defaults.as_ref()
    }
    fn request_budget(&self) -> Option<&RequestBudget> {
        self.spec.request_budget.as_ref()
    }
    fn allowed(&self) -> (Option<LabelSelector>, Option<Vec<String>>) {
        (None, None)
    }
    fn status(&self) -> AccountStatus {
        self.status.clone().unwrap_or_default()
    }
    fn api(&self, client: &Client) -> Api<Self> {
        Api::namespaced(client.clone(), &self.namespace().unwrap_or_default())
    }
    fn watch(scope: &Scope, client: &Client, seen: &Store<Self>) -> Watch<Self> {
        scope.watch(client, &watcher::Config::default(), seen)
    }
}

impl AccountResource for ClusterAkamaiAccount {
    const KIND: AccountKind = AccountKind::ClusterAkamaiAccount;

    fn credentials(&self) -> &Credentials {
        &self.spec.credentials
    }
    fn defaults(&self) -> Option<&Defaults> {
        self.spec.defaults.as_ref()
    }
    fn request_budget(&self) -> Option<&RequestBudget> {
        self.spec.request_budget.as_ref()
    }
    fn allowed(&self) -> (Option<LabelSelector>, Option<Vec<String>>) {
        (Some(self.spec.allowed_namespaces.clone()), Some(self.spec.allowed_domains.clone()))
    }
    fn status(&self) -> AccountStatus {
        self.status.clone().unwrap_or_default()
    }
    fn api(&self, client: &Client) -> Api<Self> {
        Api::all(client.clone())
    }
    fn watch(_: &Scope, client: &Client, seen: &Store<Self>) -> Watch<Self> {
        everywhere(client, &watcher::Config::default(), seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn tenant(namespace: &str, budget: Value) -> AkamaiAccount {
        serde_json::from_value(json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiAccount",
            "metadata": {"name": "production", "namespace": namespace},
            "spec": {"credentials": {"secretRef": {"name": "akamai"}}, "requestBudget": budget}
        }))
        .unwrap()
    }

    fn cluster(budget: Value) -> ClusterAkamaiAccount {
        serde_json::from_value(json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "ClusterAkamaiAccount", "metadata": {"name": "production"},
            "spec": {
                "credentials": {"secretRef": {"name": "akamai"}}, "requestBudget": budget,
                "allowedNamespaces": {}, "allowedDomains": ["*"]
            }
        }))
        .unwrap()
    }

    #[test]
    fn accounts_of_one_namespace_share_a_budget_by_its_name() {
        let group = json!({"group": "all"});
        assert_eq!(tenant("shop", group).budget_group(), "namespace/shop/group/all");
        assert_eq!(tenant("shop", json!({})).budget_group(), "namespace/shop/account/production");
    }

    #[test]
    fn a_tenant_cannot_join_the_budget_of_the_cluster_nor_of_another_tenant() {
        let group = || json!({"group": "all"});
        let groups = [
            cluster(group()).budget_group(),
            tenant("shop", group()).budget_group(),
            // A namespace can have any name, even `cluster`.
            tenant("cluster", group()).budget_group(),
            tenant("group", group()).budget_group(),
            cluster(json!({"group": "production"})).budget_group(),
            cluster(json!({})).budget_group(),
            tenant("cluster", json!({})).budget_group(),
        ];
        let distinct: std::collections::BTreeSet<_> = groups.iter().collect();
        assert_eq!(distinct.len(), groups.len(), "{groups:?}");
    }
}

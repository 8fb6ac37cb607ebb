//! I/O: shows what is published, from watches, and sends one request. Not here: which request (`plan`).
//!
//! After a write it waits until the watch shows it, so that the next look rests on it. Requests for one object go one
//! after the other, and one that another certificate has already made is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{PartialObjectMeta, Status};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::scope::Scope;
use super::watches::{Ended, Key, Wake, Watches};
use akacert_api::AkamaiCertificate;
use akacert_api::certificate::CertificateSpec;
use akacert_api::names::{CERTIFICATE_UID_LABEL, FIELD_MANAGER, SERVICE_NAME_LABEL};
use akacert_core::published::{
    Blocked, Inventory, Kind, Object, Observed, Rules, SHARED_SERVICE, Write, config_map_name, is_ours,
    not_ours, satisfies, sweep, without_surplus,
};

/// How long a write waits for its echo in the watch. A watch that is slower costs a superfluous request, no harm.
const ECHO: Duration = Duration::from_secs(5);

/// How often a write starts over because the object came, went or was replaced under it.
const ATTEMPTS: u32 = 4;

/// With this version an apply creates or fails, since no object ever has it: etcd counts from 2. Without it, an apply
/// would silently merge into an object of somebody else's that has none of our fields set differently.
const MUST_NOT_EXIST: &str = "1";

/// A write failed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It must not be done.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The API server took it, and something changed it.
    #[error(
        "{kind} {namespace}/{name} is not as it was applied: look for an admission webhook that changes objects of this kind"
    )]
    Overruled {
        /// Its kind.
        kind: Kind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The object kept being deleted and made anew.
    #[error("{kind} {namespace}/{name} is deleted and made anew all the time: find out by whom")]
    Contended {
        /// Its kind.
        kind: Kind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("could not {write}: {}", said(source))]
    Api {
        /// The request.
        write: String,
        /// What the API server said.
        #[source]
        source: kube::Error,
    },
}

/// A lock an object that is being written, by kind, namespace and name.
type Locks = HashMap<(Kind, String, String), Arc<tokio::sync::Mutex<()>>>;

/// What the API server says of a refusal, or why there is no answer.
fn said(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        format!("the Kubernetes API refused: {}", status.message)
    } else {
        format!("the Kubernetes API did not answer: {error}")
    }
}

/// Shows and changes what is published.
pub struct Publisher {
    client: Client,
    rules: Rules,
    watches: Watches,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    locks: Mutex<Locks>,
}

impl Publisher {
    /// Starts the watches, which run until shutdown. The stream names certificates that something happened to.
    #[must_use]
    pub fn start(
        client: Client,
        rules: Rules,
        scope: &Scope,
        namespaces: Store<PartialObjectMeta<Namespace>>,
        shutdown: &CancellationToken,
    ) -> (Self, Wake) {
        let (watches, wake) = Watches::start(&client, &rules, scope, shutdown);
        (Self { client, rules, watches, namespaces, locks: Mutex::default() }, wake)
    }

    /// Waits until everything that is published has been seen. Before that, nothing must be decided.
    ///
    /// # Errors
    /// The watches ended, because of a shutdown.
    pub async fn synced(&self) -> Result<(), Ended> {
        self.watches.synced().await
    }

    /// What is published for a certificate. No request.
    #[must_use]
    pub fn observe(&self, certificate: &AkamaiCertificate) -> Observed {
        let namespace = certificate.namespace().unwrap_or_default();
        let uid = certificate.uid().unwrap_or_default();
        let mut endpoint_slices = self.watches.endpoint_slices.by.get(&Key::Namespace(namespace.clone()));
        endpoint_slices.retain(|slice| {
            slice.labels().get(SERVICE_NAME_LABEL).is_some_and(|name| name == SHARED_SERVICE)
        });
        let owner = Key::owner(certificate);
        let own = &self.rules.operator_namespace;
        Observed {
            handoffs: self.watches.handoffs.by.get(&owner),
            config_map: self
                .watches
                .config_maps
                .store
                .get(&ObjectRef::new(&config_map_name(certificate)).within(own)),
            ingresses: self.watches.ingresses.by.get(&owner),
            http_routes: self.watches.http_routes.by.get(&owner),
            dns_endpoints: self.watches.dns_endpoints.by.get(&owner),
            snippets: self.watches.snippets.by.get(&owner),
            service: self.watches.services.store.get(&ObjectRef::new(SHARED_SERVICE).within(&namespace)),
            endpoint_slices,
            solver: self.watches.solver_endpoints(),
            namespace_terminating: self.is_terminating(&namespace),
            missing_ingress_classes: self.missing_ingress_classes(&certificate.spec),
            missing_kinds: self.watches.missing_kinds(),
            shared_in_use: self.publishes_in(&namespace, |other| other != uid),
        }
    }

    fn missing_ingress_classes(&self, spec: &CertificateSpec) -> Vec<String> {
        let mut classes: Vec<_> = spec
            .ways()
            .filter_map(|(_, way)| Some(&way.ingress()?.class_name))
            .filter(|class| self.watches.ingress_classes.get(&ObjectRef::new(class)).is_none())
            .cloned()
            .collect();
        classes.sort();
        classes.dedup();
        classes
    }

    /// The requests that remove what no living certificate stands for. Pass the UIDs of all certificates. None before
    /// everything has been seen.
    #[must_use]
    pub fn sweep(&self, alive: &BTreeSet<String>) -> Vec<Write> {
        if !matches!(self.watches.synced().now_or_never(), Some(Ok(()))) {
            return Vec::new();
        }
        sweep(&self.inventory(), alive, &self.rules)
    }

    /// Sends one request, unless the watches show that it is superfluous by now.
    ///
    /// # Errors
    /// [`PublishError`]; the same write may be tried again later.
    pub async fn perform(&self, write: &Write) -> Result<(), PublishError> {
        let (kind, namespace, name) = write.target();
        let key = (kind, namespace.to_owned(), name.to_owned());
        let lock = self.locks().entry(key.clone()).or_default().clone();
        let turn = lock.lock().await;
        let result = self.perform_alone(write).await;
        drop(turn);
        let mut locks = self.locks();
        // Ours and the map's own: nobody else waits for it.
        if Arc::strong_count(&lock) <= 2 {
            locks.remove(&key);
        }
        result
    }

    async fn perform_alone(&self, write: &Write) -> Result<(), PublishError> {
        match write {
            Write::Apply(object) => match object {
                Object::ConfigMap(object) => self.apply(&self.watches.config_maps.store, object, write).await,
                Object::EndpointSlice(object) => {
                    self.apply(&self.watches.endpoint_slices.store, object, write).await
                }
                Object::Service(object) => self.apply(&self.watches.services.store, object, write).await,
                Object::Ingress(object) => self.apply(&self.watches.ingresses.store, object, write).await,
                Object::HttpRoute(object) => self.apply(&self.watches.http_routes.store, object, write).await,
                Object::DnsEndpoint(object) => {
                    self.apply(&self.watches.dns_endpoints.store, object, write).await
                }
                Object::Snippets(object) => self.apply(&self.watches.snippets.store, object, write).await,
                Object::Handoff(object) => self.apply(&self.watches.handoffs.store, object, write).await,
            },
            Write::Delete { kind, namespace, uid, .. } => match kind {
                // Another certificate of the namespace may have begun to publish since this was planned.
                Kind::Service if self.publishes_in(namespace, |_| true) => Ok(()),
                Kind::Service => self.delete(&self.watches.services.store, write, uid).await,
                Kind::ConfigMap => self.delete(&self.watches.config_maps.store, write, uid).await,
                Kind::EndpointSlice => self.delete(&self.watches.endpoint_slices.store, write, uid).await,
                Kind::Ingress => self.delete(&self.watches.ingresses.store, write, uid).await,
                Kind::HttpRoute => self.delete(&self.watches.http_routes.store, write, uid).await,
                Kind::DnsEndpoint => self.delete(&self.watches.dns_endpoints.store, write, uid).await,
                Kind::Snippets => self.delete(&self.watches.snippets.store, write, uid).await,
                Kind::Handoff => self.delete(&self.watches.handoffs.store, write, uid).await,
            },
        }
    }

    async fn apply<K>(&self, store: &Store<K>, desired: &K, write: &Write) -> Result<(), PublishError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Serialize
            + DeserializeOwned
            + Debug,
    {
        let (kind, namespace, name) = write.target();
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let failed = |source| PublishError::Api { write: write.to_string(), source };
        let mut existing = store.get(&ObjectRef::from_obj(desired)).map(Arc::unwrap_or_clone);
        for _ in 0..ATTEMPTS {
            let (patch, params) = match &existing {
                Some(found) if !is_ours(desired, found) => return Err(not_ours(kind, desired).into()),
                Some(found) if satisfies(desired, found) => return Ok(()),
                // Force is safe: with the UID it can hit nothing but the object that was found to be ours.
                Some(found) => (with_uid(desired, found), PatchParams::apply(FIELD_MANAGER).force()),
                None => (with_version(desired, MUST_NOT_EXIST), PatchParams::apply(FIELD_MANAGER)),
            };
            let applied = match api.patch(name, &params, &Patch::Apply(&patch)).await {
                Ok(written) => cleared(&api, desired, written).await,
                refused => refused,
            };
            match applied {
                Ok(written) if satisfies(desired, &written) => {
                    self.shown(|| {
                        store
                            .get(&ObjectRef::from_obj(desired))
                            .is_some_and(|seen| is_as_new(&*seen, &written))
                    })
                    .await;
                    return Ok(());
                }
                Ok(_) => {
                    let (namespace, name) = (namespace.to_owned(), name.to_owned());
                    return Err(PublishError::Overruled { kind, namespace, name });
                }
                Err(kube::Error::Api(status)) if is_terminating(&status) => {
                    return Err(Blocked::NamespaceTerminating.into());
                }
                // It exists after all, is gone, or is another one: the watch is behind, or it is not ours.
                Err(kube::Error::Api(status)) if status.is_conflict() || is_about_uid(&status) => {
                    existing = api.get_opt(name).await.map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(PublishError::Contended { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    async fn delete<K>(&self, store: &Store<K>, write: &Write, uid: &str) -> Result<(), PublishError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let (_, namespace, name) = write.target();
        let there = || {
            let found = store.get(&ObjectRef::new(name).within(namespace));
            found.is_some_and(|found| {
                found.uid().as_deref() == Some(uid) && found.meta().deletion_timestamp.is_none()
            })
        };
        if !there() {
            return Ok(());
        }
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let only_this = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        match api.delete(name, &DeleteParams::background().preconditions(only_this)).await {
            Ok(_) => {}
            // Gone, or another object by now: what was to be deleted is not there any more.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            Err(source) => return Err(PublishError::Api { write: write.to_string(), source }),
        }
        self.shown(|| !there()).await;
        Ok(())
    }

    /// Waits, within limits, until the watches show something.
    async fn shown(&self, condition: impl Fn() -> bool) {
        let mut events = self.watches.events.clone();
        let until = async {
            loop {
                events.borrow_and_update();
                if condition() || events.changed().await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(ECHO, until).await.is_err() {
            tracing::warn!("the watch does not show what was just written");
        }
    }

    fn inventory(&self) -> Inventory {
        Inventory {
            config_maps: self.watches.config_maps.store.state(),
            ingresses: self.watches.ingresses.store.state(),
            http_routes: self.watches.http_routes.store.state(),
            services: self.watches.services.store.state(),
            endpoint_slices: self.watches.endpoint_slices.store.state(),
        }
    }

    /// Whether anything is published in a namespace for certificates whose UID counts.
    fn publishes_in(&self, namespace: &str, counts: impl Fn(&str) -> bool) -> bool {
        let counts = |labels: &BTreeMap<String, String>| {
            labels.get(CERTIFICATE_UID_LABEL).is_some_and(|uid| counts(uid))
        };
        let key = Key::Namespace(namespace.to_owned());
        self.watches.config_maps.by.any(&key, |found| counts(found.labels()))
            || self.watches.ingresses.by.any(&key, |found| counts(found.labels()))
    }

    fn is_terminating(&self, namespace: &str) -> bool {
        let found = self.namespaces.get(&ObjectRef::new(namespace));
        found.is_some_and(|found| found.metadata.deletion_timestamp.is_some())
    }

    fn locks(&self) -> MutexGuard<'_, Locks> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes away what an apply leaves of what is ours alone, because others wrote it.
async fn cleared<K>(api: &Api<K>, desired: &K, written: K) -> kube::Result<K>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + Debug,
{
    let Some(mut patch) = without_surplus(desired, &written) else { return Ok(written) };
    let meta = written.meta();
    // The very version that was seen.
    patch["metadata"] = json!({"uid": meta.uid, "resourceVersion": meta.resource_version});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    api.patch(&written.name_any(), &params, &Patch::Merge(&patch)).await
}

fn with_uid<K: Resource + Clone>(desired: &K, found: &K) -> K {
    let mut patch = desired.clone();
    patch.meta_mut().uid = found.meta().uid.clone();
    patch
}

fn with_version<K: Resource + Clone>(desired: &K, version: &str) -> K {
    let mut patch = desired.clone();
    patch.meta_mut().resource_version = Some(version.to_owned());
    patch
}

/// Resource versions of one object can be compared as numbers (Kubernetes API conventions, since 1.35).
fn is_as_new<K: Resource>(seen: &K, written: &K) -> bool {
    let version = |object: &K| {
        object.meta().resource_version.as_deref().and_then(|version| version.parse::<u128>().ok())
    };
    seen.meta().uid == written.meta().uid && version(seen) >= version(written)
}

/// The API server says that the namespace is going away, or is gone: an apply finds nothing else missing.
fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.is_not_found() || causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// The object that an apply meant was replaced by another of the same name.
fn is_about_uid(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.is_invalid() && causes.into_iter().any(|cause| cause.field == "metadata.uid")
}

#[cfg(test)]
mod tests;

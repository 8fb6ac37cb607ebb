//! I/O: checks the credentials of an account with one call when the account or its Secret changes, reports, and keeps
//! an account that is in use. Both kinds go the same way. Not here: what certificates see (`registry`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use akamai_cps::{Budgets, Client as CpsClient, Credentials, Permit, Priority};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::check::{Check, Outcome, Subject};
use super::credentials::{self, Destination, Endpoints, Problem};
use super::registry::{Known, Registry};
use super::resource::AccountResource;
use crate::cluster::event;
use crate::cluster::scope::Scope;
use crate::cluster::until_drained;
use crate::process::failpoint;
use crate::process::metrics::Metrics;
use akacert_api::condition_set;
use akacert_api::names::{ACCOUNT_FINALIZER, FIELD_MANAGER};
use akacert_api::reason::Reason;
use akacert_api::status::condition;
use akacert_api::{AkamaiAccount, AkamaiCertificate, ClusterAkamaiAccount};
use akacert_core::account::{Account, AccountKey};
use akacert_core::life::schedule::Schedule;

/// After the API server refused a request.
const RETRY: Duration = Duration::from_secs(60);

/// Requests a minute and at once, unless the account says otherwise: others use the Akamai account too.
const DEFAULT_BUDGET: (u32, u32) = (25, 10);

/// Settings, from operator flags.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the Secrets of ClusterAkamaiAccounts lie.
    pub operator_namespace: String,
    /// What may be called beside Akamai itself.
    pub endpoints: Endpoints,
    /// Scale of all intervals; 1 for the real CPS.
    pub interval_scale: f64,
    /// The namespaces whose accounts are looked after.
    pub scope: Scope,
}

/// The accounts: one watch a kind, one of the Secrets' metadata.
pub struct Accounts {
    /// The API server.
    pub client: Client,
    /// What certificates see.
    pub registry: Arc<Registry>,
    /// The certificates: an account that one refers to is in use.
    pub certificates: Store<AkamaiCertificate>,
    /// Metadata of all Secrets.
    pub secrets: Store<PartialObjectMeta<Secret>>,
    /// Told of certificates whose account changed.
    pub wake: UnboundedSender<ObjectRef<AkamaiCertificate>>,
    /// Request budgets, by group.
    pub budgets: Arc<Budgets>,
    /// Counts each request to Akamai.
    pub metrics: Arc<Metrics>,
    /// Asked before each request to Akamai.
    pub permit: Permit,
    /// Sends events.
    pub recorder: Recorder,
    /// Flags.
    pub settings: Settings,
    checks: Mutex<HashMap<AccountKey, Check>>,
    checked: Notify,
    passes: Semaphore,
}

/// Why an account could not be looked at; it is tried again.
#[derive(Debug, thiserror::Error)]
#[error("the Kubernetes API refused a request for an account: {0}")]
struct Failed(#[from] kube::Error);

impl Accounts {
    /// Puts the parts together.
    #[allow(clippy::too_many_arguments, reason = "each is another part, named at the only call")]
    #[must_use]
    pub fn new(
        client: Client,
        registry: Arc<Registry>,
        certificates: Store<AkamaiCertificate>,
        secrets: Store<PartialObjectMeta<Secret>>,
        wake: UnboundedSender<ObjectRef<AkamaiCertificate>>,
        budgets: Arc<Budgets>,
        metrics: Arc<Metrics>,
        permit: Permit,
        recorder: Recorder,
        settings: Settings,
    ) -> Arc<Self> {
        let (checks, checked, passes) = (Mutex::default(), Notify::new(), Semaphore::new(0));
        Arc::new(Self {
            client,
            registry,
            certificates,
            secrets,
            wake,
            budgets,
            metrics,
            permit,
            recorder,
            settings,
            checks,
            checked,
            passes,
        })
    }

    /// Watches both kinds until shutdown. `look_again` says that Secrets or certificates changed.
    pub async fn run(
        self: Arc<Self>,
        look_again: [impl Stream<Item = ()> + Send + 'static; 2],
        shutdown: CancellationToken,
    ) {
        let [namespaced, cluster] = look_again;
        tokio::join!(
            self.clone().run_kind::<AkamaiAccount>(namespaced, shutdown.clone()),
            self.clone().run_kind::<ClusterAkamaiAccount>(cluster, shutdown)
        );
    }

    async fn run_kind<K: AccountResource>(
        self: Arc<Self>,
        look_again: impl Stream<Item = ()> + Send + 'static,
        shutdown: CancellationToken,
    ) {
        let (known, writer) = reflector::store();
        let (accounts, present, all) = (self.clone(), known.clone(), known.clone());
        let first_pass = self.clone();
        let watched = K::watch(&self.settings.scope, &self.client, &known)
            .reflect(writer)
            .inspect_ok(move |event| {
                // The controller is not told of what is gone.
                if matches!(event, watcher::Event::Delete(_) | watcher::Event::InitDone) {
                    accounts.forget_deleted(&present);
                }
            })
            .applied_objects();
        let controller = Controller::for_stream(watched, known)
            .reconcile_all_on(look_again)
            .graceful_shutdown_on(shutdown.clone().cancelled_owned())
            .run(
                |account: Arc<K>, accounts: Arc<Self>| {
                    let span = tracing::info_span!("account", account = %account.key());
                    async move {
                        Ok::<_, Infallible>(accounts.reconcile(account.as_ref()).await.unwrap_or_else(
                            |error| {
                                tracing::warn!(%error, "account");
                                Action::requeue(RETRY)
                            },
                        ))
                    }
                    .instrument(span)
                },
                |_, error: &Infallible, _| match *error {},
                self,
            )
            .for_each(|_| std::future::ready(()));
        let passing = async {
            first_pass.pass_once(&all).await;
            future::pending().await
        };
        tokio::select! {
            () = until_drained(controller, &all, &shutdown) => {}
            () = passing => {}
        }
    }

    /// Waits until each account of both kinds has been checked since the start. Before that, "not known" says nothing.
    pub async fn first_pass(&self) {
        // The semaphore is never closed.
        let _ = self.passes.acquire_many(2).await;
    }

    async fn pass_once<K: AccountResource>(&self, all: &Store<K>) {
        if all.wait_until_ready().await.is_err() {
            return;
        }
        loop {
            let checked = self.checked.notified();
            if all.state().iter().all(|account| self.registry.knows(&account.key())) {
                return self.passes.add_permits(1);
            }
            checked.await;
        }
    }

    /// An account that its watch does not show any more is missing for its certificates.
    fn forget_deleted<K: AccountResource>(&self, known: &Store<K>) {
        let present: HashSet<AccountKey> = known.state().iter().map(|account| account.key()).collect();
        for key in self.registry.keys(K::KIND).into_iter().filter(|key| !present.contains(key)) {
            self.lock_checks().remove(&key);
            self.registry.remove(&key);
            self.metrics.forget(&key);
            self.wake_users(&key);
        }
    }

    /// Looks at one account.
    async fn reconcile<K: AccountResource>(&self, account: &K) -> Result<Action, Failed> {
        let key = account.key();
        let ending = account.meta().deletion_timestamp.is_some();
        // Before all certificates have been seen, nobody can say that none refers to it.
        let all_seen = matches!(self.certificates.wait_until_ready().now_or_never(), Some(Ok(())));
        let users = if ending { self.users(&key) } else { Vec::new() };
        if ending && all_seen && users.is_empty() {
            if account.has_finalizer() {
                self.set_finalizer(account, false).await?;
            }
            return Ok(Action::await_change());
        }
        if !ending && !account.has_finalizer() {
            self.set_finalizer(account, true).await?;
        }
        let subject = Subject {
            uid: account.uid(),
            generation: account.meta().generation.unwrap_or_default(),
            secret: self.secret_version(account),
        };
        let check = match self.standing(&key, &subject) {
            Some(check) if !ending => return Ok(again(&check)),
            Some(check) => check,
            None => self.check(account, &key, subject).await,
        };
        if !ending || all_seen {
            self.report(account, &check.outcome.clone().while_in_use(&users)).await?;
        }
        let again = again(&check);
        self.lock_checks().insert(key, check);
        Ok(again)
    }

    /// The last check, if it still stands.
    fn standing(&self, key: &AccountKey, subject: &Subject) -> Option<Check> {
        self.lock_checks().get(key).filter(|last| last.stands(subject, Timestamp::now())).cloned()
    }

    /// A check, of which the account's certificates are told.
    async fn check<K: AccountResource>(&self, account: &K, key: &AccountKey, subject: Subject) -> Check {
        let outcome = self.outcome(account, subject.secret.is_some()).await;
        self.tell(account, key, &outcome);
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let schedule = Schedule { scale: self.settings.interval_scale, seed: hasher.finish() };
        Check::after(self.lock_checks().get(key), subject, outcome, schedule, Timestamp::now())
    }

    fn lock_checks(&self) -> MutexGuard<'_, HashMap<AccountKey, Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn secret_namespace<K: AccountResource>(&self, account: &K) -> String {
        account.namespace().unwrap_or_else(|| self.settings.operator_namespace.clone())
    }

    /// UID and version of the account's Secret, as its watch shows them.
    fn secret_version<K: AccountResource>(&self, account: &K) -> Option<(String, String)> {
        let name = &account.credentials().secret_ref.name;
        let secret = self.secrets.get(&ObjectRef::new(name).within(&self.secret_namespace(account)))?;
        Some((secret.uid().unwrap_or_default(), secret.resource_version().unwrap_or_default()))
    }

    /// The Secret, the endpoint, one call.
    async fn outcome<K: AccountResource>(&self, account: &K, secret_exists: bool) -> Outcome {
        let (name, namespace) = (&account.credentials().secret_ref.name, self.secret_namespace(account));
        let missing = || {
            let message = format!("Secret {namespace}/{name} does not exist: create it");
            Outcome::refused(Reason::SecretNotFound, message)
        };
        if !secret_exists {
            return missing();
        }
        let secret = match Api::<Secret>::namespaced(self.client.clone(), &namespace).get_opt(name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return missing(),
            Err(error) => return Outcome::unread(&format!("Secret {namespace}/{name}"), &error),
        };
        let client = match self.cps_client(account, &secret.data.unwrap_or_default()) {
            Ok(client) => client,
            Err(problem) => {
                let reason = match problem {
                    Problem::EndpointNotAllowed(_) => Reason::EndpointNotAllowed,
                    Problem::Invalid(_) => Reason::SecretInvalid,
                };
                return Outcome::refused(reason, format!("Secret {namespace}/{name} {problem}"));
            }
        };
        let answer = client.with(Priority::Housekeeping, account.key().to_string()).list_contracts().await;
        Outcome::of(
            answer.map(|contracts| contracts.iter().map(ToString::to_string).collect()),
            client,
            account.defaults(),
            &format!("Secret {namespace}/{name}"),
        )
    }

    fn cps_client<K: AccountResource>(
        &self,
        account: &K,
        data: &BTreeMap<String, ByteString>,
    ) -> Result<CpsClient, Problem> {
        let credentials: Credentials = credentials::read(account.credentials(), data)?;
        let destination = credentials::destination(&credentials.host, &self.settings.endpoints)?;
        let budget = account.request_budget().cloned().unwrap_or_default();
        let per_minute = budget.per_minute.unwrap_or(DEFAULT_BUDGET.0);
        let burst = budget.burst.unwrap_or(DEFAULT_BUDGET.1);
        let (metrics, key) = (self.metrics.clone(), account.key());
        let mut builder = CpsClient::builder(credentials)
            .budget(self.budgets.get(&account.budget_group(), per_minute, burst))
            .edge_dns_turns(self.budgets.edge_dns(&account.budget_group()))
            .user_agent(concat!("akacert/", env!("CARGO_PKG_VERSION")))
            .observer(Arc::new(move |record| metrics.cps_call(&key, record)))
            .permit(self.permit.clone());
        if let Destination::Allowed(url) = destination {
            builder = builder.base_url(url);
            if let Some(pem) = &self.settings.endpoints.ca_pem {
                builder = builder.root_certificate_pem(pem.clone());
            }
        }
        builder.build().map_err(|error| Problem::Invalid(error.to_string()))
    }

    /// Tells the certificates of this account.
    fn tell<K: AccountResource>(&self, account: &K, key: &AccountKey, outcome: &Outcome) {
        let known = match &outcome.client {
            Some(client) if outcome.ready => {
                let (allowed_namespaces, allowed_domains) = account.allowed();
                let account = Arc::new(Account {
                    key: key.clone(),
                    contracts: outcome.contracts.clone(),
                    defaults: account.defaults().cloned().unwrap_or_default(),
                    allowed_namespaces,
                    allowed_domains,
                    budget_group: account.budget_group(),
                });
                Known::Ready { account, client: client.clone() }
            }
            _ => Known::NotReady { why: outcome.message.clone(), transient: outcome.is_transient() },
        };
        self.registry.set(key, known);
        self.checked.notify_waiters();
        self.wake_users(key);
    }

    fn users(&self, key: &AccountKey) -> Vec<Arc<AkamaiCertificate>> {
        self.certificates.state_filter(|certificate| AccountKey::of(certificate) == *key)
    }

    fn wake_users(&self, key: &AccountKey) {
        for certificate in self.users(key) {
            // Nobody listens any more during shutdown.
            let _ = self.wake.send(ObjectRef::from_obj(certificate.as_ref()));
        }
    }

    /// Writes the status if a fact changed.
    async fn report<K: AccountResource>(&self, account: &K, outcome: &Outcome) -> Result<(), Failed> {
        let before = account.status();
        let after = outcome.status(&before, account.meta().generation.unwrap_or_default(), Timestamp::now());
        if after == before {
            return Ok(());
        }
        let patch = Patch::Apply(json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": {"name": account.name_any(), "uid": account.uid()},
            "status": after,
        }));
        failpoint::reach("before an account's status");
        let answer = account
            .api(&self.client)
            .patch_status(&account.name_any(), &PatchParams::apply(FIELD_MANAGER).force(), &patch)
            .await;
        failpoint::reach("after an account's status");
        self.metrics.api_write("report an account's status", answer.is_ok());
        answer?;
        let known =
            condition_set::find(&before.conditions, condition::READY).map(|ready| ready.reason.as_str());
        if known != Some(outcome.reason.as_str())
            && let Err(error) =
                event::publish(&self.recorder, &outcome.event(), &account.object_ref(&())).await
        {
            tracing::warn!(%error, "an event could not be sent");
        }
        Ok(())
    }

    async fn set_finalizer<K: AccountResource>(&self, account: &K, present: bool) -> Result<(), Failed> {
        let mut finalizers = account.meta().finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != ACCOUNT_FINALIZER);
        if present {
            finalizers.push(ACCOUNT_FINALIZER.to_owned());
        }
        let patch = Patch::Merge(json!({
            "metadata": {"finalizers": finalizers, "resourceVersion": account.resource_version()}
        }));
        failpoint::reach("before an account's finalizer");
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let answer = account.api(&self.client).patch(&account.name_any(), &parameters, &patch).await;
        failpoint::reach("after an account's finalizer");
        self.metrics.api_write("set an account's finalizer", answer.is_ok());
        answer?;
        Ok(())
    }
}

/// When to look at an account again after a check.
fn again(check: &Check) -> Action {
    check.wait(Timestamp::now()).map_or_else(Action::await_change, Action::requeue)
}

//! I/O: reconciles an account when it or its Secret changes, checks its credentials with one call, and keeps the
//! finalizer while certificates use it. Both kinds of account share this code.
//!
//! Accounts are reconciled concurrently. After a restart, certificates can use an account that was Ready as soon as
//! its Secret has been read. The call to Akamai follows in the background.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use akamai_cps::{Budgets, Client as CpsClient, Permit, Priority};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::check::{Check, Outcome, Subject, Vouched};
use super::clients::Clients;
use super::credentials::Endpoints;
use super::registry::{Known, Registry, refers_to};
use super::report::{Failed, Writer};
use super::resource::AccountResource;
use super::secrets::{Place, Secrets};
use super::slots::Slots;
use crate::cluster::scope::Scope;
use crate::cluster::until_drained;
use crate::process::metrics::Metrics;
use akacert_api::status::SecretVersion;
use akacert_api::{AkamaiAccount, AkamaiCertificate, ClusterAkamaiAccount};
use akacert_core::account::{Account, AccountKey};
use akacert_core::life::intervals::Intervals;

/// Settings from operator flags.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the Secrets of ClusterAkamaiAccounts.
    pub operator_namespace: String,
    /// The endpoints that the operator may call besides Akamai's.
    pub endpoints: Endpoints,
    /// The scale of all intervals; 1 for the real CPS.
    pub interval_scale: f64,
    /// The namespaces whose accounts the operator reconciles.
    pub scope: Scope,
}

/// Reconciles all accounts: one watch per kind, and one of the Secrets' metadata.
pub struct Accounts {
    /// What certificates see of accounts.
    pub registry: Arc<Registry>,
    client: Client,
    certificates: Store<AkamaiCertificate>,
    versions: Store<PartialObjectMeta<Secret>>,
    secrets: Secrets,
    clients: Clients,
    slots: Slots,
    writer: Writer,
    /// Receives the certificates whose account has changed.
    wake: UnboundedSender<ObjectRef<AkamaiCertificate>>,
    metrics: Arc<Metrics>,
    settings: Settings,
    memory: Mutex<HashMap<AccountKey, Memory>>,
    looked: Notify,
    first_looks: Semaphore,
}

/// What the controller remembers of one account.
#[derive(Default)]
struct Memory {
    check: Option<Check>,
    /// How many writes in a row the API server has refused.
    refusals: u32,
}

impl Accounts {
    /// `secrets` holds the metadata of all Secrets. `wake` receives the certificates whose account has changed. The
    /// clients ask `permit` before each request to Akamai.
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
        Arc::new(Self {
            registry,
            certificates,
            versions: secrets,
            secrets: Secrets::new(client.clone()),
            clients: Clients::new(settings.endpoints.clone(), budgets, metrics.clone(), permit),
            slots: Slots::default(),
            writer: Writer { client: client.clone(), metrics: metrics.clone(), recorder },
            client,
            wake,
            metrics,
            settings,
            memory: Mutex::default(),
            looked: Notify::new(),
            first_looks: Semaphore::new(0),
        })
    }

    /// Watches both kinds until shutdown. `look_again` signals that Secrets or certificates have changed.
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
        let starting = self.clone();
        let watched = K::watch(&self.settings.scope, &self.client, &known)
            .reflect(writer)
            .inspect_ok(move |event| {
                // The controller does not hear of deleted accounts.
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
                    async move { Ok::<_, Infallible>(accounts.look(account.as_ref()).await) }.instrument(span)
                },
                |_, error: &Infallible, _| match *error {},
                self,
            )
            .for_each(|_| std::future::ready(()));
        let starting = async {
            starting.look_first(&all).await;
            future::pending().await
        };
        tokio::select! {
            () = until_drained(controller, &all, &shutdown) => {}
            () = starting => {}
        }
    }

    /// Waits until the operator knows, for each account, whether certificates can use it (as its status vouches) or
    /// whether it needs a check. Before that, "does not exist" would be wrong. This waits for no call to Akamai.
    pub async fn first_look(&self) {
        // The semaphore is never closed.
        let _ = self.first_looks.acquire_many(2).await;
    }

    async fn look_first<K: AccountResource>(&self, all: &Store<K>) {
        if all.wait_until_ready().await.is_err() {
            return;
        }
        loop {
            let looked = self.looked.notified();
            if all.state().iter().all(|account| self.registry.knows(&account.key())) {
                return self.first_looks.add_permits(1);
            }
            looked.await;
        }
    }

    /// Once the watch no longer shows an account, certificates see it as missing.
    fn forget_deleted<K: AccountResource>(&self, known: &Store<K>) {
        let present: HashSet<AccountKey> = known.state().iter().map(|account| account.key()).collect();
        for key in self.registry.keys(K::KIND).into_iter().filter(|key| !present.contains(key)) {
            self.forget(&key);
        }
        self.looked.notify_waiters();
    }

    fn forget(&self, key: &AccountKey) {
        self.lock_memory().remove(key);
        self.registry.remove(key);
        self.metrics.forget(key);
        self.wake_users(key);
    }

    /// Reconciles one account, and returns when to do so again.
    pub(super) async fn look<K: AccountResource>(&self, account: &K) -> Action {
        let key = account.key();
        let failed = match self.reconcile(account, &key).await {
            Ok(action) => {
                if let Some(memory) = self.lock_memory().get_mut(&key) {
                    memory.refusals = 0;
                }
                return action;
            }
            Err(failed) => failed,
        };
        if failed.is_gone() {
            // Forget it again: a check may have been in progress when the watch showed the deletion.
            self.forget(&key);
            return Action::await_change();
        }
        let refusals = {
            let mut memory = self.lock_memory();
            let memory = memory.entry(key.clone()).or_default();
            memory.refusals = memory.refusals.saturating_add(1);
            memory.refusals
        };
        let wait = self.intervals(&key).after_failure(refusals);
        tracing::warn!(error = %failed, retry_in = ?wait, "account");
        Action::requeue(wait)
    }

    async fn reconcile<K: AccountResource>(&self, account: &K, key: &AccountKey) -> Result<Action, Failed> {
        let ending = account.meta().deletion_timestamp.is_some();
        // Until all certificates have been seen, one of them may still refer to the account.
        let all_seen = matches!(self.certificates.wait_until_ready().now_or_never(), Some(Ok(())));
        let users = if ending { self.users(key) } else { Vec::new() };
        if ending && all_seen && users.is_empty() {
            if account.has_finalizer() {
                self.writer.set_finalizer(account, false).await?;
            }
            return Ok(Action::await_change());
        }
        if !ending && !account.has_finalizer() {
            self.announce(key);
            self.writer.set_finalizer(account, true).await?;
        }
        let subject = Subject {
            uid: account.uid(),
            generation: account.meta().generation.unwrap_or_default(),
            secret: self.version(&self.place(account)),
        };
        let check = match self.standing(key, &subject) {
            Some(check) => check,
            None => self.check(account, key, subject).await,
        };
        let is_due = if ending { all_seen } else { !check.reported };
        if is_due {
            let outcome = check.outcome.clone().while_in_use(&users);
            self.writer.report(account, &check.subject, &outcome).await?;
            self.remember(key, Check { reported: true, ..check.clone() });
        }
        Ok(check.wait(Timestamp::now()).map_or_else(Action::await_change, Action::requeue))
    }

    /// The last check, if it still holds.
    fn standing(&self, key: &AccountKey, subject: &Subject) -> Option<Check> {
        self.last(key).filter(|last| last.stands(subject, Timestamp::now()))
    }

    fn last(&self, key: &AccountKey) -> Option<Check> {
        self.lock_memory().get(key).and_then(|memory| memory.check.clone())
    }

    fn remember(&self, key: &AccountKey, check: Check) {
        self.lock_memory().entry(key.clone()).or_default().check = Some(check);
    }

    fn lock_memory(&self) -> MutexGuard<'_, HashMap<AccountKey, Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks the account and tells its certificates. At the first look it takes what the status vouches for instead.
    async fn check<K: AccountResource>(&self, account: &K, key: &AccountKey, seen: Subject) -> Check {
        let last = self.last(key);
        let vouched = match &last {
            None => Vouched::by(&account.status(), &seen),
            Some(_) => None,
        };
        if let Some(Vouched::NotReady { message, transient }) = &vouched {
            self.registry.set(key, Known::NotReady { why: message.clone(), transient: *transient });
            self.looked.notify_waiters();
        }
        let accepted =
            last.as_ref().filter(|last| last.subject == seen).and_then(|l| l.outcome.client.clone());
        let (subject, client) = match accepted {
            Some(client) => (seen.clone(), Ok(client)),
            None => self.connect(account, seen.clone()).await,
        };
        let intervals = self.intervals(key);
        let check = match (client, vouched) {
            (Ok(client), Some(Vouched::Ready { contracts, message })) if subject == seen => {
                let outcome = Outcome::accepted(client, contracts, message);
                Check::vouched(subject, outcome, intervals, Timestamp::now())
            }
            (Ok(client), _) => {
                self.announce(key);
                let outcome = self.ask(account, key, client).await;
                Check::after(last.as_ref(), subject, outcome, intervals, Timestamp::now())
            }
            (Err(outcome), _) => Check::after(last.as_ref(), subject, outcome, intervals, Timestamp::now()),
        };
        if !check.is_no_news(last.as_ref()) {
            self.tell(account, key, &check.outcome);
        }
        self.remember(key, check.clone());
        check
    }

    /// A client for the credentials in the account's Secret, and the version of the Secret that was read. That
    /// version may be newer than the one that the watch has shown.
    async fn connect<K: AccountResource>(
        &self,
        account: &K,
        seen: Subject,
    ) -> (Subject, Result<CpsClient, Outcome>) {
        let place = self.place(account);
        let Some(version) = &seen.secret else { return (seen, Err(Outcome::without_secret(&place))) };
        match self.secrets.read(&place, version).await {
            Ok(Some(content)) => {
                let client = self.clients.client(account, &content.data);
                let subject = Subject { secret: Some(content.version.clone()), ..seen };
                (subject, client.map_err(|problem| Outcome::unusable(&place, &problem)))
            }
            Ok(None) => (Subject { secret: None, ..seen }, Err(Outcome::without_secret(&place))),
            Err(why) => (seen, Err(Outcome::unread(&place, &why))),
        }
    }

    /// Makes the one call.
    async fn ask<K: AccountResource>(&self, account: &K, key: &AccountKey, client: CpsClient) -> Outcome {
        let cps = client.with(Priority::Housekeeping, key.to_string());
        let answer = self.slots.run(client.budget(), cps.list_contracts()).await;
        let contracts = answer.map(|contracts| contracts.iter().map(ToString::to_string).collect());
        Outcome::of(contracts, client, account.defaults(), &self.place(account))
    }

    fn place<K: AccountResource>(&self, account: &K) -> Place {
        let namespace = account.namespace().unwrap_or_else(|| self.settings.operator_namespace.clone());
        Place { namespace, name: account.credentials().secret_ref.name.clone() }
    }

    /// The version of a Secret, as the watch shows it.
    fn version(&self, place: &Place) -> Option<SecretVersion> {
        let secret = self.versions.get(&ObjectRef::new(&place.name).within(&place.namespace))?;
        Some(SecretVersion {
            uid: secret.uid().unwrap_or_default(),
            resource_version: secret.resource_version().unwrap_or_default(),
        })
    }

    fn intervals(&self, key: &AccountKey) -> Intervals {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Intervals { scale: self.settings.interval_scale, seed: hasher.finish() }
    }

    fn announce(&self, key: &AccountKey) {
        self.registry.announce(key);
        self.looked.notify_waiters();
    }

    /// Wakes the certificates of this account.
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
        self.looked.notify_waiters();
        self.wake_users(key);
    }

    fn users(&self, key: &AccountKey) -> Vec<Arc<AkamaiCertificate>> {
        self.certificates.state_filter(|certificate| refers_to(certificate, key))
    }

    fn wake_users(&self, key: &AccountKey) {
        for certificate in self.users(key) {
            // Nobody receives any more during shutdown.
            let _ = self.wake.send(ObjectRef::from_obj(certificate.as_ref()));
        }
    }
}

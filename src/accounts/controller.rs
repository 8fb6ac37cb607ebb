//! I/O: looks at an account when it or its Secret changes, checks its credentials with one call, and keeps an account that
//! is in use. Both kinds go the same way.
//!
//! Accounts are looked at side by side. After a restart an account that its status vouches for can be used once its Secret
//! has been read; the call comes later, in the background.

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
use akacert_core::life::schedule::Schedule;

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

/// Looks after all accounts: one watch for each kind, one of the Secrets' metadata.
pub struct Accounts {
    /// What certificates see.
    pub registry: Arc<Registry>,
    client: Client,
    certificates: Store<AkamaiCertificate>,
    /// Metadata of all Secrets.
    versions: Store<PartialObjectMeta<Secret>>,
    secrets: Secrets,
    clients: Clients,
    slots: Slots,
    writer: Writer,
    /// Told of certificates whose account changed.
    wake: UnboundedSender<ObjectRef<AkamaiCertificate>>,
    metrics: Arc<Metrics>,
    settings: Settings,
    memory: Mutex<HashMap<AccountKey, Memory>>,
    looked: Notify,
    first_looks: Semaphore,
}

/// What is remembered of an account.
#[derive(Default)]
struct Memory {
    check: Option<Check>,
    /// How often in a row the API server refused a write.
    refusals: u32,
}

impl Accounts {
    /// Puts the parts together. `secrets` holds the metadata of all Secrets, `wake` is told of certificates whose account
    /// changed, and `permit` is asked before each request to Akamai.
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
        let starting = self.clone();
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

    /// Waits until each account that was there at the start can be used, as its status vouches, or is known to need a
    /// check. Before that, "does not exist" would be wrong. No call to Akamai is waited for.
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

    /// An account that its watch does not show any more is missing for its certificates.
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

    /// Looks at one account. Answers when to look again.
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
            // Forgotten again: a check may have been under way when the watch showed the deletion.
            self.forget(&key);
            return Action::await_change();
        }
        let refusals = {
            let mut memory = self.lock_memory();
            let memory = memory.entry(key.clone()).or_default();
            memory.refusals = memory.refusals.saturating_add(1);
            memory.refusals
        };
        let wait = self.schedule(&key).after_failure(refusals);
        tracing::warn!(error = %failed, retry_in = ?wait, "account");
        Action::requeue(wait)
    }

    async fn reconcile<K: AccountResource>(&self, account: &K, key: &AccountKey) -> Result<Action, Failed> {
        let ending = account.meta().deletion_timestamp.is_some();
        // Before all certificates have been seen, nobody can say that none refers to it.
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

    /// The last check, if it still stands.
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

    /// A check, of which the account's certificates are told; or what the status vouches for, at the first look.
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
        let schedule = self.schedule(key);
        let check = match (client, vouched) {
            (Ok(client), Some(Vouched::Ready { contracts, message })) if subject == seen => {
                let outcome = Outcome::accepted(client, contracts, message);
                Check::vouched(subject, outcome, schedule, Timestamp::now())
            }
            (Ok(client), _) => {
                self.announce(key);
                let outcome = self.ask(account, key, client).await;
                Check::after(last.as_ref(), subject, outcome, schedule, Timestamp::now())
            }
            (Err(outcome), _) => Check::after(last.as_ref(), subject, outcome, schedule, Timestamp::now()),
        };
        if !check.is_no_news(last.as_ref()) {
            self.tell(account, key, &check.outcome);
        }
        self.remember(key, check.clone());
        check
    }

    /// A client with what is in the account's Secret, and the version of the Secret that was read: it may be newer than
    /// what the watch has shown.
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

    /// The one call.
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

    /// The version of a Secret that the watch shows.
    fn version(&self, place: &Place) -> Option<SecretVersion> {
        let secret = self.versions.get(&ObjectRef::new(&place.name).within(&place.namespace))?;
        Some(SecretVersion {
            uid: secret.uid().unwrap_or_default(),
            resource_version: secret.resource_version().unwrap_or_default(),
        })
    }

    fn schedule(&self, key: &AccountKey) -> Schedule {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Schedule { scale: self.settings.interval_scale, seed: hasher.finish() }
    }

    fn announce(&self, key: &AccountKey) {
        self.registry.announce(key);
        self.looked.notify_waiters();
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
        self.looked.notify_waiters();
        self.wake_users(key);
    }

    fn users(&self, key: &AccountKey) -> Vec<Arc<AkamaiCertificate>> {
        self.certificates.state_filter(|certificate| refers_to(certificate, key))
    }

    fn wake_users(&self, key: &AccountKey) {
        for certificate in self.users(key) {
            // Nobody listens any more during shutdown.
            let _ = self.wake.send(ObjectRef::from_obj(certificate.as_ref()));
        }
    }
}

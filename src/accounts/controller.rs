//! I/O: checks the credentials of an account with one call when the account or its Secret changes, reports, and keeps
//! an account that is in use. Both kinds go the same way. Not here: what certificates see (`registry`).

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use akamai_cps::{Budgets, Client as CpsClient, Credentials, Error as CpsError, Observer, Priority};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::credentials::{self, Destination, Endpoints, Problem};
use super::registry::{Account, AccountKey, Known, Registry};
use crate::api::account::{Credentials as CredentialsSpec, Defaults, RequestBudget};
use crate::api::certificate::AccountKind;
use crate::api::names::{ACCOUNT_FINALIZER, FIELD_MANAGER};
use crate::api::reason::Reason;
use crate::api::status::{AccountStatus, condition};
use crate::api::{AkamaiAccount, AkamaiCertificate, ClusterAkamaiAccount};
use crate::{failpoint, status};

/// After a failed check.
const RETRY: Duration = Duration::from_secs(60);
/// After credentials were refused: somebody has to do something, and CPS is not to be asked all the time.
const RETRY_REFUSED: Duration = Duration::from_secs(600);

/// Requests a minute and at once, unless the account says otherwise: others use the Akamai account too.
const DEFAULT_BUDGET: (u32, u32) = (25, 10);

/// Settings, from operator flags.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the Secrets of ClusterAkamaiAccounts lie.
    pub operator_namespace: String,
    /// What may be called beside Akamai itself.
    pub endpoints: Endpoints,
}

/// Either kind of account.
trait AccountResource:
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
    fn credentials(&self) -> &CredentialsSpec;
    fn defaults(&self) -> Option<&Defaults>;
    fn request_budget(&self) -> Option<&RequestBudget>;
    fn allowed(&self) -> (Option<LabelSelector>, Option<Vec<String>>);
    fn status(&self) -> AccountStatus;
    fn api(&self, client: &Client) -> Api<Self>;

    fn key(&self) -> AccountKey {
        AccountKey { kind: Self::KIND, namespace: self.namespace(), name: self.name_any() }
    }
}

impl AccountResource for AkamaiAccount {
    const KIND: AccountKind = AccountKind::AkamaiAccount;

    fn credentials(&self) -> &CredentialsSpec {
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
}

impl AccountResource for ClusterAkamaiAccount {
    const KIND: AccountKind = AccountKind::ClusterAkamaiAccount;

    fn credentials(&self) -> &CredentialsSpec {
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
}

/// What a check of an account is about. Once any of it has changed, the account is checked again.
#[derive(Clone, PartialEq)]
struct Subject {
    uid: Option<String>,
    generation: i64,
    /// UID and version of the Secret.
    secret: Option<(String, String)>,
}

/// The last check of an account, and what came of it.
struct Check {
    subject: Subject,
    outcome: Outcome,
    repeat_at: Option<Timestamp>,
}

#[derive(Clone)]
struct Outcome {
    ready: bool,
    reason: Reason,
    message: String,
    contracts: Vec<String>,
    client: Option<CpsClient>,
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
    /// Told of each request to Akamai.
    pub observer: Observer,
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
        observer: Observer,
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
            observer,
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
        let watched = watcher(Api::<K>::all(self.client.clone()), watcher::Config::default())
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
            .graceful_shutdown_on(async move { shutdown.cancelled().await })
            .run(
                |account: Arc<K>, accounts: Arc<Self>| async move {
                    Ok::<_, Infallible>(accounts.reconcile(account.as_ref()).await.unwrap_or_else(|error| {
                        tracing::warn!(account = %account.key(), %error, "account");
                        Action::requeue(RETRY)
                    }))
                },
                |_, error: &Infallible, _| match *error {},
                self,
            )
            .for_each(|_| std::future::ready(()));
        tokio::join!(controller, first_pass.pass_once(&all));
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
        let present: Vec<AccountKey> = known.state().iter().map(|account| account.key()).collect();
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<AccountKey> =
            checks.keys().filter(|key| key.kind == K::KIND && !present.contains(key)).cloned().collect();
        for key in gone {
            checks.remove(&key);
            self.registry.remove(&key);
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
            if has_finalizer(account) {
                self.set_finalizer(account, false).await?;
            }
            return Ok(Action::await_change());
        }
        if !ending && !has_finalizer(account) {
            self.set_finalizer(account, true).await?;
        }
        let subject = Subject {
            uid: account.uid(),
            generation: account.meta().generation.unwrap_or_default(),
            secret: self.secret_version(account),
        };
        let (outcome, wait) = match self.checked(&key, &subject) {
            Some((_, wait)) if !ending => return Ok(wait.map_or_else(Action::await_change, Action::requeue)),
            Some(checked) => checked,
            None => {
                let outcome = self.check(account, subject.secret.is_some()).await?;
                self.tell(account, &key, &outcome);
                let wait = retry_after(&outcome);
                (outcome, wait)
            }
        };
        if !ending || all_seen {
            self.report(account, &in_use(outcome.clone(), &users)).await?;
        }
        let repeat_at = wait.and_then(|wait| Timestamp::now().checked_add(wait).ok());
        let check = Check { subject, outcome, repeat_at };
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(key, check);
        Ok(wait.map_or_else(Action::await_change, Action::requeue))
    }

    /// The last check, if it still stands, and when to repeat it.
    fn checked(&self, key: &AccountKey, subject: &Subject) -> Option<(Outcome, Option<Duration>)> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let last = checks.get(key).filter(|last| last.subject == *subject)?;
        let Some(at) = last.repeat_at else { return Some((last.outcome.clone(), None)) };
        let wait = Duration::try_from(at.duration_since(Timestamp::now())).ok()?;
        (!wait.is_zero()).then(|| (last.outcome.clone(), Some(wait)))
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

    /// The check: the Secret, the endpoint, one call.
    async fn check<K: AccountResource>(&self, account: &K, secret_exists: bool) -> Result<Outcome, Failed> {
        let (name, namespace) = (&account.credentials().secret_ref.name, self.secret_namespace(account));
        let missing = || {
            refused(Reason::SecretNotFound, format!("Secret {namespace}/{name} does not exist: create it"))
        };
        if !secret_exists {
            return Ok(missing());
        }
        let Some(secret) = Api::<Secret>::namespaced(self.client.clone(), &namespace).get_opt(name).await?
        else {
            return Ok(missing());
        };
        let client = match self.cps_client(account, &secret.data.unwrap_or_default()) {
            Ok(client) => client,
            Err(problem) => {
                let reason = match problem {
                    Problem::EndpointNotAllowed(_) => Reason::EndpointNotAllowed,
                    Problem::Invalid(_) => Reason::SecretInvalid,
                };
                return Ok(refused(reason, format!("Secret {namespace}/{name} {problem}")));
            }
        };
        let answer = client.with(Priority::Housekeeping, account.key().to_string()).list_contracts().await;
        Ok(judged(
            answer.map(|contracts| contracts.iter().map(ToString::to_string).collect()),
            client,
            account.defaults(),
            &format!("Secret {namespace}/{name}"),
        ))
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
        let mut builder = CpsClient::builder(credentials)
            .budget(self.budgets.get(&budget_group(account), per_minute, burst))
            .user_agent(concat!("akacert/", env!("CARGO_PKG_VERSION")))
            .observer(self.observer.clone());
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
                Known::Ready(Arc::new(Account {
                    key: key.clone(),
                    client: client.clone(),
                    contracts: outcome.contracts.clone(),
                    defaults: account.defaults().cloned().unwrap_or_default(),
                    allowed_namespaces,
                    allowed_domains,
                    budget_group: budget_group(account),
                }))
            }
            _ => Known::NotReady { why: outcome.message.clone(), transient: is_transient(outcome) },
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
        let generation = account.meta().generation.unwrap_or_default();
        let before = account.status();
        let (ready, now) = (if outcome.ready { "True" } else { "False" }, Timestamp::now());
        let reason = outcome.reason.as_str();
        let mut wanted =
            vec![status::condition(condition::READY, ready, reason, &outcome.message, generation, now)];
        if !outcome.ready && !is_transient(outcome) {
            wanted.push(status::condition(
                condition::STALLED,
                "True",
                reason,
                &outcome.message,
                generation,
                now,
            ));
        }
        let after = AccountStatus {
            observed_generation: generation,
            contracts: outcome.contracts.clone(),
            conditions: status::merged(&before.conditions, wanted),
        };
        if after == before {
            return Ok(());
        }
        let patch = Patch::Apply(json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": {"name": account.name_any(), "uid": account.uid()},
            "status": after,
        }));
        failpoint::reach("before an account's status");
        account
            .api(&self.client)
            .patch_status(&account.name_any(), &PatchParams::apply(FIELD_MANAGER).force(), &patch)
            .await?;
        failpoint::reach("after an account's status");
        let known = status::find(&before.conditions, condition::READY).map(|ready| ready.reason.as_str());
        if known != Some(reason) {
            self.send_event(account, outcome).await;
        }
        Ok(())
    }

    async fn send_event<K: AccountResource>(&self, account: &K, outcome: &Outcome) {
        let event = Event {
            type_: if outcome.ready && outcome.reason != Reason::AccountInUse {
                EventType::Normal
            } else {
                EventType::Warning
            },
            reason: outcome.reason.as_str().to_owned(),
            note: Some(outcome.message.chars().take(900).collect()),
            action: "Check".into(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &account.object_ref(&())).await {
            tracing::warn!(%error, "an event could not be sent");
        }
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
        account.api(&self.client).patch(&account.name_any(), &parameters, &patch).await?;
        failpoint::reach("after an account's finalizer");
        Ok(())
    }
}

fn has_finalizer<K: AccountResource>(account: &K) -> bool {
    account.meta().finalizers.iter().flatten().any(|finalizer| finalizer == ACCOUNT_FINALIZER)
}

/// Budgets are shared by name within one trust domain: a tenant cannot join, and use up, a cluster account's.
fn budget_group<K: AccountResource>(account: &K) -> String {
    let scope = account.namespace().unwrap_or_else(|| "cluster".into());
    match account.request_budget().and_then(|budget| budget.group.as_ref()) {
        Some(group) => format!("{scope}/group/{group}"),
        None => format!("{scope}/account/{}", account.name_any()),
    }
}

/// An account that is marked for deletion stays until no certificate refers to it.
fn in_use(mut outcome: Outcome, users: &[Arc<AkamaiCertificate>]) -> Outcome {
    if !users.is_empty() && outcome.ready {
        let mut names: Vec<String> = users
            .iter()
            .map(|user| format!("{}/{}", user.namespace().unwrap_or_default(), user.name_any()))
            .collect();
        names.sort();
        let more = names.len().saturating_sub(5);
        names.truncate(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        outcome.reason = Reason::AccountInUse;
        outcome.message = format!(
            "The account is marked for deletion and stays until no certificate refers to it: delete {}{more}",
            names.join(", ")
        );
    }
    outcome
}

fn refused(reason: Reason, message: String) -> Outcome {
    Outcome { ready: false, reason, message, contracts: Vec::new(), client: None }
}

/// What the one call says about the credentials.
fn judged(
    answer: Result<Vec<String>, CpsError>,
    client: CpsClient,
    defaults: Option<&Defaults>,
    secret: &str,
) -> Outcome {
    let default_contract = defaults.and_then(|defaults| defaults.contract_id.as_ref());
    match answer {
        Ok(contracts) => Outcome {
            ready: true,
            reason: Reason::CredentialsAccepted,
            message: format!("Akamai accepted the credentials; contracts: {}", contracts.join(", ")),
            contracts,
            client: Some(client),
        },
        Err(error) if error.is_unauthorized() => refused(
            Reason::CredentialsRejected,
            format!("Akamai refused the credentials in {secret}: {error}"),
        ),
        // The contracts can be listed by hand; without the grant the default has to be right.
        Err(error) if error.is_forbidden() && default_contract.is_some() => Outcome {
            ready: true,
            reason: Reason::CredentialsAccepted,
            message:
                "Akamai accepted the credentials, which may not list contracts; the account's default is used"
                    .into(),
            contracts: Vec::new(),
            client: Some(client),
        },
        Err(error) if error.is_forbidden() => refused(
            Reason::PermissionMissing,
            format!(
                "Akamai accepted the credentials in {secret}, but they may not do what is needed: {error}"
            ),
        ),
        Err(error) if error.retry_after().is_some() => refused(Reason::Throttled, error.to_string()),
        Err(error) => refused(Reason::CpsUnavailable, error.to_string()),
    }
}

/// It passes by itself.
fn is_transient(outcome: &Outcome) -> bool {
    matches!(outcome.reason, Reason::CpsUnavailable | Reason::Throttled)
}

/// When to check again what was not accepted; a change of the account or its Secret comes first in any case.
fn retry_after(outcome: &Outcome) -> Option<Duration> {
    match outcome.reason {
        Reason::CredentialsAccepted => None,
        Reason::CpsUnavailable | Reason::Throttled => Some(RETRY),
        _ => Some(RETRY_REFUSED),
    }
}

//! The accounts' controller, between an API server and a CPS that tests can inspect.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use akamai_cps::Budgets;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef, store::Writer};
use kube::runtime::watcher::Event;
use prometheus_client::registry;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use super::cps::Cps;
use crate::accounts::{Accounts, Endpoint, Endpoints, Registry, Settings};
use crate::cluster::scope::Scope;
use crate::process::metrics::Metrics;
use akacert_api::AkamaiCertificate;
use akacert_core::account::View;
use akacert_core::life::fixtures::certificate;

/// Intervals so long that nothing repeats within a test.
pub const LONG: f64 = 1.0;
/// Intervals so short that a test can wait for a repetition.
pub const SHORT: f64 = 0.001;

pub struct World {
    pub cluster: Cluster,
    pub cps: Cps,
    pub operator: Operator,
}

/// One run of the operator, as far as accounts are concerned.
pub struct Operator {
    pub accounts: Arc<Accounts>,
    certificates: Mutex<Writer<AkamaiCertificate>>,
    secrets: Mutex<Writer<PartialObjectMeta<Secret>>>,
    ticks: [mpsc::UnboundedSender<()>; 2],
    woken: Mutex<mpsc::UnboundedReceiver<ObjectRef<AkamaiCertificate>>>,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl World {
    /// Creates accounts with these names, each with its own Secret of the same name, and starts the operator.
    pub async fn with(names: &[&str]) -> Self {
        Self::at(LONG, names).await
    }

    pub async fn at(interval_scale: f64, names: &[&str]) -> Self {
        let (cluster, cps) = (Cluster::default(), Cps::start().await);
        for name in names {
            cluster.put_secret(name, &cps.host);
            cluster.put_account(name, name);
        }
        let operator = Operator::start(&cluster, &cps, interval_scale);
        Self { cluster, cps, operator }
    }

    /// The same, once all accounts are Ready.
    pub async fn ready(names: &[&str]) -> Self {
        let world = Self::with(names).await;
        until("the accounts are Ready", || names.iter().all(|name| world.cluster.is_ready(name))).await;
        world
    }

    /// Ends the operator, so that a test can change things while none runs.
    pub async fn stop(&mut self) {
        self.operator.shutdown.cancel();
        (&mut self.operator.running).await.unwrap();
        self.cluster.forget_requests();
        self.cps.forget_calls();
    }

    pub fn start(&mut self, interval_scale: f64) {
        self.operator = Operator::start(&self.cluster, &self.cps, interval_scale);
    }

    /// Creates or changes a Secret with credentials that this CPS knows, and waits until the operator sees it.
    pub fn put_secret(&self, name: &str) {
        let metadata = self.cluster.put_secret(name, &self.cps.host);
        self.operator.see_secret(Event::Apply(metadata));
    }

    pub fn delete_secret(&self, name: &str) {
        let metadata = self.cluster.delete_secret(name);
        self.operator.see_secret(Event::Delete(metadata));
    }

    /// What a certificate sees of an account: `ready` and its contracts, or why not.
    pub fn seen(&self, name: &str) -> String {
        match self.operator.accounts.registry.view(&user_of(name)) {
            View::Ready(account) => format!("ready {}", account.contracts.join(" ")),
            View::Missing { .. } => "missing".into(),
            View::NotReady { message, transient: true } => format!("for now: {message}"),
            View::NotReady { message, .. } => message,
            View::NamespaceNotAllowed { message } | View::DomainNotAllowed { message } => message,
        }
    }
}

impl Operator {
    fn start(cluster: &Cluster, cps: &Cps, interval_scale: f64) -> Self {
        let (namespaces, _) = reflector::store();
        let (certificates, certificate_writer) = reflector::store();
        let (secrets, mut secret_writer) = reflector::store();
        secret_writer.apply_watcher_event(&Event::Init);
        for metadata in cluster.secrets() {
            secret_writer.apply_watcher_event(&Event::InitApply(partial(metadata)));
        }
        secret_writer.apply_watcher_event(&Event::InitDone);
        let (wake, woken) = mpsc::unbounded_channel();
        let endpoint = Endpoint::parse(&format!("http://{}", cps.host)).unwrap();
        let accounts = Accounts::new(
            cluster.client(),
            Arc::new(Registry::new(namespaces)),
            certificates,
            secrets,
            wake,
            Arc::new(Budgets::unlimited()),
            Metrics::new(&mut registry::Registry::default()),
            Arc::new(|| true),
            Recorder::new(
                cluster.client(),
                Reporter { controller: "akacert.io/operator".into(), instance: None },
            ),
            Settings {
                operator_namespace: "akacert-system".into(),
                endpoints: Endpoints { allowed: vec![endpoint], ca_pem: None },
                interval_scale,
                scope: Scope::default(),
            },
        );
        let ((first, first_heard), (second, second_heard)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let shutdown = CancellationToken::new();
        let heard = [UnboundedReceiverStream::new(first_heard), UnboundedReceiverStream::new(second_heard)];
        Self {
            running: tokio::spawn(accounts.clone().run(heard, shutdown.clone())),
            accounts,
            certificates: Mutex::new(certificate_writer),
            secrets: Mutex::new(secret_writer),
            ticks: [first, second],
            woken: Mutex::new(woken),
            shutdown,
        }
    }

    pub fn see_secret(&self, event: Event<Value>) {
        let event = match event {
            Event::Apply(metadata) => Event::Apply(partial(metadata)),
            Event::Delete(metadata) => Event::Delete(partial(metadata)),
            Event::Init | Event::InitApply(_) | Event::InitDone => unreachable!("{event:?}"),
        };
        self.secrets.lock().unwrap().apply_watcher_event(&event);
        self.tick();
    }

    /// Delivers the list of certificates, each given as the name of its account.
    pub fn see_certificates(&self, certificates: &[&str]) {
        let mut writer = self.certificates.lock().unwrap();
        writer.apply_watcher_event(&Event::Init);
        for account in certificates {
            writer.apply_watcher_event(&Event::InitApply(user_of(account)));
        }
        writer.apply_watcher_event(&Event::InitDone);
        drop(writer);
        self.tick();
    }

    fn tick(&self) {
        for tick in &self.ticks {
            tick.send(()).unwrap();
        }
    }

    /// The certificates woken since the last call.
    pub fn woken(&self) -> Vec<String> {
        let mut woken = self.woken.lock().unwrap();
        std::iter::from_fn(|| woken.try_recv().ok()).map(|certificate| certificate.name).collect()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A certificate that refers to this account and has its name.
fn user_of(account: &str) -> AkamaiCertificate {
    let mut user = certificate();
    user.metadata.name = Some(account.to_owned());
    user.metadata.uid = Some(format!("certificate-{account}"));
    user.spec.account_ref.name = account.to_owned();
    user
}

fn partial(metadata: Value) -> PartialObjectMeta<Secret> {
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

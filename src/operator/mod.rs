//! `akacert operator`: puts the parts together and runs them until shutdown. Not here: what any part does.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use akamai_cps::Budgets;
use clap::Args;
use futures::{Stream, StreamExt, future};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config, Resource, ResourceExt};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;

mod observed;

use crate::accounts::{self, Accounts, Endpoint, Endpoints};
use crate::cluster::Publisher;
use crate::cluster::leader::{Election, Leadership, Lost, Terms};
use crate::cluster::scope::{Scope, Watch, everywhere};
use crate::cps::lists::Lists;
use crate::process::admin::{self, Readiness};
use crate::process::metrics::{self, Metrics};
use crate::process::telemetry::LogFilter;
use crate::reconcile::context::Context;
use crate::reconcile::controller::Certificates;
use crate::reconcile::knowledge::Knowledge;
use akacert_api::AkamaiCertificate;
use akacert_core::deployed::{Roots, RootsError};
use akacert_core::life::schedule::Pace;
use akacert_core::published;
use akacert_outside::probe::{ProbeSettings, Prober};

/// How often what a crash left behind is looked for. It is found in the watches, so looking costs no request.
const SWEEP: Duration = Duration::from_secs(60);

/// Flags of the operator.
#[derive(Args, Debug)]
pub struct Settings {
    /// The operator's own namespace: it holds the tokens, and the Secrets of ClusterAkamaiAccounts.
    #[arg(long, env = "POD_NAMESPACE")]
    pub operator_namespace: String,

    /// The pod's name, which identifies this operator in the Lease and in events. Random when absent.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,

    /// How long the other operators wait without a sign of life from the leader before one of them takes over.
    #[arg(long, default_value = "12s", value_name = "DURATION")]
    pub lease_duration: SignedDuration,

    /// A namespace to watch for certificates and accounts. All when none is given.
    #[arg(long = "watch-namespace", value_name = "NAMESPACE")]
    pub watch_namespaces: Vec<String>,

    /// Name of the solver's Service in the operator's namespace.
    #[arg(long, default_value = "akacert-solver")]
    pub solver_service: String,

    /// An endpoint that the operator may call beside Akamai's own, such as a simulator or a proxy: https://HOST[:PORT]
    /// or http://HOST[:PORT]. It gets the credentials of the Secrets whose host is that HOST[:PORT].
    #[arg(long = "allow-endpoint", value_name = "URL")]
    pub allow_endpoints: Vec<String>,

    /// A PEM file with certificates of the authority that signed those of the allowed endpoints.
    #[arg(long, value_name = "FILE")]
    pub endpoint_ca_file: Option<PathBuf>,

    /// A PEM bundle of the authorities that deployed certificates may come from. When absent, those that the machine
    /// trusts (SSL_CERT_FILE names others).
    #[arg(long, value_name = "FILE")]
    pub trusted_roots: Option<PathBuf>,

    /// A resolver for the self-check, ADDRESS:PORT; the system's when none is given.
    #[arg(long = "probe-resolver", value_name = "ADDRESS")]
    pub probe_resolvers: Vec<SocketAddr>,

    /// A range of private addresses that the self-check may connect to, such as 10.0.0.0/8.
    #[arg(long = "probe-allow", value_name = "CIDR")]
    pub probe_allow: Vec<IpNet>,

    /// A certificate authority that CAA records have to allow, spelt as the records spell it. If several are given, one is
    /// enough.
    #[arg(long = "caa-issuer", value_name = "DOMAIN", default_value = "letsencrypt.org")]
    pub caa_issuers: Vec<String>,

    /// A name server to which certificates may send updates (dns01.rfc2136), HOST or HOST:PORT, spelt as certificates spell it.
    #[arg(long = "allow-dns-server", value_name = "SERVER")]
    pub allow_dns_servers: Vec<String>,

    /// Where to check served certificates, ADDRESS:PORT, instead of where names resolve to. For test networks.
    #[arg(long, value_name = "ADDRESS")]
    pub probe_edge: Option<SocketAddr>,

    /// How often to check a certificate at rest from outside (RenewalReady, Served), such as 24h.
    #[arg(long, default_value = "24h", value_name = "DURATION")]
    pub forecast_interval: SignedDuration,

    /// An annotation key that certificates may put on their Ingress; `example.com/*` is all keys with that prefix.
    #[arg(long = "allow-ingress-annotation", value_name = "KEY")]
    pub allow_ingress_annotations: Vec<String>,

    /// Scale of all waiting intervals. 1 suits CPS; smaller values are for simulators.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub interval_scale: f64,

    /// Do not limit the requests to Akamai. For simulators.
    #[arg(long)]
    pub no_request_limits: bool,

    /// Where liveness, readiness and metrics are served.
    #[arg(long, default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    pub admin_listen: SocketAddr,
}

/// Why the operator could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A flag is wrong.
    #[error("{0}")]
    Flag(String),
    /// The cluster cannot be reached.
    #[error("the Kubernetes API cannot be reached: {0}; check KUBECONFIG, or the ServiceAccount")]
    Cluster(#[from] kube::Error),
    /// The administration listener failed.
    #[error("cannot serve health and metrics: {0}; check --admin-listen")]
    Admin(#[from] std::io::Error),
    /// Another operator leads, or may.
    #[error("leadership is lost: {0}")]
    Leadership(#[from] Lost),
}

/// Runs the operator until shutdown.
///
/// # Errors
/// A flag is wrong, the cluster cannot be reached at the start, or leadership is lost.
pub async fn run(
    settings: Settings,
    log: LogFilter,
    shutdown: CancellationToken,
) -> Result<(), OperatorError> {
    let endpoints = endpoints(&settings)?;
    let prober = prober(&settings)?;
    let dns = prober.dns().map_err(|error| OperatorError::Flag(error.to_string()))?;
    let roots = roots(&settings)?;
    let scope = Scope::new(&settings.watch_namespaces);
    let rules = published::Rules {
        operator_namespace: settings.operator_namespace.clone(),
        allowed_ingress_annotations: settings.allow_ingress_annotations.iter().cloned().collect(),
        solver_service: settings.solver_service.clone(),
        allowed_dns_servers: settings.allow_dns_servers.iter().map(|s| s.to_ascii_lowercase()).collect(),
    };
    let config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    let leadership = Leadership::default();
    let identity =
        settings.pod_name.clone().unwrap_or_else(|| format!("akacert-{:016x}", rand::random::<u64>()));
    let election = Election::new(
        Client::try_from(config.clone())?,
        &settings.operator_namespace,
        identity.clone(),
        Terms::new(settings.lease_duration.unsigned_abs()),
        leadership.clone(),
    );
    let client = leadership.guarded_client(config)?;
    let budgets = Arc::new(if settings.no_request_limits { Budgets::unlimited() } else { Budgets::new() });
    let mut registry = Registry::default();
    metrics::register_build(&mut registry);
    let metrics = Metrics::new(&mut registry);
    registry.register_collector(Box::new(observed::Budgets(budgets.clone())));
    let recorder = Recorder::new(
        client.clone(),
        Reporter { controller: "akacert.io/operator".into(), instance: Some(identity) },
    );
    let (changed, mut look_again) = tick_pair();
    let tick = move || {
        changed.iter().for_each(|tick| {
            let _ = tick.send(());
        });
    };
    // The last certificate of an account that is marked for deletion may be gone.
    let certificates = Certificates::new(&client, &scope, tick.clone());
    let store = certificates.store();
    registry.register_collector(Box::new(observed::Certificates(store.clone())));
    registry.register_collector(Box::new(observed::Leader(leadership.clone())));
    let (wake, woken) = mpsc::unbounded_channel();
    let users = (store.clone(), wake.clone());
    let metadata = watcher::Config::default();
    let labels = |_: &_| everywhere(&client, &metadata);
    let namespaces = watch_metadata::<Namespace>(labels, &shutdown, move |namespace| {
        // Its labels decide whether an account may be used in it.
        let (store, wake) = &users;
        for certificate in store.state_filter(|found| found.namespace() == namespace.metadata.name) {
            let _ = wake.send(ObjectRef::from_obj(certificate.as_ref()));
        }
    });
    // Those of ClusterAkamaiAccounts lie beside the operator.
    let credentials = |seen: &_| scope.and(&settings.operator_namespace).watch(&client, &metadata, seen);
    let secrets = watch_metadata::<Secret>(credentials, &shutdown, move |_| tick());
    let (publisher, published) =
        Publisher::start(client.clone(), rules.clone(), &scope, namespaces.clone(), &shutdown);
    let known_accounts = Arc::new(accounts::Registry::new(namespaces.clone()));
    registry.register_collector(Box::new(observed::Accounts(known_accounts.clone())));
    let readiness = Readiness::default();
    let admin =
        tokio::spawn(admin::serve(settings.admin_listen, readiness.clone(), registry, log, shutdown.clone()));
    let accounts = Accounts::new(
        client.clone(),
        known_accounts,
        store.clone(),
        secrets.clone(),
        wake,
        budgets,
        metrics.clone(),
        Arc::new(move || leadership.holds()),
        recorder.clone(),
        accounts::Settings {
            operator_namespace: settings.operator_namespace.clone(),
            endpoints,
            interval_scale: settings.interval_scale,
            scope,
        },
    );
    let ctx = Arc::new(Context {
        client,
        accounts: accounts.registry.clone(),
        publisher,
        rules,
        prober,
        dns,
        roots,
        lists: Lists::default(),
        certificates: certificates.by_common_name(),
        knowledge: Knowledge::default(),
        recorder,
        metrics,
        interval_scale: settings.interval_scale,
        outside: Pace { interval: settings.forecast_interval.unsigned_abs(), started: Timestamp::now() },
    });
    let synced = async {
        // Before everything has been seen, an object that exists would be taken for missing.
        let _ =
            tokio::join!(namespaces.wait_until_ready(), secrets.wait_until_ready(), ctx.publisher.synced());
    };
    tokio::select! {
        () = synced => {}
        () = shutdown.cancelled() => return Ok(()),
    }
    readiness.set(true);
    tracing::info!("in sync with the cluster");
    let mut wake = futures::stream::select(published, UnboundedReceiverStream::new(woken));
    let lease = tokio::select! {
        lease = election.win() => lease,
        // What happens while another one leads is seen by the first look at everything.
        () = discard(&mut wake, &mut look_again) => return Ok(()),
        () = shutdown.cancelled() => return Ok(()),
    };
    let done = CancellationToken::new();
    // A task of its own: no reconcile delays a renewal.
    let mut leading = tokio::spawn(election.keep(lease, done.clone()));
    let work = async {
        tokio::join!(
            async {
                // A certificate that is looked at before its account would report it missing, and take that back.
                tokio::select! {
                    () = accounts.first_look() => {}
                    () = shutdown.cancelled() => {}
                }
                certificates.run(ctx.clone(), wake, shutdown.clone()).await;
            },
            accounts.clone().run(look_again, shutdown.clone()),
            sweep(&ctx, &store, &shutdown),
        )
    };
    tokio::select! {
        lost = &mut leading => return Ok(lost.map_err(std::io::Error::other)??),
        _ = work => done.cancel(),
    }
    leading.await.map_err(std::io::Error::other)??;
    tracing::info!("shut down");
    admin.await.map_err(std::io::Error::other)??;
    Ok(())
}

fn endpoints(settings: &Settings) -> Result<Endpoints, OperatorError> {
    let allowed = settings
        .allow_endpoints
        .iter()
        .map(|url| {
            Endpoint::parse(url).map_err(|error| OperatorError::Flag(format!("--allow-endpoint: {error}")))
        })
        .collect::<Result<_, _>>()?;
    let ca_pem = settings
        .endpoint_ca_file
        .as_ref()
        .map(|file| {
            std::fs::read(file).map_err(|error| {
                OperatorError::Flag(format!("--endpoint-ca-file {}: {error}", file.display()))
            })
        })
        .transpose()?;
    Ok(Endpoints { allowed, ca_pem })
}

fn roots(settings: &Settings) -> Result<Roots, OperatorError> {
    let Some(file) = &settings.trusted_roots else {
        return roots_of_the_machine()
            .map_err(|error| OperatorError::Flag(format!("{error}; name one with --trusted-roots")));
    };
    let flag = |error: String| OperatorError::Flag(format!("--trusted-roots {}: {error}", file.display()));
    let bundle = std::fs::read(file).map_err(|error| flag(error.to_string()))?;
    Roots::from_pem(&bundle).map_err(|error| flag(error.to_string()))
}

/// The roots that the machine trusts. The environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` can name others.
fn roots_of_the_machine() -> Result<Roots, RootsError> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "some of the system's trusted roots cannot be read");
    }
    Roots::from_der(found.certs.iter().map(|certificate| certificate.to_vec()))
}

fn prober(settings: &Settings) -> Result<Prober, OperatorError> {
    let probing = ProbeSettings {
        resolvers: settings.probe_resolvers.clone(),
        allowed: settings.probe_allow.clone(),
        edge: settings.probe_edge,
        caa_issuers: settings.caa_issuers.clone(),
        ..ProbeSettings::default()
    };
    Prober::new(probing).map_err(|error| OperatorError::Flag(error.to_string()))
}

type Tick = mpsc::UnboundedSender<()>;

/// Two listeners of one occurrence: each kind of account has a controller of its own.
fn tick_pair() -> ([Tick; 2], [UnboundedReceiverStream<()>; 2]) {
    let (first, first_heard) = mpsc::unbounded_channel();
    let (second, second_heard) = mpsc::unbounded_channel();
    ([first, second], [UnboundedReceiverStream::new(first_heard), UnboundedReceiverStream::new(second_heard)])
}

/// Takes what comes, and does nothing about it.
async fn discard(wake: &mut (impl Stream + Unpin), look_again: &mut [UnboundedReceiverStream<()>; 2]) {
    let [first, second] = look_again;
    tokio::join!(
        wake.for_each(|_| future::ready(())),
        first.for_each(|()| future::ready(())),
        second.for_each(|()| future::ready(())),
    );
}

/// Follows the metadata of the objects of a kind, without their content.
fn watch_metadata<K>(
    watch: impl FnOnce(&Store<PartialObjectMeta<K>>) -> Watch<PartialObjectMeta<K>>,
    shutdown: &CancellationToken,
    changed: impl Fn(&PartialObjectMeta<K>) + Send + 'static,
) -> Store<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let stream = watch(&store).reflect(writer);
    let until = shutdown.clone().cancelled_owned();
    tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream.take_until(until));
        while let Some(event) = stream.next().await {
            match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::Delete(object)) => changed(&object),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), %error, "a watch broke; it is started again")
                }
            }
        }
    });
    store
}

/// Removes what a crash left behind, and forgets certificates that are gone.
async fn sweep(ctx: &Context, certificates: &Store<AkamaiCertificate>, shutdown: &CancellationToken) {
    let mut clock = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            () = shutdown.cancelled() => return,
        }
        if certificates.wait_until_ready().await.is_err() {
            return;
        }
        let alive: BTreeSet<String> =
            certificates.state().iter().filter_map(|certificate| certificate.uid()).collect();
        ctx.knowledge.retain(|uid| alive.contains(uid));
        ctx.lists.forget(jiff::Timestamp::now().checked_sub(SWEEP).unwrap_or(jiff::Timestamp::MIN));
        for write in ctx.publisher.sweep(&alive) {
            tracing::info!(%write, "sweep");
            if let Err(error) = ctx.publisher.perform(&write).await {
                tracing::warn!(%error, "sweep");
            }
        }
    }
}

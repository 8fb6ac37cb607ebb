//! The counters of the operator: every CPS call, every write to the API server, every reconcile. `observed` has the
//! metrics that are computed at each scrape, and `catalog` the meaning of each.

pub mod catalog;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use akamai_cps::CallRecord;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use akacert_core::account::AccountKey;

/// Upper bounds in seconds for an answer of Akamai.
const ANSWER: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds in seconds for a wait for the request budget, and for a reconcile that includes it.
const WAIT: [f64; 8] = [0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Call {
    operation: &'static str,
    code: String,
    account: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Write {
    what: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

pub struct Metrics {
    calls: Family<Call, Counter>,
    /// The label sets of `calls`, because the metric cannot list them.
    called: Mutex<BTreeSet<Call>>,
    answers: Family<Operation, Histogram>,
    queued: Histogram,
    writes: Family<Write, Counter>,
    reconciles: Family<Outcome, Counter>,
    durations: Histogram,
}

impl Metrics {
    /// Creates and registers the counters.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self {
            calls: Family::default(),
            called: Mutex::default(),
            answers: Family::new_with_constructor(|| Histogram::new(ANSWER)),
            queued: Histogram::new(WAIT),
            writes: Family::default(),
            reconciles: Family::default(),
            durations: Histogram::new(WAIT),
        };
        register(registry, &catalog::CPS_REQUESTS, metrics.calls.clone());
        register(registry, &catalog::CPS_REQUEST_DURATION, metrics.answers.clone());
        register(registry, &catalog::CPS_QUEUE_DURATION, metrics.queued.clone());
        register(registry, &catalog::API_WRITES, metrics.writes.clone());
        register(registry, &catalog::RECONCILES, metrics.reconciles.clone());
        register(registry, &catalog::RECONCILE_DURATION, metrics.durations.clone());
        Arc::new(metrics)
    }

    /// Counts a request to Akamai for an account, answered or not.
    pub fn cps_call(&self, account: &AccountKey, record: &CallRecord<'_>) {
        let code = record.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let call = Call { operation: record.operation, code, account: account.path() };
        self.calls.get_or_create(&call).inc();
        self.called.lock().unwrap_or_else(PoisonError::into_inner).insert(call);
        self.queued.observe(record.waited.as_secs_f64());
        let operation = Operation { operation: record.operation };
        self.answers.get_or_create(&operation).observe(record.duration.as_secs_f64());
    }

    /// Removes the samples of an account that no longer exists.
    pub fn forget(&self, account: &AccountKey) {
        let gone = account.path();
        self.called.lock().unwrap_or_else(PoisonError::into_inner).retain(|call| {
            let stays = call.account != gone;
            if !stays {
                self.calls.remove(call);
            }
            stays
        });
    }

    /// Counts and logs a write to the API server.
    pub fn api_write(&self, what: &str, succeeded: bool) {
        tracing::debug!(what, succeeded, "wrote to the Kubernetes API");
        self.writes.get_or_create(&Write { what: what.to_owned(), result: result(succeeded) }).inc();
    }

    /// Counts a reconcile of a certificate.
    pub fn reconciled(&self, succeeded: bool, took: Duration) {
        self.reconciles.get_or_create(&Outcome { result: result(succeeded) }).inc();
        self.durations.observe(took.as_secs_f64());
    }
}

fn result(succeeded: bool) -> &'static str {
    if succeeded { "success" } else { "error" }
}

/// Registers a metric with the name and help text of the catalog.
pub fn register(registry: &mut Registry, described: &catalog::Metric, metric: impl Metric) {
    registry.register(described.name, described.help, metric);
}

/// Registers the metric for the running version.
pub fn register_build(registry: &mut Registry) {
    register(registry, &catalog::BUILD, Info::new([("version", env!("CARGO_PKG_VERSION"))]));
}

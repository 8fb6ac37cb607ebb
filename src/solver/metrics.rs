//! The solver's metrics.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Challenges;
use crate::process::metrics::{catalog, register};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    result: Outcome,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "as they stand in the metric")]
pub(crate) enum Outcome {
    served,
    redirected,
    unknown_path,
    unknown_host,
    refused,
}

#[derive(Clone)]
pub struct SolverMetrics {
    requests: Family<Labels, Counter>,
}

impl SolverMetrics {
    /// Creates and registers the counters.
    #[must_use]
    pub fn new(registry: &mut Registry, challenges: Challenges) -> Self {
        let requests = Family::default();
        register(registry, &catalog::SOLVER_REQUESTS, requests.clone());
        registry.register_collector(Box::new(TokenCount(challenges)));
        Self { requests }
    }

    pub(crate) fn count(&self, result: Outcome) {
        self.requests.get_or_create(&Labels { result }).inc();
    }
}

struct TokenCount(Challenges);

impl std::fmt::Debug for TokenCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TokenCount").field(&self.0.len()).finish()
    }
}

impl Collector for TokenCount {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let count = ConstGauge::new(i64::try_from(self.0.len()).unwrap_or(i64::MAX));
        let tokens = &catalog::SOLVER_TOKENS;
        let metric = encoder.encode_descriptor(tokens.name, tokens.help, None, tokens.kind)?;
        count.encode(metric)
    }
}

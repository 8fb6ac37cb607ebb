//! What the operator counts: every CPS call and every write to the API server; and what it shows of each certificate.
//! Not here: serving them (`crate::admin`).

use std::sync::Arc;

use akamai_cps::{Budgets, CallRecord};
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::api::AkamaiCertificate;
use crate::api::status::{CertificateStatus, condition};
use crate::leader::Leadership;
use crate::status;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    operation: &'static str,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Write {
    what: String,
    result: &'static str,
}

/// The operator's counters.
pub struct Metrics {
    calls: Family<Call, Counter>,
    latency: Histogram,
    writes: Family<Write, Counter>,
}

impl Metrics {
    /// Counters, registered.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self {
            calls: Family::default(),
            latency: Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
            writes: Family::default(),
        };
        registry.register(
            "akacert_cps_requests",
            "Requests to Akamai, by operation and answer",
            metrics.calls.clone(),
        );
        registry.register(
            "akacert_cps_request_duration_seconds",
            "How long Akamai took to answer",
            metrics.latency.clone(),
        );
        registry.register(
            "akacert_api_writes",
            "Writes to the Kubernetes API, by what was written",
            metrics.writes.clone(),
        );
        Arc::new(metrics)
    }

    /// A request to Akamai was answered, or was not.
    pub fn cps_call(&self, record: &CallRecord<'_>) {
        let code = record.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.calls.get_or_create(&Call { operation: record.operation, code }).inc();
        self.latency.observe(record.duration.as_secs_f64());
    }

    /// A write to the API server was made.
    pub fn api_write(&self, what: &str, succeeded: bool) {
        let result = if succeeded { "success" } else { "error" };
        self.writes.get_or_create(&Write { what: what.to_owned(), result }).inc();
    }
}

/// The request budgets, read when somebody asks.
#[derive(Debug)]
pub struct BudgetCollector(pub Arc<Budgets>);

impl Collector for BudgetCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(
            "akacert_cps_budget_remaining",
            "Requests to Akamai that may be made at once, by budget group",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        for (group, budget) in self.0.all() {
            let Some(remaining) = budget.remaining() else { continue };
            ConstGauge::new(i64::from(remaining)).encode(family.encode_family(&[("group", group)])?)?;
        }
        Ok(())
    }
}

/// Whether this process leads.
#[derive(Debug)]
pub struct LeaderCollector(pub Leadership);

impl Collector for LeaderCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let leader = encoder.encode_descriptor(
            "akacert_leader",
            "1 while this operator leads, else 0",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        ConstGauge::new(i64::from(self.0.holds())).encode(leader)
    }
}

/// Each certificate's verdict and expiry, read from its status when somebody asks: no metric outlives its certificate.
#[derive(Debug)]
pub struct CertificateCollector(pub Store<AkamaiCertificate>);

impl CertificateCollector {
    fn gauges(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        value: impl Fn(&CertificateStatus) -> Option<i64>,
    ) -> Result<(), std::fmt::Error> {
        let mut family =
            encoder.encode_descriptor(name, help, None, prometheus_client::metrics::MetricType::Gauge)?;
        for certificate in self.0.state() {
            let Some(value) = certificate.status.as_ref().and_then(&value) else { continue };
            let (namespace, name) = (certificate.namespace().unwrap_or_default(), certificate.name_any());
            let labels = [("namespace", namespace.as_str()), ("name", name.as_str())];
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for CertificateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let ready = ("akacert_certificate_ready", "Whether a certificate is Ready");
        self.gauges(&mut encoder, ready, |status| {
            Some(i64::from(status::is_true(&status.conditions, condition::READY)))
        })?;
        let expiration = (
            "akacert_certificate_expiration_timestamp_seconds",
            "When the certificate in production expires, in seconds since 1970",
        );
        self.gauges(&mut encoder, expiration, |status| {
            Some(status.deployments.as_ref()?.production.as_ref()?.not_after.0.as_second())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::next::fixtures::Scene;
    use kube::runtime::{reflector, watcher};
    use prometheus_client::encoding::text::encode;

    #[test]
    fn each_certificate_shows_its_verdict_and_its_expiry_as_long_as_it_exists() {
        let (store, mut writer) = reflector::store();
        let certificate = Scene::ready().certificate;
        writer.apply_watcher_event(&watcher::Event::Apply(certificate.clone()));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(CertificateCollector(store)));
        let page = || {
            let mut page = String::new();
            encode(&mut page, &registry).unwrap();
            page
        };
        let labels = "{namespace=\"shop\",name=\"www\"}";
        assert!(page().contains(&format!("akacert_certificate_ready{labels} 1\n")), "{}", page());
        let expires = format!("akacert_certificate_expiration_timestamp_seconds{labels} 1830211200\n");
        assert!(page().contains(&expires), "{}", page());
        writer.apply_watcher_event(&watcher::Event::Delete(certificate));
        assert!(!page().contains(labels), "{}", page());
    }

    #[test]
    fn the_budgets_of_all_groups_are_one_metric() {
        let budgets = Arc::new(Budgets::new());
        budgets.get("cluster/group/all", 25, 10);
        budgets.get("namespace/shop/account/own", 25, 5);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(BudgetCollector(budgets)));
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        assert_eq!(
            page,
            "# HELP akacert_cps_budget_remaining Requests to Akamai that may be made at once, by budget group\n\
             # TYPE akacert_cps_budget_remaining gauge\n\
             akacert_cps_budget_remaining{group=\"cluster/group/all\"} 10\n\
             akacert_cps_budget_remaining{group=\"namespace/shop/account/own\"} 5\n\
             # EOF\n"
        );
    }
}

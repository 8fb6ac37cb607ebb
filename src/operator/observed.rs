//! What is read from objects when somebody asks: no sample outlives its object. Not here: what is counted as it happens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use akamai_cps::Budget;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::accounts;
use crate::cluster::leader::Leadership;
use crate::process::metrics::catalog::{self, Metric};
use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::status::{CertificateStatus, condition};

/// The conditions that are shown; a step that is not done is the reason of `Ready`.
const SHOWN: [&str; 8] = [
    condition::READY,
    condition::RECONCILING,
    condition::STALLED,
    condition::RENEWING,
    condition::DRIFTED,
    condition::RENEWAL_READY,
    condition::SERVED,
    condition::HANDED_OFF,
];

/// Writes one gauge with all of its samples.
fn gauges<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    metric: &Metric,
    samples: impl IntoIterator<Item = (L, i64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(metric.name, metric.help, None, metric.kind)?;
    for (labels, value) in samples {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// The request budgets and their queues.
#[derive(Debug)]
pub struct Budgets(pub Arc<akamai_cps::Budgets>);

impl Collector for Budgets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let budgets = self.0.used();
        let each = |value: fn(&Budget) -> Option<i64>| {
            let samples = budgets.iter().filter_map(move |(group, budget)| Some((group, value(budget)?)));
            samples.map(|(group, value)| ([("group", group.as_str())], value)).collect::<Vec<_>>()
        };
        gauges(
            &mut encoder,
            &catalog::CPS_BUDGET_REMAINING,
            each(|budget| budget.remaining().map(i64::from)),
        )?;
        gauges(&mut encoder, &catalog::CPS_QUEUE_DEPTH, each(|budget| i64::try_from(budget.waiting()).ok()))
    }
}

/// Whether this process leads.
#[derive(Debug)]
pub struct Leader(pub Leadership);

impl Collector for Leader {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let leader = &catalog::LEADER;
        let encoder = encoder.encode_descriptor(leader.name, leader.help, None, leader.kind)?;
        ConstGauge::new(i64::from(self.0.holds())).encode(encoder)
    }
}

/// The verdict on each account.
pub struct Accounts(pub Arc<accounts::Registry>);

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts")
    }
}

impl Collector for Accounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let verdicts = self.0.verdicts();
        let samples = verdicts.iter().map(|(key, ready)| {
            let namespace = key.namespace.as_deref().unwrap_or_default();
            let labels = [("kind", key.kind.as_str()), ("namespace", namespace), ("name", key.name.as_str())];
            (labels, i64::from(*ready))
        });
        gauges(&mut encoder, &catalog::ACCOUNT_READY, samples)
    }
}

/// The verdict on each certificate and its dates, from its status.
#[derive(Debug)]
pub struct Certificates(pub Store<AkamaiCertificate>);

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let certificates = self.0.state();
        let each = |value: fn(&CertificateStatus) -> Option<i64>| {
            certificates.iter().filter_map(move |certificate| {
                let value = value(certificate.status.as_ref()?)?;
                Some((
                    [
                        ("namespace", certificate.namespace().unwrap_or_default()),
                        ("name", certificate.name_any()),
                    ],
                    value,
                ))
            })
        };
        let is_ready = |status: &CertificateStatus| {
            Some(i64::from(condition_set::is_true(&status.conditions, condition::READY)))
        };
        let expiration = |status: &CertificateStatus| {
            Some(status.deployments.as_ref()?.production.as_ref()?.not_after.0.as_second())
        };
        let renewal = |status: &CertificateStatus| Some(status.next_renewal_time.as_ref()?.0.as_second());
        gauges(&mut encoder, &catalog::CERTIFICATE_READY, each(is_ready))?;
        gauges(&mut encoder, &catalog::CERTIFICATE_EXPIRATION, each(expiration))?;
        gauges(&mut encoder, &catalog::CERTIFICATE_RENEWAL, each(renewal))?;
        let conditions = certificates.iter().flat_map(|certificate| {
            let found = certificate.status.iter().flat_map(|status| &status.conditions);
            found.filter(|found| SHOWN.contains(&found.type_.as_str())).map(|found| {
                let labels = [
                    ("namespace", certificate.namespace().unwrap_or_default()),
                    ("name", certificate.name_any()),
                    ("type", found.type_.clone()),
                    ("reason", found.reason.clone()),
                ];
                (labels, i64::from(found.status == "True"))
            })
        });
        gauges(&mut encoder, &catalog::CERTIFICATE_CONDITION, conditions)?;
        let mut states = BTreeMap::<&str, i64>::new();
        for status in certificates.iter().filter_map(|certificate| certificate.status.as_ref()) {
            for domain in &status.domains {
                *states.entry(domain.state.as_str()).or_default() += 1;
            }
        }
        gauges(
            &mut encoder,
            &catalog::DOMAINS,
            states.into_iter().map(|(state, count)| ([("state", state)], count)),
        )
    }
}

#[cfg(test)]
mod tests;

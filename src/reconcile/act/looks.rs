//! I/O: looks from outside at what the authority will look at, and what is remembered of them. Nothing here writes.
//! Not here: when to look (`akacert_core::life`).

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::super::context::Context;
use super::Subject;
use akacert_core::life::snapshot::{Preflight, Probe, RecordsLook};
use akacert_core::outside::Target;
use akacert_core::published::{self, Record, Token};
use akacert_outside::probe::interfering;

/// Looks at the names themselves.
pub(super) async fn preflight(subject: &mut Subject<'_>, ctx: &Context, targets: &[Target]) {
    let failures: BTreeMap<String, String> = ctx
        .prober
        .preflight(&ctx.dns, targets)
        .await
        .into_iter()
        .filter_map(|(name, failure)| Some((name, failure?.to_string())))
        .collect();
    let before = subject.memory.preflight.as_ref().filter(|before| before.targets == targets);
    let failed = if failures.is_empty() { 0 } else { before.map_or(0, |before| before.failed) + 1 };
    subject.memory.preflight =
        Some(Preflight { at: Timestamp::now(), targets: targets.to_vec(), failures, failed });
}

/// Fetches tokens as the authority would. Where the solver serves one and its public URL answers otherwise, an Ingress of
/// the namespace that may be in the way is named.
pub(super) async fn probe(subject: &mut Subject<'_>, ctx: &Context, tokens: &[Token], elsewhere: &[Token]) {
    let served = ctx.prober.check_all(tokens, subject.solver).await;
    let redirected = ctx.prober.check_all(elsewhere, &[]).await;
    let mut failures: BTreeMap<String, String> =
        served.into_iter().chain(redirected).map(|(host, failure)| (host, failure.to_string())).collect();
    let all: Vec<Token> = tokens.iter().chain(elsewhere).cloned().collect();
    let before = subject.memory.probe.as_ref().filter(|before| before.tokens == all);
    let failed = if failures.is_empty() { 0 } else { before.map_or(0, |before| before.failed) + 1 };
    // The Ingress controller may still be catching up at first.
    if failed > 1 {
        name_interference(subject, ctx, tokens, &mut failures).await;
    }
    subject.memory.probe = Some(Probe { at: Timestamp::now(), tokens: all, failures, failed });
}

async fn name_interference(
    subject: &Subject<'_>,
    ctx: &Context,
    tokens: &[Token],
    failures: &mut BTreeMap<String, String>,
) {
    let namespace = subject.certificate.namespace().unwrap_or_default();
    let api: Api<Ingress> = Api::namespaced(ctx.client.clone(), &namespace);
    let Ok(ingresses) = api.list(&ListParams::default()).await else { return };
    let ours = published::ingress_name(subject.certificate);
    for token in tokens {
        let Some(failure) = failures.get_mut(&token.host) else { continue };
        if let Some(other) = interfering(&ingresses.items, &ours, &token.host, &token.path) {
            failure.push_str("; ");
            failure.push_str(&other);
        }
    }
}

/// Looks for TXT records on every name server of their zones.
pub(super) async fn records(subject: &mut Subject<'_>, ctx: &Context, records: &[Record]) {
    let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for record in records {
        wanted.entry(&record.name).or_default().extend(record.values.iter().cloned());
    }
    let looks = wanted.iter().map(|(name, values)| async move {
        let missing = match ctx.dns.txt(name).await {
            Ok(view) => view.missing(values),
            Err(failure) => Some(failure.to_string()),
        };
        Some(((*name).to_owned(), missing?))
    });
    let missing: BTreeMap<_, _> = join_all(looks).await.into_iter().flatten().collect();
    let before = subject.memory.records.as_ref().filter(|before| before.records == records);
    let failed = if missing.is_empty() { 0 } else { before.map_or(0, |before| before.failed) + 1 };
    subject.memory.records =
        Some(RecordsLook { at: Timestamp::now(), records: records.to_vec(), missing, failed });
}

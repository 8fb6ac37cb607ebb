//! I/O: checks from outside what the authority will check. Nothing here writes.

use std::collections::BTreeMap;

use akacert_core::life::answer::Answer;
use akacert_core::outside::Target;
use akacert_core::published::{self, Record, Token};
use akacert_outside::probe::interfering;
use futures::future::join_all;
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::{Context, Subject};

/// Checks the names themselves.
pub(super) async fn preflight(ctx: &Context, targets: &[Target]) -> Answer {
    let found = ctx.prober.preflight(&ctx.dns, targets).await;
    Answer::Found(
        found.into_iter().filter_map(|(name, failure)| Some((name, failure?.to_string()))).collect(),
    )
}

/// Fetches tokens as the authority would. If `explain` is set, a failure also names an Ingress of the namespace that may
/// be in the way. That is possible where the solver serves a token, but its public URL answers something else.
pub(super) async fn probe(
    subject: &Subject<'_>,
    ctx: &Context,
    tokens: &[Token],
    elsewhere: &[Token],
    explain: bool,
) -> Answer {
    let served = ctx.prober.check_all(tokens, subject.solver).await;
    let redirected = ctx.prober.check_all(elsewhere, &[]).await;
    let mut failures: BTreeMap<String, String> =
        served.into_iter().chain(redirected).map(|(host, failure)| (host, failure.to_string())).collect();
    if explain && !failures.is_empty() {
        name_interference(subject, ctx, tokens, &mut failures).await;
    }
    Answer::Found(failures)
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

/// Looks up TXT records on every name server of their zones.
pub(super) async fn records(ctx: &Context, records: &[Record]) -> Answer {
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
    Answer::Found(join_all(looks).await.into_iter().flatten().collect())
}

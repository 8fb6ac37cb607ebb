//! What the leader does: it looks at accounts and at certificates, and sweeps. Not here: any look.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use akacert_api::AkamaiCertificate;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use tokio_util::sync::CancellationToken;

use super::candidate::Candidate;
use super::known::Known;
use super::settings::{Given, Settings};
use super::wakes::{Wakers, Woken};
use super::watched::Watched;
use crate::accounts::{self, Accounts};
use crate::cps::lists::Lists;
use crate::reconcile::context::Context;
use crate::reconcile::controller::Certificates;
use crate::reconcile::knowledge::Knowledge;

/// How often what a crash left behind is looked for. It is found in the watches, so looking costs no request.
const SWEEP: Duration = Duration::from_secs(60);

/// Everything that the work needs, put together.
pub struct Work {
    accounts: Arc<Accounts>,
    certificates: Certificates,
    ctx: Arc<Context>,
}

impl Work {
    /// Puts it together. It takes the last of the wakers.
    pub fn new(
        settings: &Settings,
        given: Given,
        candidate: &Candidate,
        watched: Watched,
        known: Known,
        wakers: Wakers,
    ) -> Self {
        let leadership = candidate.leadership.clone();
        let accounts = Accounts::new(
            candidate.client.clone(),
            known.accounts.clone(),
            watched.certificates.store(),
            watched.secrets,
            wakers.certificates,
            known.budgets,
            known.metrics.clone(),
            Arc::new(move || leadership.holds()),
            candidate.recorder.clone(),
            accounts::Settings {
                operator_namespace: settings.operator_namespace.clone(),
                endpoints: given.endpoints,
                interval_scale: settings.interval_scale,
                scope: given.scope,
            },
        );
        let ctx = Arc::new(Context {
            client: candidate.client.clone(),
            accounts: known.accounts,
            publisher: watched.publisher,
            rules: given.rules,
            prober: given.prober,
            dns: given.dns,
            roots: given.roots,
            lists: Lists::default(),
            certificates: watched.certificates.by_common_name(),
            knowledge: Knowledge::default(),
            recorder: candidate.recorder.clone(),
            metrics: known.metrics,
            interval_scale: settings.interval_scale,
            forecast_times: settings.forecast_times(),
        });
        Self { accounts, certificates: watched.certificates, ctx }
    }

    /// Works until shutdown, and finishes the steps that it is at.
    pub async fn run(self, woken: Woken, shutdown: CancellationToken) {
        let Self { accounts, certificates, ctx } = self;
        let store = certificates.store();
        let looks = async {
            // A certificate that is looked at before its account would report it missing, and take that back.
            tokio::select! {
                () = accounts.first_look() => {}
                () = shutdown.cancelled() => {}
            }
            certificates.run(ctx.clone(), woken.certificates, shutdown.clone()).await;
        };
        tokio::join!(
            looks,
            accounts.clone().run(woken.accounts, shutdown.clone()),
            sweep(&ctx, &store, &shutdown)
        );
    }
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
        ctx.lists.forget(Timestamp::now().checked_sub(SWEEP).unwrap_or(Timestamp::MIN));
        for write in ctx.publisher.sweep(&alive) {
            tracing::info!(%write, "sweep");
            if let Err(error) = ctx.publisher.perform(&write).await {
                tracing::warn!(%error, "sweep");
            }
        }
    }
}

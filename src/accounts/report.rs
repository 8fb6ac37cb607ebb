//! I/O: what the operator writes about an account: its status, an event when the reason changes, its finalizer.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::Recorder;
use serde_json::json;

use super::check::{Outcome, Subject};
use super::resource::AccountResource;
use crate::cluster::event;
use crate::process::failpoint;
use crate::process::metrics::Metrics;
use akacert_api::condition_set;
use akacert_api::names::{ACCOUNT_FINALIZER, FIELD_MANAGER};
use akacert_api::status::condition;

/// The API server refused a write to an account. The controller tries again.
#[derive(Debug, thiserror::Error)]
#[error("the Kubernetes API refused a request for an account: {0}")]
pub(super) struct Failed(#[from] kube::Error);

impl Failed {
    /// Whether the account no longer exists.
    pub fn is_gone(&self) -> bool {
        matches!(&self.0, kube::Error::Api(status) if status.code == 404)
    }
}

pub(super) struct Writer {
    pub client: Client,
    pub metrics: Arc<Metrics>,
    pub recorder: Recorder,
}

impl Writer {
    /// Writes the status if a fact has changed.
    pub async fn report<K: AccountResource>(
        &self,
        account: &K,
        subject: &Subject,
        outcome: &Outcome,
    ) -> Result<(), Failed> {
        let before = account.status();
        let after = outcome.status(&before, subject, Timestamp::now());
        if after == before {
            return Ok(());
        }
        let patch = Patch::Apply(json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            // The UID keeps this from a new account of the same name.
            "metadata": {"name": account.name_any(), "uid": account.uid()},
            "status": after,
        }));
        failpoint::reach("before an account's status");
        let answer = account
            .api(&self.client)
            .patch_status(&account.name_any(), &PatchParams::apply(FIELD_MANAGER).force(), &patch)
            .await;
        failpoint::reach("after an account's status");
        self.metrics.api_write("report an account's status", answer.is_ok());
        answer?;
        let known =
            condition_set::find(&before.conditions, condition::READY).map(|ready| ready.reason.as_str());
        if known != Some(outcome.reason.as_str())
            && let Err(error) =
                event::publish(&self.recorder, &outcome.event(), &account.object_ref(&())).await
        {
            tracing::warn!(%error, "an event could not be sent");
        }
        Ok(())
    }

    /// Adds or removes our finalizer. If the account has changed since it was read, the next reconcile handles it.
    pub async fn set_finalizer<K: AccountResource>(&self, account: &K, present: bool) -> Result<(), Failed> {
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
        let answer = account.api(&self.client).patch(&account.name_any(), &parameters, &patch).await;
        failpoint::reach("after an account's finalizer");
        self.metrics.api_write("set an account's finalizer", answer.is_ok());
        answer?;
        Ok(())
    }
}

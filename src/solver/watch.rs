//! Follows the ConfigMaps with tokens: reads the list page by page, then each change, straight into the index. It
//! keeps no copy of a ConfigMap.

use std::borrow::Cow;
use std::collections::BTreeMap;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::Deserialize;

use super::Challenges;
use crate::process::admin::Readiness;
use akacert_api::names::{CHALLENGES_COMPONENT, COMPONENT_LABEL};

#[cfg(test)]
mod tests;

/// The most ConfigMaps in one page. A page is in memory as a whole, and each ConfigMap may hold a thousand tokens.
const PAGE: u32 = 250;

/// A ConfigMap with only what the solver needs: above all, without managed fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire")]
struct Slim(ConfigMap);

#[derive(Deserialize)]
struct Wire {
    metadata: WireMeta,
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta {
    name: Option<String>,
    resource_version: Option<String>,
}

impl From<Wire> for Slim {
    fn from(Wire { metadata: WireMeta { name, resource_version }, data }: Wire) -> Self {
        let metadata = ObjectMeta { name, resource_version, ..ObjectMeta::default() };
        Self(ConfigMap { metadata, data, ..ConfigMap::default() })
    }
}

impl Resource for Slim {
    type DynamicType = ();
    type Scope = <ConfigMap as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        ConfigMap::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        ConfigMap::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        ConfigMap::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        ConfigMap::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

/// Keeps the index in step with the ConfigMaps, and sets `readiness` once it has seen all of them.
pub(super) async fn follow(client: Client, namespace: &str, challenges: Challenges, readiness: Readiness) {
    let api: Api<Slim> = Api::namespaced(client, namespace);
    let labels = format!("{COMPONENT_LABEL}={CHALLENGES_COMPONENT}");
    let config = watcher::Config::default().labels(&labels).page_size(PAGE);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(Event::Init) => Event::Init,
            Ok(Event::InitApply(Slim(config_map))) => Event::InitApply(config_map),
            Ok(Event::InitDone) => Event::InitDone,
            Ok(Event::Apply(Slim(config_map))) => Event::Apply(config_map),
            Ok(Event::Delete(Slim(config_map))) => Event::Delete(config_map),
            Err(error) => {
                tracing::warn!(%error, "the watch of ConfigMaps broke; it is started again");
                continue;
            }
        };
        let complete = matches!(event, Event::InitDone);
        challenges.take_in(event);
        if complete && !readiness.get() {
            tracing::info!(tokens = challenges.len(), "in sync with the cluster");
            readiness.set(true);
        }
    }
}

//! A stand-in for the kubelet. It binds every pod to its one Node. A pod's container is a process with the arguments,
//! the environment, the ServiceAccount token, the volumes, the address and the probes of the pod. Each image stands
//! for a program of this workspace. If AKACERT_IMAGE_ROOT names an unpacked image (`make image`), all pods run in
//! that one.
//!
//! `pod` runs one pod. The stand-in lacks what akacert's manifests do not use, such as init containers, several
//! containers, resource limits and users.

mod pod;
mod probe;
mod volumes;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::network::HOST;

const NODE: &str = "testbed";

/// The running stand-in. Dropping it ends it, with the processes of all pods.
pub struct Kubelet {
    task: JoinHandle<()>,
}

/// The settings that all pods share.
pub(crate) struct Setup {
    pub client: Client,
    /// The directory for the files and logs of pods.
    pub work: PathBuf,
    /// The certificate of the API server's authority, as PEM.
    pub ca: String,
    /// Maps an image's repository, without tag, to a program.
    pub images: HashMap<String, PathBuf>,
}

impl Kubelet {
    /// Registers the node and starts running its pods.
    ///
    /// # Errors
    /// The node cannot be registered.
    pub async fn start(
        client: Client,
        work: &Path,
        ca: &str,
        images: HashMap<String, PathBuf>,
    ) -> Result<Self> {
        register(&client).await?;
        let setup = Setup { client, work: work.to_owned(), ca: ca.to_owned(), images };
        let task = tokio::spawn(run(Arc::new(setup)));
        Ok(Self { task })
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn register(client: &Client) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let node: Node = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}, "spec": {},
    }))?;
    nodes.create(&PostParams::default(), &node).await.context("cannot register the node")?;
    let status = json!({"status": {
        "conditions": [{"type": "Ready", "status": "True", "reason": "StandIn", "message": "a stand-in for kubelet",
            "lastHeartbeatTime": jiff::Timestamp::now(), "lastTransitionTime": jiff::Timestamp::now()}],
        "addresses": [{"type": "InternalIP", "address": HOST}],
    }});
    nodes.patch_status(NODE, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

/// Watches all pods. Each has its own task, which gets every change of its pod.
async fn run(setup: Arc<Setup>) {
    let pods: Api<Pod> = Api::all(setup.client.clone());
    let mut events = watcher(pods, watcher::Config::default()).default_backoff().touched_objects().boxed();
    let mut running: HashMap<String, mpsc::UnboundedSender<Pod>> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    let mut next_address = 1_u16;
    loop {
        let pod = match events.try_next().await {
            Ok(Some(pod)) => pod,
            Ok(None) => return,
            Err(error) => {
                eprintln!("kubelet: {error}");
                continue;
            }
        };
        running.retain(|_, pod| !pod.is_closed());
        let uid = pod.uid().unwrap_or_default();
        if let Some(known) = running.get(&uid) {
            let _ = known.send(pod);
            continue;
        }
        let (changes, changed) = mpsc::unbounded_channel();
        let address = format!("10.77.{}.{}", 1 + next_address / 250, 1 + next_address % 250);
        next_address += 1;
        running.insert(uid, changes);
        let setup = setup.clone();
        tasks.spawn(async move {
            let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
            if let Err(error) = pod::run(&setup, pod, &address, changed).await {
                eprintln!("kubelet: pod {name}: {error:#}");
            }
        });
    }
}

/// Binds a pod to the node, as the scheduler would.
pub(crate) async fn bind(pods: &Api<Pod>, pod: &Pod) -> Result<()> {
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod.name_any()},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
    });
    let _: serde_json::Value =
        pods.create_subresource("binding", &pod.name_any(), &PostParams::default(), &binding).await?;
    Ok(())
}

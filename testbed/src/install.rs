//! akacert in the test bed, installed as a user would: manifests by kubectl, then wait for the rollouts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use serde_json::json;

use crate::bed::TestBed;
use crate::services::EDGERC;

/// The namespace of operator and solver.
pub const NAMESPACE: &str = "akacert-system";
/// The Secret with the simulator's credentials.
pub const SECRET: &str = "akamai-simulator";

/// A manifest of the test bed.
#[must_use]
pub fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(path)
}

impl TestBed {
    /// Installs akacert with the simulator as its CPS, and waits until operator and solver are ready.
    ///
    /// # Errors
    /// A manifest is refused, or a rollout does not end.
    pub async fn install(&self) -> Result<()> {
        self.kubectl(&["create", "namespace", NAMESPACE]).await?;
        let objects = [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "endpoint-ca", "namespace": NAMESPACE},
                "data": {"ca.pem": self.ca()}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": NAMESPACE},
                "stringData": {"edgerc": EDGERC}}),
        ];
        for object in objects {
            self.apply(&object.to_string()).await?;
        }
        self.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-k",
            &manifest("operator").to_string_lossy(),
        ])
        .await?;
        self.rolled_out().await
    }

    /// Changes flags of the operator, such as `--interval-scale=0.02`, and waits until it runs with them.
    ///
    /// # Errors
    /// The Deployment cannot be changed, or the rollout does not end.
    pub async fn set_operator_flags(&self, flags: &[&str]) -> Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.client(), NAMESPACE);
        let pointer = "/spec/template/spec/containers/0/args";
        let mut deployment = serde_json::to_value(api.get("akacert-operator").await?)?;
        let mut arguments: Vec<String> =
            serde_json::from_value(deployment.pointer_mut(pointer).context("no arguments")?.take())?;
        for flag in flags {
            let name = flag.split('=').next().unwrap_or(flag);
            arguments.retain(|argument| argument.split('=').next() != Some(name));
            arguments.push((*flag).to_owned());
        }
        let patch = json!([{"op": "replace", "path": pointer, "value": arguments}]);
        self.kubectl(&[
            "-n",
            NAMESPACE,
            "patch",
            "deployment",
            "akacert-operator",
            "--type=json",
            "-p",
            &patch.to_string(),
        ])
        .await?;
        self.rolled_out().await
    }

    /// Waits until operator and solver are ready.
    ///
    /// # Errors
    /// They are not within a minute.
    pub async fn rolled_out(&self) -> Result<()> {
        for deployment in ["deployment/akacert-operator", "deployment/akacert-solver"] {
            self.kubectl(&["-n", NAMESPACE, "rollout", "status", deployment, "--timeout=60s"]).await?;
        }
        Ok(())
    }
}

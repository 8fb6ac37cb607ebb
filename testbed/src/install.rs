//! akacert in the test bed, installed as a user would: manifests by kubectl, then wait for the rollouts.

use std::path::{Path, PathBuf};

use anyhow::Result;
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

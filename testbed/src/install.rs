//! Installs akacert in the test bed as a user would, with kubectl, and waits for the rollouts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use serde_json::json;
use tokio::process::Command;

use crate::bed::TestBed;
use crate::network::CPS_HOST;
use crate::process::Process;
use crate::services::EDGERC;
use crate::{control_plane, programs};

/// The namespace of operator and solver.
pub const NAMESPACE: &str = "akacert-system";
/// The operator's pods.
const OPERATOR_PODS: &str = "app.kubernetes.io/component=operator";
/// The Secret with the simulator's credentials.
pub const SECRET: &str = "akamai-simulator";

/// The path of a manifest in `manifests/`.
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
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trusted-roots", "namespace": NAMESPACE},
                "data": {"roots.pem": std::fs::read_to_string(self.trusted_roots())?}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": NAMESPACE},
                "stringData": {"edgerc": EDGERC}}),
        ];
        for object in objects {
            self.apply(&object.to_string()).await?;
        }
        self.deploy().await
    }

    /// Applies the manifests of operator and solver, and waits until both are ready.
    ///
    /// # Errors
    /// As [`TestBed::install`].
    pub async fn deploy(&self) -> Result<()> {
        // From now on the ServiceAccount may be a new one.
        *self.operator_kubeconfig.lock().await = None;
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

    /// Starts an operator outside the cluster, with the operator's ServiceAccount, in place of the Deployment's. A
    /// test that kills the operator does not want the kubelet to restart it.
    ///
    /// # Errors
    /// There is no token, or it does not start.
    pub async fn operator_process(&self, flags: &[&str], variables: &[(&str, &str)]) -> Result<Process> {
        self.named_operator_process("operator", flags, variables).await
    }

    /// Like [`TestBed::operator_process`], for several operators. The name takes the place of the pod's. Each
    /// operator needs its own `--admin-listen`.
    ///
    /// # Errors
    /// There is no token, or it does not start.
    pub async fn named_operator_process(
        &self,
        name: &str,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Process> {
        // They share a token, because some tests start a hundred operators.
        let mut known = self.operator_kubeconfig.lock().await;
        let kubeconfig = match &*known {
            Some(kubeconfig) => kubeconfig.clone(),
            None => {
                let token = self.kubectl(&["-n", NAMESPACE, "create", "token", "akacert-operator"]).await?;
                known.insert(control_plane::kubeconfig(self.work(), "operator", token.trim())?).clone()
            }
        };
        let mut command = Command::new(programs::own("akacert")?);
        command.args(["operator", "--probe-allow=10.77.0.0/16", "--no-request-limits"]);
        if !flags.iter().any(|flag| flag.starts_with("--log=")) {
            command.arg("--log=info,akacert=debug");
        }
        command
            .arg(format!("--allow-endpoint=https://{CPS_HOST}"))
            .arg(format!("--endpoint-ca-file={}", self.work().join("ca.pem").display()))
            .arg(format!("--trusted-roots={}", self.trusted_roots().display()))
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAMESPACE", NAMESPACE)
            .env("POD_NAME", name)
            .envs(variables.iter().copied());
        Process::start(name, &self.work().join("logs"), command)
    }

    /// Scales the operator's Deployment to zero.
    ///
    /// # Errors
    /// Its pod does not end.
    pub async fn no_operator_deployment(&self) -> Result<()> {
        self.kubectl(&["-n", NAMESPACE, "scale", "deployment/akacert-operator", "--replicas=0"]).await?;
        self.kubectl(&["-n", NAMESPACE, "wait", "--for=delete", "pod", "-l", OPERATOR_PODS, "--timeout=60s"])
            .await?;
        Ok(())
    }

    /// Lets the Deployment run the operator again.
    ///
    /// # Errors
    /// The rollout does not end.
    pub async fn operator_deployment(&self) -> Result<()> {
        self.kubectl(&["-n", NAMESPACE, "scale", "deployment/akacert-operator", "--replicas=1"]).await?;
        self.rolled_out().await
    }

    /// Changes flags of the operator, such as `--interval-scale=0.02`, and waits until it runs with them.
    ///
    /// # Errors
    /// The Deployment cannot be changed, or the rollout does not end.
    pub async fn set_operator_flags(&self, flags: &[&str]) -> Result<()> {
        self.change_operator_flags(flags, &[]).await
    }

    /// Removes a flag of the operator, and waits until it runs without it.
    ///
    /// # Errors
    /// The Deployment cannot be changed, or the rollout does not end.
    pub async fn remove_operator_flag(&self, flag: &str) -> Result<()> {
        self.change_operator_flags(&[], &[flag]).await
    }

    async fn change_operator_flags(&self, flags: &[&str], removed: &[&str]) -> Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.client(), NAMESPACE);
        let pointer = "/spec/template/spec/containers/0/args";
        let mut deployment = serde_json::to_value(api.get("akacert-operator").await?)?;
        let mut arguments: Vec<String> =
            serde_json::from_value(deployment.pointer_mut(pointer).context("no arguments")?.take())?;
        arguments.retain(|argument| !removed.contains(&argument.as_str()));
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
    /// They are not ready within a minute.
    pub async fn rolled_out(&self) -> Result<()> {
        for deployment in ["deployment/akacert-operator", "deployment/akacert-solver"] {
            self.kubectl(&["-n", NAMESPACE, "rollout", "status", deployment, "--timeout=60s"]).await?;
        }
        Ok(())
    }
}

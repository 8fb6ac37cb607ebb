//! Prometheus, and the CRDs of the Prometheus operator that the project's manifests need.

use std::fs;
use std::path::Path;

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;
use tokio::process::Command;

use crate::bed::TestBed;
use crate::install::NAMESPACE;
use crate::network::HOST;
use crate::process::Process;

/// The URL of Prometheus.
pub const PROMETHEUS: &str = "http://10.77.0.1:9090";

impl TestBed {
    /// Installs the CRDs of the Prometheus operator that the project's manifests use.
    ///
    /// # Errors
    /// The API server refuses them.
    pub async fn install_monitoring_crds(&self) -> Result<()> {
        for file in ["podmonitors.yaml", "prometheusrules.yaml"] {
            let file = self.program(file)?.to_string_lossy();
            self.kubectl(&["apply", "--server-side", "-f", &file]).await?;
        }
        for crd in ["podmonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com"] {
            self.kubectl(&["wait", "--for=condition=Established", "crd", crd, "--timeout=30s"]).await?;
        }
        Ok(())
    }

    /// Starts a Prometheus that scrapes the current pods of operator and solver, and evaluates alert rules. It
    /// scrapes each second, as a PodMonitor with `honorLabels` would have it do.
    ///
    /// # Errors
    /// It does not start.
    pub async fn prometheus(&self, rules: &Path) -> Result<Process> {
        let pods: Api<Pod> = Api::namespaced(self.client(), NAMESPACE);
        let ours = ListParams::default().labels("app.kubernetes.io/name=akacert");
        let targets: Vec<_> = pods
            .list(&ours)
            .await?
            .into_iter()
            .filter_map(|pod| {
                let address = format!("{}:8081", pod.status.as_ref()?.pod_ip.as_ref()?);
                Some(json!({"targets": [address], "labels": {"pod": pod.name_any(), "namespace": NAMESPACE}}))
            })
            .collect();
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "akacert", "honor_labels": true, "static_configs": targets}],
        });
        let file = self.work().join("prometheus.json");
        // JSON is YAML.
        fs::write(&file, serde_json::to_vec(&config)?)?;
        let mut command = Command::new(self.program("prometheus")?);
        command.args([
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", self.work().join("prometheus").display()),
            format!("--web.listen-address={HOST}:9090"),
        ]);
        let mut prometheus = Process::start("prometheus", &self.work().join("logs"), command)?;
        prometheus.until_listening(&format!("{HOST}:9090")).await?;
        Ok(prometheus)
    }
}

//! The test bed as a whole: everything started in its order, and what tests ask it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::control_plane::{self, ControlPlane};
use crate::kubelet::Kubelet;
use crate::network::{self, CPS};
use crate::pki::Authority;
use crate::process::Process;
use crate::programs::{self, Programs};
use crate::records::{self, Access, Request};
use crate::services::{self, SimulatorOptions};
use crate::{dns, gateway};

/// How the test bed runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The CPS simulator.
    pub simulator: SimulatorOptions,
    /// How long the ingress controller gathers changes before it applies them.
    pub ingress_throttle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { simulator: SimulatorOptions::default(), ingress_throttle: Duration::from_millis(100) }
    }
}

/// A running test bed. Everything ends when it is dropped.
pub struct TestBed {
    work: PathBuf,
    programs: Programs,
    authority: Authority,
    control_plane: ControlPlane,
    client: Client,
    access_log: PathBuf,
    simulator: Option<Process>,
    /// For operators outside the cluster, once there was one.
    pub(crate) operator_kubeconfig: Mutex<Option<PathBuf>>,
    _kubelet: Kubelet,
    _others: [Process; 4],
}

impl TestBed {
    /// Starts everything. To be called inside the namespaces ([`crate::enter`]).
    ///
    /// # Errors
    /// A part does not start; the error names its log.
    pub async fn start(options: &Options) -> Result<Self> {
        let programs = Programs::find_or_build()?;
        let work = std::env::temp_dir().join(format!("akacert-testbed-{}", unique()?));
        for directory in ["logs", "pods"] {
            tokio::fs::create_dir_all(work.join(directory)).await?;
        }
        network::set_up(&work).await?;
        let authority = Authority::new(&work)?;
        let ((control_plane, ingress, access_log), [others, named], (acme, simulator)) = tokio::try_join!(
            async {
                let control_plane = ControlPlane::start(&work, &programs, &authority).await?;
                let kubeconfig = &control_plane.kubeconfig;
                gateway::install_crds(&work, &programs, kubeconfig).await?;
                let (ingress, access_log) =
                    services::ingress(&work, &programs, kubeconfig, options.ingress_throttle).await?;
                Ok((control_plane, ingress, access_log))
            },
            dns::start(&work, &programs),
            async {
                let acme = services::acme(&work, &programs, &authority).await?;
                Ok((acme, services::simulator(&work, &authority, &options.simulator).await?))
            }
        )?;
        let client = control_plane::client(&control_plane.kubeconfig).await?;
        let mut images = HashMap::new();
        images.insert("ghcr.io/akacert/akacert".to_owned(), programs::own("akacert")?);
        let kubelet = Kubelet::start(client.clone(), &work, authority.pem(), images).await?;
        let bed = Self {
            work,
            programs,
            authority,
            control_plane,
            client,
            access_log,
            simulator: Some(simulator),
            operator_kubeconfig: Mutex::default(),
            _kubelet: kubelet,
            _others: [others, named, acme, ingress],
        };
        // Pebble's, and the simulator's for the enrollments that it makes by itself.
        let simulators = bed.control("GET", "/root", None).await?;
        let roots = [bed.acme_root().await?, simulators.as_str().unwrap_or_default().to_owned()].concat();
        std::fs::write(bed.trusted_roots(), roots)?;
        bed.apply(&[INGRESS_CLASS, gateway::MANIFEST].join("---\n")).await?;
        Ok(bed)
    }

    /// An administrator's client.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Where logs and files are; they go with the test bed.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// An administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.control_plane.kubeconfig
    }

    /// The directory with kubectl.
    ///
    /// # Errors
    /// It is nowhere.
    pub fn kubectl_directory(&self) -> Result<&Path> {
        self.programs.path("kubectl")?.parent().context("kubectl is in no directory")
    }

    /// What a shell of a user needs: kubectl, helm and this workspace's programs on `PATH`, and a kubeconfig of an
    /// administrator in a namespace.
    ///
    /// # Errors
    /// A program is nowhere, or the kubeconfig cannot be written.
    pub async fn shell_environment(&self, namespace: &str) -> Result<[(&'static str, OsString); 2]> {
        let kubeconfig = self.work.join(format!("{namespace}.kubeconfig"));
        std::fs::copy(self.kubeconfig(), &kubeconfig)?;
        let arguments = ["config", "set-context", "--current", "--namespace", namespace];
        let mut command = Command::new(self.programs.path("kubectl")?);
        let output = command.args(arguments).env("KUBECONFIG", &kubeconfig).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let own = programs::own("akacert")?;
        let programs = [self.programs.path("kubectl")?, self.programs.path("helm")?, &own];
        let directories = programs.into_iter().filter_map(Path::parent).map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(directories.chain(std::env::split_paths(&path)))?;
        Ok([("KUBECONFIG", kubeconfig.into()), ("PATH", path)])
    }

    /// The certificate of the authority that signed the test bed's servers, PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        self.authority.pem()
    }

    /// A file with the roots of all authorities, PEM.
    #[must_use]
    pub fn trusted_roots(&self) -> PathBuf {
        self.work.join("roots.pem")
    }

    /// The root that the ACME authority issues under, PEM.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn acme_root(&self) -> Result<String> {
        services::acme_root(&self.authority).await
    }

    /// Installs the CRDs of the Prometheus operator that the project's manifests use.
    ///
    /// # Errors
    /// The API server refuses them.
    pub async fn install_monitoring_crds(&self) -> Result<()> {
        for file in ["podmonitors.yaml", "prometheusrules.yaml"] {
            let file = self.programs.path(file)?.to_string_lossy();
            self.kubectl(&["apply", "--server-side", "-f", &file]).await?;
        }
        for crd in ["podmonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com"] {
            self.kubectl(&["wait", "--for=condition=Established", "crd", crd, "--timeout=30s"]).await?;
        }
        Ok(())
    }

    /// Runs kubectl; answers what it printed.
    ///
    /// # Errors
    /// It failed; the error has what it said.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl_command()?.args(arguments).output().await?;
        if !output.status.success() {
            bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// `kubectl apply` of a manifest, as a user would.
    ///
    /// # Errors
    /// The API server refused it; the error has its words.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        use tokio::io::AsyncWriteExt;
        let mut child = self
            .kubectl_command()?
            .args(["apply", "-f", "-"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        input.write_all(manifest.as_bytes()).await?;
        drop(input);
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn kubectl_command(&self) -> Result<Command> {
        let mut command = Command::new(self.programs.path("kubectl")?);
        command.env("KUBECONFIG", self.kubeconfig()).env("HOME", &self.work);
        Ok(command)
    }

    /// Runs Helm; answers what it printed.
    ///
    /// # Errors
    /// It failed; the error has what it said.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.programs.path("helm")?);
        command.env("KUBECONFIG", self.kubeconfig()).env("HOME", &self.work).args(arguments);
        let output = command.output().await?;
        if !output.status.success() {
            bail!("helm {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a Prometheus that scrapes operator and solver as they run now, and evaluates alert rules.
    ///
    /// # Errors
    /// It does not start.
    pub async fn prometheus(&self, rules: &Path) -> Result<Process> {
        let pods: Api<Pod> = Api::namespaced(self.client(), crate::NAMESPACE);
        let ours = ListParams::default().labels("app.kubernetes.io/name=akacert");
        let pods: Vec<_> = pods
            .list(&ours)
            .await?
            .into_iter()
            .filter_map(|pod| {
                let address = pod.status.as_ref()?.pod_ip.clone()?;
                Some((pod.name_any(), format!("{address}:8081")))
            })
            .collect();
        services::prometheus(&self.work, &self.programs, &pods, rules).await
    }

    /// Starts external-dns, which publishes the TXT records of DNSEndpoint objects below
    /// [`EXTERNAL_DNS_DOMAIN`](crate::EXTERNAL_DNS_DOMAIN).
    ///
    /// # Errors
    /// It does not start.
    pub async fn external_dns(&self) -> Result<Process> {
        services::external_dns(&self.work, &self.programs, self.kubeconfig()).await
    }

    /// What came to the ingress controller.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn access_log(&self) -> Result<Vec<Access>> {
        records::access_log(&self.access_log)
    }

    /// What service accounts asked of the API server.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn audit_log(&self) -> Result<Vec<Request>> {
        records::audit_log(&self.control_plane.audit_log)
    }

    /// Ends the CPS simulator and starts one with other options, that goes on with its enrollments.
    ///
    /// # Errors
    /// It does not start.
    pub async fn restart_simulator(&mut self, options: &SimulatorOptions) -> Result<()> {
        let memory = self.control("GET", "/dump", None).await?;
        if let Some(simulator) = self.simulator.take() {
            simulator.stop().await?;
        }
        self.simulator = Some(services::simulator(&self.work, &self.authority, options).await?);
        self.control("PUT", "/dump", Some(memory)).await?;
        Ok(())
    }

    /// A request to the CPS simulator's control endpoint.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = reqwest::Client::new().request(method.parse()?, format!("http://{CPS}:8080{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{method} {path} of the simulator: {status} {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// What the pods of a Deployment wrote, newest pod last.
    ///
    /// # Errors
    /// The logs cannot be read.
    pub fn pod_logs(&self, deployment: &str) -> Result<String> {
        let mut logs: Vec<_> = std::fs::read_dir(self.work.join("logs"))?.filter_map(Result::ok).collect();
        logs.retain(|entry| entry.file_name().to_string_lossy().starts_with(&format!("pod-{deployment}-")));
        logs.sort_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok());
        logs.iter()
            .map(|entry| Ok(String::from_utf8_lossy(&std::fs::read(entry.path())?).into_owned()))
            .collect()
    }
}

impl Drop for TestBed {
    fn drop(&mut self) {
        // Kept on demand, to look at the logs of a failure.
        if std::env::var_os("AKACERT_TESTBED_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.work);
        } else {
            eprintln!("the test bed's files are kept in {}", self.work.display());
        }
    }
}

const INGRESS_CLASS: &str = "apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: traefik
spec:
  controller: traefik.io/ingress-controller
";

/// The process ID is always 2 or so in here; the clock is not.
fn unique() -> Result<u128> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos())
}

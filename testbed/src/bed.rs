//! The test bed as a whole: starts everything in order, and offers tests what they need.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::Client;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::control_plane::{self, ControlPlane};
use crate::kubelet::Kubelet;
use crate::network::{self, AUTHORITY, CPS, HOST};
use crate::pki::Authority;
use crate::process::Process;
use crate::programs::{self, Parts, Programs};
use crate::records::{self, Access, Request};
use crate::services::{self, SimulatorOptions};
use crate::{bind, challtestsrv, gateway, namespace};

/// The settings of a test bed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The parts to start.
    pub parts: Parts,
    /// The settings of the CPS simulator.
    pub simulator: SimulatorOptions,
    /// How long the ingress controller gathers changes before it applies them.
    pub ingress_throttle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parts: Parts::All,
            simulator: SimulatorOptions::default(),
            ingress_throttle: Duration::from_millis(100),
        }
    }
}

/// A running test bed. Everything in it ends when it is dropped.
pub struct TestBed {
    work: PathBuf,
    parts: Parts,
    programs: Programs,
    authority: Authority,
    control_plane: ControlPlane,
    client: Client,
    access_log: PathBuf,
    simulator: Option<Process>,
    /// For operators outside the cluster, once a test has started one.
    pub(crate) operator_kubeconfig: Mutex<Option<PathBuf>>,
    _kubelet: Kubelet,
    _others: Vec<Process>,
}

impl TestBed {
    /// Starts everything. This works only inside the namespaces ([`crate::enter`]).
    ///
    /// # Errors
    /// A part does not start; the error has its output.
    pub async fn start(options: &Options) -> Result<Self> {
        let parts = options.parts;
        let programs = Programs::find(parts)?;
        let files = namespace::files().context("a test bed starts inside its namespaces only")?;
        let work = files.join(format!("bed-{}", unique()?));
        for directory in ["logs", "pods"] {
            tokio::fs::create_dir_all(work.join(directory)).await?;
        }
        network::set_up(&work).await?;
        let authority = Authority::new(&work)?;
        let ((control_plane, ingress, access_log), mut others, (acme, simulator)) = tokio::try_join!(
            async {
                let control_plane = ControlPlane::start(&work, &programs, &authority).await?;
                let kubeconfig = &control_plane.kubeconfig;
                gateway::install_crds(&work, &programs, parts, kubeconfig).await?;
                let (ingress, access_log) =
                    services::ingress(&work, &programs, kubeconfig, options.ingress_throttle).await?;
                Ok((control_plane, ingress, access_log))
            },
            name_servers(&work, &programs, parts),
            async {
                let acme = services::acme(&work, &programs, &authority).await?;
                let simulator = services::simulator(&work, &authority, parts, &options.simulator).await?;
                Ok((acme, simulator))
            }
        )?;
        others.extend([acme, ingress]);
        let client = control_plane::client(&control_plane.kubeconfig).await?;
        let mut images = HashMap::new();
        images.insert("ghcr.io/akacert/akacert".to_owned(), programs::own("akacert")?);
        let kubelet = Kubelet::start(client.clone(), &work, authority.pem(), images).await?;
        let bed = Self {
            work,
            parts,
            programs,
            authority,
            control_plane,
            client,
            access_log,
            simulator: Some(simulator),
            operator_kubeconfig: Mutex::default(),
            _kubelet: kubelet,
            _others: others,
        };
        // Pebble's, and the simulator's own for the enrollments that it creates by itself.
        let simulators = bed.control("GET", "/root", None).await?;
        let roots = [bed.acme_root().await?, simulators.as_str().unwrap_or_default().to_owned()].concat();
        std::fs::write(bed.trusted_roots(), roots)?;
        bed.apply(&[INGRESS_CLASS, gateway::MANIFEST].join("---\n")).await?;
        Ok(bed)
    }

    /// A client with the rights of an administrator.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The directory with logs and files. It disappears with the test bed.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// A kubeconfig with the rights of an administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.control_plane.kubeconfig
    }

    /// The path of a program.
    pub(crate) fn program(&self, program: &str) -> Result<&Path> {
        self.programs.path(program)
    }

    /// The directory with kubectl.
    ///
    /// # Errors
    /// The test bed has no kubectl.
    pub fn kubectl_directory(&self) -> Result<&Path> {
        self.programs.path("kubectl")?.parent().context("kubectl is in no directory")
    }

    /// The environment of a user's shell: kubectl, helm and this workspace's programs are on `PATH`, and the kubeconfig is
    /// that of an administrator in a namespace.
    ///
    /// # Errors
    /// A program is missing, or the kubeconfig cannot be written.
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

    /// The certificate of the authority that signed the test bed's servers, as PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        self.authority.pem()
    }

    /// A file with the roots of all authorities, as PEM.
    #[must_use]
    pub fn trusted_roots(&self) -> PathBuf {
        self.work.join("roots.pem")
    }

    /// The root certificate of the ACME authority, as PEM.
    ///
    /// # Errors
    /// The authority does not answer.
    pub async fn acme_root(&self) -> Result<String> {
        services::acme_root(&self.authority).await
    }

    /// Runs kubectl, and returns its output.
    ///
    /// # Errors
    /// kubectl failed; the error has its output.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl_command()?.args(arguments).output().await?;
        if !output.status.success() {
            bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs `kubectl apply` with a manifest, and returns its output.
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

    /// Runs Helm, and returns its output.
    ///
    /// # Errors
    /// Helm failed; the error has its output.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.programs.path("helm")?);
        command.env("KUBECONFIG", self.kubeconfig()).env("HOME", &self.work).args(arguments);
        let output = command.output().await?;
        if !output.status.success() {
            bail!("helm {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The requests that reached the ingress controller.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn access_log(&self) -> Result<Vec<Access>> {
        records::access_log(&self.access_log)
    }

    /// The requests that service accounts made to the API server.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn audit_log(&self) -> Result<Vec<Request>> {
        self.audit_log_from(0)
    }

    /// As [`TestBed::audit_log`], without its first bytes: after many tests it takes seconds to read all of it.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn audit_log_from(&self, byte: u64) -> Result<Vec<Request>> {
        records::audit_log(&self.control_plane.audit_log, byte)
    }

    /// How long the audit log is by now, in bytes.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn audit_log_length(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.control_plane.audit_log)?.len())
    }

    /// Replaces the CPS simulator by one with other options, which continues with the same enrollments.
    ///
    /// # Errors
    /// It does not start.
    pub async fn restart_simulator(&mut self, options: &SimulatorOptions) -> Result<()> {
        let memory = self.control("GET", "/dump", None).await?;
        if let Some(simulator) = self.simulator.take() {
            simulator.stop().await?;
        }
        self.simulator = Some(services::simulator(&self.work, &self.authority, self.parts, options).await?);
        self.control("PUT", "/dump", Some(memory)).await?;
        Ok(())
    }

    /// Sends a request to the control endpoint of the CPS simulator, and returns the answer.
    ///
    /// # Errors
    /// It does not answer, or refuses the request.
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

    /// The output of all pods of a Deployment, the newest pod last.
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

/// Starts the DNS. Every name leads to the ingress controller, unless BIND or a test sets another address.
async fn name_servers(work: &Path, programs: &Programs, parts: Parts) -> Result<Vec<Process>> {
    match parts {
        Parts::Demo => Ok(vec![challtestsrv::start(work, programs, &[(HOST, 53), (AUTHORITY, 53)]).await?]),
        Parts::All => {
            let behind = [challtestsrv::BEHIND_BIND];
            let (others, named) =
                tokio::try_join!(challtestsrv::start(work, programs, &behind), bind::start(work))?;
            Ok(vec![others, named])
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

/// Distinguishes several test beds of one process.
fn unique() -> Result<u128> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos())
}

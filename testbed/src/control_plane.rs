//! etcd, kube-apiserver and kube-controller-manager, unmodified, with RBAC enforced and an audit log.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::process::Command;

use crate::network::HOST;
use crate::pki::{self, Authority};
use crate::process::Process;
use crate::programs::Programs;

const ADMIN_TOKEN: &str = "testbed-admin";
const CONTROLLER_MANAGER_TOKEN: &str = "testbed-controller-manager";

/// Tests read only the requests of service accounts.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    userGroups: [system:serviceaccounts]
  - level: None
";

/// The running control plane.
pub struct ControlPlane {
    _etcd: Process,
    _api_server: Process,
    _controller_manager: Process,
    /// A kubeconfig with the rights of an administrator.
    pub kubeconfig: PathBuf,
    /// The API server's audit log, with a JSON object in each line.
    pub audit_log: PathBuf,
}

impl ControlPlane {
    /// Starts the control plane, and waits until it is ready.
    ///
    /// # Errors
    /// A part does not start.
    pub async fn start(work: &Path, programs: &Programs, authority: &Authority) -> Result<Self> {
        let logs = work.join("logs");
        let mut etcd = Command::new(programs.path("etcd")?);
        etcd.arg("--unsafe-no-fsync").arg("--data-dir").arg(work.join("etcd")).args([
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--log-level=warn",
        ]);
        let mut etcd = Process::start("etcd", &logs, etcd)?;
        etcd.until_listening("127.0.0.1:2379").await?;

        let audit_log = work.join("logs/audit.json");
        let mut api_server = api_server(work, programs, authority, &audit_log)?;
        let kubeconfig = kubeconfig(work, "admin", ADMIN_TOKEN)?;
        let client = client(&kubeconfig).await?;
        api_server
            .until("ready", || async {
                let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return false };
                client.request_text(request).await.is_ok_and(|answer| answer == "ok")
            })
            .await?;
        let controller_manager = controller_manager(work, programs, authority)?;
        Ok(Self {
            _etcd: etcd,
            _api_server: api_server,
            _controller_manager: controller_manager,
            kubeconfig,
            audit_log,
        })
    }
}

fn api_server(work: &Path, programs: &Programs, authority: &Authority, audit_log: &Path) -> Result<Process> {
    let (certificate, key) =
        authority.server("kube-apiserver", &[HOST, "127.0.0.1", "kubernetes.default.svc"])?;
    let (signing_key, public_key) = pki::key_pair(work, "service-accounts")?;
    let (tokens, policy) = (work.join("tokens.csv"), work.join("audit-policy.yaml"));
    fs::write(
        &tokens,
        format!(
            "{ADMIN_TOKEN},admin,admin,system:masters\n\
             {CONTROLLER_MANAGER_TOKEN},system:kube-controller-manager,kcm,system:masters\n"
        ),
    )?;
    fs::write(&policy, AUDIT_POLICY)?;
    let mut command = Command::new(programs.path("kube-apiserver")?);
    let mut flag = |name: &str, value: &Path| {
        command.arg(format!("--{name}={}", value.display()));
    };
    flag("tls-cert-file", &certificate);
    flag("tls-private-key-file", &key);
    flag("token-auth-file", &tokens);
    flag("service-account-key-file", &public_key);
    flag("service-account-signing-key-file", &signing_key);
    flag("audit-policy-file", &policy);
    flag("audit-log-path", audit_log);
    command.arg(format!("--advertise-address={HOST}")).args([
        "--etcd-servers=http://127.0.0.1:2379",
        "--secure-port=6443",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--audit-log-mode=blocking",
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        "--v=1",
    ]);
    Process::start("kube-apiserver", &work.join("logs"), command)
}

fn controller_manager(work: &Path, programs: &Programs, authority: &Authority) -> Result<Process> {
    let kubeconfig = kubeconfig(work, "controller-manager", CONTROLLER_MANAGER_TOKEN)?;
    let mut command = Command::new(programs.path("kube-controller-manager")?);
    command
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--service-account-private-key-file={}", work.join("service-accounts.key").display()))
        .arg(format!("--root-ca-file={}", authority.file().display()))
        // The node is a stand-in that sends no heartbeats.
        .arg("--controllers=*,-node-lifecycle-controller,-taint-eviction-controller")
        .args(["--leader-elect=false", "--bind-address=127.0.0.1", "--v=1"]);
    Process::start("kube-controller-manager", &work.join("logs"), command)
}

/// A kubeconfig with a token.
pub fn kubeconfig(work: &Path, name: &str, token: &str) -> Result<PathBuf> {
    let path = work.join(format!("{name}.kubeconfig"));
    let content = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "testbed",
        "clusters": [{"name": "testbed", "cluster": {
            "server": format!("https://{HOST}:6443"), "certificate-authority": work.join("ca.pem"),
        }}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": name}}],
    });
    fs::write(&path, serde_json::to_vec_pretty(&content)?)?;
    Ok(path)
}

/// A client for a kubeconfig.
///
/// # Errors
/// The file cannot be used.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let config = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
    Client::try_from(config).context("cannot make a Kubernetes client")
}

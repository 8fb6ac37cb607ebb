//! Runs one pod: runs the process in its own network and mount namespace, restarts it when it ends, and reports its
//! status.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Setup, bind, probe::Prober, volumes};
use crate::network::{self, HOST};

/// Waits for the network, mounts the volumes, and becomes the program, inside an unpacked image if there is one.
const LAUNCH: &str = "read -r _; root=$1; shift
mkdir -p \"$root/run\" && mount -t tmpfs tmpfs \"$root/run\" || exit 1
while [ \"$1\" != -- ]; do mkdir -p \"$root$1\" && mount --bind \"$2\" \"$root$1\" || exit 1; shift 2; done
shift; [ -n \"$root\" ] || exec \"$@\"
for place in dev proc; do mkdir -p \"$root/$place\" && mount --rbind \"/$place\" \"$root/$place\" || exit 1; done
mkdir -p \"$root/var\" && ln -sfn /run \"$root/var/run\"
touch \"$root/etc/resolv.conf\" && mount --bind /etc/resolv.conf \"$root/etc/resolv.conf\" || exit 1
exec chroot \"$root\" \"$@\"";

/// The time between the end of a process and its restart.
const RESTART: Duration = Duration::from_millis(200);
/// The interval between two checks of the probes.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a pod until it is deleted.
pub(crate) async fn run(
    setup: &Setup,
    pod: Pod,
    address: &str,
    mut changes: UnboundedReceiver<Pod>,
) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(setup.client.clone(), &pod.namespace().unwrap_or_default());
    if pod.metadata.deletion_timestamp.is_some() {
        return remove(&pods, &pod).await;
    }
    if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none()) {
        bind(&pods, &pod).await?;
    }
    let container = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.containers.first())
        .context("a pod without a container")?
        .clone();
    let mut status =
        Status { pods: &pods, pod: &pod, container: &container, address, restarts: 0, ready: false };
    loop {
        let mut process = start(setup, &pod, &container, address).await?;
        let mut prober = Prober::new(&container, address);
        status.report(true).await?;
        let ended = loop {
            tokio::select! {
                exit = process.wait() => {
                    exit?;
                    break true;
                }
                change = changes.recv() => {
                    if change.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some()) {
                        break false;
                    }
                }
                () = tokio::time::sleep(LOOK) => {
                    if prober.is_dead().await {
                        process.start_kill()?;
                    }
                    if let Some(ready) = prober.readiness_change().await {
                        status.ready = ready;
                        status.report(true).await?;
                    }
                }
            }
        };
        if !ended {
            stop(&mut process, &pod).await?;
            return remove(&pods, &pod).await;
        }
        status.ready = false;
        status.restarts += 1;
        status.report(false).await?;
        tokio::time::sleep(RESTART).await;
        while let Ok(change) = changes.try_recv() {
            if change.metadata.deletion_timestamp.is_some() {
                return remove(&pods, &pod).await;
            }
        }
    }
}

async fn start(setup: &Setup, pod: &Pod, container: &Container, address: &str) -> Result<Child> {
    let image = container.image.clone().unwrap_or_default();
    let repository = image.split('@').next().unwrap_or_default();
    let repository = repository.rsplit_once(':').map_or(repository, |(name, _)| name);
    let program =
        setup.images.get(repository).with_context(|| format!("image {image} is mapped to no program"))?;
    let (root, program) = match std::env::var_os("AKACERT_IMAGE_ROOT") {
        Some(root) => (root, PathBuf::from("/akacert")),
        None => (OsString::new(), program.clone()),
    };
    let mounts = volumes::prepare(setup, pod, container).await?;
    let log = log_file(setup, pod)?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--", "sh", "-c", LAUNCH, "pod"]).arg(root);
    for (path, source) in mounts {
        command.arg(path).arg(source);
    }
    command
        .arg("--")
        .arg(program)
        .args(container.command.iter().flatten().skip(1))
        .args(container.args.iter().flatten());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("KUBERNETES_SERVICE_HOST", HOST).env("KUBERNETES_SERVICE_PORT", "6443");
    for variable in container.env.iter().flatten() {
        command.env(&variable.name, value(pod, variable, address));
    }
    let mut process =
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true).spawn()?;
    let pid = process.id().context("the process ended at once")?;
    separated(pid).await?;
    network::connect(pid, address).await?;
    let mut go = process.stdin.take().context("no standard input")?;
    go.write_all(b"\n").await?;
    Ok(process)
}

/// Waits until a process is in its own network namespace.
async fn separated(pid: u32) -> Result<()> {
    let own = tokio::fs::read_link("/proc/self/ns/net").await?;
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match tokio::fs::read_link(format!("/proc/{pid}/ns/net")).await {
                Ok(theirs) if theirs != own => return Ok(()),
                Ok(_) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(error) => return Err(error.into()),
            }
        }
    })
    .await?
}

fn log_file(setup: &Setup, pod: &Pod) -> Result<File> {
    let path: PathBuf = setup.work.join("logs").join(format!("pod-{}.log", pod.name_any()));
    Ok(File::options().create(true).append(true).open(path)?)
}

fn value(pod: &Pod, variable: &k8s_openapi::api::core::v1::EnvVar, address: &str) -> String {
    let field = variable
        .value_from
        .as_ref()
        .and_then(|from| from.field_ref.as_ref())
        .map(|field| field.field_path.as_str());
    match field {
        Some("metadata.name") => pod.name_any(),
        Some("metadata.namespace") => pod.namespace().unwrap_or_default(),
        Some("status.podIP") => address.to_owned(),
        _ => variable.value.clone().unwrap_or_default(),
    }
}

/// Sends SIGTERM, waits for the pod's grace period, and sends SIGKILL.
async fn stop(process: &mut Child, pod: &Pod) -> Result<()> {
    let grace = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30);
    if let Some(pid) = process.id() {
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
    }
    let grace = Duration::from_secs(grace.unsigned_abs());
    if tokio::time::timeout(grace, process.wait()).await.is_err() {
        process.kill().await?;
    }
    Ok(())
}

async fn remove(pods: &Api<Pod>, pod: &Pod) -> Result<()> {
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    match pods.delete(&pod.name_any(), &at_once).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

struct Status<'a> {
    pods: &'a Api<Pod>,
    pod: &'a Pod,
    container: &'a Container,
    address: &'a str,
    restarts: i32,
    ready: bool,
}

impl Status<'_> {
    async fn report(&self, running: bool) -> Result<()> {
        let now = Timestamp::now();
        let yes = |condition: bool| if condition { "True" } else { "False" };
        let conditions: Vec<Value> = [
            ("PodScheduled", true),
            ("Initialized", true),
            ("ContainersReady", self.ready),
            ("Ready", self.ready),
        ]
        .iter()
        .map(|(kind, holds)| json!({"type": kind, "status": yes(*holds), "lastTransitionTime": now}))
        .collect();
        let state = match running {
            true => json!({"running": {"startedAt": now}}),
            false => json!({"waiting": {"reason": "Restarting"}}),
        };
        let status = json!({"status": {
            "phase": "Running", "hostIP": HOST, "podIP": self.address, "podIPs": [{"ip": self.address}],
            "startTime": now, "conditions": conditions,
            "containerStatuses": [{
                "name": self.container.name, "image": self.container.image, "imageID": "", "ready": self.ready,
                "started": running, "restartCount": self.restarts, "state": state,
            }],
        }});
        match self
            .pods
            .patch_status(&self.pod.name_any(), &PatchParams::default(), &Patch::Merge(status))
            .await
        {
            // The pod was deleted meanwhile, and its task gets the event.
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }
}

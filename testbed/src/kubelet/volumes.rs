//! The files that a pod finds: the ServiceAccount's token, ConfigMaps and Secrets. They are below `/run`, the only
//! directory that an unprivileged mount namespace can set up anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Secret};
use kube::api::Api;
use kube::{Client, ResourceExt};

use super::Setup;

const SERVICE_ACCOUNT: &str = "/run/secrets/kubernetes.io/serviceaccount";

/// Writes the files of a pod. Returns the path in the pod and the source directory for each mount.
pub(super) async fn prepare(
    setup: &Setup,
    pod: &Pod,
    container: &Container,
) -> Result<Vec<(String, PathBuf)>> {
    let namespace = pod.namespace().unwrap_or_default();
    let base = setup.work.join("pods").join(pod.uid().unwrap_or_default());
    let mut files = BTreeMap::new();
    files.insert("token".to_owned(), token(&setup.client, pod).await?.into_bytes());
    files.insert("ca.crt".to_owned(), setup.ca.clone().into_bytes());
    files.insert("namespace".to_owned(), namespace.clone().into_bytes());
    let account = base.join("serviceaccount");
    write(&account, &files).await?;
    let mut mounts = vec![(SERVICE_ACCOUNT.to_owned(), account)];

    for mount in container.volume_mounts.iter().flatten() {
        let path = mount.mount_path.replacen("/var/run/", "/run/", 1);
        if path == SERVICE_ACCOUNT {
            continue;
        }
        ensure!(
            path.starts_with("/run/"),
            "the stand-in for kubelet mounts volumes below /run only, not at {path}"
        );
        let volume = pod
            .spec
            .iter()
            .flat_map(|spec| spec.volumes.iter().flatten())
            .find(|volume| volume.name == mount.name);
        let volume = volume.with_context(|| format!("no volume {}", mount.name))?;
        let files = if let Some(source) = &volume.config_map {
            let api: Api<ConfigMap> = Api::namespaced(setup.client.clone(), &namespace);
            let data = api.get(&source.name).await?.data.unwrap_or_default();
            data.into_iter().map(|(key, value)| (key, value.into_bytes())).collect()
        } else if let Some(name) = volume.secret.as_ref().and_then(|secret| secret.secret_name.as_ref()) {
            let api: Api<Secret> = Api::namespaced(setup.client.clone(), &namespace);
            let data = api.get(name).await?.data.unwrap_or_default();
            data.into_iter().map(|(key, value)| (key, value.0)).collect()
        } else {
            BTreeMap::new()
        };
        let source = base.join(&mount.name);
        write(&source, &files).await?;
        mounts.push((path, source));
    }
    Ok(mounts)
}

async fn write(directory: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    tokio::fs::create_dir_all(directory).await?;
    for (name, content) in files {
        tokio::fs::write(directory.join(name), content).await?;
    }
    Ok(())
}

/// A token of the pod's ServiceAccount.
async fn token(client: &Client, pod: &Pod) -> Result<String> {
    use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
    use k8s_openapi::api::core::v1::ServiceAccount;
    let account = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.service_account_name.clone())
        .unwrap_or_else(|| "default".into());
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let request = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(86_400), ..TokenRequestSpec::default() },
        ..TokenRequest::default()
    };
    let answer = api.create_token_request(&account, &kube::api::PostParams::default(), &request).await?;
    Ok(answer.status.context("no token in the answer")?.token)
}

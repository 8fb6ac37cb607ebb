//! The Gateway API: its CRDs, a GatewayClass of Traefik, and two Gateways on the ingress controller's port.

use std::path::Path;

use anyhow::{Result, ensure};
use tokio::process::Command;

use crate::programs::{Parts, Programs};

/// The namespace of the Gateways.
pub const GATEWAYS: &str = "infra";
/// The Gateway whose listener `http` accepts routes from every namespace.
pub const PUBLIC_GATEWAY: &str = "public";
/// The Gateway whose listener `http` accepts only routes from its own namespace.
pub const PRIVATE_GATEWAY: &str = "private";

/// The objects that a platform team sets up.
pub const MANIFEST: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: traefik}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: v1
kind: Namespace
metadata: {name: infra}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: infra}
spec:
  gatewayClassName: traefik
  listeners: [{name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: private, namespace: infra}
spec:
  gatewayClassName: traefik
  listeners: [{name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: Same}}}]
";

/// Installs the CRDs of the Gateway API, which Traefik expects. With all parts, it also installs that of
/// external-dns.
///
/// ⏎ # Errors
/// The API server refuses them.
pub async fn install_crds(work: &Path, programs: &Programs, parts: Parts, kubeconfig: &Path) -> Result<()> {
    let mut files = Vec::new();
    let crds = ["gateway-api.yaml", "dnsendpoints.yaml"];
    for file in crds.into_iter().take(if parts == Parts::All { 2 } else { 1 }) {
        files.extend(["-f".into(), programs.path(file)?.as_os_str().to_owned()]);
    }
    for arguments in
        [&["apply", "--server-side"][..], &["wait", "--for=condition=Established", "--timeout=30s"]]
    {
        let mut command = Command::new(programs.path("kubectl")?);
        command.env("KUBECONFIG", kubeconfig).env("HOME", work).args(arguments).args(&files);
        let output = command.output().await?;
        ensure!(
            output.status.success(),
            "the CRDs cannot be installed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

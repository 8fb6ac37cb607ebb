//! The CRD of Flux's Kustomization, to check manifests for Flux. Flux itself does not run here.

use anyhow::Result;

use crate::TestBed;

impl TestBed {
    /// Installs the CRD.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn install_flux_crd(&self) -> Result<()> {
        let file = self.program("flux-kustomizations.yaml")?.to_string_lossy();
        self.kubectl(&["apply", "--server-side", "-f", &file]).await?;
        let crd = "kustomizations.kustomize.toolkit.fluxcd.io";
        self.kubectl(&["wait", "--for=condition=Established", "crd", crd, "--timeout=30s"]).await?;
        Ok(())
    }
}

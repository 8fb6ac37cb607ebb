//! `akacert export` prints the enrollments of a contract as manifests that observe them, so that a team can bring
//! them under GitOps. Applying the manifests changes nothing in CPS.

use std::path::PathBuf;

use akamai_cps::types::{ContractId, Enrollment, RegistrationAuthority, ValidationType};
use akamai_cps::{Client, Credentials, Priority};
use clap::Args;
use kube::Resource;
use serde_json::{Value, json};

use akacert_api::AkamaiCertificate;
use akacert_api::certificate::AccountKind;
use akacert_core::desired::{self, Found};

/// The enrollments to export, and the settings of the manifests that CPS does not have.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// File with the credentials, in Akamai's `.edgerc` form.
    #[arg(long)]
    edgerc: PathBuf,
    /// Section of that file.
    #[arg(long, default_value = "default")]
    section: String,
    /// The contract, with or without the `ctr_` prefix.
    #[arg(long)]
    contract: String,
    /// Namespace of the manifests.
    #[arg(long)]
    namespace: String,
    /// Name of the account that the manifests refer to.
    #[arg(long)]
    account: String,
    /// Kind of that account.
    #[arg(long, value_parser = ["AkamaiAccount", "ClusterAkamaiAccount"], default_value = "ClusterAkamaiAccount")]
    account_kind: String,
    /// The Ingress class by which the manifests would publish tokens, once they manage.
    #[arg(long)]
    ingress_class: String,
    /// Where CPS is, in place of the host in the credentials: a simulator or a proxy.
    #[arg(long)]
    endpoint: Option<String>,
    /// PEM file with the authority of that endpoint.
    #[arg(long)]
    endpoint_ca_file: Option<PathBuf>,
}

/// Why the export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", .file.display())]
    File {
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file does not contain the credentials.
    #[error(transparent)]
    Credentials(#[from] akamai_cps::edgegrid::CredentialsError),
    /// The client for the endpoint could not be built.
    #[error(transparent)]
    Endpoint(#[from] akamai_cps::BuildError),
    /// CPS refused the request, or did not answer.
    #[error(transparent)]
    Cps(#[from] akamai_cps::Error),
    /// A manifest could not be serialised.
    #[error("a manifest cannot be written: {0}")]
    Yaml(String),
}

/// The manifests as YAML. Comments at the top name what they leave out.
///
/// # Errors
/// [`ExportError`], with what to do.
pub async fn export(settings: &Settings) -> Result<String, ExportError> {
    let text = read(&settings.edgerc)?;
    let credentials = Credentials::from_edgerc(&String::from_utf8_lossy(&text), &settings.section)?;
    let mut client = Client::builder(credentials);
    if let Some(endpoint) = &settings.endpoint {
        client = client.base_url(endpoint);
    }
    if let Some(file) = &settings.endpoint_ca_file {
        client = client.root_certificate_pem(read(file)?);
    }
    let cps = client.build()?.with(Priority::Poll, "export");
    let enrollments = cps.list_enrollments(&ContractId::new(&settings.contract)).await?;
    let (mut left_out, mut documents) = (String::new(), String::new());
    for enrollment in &enrollments {
        let id = enrollment.enrollment_id().map(|id| id.to_string()).unwrap_or_default();
        match manifest(enrollment, settings) {
            Ok(manifest) => {
                let yaml = serde_saphyr::to_string(&manifest)
                    .map_err(|error| ExportError::Yaml(error.to_string()))?;
                documents.push_str("---\n");
                documents.push_str(&yaml);
            }
            Err(why) => {
                left_out.push_str(&format!("# left out: enrollment {id} ({}): {why}\n", enrollment.csr.cn));
            }
        }
    }
    Ok(left_out + &documents)
}

fn read(file: &PathBuf) -> Result<Vec<u8>, ExportError> {
    std::fs::read(file).map_err(|source| ExportError::File { file: file.clone(), source })
}

/// A manifest that observes the enrollment, or the reason why there cannot be one.
fn manifest(enrollment: &Enrollment, settings: &Settings) -> Result<Value, String> {
    let Some(id) = enrollment.enrollment_id() else { return Err("it has no ID".into()) };
    if enrollment.validation_type != ValidationType::Dv || enrollment.ra != RegistrationAuthority::LetsEncrypt
    {
        return Err(format!("validation type {} by {}", enrollment.validation_type, enrollment.ra));
    }
    let names = enrollment.csr.names();
    if names.iter().any(|name| name.contains('*')) {
        return Err("a wildcard name cannot be validated by HTTP-01".into());
    }
    let kind = if settings.account_kind == AccountKind::AkamaiAccount.as_str() {
        AccountKind::AkamaiAccount
    } else {
        AccountKind::ClusterAkamaiAccount
    };
    let mut spec = desired::exported(&Found { contract: Some(&settings.contract), enrollment });
    spec["accountRef"] = json!({"kind": kind, "name": settings.account});
    spec["enrollmentId"] = id.0.into();
    spec["managementPolicy"] = "Observe".into();
    spec["validation"] = json!({"http01": {"ingress": {"className": settings.ingress_class}}});
    Ok(json!({
        "apiVersion": AkamaiCertificate::api_version(&()),
        "kind": AkamaiCertificate::kind(&()),
        "metadata": {"name": spec["commonName"], "namespace": settings.namespace},
        "spec": spec,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use akacert_core::life::fixtures;

    fn settings() -> Settings {
        Settings {
            edgerc: "edgerc".into(),
            section: "default".into(),
            contract: "ctr_1-1TJZH5".into(),
            namespace: "shop".into(),
            account: "production".into(),
            account_kind: "ClusterAkamaiAccount".into(),
            ingress_class: "nginx".into(),
            endpoint: None,
            endpoint_ca_file: None,
        }
    }

    #[test]
    fn a_manifest_observes_the_enrollment_and_says_what_cps_has() {
        let found = fixtures::enrollment(10002, &["www.example.com", "api.example.com"]);
        let manifest = manifest(&found, &settings()).unwrap();
        let expected = json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiCertificate",
            "metadata": {"name": "www.example.com", "namespace": "shop"},
            "spec": {
                "accountRef": {"kind": "ClusterAkamaiAccount", "name": "production"},
                "contractId": "1-1TJZH5",
                "enrollmentId": 10002,
                "managementPolicy": "Observe",
                "commonName": "www.example.com",
                "dnsNames": ["api.example.com"],
                "network": {"secureNetwork": "StandardTLS", "geography": "Core", "sniOnly": true, "quicEnabled": false},
                "changeManagement": false,
                "validation": {"http01": {"ingress": {"className": "nginx"}}},
            },
        });
        assert_eq!(manifest, expected);
        let certificate: AkamaiCertificate = serde_json::from_value(manifest).unwrap();
        let differences = desired::differences(&certificate.spec, Some("1-1TJZH5"), &found);
        assert!(differences.is_empty());
    }

    #[test]
    fn what_cannot_be_managed_is_left_out_with_its_reason() {
        let mut ov = fixtures::enrollment(1, &["www.example.com"]);
        ov.validation_type = ValidationType::Ov;
        assert_eq!(manifest(&ov, &settings()), Err("validation type ov by lets-encrypt".into()));
        let wildcard = fixtures::enrollment(2, &["www.example.com", "*.example.com"]);
        assert!(manifest(&wildcard, &settings()).unwrap_err().contains("wildcard"));
    }
}

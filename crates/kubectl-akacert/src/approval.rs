//! PURE: what an approval means, and the annotation that gives it. The annotation matches only what was shown.

use akacert_api::AkamaiCertificate;
use akacert_api::names::{
    APPROVE_DEPLOYMENT_ANNOTATION, APPROVE_PLAN_ANNOTATION, APPROVE_WARNINGS_ANNOTATION,
    RENEW_BEFORE_ANNOTATION,
};
use akacert_api::status::ChangeStatus;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use jiff::Timestamp;
use kube::ResourceExt;

use crate::show;

/// What a user can approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// What the next write to CPS would do.
    Plan,
    /// The warnings that CPS waits with.
    Warnings,
    /// The certificate on staging, for production.
    Deployment,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Approval {
    /// What happens after the approval.
    pub meaning: String,
    pub annotation: &'static str,
    /// The annotation's value. It matches only what was shown.
    pub value: String,
}

/// The meaning of this approval for a certificate.
///
/// # Errors
/// The certificate waits for no such approval.
pub fn approval(certificate: &AkamaiCertificate, subject: Subject) -> Result<Approval> {
    let status = certificate.status.as_ref();
    let change = status.and_then(|status| status.change.as_ref());
    let name = certificate.name_any();
    match subject {
        Subject::Plan => {
            let plan = status.and_then(|status| status.plan.as_ref());
            let plan = plan.with_context(|| format!("{name} has no plan to approve"))?;
            Ok(Approval {
                meaning: show::plan(certificate).trim_end().to_owned(),
                annotation: APPROVE_PLAN_ANNOTATION,
                value: plan.hash.clone(),
            })
        }
        Subject::Warnings => {
            let found = change.and_then(|change| Some((change, change.warnings_hash.clone()?)));
            let (change, value) = found.with_context(|| format!("{name} has no warnings to approve"))?;
            Ok(Approval { meaning: warnings(change), annotation: APPROVE_WARNINGS_ANNOTATION, value })
        }
        Subject::Deployment => {
            let change = change.with_context(|| format!("{name} has no change to approve"))?;
            let staging = status.and_then(|status| status.deployments.as_ref()?.staging.as_ref());
            let Some(staging) = staging else { bail!("{name} is not on staging yet") };
            Ok(Approval {
                meaning: format!(
                    "Change {} goes from staging to production: certificate {} by {}, valid until {}.",
                    change.id, staging.serial_number, staging.issuer, staging.not_after.0
                ),
                annotation: APPROVE_DEPLOYMENT_ANNOTATION,
                value: change.id.to_string(),
            })
        }
    }
}

fn warnings(change: &ChangeStatus) -> String {
    let list = change.warnings.iter().map(|warning| {
        let id = warning.id.as_deref().map(|id| format!("{id}: ")).unwrap_or_default();
        format!("  - {id}{}", warning.message)
    });
    let list: Vec<String> = list.collect();
    format!("CPS goes on with change {} in spite of:\n{}", change.id, list.join("\n"))
}

/// The meaning of a renewal now.
///
/// # Errors
/// No certificate is in production that could be renewed.
pub fn renewal(certificate: &AkamaiCertificate, now: Timestamp) -> Result<Approval> {
    let status = certificate.status.as_ref();
    let production = status.and_then(|status| status.deployments.as_ref()?.production.as_ref());
    let Some(production) = production else {
        bail!("{} is not in production: there is nothing to renew", certificate.name_any())
    };
    Ok(Approval {
        meaning: format!(
            "CPS orders another certificate in place of {}, which is valid until {}; every name is validated again.",
            production.serial_number, production.not_after.0
        ),
        annotation: RENEW_BEFORE_ANNOTATION,
        value: jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn certificate(status: Value) -> AkamaiCertificate {
        serde_json::from_value(json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiCertificate",
            "metadata": {"name": "www", "namespace": "shop"},
            "spec": {
                "accountRef": {"kind": "AkamaiAccount", "name": "own"}, "commonName": "www.example.com",
                "validation": {"http01": {"ingress": {"className": "traefik"}}},
            },
            "status": status,
        }))
        .unwrap()
    }

    fn deployment() -> Value {
        json!({"serialNumber": "1A2B", "fingerprint": "00", "issuer": "CN=R10", "notBefore": "2026-11-01T00:00:00Z",
            "notAfter": "2027-01-30T00:00:00Z", "dnsNames": [], "keyAlgorithm": "RSA", "signatureAlgorithm": "sha256"})
    }

    #[test]
    fn each_approval_is_bound_to_what_is_shown() {
        let plan = json!({"action": "Update", "risk": "Redeploy", "changes": ["quicEnabled: false -> true"], "hash": "5f1c"});
        let change = json!({"id": 20002, "state": "awaiting-input", "status": "x", "warningsHash": "77aa",
            "warnings": [{"id": "W1", "message": "one"}, {"message": "two"}]});
        let certificate =
            certificate(json!({"plan": plan, "change": change, "deployments": {"staging": deployment()}}));
        let given = |subject| {
            let approval = approval(&certificate, subject).unwrap();
            (approval.meaning, approval.annotation, approval.value)
        };
        assert_eq!(
            given(Subject::Plan),
            (
                "www: The enrollment is given what spec says. The same certificate is deployed anew (Redeploy).\n  \
                 quicEnabled: false -> true\nHash: 5f1c"
                    .to_owned(),
                "akacert.io/approve-plan",
                "5f1c".to_owned()
            )
        );
        assert_eq!(
            given(Subject::Warnings),
            (
                "CPS goes on with change 20002 in spite of:\n  - W1: one\n  - two".to_owned(),
                "akacert.io/approve-warnings",
                "77aa".to_owned()
            )
        );
        assert_eq!(
            given(Subject::Deployment),
            (
                "Change 20002 goes from staging to production: certificate 1A2B by CN=R10, valid until \
                 2027-01-30T00:00:00Z."
                    .to_owned(),
                "akacert.io/approve-deployment",
                "20002".to_owned()
            )
        );
    }

    #[test]
    fn what_is_not_awaited_cannot_be_approved() {
        let certificate = certificate(json!({}));
        let refused = |subject| approval(&certificate, subject).unwrap_err().to_string();
        assert_eq!(refused(Subject::Plan), "www has no plan to approve");
        assert_eq!(refused(Subject::Warnings), "www has no warnings to approve");
        assert_eq!(refused(Subject::Deployment), "www has no change to approve");
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let said = renewal(&certificate, now).unwrap_err().to_string();
        assert_eq!(said, "www is not in production: there is nothing to renew");
    }

    #[test]
    fn a_renewal_is_for_what_was_issued_until_now() {
        let certificate = certificate(json!({"deployments": {"production": deployment()}}));
        let renewal = renewal(&certificate, "2026-11-23T12:00:00.5Z".parse().unwrap()).unwrap();
        assert_eq!(
            (renewal.annotation, renewal.value.as_str()),
            ("akacert.io/renew-before", "2026-11-23T12:00:00Z")
        );
        assert!(renewal.meaning.contains("in place of 1A2B"), "{}", renewal.meaning);
    }
}

//! How CPS writes enrollments, changes, challenges and deployments as JSON.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{
    Challenge, Change, ChangeKind, Deployment, Domain, Enrollment, Offer, Schedule, Step, Validation,
};
use crate::on_demand::Quirks;

/// The link of a change below `/cps/v2`, for answers to writes and for `allowedInput`.
pub(super) fn change_link(enrollment: u64, change: u64) -> String {
    format!("/cps/v2/enrollments/{enrollment}/changes/{change}")
}

/// `enrollment-status.v1`.
pub(super) fn enrollment_status(enrollment: u64, changes: &[u64], quirks: Quirks) -> Value {
    let changes: Vec<_> = changes.iter().map(|change| change_link(enrollment, *change)).collect();
    quirks.finish(json!({"enrollment": format!("/cps/v2/enrollments/{enrollment}"), "changes": changes}))
}

/// `enrollment.v11`; `renewal_lead` is how long before expiry a renewal starts.
pub(super) fn enrollment(e: &Enrollment, renewal_lead: Duration, quirks: Quirks) -> Value {
    let location = format!("/cps-api/enrollments/{}", e.id);
    let pending: Vec<Value> = e
        .pending()
        .map(|change| {
            json!({"location": format!("{location}/changes/{}", change.id), "changeType": change_type(change.kind)})
        })
        .collect();
    let slots = |present: bool| if present { json!([e.slot]) } else { json!([]) };
    let renewal = e.renews_at(renewal_lead);
    let mut body = e.body.clone();
    if quirks.string_ids
        && let Some(Value::Number(id)) = body.get("orgId")
    {
        body.insert("orgId".into(), id.to_string().into());
    }
    let read_only = json!({
        "id": quirks.id(e.id),
        "location": location,
        "pendingChanges": pending,
        "assignedSlots": slots(e.slot_assigned),
        "stagingSlots": slots(e.staging.is_some()),
        "productionSlots": slots(e.production.is_some()),
        "maxAllowedSanNames": 100,
        "maxAllowedWildcardSanNames": 25,
        "autoRenewalStartTime": renewal.map(|time| quirks.time(time)),
    });
    if let Value::Object(read_only) = read_only {
        body.extend(read_only);
    }
    quirks.finish(Value::Object(body))
}

fn change_type(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::NewCertificate => "new-certificate",
        // Akamai's document has no type for changes of network settings and for removals.
        ChangeKind::ModifyCertificate | ChangeKind::Network | ChangeKind::Removal => "modify-certificate",
        ChangeKind::ModifySan => "modify-san",
        ChangeKind::Renewal => "renewal",
    }
}

/// `status` and `description` of a step; the misspelling is CPS's own.
fn status(step: Step) -> (&'static str, &'static str) {
    match step {
        Step::CreateSlotFiles => ("create-slot-files", "Assembling deployment information."),
        Step::GenerateCsr => ("generate-csr", "Generating certificate signing request."),
        Step::PreVerification => {
            ("pre-verification-safety-checks", "Running pre-verification safety checks.")
        }
        Step::ReviewPreVerification => (
            "wait-review-pre-verification-safety-checks",
            "Waiting for review of the pre-verification safety checks.",
        ),
        Step::ReviewCert => ("wait-review-cert-warning", "Waiting for review of the certificate warnings."),
        Step::DomainValidation => ("coodinate-domain-validation", "Coordinating domain name validation."),
        Step::CheckForCert => ("check-for-cert", "Checking for the certificate."),
        Step::CheckForCertError => ("check-for-cert-error", "The certificate order is in error."),
        Step::DeployStaging => ("deploy-cert-to-staging", "Deploying certificate to staging."),
        Step::AckChangeManagement => {
            ("wait-ack-change-management", "Waiting for the change management acknowledgement.")
        }
        Step::LiveCheck => ("live-check-action", "Validating deployment information."),
        Step::DeployProduction => ("deploy-cert-to-production", "Deploying certificate to production."),
        Step::Complete => ("complete", "Complete."),
        Step::DeprovisionCert => ("deprovision-cert", "Removing certificate."),
        Step::AbandonSlots => ("abandon-slots-action", "Releasing slots."),
    }
}

/// `state` of a step.
fn state(step: Step, offered: bool) -> &'static str {
    match step {
        Step::Complete => "completed",
        Step::CheckForCertError => "error",
        Step::DomainValidation
        | Step::AckChangeManagement
        | Step::ReviewPreVerification
        | Step::ReviewCert
            if offered =>
        {
            "awaiting-input"
        }
        Step::CreateSlotFiles
        | Step::GenerateCsr
        | Step::PreVerification
        | Step::ReviewPreVerification
        | Step::DomainValidation
        | Step::CheckForCert
        | Step::ReviewCert
        | Step::DeployStaging
        | Step::AckChangeManagement
        | Step::LiveCheck
        | Step::DeployProduction
        | Step::DeprovisionCert
        | Step::AbandonSlots => "running",
    }
}

/// What CPS calls the input of a step, its information and its update: three different names.
fn input_names(step: Step) -> (&'static str, &'static str, &'static str) {
    match step {
        Step::ReviewPreVerification => (
            "pre-verification-warnings-acknowledgement",
            "pre-verification-warnings",
            "pre-verification-warnings-ack",
        ),
        Step::ReviewCert => (
            "post-verification-warnings-acknowledgement",
            "post-verification-warnings",
            "post-verification-warnings-ack",
        ),
        Step::AckChangeManagement => ("change-management", "change-management-info", "change-management-ack"),
        Step::CreateSlotFiles
        | Step::GenerateCsr
        | Step::PreVerification
        | Step::DomainValidation
        | Step::CheckForCert
        | Step::CheckForCertError
        | Step::DeployStaging
        | Step::LiveCheck
        | Step::DeployProduction
        | Step::Complete
        | Step::DeprovisionCert
        | Step::AbandonSlots => {
            ("lets-encrypt-challenges", "lets-encrypt-challenges", "lets-encrypt-challenges-completed")
        }
    }
}

/// `change.v2`.
pub(super) fn change(enrollment: u64, c: &Change, quirks: Quirks) -> Value {
    let link = change_link(enrollment, c.id);
    let offered = c.offer != Offer::None;
    let (kind, info, update) = input_names(c.step);
    let allowed_input = if offered {
        json!([{
            "type": kind,
            "requiredToProceed": true,
            "info": format!("{link}/input/info/{info}"),
            "update": format!("{link}/input/update/{update}"),
        }])
    } else {
        json!([])
    };
    let error = c.error.as_ref().map(|error| {
        json!({"code": error.code, "description": error.description, "timestamp": quirks.time(error.timestamp)})
    });
    let (status, description) = status(c.step);
    quirks.finish(json!({
        "statusInfo": {
            "status": status,
            "state": state(c.step, offered),
            "description": description,
            "error": error,
            "deploymentSchedule": schedule(&c.schedule, quirks),
        },
        "allowedInput": allowed_input,
    }))
}

/// `deployment-schedule.v1`.
pub(super) fn schedule(schedule: &Schedule, quirks: Quirks) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| quirks.time(time));
    json!({"notBefore": time(schedule.not_before), "notAfter": time(schedule.not_after)})
}

/// `dv-challenges.v2`.
pub(super) fn challenges(c: &Change, dcv_host: &str, quirks: Quirks) -> Value {
    let dv: Vec<Value> = c.domains.iter().map(|d| domain(d, dcv_host, quirks)).collect();
    quirks.finish(json!({"dv": dv}))
}

fn domain(d: &Domain, dcv_host: &str, quirks: Quirks) -> Value {
    let (status, validation_status) = match d.validation {
        Validation::Preparing => ("Preparing", Value::Null),
        Validation::AwaitingUser => ("Awaiting user", json!("DATA_NOT_READY")),
        Validation::NotReady => ("Awaiting user", json!("RESPONSE_ERROR")),
        Validation::InProgress => ("Pending", json!("IN_PROGRESS")),
        Validation::Validated => ("Valid", json!("VALIDATED")),
        Validation::Failed => ("Error", json!("RESPONSE_ERROR")),
        Validation::Expired => ("Error", json!("EXPIRED")),
    };
    let one = |kind: &str, challenge: &Challenge, path: String, redirect: String| {
        let status = match d.validation {
            Validation::Validated => "valid",
            Validation::Failed | Validation::Expired => "invalid",
            Validation::Preparing
            | Validation::AwaitingUser
            | Validation::NotReady
            | Validation::InProgress => "pending",
        };
        json!({
            "type": kind,
            "status": status,
            "error": challenge.error,
            "token": challenge.token,
            "fullPath": path,
            "redirectFullPath": redirect,
            "responseBody": challenge.response,
            "validationRecords": [],
        })
    };
    let http01 = d.http01.as_ref().map(|challenge| {
        let path = format!("/.well-known/acme-challenge/{}", challenge.token);
        one("http-01", challenge, format!("http://{}{path}", d.name), format!("http://{dcv_host}{path}"))
    });
    let dns01 = d.dns01.as_ref().map(|challenge| {
        let base = d.name.strip_prefix("*.").unwrap_or(&d.name);
        one("dns-01", challenge, format!("_acme-challenge.{base}."), String::new())
    });
    let time = |time: Option<Timestamp>| time.map(|time| quirks.time(time));
    json!({
        "domain": d.name,
        "status": status,
        "validationStatus": validation_status,
        "error": d.error,
        "requestTimestamp": quirks.time(d.requested),
        "validatedTimestamp": time(d.validated),
        "expires": time(d.expires),
        "challenges": http01.into_iter().chain(dns01).collect::<Vec<_>>(),
    })
}

/// Hash of an empty validation result (SHA-1 of nothing), as in Akamai's sample.
pub(super) const NOTHING_TO_VALIDATE: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

/// `change-management-info.v5`: what staging serves and production will serve.
pub(super) fn change_management(e: &Enrollment, staging: &Deployment, quirks: Quirks) -> Value {
    let network = |key: &str| staging.network[key].clone();
    let dns_name_settings = &staging.network["dnsNameSettings"];
    quirks.finish(json!({
        // There is a deadline only if a live certificate will expire.
        "acknowledgementDeadline": e.production.as_ref().map(|d| quirks.time(d.issued.not_after)),
        "validationResultHash": NOTHING_TO_VALIDATE,
        "pendingState": {
            "pendingCertificates": [{
                "certificateType": "san",
                "fullCertificate": staging.issued.certificate,
                "keyAlgorithm": "ECDSA",
                "ocspStapled": "false",
                "ocspUris": null,
                "signatureAlgorithm": "SHA-256",
            }],
            "pendingNetworkConfiguration": {
                "networkType": null,
                "mustHaveCiphers": network("mustHaveCiphers"),
                "preferredCiphers": network("preferredCiphers"),
                // Only here are these two text.
                "quicEnabled": network("quicEnabled").to_string(),
                "sniOnly": network("sniOnly").to_string(),
                "disallowedTlsVersions": network("disallowedTlsVersions").as_array().cloned().unwrap_or_default(),
                "dnsNameSettings": dns_name_settings,
            },
        },
        "validationResult": {"errors": null, "warnings": []},
    }))
}

/// `deployment.v7`.
pub(super) fn deployment(d: &Deployment, quirks: Quirks) -> Value {
    quirks.finish(deployment_body(d, quirks))
}

fn deployment_body(d: &Deployment, quirks: Quirks) -> Value {
    let network = |key: &str| d.network[key].clone();
    json!({
        "ocspStapled": false,
        "ocspUris": [],
        "networkConfiguration": {
            "geography": network("geography"),
            "secureNetwork": network("secureNetwork"),
            "mustHaveCiphers": network("mustHaveCiphers"),
            "preferredCiphers": network("preferredCiphers"),
            "ocspStapling": network("ocspStapling"),
            "sniOnly": network("sniOnly"),
            "quicEnabled": network("quicEnabled"),
            "disallowedTlsVersions": d.network["disallowedTlsVersions"].as_array().cloned().unwrap_or_default(),
            "dnsNames": d.network["dnsNameSettings"]["dnsNames"].as_array().cloned().unwrap_or_default(),
        },
        "primaryCertificate": {
            "certificate": d.issued.certificate,
            "trustChain": d.issued.chain,
            "expiry": quirks.time(d.issued.not_after),
            "keyAlgorithm": "ECDSA",
            "signatureAlgorithm": "SHA-256",
        },
        "multiStackedCertificates": [],
    })
}

/// `deployments.v7`; a network without a deployment is `null`.
pub(super) fn deployments(e: &Enrollment, quirks: Quirks) -> Value {
    // The two keys skip `finish`: CPS writes them even if their value is null.
    let one = |d: &Option<Deployment>| d.as_ref().map(|d| deployment(d, quirks));
    json!({"production": one(&e.production), "staging": one(&e.staging)})
}

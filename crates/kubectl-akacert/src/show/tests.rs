use anstream::adapter::strip_str;
use serde_json::{Value, json};

use super::*;
use crate::probe::Look;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn certificate(status: Value) -> AkamaiCertificate {
    serde_json::from_value(json!({
        "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiCertificate",
        "metadata": {"name": "www", "namespace": "shop", "generation": 1},
        "spec": {
            "accountRef": {"kind": "ClusterAkamaiAccount", "name": "production"},
            "commonName": "www.example.com",
            "validation": {"http01": {"ingress": {"className": "traefik"}}},
        },
        "status": status,
    }))
    .unwrap()
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-23T11:48:00Z", "observedGeneration": 1})
}

fn validating() -> AkamaiCertificate {
    let message = "www.example.com: 192.0.2.7 cannot be reached";
    certificate(json!({
        "observedGeneration": 1, "enrollmentId": 10002, "contractId": "1-ABCD",
        "change": {"id": 20002, "type": "new-certificate", "state": "awaiting-input",
            "status": "coodinate-domain-validation", "since": "2026-11-23T11:50:00Z"},
        "domains": [
            {"name": "www.example.com", "way": "http01.ingress", "state": "RESPONSE_ERROR", "preflight": "Failed",
                "error": "192.0.2.7 cannot be reached"},
            // CPS may show a name that the certificate no longer has, and that has no way.
            {"name": "example.com", "state": "VALIDATED"},
        ],
        "conditions": [
            condition("Ready", "False", "SelfCheckFailed", message),
            condition("Reconciling", "True", "SelfCheckFailed", message),
        ],
    }))
}

fn ready() -> AkamaiCertificate {
    certificate(json!({
        "observedGeneration": 1, "enrollmentId": 10002, "contractId": "1-ABCD",
        "deployments": {"production": {
            "serialNumber": "1A2B", "fingerprint": "00", "issuer": "CN=R10", "notBefore": "2026-11-01T00:00:00Z",
            "notAfter": "2027-01-30T00:00:00Z", "dnsNames": ["www.example.com"], "keyAlgorithm": "RSA",
            "signatureAlgorithm": "sha256",
        }},
        "conditions": [condition("Ready", "True", "Deployed", "The certificate is in production")],
    }))
}

fn stalled() -> AkamaiCertificate {
    let mut stalled = ready();
    let update = json!({
        "observedGeneration": 1,
        "plan": {"action": "Update", "risk": "Reissue", "changes": ["dnsNames: + api.example.com"], "hash": "5f1c0e77a3b2"},
        "conditions": [
            condition("Ready", "False", "PlanNeedsApproval", "Set akacert.io/approve-plan=5f1c0e77a3b2"),
            condition("Stalled", "True", "PlanNeedsApproval", "Set akacert.io/approve-plan=5f1c0e77a3b2"),
        ],
    });
    stalled.status = Some(serde_json::from_value(update).unwrap());
    stalled
}

#[test]
fn a_certificate_under_way_shows_its_change_its_names_and_what_is_awaited() {
    let shown = strip_str(&tree(&validating(), now())).to_string();
    let expected = "\
AkamaiCertificate shop/www: in progress (SelfCheckFailed)
├─ account     ClusterAkamaiAccount production
├─ enrollment  10002 in contract 1-ABCD
│  ├─ change      20002 (new-certificate, coodinate-domain-validation) for 10m
│  │  ├─ www.example.com RESPONSE_ERROR by http01.ingress, preflight failed: 192.0.2.7 cannot be reached
│  │  └─ example.com VALIDATED
│  └─ production  nothing yet
└─ awaited     www.example.com: 192.0.2.7 cannot be reached (for 12m)
";
    assert_eq!(shown, expected);
}

#[test]
fn a_name_shows_what_somebody_else_has_to_publish_for_it() {
    let waiting = certificate(json!({
        "observedGeneration": 1, "enrollmentId": 10002,
        "change": {"id": 20002, "state": "awaiting-input", "status": "coodinate-domain-validation"},
        "domains": [
            {"name": "*.example.com", "way": "dns01.manual", "state": "IN_PROGRESS", "preflight": "Passed",
                "challenges": [{"type": "dns-01", "path": "_acme-challenge.example.com.", "value": "Zm9v"}]},
            {"name": "www.example.com", "way": "http01.external", "state": "IN_PROGRESS", "preflight": "Passed",
                "challenges": [
                    {"type": "http-01", "path": "http://www.example.com/.well-known/acme-challenge/t",
                        "redirectTo": "http://dcv.akamai.com/.well-known/acme-challenge/t"},
                    {"type": "dns-01", "path": "_acme-challenge.www.example.com."},
                ]},
        ],
    }));
    let expected = "\
AkamaiCertificate shop/www: in progress (nobody has looked at it yet)
├─ account     ClusterAkamaiAccount production
└─ enrollment  10002
   ├─ change      20002 (coodinate-domain-validation)
   │  ├─ *.example.com IN_PROGRESS by dns01.manual, preflight passed
   │  │  └─ create _acme-challenge.example.com. TXT \"Zm9v\"
   │  └─ www.example.com IN_PROGRESS by http01.external, preflight passed
   │     └─ redirect http://www.example.com/.well-known/acme-challenge/t to http://dcv.akamai.com/.well-known/acme-challenge/t
   └─ production  nothing yet
";
    assert_eq!(strip_str(&tree(&waiting, now())).to_string(), expected);
}

#[test]
fn a_certificate_that_serves_shows_what_is_in_production() {
    let expected = "\
AkamaiCertificate shop/www: Ready (Deployed)
├─ account     ClusterAkamaiAccount production
├─ enrollment  10002 in contract 1-ABCD
│  └─ production  1A2B by CN=R10, valid until 2027-01-30T00:00:00Z
└─ since       12m
";
    assert_eq!(strip_str(&tree(&ready(), now())).to_string(), expected);
}

#[test]
fn a_certificate_that_nobody_has_looked_at_says_so() {
    let new = certificate(json!({"observedGeneration": -1}));
    let expected = "\
AkamaiCertificate shop/www: in progress (nobody has looked at it yet)
├─ account     ClusterAkamaiAccount production
└─ enrollment  none yet
   └─ production  nothing yet
";
    assert_eq!(strip_str(&tree(&new, now())).to_string(), expected);
    assert!(explanation(&explain(&new), now()).contains("What to do: See that the operator runs"));
}

#[test]
fn the_table_has_a_line_for_each_and_the_namespace_where_there_are_several() {
    let expected = "\
NAME   READY   REASON              COMMON NAME       EXPIRES                SINCE   AWAITED
www    True    Deployed            www.example.com   2027-01-30T00:00:00Z   12m
www    False   PlanNeedsApproval   www.example.com                          12m     Set akacert.io/approve-plan=5f1c0e77a3b2
";
    let both = [ready(), stalled()];
    assert_eq!(strip_str(&table(&both, false, now())).to_string(), expected);
    assert!(table(&both, true, now()).starts_with("NAMESPACE   NAME"));
}

#[test]
fn the_explanation_says_what_it_means_and_what_to_do() {
    let expected = "\
shop/www: PlanNeedsApproval for 12m
Set akacert.io/approve-plan=5f1c0e77a3b2
What it means: `updatePolicy` is RequireApproval, and an update of the enrollment waits for approval.
What to do: Read `status.plan`; if it is what you want, set the annotation `akacert.io/approve-plan` to its hash.
";
    assert_eq!(strip_str(&explanation(&explain(&stalled()), now())).to_string(), expected);
}

#[test]
fn every_reason_that_a_way_of_validation_adds_is_explained() {
    for (reason, status) in [
        ("PreflightFailed", "Reconciling"),
        ("RouteNotAccepted", "Reconciling"),
        ("RecordMissing", "Reconciling"),
        ("AuthorizationFailed", "Reconciling"),
        ("DnsUpdateFailed", "Reconciling"),
        ("KindMissing", "Stalled"),
        ("ServerNotAllowed", "Stalled"),
    ] {
        let waiting = certificate(json!({
            "observedGeneration": 1, "conditions": [condition(status, "True", reason, "which, and why")],
        }));
        let explained = explanation(&explain(&waiting), now());
        let (said, advice) = explained.split_once("What it means: ").unwrap();
        assert_eq!(strip_str(said).to_string(), format!("shop/www: {reason} for 12m\nwhich, and why\n"));
        assert!(advice.contains("\nWhat to do: "), "{advice}");
    }
}

#[test]
fn an_explanation_is_for_programs_as_well() {
    let expected = json!({
        "namespace": "shop", "name": "www", "verdict": "Stalled", "reason": "PlanNeedsApproval",
        "since": "2026-11-23T11:48:00Z", "message": "Set akacert.io/approve-plan=5f1c0e77a3b2",
        "meaning": "`updatePolicy` is RequireApproval, and an update of the enrollment waits for approval.",
        "action": "Read `status.plan`; if it is what you want, set the annotation `akacert.io/approve-plan` to its hash.",
    });
    assert_eq!(serde_json::to_value(explain(&stalled())).unwrap(), expected);
}

#[test]
fn the_plan_says_what_would_happen() {
    let expected = "\
www: The enrollment is given what spec says. A new certificate is issued, and every name validated again (Reissue).
  dnsNames: + api.example.com
Hash: 5f1c0e77a3b2
";
    assert_eq!(plan(&stalled()), expected);
    assert_eq!(plan(&ready()), "www: nothing is outstanding.\n");
}

#[test]
fn findings_are_a_tree_for_each_name() {
    let looks = vec![Look::new("port 80", "answers", true), Look::new("certificate", "another one", false)];
    let found = [Finding { name: "www.example.com".into(), looks }];
    let expected = "\
www.example.com
├─ port 80     answers
└─ certificate another one
";
    assert_eq!(strip_str(&findings(&found)).to_string(), expected);
}

#[test]
fn each_state_has_its_verdict() {
    let mut edited = ready();
    edited.metadata.generation = Some(2);
    for (certificate, expected) in [
        (ready(), Verdict::Ready),
        (validating(), Verdict::InProgress),
        (stalled(), Verdict::Stalled),
        // Ready of an earlier generation says nothing about this one.
        (edited, Verdict::InProgress),
    ] {
        assert_eq!(Verdict::of(&certificate), expected);
    }
}

#[test]
fn several_certificates_are_as_the_worst_of_them() {
    for (certificates, expected) in [
        (vec![], Verdict::Ready),
        (vec![ready(), ready()], Verdict::Ready),
        (vec![ready(), validating()], Verdict::InProgress),
        (vec![validating(), stalled(), ready()], Verdict::Stalled),
    ] {
        assert_eq!(Verdict::worst(&certificates), expected);
    }
}

#[test]
fn ages_are_as_kubectl_writes_them() {
    let since = |seconds| age(now() - jiff::SignedDuration::from_secs(seconds), now());
    let table =
        [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_800, "2d")];
    for (seconds, expected) in table {
        assert_eq!(since(seconds), expected);
    }
}

//! The cost of a certificate: CPS calls, API writes, events. The tests count, and measure no time.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::{Call, EDGERC, Request, SimulatorOptions, TestBed};

use crate::scene::{Scene, eventually};

crate::alone![
    ten_certificates_with_thirty_names_cost_what_they_may,
    each_call_and_each_write_is_logged_with_what_it_is_for,
];

/// The account switch key.
const ACCOUNT: &str = "1-TEN";
const CERTIFICATES: usize = 10;
const OPERATOR: &str = "system:serviceaccount:akacert-system:akacert-operator";

async fn ten_certificates_with_thirty_names_cost_what_they_may(bed: &mut TestBed) -> Result<()> {
    // As with the real CPS, the authority is done before the operator's first look after an acknowledgement.
    bed.restart_simulator(&SimulatorOptions { speed: 100_000.0, ..SimulatorOptions::default() }).await?;
    bed.set_operator_flags(&["--interval-scale=0.02"]).await?;
    let counted = count(bed).await;
    bed.set_operator_flags(&["--interval-scale=0.005"]).await?;
    bed.restart_simulator(&SimulatorOptions::default()).await?;
    counted
}

async fn each_call_and_each_write_is_logged_with_what_it_is_for(bed: &mut TestBed) -> Result<()> {
    bed.set_operator_flags(&["--log=info,akacert=debug,akamai_cps=debug"]).await?;
    let logged = logged(bed).await;
    bed.set_operator_flags(&["--log=info,akacert=debug"]).await?;
    logged
}

async fn logged(bed: &TestBed) -> Result<()> {
    let scene = Scene::new(bed, "spans").await?;
    scene.apply("www", json!({})).await?;
    scene.until_ready("www").await?;
    let log = bed.pod_logs("akacert-operator")?;
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for (message, field, what, span, about) in [
        ("called Akamai", "operation", "create-enrollment", "certificate", "spans/www"),
        ("wrote to the Kubernetes API", "what", "report the status", "certificate", "spans/www"),
        ("called Akamai", "operation", "list-contracts", "account", "spans"),
        ("wrote to the Kubernetes API", "what", "report an account's status", "account", "spans"),
        ("wrote to the Kubernetes API", "what", "set an account's finalizer", "account", "spans"),
    ] {
        let found = lines.iter().any(|line| {
            let about_it = line["span"][span].as_str().is_some_and(|name| name.ends_with(about));
            line["message"] == message && line[field] == what && about_it
        });
        ensure!(found, "{message}: {what}: no line with the span of {about}");
    }
    Ok(())
}

async fn count(bed: &TestBed) -> Result<()> {
    let scene = Scene::with_own_secret(bed, "ten").await?;
    scene.put_secret(&format!("{EDGERC}account_key = {ACCOUNT}\n")).await?;
    scene.until_account("True", "CredentialsAccepted").await?;
    let (calls_before, requests_before) = (calls(bed).await?.len(), requests(bed)?.len());
    let labels: Vec<String> = (0..CERTIFICATES).map(|number| format!("www{number}")).collect();
    let items: Vec<Value> = labels
        .iter()
        .map(|label| {
            let more = [scene.host(&format!("a-{label}")), scene.host(&format!("b-{label}"))];
            scene.manifest(label, json!({"dnsNames": more}))
        })
        .collect();
    bed.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).await?;
    for label in &labels {
        scene.until_ready(label).await?;
    }
    let arguments = ["-n", "ten", "get", "ingress,service,endpointslice", "-o", "name"];
    eventually("nothing is published", async || Ok(bed.kubectl(&arguments).await?.is_empty().then_some(())))
        .await?;
    for label in &labels {
        for host in [scene.host(label), scene.host(&format!("a-{label}")), scene.host(&format!("b-{label}"))]
        {
            ensure!(scene.authority_fetched(&host)?, "nobody fetched the token of {host}");
        }
    }

    let calls = calls(bed).await?.split_off(calls_before);
    let requests: Vec<Request> = requests(bed)?.split_off(requests_before);
    let counted = calls.iter().filter(|call| !call.waiting).count();
    let events = requests.iter().filter(|request| request.resource == "events").count();
    let others = requests.len() - events;
    print_table(
        "CPS calls",
        calls.iter().filter(|call| !call.waiting).map(|call| format!("{} {}", call.method, call.pattern)),
    );
    print_table(
        "waiting polls",
        calls.iter().filter(|call| call.waiting).map(|call| format!("{} {}", call.method, call.pattern)),
    );
    print_table(
        "API requests",
        requests.iter().map(|request| format!("{} {}", request.verb, request.resource)),
    );
    ensure!(counted <= 8 * CERTIFICATES, "{counted} CPS calls, at most 8 a certificate");
    ensure!(others <= 12 * CERTIFICATES, "{others} API requests, at most 12 a certificate");
    ensure!(events <= 6 * CERTIFICATES, "{events} events, at most 6 a certificate");

    renewals_known(bed, &scene, &labels).await?;
    nothing_more(bed, &labels).await
}

/// Waits until the next list of the contract shows when CPS begins each renewal. The operator writes that once.
async fn renewals_known(bed: &TestBed, scene: &Scene<'_>, labels: &[String]) -> Result<()> {
    let before = of_the_certificates(bed)?;
    // From here on the lists come every few seconds, so that the steady state has some.
    bed.set_operator_flags(&["--interval-scale=0.002"]).await?;
    for label in labels {
        eventually(&format!("{label} has its next renewal"), async || {
            let status = scene.certificates().get(label).await?.status;
            Ok(status.and_then(|status| status.next_renewal_time))
        })
        .await?;
    }
    // Fewer if a list came before this.
    let written = of_the_certificates(bed)? - before;
    ensure!(
        written <= CERTIFICATES,
        "{written} API requests for the next renewals, at most one a certificate"
    );
    Ok(())
}

/// How many requests the operator has made in the namespace of the certificates.
fn of_the_certificates(bed: &TestBed) -> Result<usize> {
    Ok(requests(bed)?.iter().filter(|request| request.namespace == "ten").count())
}

/// The steady state: users touch the certificates, and another one is issued. Neither costs anything.
async fn nothing_more(bed: &TestBed, labels: &[String]) -> Result<()> {
    let (calls_before, requests_before) = (calls(bed).await?.len(), of_the_certificates(bed)?);
    for label in labels {
        bed.kubectl(&["-n", "ten", "label", "akcert", label, "touched=yes"]).await?;
    }
    // This serves as a clock: when this one is Ready, the operator has long reconciled the others.
    let other = Scene::new(bed, "clock").await?;
    other.apply("www", json!({})).await?;
    other.until_ready("www").await?;
    let calls = eventually("the contract is looked at again", async || {
        let calls = calls(bed).await?.split_off(calls_before);
        Ok((!calls.is_empty()).then_some(calls))
    })
    .await?;
    let about_one = calls.iter().filter(|call| call.enrollment_id.is_some()).count();
    ensure!(about_one == 0, "{about_one} CPS calls in the steady state");
    let ours = of_the_certificates(bed)? - requests_before;
    ensure!(ours == 0, "{ours} API requests in the steady state");
    Ok(())
}

/// The calls with the account of these certificates. Certificates of other accounts may cause calls meanwhile.
async fn calls(bed: &TestBed) -> Result<Vec<Call>> {
    let mut calls = bed.calls().await?;
    calls.retain(|call| call.account.as_deref() == Some(ACCOUNT));
    Ok(calls)
}

/// The operator's requests to the API server, without Leases.
fn requests(bed: &TestBed) -> Result<Vec<Request>> {
    let mut requests = bed.audit_log()?;
    requests.retain(|request| request.user == OPERATOR && request.resource != "leases");
    Ok(requests)
}

fn print_table(title: &str, rows: impl Iterator<Item = String>) {
    let mut counts = BTreeMap::<String, usize>::new();
    rows.for_each(|row| *counts.entry(row).or_default() += 1);
    let total: usize = counts.values().sum();
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let each = total as f64 / CERTIFICATES as f64;
    println!("\n{title}: {total}, {each:.1} a certificate");
    for (row, count) in counts {
        println!("  {count:>4}  {row}");
    }
}

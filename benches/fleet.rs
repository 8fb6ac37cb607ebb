//! The cost of a fleet of certificates at rest: CPS calls and writes to the API server over ten lists of two
//! contracts, for fleets of different sizes. This is a table, not a test. `make bench` prints it.

#[path = "../tests/e2e/scene.rs"]
#[allow(dead_code, reason = "tests and benchmarks start from the same scene and use different parts of it")]
mod scene;

use std::time::{Duration, Instant};

use akacert_api::condition_set::is_true;
use anyhow::{Context, Result, ensure};
use kube::api::ListParams;
use serde_json::json;
use testbed::{EDGERC, Options, SimulatorOptions, TestBed};
use tokio::process::Command;

use scene::{Scene, eventually_within};

const CONTRACTS: [&str; 2] = ["1-FIRST", "1-SECOND"];
/// Turns the real interval of 1,800 s into 5.4 s.
const SCALE: f64 = 0.003;
const INTERVAL: Duration = Duration::from_millis(5400);
const LOOKS: u32 = 10;
const OPERATOR: &str = "system:serviceaccount:akacert-system:akacert-operator";

fn main() -> Result<()> {
    testbed::Programs::find_or_build()?;
    testbed::enter()?;
    testbed::block_on(async {
        let contracts = CONTRACTS.map(str::to_owned).to_vec();
        let simulator = SimulatorOptions { contracts, ..SimulatorOptions::default() };
        let bed = TestBed::start(&Options { simulator, ..Options::default() }).await?;
        bed.install().await?;
        bed.set_operator_flags(&[&format!("--interval-scale={SCALE}")]).await?;
        println!(
            "settings: {} contracts, --interval-scale={SCALE}, {LOOKS} list intervals of {INTERVAL:?}, debug builds\n",
            CONTRACTS.len()
        );
        println!(
            "{:<28} {:>14} {:>12} {:>12} {:>12} {:>14}",
            "certificates", "adopted in", "CPS calls", "of them LIST", "API writes", "operator RSS"
        );
        let scene = Scene::new(&bed, "fleet").await?;
        scene.until_account("True", "CredentialsAccepted").await?;
        let mut total = 0;
        for number in [100, 900, 1000] {
            total += number;
            adopt(&scene, number / CONTRACTS.len(), total).await?;
            at_rest(&bed, total).await?;
        }
        Ok(())
    })
}

/// Seeds enrollments in each contract, exports them, and applies the exported manifests.
async fn adopt(scene: &Scene<'_>, number: usize, total: usize) -> Result<()> {
    let (bed, name) = (scene.bed, &scene.name);
    let edgerc = bed.work().join("fleet.edgerc");
    tokio::fs::write(&edgerc, EDGERC).await?;
    let mut manifests = String::new();
    for (index, contract) in CONTRACTS.iter().enumerate() {
        let names = format!("www{{n}}.to{total}.c{index}.{name}.example.com");
        let seed = json!({"contract": contract, "count": number, "name": names, "names": 2});
        bed.control("POST", "/seed", Some(seed)).await?;
        let output = Command::new(testbed::own("akacert")?)
            .args(["export", "--ingress-class=traefik", "--contract", contract])
            .args([format!("--namespace={name}"), format!("--account={name}")])
            .arg(format!("--edgerc={}", edgerc.display()))
            .arg(format!("--endpoint=https://{}", testbed::CPS_HOST))
            .arg(format!("--endpoint-ca-file={}", bed.work().join("ca.pem").display()))
            .output()
            .await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let exported = String::from_utf8(output.stdout)?;
        let ours =
            exported.split("---\n").filter(|manifest| manifest.contains(&format!(".to{total}.c{index}.")));
        for manifest in ours {
            manifests.push_str("---\n");
            manifests.push_str(&manifest.replace("managementPolicy: Observe", "managementPolicy: Manage"));
        }
    }
    let start = Instant::now();
    bed.apply(&manifests).await?;
    let api = scene.certificates();
    eventually_within("all Ready", Duration::from_secs(900), async || {
        let all = api.list(&ListParams::default()).await?.items;
        let ready = |status: &akacert_api::status::CertificateStatus| is_true(&status.conditions, "Ready");
        let count = all.iter().filter(|one| one.status.as_ref().is_some_and(ready)).count();
        Ok((count == total).then_some(()))
    })
    .await?;
    print!("{:<28} {:>12.1} s", format!("+{}", number * CONTRACTS.len()), start.elapsed().as_secs_f64());
    Ok(())
}

/// Counts over ten lists of the contracts.
async fn at_rest(bed: &TestBed, total: usize) -> Result<()> {
    // Waits for the lists that were due while the last certificates became Ready.
    tokio::time::sleep(INTERVAL * 2).await;
    bed.control("DELETE", "/calls", None).await?;
    let before = writes(bed)?;
    tokio::time::sleep(INTERVAL * LOOKS).await;
    let calls = bed.calls().await?;
    let lists =
        calls.iter().filter(|call| call.method == "GET" && call.pattern == "/cps/v2/enrollments").count();
    let memory = operator_memory().context("the operator's process")?;
    ensure!(lists > 0, "the operator does not look at the contracts");
    println!(
        " {:>12} {:>12} {:>12} {memory:>11} MB   ({total} in all)",
        calls.len(),
        lists,
        writes(bed)? - before
    );
    Ok(())
}

/// The memory of the operator's process, in megabytes.
fn operator_memory() -> Option<u64> {
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.map(|process| process.path()).find_map(|path| {
        let command = std::fs::read(path.join("cmdline")).ok()?;
        let mut arguments = command.split(|byte| *byte == 0);
        let is_operator = arguments.next()?.ends_with(b"/akacert") && arguments.next()? == b"operator";
        let status = std::fs::read_to_string(path.join("status")).ok().filter(|_| is_operator)?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(resident.trim().trim_end_matches(" kB").parse::<u64>().ok()? >> 10)
    })
}

/// The operator's writes to the API server, without Leases.
fn writes(bed: &TestBed) -> Result<usize> {
    let requests = bed.audit_log()?;
    let is_write = |verb: &str| ["create", "update", "patch", "delete"].contains(&verb);
    let ours = requests.iter().filter(|request| request.user == OPERATOR && request.resource != "leases");
    Ok(ours.filter(|request| is_write(&request.verb)).count())
}

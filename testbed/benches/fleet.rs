//! What a fleet of certificates costs the operator: CPU time and memory while it adopts them, at rest, and after a restart;
//! writes to the API server and CPS calls. A table, not a test. `make bench` prints it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use testbed::{CPS_HOST, EDGERC, Options, Process, Request, SECRET, SimulatorOptions, TestBed, Usage};
use tokio::process::Command;

const CONTRACTS: [&str; 2] = ["1-FIRST", "1-SECOND"];
/// The operator looks at each contract every 1,800 s. Here it does every minute, and a look from outside that is due once a
/// day is due every 48 minutes: most of a run is without one, as most of an hour is.
const SCALE: f64 = 1.0 / 30.0;
const INTERVAL: Duration = Duration::from_secs(60);
const LOOKS: u32 = 3;
const OPERATOR: &str = "system:serviceaccount:akacert-system:akacert-operator";

/// Measures a fleet with nothing published, and then one with a standing redirect for each certificate.
#[derive(Parser)]
struct Flags {
    #[arg(long, default_value_t = 10_000)]
    certificates: usize,
    #[arg(long, default_value_t = 100)]
    namespaces: usize,
    /// Only one of the two fleets.
    #[arg(long, value_parser = ["nothing", "redirects"])]
    only: Option<String>,
    /// `cargo bench` says this.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What each certificate of a fleet publishes at rest.
struct Kind {
    name: &'static str,
    title: &'static str,
    http01: Value,
    goals: Goals,
}

/// The most that a fleet of 10,000 may use. MiB, seconds of CPU time.
struct Goals {
    adopt_milliseconds: f64,
    idle: f64,
    peak: f64,
    restart: f64,
    look: f64,
}

fn kinds() -> [Kind; 2] {
    // No controller serves this class: the controller's work is not to be measured.
    let ingress = json!({"className": "bench"});
    [
        Kind {
            name: "nothing",
            title: "nothing published",
            http01: json!({"ingress": ingress}),
            goals: Goals { adopt_milliseconds: 9.0, idle: 100.0, peak: 200.0, restart: 3.0, look: 1.4 },
        },
        Kind {
            name: "redirects",
            title: "a standing redirect each",
            http01: json!({"redirect": {"ingress": ingress}}),
            goals: Goals { adopt_milliseconds: 15.0, idle: 180.0, peak: 280.0, restart: 6.0, look: 3.0 },
        },
    ]
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    testbed::Programs::find_or_build()?;
    testbed::enter()?;
    testbed::block_on(async {
        println!(
            "{} certificates with two names each, in {} namespaces and {} contracts; a look at the contracts every {} s.\n\
             The goals are those for 10,000.",
            flags.certificates,
            flags.namespaces,
            CONTRACTS.len(),
            INTERVAL.as_secs()
        );
        for kind in kinds() {
            if flags.only.as_ref().is_none_or(|only| only == kind.name) {
                Fleet::start(&kind, &flags).await?.measure().await?;
            }
        }
        Ok(())
    })
}

struct Fleet<'a> {
    kind: &'a Kind,
    flags: &'a Flags,
    bed: TestBed,
}

impl<'a> Fleet<'a> {
    /// A bed without an operator, with the account and the namespaces.
    async fn start(kind: &'a Kind, flags: &'a Flags) -> Result<Self> {
        let contracts = CONTRACTS.map(str::to_owned).to_vec();
        let simulator = SimulatorOptions { contracts, ..SimulatorOptions::default() };
        let bed = TestBed::start(&Options { simulator, ..Options::default() }).await?;
        bed.install().await?;
        bed.no_operator_deployment().await?;
        let namespaces = (0..flags.namespaces).map(|number| {
            json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": namespace(number), "labels": {"fleet": "yes"}}})
        });
        let account = json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "ClusterAkamaiAccount", "metadata": {"name": "fleet"},
            "spec": {
                "credentials": {"secretRef": {"name": SECRET}, "edgerc": {"key": "edgerc"}},
                "allowedNamespaces": {"matchLabels": {"fleet": "yes"}},
                "allowedDomains": ["*.fleet.example.com"],
                // What is exported leaves contacts to the account.
                "defaults": {
                    "organization": {"name": "Example"}, "adminContact": contact("ada@example.com"),
                    "techContact": contact("tim@akamai.com"), "network": {"secureNetwork": "StandardTLS"}
                },
            }
        });
        let objects: Vec<String> = namespaces.chain([account]).map(|object| object.to_string()).collect();
        bed.apply(&objects.join("\n---\n")).await?;
        Ok(Self { kind, flags, bed })
    }

    async fn measure(&self) -> Result<()> {
        let (kind, half) = (self.kind, self.flags.certificates / 2);
        println!("\n{:<52} {:>10}   goal", kind.title, "");
        let operator = self.operator("operator").await?;
        let first = self.adopt(&operator, 1, half).await?;
        let second = self.adopt(&operator, 2, half).await?;
        let total = first.cpu + second.cpu;
        row(
            "adopt: CPU ms per certificate",
            total * 1000.0 / as_f64(2 * half),
            Some(kind.goals.adopt_milliseconds),
        );
        row("adopt: CPU of the whole / CPU of the first half", total / first.cpu, Some(2.2));
        row(
            "adopt: API writes per certificate",
            as_f64(first.writes + second.writes) / as_f64(2 * half),
            None,
        );
        row("adopt: CPS calls per certificate", as_f64(first.calls + second.calls) / as_f64(2 * half), None);
        self.looks(&operator).await?;
        row("memory at rest, MiB", operator.usage()?.resident, Some(kind.goals.idle));
        row("memory at its peak, MiB", operator.usage()?.peak, Some(kind.goals.peak));
        operator.stop().await?;

        let before = self.writes()?;
        let operator = self.operator("restarted").await?;
        self.until_rest(before).await?;
        row("restart: CPU s until at rest", operator.usage()?.cpu, Some(kind.goals.restart));
        let written = self.written()?;
        row("restart: API writes", as_f64(written.len() - before), Some(0.0));
        tell(&written[before..]);
        self.looks(&operator).await?;
        row("restart: memory at rest, MiB", operator.usage()?.resident, Some(kind.goals.idle));
        row("restart: memory at its peak, MiB", operator.usage()?.peak, Some(kind.goals.peak));
        operator.stop().await
    }

    async fn operator(&self, name: &str) -> Result<Process> {
        let scale = format!("--interval-scale={SCALE}");
        self.bed.named_operator_process(name, &[&scale, "--log=info"], &[]).await
    }

    /// Adopts so many enrollments, and waits until nothing is written any more.
    async fn adopt(&self, operator: &Process, batch: usize, count: usize) -> Result<Spent> {
        let manifests = self.seed(batch, count / CONTRACTS.len()).await?;
        let (before, cpu, begun) = (self.writes()?, operator.usage()?.cpu, Instant::now());
        self.bed.control("DELETE", "/calls", None).await?;
        self.create(&manifests).await?;
        self.until_ready(operator, batch * count).await?;
        self.until_rest(before).await?;
        let spent = Spent {
            cpu: operator.usage()?.cpu - cpu,
            writes: self.writes()? - before,
            calls: self.bed.calls().await?.len(),
        };
        let Usage { resident, peak, .. } = operator.usage()?;
        println!(
            "  {count} more adopted in {:.0} s: {:.1} CPU s, {resident:.0} MiB, peak {peak:.0} MiB, {} API writes, {} CPS calls",
            begun.elapsed().as_secs_f64(),
            spent.cpu,
            spent.writes,
            spent.calls
        );
        Ok(spent)
    }

    /// Makes enrollments in each contract, and answers what `akacert export` makes of them, so that they are adopted.
    async fn seed(&self, batch: usize, each: usize) -> Result<Vec<Value>> {
        let edgerc = self.bed.work().join("fleet.edgerc");
        tokio::fs::write(&edgerc, EDGERC).await?;
        let mut manifests = Vec::new();
        for (index, contract) in CONTRACTS.iter().enumerate() {
            let ending = format!(".b{batch}.c{index}.fleet.example.com");
            let seed =
                json!({"contract": contract, "count": each, "name": format!("www{{n}}{ending}"), "names": 2});
            self.bed.control("POST", "/seed", Some(seed)).await?;
            let output = Command::new(testbed::own("akacert")?)
                .args(["export", "--ingress-class=bench", "--namespace=fleet-0", "--account=fleet"])
                .args(["--contract", contract])
                .arg(format!("--edgerc={}", edgerc.display()))
                .arg(format!("--endpoint=https://{CPS_HOST}"))
                .arg(format!("--endpoint-ca-file={}", self.bed.work().join("ca.pem").display()))
                .output()
                .await?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            for document in String::from_utf8(output.stdout)?.split("---\n") {
                if !document.contains(&ending) {
                    continue;
                }
                let mut manifest: Value = serde_saphyr::from_str(document)?;
                manifest["metadata"]["namespace"] = namespace(manifests.len() % self.flags.namespaces).into();
                manifest["spec"]["managementPolicy"] = "Manage".into();
                manifest["spec"]["validation"]["http01"] = self.kind.http01.clone();
                manifests.push(manifest);
            }
        }
        ensure!(manifests.len() == each * CONTRACTS.len(), "exported {} of {each} each", manifests.len());
        Ok(manifests)
    }

    async fn create(&self, manifests: &[Value]) -> Result<()> {
        stream::iter(manifests)
            .map(|manifest| async move {
                let object: DynamicObject = serde_json::from_value(manifest.clone())?;
                let namespace = object.metadata.namespace.clone().context("no namespace")?;
                let api: Api<DynamicObject> =
                    Api::namespaced_with(self.bed.client(), &namespace, &resource());
                api.create(&PostParams::default(), &object).await?;
                anyhow::Ok(())
            })
            .buffer_unordered(8)
            .try_collect()
            .await
    }

    async fn until_ready(&self, operator: &Process, count: usize) -> Result<()> {
        let api: Api<DynamicObject> = Api::all_with(self.bed.client(), &resource());
        let mut objects =
            watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
        let mut ready = BTreeSet::new();
        let deadline = Instant::now() + Duration::from_secs(3600);
        while ready.len() < count {
            ensure!(Instant::now() < deadline, "{} of {count} are Ready after an hour", ready.len());
            // Nothing comes from an operator that has ended, such as one that could not renew its Lease.
            let Ok(next) = tokio::time::timeout(Duration::from_secs(5), objects.try_next()).await else {
                operator.usage()?;
                continue;
            };
            let object = next?.context("the watch has ended")?;
            if is_ready(&object) {
                ready.insert((object.metadata.namespace, object.metadata.name));
            }
        }
        Ok(())
    }

    /// Waits until the operator has written nothing for an interval.
    async fn until_rest(&self, mut before: usize) -> Result<()> {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let now = self.writes()?;
            if now == before {
                return Ok(());
            }
            before = now;
        }
    }

    /// Measures some looks at the contracts.
    async fn looks(&self, operator: &Process) -> Result<()> {
        self.bed.control("DELETE", "/calls", None).await?;
        let (writes, cpu) = (self.writes()?, operator.usage()?.cpu);
        tokio::time::sleep(INTERVAL * LOOKS).await;
        let spent = operator.usage()?.cpu - cpu;
        let calls = self.bed.calls().await?;
        ensure!(!calls.is_empty(), "the operator does not look at the contracts");
        row("a look: CPU s", spent / f64::from(LOOKS), Some(self.kind.goals.look));
        row("a look: CPS calls", as_f64(calls.len()) / f64::from(LOOKS), None);
        let written = self.written()?;
        row("a look: API writes", as_f64(written.len() - writes) / f64::from(LOOKS), Some(0.0));
        tell(&written[writes..]);
        Ok(())
    }

    fn writes(&self) -> Result<usize> {
        Ok(self.written()?.len())
    }

    /// The operator's writes to the API server, leases aside.
    fn written(&self) -> Result<Vec<Request>> {
        let mut requests = self.bed.audit_log()?;
        let is_write = |verb: &str| ["create", "update", "patch", "delete"].contains(&verb);
        requests.retain(|one| one.user == OPERATOR && one.resource != "leases" && is_write(&one.verb));
        Ok(requests)
    }
}

struct Spent {
    cpu: f64,
    writes: usize,
    calls: usize,
}

fn contact(email: &str) -> Value {
    json!({"firstName": "Ada", "lastName": "Lovelace", "email": email, "phone": "617-555-0111"})
}

fn namespace(number: usize) -> String {
    format!("fleet-{number}")
}

fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("akacert.io", "v1alpha1", "AkamaiCertificate"))
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn row(what: &str, value: f64, goal: Option<f64>) {
    let goal = goal.map(|goal| format!("<= {goal}")).unwrap_or_default();
    println!("{what:<52} {value:>10.2}   {goal}");
}

/// What was written where nothing should be.
fn tell(written: &[Request]) {
    let mut kinds: BTreeMap<(&str, &str, u16), usize> = BTreeMap::new();
    for Request { verb, resource, code, .. } in written {
        *kinds.entry((verb, resource, *code)).or_default() += 1;
    }
    for ((verb, resource, code), count) in kinds {
        println!("  {count} {verb} {resource}: {code}");
    }
}

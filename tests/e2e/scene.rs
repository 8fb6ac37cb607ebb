//! What each test starts from: its own namespace, an account and a certificate. Also the functions with which tests
//! wait.

use std::time::Duration;

use akacert_api::condition_set;
use akacert_api::status::CertificateStatus;
use akacert_api::{AkamaiCertificate, ClusterAkamaiAccount};
use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use testbed::{Call, EDGE, EDGERC, HOST, NAMESPACE, SECRET, TestBed};
use tokio::time::Instant;

/// Longer than anything takes, and short enough to wait for when it fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The end of the path of an acknowledgement of challenges.
pub const ACKNOWLEDGE: &str = "/input/update/lets-encrypt-challenges-completed";

/// A namespace, and a ClusterAkamaiAccount of the same name, which the namespace may use for names below
/// `NAME.example.com`.
pub struct Scene<'a> {
    pub bed: &'a TestBed,
    pub name: String,
}

impl<'a> Scene<'a> {
    /// A namespace with an account that has the simulator's credentials.
    pub async fn new(bed: &'a TestBed, name: &str) -> Result<Self> {
        let scene = Self::without_account(bed, name).await?;
        scene.account(json!({})).await?;
        Ok(scene)
    }

    /// A namespace without an account.
    pub async fn without_account(bed: &'a TestBed, name: &str) -> Result<Self> {
        let namespaces: Api<Namespace> = Api::all(bed.client());
        let namespace =
            serde_json::from_value(json!({"metadata": {"name": name, "labels": {"test": name}}}))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
        Ok(Self { bed, name: name.to_owned() })
    }

    /// A namespace with an account that has its own Secret, so that a test may remove it.
    pub async fn with_own_secret(bed: &'a TestBed, name: &str) -> Result<Self> {
        let scene = Self::without_account(bed, name).await?;
        scene.put_secret(EDGERC).await?;
        scene.account(json!({"credentials": {"secretRef": {"name": name}}})).await?;
        Ok(scene)
    }

    /// Puts credentials into the scene's own Secret.
    pub async fn put_secret(&self, edgerc: &str) -> Result<()> {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": self.name, "namespace": NAMESPACE},
            "stringData": {"edgerc": edgerc}});
        self.bed.apply(&secret.to_string()).await.map(drop)
    }

    /// Removes the scene's own Secret, and waits until the account shows it.
    pub async fn take_secret(&self) -> Result<()> {
        self.bed.kubectl(&["-n", NAMESPACE, "delete", "secret", &self.name]).await?;
        self.until_account("False", "SecretNotFound").await.map(drop)
    }

    /// Creates the account, with `changes` to its spec (JSON merge patch).
    pub async fn account(&self, changes: Value) -> Result<()> {
        self.bed.apply(&self.account_manifest(&changes).to_string()).await.map(drop)
    }

    /// The manifest of the account.
    pub fn account_manifest(&self, changes: &Value) -> Value {
        let mut account = json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "ClusterAkamaiAccount", "metadata": {"name": self.name},
            "spec": {
                "credentials": {"secretRef": {"name": SECRET}, "edgerc": {"key": "edgerc"}},
                "allowedNamespaces": {"matchLabels": {"test": self.name}},
                "allowedDomains": [format!("*.{}.example.com", self.name)],
                "defaults": {
                    "organization": {"name": "Example", "country": "US"},
                    "adminContact": {"firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com", "phone": "617-555-0111"},
                    "techContact": {"firstName": "Tim", "lastName": "Tech", "email": "tim@akamai.com", "phone": "617-555-0112"},
                    "network": {"secureNetwork": "StandardTLS"}
                }
            }
        });
        merge(&mut account["spec"], changes);
        account
    }

    /// A host name of this scene.
    pub fn host(&self, label: &str) -> String {
        format!("{label}.{}.example.com", self.name)
    }

    /// The manifest of a certificate for `LABEL.NAME.example.com`, with `changes` to its spec (JSON merge patch).
    pub fn manifest(&self, label: &str, changes: Value) -> Value {
        let mut certificate = json!({
            "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiCertificate",
            "metadata": {"name": label, "namespace": self.name},
            "spec": {
                "accountRef": {"kind": "ClusterAkamaiAccount", "name": self.name},
                "commonName": self.host(label),
                "validation": {"http01": {"ingress": {"className": "traefik"}}}
            }
        });
        merge(&mut certificate["spec"], &changes);
        certificate
    }

    /// Applies a certificate.
    pub async fn apply(&self, label: &str, changes: Value) -> Result<()> {
        self.bed.apply(&self.manifest(label, changes).to_string()).await.map(drop)
    }

    /// Makes a name lead to an address where nothing listens on port 80, so that its validation waits.
    pub async fn lead_away(&self, label: &str) -> Result<()> {
        testbed::set_address(&self.host(label), EDGE).await
    }

    /// Makes a name lead to the Ingress controller again.
    pub async fn lead_back(&self, label: &str) -> Result<()> {
        testbed::set_address(&self.host(label), HOST).await
    }

    /// Applies a certificate whose name leads elsewhere, and waits until its tokens are published and the operator
    /// has found that the name does not answer.
    pub async fn apply_held(&self, label: &str, changes: Value) -> Result<String> {
        self.lead_away(label).await?;
        self.apply(label, changes).await?;
        self.until_unreachable(label).await
    }

    /// Waits until the operator has failed to reach a name or its token. Returns the message.
    pub async fn until_unreachable(&self, label: &str) -> Result<String> {
        let host = self.host(label);
        self.until_status(label, "a failed preflight or self-check", |status| {
            let found = condition_set::find(&status.conditions, "ChallengesReachable")?;
            let failed = ["PreflightFailed", "SelfCheckFailed"].contains(&found.reason.as_str())
                && found.message.contains(&host);
            failed.then(|| found.message.clone())
        })
        .await
    }

    /// The API server's words about a certificate that it must refuse.
    pub async fn refusal(&self, label: &str, changes: Value) -> Result<String> {
        match self.bed.apply(&self.manifest(label, changes).to_string()).await {
            Ok(answer) => bail!("the API server took it: {answer}"),
            Err(error) => Ok(error.to_string()),
        }
    }

    /// The certificates of the namespace.
    pub fn certificates(&self) -> Api<AkamaiCertificate> {
        Api::namespaced(self.bed.client(), &self.name)
    }

    /// Waits until a certificate has a condition with a status and a reason. Returns its message.
    pub async fn until(&self, label: &str, condition: &str, wanted: &str, reason: &str) -> Result<String> {
        let found = self
            .until_status(label, &format!("{condition}={wanted}/{reason}"), |status| {
                let found = condition_set::find(&status.conditions, condition)?;
                (found.status == wanted && found.reason == reason).then(|| found.message.clone())
            })
            .await?;
        Ok(found)
    }

    /// Waits until a certificate is Ready.
    pub async fn until_ready(&self, label: &str) -> Result<CertificateStatus> {
        self.until_status(label, "Ready", |status| {
            condition_set::is_true(&status.conditions, "Ready").then(|| status.clone())
        })
        .await
    }

    /// A certificate without the API server's record of writes (`managedFields`), and without the time of the next
    /// renewal. The operator writes that time with some list after Ready.
    pub async fn state(&self, label: &str) -> Result<Value> {
        let mut certificate = self.certificates().get(label).await?;
        (certificate.metadata.resource_version, certificate.metadata.managed_fields) = (None, None);
        if let Some(status) = &mut certificate.status {
            status.next_renewal_time = None;
        }
        Ok(serde_json::to_value(certificate)?)
    }

    /// Waits until the status of a certificate shows something.
    pub async fn until_status<T>(
        &self,
        label: &str,
        what: &str,
        shows: impl Fn(&CertificateStatus) -> Option<T>,
    ) -> Result<T> {
        let api = self.certificates();
        let mut last = None;
        let found = eventually(what, async || {
            last = api.get_opt(label).await?.and_then(|certificate| certificate.status);
            Ok(last.as_ref().and_then(&shows))
        })
        .await;
        found.with_context(|| {
            format!("{}/{label}: {}", self.name, serde_json::to_string_pretty(&last).unwrap_or_default())
        })
    }

    /// Patches the spec of a certificate (JSON merge patch).
    pub async fn patch(&self, label: &str, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.certificates().patch(label, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Sets an annotation of a certificate.
    pub async fn annotate(&self, label: &str, key: &str, value: &str) -> Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        self.certificates().patch(label, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Waits until an object is gone.
    pub async fn until_gone<K>(&self, api: &Api<K>, name: &str) -> Result<()>
    where
        K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        eventually(&format!("{name} is gone"), async || Ok(api.get_opt(name).await?.is_none().then_some(())))
            .await
    }

    /// The published tokens of a certificate: host, path and body of each.
    pub async fn published(&self, label: &str) -> Result<Vec<Value>> {
        let name = format!("akacert-{}", uid(&self.certificates().get(label).await?));
        let config_maps: Api<ConfigMap> = Api::namespaced(self.bed.client(), NAMESPACE);
        let Some(found) = config_maps.get_opt(&name).await? else { return Ok(Vec::new()) };
        let data = found.data.unwrap_or_default();
        Ok(serde_json::from_str(data.get("challenges.json").context("no challenges.json")?)?)
    }

    /// The simulator's enrollments with the common name.
    pub async fn enrollments(&self, label: &str) -> Result<Vec<akamai_cps::types::Enrollment>> {
        let contract = akamai_cps::types::ContractId::new("1-TESTBED");
        let name = self.host(label);
        let all = self.bed.cps()?.list_enrollments(&contract).await?;
        Ok(all.into_iter().filter(|enrollment| enrollment.has_common_name(&name)).collect())
    }

    /// How often the operator acknowledged the challenges of a certificate.
    pub async fn acknowledgements(&self, label: &str) -> Result<usize> {
        let id = self.certificates().get(label).await?.status.and_then(|status| status.enrollment_id);
        let Some(id) = id else { return Ok(0) };
        let id = u64::try_from(id)?;
        let concerns = |call: &Call| call.enrollment_id == Some(id) && call.pattern.ends_with(ACKNOWLEDGE);
        Ok(self.bed.calls().await?.iter().filter(|call| concerns(call)).count())
    }

    /// Whether the authority fetched a token of a host through the ingress controller.
    pub fn authority_fetched(&self, host: &str) -> Result<bool> {
        Ok(self.bed.access_log()?.iter().any(|access| {
            access.request_host == host
                && access.downstream_status == 200
                && access.user_agent.contains("LetsEncrypt-Pebble-VA")
        }))
    }

    /// The account of the scene.
    pub fn accounts(&self) -> Api<ClusterAkamaiAccount> {
        Api::all(self.bed.client())
    }

    /// Waits until the account has a Ready condition with a status and a reason. Returns its message.
    pub async fn until_account(&self, wanted: &str, reason: &str) -> Result<String> {
        let api = self.accounts();
        eventually(&format!("account Ready={wanted}/{reason}"), async || {
            let status = api.get(&self.name).await?.status.unwrap_or_default();
            let ready = condition_set::find(&status.conditions, "Ready");
            Ok(ready
                .filter(|ready| ready.status == wanted && ready.reason == reason)
                .map(|ready| ready.message.clone()))
        })
        .await
    }
}

/// Resets the faults, warnings and quirks that an earlier test, failed or not, has set in the simulator.
pub async fn restore(bed: &TestBed) -> Result<()> {
    bed.control("DELETE", "/faults", None).await?;
    bed.control("DELETE", "/warnings", None).await?;
    bed.control("PUT", "/quirks", Some(json!({}))).await.map(drop)
}

/// Checks that a text contains a sentence.
pub fn says(text: &str, sentence: &str) -> Result<()> {
    ensure!(text.contains(sentence), "expected: {sentence}\nfound: {text}");
    Ok(())
}

/// One field of the simulator's credentials, by its name in `.edgerc`.
pub fn credential(field: &str) -> String {
    let lines = EDGERC.lines().filter_map(|line| line.split_once(" = "));
    lines.filter(|(name, _)| *name == field).map(|(_, value)| value.to_owned()).collect()
}

/// Asks again and again until there is an answer, within the deadline.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    eventually_within(what, DEADLINE, ask).await
}

/// Asks again and again until there is an answer, within a given deadline.
pub async fn eventually_within<T>(
    what: &str,
    within: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {} s", within.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// The state of the test bed, to understand a failed test.
pub async fn dump(bed: &TestBed) -> String {
    let objects =
        bed.kubectl(&["get", "akcert,clusterakamaiaccounts,ingress,pods", "-A", "-o", "wide"]).await;
    let log = bed.pod_logs("akacert-operator").unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().filter(|line| !line.contains("failpoint")).take(25).collect();
    format!(
        "{}\nthe operator's last lines:\n{}",
        objects.unwrap_or_else(|error| error.to_string()),
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    )
}

fn merge(target: &mut Value, changes: &Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (key, change) in changes {
                if change.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key.clone()).or_insert(Value::Null), change);
                }
            }
        }
        (target, changes) => *target = changes.clone(),
    }
}

/// The UID of a certificate.
pub fn uid(certificate: &AkamaiCertificate) -> String {
    certificate.uid().unwrap_or_default()
}

//! Certificates, accounts and readings for the tests of the decision.
#![allow(missing_docs, clippy::new_without_default, reason = "what a fixture is shows where it is used")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fixture that cannot be made fails its test")]

use std::sync::{Arc, LazyLock};

use akamai_cps_types::{
    Change, ChangeId, DeployedCertificate, Deployment, Deployments, DomainValidation, Enrollment,
    EnrollmentId,
};
use jiff::Timestamp;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use super::absorb::Moment;
use super::answer::Answer;
use super::intent::Intent;
use super::intervals::ForecastTimes;
use super::memory::{DeploymentsReading, Failure, Memory, OfChange, Quiet, Reading, Taken};
use super::{Decision, Next, Snapshot, Step, intervals::Intervals, next};
use crate::account::{Account, AccountKey, View};
use crate::deployed::Roots;
use crate::{desired, published};
use akacert_api::AkamaiCertificate;
use akacert_api::certificate::AccountKind;
use akacert_api::names::{CERTIFICATE_FINALIZER, ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION};
use akacert_api::reason::Reason;

/// The only authority, and its certificate.
static AUTHORITY: LazyLock<(Certificate, Issuer<'static, KeyPair>)> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.self_signed(&key).unwrap(), Issuer::new(params, key))
});

/// The trusted roots.
pub static ROOTS: LazyLock<Roots> = LazyLock::new(|| Roots::from_pem(AUTHORITY.0.pem().as_bytes()).unwrap());

/// The time at which tests begin.
pub fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// A certificate for two names. The account's defaults set everything else.
pub fn certificate() -> AkamaiCertificate {
    serde_json::from_value(json!({
        "apiVersion": "akacert.io/v1alpha1", "kind": "AkamaiCertificate",
        "metadata": {"name": "www", "namespace": "shop", "uid": "5a8e5f2e-0c67-4b4e-9e7b-6f0a3f1d2c11", "generation": 1, "resourceVersion": "10"},
        "spec": {
            "accountRef": {"kind": "ClusterAkamaiAccount", "name": "production"},
            "commonName": "www.example.com", "dnsNames": ["api.example.com"],
            "validation": {"http01": {"ingress": {"className": "traefik"}}}
        },
        "status": {"observedGeneration": -1}
    }))
    .unwrap()
}

/// An account that allows `*.example.com`, with one contract and all defaults.
pub fn account() -> Account {
    Account {
        key: AccountKey { kind: AccountKind::ClusterAkamaiAccount, namespace: None, name: "production".into() },
        contracts: vec!["1-1TJZH5".into()],
        defaults: serde_json::from_value(json!({
            "organization": {"name": "Example"},
            "adminContact": {"firstName": "A", "lastName": "B", "email": "a@example.com", "phone": "617-555-0111"},
            "techContact": {"firstName": "C", "lastName": "D", "email": "c@akamai.com", "phone": "617-555-0112"},
            "network": {"secureNetwork": "StandardTLS"}
        }))
        .unwrap(),
        allowed_namespaces: None,
        allowed_domains: Some(vec!["*.example.com".into()]),
        budget_group: "production".into(),
    }
}

/// A certificate and everything that the decision sees of its surroundings.
pub struct Scene {
    pub certificate: AkamaiCertificate,
    pub view: View,
    pub published: published::Observed,
    pub memory: Memory,
    pub publishing: published::Rules,
    /// Another resource that has the enrollment.
    pub rival: Option<String>,
    pub forecast_times: ForecastTimes,
    pub now: Timestamp,
}

impl Scene {
    /// The certificate has just been applied, and the account is ready.
    pub fn new() -> Self {
        Self {
            certificate: certificate(),
            view: View::Ready(Arc::new(account())),
            published: published::Observed::default(),
            memory: Memory::of_generation(1),
            publishing: published::Rules {
                operator_namespace: "akacert-system".into(),
                allowed_ingress_annotations: Default::default(),
                allowed_dns_servers: Default::default(),
                solver_service: "akacert-solver".into(),
            },
            rival: None,
            forecast_times: ForecastTimes {
                interval: std::time::Duration::from_secs(24 * 3600),
                started: noon(),
            },
            now: noon(),
        }
    }

    /// The enrollment is created and recorded. Its first change is known from the answer.
    pub fn created() -> Self {
        let mut scene = Self::new();
        scene.intend();
        scene.annotate(ENROLLMENT_ID_ANNOTATION, "10002");
        scene.memory.enrollment.taken = Some(Taken {
            at: noon().checked_sub(std::time::Duration::from_secs(3600)).unwrap(),
            enrollment: EnrollmentId(10002),
            change: Some(ChangeId(20003)),
            generation: 1,
        });
        scene
    }

    /// Records the intent.
    pub fn intend(&mut self) {
        let body = desired::enrollment(&self.certificate.spec, &account().defaults).unwrap();
        let intent = Intent {
            contract_id: "1-1TJZH5".into(),
            common_name: "www.example.com".into(),
            body_hash: desired::body_hash(&body),
            names_hash: desired::names_hash(&body.csr),
            earlier_names: vec![],
            time: noon().checked_sub(std::time::Duration::from_secs(3600)).unwrap(),
            existing: vec![],
        };
        self.annotate(INTENT_ANNOTATION, &serde_json::to_string(&intent).unwrap());
        self.certificate.metadata.finalizers = Some(vec![CERTIFICATE_FINALIZER.into()]);
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        self.certificate.metadata.annotations.get_or_insert_default().insert(key.into(), value.into());
    }

    /// CPS lists these enrollments with our common name.
    pub fn listed(&mut self, enrollments: Vec<Enrollment>) {
        self.memory.create.list = Some(Reading { at: self.now, value: enrollments });
    }

    /// The pending change has just been read.
    pub fn change(&mut self, status: &str, state: &str, inputs: &[&str]) {
        let read = OfChange::new(ChangeId(20003), self.now, Some(Box::new(change(status, state, inputs))));
        match &mut self.memory.change {
            Some(known) if known.id == read.id => {
                (known.at, known.change, known.unchanged) = (read.at, read.change, 0);
            }
            slot => *slot = Some(read),
        }
    }

    /// CPS offers these challenges.
    pub fn challenges(&mut self, domains: Vec<DomainValidation>) {
        self.of_change().challenges = Some(Reading { at: self.now, value: Arc::new(domains) });
    }

    /// The memory of the pending change.
    pub fn of_change(&mut self) -> &mut OfChange {
        self.memory.change.as_mut().unwrap()
    }

    /// Delivers an answer to a step.
    pub fn answer(&mut self, step: &Step, answer: Answer) {
        let moment = Moment { begun: self.now, ended: self.now, scale: 1.0 };
        self.memory.absorb(step, answer, moment);
    }

    /// Makes a step fail, and holds it back until a time.
    pub fn fail(&mut self, step: &'static str, reason: Reason, count: u32, retry_at: Timestamp) {
        let message = "it did not work".to_owned();
        self.memory.failures.insert(step, Failure { reason, message, count, retry_at });
    }

    /// The step that the decision returns.
    pub fn step(&self) -> Step {
        match self.next().next {
            Next::Do(step) => step,
            Next::Pause(pause) => panic!("nothing to do: {pause:?}"),
        }
    }

    /// CPS has our enrollment with these names.
    pub fn enrollment(&mut self, names: &[&str]) {
        self.memory.enrollment.reading =
            Some(Reading { at: self.now, value: Some(Box::new(enrollment(10002, names))) });
    }

    /// Like `enrollment`, while CPS works on a change.
    pub fn pending(&mut self, names: &[&str], change: u64, kind: &str) {
        let mut pending = enrollment(10002, names);
        let location = format!("/cps-api/enrollments/10002/changes/{change}");
        let one = json!({"location": location, "changeType": kind});
        pending.pending_changes = vec![serde_json::from_value(one).unwrap()];
        self.memory.enrollment.reading = Some(Reading { at: self.now, value: Some(Box::new(pending)) });
    }

    /// The certificate is Ready and at rest. The operator remembers only the status.
    pub fn ready() -> Self {
        let mut scene = Self::created();
        scene.change("complete", "completed", &[]);
        scene.deployments(IN_PRODUCTION.clone());
        let decision = scene.next();
        scene.certificate.status = Some(decision.status);
        scene.memory = Memory::of_generation(1);
        scene.memory.enrollment.quiet = Some(Quiet { at: scene.now, renewal_start: None });
        scene
    }

    /// The user changes something in `spec`.
    pub fn edit(&mut self, edit: impl FnOnce(&mut akacert_api::certificate::CertificateSpec)) {
        edit(&mut self.certificate.spec);
        self.certificate.metadata.generation = Some(2);
        self.memory.generation.number = 2;
    }

    /// CPS reports this as deployed.
    pub fn deployments(&mut self, deployments: Deployments) {
        self.memory.enrollment.deployments =
            Some(DeploymentsReading { at: self.now, value: Arc::new(deployments), reads: 1 });
    }

    pub fn next(&self) -> Decision {
        next(&Snapshot {
            certificate: &self.certificate,
            account: &self.view,
            published: &self.published,
            memory: &self.memory,
            publishing: &self.publishing,
            roots: &ROOTS,
            rival: &|_| self.rival.clone(),
            intervals: Intervals { scale: 1.0, seed: 0 },
            forecast_times: self.forecast_times,
            now: self.now,
        })
    }
}

/// An enrollment as CPS would return ours, with the common name first among the names.
pub fn enrollment(id: u64, names: &[&str]) -> Enrollment {
    let spec = certificate().spec;
    let mut enrollment = desired::enrollment(&spec, &account().defaults).unwrap();
    enrollment.id = Some(EnrollmentId(id));
    enrollment.csr.cn = names[0].into();
    enrollment.csr.sans = Some(names.iter().rev().map(|name| (*name).to_owned()).collect());
    enrollment
}

pub fn change(status: &str, state: &str, inputs: &[&str]) -> Change {
    let inputs: Vec<Value> =
        inputs.iter().map(|kind| json!({"type": kind, "requiredToProceed": true})).collect();
    serde_json::from_value(json!({
        "statusInfo": {"status": status, "state": state, "description": "words of CPS"}, "allowedInput": inputs
    }))
    .unwrap()
}

/// Warnings as CPS sends them.
pub fn warnings(text: &str) -> akamai_cps_types::Warnings {
    akamai_cps_types::Warnings { warnings: text.into(), ..Default::default() }
}

/// A name with an http-01 and a dns-01 challenge.
pub fn domain(name: &str, token: &str, validation: &str) -> DomainValidation {
    serde_json::from_value(json!({
        "domain": name, "status": "Awaiting user", "validationStatus": validation, "expires": "2026-11-30T12:00:00Z",
        "challenges": [
            {"type": "http-01", "status": "pending", "token": token,
             "fullPath": format!("http://{name}/.well-known/acme-challenge/{token}"), "responseBody": format!("{token}.thumb")},
            {"type": "dns-01", "status": "pending", "token": token,
             "fullPath": format!("_acme-challenge.{name}."), "responseBody": "digest"}
        ]
    }))
    .unwrap()
}

/// Applies a write, as the API server and the watches would.
pub fn play(observed: &mut published::Observed, write: &published::Write) {
    use published::{Kind, Object, Write};
    match write.clone() {
        Write::Apply(object) => match object {
            Object::ConfigMap(object) => observed.config_map = Some(stored(object).into()),
            Object::Ingress(object) => put(&mut observed.ingresses, object),
            Object::HttpRoute(object) => put(&mut observed.http_routes, object),
            Object::DnsEndpoint(object) => put(&mut observed.dns_endpoints, object),
            Object::Snippets(object) => put(&mut observed.snippets, object),
            Object::Service(object) => observed.service = Some(stored(object).into()),
            Object::EndpointSlice(object) => put(&mut observed.endpoint_slices, object),
            Object::Handoff(object) => put(&mut observed.handoffs, object),
        },
        Write::Delete { kind, name, .. } => match kind {
            Kind::ConfigMap => observed.config_map = None,
            Kind::Ingress => take(&mut observed.ingresses, &name),
            Kind::HttpRoute => take(&mut observed.http_routes, &name),
            Kind::DnsEndpoint => take(&mut observed.dns_endpoints, &name),
            Kind::Snippets => take(&mut observed.snippets, &name),
            Kind::Service => {
                // Garbage collection removes its EndpointSlices with it.
                observed.service = None;
                observed.endpoint_slices.clear();
            }
            Kind::EndpointSlice => take(&mut observed.endpoint_slices, &name),
            Kind::Handoff => take(&mut observed.handoffs, &name),
        },
    }
}

fn put<K: kube::Resource>(objects: &mut Vec<Arc<K>>, object: K) {
    objects.retain(|found| found.meta().name != object.meta().name);
    objects.push(stored(object).into());
}

fn take<K: kube::Resource>(objects: &mut Vec<Arc<K>>, name: &str) {
    objects.retain(|found| found.meta().name.as_deref() != Some(name));
}

fn stored<K: kube::Resource>(mut object: K) -> K {
    object.meta_mut().uid = Some("0f8fad5b-d9cb-469f-a165-70867728950e".into());
    object
}

/// What `Scene::ready` has in production. Made once, because keys are slow to make.
pub static IN_PRODUCTION: std::sync::LazyLock<Deployments> =
    std::sync::LazyLock::new(|| in_production(&["www.example.com", "api.example.com"]));

/// A deployed certificate for these names with its chain, valid from November 2026 to the end of 2027.
pub fn in_production(names: &[&str]) -> Deployments {
    let (root, issuer) = &*AUTHORITY;
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 11, 1);
    params.not_after = rcgen::date_time_ymd(2027, 12, 31);
    let certificate = params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap();
    let primary = DeployedCertificate {
        certificate: Some(certificate.pem()),
        trust_chain: Some(root.pem()),
        ..DeployedCertificate::default()
    };
    let production = Deployment { primary_certificate: Some(primary), ..Deployment::default() };
    Deployments { production: Some(production), ..Deployments::default() }
}

//! One certificate between an API server and a CPS that tests can see into.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use akacert_api::AkamaiCertificate;
use akacert_core::deployed::Roots;
use akacert_core::life::answer::Answer;
use akacert_core::life::fixtures::{self, Scene};
use akacert_core::life::intervals::ForecastTimes;
use akacert_core::life::{Pause, Step};
use akacert_core::published::Rules;
use akacert_outside::probe::{ProbeSettings, Prober};
use akamai_cps::{Client, Credentials};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector;
use kube::runtime::reflector::store::Writer;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::act::{self, Gone, Subject};
use super::super::context::Context;
use super::super::knowledge::{Knowledge, Known};
use super::cps;
use crate::accounts;
use crate::cluster::Publisher;
use crate::cluster::api_server::ApiServer;
use crate::cluster::index::Index;
use crate::cluster::scope::Scope;
use crate::cps::lists::Lists;
use crate::process::metrics::Metrics;

/// The path of the certificate.
pub const CERTIFICATE: &str = "/apis/akacert.io/v1alpha1/namespaces/shop/akamaicertificates/www";

pub struct World {
    pub api: ApiServer,
    pub known: Known,
    pub client: Client,
    ctx: Context,
    shutdown: CancellationToken,
    _namespaces: Mutex<Writer<PartialObjectMeta<Namespace>>>,
}

impl World {
    /// A certificate, what is remembered of it, and CPS's answers to "METHOD path" and a body.
    pub async fn new(
        scene: Scene,
        answers: impl Fn(&ApiServer, &str, &Value) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        let api = ApiServer::default();
        api.put(CERTIFICATE, &serde_json::to_value(&scene.certificate).unwrap());
        let of_cps = api.clone();
        let url = cps::start(&api, move |call, body| answers(&of_cps, call, body)).await;
        let credentials = "[default]\nhost = cps.test\nclient_token = akab-client\nclient_secret = c2VjcmV0\naccess_token = akab-access\n";
        let credentials = Credentials::from_edgerc(credentials, "default").unwrap();
        let client = Client::builder(credentials).base_url(url).build().unwrap();
        let shutdown = CancellationToken::new();
        let (namespaces, namespaces_writer) = reflector::store();
        let (certificates, _) = reflector::store();
        let rules = Rules { ..scene.publishing };
        let (publisher, _) =
            Publisher::start(api.client(), rules.clone(), &Scope::default(), namespaces.clone(), &shutdown);
        publisher.synced().await.unwrap();
        let registry = accounts::Registry::new(namespaces);
        registry.ready(fixtures::account(), client.clone());
        let resolver = "127.0.0.1:9".parse().unwrap();
        let prober =
            Prober::new(ProbeSettings { resolvers: vec![resolver], ..ProbeSettings::default() }).unwrap();
        let reporter = Reporter { controller: "akacert.io/operator".into(), instance: None };
        let ctx = Context {
            client: api.client(),
            accounts: Arc::new(registry),
            publisher,
            rules,
            dns: prober.dns().unwrap(),
            prober,
            roots: Roots::default(),
            lists: Lists::default(),
            certificates: Index::new(certificates, |_| vec![]),
            knowledge: Knowledge::default(),
            recorder: Recorder::new(api.client(), reporter),
            metrics: Metrics::new(&mut Registry::default()),
            interval_scale: 1.0,
            forecast_times: ForecastTimes {
                interval: Duration::from_secs(24 * 3600),
                started: Timestamp::now(),
            },
        };
        api.forget_requests();
        let known = Known { written: None, memory: scene.memory };
        Self { api, known, client, ctx, shutdown, _namespaces: Mutex::new(namespaces_writer) }
    }

    /// The certificate, as the API server has it.
    pub fn certificate(&self) -> AkamaiCertificate {
        serde_json::from_value(self.api.get(CERTIFICATE).unwrap()).unwrap()
    }

    pub async fn look(&mut self) -> Pause {
        let certificate = self.certificate();
        self.look_at(certificate).await
    }

    /// A look, for which the watch shows this.
    pub async fn look_at(&mut self, watched: AkamaiCertificate) -> Pause {
        super::super::look(Arc::new(watched), &mut self.known, &self.ctx).await
    }

    /// Does one step.
    pub async fn perform(&self, step: &Step) -> Result<Answer, Gone> {
        let mut certificate = Arc::new(self.certificate());
        let account = Arc::new(fixtures::account());
        let mut subject = Subject {
            certificate: &mut certificate,
            account: Some(&account),
            client: Some(&self.client),
            solver: &[],
        };
        act::perform(step, &mut subject, &self.ctx).await
    }

    /// What was written so far, in its order: to the certificate, and to CPS. Leaves status and events out.
    pub fn writes(&self) -> Vec<String> {
        let is_aside = |request: &String| request.ends_with("/status") || request.contains("/events");
        let all = self.api.writes();
        all.into_iter()
            .filter(|request| !is_aside(request))
            .map(|request| request.replace(CERTIFICATE, "www").replace("/cps/v2/", ""))
            .collect()
    }

    /// The calls of CPS so far.
    pub fn calls(&self) -> Vec<String> {
        self.api.requests().into_iter().filter(|request| request.contains("/cps/v2/")).collect()
    }

    /// `reason` of a condition, as the API server has it.
    pub fn reason(&self, condition: &str) -> String {
        let status = self.certificate().status.unwrap_or_default();
        let found = status.conditions.into_iter().find(|one| one.type_ == condition);
        found.map(|one| one.reason).unwrap_or_default()
    }

    pub fn annotation(&self, key: &str) -> Value {
        self.api
            .get(CERTIFICATE)
            .map(|found| found["metadata"]["annotations"][key].clone())
            .unwrap_or(json!(null))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

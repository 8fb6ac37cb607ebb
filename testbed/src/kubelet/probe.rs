//! Liveness and readiness probes of the pod template. HTTP only.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::time::Instant;

struct Check {
    url: String,
    period: Duration,
    threshold: i32,
    due: Instant,
    failed: i32,
}

/// The probes of one container.
pub(super) struct Prober {
    client: reqwest::Client,
    liveness: Option<Check>,
    readiness: Option<Check>,
    ready: bool,
}

impl Prober {
    pub fn new(container: &Container, address: &str) -> Self {
        Self {
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(1))
                .no_proxy()
                .build()
                .unwrap_or_default(),
            liveness: container.liveness_probe.as_ref().and_then(|probe| check(probe, container, address)),
            readiness: container.readiness_probe.as_ref().and_then(|probe| check(probe, container, address)),
            ready: false,
        }
    }

    /// Whether the liveness probe has failed as often as it may.
    pub async fn is_dead(&mut self) -> bool {
        let Some(check) = self.liveness.as_mut().filter(|check| Instant::now() >= check.due) else {
            return false;
        };
        check.due = Instant::now() + check.period;
        check.failed = if answers(&self.client, &check.url).await { 0 } else { check.failed + 1 };
        check.failed > check.threshold
    }

    /// The new readiness, if it has changed.
    pub async fn readiness_change(&mut self) -> Option<bool> {
        let ready = match self.readiness.as_mut() {
            None => true,
            // Until the first success, a check costs nothing, and spares a new pod the period.
            Some(check) if self.ready && Instant::now() < check.due => true,
            Some(check) => {
                check.due = Instant::now() + check.period;
                answers(&self.client, &check.url).await
            }
        };
        (ready != self.ready).then(|| {
            self.ready = ready;
            ready
        })
    }
}

async fn answers(client: &reqwest::Client, url: &str) -> bool {
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}

fn check(probe: &Probe, container: &Container, address: &str) -> Option<Check> {
    let get = probe.http_get.as_ref()?;
    let port = match &get.port {
        IntOrString::Int(port) => *port,
        IntOrString::String(name) => {
            container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name))?.container_port
        }
    };
    let path = get.path.as_deref().unwrap_or("/");
    let period = Duration::from_secs(u64::try_from(probe.period_seconds.unwrap_or(10)).unwrap_or(10));
    Some(Check {
        url: format!("http://{address}:{port}{path}"),
        period,
        threshold: probe.failure_threshold.unwrap_or(3),
        due: Instant::now() + period,
        failed: 0,
    })
}

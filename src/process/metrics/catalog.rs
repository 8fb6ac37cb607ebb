//! The table of all metrics: the name of each, its meaning, and when to act. Names and labels are an API, because
//! dashboards and alert rules use them.

use std::fmt::Write;

use prometheus_client::metrics::MetricType;

#[derive(Debug)]
pub struct Metric {
    /// The name, without a counter's suffix `_total`.
    pub name: &'static str,
    pub kind: MetricType,
    pub labels: &'static [&'static str],
    pub help: &'static str,
    /// When to act, and how.
    pub action: &'static str,
}

impl Metric {
    /// The name of the samples in the exposition format (OpenMetrics), without a histogram's suffixes.
    #[must_use]
    pub fn sample(&self) -> String {
        match self.kind {
            MetricType::Counter => format!("{}_total", self.name),
            MetricType::Info => format!("{}_info", self.name),
            MetricType::Gauge | MetricType::Histogram | MetricType::Unknown => self.name.to_owned(),
        }
    }
}

macro_rules! metrics {
    ($($identifier:ident = $name:literal $kind:ident [$($label:literal),*] $help:literal $action:literal;)*) => {
        $(
            #[doc = $help]
            pub const $identifier: Metric = Metric {
                name: $name, kind: MetricType::$kind, labels: &[$($label),*], help: $help, action: $action,
            };
        )*
        /// All metrics, in the order of the handbook.
        pub const ALL: &[&Metric] = &[$(&$identifier),*];
    };
}

metrics! {
    BUILD = "akacert_build" Info ["version"]
        "The version that runs"
        "Two versions for longer than a rollout: look at the Deployment";
    LEADER = "akacert_leader" Gauge []
        "1 while this operator leads, else 0. Counters of work come from the leader"
        "The sum over all operators is 0 for more than a minute: no operator runs, or none can write the Lease `akacert-operator`; the operators' logs say which";
    CERTIFICATE_READY = "akacert_certificate_ready" Gauge ["namespace", "name"]
        "1 while the certificate is Ready, else 0"
        "0 for more than a few hours: the certificate's `Ready` condition says why";
    CERTIFICATE_CONDITION = "akacert_certificate_condition" Gauge ["namespace", "name", "type", "reason"]
        "1 while the condition is True, else 0; for `Ready` and for the conditions beside the steps that the certificate has"
        "`Stalled` is 1: a human has to act; the reason is explained in the handbook's list of reasons";
    CERTIFICATE_EXPIRATION = "akacert_certificate_expiration_timestamp_seconds" Gauge ["namespace", "name"]
        "When the certificate in production expires, in seconds since 1970; includes certificates with `managementPolicy: Observe`"
        "Less than a week ahead: look at `Renewing` and `RenewalReady`";
    CERTIFICATE_RENEWAL = "akacert_certificate_renewal_timestamp_seconds" Gauge ["namespace", "name"]
        "When CPS begins the next renewal, in seconds since 1970, once CPS has said so"
        "More than two days ago: CPS did not begin the renewal; look at the enrollment in Akamai Control Center";
    DOMAINS = "akacert_domains" Gauge ["state"]
        "Names under validation in all certificates, by their state in CPS"
        "`RESPONSE_ERROR` or `ERROR` for more than an hour: `status.domains` of the certificates says what the authority met";
    ACCOUNT_READY = "akacert_account_ready" Gauge ["kind", "namespace", "name"]
        "1 while Akamai accepts the account's credentials, else 0"
        "0 for more than ten minutes: the account's `Ready` condition says why";
    CPS_REQUESTS = "akacert_cps_requests" Counter ["operation", "code", "account"]
        "Requests sent to Akamai, retries included; the code is `none` if there was no answer"
        "Many 401 or 403: the credentials. Many 429 or 503: others use up the account's limit; lower `requestBudget`";
    CPS_REQUEST_DURATION = "akacert_cps_request_duration_seconds" Histogram ["operation"]
        "How long Akamai took to answer"
        "Look at Akamai's status page when it grows";
    CPS_QUEUE_DURATION = "akacert_cps_queue_duration_seconds" Histogram []
        "How long requests to Akamai waited for their turn in the request budget"
        "Minutes: more certificates change at once than the budget is meant for; they take longer, and nothing else is wrong";
    CPS_QUEUE_DEPTH = "akacert_cps_queue_depth" Gauge ["group"]
        "Requests to Akamai that wait for their turn, by budget group"
        "It only grows: Akamai asked for a pause, or `requestBudget` is too low for so many certificates";
    CPS_BUDGET_REMAINING = "akacert_cps_budget_remaining" Gauge ["group"]
        "Requests to Akamai that may be made at once, by budget group"
        "Always 0: more certificates change at once than the budget is meant for; they take longer, and nothing else is wrong";
    RECONCILES = "akacert_reconciles" Counter ["result"]
        "Reconciles of certificates: `error` if a step failed and will be tried again, else `success`"
        "Mostly errors for an hour: the operator's log and the certificates' conditions name the failing step";
    RECONCILE_DURATION = "akacert_reconcile_duration_seconds" Histogram []
        "How long one reconcile of a certificate took, including all its steps and the wait for the request budget"
        "Not by itself: the wait for the budget is included";
    API_WRITES = "akacert_api_writes" Counter ["what", "result"]
        "Writes to the Kubernetes API, by what was written and `success` or `error`; without events and the Lease"
        "Errors: RBAC or an admission webhook; the operator's log names the object";
    SOLVER_REQUESTS = "akacert_solver_requests" Counter ["result"]
        "Challenge requests to the solver: `served`, `redirected`, `unknown_path`, `unknown_host`, `refused`"
        "Many `unknown_path` or `unknown_host` while a certificate waits: look for a stale Ingress, or for another ACME client";
    SOLVER_TOKENS = "akacert_solver_tokens" Gauge []
        "Tokens that the solver can serve"
        "0 while a certificate has `ChallengesPublished`: look at the solver's log and its Role";
}

/// Renders the page `docs/metrics.md`.
#[must_use]
pub fn handbook_page() -> String {
    let mut page = String::from(
        "# Metrics\n\nOperator and solver serve these metrics as OpenMetrics at `/metrics` on their admin listener (`--admin-listen`, port 8081). \
         No sample outlives the object that it is about. This page is rendered from `src/process/metrics/catalog.rs`; \
         [Monitoring](monitoring.md) has alert rules and a dashboard.\n\n\
         | Metric | Labels | What it says | When to act |\n|---|---|---|---|\n",
    );
    for metric in ALL {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        // Writing to a `String` cannot fail.
        let _ = writeln!(page, "| `{}` | {labels} | {} | {} |", metric.sample(), metric.help, metric.action);
    }
    page
}

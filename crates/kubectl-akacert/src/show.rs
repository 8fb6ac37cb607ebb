//! PURE: renders certificates as text: a table, a tree, a plan, and why a certificate is not Ready. Colours are ANSI
//! codes, which the output drops if it is not a terminal.

use akacert_api::AkamaiCertificate;
use akacert_api::condition_set;
use akacert_api::reason::Reason;
use akacert_api::status::{
    CertificateStatus, ChallengeStatus, ChangeStatus, DeploymentStatus, DomainStatus, PlanAction, Preflight,
    Risk,
};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::probe::Finding;
use crate::verdict::{Verdict, awaited, conditions};

/// A line of a tree, with its children.
struct Node {
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn new(label: &str, text: impl AsRef<str>) -> Self {
        Self::line(format!("{label:<12}{}", text.as_ref()))
    }

    fn line(text: impl Into<String>) -> Self {
        Self { text: text.into(), children: Vec::new() }
    }
}

/// All certificates, one line each.
pub fn table(certificates: &[AkamaiCertificate], with_namespace: bool, now: Timestamp) -> String {
    let mut rows = vec![
        ["NAMESPACE", "NAME", "READY", "REASON", "COMMON NAME", "EXPIRES", "SINCE", "AWAITED"]
            .map(str::to_owned),
    ];
    let mut styles = vec![anstyle::Style::new()];
    for certificate in certificates {
        let verdict = Verdict::of(certificate);
        let ready = condition_set::find(conditions(certificate), "Ready");
        let expires = production(certificate).map(|production| production.not_after.0.to_string());
        let since = awaited(certificate).map(|condition| age(condition.last_transition_time.0, now));
        let message = awaited(certificate).filter(|_| verdict != Verdict::Ready);
        rows.push([
            certificate.namespace().unwrap_or_default(),
            certificate.name_any(),
            ready.map(|ready| ready.status.clone()).unwrap_or_else(|| "Unknown".into()),
            ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
            certificate.spec.common_name.clone(),
            expires.unwrap_or_default(),
            since.unwrap_or_default(),
            message.map(|condition| condition.message.clone()).unwrap_or_default(),
        ]);
        styles.push(verdict.style());
    }
    let first = usize::from(!with_namespace);
    let widths: Vec<usize> =
        (0..8).map(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or_default()).collect();
    let mut text = String::new();
    for (row, style) in rows.iter().zip(styles) {
        let cells = (first..8).map(|n| {
            let padded = format!("{:<width$}", row[n], width = widths[n]);
            if n == 2 { format!("{style}{padded}{style:#}") } else { padded }
        });
        let line: Vec<String> = cells.collect();
        text.push_str(line.join("   ").trim_end());
        text.push('\n');
    }
    text
}

/// One certificate: its enrollment, the pending change with its names, and what it waits for and since when.
pub fn tree(certificate: &AkamaiCertificate, now: Timestamp) -> String {
    let verdict = Verdict::of(certificate);
    let style = verdict.style();
    let reason = condition_set::find(conditions(certificate), "Ready").map(|ready| ready.reason.as_str());
    let word = match verdict {
        Verdict::Ready => "Ready",
        Verdict::InProgress => "in progress",
        Verdict::Stalled => "stalled",
    };
    let mut text = format!(
        "AkamaiCertificate {}/{}: {style}{word}{style:#} ({})\n",
        certificate.namespace().unwrap_or_default(),
        certificate.name_any(),
        reason.unwrap_or("nobody has looked at it yet"),
    );
    draw(&branches(certificate, now), "", &mut text);
    text
}

fn branches(certificate: &AkamaiCertificate, now: Timestamp) -> Vec<Node> {
    let account = &certificate.spec.account_ref;
    let mut nodes = vec![Node::new("account", format!("{} {}", account.kind.as_str(), account.name))];
    let none = CertificateStatus::default();
    let found = certificate.status.as_ref().unwrap_or(&none);
    let contract = found.contract_id.as_deref().map(|id| format!(" in contract {id}")).unwrap_or_default();
    let id = found.enrollment_id.map(|id| format!("{id}{contract}"));
    let mut enrollment = Node::new("enrollment", id.unwrap_or_else(|| "none yet".into()));
    enrollment.children.extend(found.change.as_ref().map(|change| pending(change, &found.domains, now)));
    enrollment.children.extend(found.plan.as_ref().map(|plan| {
        let mut node = Node::new("plan", format!("{} ({})", risk(plan.risk), plan.hash));
        node.children.extend(plan.changes.iter().map(Node::line));
        node
    }));
    let staging = found.deployments.as_ref().and_then(|deployments| deployments.staging.as_ref());
    if let Some(staging) = staging.filter(|_| certificate.spec.change_management == Some(true)) {
        enrollment.children.push(Node::new("staging", deployed(staging)));
    }
    let live = production(certificate).map(deployed);
    enrollment.children.push(Node::new("production", live.unwrap_or_else(|| "nothing yet".into())));
    nodes.push(enrollment);
    if let Some(condition) = awaited(certificate) {
        let since = age(condition.last_transition_time.0, now);
        let label = if Verdict::of(certificate) == Verdict::Ready { "since" } else { "awaited" };
        let text = match label {
            "since" => since,
            _ => format!("{} (for {since})", condition.message),
        };
        nodes.push(Node::new(label, text));
    }
    nodes
}

/// What CPS works on, with the names under validation and the warnings.
fn pending(change: &ChangeStatus, domains: &[DomainStatus], now: Timestamp) -> Node {
    let kind = change.change_type.as_deref().map(|kind| format!("{kind}, ")).unwrap_or_default();
    let since = change.since.as_ref().map(|since| format!(" for {}", age(since.0, now))).unwrap_or_default();
    let mut node = Node::new("change", format!("{} ({kind}{}){since}", change.id, change.status));
    node.children.extend(domains.iter().map(validated));
    let warnings = change.warnings.iter().map(|warning| Node::line(format!("warning {}", warning.message)));
    node.children.extend(warnings);
    node
}

/// A name: its state in CPS, its way, what the checks found, and what somebody else has to publish for it.
fn validated(domain: &DomainStatus) -> Node {
    let way = domain.way.as_deref().map(|way| format!(" by {way}")).unwrap_or_default();
    let preflight = match domain.preflight {
        Some(Preflight::Passed) => ", preflight passed",
        Some(Preflight::Failed) => ", preflight failed",
        None => "",
    };
    let error = domain.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    let mut node = Node::line(format!("{} {}{way}{preflight}{error}", domain.name, domain.state));
    node.children.extend(domain.challenges.iter().filter_map(to_publish));
    node
}

/// What somebody else has to publish. The status shows no other values.
fn to_publish(challenge: &ChallengeStatus) -> Option<Node> {
    let path = &challenge.path;
    let value = challenge.value.as_ref().map(|value| format!("create {path} TXT \"{value}\""));
    let redirect = || challenge.redirect_to.as_ref().map(|to| format!("redirect {path} to {to}"));
    value.or_else(redirect).map(Node::line)
}

fn draw(nodes: &[Node], indent: &str, text: &mut String) {
    for (n, node) in nodes.iter().enumerate() {
        let is_last = n + 1 == nodes.len();
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        text.push_str(&format!("{indent}{branch}{}\n", node.text));
        draw(&node.children, &format!("{indent}{below}"), text);
    }
}

/// What the next write to CPS would do.
pub fn plan(certificate: &AkamaiCertificate) -> String {
    let name = certificate.name_any();
    let Some(plan) = certificate.status.as_ref().and_then(|status| status.plan.as_ref()) else {
        return format!("{name}: nothing is outstanding.\n");
    };
    let what = match plan.action {
        PlanAction::Update => "The enrollment is given what spec says",
        PlanAction::Renew => "Another certificate of the same content is ordered",
    };
    let mut text = format!("{name}: {what}. {}\n", risk(plan.risk));
    for change in &plan.changes {
        text.push_str(&format!("  {change}\n"));
    }
    text.push_str(&format!("Hash: {}\n", plan.hash));
    text
}

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::MetadataOnly => "It is only saved (MetadataOnly).",
        Risk::Redeploy => "The same certificate is deployed anew (Redeploy).",
        Risk::Reissue => "A new certificate is issued, and every name validated again (Reissue).",
        Risk::Refused => "CPS cannot change it (Refused).",
    }
}

#[derive(Serialize)]
pub struct Explanation<'a> {
    namespace: String,
    name: String,
    verdict: Verdict,
    /// The reason of the condition that says what the certificate waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
}

pub fn explain(certificate: &AkamaiCertificate) -> Explanation<'_> {
    let condition = awaited(certificate);
    let known =
        condition.and_then(|condition| Reason::ALL.iter().find(|reason| reason.as_str() == condition.reason));
    Explanation {
        namespace: certificate.namespace().unwrap_or_default(),
        name: certificate.name_any(),
        verdict: Verdict::of(certificate),
        reason: condition.map(|condition| condition.reason.as_str()),
        since: condition.map(|condition| condition.last_transition_time.0),
        message: condition.map_or("no operator has looked at it yet", |condition| &condition.message),
        meaning: known.map(|reason| reason.meaning()),
        action: match condition {
            None => Some("See that the operator runs, and that one leads."),
            Some(_) => known.map(|reason| reason.action()),
        },
    }
}

pub fn explanation(explained: &Explanation<'_>, now: Timestamp) -> String {
    let style = explained.verdict.style();
    let mut text = format!("{}/{}: ", explained.namespace, explained.name);
    if let (Some(reason), Some(since)) = (explained.reason, explained.since) {
        text.push_str(&format!("{style}{reason}{style:#} for {}\n", age(since, now)));
    }
    text.push_str(&format!("{}\n", explained.message));
    for (what, said) in [("What it means", explained.meaning), ("What to do", explained.action)] {
        if let Some(said) = said {
            text.push_str(&format!("{what}: {said}\n"));
        }
    }
    text
}

/// What each name shows from the user's machine.
pub fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        text.push_str(&format!("{}\n", finding.name));
        let nodes: Vec<Node> = finding
            .looks
            .iter()
            .map(|look| {
                let style = if look.fine { Verdict::Ready.style() } else { Verdict::Stalled.style() };
                Node::new(look.what, format!("{style}{}{style:#}", look.seen))
            })
            .collect();
        draw(&nodes, "", &mut text);
    }
    text
}

fn production(certificate: &AkamaiCertificate) -> Option<&DeploymentStatus> {
    certificate.status.as_ref()?.deployments.as_ref()?.production.as_ref()
}

fn deployed(deployment: &DeploymentStatus) -> String {
    format!("{} by {}, valid until {}", deployment.serial_number, deployment.issuer, deployment.not_after.0)
}

/// An age as kubectl writes it: `45s`, `12m`, `3h`, `8d`.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;

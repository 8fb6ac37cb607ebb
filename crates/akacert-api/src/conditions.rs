//! Every condition of a certificate or an account, with its meaning and what to do.
//!
//! `docs/conditions.md` is rendered from this table, and a test compares them.

use super::status::condition;

/// A condition, described for users.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The condition's type.
    pub name: &'static str,
    /// When the condition is present.
    pub present: &'static str,
    /// What it means that the condition is True.
    pub meaning: &'static str,
    /// What to do when the condition is not as wanted.
    pub action: &'static str,
}

const fn described(
    name: &'static str,
    present: &'static str,
    meaning: &'static str,
    action: &'static str,
) -> Described {
    Described { name, present, meaning, action }
}

/// The conditions of an `AkamaiCertificate`: the summary, the steps in order, and those beside the steps.
#[rustfmt::skip]
pub const CERTIFICATE: &[Described] = &[
    described(condition::READY, "always", "The certificate that `spec` asks for is in production, and the operator has read it back and verified it.", "False: read the message; `Reconciling` or `Stalled` says who has to act."),
    described(condition::RECONCILING, "only while True", "The operator or CPS is at work towards `spec`.", "Nothing, as long as the message says what the certificate is waiting for; hours are normal."),
    described(condition::STALLED, "only while True", "Only a human can continue.", "Look up the reason in the runbook."),
    described(condition::ACCOUNT_READY, "always", "Step: the account exists, allows this certificate, and its credentials work.", "False: look at the account's own `Ready`, its `allowedNamespaces` and `allowedDomains`."),
    described(condition::ENROLLMENT_CREATED, "always", "Step: CPS holds the enrollment.", "False: follow the message; if CPS refused, the message has CPS's own words."),
    described(condition::CHALLENGES_PUBLISHED, "always", "Step: everything that CPS asks for is published: tokens with their routes, TXT records.", "False: nothing, until CPS has offered challenges; after that follow the message."),
    described(condition::CHALLENGES_REACHABLE, "always", "Step: the operator fetched every token, and found every TXT record, as the authority will.", "False: follow the message; it says what the operator found."),
    described(condition::DOMAINS_VALIDATED, "always", "Step: the authority has validated every name. The certificate is not deployed yet.", "False: usually nothing; `status.domains` has what CPS says about each name."),
    described(condition::DEPLOYED, "always", "Step: the certificate is in production, has a valid chain, and covers every name.", "False: nothing. CPS takes up to two hours after the validation."),
    described(condition::RENEWING, "only while True", "CPS works on a change that `spec` did not ask for, such as a renewal. `Ready` stays as it is.", "Usually nothing. If the runbook has a section for the reason, follow it."),
    described(condition::DRIFTED, "only while True", "Somebody else has changed the enrollment in CPS.", "Copy the change into `spec`, or let `driftPolicy: Correct` undo it."),
    described(condition::PREFLIGHT_PASSED, "after the first preflight; never with `selfCheck: Off`", "Every name met the requirements of its way of validation: it resolves, CAA records allow the authority, and it answers.", "False: fix what the message names; the operator acknowledges nothing before that."),
    described(condition::RENEWAL_READY, "after the first check", "Every name is ready for the next renewal.", "False: fix what the message names before CPS begins the renewal."),
    described(condition::SERVED, "with `spec.probe`", "Every name is served with the deployed certificate.", "False: check that the name leads to the Akamai network, and that the property uses this enrollment."),
    described(condition::HANDED_OFF, "with `spec.handoff`", "The ConfigMap for pipelines says what is deployed.", "False: follow the message; usually the ConfigMap of that name belongs to somebody else."),
];

/// The conditions of an account.
#[rustfmt::skip]
pub const ACCOUNT: &[Described] = &[
    described(condition::READY, "always", "Akamai accepted the credentials.", "False: follow the message; certificates of the account wait, and continue by themselves afterwards."),
    described(condition::STALLED, "only while True", "The credentials do not work, and only a human can change that.", "Look up the reason in the runbook."),
];

/// Renders `docs/conditions.md`.
#[must_use]
pub fn handbook_page() -> String {
    let mut page = String::from(
        "# Conditions\n\nThis page has every condition of a certificate and of an account. [Reasons](reasons.md) explains every `reason`. [The runbook](runbook.md) says more about the reasons with which \
         `Stalled` is True. [Concepts](concepts.md#conditions) shows the order of the conditions. This page is rendered from `crates/akacert-api/src/conditions.rs`.\n",
    );
    for (of, table) in
        [("AkamaiCertificate", CERTIFICATE), ("AkamaiAccount and ClusterAkamaiAccount", ACCOUNT)]
    {
        page.push_str(&format!(
            "\n## {of}\n\n| Condition | Present | What True means | What to do |\n|---|---|---|---|\n"
        ));
        for Described { name, present, meaning, action } in table {
            page.push_str(&format!("| `{name}` | {present} | {meaning} | {action} |\n"));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_condition_is_described_once() {
        let source = include_str!("status.rs").split_once("pub mod condition {").unwrap().1;
        let source = source.split_once("\n}").unwrap().0;
        let constants = source.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
        let known: Vec<&str> = constants.map(|line| line.split('"').nth(1).unwrap()).collect();
        let described: Vec<&str> = CERTIFICATE.iter().map(|described| described.name).collect();
        let missing: Vec<_> = known.iter().filter(|name| !described.contains(name)).collect();
        assert!(missing.is_empty(), "not in src/api/conditions.rs: {missing:?}");
        assert_eq!(described.iter().collect::<BTreeSet<_>>().len(), described.len());
        assert_eq!(described.len(), known.len());
    }
}

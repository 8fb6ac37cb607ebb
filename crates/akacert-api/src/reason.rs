//! Every reason of a condition or an event, with its meaning and what to do.
//!
//! `docs/reasons.md` is rendered from this table, and a test compares them.

use std::fmt;

/// Who has to act when a condition has this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody: the state is as wanted, or continues by itself.
    Progress,
    /// The operator, which tries again. A Warning event reports it.
    Trouble,
    /// A human. `Stalled` is True until then.
    Stalled,
}

macro_rules! reasons {
    ($($name:ident: $severity:ident, $meaning:literal, $action:literal;)*) => {
        /// A machine-readable reason, stable across releases.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// All reasons, in the order of the handbook.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The word in the condition.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)* }
            }

            /// What it means, for the person on call.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$name => $meaning,)* }
            }

            /// Who has to act.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Reason::$name => Severity::$severity,)* }
            }

            /// What to do about it.
            #[must_use]
            pub fn action(self) -> &'static str {
                match self { $(Reason::$name => $action,)* }
            }
        }
    };
}

reasons! {
    // The good case, in order.
    AccountReady: Progress, "Akamai accepted the account's credentials.", "Nothing.";
    Creating: Progress, "The operator is about to create the enrollment in CPS.", "Nothing. This takes seconds.";
    EnrollmentCreated: Progress, "CPS holds the enrollment of this certificate.", "Nothing.";
    WaitingForChallenges: Progress, "CPS has not offered the challenges yet.", "Nothing. This usually takes some two minutes. After an hour, look at the change in Akamai Control Center.";
    PreflightPassed: Progress, "Every name meets the requirements of its way of validation: it resolves, CAA records allow the authority, and it answers.", "Nothing.";
    ChallengesPublished: Progress, "Everything that CPS asks for is published: tokens with their routes, TXT records.", "Nothing.";
    ChallengesReachable: Progress, "The operator fetched every token, from each solver replica and by its public URL, and found every TXT record on the zone's own name servers.", "Nothing.";
    SelfCheckOff: Progress, "The self-check is switched off for this certificate.", "Nothing.";
    WaitingForValidation: Progress, "The challenges were acknowledged; CPS and the certificate authority are validating.", "Nothing. This takes minutes. The message names the domains that are left.";
    DomainsValidated: Progress, "The certificate authority has validated every name. The certificate is not deployed yet.", "Nothing.";
    WaitingForDeployment: Progress, "CPS is deploying the certificate on its network.", "Nothing. CPS takes up to two hours.";
    WaitingForWindow: Progress, "The certificate is issued, and goes to production when `deployment.window` opens.", "Nothing, or change `spec.deployment.window`.";
    Deployed: Progress, "The certificate is deployed in production. It has a valid chain, covers every name and has not expired.", "Nothing.";
    ChallengesRemoved: Progress, "Nothing is published any more, because the change has completed.", "Nothing.";
    Updating: Progress, "The operator is about to update the enrollment to what `spec` says.", "Nothing. This takes seconds.";
    WaitingForWarnings: Progress, "CPS says that it has warnings, but does not show them yet.", "Nothing. This takes minutes.";
    RenewalStarted: Progress, "CPS works on a change that `spec` did not ask for, such as a renewal. `Ready` stays as it is.", "Nothing. The condition `Renewing` says how far it is.";
    Renewed: Progress, "Another certificate is deployed in place of the one before.", "Nothing.";
    RenewalReady: Progress, "Every name is ready for the next renewal.", "Nothing.";
    AutoValidated: Progress, "Every name is a CNAME to Akamai: CPS validates renewals by itself.", "Nothing. On Standard TLS, make sure that the property has the behaviour AutoDomainValidation.";
    Served: Progress, "Every name is served with the deployed certificate.", "Nothing.";
    HandedOff: Progress, "The ConfigMap that `spec.handoff` names says what is deployed.", "Nothing.";
    Suspended: Progress, "`spec.suspend` is true: the operator neither reads nor writes CPS.", "Set `spec.suspend` to false to continue.";
    Waiting: Progress, "An earlier step is not done yet.", "Look at the conditions before this one.";

    // Somebody is expected to act or to answer.
    AccountNotFound: Trouble, "The account that `spec.accountRef` names does not exist.", "Create the account; the certificate then continues by itself.";
    AccountNotReady: Trouble, "The account exists, but it is not Ready.", "Look at the account's own Ready condition.";
    SelfCheckFailed: Trouble, "The operator could not fetch a token as the certificate authority would. It does not acknowledge the challenges to CPS until it can fetch every token.", "Follow the message: name resolution, the Ingress controller, a redirect or a firewall. `validation.selfCheck: Off` skips the check.";
    PreflightFailed: Trouble, "A name does not meet the requirements of its way of validation. The operator acknowledges nothing, because a refused authorization counts against the authority's limits.", "Follow the message: DNS records, CAA, a port, a redirect, a CNAME. `validation.selfCheck: Off` skips the check.";
    RouteNotAccepted: Trouble, "A Gateway does not serve the HTTPRoute, or has not yet said that it does.", "Follow the message: it says which side has to change.";
    RecordMissing: Trouble, "A name server of the zone does not have a TXT record yet.", "Usually nothing; seconds to minutes. With `dns01.manual`, create the records in `status.domains`; with `dns01.dnsEndpoint`, look at external-dns.";
    AuthorizationFailed: Trouble, "The certificate authority refused a name. The next acknowledgement waits for an hour, and longer after each further refusal.", "Read the authority's text in the message, and fix what it names. A change of `spec` ends the waiting.";
    DnsUpdateFailed: Trouble, "The operator could not write or remove a TXT record. It tries again.", "Follow the message: the zone, the credentials, or the name server.";
    SolverNotReady: Trouble, "No replica of the solver is ready.", "Look at the solver's Deployment in the operator's namespace.";
    NamespaceTerminating: Trouble, "The namespace is being deleted; nothing is published into it.", "Nothing.";
    Throttled: Progress, "Akamai's request limits are used up for now. Calls continue later.", "Nothing. Lower `requestBudget` if it lasts.";
    CpsUnavailable: Trouble, "CPS could not be reached, or answered with a server error. The operator tries again.", "Look at Akamai's status page and the operator's network if it lasts.";
    ClusterError: Trouble, "The Kubernetes API rejected or failed a request of the operator. The operator tries again.", "Follow the message; usually the operator's RBAC or an admission webhook.";
    Overruled: Trouble, "Somebody changes back what the operator publishes: an admission webhook or policy, or another controller. The operator tries again, more rarely each time.", "Follow the message: it names the object. Exempt the objects with the label `app.kubernetes.io/managed-by: akacert`.";
    UncertainCreate: Trouble, "The answer to the create was lost. The operator looks for the enrollment before it does anything else.", "Nothing. This takes minutes.";
    DeletionPending: Progress, "CPS is removing the enrollment.", "Nothing.";
    CertificateInvalid: Trouble, "The certificate that CPS reports as deployed does not chain, lacks a name or has expired.", "Follow the message; look at the enrollment in Akamai Control Center.";
    ChangeFailed: Stalled, "CPS reports an error on the change.", "Read CPS's own text in the message; cancel the change in Akamai Control Center or call Akamai support.";
    UpdateWaits: Progress, "CPS does not have what `spec` says yet, because CPS is working on another change or is about to renew.", "Nothing, or set `pendingChangePolicy: Replace`, or `renewalWindowPolicy: Override`.";
    RenewalLate: Trouble, "A renewal is under way, and less than a sixth of the certificate's life is left.", "Follow the message: it says what the renewal waits for.";
    ExpiringSoon: Trouble, "Less than a twentieth of the certificate's life is left, and it has not been renewed.", "Follow the message; look at the enrollment in Akamai Control Center.";
    Drifted: Trouble, "Somebody else has changed the enrollment in CPS.", "Copy the change into `spec`, or do nothing: `driftPolicy: Correct` undoes the change, `Report` leaves it.";
    RenewalWouldFail: Trouble, "The next renewal would fail: a name does not meet the requirements of its way of validation, or the cluster lacks its Ingress class, or a kind that its way needs.", "Follow the message before CPS begins the renewal. The operator checks again every hour.";
    NotServed: Trouble, "A name is not served with the deployed certificate.", "Check that the name leads to the Akamai network and that the property uses this enrollment. After a deployment the edge needs some minutes.";
    PlainHttp: Trouble, "Every name is served with the deployed certificate, but a name answers plain HTTP without a redirect to HTTPS.", "Redirect HTTP to HTTPS in the property, if you want that.";
    WarningsNeedApproval: Stalled, "CPS waits until somebody has read its warnings.", "Read them in the message or in `status.change.warnings`; if they are acceptable, set the annotation that the message names, or list their IDs in `spec.warnings.acknowledge`.";
    PlanNeedsApproval: Stalled, "`updatePolicy` is RequireApproval, and an update of the enrollment waits for approval.", "Read `status.plan`; if it is what you want, set the annotation `akacert.io/approve-plan` to its hash.";
    DeploymentNeedsApproval: Stalled, "The certificate is on staging, and waits until somebody approves its deployment to production.", "Test it on staging; then set the annotation that the message names.";
    InputNeeded: Stalled, "CPS waits for an input that this version of the operator cannot give.", "Give it in Akamai Control Center; the operator then continues.";

    // A human has to change something.
    ConfigurationInvalid: Stalled, "A value in `spec` or in the account cannot work.", "Correct what the message names.";
    ContactsMissing: Stalled, "A contact, the organization or the network is set neither in the certificate nor in its account.", "Add what the message lists to the certificate or to the account's defaults.";
    ContractUnknown: Stalled, "The account's credentials cannot see the contract, or they see several contracts and none is chosen.", "Set `spec.contractId` (or the account's default) to one of the contracts in the account's status.";
    NamespaceNotAllowed: Stalled, "The account's `allowedNamespaces` does not select this namespace.", "Label the namespace or ask the owner of the account.";
    DomainNotAllowed: Stalled, "The account's `allowedDomains` does not allow a name.", "Remove the name or ask the owner of the account.";
    CommonNameTaken: Stalled, "The contract already has an enrollment with this common name, and that enrollment does not belong to this resource.", "Adopt or remove that enrollment, or choose another common name. The operator has written nothing to it.";
    CommonNameElsewhere: Stalled, "CPS says that the common name is taken, but the contract's list does not show by which enrollment.", "Look for it in the account's other contracts.";
    Conflict: Stalled, "The enrollment does not belong to this resource: its common name differs, or another resource has it.", "Remove the annotation `akacert.io/enrollment-id` if it was copied from another certificate. If two resources refer to the same enrollment, delete one of them.";
    EnrollmentGone: Stalled, "Somebody else removed the enrollment from CPS.", "Set `recreatePolicy: Recreate` for a new enrollment, or delete this resource.";
    NotAdoptable: Stalled, "This resource can adopt no enrollment: there is none, there are several, or the only one is of another kind.", "Follow the message: name the enrollment in `spec.enrollmentId`, or set `adoptionPolicy`.";
    Immutable: Stalled, "`spec` differs from the enrollment in something that CPS cannot change.", "Restore the old value; or delete this resource with `deletionPolicy: Delete` and apply it again.";
    UpdateRefused: Stalled, "CPS refused to update the enrollment.", "Correct what CPS's own text in the message names.";
    UpdateIgnored: Stalled, "CPS accepted an update and still shows other values.", "Set in `spec` what CPS shows, or call Akamai support.";
    EnrollmentRefused: Stalled, "CPS refused to create the enrollment.", "Correct what CPS's own text in the message names.";
    NameTaken: Stalled, "An object with the name that the operator needs belongs to somebody else. The operator leaves it alone.", "Rename or delete that object.";
    KindMissing: Stalled, "A way of validation needs Gateway API or external-dns, and the cluster does not have it.", "Install it, or choose another way in `spec.validation`.";
    ServerNotAllowed: Stalled, "The operator may not send updates to the name server in `dns01.rfc2136`.", "Ask the operator's owner for `--allow-dns-server`.";
    AnnotationNotAllowed: Stalled, "An annotation for the Ingress is not on the operator's allow-list.", "Remove it, or ask the operator's owner for `--allow-ingress-annotation`.";
    ForeignNames: Stalled, "The enrollment has names that the account does not allow, so the operator does not write to it.", "Remove the names from the enrollment in Akamai Control Center, or allow them in the account.";
    DeletionRefused: Stalled, "CPS refuses to remove the enrollment, because its certificate is live.", "Detach it from its edge hostnames first, or set `deletionPolicy: Retain` to leave it in CPS.";
    DeletionBlocked: Stalled, "`deletionPolicy: Delete` needs working credentials, and there are none.", "Repair the account, or set `deletionPolicy: Retain` to leave the enrollment in CPS.";

    // Accounts.
    CredentialsAccepted: Progress, "Akamai accepted the credentials.", "Nothing.";
    SecretNotFound: Stalled, "The credentials Secret does not exist.", "Create it; the account then continues by itself.";
    SecretInvalid: Stalled, "The credentials Secret lacks a key or holds an invalid value.", "Correct what the message names.";
    EndpointNotAllowed: Stalled, "The host in the Secret is not one of Akamai's, and no operator flag allows it.", "Correct the host, or start the operator with `--allow-endpoint`.";
    CredentialsRejected: Stalled, "Akamai refused the credentials.", "Check the API client in Akamai Control Center; rotate the Secret.";
    PermissionMissing: Stalled, "Akamai accepted the credentials, but the API client lacks a grant.", "Grant CPS read-write and Contracts read to the API client.";
    AccountInUse: Trouble, "The account is marked for deletion, but certificates still refer to it.", "Delete those certificates first.";
}

impl Reason {
    /// Whether `Stalled` is True with this reason. The runbook has a section for each of these.
    #[must_use]
    pub fn is_stalled(self) -> bool {
        self.severity() == Severity::Stalled
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Renders `docs/reasons.md`.
#[must_use]
pub fn handbook_page() -> String {
    let mut page = String::from(
        "# Reasons\n\nThis page has every reason that a condition or an event can have. [The runbook](runbook.md) says more about those with which `Stalled` is True. This page is rendered from `crates/akacert-api/src/reason.rs`.\n\n\
         | Reason | What it means | What to do |\n|---|---|---|\n",
    );
    for reason in Reason::ALL {
        page.push_str(&format!("| `{reason}` | {} | {} |\n", reason.meaning(), reason.action()));
    }
    page
}

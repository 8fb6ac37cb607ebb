//! Every reason that a condition or an event of ours can carry, with what it means and what to do.
//!
//! `docs/reasons.md` is rendered from this table, held to it by a test. Not here: when a reason is given.

use std::fmt;

macro_rules! reasons {
    ($($name:ident: $meaning:literal, $action:literal;)*) => {
        /// A machine-readable reason, stable across releases.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// All reasons, in the order in which the handbook shows them.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The word that stands in the condition.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)* }
            }

            /// What it means, for the person on call.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$name => $meaning,)* }
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
    // The good way, in its order.
    AccountReady: "The account's credentials were accepted by Akamai.", "Nothing.";
    Creating: "The enrollment is about to be created in CPS.", "Nothing; seconds.";
    EnrollmentCreated: "CPS holds the enrollment of this certificate.", "Nothing.";
    WaitingForChallenges: "CPS has not offered the challenges yet.", "Nothing; usually some two minutes. After an hour, look at the change in Akamai Control Center.";
    PreflightPassed: "Every name is as its way of validation needs it: it resolves, CAA records allow the authority, and it answers.", "Nothing.";
    ChallengesPublished: "Everything that CPS asks for is published: tokens with their routes, TXT records.", "Nothing.";
    ChallengesReachable: "The operator fetched every token, from each solver replica and by its public URL, and found every TXT record on the zone's own name servers.", "Nothing.";
    SelfCheckOff: "The self-check is switched off for this certificate.", "Nothing.";
    WaitingForValidation: "The challenges were acknowledged; CPS and the certificate authority are validating.", "Nothing; minutes. The message names the domains that are left.";
    DomainsValidated: "The certificate authority has validated every name. The certificate is not deployed yet.", "Nothing.";
    WaitingForDeployment: "CPS is deploying the certificate on its network.", "Nothing; CPS takes up to two hours.";
    WaitingForWindow: "The certificate is issued, and goes to production when `deployment.window` opens.", "Nothing; or change `spec.deployment.window`.";
    Deployed: "The certificate is deployed in production, chains, covers every name and has not expired.", "Nothing.";
    ChallengesRemoved: "Nothing is published any more, because the change has completed.", "Nothing.";
    Updating: "The enrollment is about to be changed to what `spec` says.", "Nothing; seconds.";
    WaitingForWarnings: "CPS says that it has warnings, and does not show them yet.", "Nothing; minutes.";
    RenewalStarted: "CPS works on a change that `spec` did not ask for, such as a renewal. `Ready` stays as it is.", "Nothing; the condition Renewing tells how far it is.";
    Renewed: "Another certificate is deployed in place of the one before.", "Nothing.";
    RenewalReady: "Every name is as the next renewal needs it.", "Nothing.";
    AutoValidated: "Every name is CNAMEd to Akamai: CPS validates renewals by itself.", "Nothing; on Standard TLS see that the property has the behaviour AutoDomainValidation.";
    Served: "Every name is served with the deployed certificate.", "Nothing.";
    HandedOff: "The ConfigMap that `spec.handoff` names says what is deployed.", "Nothing.";
    Suspended: "`spec.suspend` is true: nothing is read from or written to CPS.", "Set `spec.suspend` to false to go on.";
    Waiting: "An earlier step is not done yet.", "Look at the conditions before this one.";

    // Waiting for somebody.
    AccountNotFound: "The account that `spec.accountRef` names does not exist.", "Create the account; the certificate goes on by itself.";
    AccountNotReady: "The account exists, but it is not Ready.", "Look at the account's own Ready condition.";
    SelfCheckFailed: "A token could not be fetched as the certificate authority would; the acknowledgement waits.", "Follow the message: name resolution, the Ingress controller, a redirect or a firewall. `validation.selfCheck: Off` skips the check.";
    PreflightFailed: "A name is not as its way of validation needs it; nothing is acknowledged, since refused authorizations cost the authority's limits.", "Follow the message: DNS records, CAA, a port, a redirect, a CNAME. `validation.selfCheck: Off` skips the check.";
    RouteNotAccepted: "A Gateway does not serve the HTTPRoute, or has not said so yet.", "Follow the message: it says which side has to change.";
    RecordMissing: "A name server of the zone does not have a TXT record yet.", "Usually nothing; seconds to minutes. With `dns01.manual`, create the records in `status.domains`; with `dns01.dnsEndpoint`, look at external-dns.";
    AuthorizationFailed: "The certificate authority refused a name. What is acknowledged next waits, ever longer, for an hour at first.", "Read the authority's text in the message, and mend what it names. A change of `spec` ends the waiting.";
    DnsUpdateFailed: "A TXT record could not be written or removed; it is tried again.", "Follow the message: the zone, the credentials, or the name server.";
    SolverNotReady: "No replica of the solver is ready.", "Look at the solver's Deployment in the operator's namespace.";
    NamespaceTerminating: "The namespace is being deleted; nothing is published into it.", "Nothing.";
    Throttled: "Akamai's request limits are used up for now; calls go on later.", "Nothing; lower `requestBudget` if it lasts.";
    CpsUnavailable: "CPS could not be reached or answered with a server error; it is tried again.", "Look at Akamai's status page and the operator's network if it lasts.";
    ClusterError: "The Kubernetes API refused or failed a request of the operator; it is tried again.", "Follow the message; usually the operator's RBAC or an admission webhook.";
    UncertainCreate: "The answer to the create was lost; the operator looks for the enrollment before it does anything else.", "Nothing; minutes.";
    DeletionPending: "The enrollment is being removed from CPS.", "Nothing.";
    CertificateInvalid: "What CPS reports as deployed does not chain, misses a name or has expired.", "Follow the message; look at the enrollment in Akamai Control Center.";
    ChangeFailed: "CPS reports an error on the change.", "Read CPS's own text in the message; cancel the change in Akamai Control Center or call Akamai support.";
    UpdateWaits: "What `spec` says is not in CPS yet, because CPS works on another change or is about to renew.", "Nothing; or set `pendingChangePolicy: Replace`, or `renewalWindowPolicy: Override`.";
    RenewalLate: "A renewal is under way, and less than a sixth of the certificate's life is left.", "Follow the message: it says what the renewal waits for.";
    ExpiringSoon: "Less than a twentieth of the certificate's life is left, and it has not been renewed.", "Follow the message; look at the enrollment in Akamai Control Center.";
    Drifted: "Somebody else has changed the enrollment in CPS.", "Take the change over into `spec`, or leave it: `driftPolicy: Correct` undoes it, `Report` does not.";
    RenewalWouldFail: "The next renewal would fail: a name is not as its way of validation needs it, or what publishes for it is gone.", "Follow the message before CPS begins the renewal; it is looked at again every hour.";
    NotServed: "A name is not served with the deployed certificate.", "See that the name leads to the Akamai network and that the property uses this enrollment; after a deployment edges need some minutes.";
    PlainHttp: "Every name is served with the deployed certificate, but plain HTTP is answered without a redirect to HTTPS.", "Redirect HTTP to HTTPS in the property, if that is wanted.";
    WarningsNeedApproval: "CPS waits until somebody has read its warnings.", "Read them in the message or in `status.change.warnings`; if they are acceptable, set the annotation that the message names, or list their IDs in `spec.warnings.acknowledge`.";
    PlanNeedsApproval: "`updatePolicy` is RequireApproval, and what would be written to CPS waits for it.", "Read `status.plan`; if it is what you want, set the annotation `akacert.io/approve-plan` to its hash.";
    DeploymentNeedsApproval: "The certificate is on staging, and waits for somebody to let it go to production.", "Test it on staging; then set the annotation that the message names.";
    InputNeeded: "CPS waits for an input that this version of the operator does not give.", "Give it in Akamai Control Center; the operator goes on afterwards.";

    // A human has to change something.
    ConfigurationInvalid: "A value in `spec` or in the account cannot work.", "Correct what the message names.";
    ContactsMissing: "A contact, the organization or the network is set neither in the certificate nor in its account.", "Add what the message lists to the certificate or to the account's defaults.";
    ContractUnknown: "The contract is none of those that the account's credentials can see, or there are several and none is chosen.", "Set `spec.contractId` (or the account's default) to one of the contracts in the account's status.";
    NamespaceNotAllowed: "The account's `allowedNamespaces` does not select this namespace.", "Label the namespace or ask the owner of the account.";
    DomainNotAllowed: "The account's `allowedDomains` does not allow a name.", "Remove the name or ask the owner of the account.";
    CommonNameTaken: "The contract already has an enrollment with this common name, and it is not ours.", "Remove that enrollment, or choose another common name. Nothing was written to it.";
    CommonNameElsewhere: "CPS says that the common name is taken, but the contract's list does not show by which enrollment.", "Look for it in the account's other contracts.";
    Conflict: "The enrollment is not of this certificate: its common name differs, or another resource has it.", "Remove the annotation `akacert.io/enrollment-id` if it was copied from another certificate; delete one of two resources for the same enrollment.";
    EnrollmentGone: "The enrollment was removed from CPS by somebody else.", "Set `recreatePolicy: Recreate` for a new enrollment, or delete this resource.";
    NotAdoptable: "There is no enrollment that this resource could take over, or more than one, or one of another kind.", "Follow the message: name the enrollment in `spec.enrollmentId`, or set `adoptionPolicy`.";
    Immutable: "`spec` differs from the enrollment in something that CPS cannot change.", "Set the old value again; or delete this resource with `deletionPolicy: Delete` and apply it anew.";
    UpdateRefused: "CPS refused to update the enrollment.", "Correct what CPS's own text in the message names.";
    UpdateIgnored: "CPS took an update and still shows other values.", "Set in `spec` what CPS shows, or call Akamai support.";
    EnrollmentRefused: "CPS refused to create the enrollment.", "Correct what CPS's own text in the message names.";
    NameTaken: "An object of the name that we need exists and is not ours; it is left alone.", "Rename or delete that object.";
    KindMissing: "The cluster has no Gateway API, or no external-dns, which a way of validation needs.", "Install it, or choose another way in `spec.validation`.";
    ServerNotAllowed: "The name server in `dns01.rfc2136` is not one that the operator may send updates to.", "Ask the operator's owner for `--allow-dns-server`.";
    AnnotationNotAllowed: "An annotation for the Ingress is not on the operator's allow-list.", "Remove it, or ask the operator's owner for `--allow-ingress-annotation`.";
    ForeignNames: "The enrollment carries names that the account does not allow; it is not written to.", "Remove the names from the enrollment in Akamai Control Center, or allow them in the account.";
    DeletionRefused: "CPS refuses to remove the enrollment, because its certificate is live.", "Detach it from its edge hostnames first, or set `deletionPolicy: Retain` to leave it in CPS.";
    DeletionBlocked: "`deletionPolicy: Delete` needs working credentials, and there are none.", "Mend the account, or set `deletionPolicy: Retain` to leave the enrollment in CPS.";

    // Accounts.
    CredentialsAccepted: "Akamai accepted the credentials.", "Nothing.";
    SecretNotFound: "The credentials Secret does not exist.", "Create it; the account goes on by itself.";
    SecretInvalid: "The credentials Secret lacks a key or holds an invalid value.", "Correct what the message names.";
    EndpointNotAllowed: "The host in the Secret is not one of Akamai's, and no operator flag allows it.", "Correct the host, or start the operator with `--allow-endpoint`.";
    CredentialsRejected: "Akamai refused the credentials.", "Check the API client in Akamai Control Center; rotate the Secret.";
    PermissionMissing: "Akamai accepted the credentials, but the API client lacks a grant.", "Grant CPS read-write and Contracts read to the API client.";
    AccountInUse: "The account is marked for deletion, but certificates still refer to it.", "Delete those certificates first.";
}

impl Reason {
    /// Those with which `Stalled` is True: a human has to change something. The runbook has a section for each.
    pub const STALLED: &'static [Reason] = &[
        Reason::WarningsNeedApproval,
        Reason::PlanNeedsApproval,
        Reason::DeploymentNeedsApproval,
        Reason::InputNeeded,
        Reason::ChangeFailed,
        Reason::ConfigurationInvalid,
        Reason::ContactsMissing,
        Reason::ContractUnknown,
        Reason::NamespaceNotAllowed,
        Reason::DomainNotAllowed,
        Reason::CommonNameTaken,
        Reason::CommonNameElsewhere,
        Reason::Conflict,
        Reason::EnrollmentGone,
        Reason::NotAdoptable,
        Reason::Immutable,
        Reason::UpdateRefused,
        Reason::UpdateIgnored,
        Reason::EnrollmentRefused,
        Reason::NameTaken,
        Reason::KindMissing,
        Reason::ServerNotAllowed,
        Reason::AnnotationNotAllowed,
        Reason::ForeignNames,
        Reason::DeletionRefused,
        Reason::DeletionBlocked,
        Reason::SecretNotFound,
        Reason::SecretInvalid,
        Reason::EndpointNotAllowed,
        Reason::CredentialsRejected,
        Reason::PermissionMissing,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The page `docs/reasons.md`, rendered.
#[must_use]
pub fn handbook_page() -> String {
    let mut page = String::from(
        "# Reasons\n\nEvery reason that a condition or an event can carry. [The runbook](runbook.md) has more on those with which `Stalled` is True. This page is rendered from `src/api/reason.rs`.\n\n\
         | Reason | What it means | What to do |\n|---|---|---|\n",
    );
    for reason in Reason::ALL {
        page.push_str(&format!("| `{reason}` | {} | {} |\n", reason.meaning(), reason.action()));
    }
    page
}

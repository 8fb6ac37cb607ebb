//! What cannot occur in the model, and why. A subject that does occur fails the test, so that the table only shrinks.
//! A reason that cannot occur has no event either.

use super::counts::Seen::{self, Reason as R};
use akacert_api::reason::Reason::*;

pub const NOT_IN_THE_MODEL: &[(&[Seen], &str)] = &[
    (
        &[
            R(CredentialsAccepted),
            R(SecretNotFound),
            R(SecretInvalid),
            R(EndpointNotAllowed),
            R(CredentialsRejected),
            R(PermissionMissing),
            R(AccountInUse),
        ],
        "is a reason of an account's condition; the model has no account of its own",
    ),
    (&[R(AccountNotFound), R(NamespaceNotAllowed), R(DomainNotAllowed)], "the account is Ready or NotReady"),
    (&[R(ContractUnknown), R(ContactsMissing), R(ForeignNames)], "the account and its defaults never change"),
    (&[R(WaitingForWarnings)], "CPS shows its warnings at once"),
    (
        &[R(Immutable), R(UpdateRefused), R(UpdateIgnored), R(EnrollmentRefused)],
        "only the names change, and CPS takes every body",
    ),
    (
        &[R(ChangeFailed), R(InputNeeded), R(AuthorizationFailed)],
        "no change fails, and CPS asks for nothing else",
    ),
    (&[R(ConfigurationInvalid)], "the time zone of the window is one"),
    (&[R(RenewalLate), R(ExpiringSoon)], "the sequences end months before a certificate expires"),
    (&[R(RouteNotAccepted), R(KindMissing)], "no way needs Gateway API or external-dns"),
    (
        &[R(ServerNotAllowed), R(AnnotationNotAllowed)],
        "spec has no name server and no annotation for an Ingress",
    ),
    (
        &[R(NamespaceTerminating), R(NameTaken), R(ClusterError), R(Overruled)],
        "the API server takes each write, and everything in the namespace is ours",
    ),
    (&[Seen::Event(PlainHttp)], "is told beside Served=True, which is no trouble and has no event"),
    (&[R(Throttled)], "CPS never says how long to wait"),
];

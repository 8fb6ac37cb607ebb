//! Why a token could not be fetched: what the person on call reads. Stable texts, nothing that a remote side sent.

use std::net::IpAddr;

use crate::address::Refusal;

/// Why a token could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFailure {
    /// A ready replica of the solver does not serve it.
    #[error(
        "a ready replica of the solver {0}: look at the solver's log and at network policies in its namespace"
    )]
    Solver(Cause),
    /// The host has no address.
    #[error("the name has neither an A nor an AAAA record: create one that leads to the Ingress controller")]
    NoAddress,
    /// The host's address could not be found out.
    #[error("the name cannot be resolved: look at its DNS zone, and at the resolvers that the operator uses")]
    Unresolved,
    /// The host has an address that the self-check does not connect to.
    #[error(
        "the name resolves to {address}, {why}, to which the self-check does not connect: correct the record{}",
        if why.can_be_allowed() { ", or have the operator started with --probe-allow" } else { "" }
    )]
    AddressRefused {
        /// The address.
        address: IpAddr,
        /// What it is.
        why: Refusal,
    },
    /// A public address of the host does not serve it.
    #[error(
        "{address} {cause}: see that the name leads to the Ingress controller, that it serves the Ingress class on port 80, \
         and that no firewall is in between"
    )]
    Public {
        /// The address.
        address: IpAddr,
        /// What it did.
        cause: Cause,
    },
    /// One of the host's addresses fails, while another serves it.
    #[error("{address} answers otherwise than the host's other addresses: {}", how(.failure))]
    Differs {
        /// The address.
        address: IpAddr,
        /// What it did.
        failure: Box<ProbeFailure>,
    },
    /// It redirects in a way that the authority does not follow.
    #[error("{0}: exempt /.well-known/acme-challenge/ from redirects")]
    Redirect(RedirectProblem),
    /// What it redirects to does not serve it.
    #[error(
        "what it redirects to {0}: exempt /.well-known/acme-challenge/ from redirects, or see that the target serves it"
    )]
    AfterRedirect(Cause),
}

/// What an address did that was just named.
fn how(failure: &ProbeFailure) -> String {
    let ProbeFailure::Public { cause, .. } = failure else { return failure.to_string() };
    format!("it {cause}; correct or remove its record, or see that it leads to where the others do")
}

/// What somebody did who was asked for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No connection, none that lasted, or no HTTP on it.
    #[error("cannot be reached")]
    Unreachable,
    /// Too slow.
    #[error("did not answer in time")]
    Timeout,
    /// Not 200.
    #[error("answered with status {0} instead of 200")]
    Status(u16),
    /// Another body.
    #[error("answered with something else than the token")]
    WrongBody,
    /// A far longer body than a token's.
    #[error("answered with far more than the token")]
    TooLong,
}

/// Redirects that are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectProblem {
    /// Too many.
    #[error("it redirects too often")]
    TooMany,
    /// Back to where it was.
    #[error("it redirects in a circle")]
    Circle,
    /// To something that the authority does not follow.
    #[error("it redirects to something else than http on port 80 or https on port 443 of a host name")]
    Target,
    /// To a host without an address that may be connected to.
    #[error("it redirects to a name that does not resolve to public addresses only")]
    Address,
}

//! Why a token could not be fetched, for the person on call. The texts are stable, and contain nothing that a remote
//! side sent.

use std::net::IpAddr;

use crate::address::Refusal;

/// Why a token could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFailure {
    /// A ready solver replica does not serve the token.
    #[error(
        "a ready replica of the solver {0}: look at the solver's log and at network policies in its namespace"
    )]
    Solver(Cause),
    /// The host has no address.
    #[error("the name has neither an A nor an AAAA record: create one that leads to the Ingress controller")]
    NoAddress,
    /// The host's addresses could not be looked up.
    #[error("the name cannot be resolved: look at its DNS zone, and at the resolvers that the operator uses")]
    Unresolved,
    /// The self-check does not connect to one of the host's addresses.
    #[error(
        "the name resolves to {address}, {why}, to which the self-check does not connect: correct the record{}",
        if why.can_be_allowed() { ", or have the operator started with --probe-allow" } else { "" }
    )]
    AddressRefused {
        /// The refused address.
        address: IpAddr,
        /// The kind of the address.
        why: Refusal,
    },
    /// A public address of the host does not serve the token.
    #[error(
        "{address} {cause}: see that the name leads to the Ingress controller, that it serves the Ingress class on port 80, \
         and that no firewall is in between"
    )]
    Public {
        /// The address that failed.
        address: IpAddr,
        /// How it answered.
        cause: Cause,
    },
    /// One address of the host fails, while another serves the token.
    #[error("{address} answers otherwise than the host's other addresses: {}", how(.failure))]
    Differs {
        /// The address that failed.
        address: IpAddr,
        /// How it failed.
        failure: Box<ProbeFailure>,
    },
    /// The host redirects in a way that the authority does not follow.
    #[error("{0}: exempt /.well-known/acme-challenge/ from redirects")]
    Redirect(RedirectProblem),
    /// The target of the redirect does not serve the token.
    #[error(
        "what it redirects to {0}: exempt /.well-known/acme-challenge/ from redirects, or see that the target serves it"
    )]
    AfterRedirect(Cause),
}

/// The failure of an address that the sentence has already named.
fn how(failure: &ProbeFailure) -> String {
    let ProbeFailure::Public { cause, .. } = failure else { return failure.to_string() };
    format!("it {cause}; correct or remove its record, or see that it leads to where the others do")
}

/// How an address failed to serve a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The connection failed or broke, or the answer was not HTTP.
    #[error("cannot be reached")]
    Unreachable,
    /// The answer took too long.
    #[error("did not answer in time")]
    Timeout,
    /// The status was not 200.
    #[error("answered with status {0} instead of 200")]
    Status(u16),
    /// The body was another one.
    #[error("answered with something else than the token")]
    WrongBody,
    /// The body was far longer than a token's.
    #[error("answered with far more than the token")]
    TooLong,
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectProblem {
    /// There were too many.
    #[error("it redirects too often")]
    TooMany,
    /// It leads back to an earlier URL.
    #[error("it redirects in a circle")]
    Circle,
    /// It leads to a URL that the authority does not follow.
    #[error("it redirects to something else than http on port 80 or https on port 443 of a host name")]
    Target,
    /// It leads to a host that has no allowed address.
    #[error("it redirects to a name that does not resolve to public addresses only")]
    Address,
}

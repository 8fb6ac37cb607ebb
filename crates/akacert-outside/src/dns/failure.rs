//! Why DNS did not answer as it should: what the person on call reads. Stable texts; of what a remote side sent, only the
//! names of name servers and their addresses.

use std::fmt;
use std::net::IpAddr;

use crate::address::Refusal;

/// A name server, at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// Its name, as the zone has it.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// Why DNS did not answer as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// It cannot be asked for.
    #[error("it is no DNS name: correct it")]
    NotAName,
    /// Nothing above the name is a zone of somebody.
    #[error(
        "there is no DNS zone for the name: see that its domain is registered, and delegated to name servers"
    )]
    NoZone,
    /// The resolvers do not answer, or with an error.
    #[error(
        "the name's DNS zone cannot be looked up: look at the zone, and at the resolvers that the operator uses"
    )]
    Unresolved,
    /// None of the zone's name servers has an address.
    #[error("no name server of the zone {zone} has an address: correct the zone's NS records")]
    NoServers {
        /// The zone.
        zone: String,
    },
    /// A name server lies where tenants must not look around.
    #[error(
        "the name server {server} has {why}, which is not asked: correct the zone's NS records{}",
        if why.can_be_allowed() { ", or have the operator started with --probe-allow" } else { "" }
    )]
    ServerRefused {
        /// The name server.
        server: Server,
        /// What its address is.
        why: Refusal,
    },
    /// A host that a tenant names lies where tenants must not look around.
    #[error(
        "the host resolves to {address}, {why}, to which the operator does not connect: name another one{}",
        if why.can_be_allowed() { ", or have the operator started with --probe-allow" } else { "" }
    )]
    HostRefused {
        /// The address.
        address: IpAddr,
        /// What it is.
        why: Refusal,
    },
    /// A host that a tenant names has no address.
    #[error("the host has neither an A nor an AAAA record: create one, or name another host")]
    NoAddress,
    /// A name server says nothing.
    #[error("the name server {0} does not answer: see that it runs, or take it out of the zone's NS records")]
    Silent(Server),
    /// A name server answers, but not about the zone.
    #[error(
        "the name server {0} answers with an error: see that it serves the zone, or take it out of the zone's NS records"
    )]
    Lame(Server),
    /// There cannot be a TXT record beside a CNAME.
    #[error("{name} is a CNAME, beside which there cannot be a TXT record: remove the CNAME")]
    AliasInTheWay {
        /// Where.
        name: String,
    },
    /// Authorities do not issue either if they cannot look up CAA records.
    #[error(
        "the CAA records at {at} cannot be looked up, without which no authority issues: look at the zone, and at the \
         resolvers that the operator uses"
    )]
    CaaUnknown {
        /// Where the lookup failed.
        at: String,
    },
}

//! Why a DNS lookup failed, for the person on call. The texts are stable. The only remote text in them is names and
//! addresses of name servers.

use std::fmt;
use std::net::IpAddr;

use crate::address::Refusal;

/// A name server at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// The name, as the zone has it.
    pub name: String,
    /// One of its addresses.
    pub address: IpAddr,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// Why a DNS lookup failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// The text is not a DNS name.
    #[error("it is no DNS name: correct it")]
    NotAName,
    /// No zone above the name belongs to anybody.
    #[error(
        "there is no DNS zone for the name: see that its domain is registered, and delegated to name servers"
    )]
    NoZone,
    /// The resolvers do not answer, or answer with an error.
    #[error(
        "the name's DNS zone cannot be looked up: look at the zone, and at the resolvers that the operator uses"
    )]
    Unresolved,
    /// No name server of the zone has an address.
    #[error("no name server of the zone {zone} has an address: correct the zone's NS records")]
    NoServers {
        /// The zone's name.
        zone: String,
    },
    /// A name server has an address that the operator does not query.
    #[error(
        "the name server {server} has {why}, which is not asked: correct the zone's NS records{}",
        if why.can_be_allowed() { ", or have the operator started with --probe-allow" } else { "" }
    )]
    ServerRefused {
        /// The name server.
        server: Server,
        /// The kind of its address.
        why: Refusal,
    },
    /// A host that a tenant names has an address that the operator does not connect to.
    #[error(
        "the host resolves to {address}, {why}, to which the operator does not connect: name another one{}",
        if why.can_be_allowed() { ", or have the operator started with --probe-allow" } else { "" }
    )]
    HostRefused {
        /// The refused address.
        address: IpAddr,
        /// The kind of the address.
        why: Refusal,
    },
    /// A host that a tenant names has no address.
    #[error("the host has neither an A nor an AAAA record: create one, or name another host")]
    NoAddress,
    /// A name server does not answer.
    #[error("the name server {0} does not answer: see that it runs, or take it out of the zone's NS records")]
    Silent(Server),
    /// A name server answers, but not for the zone.
    #[error(
        "the name server {0} answers with an error: see that it serves the zone, or take it out of the zone's NS records"
    )]
    Lame(Server),
    /// A name with a CNAME cannot have a TXT record.
    #[error("{name} is a CNAME, beside which there cannot be a TXT record: remove the CNAME")]
    AliasInTheWay {
        /// The name that has the CNAME.
        name: String,
    },
    /// CAA records cannot be looked up. No authority issues either then.
    #[error(
        "the CAA records at {at} cannot be looked up, without which no authority issues: look at the zone, and at the \
         resolvers that the operator uses"
    )]
    CaaUnknown {
        /// The name whose lookup failed.
        at: String,
    },
}

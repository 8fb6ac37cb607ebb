//! The zone that a name is in, and the name servers of that zone.

use std::net::{IpAddr, SocketAddr};

use futures::{StreamExt, future, stream};
use hickory_proto::rr::{Name, RData, RecordType};

use super::{CLIMBING, Dns, DnsFailure, Server, absolute, base, climb, written};
use crate::address::refusal;
use crate::resolve::LookupFailure;

/// The most name servers of a zone to query.
const MOST_SERVERS: usize = 6;

/// The most addresses of a name server to query.
const MOST_ADDRESSES: usize = 4;

/// A zone and its name servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneServers {
    /// The zone's name, in lower case and without the trailing dot.
    pub apex: String,
    /// The name servers, ordered by name.
    pub servers: Vec<NameServer>,
}

/// A name server of a zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameServer {
    /// The name, in lower case and without the trailing dot.
    pub name: String,
    /// The addresses. The operator may query each of them.
    pub addresses: Vec<SocketAddr>,
}

impl NameServer {
    /// This name server at one of its addresses.
    pub(super) fn at(&self, address: SocketAddr) -> Server {
        Server { name: self.name.clone(), address: address.ip() }
    }
}

impl Dns {
    /// The zone that a name is in, and its name servers.
    ///
    /// # Errors
    /// No zone exists, the lookup fails, or a name server has an address that must not be queried.
    pub async fn zone(&self, name: &str) -> Result<ZoneServers, DnsFailure> {
        let apex = self.apex(&absolute(base(name))?).await?;
        let found = self.ask(&apex, RecordType::NS).await.map_err(|_| DnsFailure::Unresolved)?;
        let mut names: Vec<Name> = found
            .into_iter()
            .filter_map(|(_, data)| if let RData::NS(server) = data { Some(server.0) } else { None })
            .collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(MOST_SERVERS);
        let mut servers = Vec::new();
        for server in future::join_all(names.iter().map(|name| self.name_server(name))).await {
            servers.extend(server?);
        }
        let apex = written(&apex);
        if servers.is_empty() {
            return Err(DnsFailure::NoServers { zone: apex });
        }
        servers.sort_unstable();
        Ok(ZoneServers { apex, servers })
    }

    /// The addresses of a host that a tenant names, such as a server for updates.
    ///
    /// # Errors
    /// The host has no address, the lookup fails, or the operator may not connect to one of the addresses.
    pub async fn host(&self, host: &str) -> Result<Vec<IpAddr>, DnsFailure> {
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.addresses(&absolute(host)?).await.map_err(|_| DnsFailure::Unresolved)?,
        };
        for address in &addresses {
            if let Some(why) = refusal(*address, &self.allowed) {
                return Err(DnsFailure::HostRefused { address: *address, why });
            }
        }
        if addresses.is_empty() { Err(DnsFailure::NoAddress) } else { Ok(addresses) }
    }

    /// The nearest name above that has its own SOA record. Zones above a registered domain do not count, because
    /// their owners would not add a record.
    async fn apex(&self, name: &Name) -> Result<Name, DnsFailure> {
        let asked = stream::iter(climb(name).filter(|above| above.num_labels() > 1))
            .map(|above| async move { (self.ask(&above, RecordType::SOA).await, above) });
        let mut asked = std::pin::pin!(asked.buffered(CLIMBING));
        while let Some((found, above)) = asked.next().await {
            let found = found.map_err(|_| DnsFailure::Unresolved)?;
            // An alias returns the SOA record of another zone.
            if found.iter().any(|(owner, data)| matches!(data, RData::SOA(_)) && *owner == above) {
                return Ok(above);
            }
        }
        Err(DnsFailure::NoZone)
    }

    /// `None` if the name server has no address; resolvers skip it, too.
    async fn name_server(&self, name: &Name) -> Result<Option<NameServer>, DnsFailure> {
        let found = self.addresses(name).await.unwrap_or_default();
        let server = NameServer {
            name: written(name),
            addresses: found.into_iter().map(|address| SocketAddr::new(address, self.port)).collect(),
        };
        for address in &server.addresses {
            if let Some(why) = refusal(address.ip(), &self.allowed) {
                return Err(DnsFailure::ServerRefused { server: server.at(*address), why });
            }
        }
        Ok((!server.addresses.is_empty()).then_some(server))
    }

    async fn addresses(&self, host: &Name) -> Result<Vec<IpAddr>, LookupFailure> {
        let (v4, v6) = future::join(self.ask(host, RecordType::A), self.ask(host, RecordType::AAAA)).await;
        // One kind is enough: many name servers have no AAAA record, and some answer wrongly for it.
        let found = match (v4, v6) {
            (Err(failed), Err(_)) => return Err(failed),
            (v4, v6) => v4.into_iter().chain(v6).flatten(),
        };
        let mut addresses: Vec<IpAddr> = found.filter_map(|(_, data)| data.ip_addr()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MOST_ADDRESSES);
        Ok(addresses)
    }
}

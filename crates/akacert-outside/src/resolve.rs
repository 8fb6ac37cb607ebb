//! Looks up the addresses of a host, A and AAAA. Only operator flags choose the resolvers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;

/// Why the self-check cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ProbeSetupError {
    /// The system's resolver configuration cannot be read, or has no usable resolver.
    #[error(
        "no resolver for the self-check: {0}; mend /etc/resolv.conf, or name resolvers with --probe-resolver"
    )]
    Resolver(String),
    /// No HTTP client can be made.
    #[error("no HTTP client for the self-check: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why a name could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupFailure {
    /// The name does not exist, or has no address.
    NoSuchName,
    /// The resolvers did not answer, or answered with an error.
    Failed,
}

/// A kind of address record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
}

impl Family {
    /// The kind of record that leads to an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Family::A } else { Family::Aaaa }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::A => "A",
            Family::Aaaa => "AAAA",
        })
    }
}

/// Looks up the addresses of a host.
pub trait Resolve: Send + Sync {
    /// All addresses, A and AAAA.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>>;

    /// The addresses of one kind. Empty if the name or the record does not exist.
    fn records<'a>(
        &'a self,
        host: &'a str,
        family: Family,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>>;

    /// The target of the host's CNAME, in lower case and without the trailing dot. `None` if it has no CNAME.
    fn alias<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Option<String>, LookupFailure>>;
}

/// Looks up addresses in DNS.
pub struct DnsResolver(TokioResolver);

impl DnsResolver {
    /// Uses these resolvers, or the system's if there are none.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub fn new(resolvers: &[SocketAddr]) -> Result<Self, ProbeSetupError> {
        resolver(resolvers).map(Self)
    }
}

/// Uses these resolvers, or the system's if there are none.
pub(crate) fn resolver(resolvers: &[SocketAddr]) -> Result<TokioResolver, ProbeSetupError> {
    let failed = |error: hickory_resolver::net::NetError| ProbeSetupError::Resolver(error.to_string());
    let servers = if resolvers.is_empty() {
        read_system_conf().map_err(failed)?.0.name_servers().to_vec()
    } else {
        resolvers.iter().map(name_server).collect()
    };
    // Use only the servers of the system's configuration. A search domain would let a name of the cluster answer for
    // a host.
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    // The authority does not use old answers either. A corrected record must count at once.
    options.cache_size = 0;
    builder.build().map_err(failed)
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

impl Resolve for DnsResolver {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>> {
        async move {
            let name = format!("{}.", host.trim_end_matches('.'));
            match self.0.lookup_ip(name).await {
                Ok(found) => Ok(found.iter().collect()),
                Err(error) if error.is_no_records_found() => Err(LookupFailure::NoSuchName),
                Err(_) => Err(LookupFailure::Failed),
            }
        }
        .boxed()
    }

    fn records<'a>(
        &'a self,
        host: &'a str,
        family: Family,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>> {
        async move {
            let name = format!("{}.", host.trim_end_matches('.'));
            let kind = match family {
                Family::A => RecordType::A,
                Family::Aaaa => RecordType::AAAA,
            };
            let found = match self.0.lookup(name, kind).await {
                Ok(found) => found,
                Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
                Err(_) => return Err(LookupFailure::Failed),
            };
            Ok(found.answers().iter().filter_map(|record| record.data.ip_addr()).collect())
        }
        .boxed()
    }

    fn alias<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Option<String>, LookupFailure>> {
        async move {
            let name = format!("{}.", host.trim_end_matches('.'));
            let found = match self.0.lookup(name, RecordType::CNAME).await {
                Ok(found) => found,
                Err(error) if error.is_no_records_found() => return Ok(None),
                Err(_) => return Err(LookupFailure::Failed),
            };
            let target = found.answers().iter().find_map(|record| {
                let RData::CNAME(alias) = &record.data else { return None };
                Some(alias.0.to_ascii().trim_end_matches('.').to_ascii_lowercase())
            });
            Ok(target)
        }
        .boxed()
    }
}

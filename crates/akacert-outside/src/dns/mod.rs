//! DNS lookups beyond addresses: the zone of a name and its name servers, TXT records as each name server has them,
//! and CAA records. Also dynamic updates (RFC 2136). Tenants choose names and zones, so the operator checks every
//! address before it sends anything there.

mod caa;
mod failure;
#[cfg(test)]
pub(crate) mod fake;
mod txt;
mod update;
mod wire;
mod zone;

use std::net::SocketAddr;

use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::TokioResolver;
use ipnet::IpNet;

pub use caa::CaaAnswer;
pub use failure::{DnsFailure, Server};
pub use txt::TxtView;
pub use update::{TsigAlgorithm, TsigKey, UpdateError, Updater};
pub use zone::{NameServer, ZoneServers};

use crate::resolve::{LookupFailure, ProbeSetupError};

#[cfg(test)]
mod tests;

/// How many names to look up at a time on the way towards the root.
const CLIMBING: usize = 4;

/// The name at which an authority looks for the TXT record of a name (RFC 8555, section 8.4). A wildcard and its base
/// name share it.
#[must_use]
pub fn challenge_name(name: &str) -> String {
    format!("_acme-challenge.{}", base(name))
}

/// The name without a wildcard's asterisk.
fn base(name: &str) -> &str {
    name.strip_prefix("*.").unwrap_or(name)
}

/// Makes DNS lookups.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
    allowed: Vec<IpNet>,
    port: u16,
}

impl Dns {
    /// Uses these resolvers, or the system's if there are none. It queries only name servers with a public address or
    /// one in the `allowed` ranges.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub fn new(resolvers: &[SocketAddr], allowed: Vec<IpNet>) -> Result<Self, ProbeSetupError> {
        Ok(Self { resolver: crate::resolve::resolver(resolvers)?, allowed, port: 53 })
    }

    /// Looks for name servers on another port. For tests.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// What the resolvers return for a name. An answer without records is an empty list.
    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Vec<(Name, RData)>, LookupFailure> {
        match self.resolver.lookup(name.clone(), kind).await {
            Ok(found) => {
                Ok(found.answers().iter().map(|record| (record.name.clone(), record.data.clone())).collect())
            }
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(_) => Err(LookupFailure::Failed),
        }
    }
}

/// A DNS name, always relative to the root.
fn absolute(name: &str) -> Result<Name, DnsFailure> {
    let mut name = Name::from_ascii(name).map_err(|_| DnsFailure::NotAName)?;
    name.set_fqdn(true);
    Ok(name)
}

/// A name as people write it: in lower case, without the trailing dot. Anything but letters, digits and hyphens is
/// escaped.
fn written(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// The name and all names above it, except the root. Not for a wildcard, whose asterisk would not count as a label.
fn climb(name: &Name) -> impl Iterator<Item = Name> + use<> {
    let name = name.clone();
    (1..=usize::from(name.num_labels())).rev().map(move |labels| name.trim_to(labels))
}

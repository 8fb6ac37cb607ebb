//! What is asked of DNS beyond addresses: the zone of a name and its name servers, TXT records as each of them has them,
//! CAA records; and dynamic updates (RFC 2136). Tenants choose names and zones: every address is checked before it is asked.
//! Not here: the addresses of a host (`crate::probe`), and what follows from an answer (`akacert_core::life`).

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

/// So many names are asked for at a time while climbing towards the root.
const CLIMBING: usize = 4;

/// Where an authority looks for the TXT record that proves a name (RFC 8555, section 8.4). A wildcard and its base name
/// have it in common.
#[must_use]
pub fn challenge_name(name: &str) -> String {
    format!("_acme-challenge.{}", base(name))
}

/// The name without the asterisk of a wildcard.
fn base(name: &str) -> &str {
    name.strip_prefix("*.").unwrap_or(name)
}

/// Asks DNS.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
    allowed: Vec<IpNet>,
    port: u16,
}

impl Dns {
    /// Asks these resolvers, or the system's when there are none. Of name servers, those are asked that have a public
    /// address, or one in a range that is allowed.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub fn new(resolvers: &[SocketAddr], allowed: Vec<IpNet>) -> Result<Self, ProbeSetupError> {
        Ok(Self { resolver: crate::resolve::resolver(resolvers)?, allowed, port: 53 })
    }

    /// The same, with name servers that listen on another port. For tests.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// What the resolvers know of a name; an answer without records is an empty one.
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

/// A name as DNS has it: always from the root.
fn absolute(name: &str) -> Result<Name, DnsFailure> {
    let mut name = Name::from_ascii(name).map_err(|_| DnsFailure::NotAName)?;
    name.set_fqdn(true);
    Ok(name)
}

/// As people write it: lower case, without the last dot. What is no letter, digit or hyphen is escaped.
fn written(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// The name and what is above it, without the root. Not for a wildcard, whose asterisk would not be counted.
fn climb(name: &Name) -> impl Iterator<Item = Name> + use<> {
    let name = name.clone();
    (1..=usize::from(name.num_labels())).rev().map(move |labels| name.trim_to(labels))
}

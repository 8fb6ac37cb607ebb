//! The TXT records of a name, as each name server of its zone has them. The authority may query any of them.

use std::collections::BTreeSet;

use futures::future;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, RecordType};

use super::wire::{self, Silence};
use super::{Dns, DnsFailure, NameServer, Server, ZoneServers, absolute, written};

/// The TXT records of a name, as the name servers of its zone have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtView {
    /// The zone, in lower case and without the trailing dot.
    pub zone: String,
    /// The values that every name server has.
    pub values_everywhere: BTreeSet<String>,
    /// What each name server has. If its addresses differ, the one with the fewest values counts.
    servers: Vec<Seen>,
}

/// A name server, and its values.
type Seen = (Server, Result<BTreeSet<String>, DnsFailure>);

impl TxtView {
    /// A sentence about the first name server that lacks one of these values; `None` if none does.
    #[must_use]
    pub fn missing(&self, wanted: &[String]) -> Option<String> {
        self.servers.iter().find_map(|(server, found)| match found {
            Ok(values) if wanted.iter().all(|value| values.contains(value)) => None,
            Ok(_) => Some(format!("{server} does not have the TXT record yet")),
            Err(failure) => Some(failure.to_string()),
        })
    }

    /// The first name server that does not answer properly.
    #[must_use]
    pub fn broken(&self) -> Option<&DnsFailure> {
        self.servers.iter().find_map(|(_, found)| found.as_ref().err())
    }
}

/// What a name server has at a name.
enum Found {
    Values(BTreeSet<String>),
    Alias,
}

impl Dns {
    /// The TXT records of a name, as each name server of its zone has them.
    ///
    /// # Errors
    /// The zone is not found, or the name has a CNAME. A name server that does not answer is part of the view.
    pub async fn txt(&self, name: &str) -> Result<TxtView, DnsFailure> {
        self.zone(name).await?.txt(name).await
    }
}

impl ZoneServers {
    /// The TXT records of a name in this zone, as each name server has them.
    ///
    /// # Errors
    /// The name has a CNAME. A name server that does not answer is part of the view.
    pub async fn txt(&self, name: &str) -> Result<TxtView, DnsFailure> {
        let name = absolute(name)?;
        let asked = self.servers.iter().map(|server| ask_each_address(server, &name));
        let mut servers = Vec::new();
        for answers in future::join_all(asked).await {
            servers.extend(least(answers, &name)?);
        }
        let mut values = servers.iter().map(|(_, found)| found.clone().unwrap_or_default());
        let first = values.next().unwrap_or_default();
        let values_everywhere = values.fold(first, |all, found| &all & &found);
        Ok(TxtView { zone: self.apex.clone(), values_everywhere, servers })
    }
}

async fn ask_each_address(server: &NameServer, name: &Name) -> Vec<(Server, Result<Found, Silence>)> {
    let asked = server.addresses.iter().map(|address| async move {
        (
            server.at(*address),
            wire::ask(*address, name, RecordType::TXT).await.map(|answer| read(&answer, name)),
        )
    });
    future::join_all(asked).await
}

fn read(answer: &Message, name: &Name) -> Found {
    let mut values = BTreeSet::new();
    for record in answer.answers.iter().filter(|record| record.name == *name) {
        if let RData::TXT(txt) = &record.data {
            values.insert(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned());
        } else if matches!(record.data, RData::CNAME(_)) {
            return Found::Alias;
        }
    }
    Found::Values(values)
}

/// Combines the answers of a name server's addresses. An unreachable address counts only if all are unreachable,
/// because the operator may have no IPv6.
fn least(answers: Vec<(Server, Result<Found, Silence>)>, name: &Name) -> Result<Option<Seen>, DnsFailure> {
    let mut silent = None;
    let mut heard: Option<(Server, BTreeSet<String>)> = None;
    for (server, answer) in answers {
        match answer {
            Ok(Found::Alias) => return Err(DnsFailure::AliasInTheWay { name: written(name) }),
            Ok(Found::Values(values)) => {
                if heard.as_ref().is_none_or(|(_, least)| values.len() < least.len()) {
                    heard = Some((server, values));
                }
            }
            Err(Silence::None) => silent = silent.or(Some((server.clone(), DnsFailure::Silent(server)))),
            Err(Silence::Error) => silent = Some((server.clone(), DnsFailure::Lame(server))),
        }
    }
    Ok(match heard {
        Some((server, values)) => Some((server, Ok(values))),
        None => silent.map(|(server, failure)| (server, Err(failure))),
    })
}

//! Edge DNS (config-dns v2): TXT records in zones, one write to a zone at a time. What the API says is in
//! `api`, what is remembered in `zones`; here a write gets its turn, and becomes real on a name server if
//! there is one.

mod api;
mod name_server;
mod refusal;
mod tsig_key;
mod txt;
mod zones;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use crate::config::EdgeDnsConfig;
use crate::shared::{Shared, lock};

pub(crate) use api::router;
pub(crate) use refusal::Refusal;
pub use tsig_key::TsigKeyError;
pub use zones::ZoneKind;
pub(crate) use zones::{Change, TxtSet, Zone, Zones, check_name};

use name_server::NameServer;

/// At high speeds no two writes would else ever overlap.
const SHORTEST_WRITE: Duration = Duration::from_millis(50);

/// The turns of the zones, and the name server that serves them.
pub(crate) struct EdgeDns {
    name_server: Option<NameServer>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl EdgeDns {
    pub(crate) fn new(config: &EdgeDnsConfig) -> Result<Self, TsigKeyError> {
        let name_server = match &config.name_server {
            Some(config) => Some(NameServer::new(config.address, tsig_key::read(&config.tsig_file)?)),
            None => None,
        };
        Ok(Self { name_server, turns: Mutex::default() })
    }

    fn turn(&self, zone: &str) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.turns).entry(zone.to_owned()).or_default().clone()
    }
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A client of the API: refused while another write holds the zone, and holds it for a while itself.
    Client,
    /// The control endpoint: waits for its turn.
    Control,
}

/// Changes a zone as `plan` decides when the zone's turn is there. It is on the name server when this
/// returns, and it is done even if nobody waits for the answer any more.
pub(crate) async fn write(
    shared: &Arc<Shared>,
    zone: &str,
    writer: Writer,
    plan: impl FnOnce(&Zone) -> Result<Vec<Change>, Refusal> + Send + 'static,
) -> Result<(), Refusal> {
    let (zone, shared) = (zone.to_owned(), shared.clone());
    let tasks = shared.tasks.clone();
    let written = tasks.spawn(async move {
        lock(&shared.state).edge_dns.get(&zone)?;
        let turn = shared.edge_dns.turn(&zone);
        let (_held, held_for) = match writer {
            Writer::Client => {
                let held = turn.try_lock_owned().map_err(|_| Refusal::Concurrent)?;
                (held, shared.scaled(shared.config.waits.edge_dns_write).max(SHORTEST_WRITE))
            }
            Writer::Control => (turn.lock_owned().await, Duration::ZERO),
        };
        let changes = plan(lock(&shared.state).edge_dns.get(&zone)?)?;
        let push = async {
            match &shared.edge_dns.name_server {
                Some(name_server) => name_server.update(&zone, &changes).await,
                None => Ok(()),
            }
        };
        let (pushed, ()) = tokio::join!(push, sleep(held_for));
        if let Err(error) = pushed {
            tracing::warn!(zone, %error, "a record set did not reach the name server");
            return Err(Refusal::NameServer(error));
        }
        lock(&shared.state).edge_dns.apply(&zone, changes);
        Ok(())
    });
    written.await.unwrap_or(Err(Refusal::Interrupted))
}

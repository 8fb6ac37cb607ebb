//! Writes: each waits for its turn in its zone, goes to the name server if there is one, and then into memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::name_server::NameServer;
use super::refusal::Refusal;
use super::tsig_key::{self, TsigKeyError};
use super::zones::{Change, Zone, Zones};
use crate::config::{Config, ZoneKind};
use crate::lock::lock;

/// Without a minimum, no two writes would ever overlap at high speeds.
const SHORTEST_WRITE: Duration = Duration::from_millis(50);

pub(crate) struct EdgeDns {
    config: Arc<Config>,
    zones: Mutex<Zones>,
    name_server: Option<NameServer>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    tasks: TaskTracker,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A client of the API. Edge DNS refuses it while another write holds the zone; its own write holds the zone for a
    /// while.
    Client,
    /// The control endpoint, which waits for its turn.
    Control,
}

impl EdgeDns {
    /// Starts with the zones of the configuration. `tasks` shows when all writes have ended.
    pub(crate) fn new(config: Arc<Config>, tasks: TaskTracker) -> Result<Arc<Self>, TsigKeyError> {
        let name_server = match &config.edge_dns.name_server {
            Some(server) => Some(NameServer::new(server.address, tsig_key::read(&server.tsig_file)?)),
            None => None,
        };
        let edge_dns = Self { config, zones: Mutex::default(), name_server, turns: Mutex::default(), tasks };
        edge_dns.load(Zones::default());
        Ok(Arc::new(edge_dns))
    }

    pub(crate) fn zones(&self) -> MutexGuard<'_, Zones> {
        lock(&self.zones)
    }

    pub(crate) fn add_zone(&self, name: &str, kind: ZoneKind) {
        self.zones().add(name, kind, self.config.first_contract());
    }

    /// Replaces all zones. The zones of the configuration stay in any case.
    pub(crate) fn load(&self, mut new: Zones) {
        for zone in &self.config.edge_dns.zones {
            new.add(&zone.name, zone.kind, self.config.first_contract());
        }
        *self.zones() = new;
    }

    /// Changes a zone as `plan` decides when it is this write's turn. The name server has the changes when this
    /// returns. The write happens even if its caller no longer waits for the answer.
    pub(crate) async fn write(
        self: &Arc<Self>,
        zone: &str,
        writer: Writer,
        plan: impl FnOnce(&Zone) -> Result<Vec<Change>, Refusal> + Send + 'static,
    ) -> Result<(), Refusal> {
        let (zone, edge_dns) = (zone.to_owned(), self.clone());
        let written = self.tasks.spawn(async move { edge_dns.write_in_turn(&zone, writer, plan).await });
        written.await.unwrap_or(Err(Refusal::Interrupted))
    }

    async fn write_in_turn(
        &self,
        zone: &str,
        writer: Writer,
        plan: impl FnOnce(&Zone) -> Result<Vec<Change>, Refusal>,
    ) -> Result<(), Refusal> {
        self.zones().get(zone)?;
        let turn = lock(&self.turns).entry(zone.to_owned()).or_default().clone();
        let (_held, held_for) = match writer {
            Writer::Client => {
                let held = turn.try_lock_owned().map_err(|_| Refusal::Concurrent)?;
                (held, self.config.scaled(self.config.waits.edge_dns_write).max(SHORTEST_WRITE))
            }
            Writer::Control => (turn.lock_owned().await, Duration::ZERO),
        };
        let changes = plan(self.zones().get(zone)?)?;
        let push = async {
            match &self.name_server {
                Some(name_server) => name_server.update(zone, &changes).await,
                None => Ok(()),
            }
        };
        let (pushed, ()) = tokio::join!(push, sleep(held_for));
        if let Err(error) = pushed {
            tracing::warn!(zone, %error, "a record set did not reach the name server");
            return Err(Refusal::NameServer(error));
        }
        self.zones().apply(zone, changes);
        Ok(())
    }
}

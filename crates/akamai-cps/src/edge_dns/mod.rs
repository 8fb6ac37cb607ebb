//! Edge DNS (config-dns v2): the zones of an account, and the TXT records in them, for DNS-01. This file has one
//! method for each row of the `operation` table. `publish` combines them into changes that are safe to repeat.

mod publish;
mod rdata;
mod types;
mod zone;

use std::sync::Arc;

use crate::budget::Priority;
pub use crate::budget::Turns;
use crate::client::{Call, Client, parse, to_body};
use crate::error::Error;
use crate::operation::{self, Operation};
use crate::transport::Answer;
pub use rdata::{quote, unquote};
pub use types::{Added, Removed, TxtRecord};
use types::{RecordSet, ZoneList};
use zone::Place;
pub use zone::{Zone, ZoneType, closest_zone, zone_of};

/// The operations of Edge DNS under one priority and flow; see [`Client::edge_dns`].
#[derive(Clone, Debug)]
pub struct EdgeDns {
    client: Client,
    priority: Priority,
    flow: Arc<str>,
}

/// The arguments of an operation.
#[derive(Default)]
struct Arguments<'a> {
    place: Option<&'a Place>,
    query: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Client {
    /// The operations of Edge DNS under this priority and flow. They have their own budget, see [`Turns`].
    pub fn edge_dns(&self, priority: Priority, flow: impl Into<Arc<str>>) -> EdgeDns {
        EdgeDns { client: self.clone(), priority, flow: flow.into() }
    }
}

impl EdgeDns {
    /// Lists all zones that the credentials can see (`GET /zones?showAll=true`), of every type. Even a zone that
    /// cannot be written to takes its names away from the zone above. See [`zone_of`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn zones(&self) -> Result<Vec<Zone>, Error> {
        let operation = &operation::LIST_ZONES;
        let query = vec![("showAll", "true".to_owned())];
        let answer = self.send(operation, Arguments { query, ..Arguments::default() }).await?;
        let list: ZoneList = parse(operation, &answer)?;
        // With only part of the list, a name may seem to belong to a zone above its own.
        if let Some(total) = list.metadata.total_elements.filter(|total| *total > list.zones.len()) {
            let reason = format!("{} of {total} zones although all were asked for", list.zones.len());
            let status = answer.status.as_u16();
            return Err(Error::UnexpectedAnswer { operation: operation.name, status, reason });
        }
        Ok(list.zones)
    }

    /// Reads a TXT record (`GET /zones/{zone}/names/{name}/types/TXT`); `None` if it does not exist.
    ///
    /// # Errors
    /// See [`Error`]. Only Akamai's own 404 means that it does not exist.
    pub async fn txt(&self, zone: &str, name: &str) -> Result<Option<TxtRecord>, Error> {
        let place = Place::new(zone, name)?;
        Ok(self.read(&place).await?.map(TxtRecord::from))
    }

    async fn read(&self, place: &Place) -> Result<Option<RecordSet>, Error> {
        let arguments = Arguments { place: Some(place), ..Arguments::default() };
        match self.send(&operation::GET_TXT, arguments).await {
            Ok(answer) => parse(&operation::GET_TXT, &answer).map(Some),
            // A proxy's error page says nothing about the record.
            Err(Error::Api { status: 404, problem, .. }) if !problem.is_foreign() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        operation: &'static Operation,
        place: &Place,
        set: Option<&RecordSet>,
    ) -> Result<(), Error> {
        let body = set.map(|set| to_body(operation, set)).transpose()?.unwrap_or_default();
        // The answer only repeats the request.
        self.send(operation, Arguments { place: Some(place), body, query: Vec::new() }).await.map(drop)
    }

    async fn send(&self, operation: &'static Operation, arguments: Arguments<'_>) -> Result<Answer, Error> {
        let names = arguments.place.map_or(vec![], |place| vec![&place.zone, &place.name]);
        let call = Call {
            operation,
            path: operation.fill(&names),
            query: arguments.query,
            body: arguments.body,
            budget: self.client.turns().budget(),
            priority: self.priority,
            flow: &self.flow,
        };
        self.client.send(call).await
    }
}

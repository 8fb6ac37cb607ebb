//! Changes TXT records so that every change can be repeated at any time: read, write what is missing, and read again
//! if somebody else was faster. Values of others stay as they are.

use super::rdata::{quote, unquote};
use super::types::{Added, RecordSet, Removed};
use super::zone::Place;
use super::{EdgeDns, Error};
use crate::client::{FIRST_BACKOFF, LONGEST_WAIT, jittered};
use crate::error::ZONE_BUSY;
use crate::operation::{self, Operation};

/// How often to try while others write to the zone: over some 4 seconds.
const ATTEMPTS_WHEN_BUSY: u32 = 5;
/// How often to try if the record changes between reading and writing.
const ATTEMPTS_WHEN_CHANGED: u32 = 3;

/// The write that turns the record into the wanted one.
enum Write {
    Create(RecordSet),
    Replace(RecordSet),
    Delete,
}

impl EdgeDns {
    /// Adds values to a TXT record. If there is no record, it is created with this time to live; an existing record
    /// keeps its own. Nothing is written if all values are there, so it can be called again after any error.
    ///
    /// # Errors
    /// See [`Error`]. It is also transient if others kept writing to the zone.
    pub async fn add_txt(&self, zone: &str, name: &str, values: &[String], ttl: u32) -> Result<Added, Error> {
        let place = Place::new(zone, name)?;
        let written = self.rewrite(&place, |found| adding(&place, found, values, ttl)).await?;
        Ok(match written {
            None => Added::AlreadyThere,
            Some(Write::Create(_)) => Added::Created,
            Some(_) => Added::Extended,
        })
    }

    /// Removes values from a TXT record, and the record with its last value. Nothing is written if none of the values
    /// is there, so it can be called again after any error.
    ///
    /// # Errors
    /// See [`Error`]. It is also transient if others kept writing to the zone.
    pub async fn remove_txt(&self, zone: &str, name: &str, values: &[String]) -> Result<Removed, Error> {
        let place = Place::new(zone, name)?;
        let written = self.rewrite(&place, |found| removing(found, values)).await?;
        Ok(match written {
            None => Removed::NotThere,
            Some(Write::Delete) => Removed::Deleted,
            Some(_) => Removed::Reduced,
        })
    }

    /// Writes what `plan` makes of the record, and returns what was written; `None` if nothing had to be. Edge DNS
    /// cannot write only if nothing has changed. So the record is read again after every conflict: repeating the same
    /// request could remove what somebody else has written meanwhile.
    async fn rewrite(
        &self,
        place: &Place,
        plan: impl Fn(Option<RecordSet>) -> Option<Write>,
    ) -> Result<Option<Write>, Error> {
        let _turn = self.client.turns().of_zone(&place.zone).await;
        let mut backoff = FIRST_BACKOFF;
        let mut attempt = 1;
        loop {
            let Some(write) = plan(self.read(place).await?) else { return Ok(None) };
            let (operation, set) = write.request();
            match self.write(operation, place, set).await {
                Ok(()) => return Ok(Some(write)),
                Err(error) if attempt >= attempts_after(&error, &write) => return Err(error),
                Err(error) => tracing::debug!(name = place.name, %error, "looking again"),
            }
            attempt += 1;
            tokio::time::sleep(jittered(backoff)).await;
            backoff = (backoff * 2).min(LONGEST_WAIT);
        }
    }
}

impl Write {
    fn request(&self) -> (&'static Operation, Option<&RecordSet>) {
        match self {
            Self::Create(set) => (&operation::CREATE_TXT, Some(set)),
            Self::Replace(set) => (&operation::REPLACE_TXT, Some(set)),
            Self::Delete => (&operation::DELETE_TXT, None),
        }
    }
}

/// The write that adds values to a record.
fn adding(place: &Place, found: Option<RecordSet>, values: &[String], ttl: u32) -> Option<Write> {
    let is_new = found.is_none();
    let mut set = found.unwrap_or_else(|| RecordSet::txt(&place.name, ttl));
    let before = set.rdata.len();
    for value in values {
        if !set.holds(value) {
            set.rdata.push(quote(value.as_bytes()));
        }
    }
    match (set.rdata.len() == before, is_new) {
        (true, _) => None,
        (false, true) => Some(Write::Create(set)),
        (false, false) => Some(Write::Replace(set)),
    }
}

/// The write that removes values from a record.
fn removing(found: Option<RecordSet>, values: &[String]) -> Option<Write> {
    let mut set = found?;
    let before = set.rdata.len();
    set.rdata.retain(|rdata| !values.iter().any(|value| value.as_bytes() == unquote(rdata)));
    match set.rdata.len() {
        left if left == before => None,
        0 => Some(Write::Delete),
        _ => Some(Write::Replace(set)),
    }
}

/// How many attempts to make in all after this error.
fn attempts_after(error: &Error, write: &Write) -> u32 {
    let Error::Api { status, problem, .. } = error else { return 1 };
    let says_gone = || {
        let said = problem.summary().unwrap_or_default().to_ascii_lowercase();
        said.contains("does not exist")
    };
    match (status, write) {
        (409, _) if error.is_conflict(ZONE_BUSY) => ATTEMPTS_WHEN_BUSY,
        // Somebody else created it.
        (409, Write::Create(_)) => ATTEMPTS_WHEN_CHANGED,
        // Somebody else removed it.
        (404, Write::Replace(_) | Write::Delete) => ATTEMPTS_WHEN_CHANGED,
        (400, Write::Replace(_) | Write::Delete) if says_gone() => ATTEMPTS_WHEN_CHANGED,
        _ => 1,
    }
}

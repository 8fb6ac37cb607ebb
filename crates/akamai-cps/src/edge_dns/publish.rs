//! Changing TXT records so that a change can be repeated at any time: look, write what is missing, look again when
//! somebody else was faster. What others put into a record stays as it is.

use super::rdata::{quote, unquote};
use super::types::{Added, RecordSet, Removed};
use super::zone::Place;
use super::{EdgeDns, Error};
use crate::client::{FIRST_BACKOFF, LONGEST_WAIT, jittered};
use crate::error::ZONE_BUSY;
use crate::operation::{self, Operation};

/// How often a change is tried while others write to the zone: over some 4 seconds.
const ATTEMPTS_WHEN_BUSY: u32 = 5;
/// How often it is tried when the record is not what it was a moment before.
const ATTEMPTS_WHEN_CHANGED: u32 = 3;

/// What turns the record that was found into the one that is wanted.
enum Write {
    Create(RecordSet),
    Replace(RecordSet),
    Delete,
}

impl EdgeDns {
    /// Adds values to a TXT record, which is created with this time to live if there is none; one that is there keeps
    /// its own. Writes nothing when all values are there, so after any error it can simply be called again.
    ///
    /// # Errors
    /// See [`Error`]. Transient also when others kept writing to the zone.
    pub async fn add_txt(&self, zone: &str, name: &str, values: &[String], ttl: u32) -> Result<Added, Error> {
        let place = Place::new(zone, name)?;
        let written = self.rewrite(&place, |found| adding(&place, found, values, ttl)).await?;
        Ok(match written {
            None => Added::AlreadyThere,
            Some(Write::Create(_)) => Added::Created,
            Some(_) => Added::Extended,
        })
    }

    /// Takes values out of a TXT record, and the record away when no other is left. Writes nothing when none of them is
    /// there, so after any error it can simply be called again.
    ///
    /// # Errors
    /// See [`Error`]. Transient also when others kept writing to the zone.
    pub async fn remove_txt(&self, zone: &str, name: &str, values: &[String]) -> Result<Removed, Error> {
        let place = Place::new(zone, name)?;
        let written = self.rewrite(&place, |found| removing(found, values)).await?;
        Ok(match written {
            None => Removed::NotThere,
            Some(Write::Delete) => Removed::Deleted,
            Some(_) => Removed::Reduced,
        })
    }

    /// Writes what `plan` makes of the record, and gives back what was written; none when nothing had to be. Edge DNS
    /// has no way to write only if nothing changed, so after every conflict the record is read again: the same request
    /// once more could take away what another has written in between.
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

/// The write that puts values into a record.
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

/// The write that takes values out of a record.
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

/// How many attempts an error is worth in all.
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

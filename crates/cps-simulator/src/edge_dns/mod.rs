//! Edge DNS: TXT records in zones, one write to a zone at a time, and the name server that serves them.

mod name_server;
mod refusal;
mod tsig_key;
mod txt;
mod writes;
mod zones;

pub(crate) use refusal::Refusal;
pub use tsig_key::TsigKeyError;
pub(crate) use writes::{EdgeDns, Writer};
pub(crate) use zones::{Change, TxtSet, Zone, ZoneError, Zones, check_name};

//! Calls to Akamai CPS that several parts of the operator share.

pub mod export;
pub mod lists;

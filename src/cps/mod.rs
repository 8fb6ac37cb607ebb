//! Akamai CPS, as several parts of the operator use it. Not here: one call (`akamai_cps`), when to call (`akacert_core::life`).

pub mod export;
pub mod lists;

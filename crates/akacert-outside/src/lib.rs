//! Checks names as a certificate authority and a browser do: DNS, CAA, HTTP-01, and the served certificate. Also
//! sends DNS updates. The caller decides when to check, and what the result means.

pub mod address;
pub mod dns;
pub mod probe;
pub mod resolve;

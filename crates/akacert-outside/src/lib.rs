//! Looks at names as a certificate authority and a browser do: DNS, CAA, HTTP-01, the certificate that is served; and
//! sends DNS updates. Not here: when to look, and what follows from it.

pub mod address;
pub mod dns;
pub mod probe;
pub mod resolve;

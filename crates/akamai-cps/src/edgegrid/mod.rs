//! Akamai EdgeGrid: credentials and EG1-HMAC-SHA256 request signatures. Depends on no HTTP client and reads no clock:
//! what is signed, the time and the nonce are given. Sending requests is the business of `client`.
//!
//! Source: Akamai's EdgeGrid specification and the Go and Python clients, whose test vectors pin this module.

mod authorization;
mod credentials;
mod edgerc;
mod signature;

pub use authorization::{Authorization, AuthorizationError, VerifyError, verify};
pub use credentials::{Credentials, CredentialsError};
pub use signature::{
    Message, SignError, Signer, authorization, content_hash, format_timestamp, parse_timestamp, signature,
    unsigned_header,
};

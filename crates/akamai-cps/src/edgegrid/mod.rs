//! Akamai EdgeGrid: credentials and EG1-HMAC-SHA256 request signatures. The module depends on no HTTP client and
//! reads no clock: the caller passes the message, the time and the nonce.
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

//! The ports of the simulator: how it serves a router on one, and the two that stand for Akamai's edge and
//! `dcv.akamai.com`.

pub(crate) mod dcv;
pub(crate) mod edge;
mod serve;
mod tls;

pub(crate) use serve::{NoAnswer, Peer, serve};
pub use tls::TlsError;
pub(crate) use tls::acceptor;

//! Where the solver's ready replicas answer, by its EndpointSlices. Not here: how tokens lead there (`objects`).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::EndpointSlice;

/// Name of the port, in the Service, its EndpointSlices and the solver's own Service.
pub const PORT_NAME: &str = "http";

/// Where one ready replica of the solver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SolverEndpoint {
    /// Its address.
    pub ip: IpAddr,
    /// Its port for challenges.
    pub port: u16,
}

impl From<SolverEndpoint> for SocketAddr {
    fn from(endpoint: SolverEndpoint) -> Self {
        SocketAddr::new(endpoint.ip, endpoint.port)
    }
}

impl fmt::Display for SolverEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

/// Ready endpoints of one EndpointSlice, on its port for challenges.
#[must_use]
pub fn ready_endpoints(slice: &EndpointSlice) -> Vec<SolverEndpoint> {
    let ports = slice.ports.as_deref().unwrap_or_default();
    let named = ports.iter().find(|port| port.name.as_deref() == Some(PORT_NAME)).or_else(|| ports.first());
    let Some(port) = named.and_then(|port| u16::try_from(port.port?).ok()) else { return Vec::new() };
    // An absent condition means ready (discovery/v1).
    let ready = slice.endpoints.iter().filter(|endpoint| {
        endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
    });
    // All addresses of an endpoint mean the same replica; the first stands for it (discovery/v1).
    ready
        .filter_map(|endpoint| endpoint.addresses.first()?.parse::<IpAddr>().ok())
        .map(|ip| SolverEndpoint { ip, port })
        .collect()
}

//! The HTTP APIs of the simulator: CPS, the contract list, and Edge DNS. `gateway` checks signatures, request limits
//! and faults first.

pub(crate) mod cps;
pub(crate) mod edge_dns;
mod media;
mod problem;
mod query;

use axum::Router;

pub(crate) use problem::Problem;
pub(crate) use query::Query;

/// The base path of Edge DNS.
pub(crate) const EDGE_DNS: &str = "/config-dns/v2";

/// All operations.
pub(crate) fn router(cps: cps::Service, edge_dns: edge_dns::Service) -> Router {
    Router::new()
        .merge(cps::router(cps))
        .nest(EDGE_DNS, edge_dns::router(edge_dns))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
}

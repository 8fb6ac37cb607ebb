//! Media types: which type a request accepts (otherwise 406), and which type it carries (otherwise 415).

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::problem::Problem;

/// Writes out a name such as `enrollment.v11`.
pub(crate) fn full(name: &str) -> String {
    format!("application/vnd.akamai.cps.{name}+json")
}

/// The first of `offered` that the request accepts. `*/*` and unversioned types are not enough.
pub(crate) fn accepted(headers: &HeaderMap, offered: &[&'static str]) -> Result<&'static str, Problem> {
    let wanted: Vec<String> = values(headers, &ACCEPT);
    offered
        .iter()
        .copied()
        .find(|name| wanted.contains(&full(name)))
        .ok_or_else(|| Problem::not_acceptable(&offered.iter().map(|n| full(n)).collect::<Vec<_>>()))
}

/// The type of the request's body, which must be one of `understood`.
pub(crate) fn carried(headers: &HeaderMap, understood: &[&'static str]) -> Result<&'static str, Problem> {
    let sent: Vec<String> = values(headers, &CONTENT_TYPE);
    understood.iter().copied().find(|name| sent == [full(name)]).ok_or_else(|| {
        Problem::unsupported_media_type(&understood.iter().map(|n| full(n)).collect::<Vec<_>>())
    })
}

/// Whether a request accepts `application/json`. A request without `Accept` does.
pub(crate) fn accepts_json(headers: &HeaderMap) -> bool {
    let wanted = values(headers, &ACCEPT);
    let fits = |wanted: &String| ["application/json", "application/*", "*/*"].contains(&wanted.as_str());
    wanted.is_empty() || wanted.iter().any(fits)
}

/// Whether the body of a request is `application/json`.
pub(crate) fn carries_json(headers: &HeaderMap) -> bool {
    values(headers, &CONTENT_TYPE) == ["application/json"]
}

/// The media types of a header, without parameters such as `charset=utf-8`.
fn values(headers: &HeaderMap, name: &http::HeaderName) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect()
}

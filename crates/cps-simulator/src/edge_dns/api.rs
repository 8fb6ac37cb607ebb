//! The operations of Edge DNS on its zones and TXT record sets.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Change, Refusal, TxtSet, Writer, Zone, ZoneKind, check_name, write};
use crate::media;
use crate::query::Query;
use crate::quirks::Quirks;
use crate::shared::{Shared, lock};

/// Zones on a page unless the request says otherwise.
const PAGE_SIZE: usize = 25;

type App = State<Arc<Shared>>;

/// The operations below `/config-dns/v2`.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/zones", get(zones))
        .route("/zones/{zone}/names/{name}/types/{type}", get(read).post(create).put(replace).delete(remove))
        .route("/zones/{zone}/recordsets", post(create_all))
        .fallback(async || Refusal::UnknownOperation)
        .method_not_allowed_fallback(async || Refusal::IllegalMethod)
}

async fn zones(
    State(shared): App,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref());
    let (page, page_size) = (number(&query, "page", 1)?, number(&query, "pageSize", PAGE_SIZE)?);
    let show_all = match query.get("showAll") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(Refusal::Invalid(format!("showAll must be true or false, not [{other}]"))),
    };
    let list = |name: &str| query.get(name).filter(|list| !list.is_empty()).map(|list| list.split(','));
    let search = query.get("search").unwrap_or_default().to_ascii_lowercase();
    let state = lock(&shared.state);
    let found: Vec<(&String, &Zone)> = state
        .edge_dns
        .iter()
        .filter(|(name, _)| name.contains(&search))
        .filter(|(_, zone)| {
            list("types").is_none_or(|mut types| types.any(|t| t.eq_ignore_ascii_case(kind_text(zone.kind))))
        })
        .filter(|(_, zone)| list("contractIds").is_none_or(|mut ids| ids.any(|id| id == zone.contract)))
        .collect();
    let (skip, take) =
        if show_all { (0, usize::MAX) } else { ((page - 1).saturating_mul(page_size), page_size) };
    let contracts: BTreeSet<&String> = found.iter().map(|(_, zone)| &zone.contract).collect();
    let quirks = shared.quirks();
    let shown: Vec<Value> =
        found.iter().skip(skip).take(take).map(|(name, zone)| zone_view(name, zone, quirks)).collect();
    let body = json!({
        "metadata": {
            "page": page,
            "pageSize": page_size,
            "showAll": show_all,
            "totalElements": found.len(),
            "contractIds": contracts,
        },
        "zones": shown,
    });
    Ok(answer(StatusCode::OK, &quirks.finish(body)))
}

fn number(query: &Query, name: &str, default: usize) -> Result<usize, Refusal> {
    match query.get(name) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => {
                Err(Refusal::Invalid(format!("{name} must be a number from 1 on, not [{text}]")))
            }
            Ok(number) => Ok(number),
        },
    }
}

fn kind_text(kind: ZoneKind) -> &'static str {
    match kind {
        ZoneKind::Primary => "PRIMARY",
        ZoneKind::Secondary => "SECONDARY",
        ZoneKind::Alias => "ALIAS",
    }
}

fn zone_view(name: &str, zone: &Zone, quirks: Quirks) -> Value {
    let mut body = json!({
        "zone": name,
        "type": zone.kind,
        "contractId": zone.contract,
        "versionId": zone.version,
        "activationState": "ACTIVE",
        "lastModifiedBy": "simulator",
        "lastModifiedDate": quirks.time(zone.modified),
    });
    if zone.kind != ZoneKind::Alias {
        body["aliasCount"] = 0.into();
        body["signAndServe"] = false.into();
        body["lastActivationDate"] = quirks.time(zone.modified);
    }
    if zone.kind == ZoneKind::Secondary {
        body["masters"] = json!(["192.0.2.1"]);
    }
    body
}

/// A record set as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: String,
    r#type: String,
    ttl: u32,
    rdata: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bodies {
    recordsets: Vec<Body>,
}

impl Body {
    /// The name in lower case and the set as it is answered.
    fn accept(self, zone: &str) -> Result<(String, TxtSet), Refusal> {
        let name = check_name(&self.name, zone)?;
        check_kind(&self.r#type)?;
        Ok((name, TxtSet { ttl: self.ttl, rdata: self.rdata }.written_out()?))
    }
}

fn check_kind(kind: &str) -> Result<(), Refusal> {
    match kind {
        "TXT" => Ok(()),
        other => {
            Err(Refusal::Invalid(format!("This simulator writes records of type TXT only, not [{other}]")))
        }
    }
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refusal> {
    if !media::carries_json(headers) {
        return Err(Refusal::UnsupportedMediaType);
    }
    serde_json::from_slice(body).map_err(|error| Refusal::Invalid(format!("Invalid body: {error}")))
}

fn check_accept(headers: &HeaderMap) -> Result<(), Refusal> {
    if media::accepts_json(headers) { Ok(()) } else { Err(Refusal::NotAcceptable) }
}

type Place = Path<(String, String, String)>;

/// The body of a write to one record set, which must be of the name and type in the path.
fn accept_at(
    (zone, name, kind): (&str, &str, &str),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(String, TxtSet), Refusal> {
    check_accept(headers)?;
    let body: Body = parse(headers, body)?;
    if !body.name.eq_ignore_ascii_case(name) || body.r#type != kind {
        return Err(Refusal::Invalid(format!(
            "Name and type of the body ({}, {}) must be those of the path ({name}, {kind})",
            body.name, body.r#type
        )));
    }
    body.accept(zone)
}

async fn read(
    State(shared): App,
    Path((zone, name, kind)): Place,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    check_accept(&headers)?;
    let name = name.to_ascii_lowercase();
    let state = lock(&shared.state);
    let zone = state.edge_dns.get(&zone.to_ascii_lowercase())?;
    match zone.txt.get(&name).filter(|_| kind == "TXT") {
        Some(set) => Ok(answer(StatusCode::OK, &set_view(&name, set, shared.quirks()))),
        None => Err(Refusal::UnknownRecordSet { name, kind }),
    }
}

async fn create(
    State(shared): App,
    Path((zone, name, kind)): Place,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let zone = zone.to_ascii_lowercase();
    let (name, set) = accept_at((&zone, &name, &kind), &headers, &body)?;
    create_in(&shared, &zone, vec![(name.clone(), set.clone())]).await?;
    let mut created = answer(StatusCode::CREATED, &set_view(&name, &set, shared.quirks()));
    let location = format!("/config-dns/v2/zones/{zone}/names/{name}/types/TXT");
    if let Ok(location) = HeaderValue::from_str(&location) {
        created.headers_mut().insert(header::LOCATION, location);
    }
    Ok(created)
}

async fn create_all(
    State(shared): App,
    Path(zone): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let zone = zone.to_ascii_lowercase();
    let Bodies { recordsets } = parse(&headers, &body)?;
    if recordsets.is_empty() {
        return Err(Refusal::Invalid("recordsets must not be empty".into()));
    }
    let sets: Vec<_> = recordsets.into_iter().map(|body| body.accept(&zone)).collect::<Result<_, _>>()?;
    create_in(&shared, &zone, sets).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds all sets, or none if there is one of the same name.
async fn create_in(shared: &Arc<Shared>, zone: &str, sets: Vec<(String, TxtSet)>) -> Result<(), Refusal> {
    write(shared, zone, Writer::Client, move |zone| {
        zone.check_writable()?;
        let mut seen = BTreeSet::new();
        if let Some((name, _)) =
            sets.iter().find(|(name, _)| zone.txt.contains_key(name) || !seen.insert(name.clone()))
        {
            return Err(Refusal::Duplicate(name.clone()));
        }
        Ok(sets.into_iter().map(|(name, set)| Change { name, set: Some(set) }).collect())
    })
    .await
}

async fn replace(
    State(shared): App,
    Path((zone, name, kind)): Place,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let zone = zone.to_ascii_lowercase();
    let (name, set) = accept_at((&zone, &name, &kind), &headers, &body)?;
    let replaced = answer(StatusCode::OK, &set_view(&name, &set, shared.quirks()));
    write(&shared, &zone, Writer::Client, move |zone| {
        zone.check_writable()?;
        match zone.txt.contains_key(&name) {
            true => Ok(vec![Change { name, set: Some(set) }]),
            false => Err(Refusal::Missing(name)),
        }
    })
    .await?;
    Ok(replaced)
}

async fn remove(State(shared): App, Path((zone, name, kind)): Place) -> Result<StatusCode, Refusal> {
    let (zone, name) = (zone.to_ascii_lowercase(), name.to_ascii_lowercase());
    write(&shared, &zone, Writer::Client, move |zone| {
        zone.check_writable()?;
        match kind == "TXT" && zone.txt.contains_key(&name) {
            true => Ok(vec![Change { name, set: None }]),
            false => Err(Refusal::UnknownRecordSet { name, kind }),
        }
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn set_view(name: &str, set: &TxtSet, quirks: Quirks) -> Value {
    quirks.finish(json!({"name": name, "type": "TXT", "ttl": set.ttl, "rdata": set.rdata}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

//! The operations of Edge DNS on its zones and TXT record sets.

mod problems;

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

use crate::api::{Problem, Query, media};
use crate::config::ZoneKind;
use crate::edge_dns::{Change, EdgeDns, Refusal, TxtSet, Writer, Zone, check_name};
use crate::on_demand::{OnDemand, Quirks};

/// Zones per page, unless the request asks for another number.
const PAGE_SIZE: usize = 25;

/// The state and the services that the operations use.
#[derive(Clone)]
pub(crate) struct Service {
    pub edge_dns: Arc<EdgeDns>,
    pub on_demand: Arc<OnDemand>,
}

type App = State<Service>;

pub(super) fn router(service: Service) -> Router {
    Router::new()
        .route("/zones", get(zones))
        .route("/zones/{zone}/names/{name}/types/{type}", get(read).post(create).put(replace).delete(remove))
        .route("/zones/{zone}/recordsets", post(create_all))
        .fallback(async || problems::unknown_operation())
        .method_not_allowed_fallback(async || problems::illegal_method())
        .with_state(service)
}

async fn zones(
    State(service): App,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref());
    let (page, page_size) = (number(&query, "page", 1)?, number(&query, "pageSize", PAGE_SIZE)?);
    let show_all = match query.get("showAll") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(problems::invalid(format!("showAll must be true or false, not [{other}]")));
        }
    };
    let list = |name: &str| query.get(name).filter(|list| !list.is_empty()).map(|list| list.split(','));
    let search = query.get("search").unwrap_or_default().to_ascii_lowercase();
    let zones = service.edge_dns.zones();
    let found: Vec<(&String, &Zone)> = zones
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
    let quirks = service.on_demand.quirks();
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

fn number(query: &Query, name: &str, default: usize) -> Result<usize, Problem> {
    match query.get(name) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => {
                Err(problems::invalid(format!("{name} must be a number from 1 on, not [{text}]")))
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

/// A record set as the client sends it.
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
    /// Checks the record set, and returns its name in lower case and the set in the form of an answer.
    fn accept(self, zone: &str) -> Result<(String, TxtSet), Problem> {
        let name = check_name(&self.name, zone)?;
        check_kind(&self.r#type)?;
        Ok((name, TxtSet { ttl: self.ttl, rdata: self.rdata }.written_out()?))
    }
}

fn check_kind(kind: &str) -> Result<(), Problem> {
    match kind {
        "TXT" => Ok(()),
        other => {
            Err(problems::invalid(format!("This simulator writes records of type TXT only, not [{other}]")))
        }
    }
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    if !media::carries_json(headers) {
        return Err(problems::unsupported_media_type());
    }
    serde_json::from_slice(body).map_err(|error| problems::invalid(format!("Invalid body: {error}")))
}

fn check_accept(headers: &HeaderMap) -> Result<(), Problem> {
    if media::accepts_json(headers) { Ok(()) } else { Err(problems::not_acceptable()) }
}

type Place = Path<(String, String, String)>;

/// Reads the body of a write to one record set. Its name and type must be those of the path.
fn accept_at(
    (zone, name, kind): (&str, &str, &str),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(String, TxtSet), Problem> {
    check_accept(headers)?;
    let body: Body = parse(headers, body)?;
    if !body.name.eq_ignore_ascii_case(name) || body.r#type != kind {
        return Err(problems::invalid(format!(
            "Name and type of the body ({}, {}) must be those of the path ({name}, {kind})",
            body.name, body.r#type
        )));
    }
    body.accept(zone)
}

async fn read(
    State(service): App,
    Path((zone, name, kind)): Place,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_accept(&headers)?;
    let name = name.to_ascii_lowercase();
    let zones = service.edge_dns.zones();
    let zone = zones.get(&zone.to_ascii_lowercase())?;
    match zone.txt.get(&name).filter(|_| kind == "TXT") {
        Some(set) => Ok(answer(StatusCode::OK, &set_view(&name, set, service.on_demand.quirks()))),
        None => Err(Refusal::UnknownRecordSet { name, kind }.into()),
    }
}

async fn create(
    State(service): App,
    Path((zone, name, kind)): Place,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let zone = zone.to_ascii_lowercase();
    let (name, set) = accept_at((&zone, &name, &kind), &headers, &body)?;
    create_in(&service.edge_dns, &zone, vec![(name.clone(), set.clone())]).await?;
    let mut created = answer(StatusCode::CREATED, &set_view(&name, &set, service.on_demand.quirks()));
    let location = format!("/config-dns/v2/zones/{zone}/names/{name}/types/TXT");
    if let Ok(location) = HeaderValue::from_str(&location) {
        created.headers_mut().insert(header::LOCATION, location);
    }
    Ok(created)
}

async fn create_all(
    State(service): App,
    Path(zone): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let zone = zone.to_ascii_lowercase();
    let Bodies { recordsets } = parse(&headers, &body)?;
    if recordsets.is_empty() {
        return Err(problems::invalid("recordsets must not be empty"));
    }
    let sets: Vec<_> = recordsets.into_iter().map(|body| body.accept(&zone)).collect::<Result<_, _>>()?;
    create_in(&service.edge_dns, &zone, sets).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds all sets, or none if the zone already has one of their names.
async fn create_in(edge_dns: &Arc<EdgeDns>, zone: &str, sets: Vec<(String, TxtSet)>) -> Result<(), Problem> {
    let added = edge_dns.write(zone, Writer::Client, move |zone| {
        zone.check_writable()?;
        let mut seen = BTreeSet::new();
        if let Some((name, _)) =
            sets.iter().find(|(name, _)| zone.txt.contains_key(name) || !seen.insert(name.clone()))
        {
            return Err(Refusal::Duplicate(name.clone()));
        }
        Ok(sets.into_iter().map(|(name, set)| Change { name, set: Some(set) }).collect())
    });
    Ok(added.await?)
}

async fn replace(
    State(service): App,
    Path((zone, name, kind)): Place,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let zone = zone.to_ascii_lowercase();
    let (name, set) = accept_at((&zone, &name, &kind), &headers, &body)?;
    let replaced = answer(StatusCode::OK, &set_view(&name, &set, service.on_demand.quirks()));
    let written = service.edge_dns.write(&zone, Writer::Client, move |zone| {
        zone.check_writable()?;
        match zone.txt.contains_key(&name) {
            true => Ok(vec![Change { name, set: Some(set) }]),
            false => Err(Refusal::Missing(name)),
        }
    });
    written.await?;
    Ok(replaced)
}

async fn remove(State(service): App, Path((zone, name, kind)): Place) -> Result<StatusCode, Problem> {
    let (zone, name) = (zone.to_ascii_lowercase(), name.to_ascii_lowercase());
    let written = service.edge_dns.write(&zone, Writer::Client, move |zone| {
        zone.check_writable()?;
        match kind == "TXT" && zone.txt.contains_key(&name) {
            true => Ok(vec![Change { name, set: None }]),
            false => Err(Refusal::UnknownRecordSet { name, kind }),
        }
    });
    written.await?;
    Ok(StatusCode::NO_CONTENT)
}

fn set_view(name: &str, set: &TxtSet, quirks: Quirks) -> Value {
    quirks.finish(json!({"name": name, "type": "TXT", "ttl": set.ttl, "rdata": set.rdata}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

//! The requests with which a test changes the zones of Edge DNS, and the records that others have in them.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;

use super::{App, Control};
use crate::config::ZoneKind;
use crate::edge_dns::{Change, Refusal, TxtSet, Writer, Zones, check_name};

pub(super) async fn zones(State(control): App) -> Json<Zones> {
    Json(control.edge_dns.zones().clone())
}

pub(super) async fn put_zone(
    State(control): App,
    Path(zone): Path<String>,
    Json(kind): Json<ZoneKind>,
) -> StatusCode {
    control.edge_dns.add_zone(&zone, kind);
    StatusCode::NO_CONTENT
}

pub(super) async fn delete_zone(State(control): App, Path(zone): Path<String>) -> StatusCode {
    let removed = control.edge_dns.zones().remove(&zone);
    if removed { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

pub(super) async fn put_txt(
    State(control): App,
    Path((zone, name)): Path<(String, String)>,
    Json(set): Json<TxtSet>,
) -> Result<StatusCode, (StatusCode, String)> {
    answer(write(&control, &zone, &name, Some(set)).await)
}

pub(super) async fn delete_txt(
    State(control): App,
    Path((zone, name)): Path<(String, String)>,
) -> Result<StatusCode, (StatusCode, String)> {
    answer(write(&control, &zone, &name, None).await)
}

async fn write(control: &Control, zone: &str, name: &str, set: Option<TxtSet>) -> Result<(), Refusal> {
    let name = check_name(name, zone)?;
    let change = Change { name, set: set.map(TxtSet::written_out).transpose()? };
    control.edge_dns.write(zone, Writer::Control, move |_| Ok(vec![change])).await
}

fn answer(written: Result<(), Refusal>) -> Result<StatusCode, (StatusCode, String)> {
    match written {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(refusal) => Err((StatusCode::BAD_REQUEST, format!("{refusal}\n"))),
    }
}

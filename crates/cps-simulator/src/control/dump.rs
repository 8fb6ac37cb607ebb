//! The whole state as JSON.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::App;
use crate::edge_dns::Zones;
use crate::model::{self, Enrollment};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dump {
    last_id: u64,
    enrollments: BTreeMap<u64, Enrollment>,
    #[serde(default)]
    edge_dns: Zones,
}

pub(super) async fn dump(State(control): App) -> Json<Dump> {
    let model::State { last_id, enrollments } = control.store.lock().clone();
    Json(Dump { last_id, enrollments, edge_dns: control.edge_dns.zones().clone() })
}

pub(super) async fn load(State(control): App, Json(dump): Json<Dump>) -> StatusCode {
    let Dump { last_id, enrollments, edge_dns } = dump;
    control.edge_dns.load(edge_dns);
    control.drivers.load(model::State { last_id, enrollments });
    StatusCode::NO_CONTENT
}

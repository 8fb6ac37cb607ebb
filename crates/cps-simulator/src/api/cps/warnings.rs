//! Warnings: why a change has stopped, and the acknowledgement that lets it continue.

use axum::extract::Path;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{App, Service, answer, changes};
use crate::api::{Problem, media};
use crate::model::{Change, Hesitation, Shown, Stage, Step};

type Ids = Path<(String, String)>;

pub(super) async fn pre_verification(state: App, ids: Ids, headers: HeaderMap) -> Result<Response, Problem> {
    read(&state, &ids, &headers, Stage::PreVerification)
}

pub(super) async fn post_verification(state: App, ids: Ids, headers: HeaderMap) -> Result<Response, Problem> {
    read(&state, &ids, &headers, Stage::PostVerification)
}

pub(super) async fn acknowledge_pre_verification(
    state: App,
    ids: Ids,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    acknowledge(&state, &ids, &headers, &body, Stage::PreVerification)
}

pub(super) async fn acknowledge_post_verification(
    state: App,
    ids: Ids,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    acknowledge(&state, &ids, &headers, &body, Stage::PostVerification)
}

fn read(
    service: &Service,
    ids: &(String, String),
    headers: &HeaderMap,
    stage: Stage,
) -> Result<Response, Problem> {
    let media_type = media::accepted(headers, &["warnings.v1"])?;
    let text = changes::find(service, ids, |_, change| {
        let shown = shown(change, stage).ok_or_else(Problem::not_found)?;
        match shown.hesitation.take_if(|how| *how != Hesitation::Conflict) {
            Some(Hesitation::NotFound) => Err(Problem::not_found()),
            Some(_) => Ok(String::new()),
            None => Ok(shown.text.clone()),
        }
    })?;
    Ok(answer(StatusCode::OK, media_type, &service.on_demand.quirks().finish(json!({"warnings": text}))))
}

fn acknowledge(
    service: &Service,
    ids: &(String, String),
    headers: &HeaderMap,
    body: &[u8],
    stage: Stage,
) -> Result<Response, Problem> {
    let media_type = media::accepted(headers, &["change-id.v1"])?;
    media::carried(headers, &["acknowledgement.v1"])?;
    super::acknowledgement(body)?;
    changes::find(service, ids, |_, change| {
        let hesitates = shown(change, stage).and_then(|shown| shown.hesitation.take()).is_some();
        if hesitates { Err(Problem::wrong_state("The change is not ready for this input.")) } else { Ok(()) }
    })?;
    let step = match stage {
        Stage::PreVerification => Step::ReviewPreVerification,
        Stage::PostVerification => Step::ReviewCert,
    };
    let body = changes::proceed(service, ids, step)?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

fn shown(change: &mut Change, stage: Stage) -> Option<&mut Shown> {
    change.warnings.as_mut().filter(|shown| shown.stage == stage)
}

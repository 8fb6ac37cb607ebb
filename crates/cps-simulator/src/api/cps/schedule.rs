//! The deployment schedule of a change, and the query parameters that set it: when the result may go to production.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{App, answer, changes, view};
use crate::api::{Problem, Query, media};
use crate::model::{Schedule, Step};

pub(super) async fn read(
    State(service): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["deployment-schedule.v1"])?;
    let quirks = service.on_demand.quirks();
    let body = changes::find(&service, &path, |_, change| {
        Ok(quirks.finish(view::schedule(&change.schedule, quirks)))
    })?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

/// Replaces the whole schedule, until the deployment to production has begun.
pub(super) async fn write(
    State(service): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["change-id.v1"])?;
    media::carried(&headers, &["deployment-schedule.v1"])?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| wrong())?;
    let fields = body.as_object().ok_or_else(wrong)?;
    if fields.keys().any(|key| key != "notBefore" && key != "notAfter") {
        return Err(wrong());
    }
    let end = |field: &str| match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong()),
    };
    let schedule = schedule(end("notBefore")?, end("notAfter")?)?;
    let (enrollment, change) = changes::find(&service, &path, |enrollment, change| {
        if change.finished {
            return Err(Problem::not_found());
        }
        if matches!(change.step, Step::DeployProduction | Step::AbandonSlots) {
            return Err(Problem::wrong_state("CPS is already deploying the change."));
        }
        change.schedule = schedule;
        Ok((enrollment, change.id))
    })?;
    service.drivers.wake(change);
    Ok(answer(StatusCode::OK, media_type, &changes::change_id(enrollment, change)))
}

/// Reads `deploy-not-before` and `deploy-not-after`.
pub(super) fn of_query(query: &Query) -> Result<Schedule, Problem> {
    schedule(query.get("deploy-not-before"), query.get("deploy-not-after"))
}

/// Reads times or days (UTC). A first day counts from its beginning, and a last day until its end.
fn schedule(not_before: Option<&str>, not_after: Option<&str>) -> Result<Schedule, Problem> {
    let not_before = not_before.map(|text| time(text, Time::midnight())).transpose()?;
    let not_after = not_after.map(|text| time(text, Time::constant(23, 59, 59, 0))).transpose()?;
    match (not_before, not_after) {
        (Some(from), Some(to)) if to <= from => {
            Err(Problem::invalid("notAfter must be later than notBefore."))
        }
        _ => Ok(Schedule { not_before, not_after }),
    }
}

/// Reads a time (RFC 3339), or a day, which becomes the time `of_day` on it.
fn time(text: &str, of_day: Time) -> Result<Timestamp, Problem> {
    let day = || TimeZone::UTC.to_timestamp(Date::strptime("%Y-%m-%d", text).ok()?.to_datetime(of_day)).ok();
    text.parse().ok().or_else(day).ok_or_else(wrong)
}

fn wrong() -> Problem {
    Problem::invalid("The schedule must be {\"notBefore\": time or null, \"notAfter\": time or null}.")
}

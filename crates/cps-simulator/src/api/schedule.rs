//! When the result of a change may go to production: the deployment schedule of a change, and the query parameters that
//! set the same.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{App, answer, changes};
use crate::media;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::{Schedule, Step};
use crate::view;

pub(super) async fn read(
    State(shared): App,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["deployment-schedule.v1"])?;
    let quirks = shared.quirks();
    let body = changes::find(&shared, &path, |_, change| {
        Ok(quirks.finish(view::schedule(&change.schedule, quirks)))
    })?;
    Ok(answer(StatusCode::OK, media_type, &body))
}

/// Takes the place of the whole schedule, until the deployment to production has begun.
pub(super) async fn write(
    State(shared): App,
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
    let (enrollment, change) = changes::find(&shared, &path, |enrollment, change| {
        if change.finished {
            return Err(Problem::not_found());
        }
        if matches!(change.step, Step::DeployProduction | Step::AbandonSlots) {
            return Err(Problem::wrong_state("The change is being deployed already."));
        }
        change.schedule = schedule;
        Ok((enrollment, change.id))
    })?;
    shared.wake(change);
    Ok(answer(StatusCode::OK, media_type, &changes::change_id(enrollment, change)))
}

/// `deploy-not-before` and `deploy-not-after`.
pub(super) fn of_query(query: &Query) -> Result<Schedule, Problem> {
    schedule(query.get("deploy-not-before"), query.get("deploy-not-after"))
}

/// Times or days (UTC): "not before" a day means from its begin, "not after" it means until its end.
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

/// A time (RFC 3339), or a day, of which it is the time `of_day`.
fn time(text: &str, of_day: Time) -> Result<Timestamp, Problem> {
    let day = || TimeZone::UTC.to_timestamp(Date::strptime("%Y-%m-%d", text).ok()?.to_datetime(of_day)).ok();
    text.parse().ok().or_else(day).ok_or_else(wrong)
}

fn wrong() -> Problem {
    Problem::invalid("The schedule must be {\"notBefore\": time or null, \"notAfter\": time or null}.")
}

//! When the result of a change may go to production: the deployment schedule of a change, and the query parameters that
//! set the same.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::civil::Date;
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
    let body =
        changes::find(&shared, &path, |_, change| Ok(view::schedule(&change.schedule, shared.quirks())))?;
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
        Some(Value::String(text)) => time(text).map(Some),
        Some(_) => Err(wrong()),
    };
    let schedule = bounded(Schedule { not_before: end("notBefore")?, not_after: end("notAfter")? })?;
    let (enrollment, change) = changes::find(&shared, &path, |enrollment, change| {
        if change.finished || change.step == Step::DeployProduction {
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
    let end = |name: &str| query.get(name).map(time).transpose();
    bounded(Schedule { not_before: end("deploy-not-before")?, not_after: end("deploy-not-after")? })
}

fn bounded(schedule: Schedule) -> Result<Schedule, Problem> {
    match (schedule.not_before, schedule.not_after) {
        (Some(from), Some(to)) if to <= from => {
            Err(Problem::invalid("notAfter must be later than notBefore."))
        }
        _ => Ok(schedule),
    }
}

/// A time, or a day, which begins at midnight UTC.
fn time(text: &str) -> Result<Timestamp, Problem> {
    let day = |text: &str| text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    text.parse().ok().or_else(|| day(text)).ok_or_else(wrong)
}

fn wrong() -> Problem {
    Problem::invalid("The schedule must be {\"notBefore\": time or null, \"notAfter\": time or null}.")
}

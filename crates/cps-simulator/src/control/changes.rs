//! The requests with which a test affects enrollments and their changes.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use jiff::Timestamp;

use super::{App, Control};
use crate::lifecycle::renewals;
use crate::model::{Asked, Enrollment, Offer, Step};

type Refusal = (StatusCode, &'static str);

const NO_ENROLLMENT: Refusal = (StatusCode::NOT_FOUND, "no such enrollment\n");

/// Makes a request to the change that shows tokens.
fn ask(control: &Control, enrollment: u64, what: impl FnOnce(&mut Asked)) -> Result<StatusCode, Refusal> {
    let change = {
        let mut state = control.store.lock();
        let changes = state.enrollments.get_mut(&enrollment).map(|e| &mut e.changes);
        let awaiting = changes
            .into_iter()
            .flatten()
            .find(|change| change.offer == Offer::Open && change.step == Step::DomainValidation);
        let change = awaiting.ok_or((StatusCode::CONFLICT, "no change of it awaits published tokens\n"))?;
        what(&mut change.asked);
        change.id
    };
    control.drivers.wake(change);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rotate(State(control): App, Path(id): Path<u64>) -> Result<StatusCode, Refusal> {
    ask(&control, id, |asked| asked.rotate = true)
}

pub(super) async fn expire(State(control): App, Path(id): Path<u64>) -> Result<StatusCode, Refusal> {
    ask(&control, id, |asked| asked.expire = true)
}

pub(super) async fn renew(State(control): App, Path(id): Path<u64>) -> Result<StatusCode, Refusal> {
    renewals::begin(&control.drivers, id).map(|()| StatusCode::NO_CONTENT).map_err(|refusal| match refusal {
        renewals::Refusal::Unknown => NO_ENROLLMENT,
        renewals::Refusal::Pending => (StatusCode::CONFLICT, "a change of it is pending\n"),
        renewals::Refusal::NeverDeployed => (StatusCode::CONFLICT, "nothing of it is in production\n"),
    })
}

fn edit(control: &Control, id: u64, edit: impl FnOnce(&mut Enrollment)) -> Result<StatusCode, Refusal> {
    edit(control.store.lock().enrollments.get_mut(&id).ok_or(NO_ENROLLMENT)?);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn set_live(
    State(control): App,
    Path(id): Path<u64>,
    Json(live): Json<bool>,
) -> Result<StatusCode, Refusal> {
    edit(&control, id, |enrollment| enrollment.live = live)
}

pub(super) async fn set_renewal_start(
    State(control): App,
    Path(id): Path<u64>,
    Json(start): Json<Option<Timestamp>>,
) -> Result<StatusCode, Refusal> {
    edit(&control, id, |enrollment| enrollment.renewal_start = start)
}

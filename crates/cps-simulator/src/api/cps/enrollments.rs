//! Enrollments: list, create, read, replace, remove.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{App, Service, answer, id, schedule, view};
use crate::api::{Problem, Query, media};
use crate::model::{Change, ChangeKind, Difference, Enrollment, Step, accept, compare};

/// Refuses contracts that are not the account's, and those with a prefix.
fn check_contract(service: &Service, contract: &str) -> Result<(), Problem> {
    if service.config.contracts.iter().any(|known| known == contract) {
        Ok(())
    } else {
        Err(Problem::contract(contract))
    }
}

pub(super) async fn list(
    State(service): App,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["enrollments.v11"])?;
    let query = Query::parse(query.as_deref());
    // Without a contract, CPS lists all enrollments that the client may see.
    let contract = query.get("contractId");
    if let Some(contract) = contract {
        check_contract(&service, contract)?;
    }
    let (quirks, lead) = (service.on_demand.quirks(), service.config.renewal_lead);
    let enrollments: Vec<Value> = service
        .store
        .lock()
        .enrollments
        .values()
        .filter(|e| contract.is_none_or(|contract| e.contract == contract))
        .map(|e| view::enrollment(e, lead, quirks))
        .collect();
    Ok(answer(StatusCode::OK, media_type, &json!({"enrollments": enrollments})))
}

pub(super) async fn create(
    State(service): App,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["enrollment-status.v1"])?;
    media::carried(&headers, &["enrollment.v11"])?;
    let query = Query::parse(query.as_deref());
    let contract = query.get("contractId").ok_or_else(|| Problem::invalid("contractId is required."))?;
    check_contract(&service, contract)?;
    let schedule = schedule::of_query(&query)?;
    let body = accept(&body)?;
    if !body["networkConfiguration"]["clientMutualAuthentication"].is_null() {
        return Err(Problem::invalid(
            "Invalid network configuration - Create enrollment request contains client mutual authentication configuration",
        ));
    }

    let (enrollment, change) = {
        let mut state = service.store.lock();
        let common_name = body["csr"]["cn"].as_str().unwrap_or_default();
        let taken = state.enrollments.values().any(|e| e.common_name().eq_ignore_ascii_case(common_name));
        if taken && !query.is_true("allow-duplicate-cn") {
            return Err(Problem::duplicate_common_name(common_name));
        }
        let (id, change_id) = (state.next_id(), state.next_id());
        let mut enrollment = Enrollment::new(id, contract.to_owned(), body);
        let change = Change::new(change_id, ChangeKind::NewCertificate, &enrollment.names());
        enrollment.changes.push(Change { schedule, ..change });
        state.enrollments.insert(id, enrollment);
        (id, change_id)
    };
    service.drivers.start(enrollment, change);
    let body = view::enrollment_status(enrollment, &[change], service.on_demand.quirks());
    Ok(answer(StatusCode::ACCEPTED, media_type, &body))
}

pub(super) async fn read(
    State(service): App,
    Path(enrollment): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["enrollment.v11"])?;
    let state = service.store.lock();
    let enrollment = state.enrollments.get(&id(&enrollment)?).ok_or_else(Problem::not_found)?;
    let body = view::enrollment(enrollment, service.config.renewal_lead, service.on_demand.quirks());
    Ok(answer(StatusCode::OK, media_type, &body))
}

pub(super) async fn replace(
    State(service): App,
    Path(enrollment): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["enrollment-status.v1"])?;
    media::carried(&headers, &["enrollment.v11"])?;
    let query = Query::parse(query.as_deref());
    let schedule = schedule::of_query(&query)?;
    let enrollment_id = id(&enrollment)?;

    let change = {
        let mut state = service.store.lock();
        let enrollment = state.enrollments.get(&enrollment_id).ok_or_else(Problem::not_found)?;
        let body = accept(&body)?;
        let difference = compare(&enrollment.body, &body)?;
        may_be_replaced(&service, enrollment, &difference, &query)?;
        let pending: Vec<u64> = enrollment.pending().map(|change| change.id).collect();
        let kind = change_kind(enrollment, &difference, &query);
        let change_id = kind.map(|_| state.next_id());
        let enrollment = state.enrollments.get_mut(&enrollment_id).ok_or_else(Problem::not_found)?;
        let previous = std::mem::replace(&mut enrollment.body, body);
        if let (Some(kind), Some(change_id)) = (kind, change_id) {
            for change in pending {
                service.drivers.cancel(change);
            }
            enrollment.changes.retain(|change| change.finished);
            let mut change = Change::new(change_id, kind, &enrollment.names());
            change.previous = Some(previous);
            change.schedule = schedule;
            enrollment.changes.push(change);
        }
        change_id
    };
    if let Some(change) = change {
        service.drivers.start(enrollment_id, change);
    }
    let status = if change.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let changes: Vec<u64> = change.into_iter().collect();
    Ok(answer(
        status,
        media_type,
        &view::enrollment_status(enrollment_id, &changes, service.on_demand.quirks()),
    ))
}

/// Refuses an update that CPS refuses in the enrollment's present state. The query can allow some of these updates.
fn may_be_replaced(
    service: &Service,
    enrollment: &Enrollment,
    difference: &Difference,
    query: &Query,
) -> Result<(), Problem> {
    let deploying = |change: &Change| {
        matches!(change.step, Step::DeployStaging | Step::LiveCheck | Step::DeployProduction)
    };
    if service.on_demand.quirks().update_fails_while_deploying && enrollment.pending().any(deploying) {
        return Err(Problem::server_error(StatusCode::INTERNAL_SERVER_ERROR));
    }
    if enrollment.pending().next().is_some() && !query.is_true("allow-cancel-pending-changes") {
        return Err(Problem::wrong_state("Enrollment has pending changes."));
    }
    let orders =
        matches!(difference, Difference::Names | Difference::Certificate) || query.is_true("force-renewal");
    let renewing =
        enrollment.renews_at(service.config.renewal_lead).is_some_and(|start| start <= Timestamp::now());
    if orders && renewing && !query.is_true("renewal-date-check-override") {
        return Err(Problem::wrong_state("Enrollment is inside its renewal window."));
    }
    Ok(())
}

/// The change that a replacement begins, if it needs one.
fn change_kind(enrollment: &Enrollment, difference: &Difference, query: &Query) -> Option<ChangeKind> {
    match difference {
        Difference::Metadata if query.is_true("force-renewal") => Some(ChangeKind::Renewal),
        Difference::Metadata => None,
        _ if enrollment.production.is_none() => Some(ChangeKind::NewCertificate),
        Difference::Network => Some(ChangeKind::Network),
        Difference::Certificate => Some(ChangeKind::ModifyCertificate),
        Difference::Names => Some(ChangeKind::ModifySan),
    }
}

pub(super) async fn remove(
    State(service): App,
    Path(enrollment): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let media_type = media::accepted(&headers, &["enrollment-status.v1"])?;
    let query = Query::parse(query.as_deref());
    let schedule = schedule::of_query(&query)?;
    let enrollment_id = id(&enrollment)?;

    let change = {
        let mut state = service.store.lock();
        let change_id = state.last_id + 1;
        let enrollment = state.enrollments.get_mut(&enrollment_id).ok_or_else(Problem::not_found)?;
        if enrollment.live {
            return Err(Problem::live(&enrollment.names()));
        }
        if let Some(removal) = enrollment.pending().find(|change| change.kind == ChangeKind::Removal) {
            let body = view::enrollment_status(enrollment_id, &[removal.id], service.on_demand.quirks());
            return Ok(answer(StatusCode::ACCEPTED, media_type, &body));
        }
        let pending: Vec<u64> = enrollment.pending().map(|change| change.id).collect();
        if !pending.is_empty() && !query.is_true("allow-cancel-pending-changes") {
            return Err(Problem::wrong_state("Enrollment has pending changes."));
        }
        for change in pending {
            service.drivers.cancel(change);
        }
        enrollment.changes.retain(|change| change.finished);
        if enrollment.ever_deployed() {
            let removal = Change::new(change_id, ChangeKind::Removal, &[]);
            enrollment.changes.push(Change { schedule, ..removal });
            Some(state.next_id())
        } else {
            state.enrollments.remove(&enrollment_id);
            None
        }
    };
    if let Some(change) = change {
        service.drivers.start(enrollment_id, change);
    }
    let status = if change.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let changes: Vec<u64> = change.into_iter().collect();
    Ok(answer(
        status,
        media_type,
        &view::enrollment_status(enrollment_id, &changes, service.on_demand.quirks()),
    ))
}

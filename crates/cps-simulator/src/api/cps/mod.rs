//! The operations of CPS, and the contract list.

mod change_management;
mod changes;
mod deployments;
mod enrollments;
mod schedule;
mod view;
mod warnings;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::api::{Problem, media};
use crate::config::Config;
use crate::lifecycle::Drivers;
use crate::model::{Invalid, Store};
use crate::on_demand::OnDemand;

/// The state and the services that the operations use.
#[derive(Clone)]
pub(crate) struct Service {
    pub config: Arc<Config>,
    pub store: Arc<Store>,
    pub drivers: Arc<Drivers>,
    pub on_demand: Arc<OnDemand>,
}

type App = State<Service>;

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::invalid(invalid.0)
    }
}

pub(super) fn router(service: Service) -> Router {
    let enrollment = "/cps/v2/enrollments/{enrollment}";
    let change = format!("{enrollment}/changes/{{change}}");
    Router::new()
        .route("/cps/v2/enrollments", get(enrollments::list).post(enrollments::create))
        .route(enrollment, get(enrollments::read).put(enrollments::replace).delete(enrollments::remove))
        .route(&change, get(changes::read).delete(changes::cancel))
        .route(&format!("{change}/input/info/lets-encrypt-challenges"), get(changes::challenges))
        .route(
            &format!("{change}/input/update/lets-encrypt-challenges-completed"),
            post(changes::acknowledge),
        )
        .route(&format!("{change}/input/info/pre-verification-warnings"), get(warnings::pre_verification))
        .route(&format!("{change}/input/info/post-verification-warnings"), get(warnings::post_verification))
        .route(
            &format!("{change}/input/update/pre-verification-warnings-ack"),
            post(warnings::acknowledge_pre_verification),
        )
        .route(
            &format!("{change}/input/update/post-verification-warnings-ack"),
            post(warnings::acknowledge_post_verification),
        )
        .route(&format!("{change}/input/info/change-management-info"), get(change_management::read))
        .route(&format!("{change}/input/update/change-management-ack"), post(change_management::acknowledge))
        .route(&format!("{change}/deployment-schedule"), get(schedule::read).put(schedule::write))
        .route(&format!("{enrollment}/deployments"), get(deployments::list))
        .route(&format!("{enrollment}/deployments/{{network}}"), get(deployments::read))
        .route("/contract-api/v1/contracts/identifiers", get(contracts))
        .with_state(service)
}

async fn contracts(State(service): App) -> axum::Json<Vec<String>> {
    axum::Json(service.config.contracts.clone())
}

/// Reads a number from the path. Any other text means "not found".
fn id(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

/// Reads the body of an acknowledgement.
fn acknowledgement(body: &[u8]) -> Result<Value, Problem> {
    let acknowledgement: Value = serde_json::from_slice(body).unwrap_or_default();
    match acknowledgement["acknowledgement"] == "acknowledge" {
        true => Ok(acknowledgement),
        false => Err(Problem::invalid("The body must be {\"acknowledgement\":\"acknowledge\"}.")),
    }
}

/// An answer of a CPS media type.
fn answer(status: StatusCode, media_type: &str, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    if let Ok(value) = HeaderValue::from_str(&media::full(media_type)) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

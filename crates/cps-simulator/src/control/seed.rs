//! Creates many deployed enrollments at once, to measure clients. The simulator's own root signs their certificates.
//! They share one key, because keys are slow to make.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::App;
use crate::authority::OwnRoot;
use crate::model::{self, Deployment, Enrollment, Invalid, Issued, accept};

/// The enrollments that a test asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Seed {
    contract: String,
    count: u64,
    /// Common name. A number that counts from 1 replaces `{n}`.
    name: String,
    /// Names per enrollment, the common name included. The others put `sanN.` before it.
    #[serde(default = "one")]
    names: usize,
    /// Days until the certificates expire.
    #[serde(default = "days")]
    days: i64,
}

fn one() -> usize {
    1
}

fn days() -> i64 {
    80
}

/// The numbers of the first and the last new enrollment.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Seeded {
    first: u64,
    last: u64,
}

#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error("cannot sign: {0}")]
    Sign(#[from] rcgen::Error),
    #[error("CPS would refuse the enrollments: {0}")]
    Refused(#[from] Invalid),
    #[error("cannot read the signed certificate")]
    Unreadable,
}

pub(super) async fn seed(
    State(control): App,
    Json(wanted): Json<Seed>,
) -> Result<Json<Seeded>, (StatusCode, String)> {
    // Signing takes a while, during which other tasks need the state.
    let last_id = control.store.lock().last_id;
    let mut made = model::State { last_id, ..model::State::default() };
    let seeded = enrollments(&wanted, &control.own_root, &mut made)
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let mut state = control.store.lock();
    if state.last_id != last_id {
        return Err((
            StatusCode::CONFLICT,
            "a client created an enrollment or a change in the meantime; try again\n".into(),
        ));
    }
    state.last_id = made.last_id;
    state.enrollments.append(&mut made.enrollments);
    Ok(Json(seeded))
}

/// Makes the enrollments in `state`.
fn enrollments(seed: &Seed, root: &OwnRoot, state: &mut model::State) -> Result<Seeded, SeedError> {
    let key = KeyPair::generate()?;
    let first = state.last_id + 1;
    for number in 1..=seed.count {
        let common_name = seed.name.replace("{n}", &number.to_string());
        let names: Vec<String> = (1..seed.names).map(|san| format!("san{san}.{common_name}")).collect();
        let body = body(&common_name, &names);
        let body = accept(body.to_string().as_bytes())?;
        let chain = root.issue([vec![common_name], names].concat(), &key, seed.days)?;
        let issued = Issued::from_chain(&chain, key.serialize_pem()).ok_or(SeedError::Unreadable)?;
        let id = state.next_id();
        let mut enrollment = Enrollment::new(id, seed.contract.clone(), body);
        enrollment.slot_assigned = true;
        let network = enrollment.body.get("networkConfiguration").cloned().unwrap_or_default();
        let deployment = Deployment { issued, network, names: enrollment.names() };
        (enrollment.staging, enrollment.production) = (Some(deployment.clone()), Some(deployment));
        state.enrollments.insert(id, enrollment);
    }
    Ok(Seeded { first, last: state.last_id })
}

fn body(common_name: &str, names: &[String]) -> Value {
    let contact = |email: &str| json!({"firstName": "Sam", "lastName": "Seed", "email": email, "phone": "617-555-0111"});
    json!({
        "ra": "lets-encrypt", "validationType": "dv", "certificateType": "san",
        "changeManagement": false, "enableMultiStackedCertificates": false,
        "csr": {"cn": common_name, "sans": names, "c": "US", "o": "Example"},
        "networkConfiguration": {
            "geography": "core", "secureNetwork": "standard-tls", "sniOnly": true, "quicEnabled": false,
            "dnsNameSettings": {"cloneDnsNames": true, "dnsNames": null},
        },
        "org": {"name": "Example"},
        "adminContact": contact("sam@example.com"),
        "techContact": contact("sam@akamai.com"),
    })
}

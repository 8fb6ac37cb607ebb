//! Many deployed enrollments at once, to measure clients with. Their certificates are signed by the simulator's own root
//! and share one key, since keys are slow to make. Not here: enrollments that a client creates.

use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::authority::OwnRoot;
use crate::enrollment::accept;
use crate::lifecycle::split_chain;
use crate::state::{Deployment, Enrollment, State};

/// What is to be there.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Seed {
    /// Contract of all of them.
    contract: String,
    /// How many.
    count: u64,
    /// Common name; `{n}` is replaced by a number that counts from 1.
    name: String,
    /// Names of each, the common name included; the others are `sanN.` before it.
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

/// The numbers of the enrollments that were made: the first, and the last.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Seeded {
    first: u64,
    last: u64,
}

/// Why they cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    #[error("cannot sign: {0}")]
    Sign(#[from] rcgen::Error),
    #[error("the enrollments would be refused: {0}")]
    Refused(String),
    #[error("what was signed cannot be read")]
    Unreadable,
}

/// The enrollments, to be added to a state.
pub(crate) fn enrollments(seed: &Seed, root: &OwnRoot, state: &mut State) -> Result<Seeded, SeedError> {
    let key = KeyPair::generate()?;
    let first = state.last_id + 1;
    for number in 1..=seed.count {
        let common_name = seed.name.replace("{n}", &number.to_string());
        let names: Vec<String> = (1..seed.names).map(|san| format!("san{san}.{common_name}")).collect();
        let body = body(&common_name, &names);
        let body = accept(body.to_string().as_bytes())
            .map_err(|problem| SeedError::Refused(format!("{problem:?}")))?;
        let chain = root.issue([vec![common_name], names].concat(), &key, seed.days)?;
        let issued = split_chain(&chain, key.serialize_pem()).ok_or(SeedError::Unreadable)?;
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

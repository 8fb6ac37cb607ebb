//! Akamai's own samples. The client reads all samples of its operations without loss. All of them match their schema,
//! except those listed here.

use akamai_cps::edge_dns::{Zone, ZoneType};
use akamai_cps::types::{
    Change, ChangeId, ChangeManagementInfo, ContractId, Deployment, DeploymentSchedule, Deployments,
    DvChallenges, Enrollment, EnrollmentList, EnrollmentStatus, Warnings,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::document::{Document, violations};

const INFO: &str =
    "GET /enrollments/{enrollmentId}/changes/{changeId}/input/info/{allowedInputTypeParam} 200";

/// The samples that do not match Akamai's own schema: where they are, and the evidence for which of the two is right.
fn exceptions() -> Vec<(String, &'static str, &'static str)> {
    let org_id = "orgId is text in all samples, an integer in the schema and in edgegrid-golang; both are read, an integer is sent";
    let text_booleans = "booleans are text in the samples of versions 4 and 5; both are read";
    let both_networks = "the sample is that of deployments.v7; edgegrid-golang and cli-cps read the schema's form; both are read";
    let one = |place: &str| format!("GET /enrollments/{{enrollmentId}}{place}");
    let info = |media_type: &str| format!("{INFO} application/vnd.akamai.cps.{media_type}+json");
    let vnd = |media_type: &str| format!("application/vnd.akamai.cps.{media_type}+json");
    vec![
        (
            format!("GET /enrollments 200 {}", vnd("enrollments.v11")),
            "orgId, slots",
            "as below; `slots` is productionSlots under an older name, kept as an unknown field",
        ),
        (format!("POST /enrollments request {}", vnd("enrollment.v11")), "orgId", org_id),
        (one(&format!(" 200 {}", vnd("enrollment.v11"))), "orgId", org_id),
        (format!("PUT /enrollments/{{enrollmentId}} request {}", vnd("enrollment.v11")), "orgId", org_id),
        (info("change-management-info.v4"), "ocspStapled, quicEnabled, sniOnly", text_booleans),
        (info("change-management-info.v5"), "ocspStapled, quicEnabled, sniOnly", text_booleans),
        (
            info("deployment.v3"),
            "geography",
            "an old name of `core`; the client does not ask for this version",
        ),
        (info("deployment.v7"), "the whole", both_networks),
        (
            info("dv-challenges.v2"),
            "status",
            "`pending`, as in RFC 8555 and in the tests of terraform-provider-akamai; the schema knows `Pending` only",
        ),
        (one(&format!("/deployments/production 200 {}", vnd("deployment.v7"))), "the whole", both_networks),
        (one(&format!("/deployments/staging 200 {}", vnd("deployment.v7"))), "the whole", both_networks),
        (
            one(&format!("/dv-history 200 {}", vnd("dv-history.v1"))),
            "the top key",
            "`data` for `results`, which edgegrid-golang reads; not an operation of the client yet",
        ),
        (
            one(&format!("/history/certificates 200 {}", vnd("certificate-history.v2"))),
            "geography",
            "the enum holds the names of before version 7; not an operation of the client yet",
        ),
    ]
}

#[test]
fn exactly_the_listed_samples_do_not_fit_their_schema() {
    let samples = Document::cps().samples();
    assert_eq!(samples.len(), 37);
    let unfit: Vec<String> = samples
        .iter()
        .filter(|sample| !violations(&sample.schema, &sample.value).is_empty())
        .map(|sample| sample.place.clone())
        .collect();
    let listed: Vec<String> = exceptions().into_iter().map(|(place, ..)| place).collect();
    assert_eq!((sorted(unfit), listed.len()), (sorted(listed), 13));
    for sample in Document::contracts().samples() {
        assert_eq!(violations(&sample.schema, &sample.value), Vec::<String>::new(), "{}", sample.place);
    }
}

#[test]
fn every_sample_of_an_operation_of_the_client_is_read_without_loss() {
    let mut unread = Vec::new();
    for sample in Document::cps().samples() {
        let name =
            sample.media_type.trim_start_matches("application/vnd.akamai.cps.").trim_end_matches("+json");
        let read = match name {
            "enrollments.v11" => there_and_back::<EnrollmentList>,
            "enrollment.v11" => there_and_back::<Enrollment>,
            "enrollment-status.v1" => there_and_back::<EnrollmentStatus>,
            "change.v2" => there_and_back::<Change>,
            "change-id.v1" => there_and_back::<ChangeLink>,
            "deployment-schedule.v1" => there_and_back::<DeploymentSchedule>,
            "change-management-info.v5" => there_and_back::<ChangeManagementInfo>,
            "dv-challenges.v2" => there_and_back::<DvChallenges>,
            "warnings.v1" => there_and_back::<Warnings>,
            "deployments.v7" => there_and_back::<Deployments>,
            // The samples have the form of deployments.v7. The exceptions above say why.
            "deployment.v7" if sample.value.get("production").is_some() => there_and_back::<Deployments>,
            "deployment.v7" => there_and_back::<Deployment>,
            other => {
                unread.push(other.to_owned());
                continue;
            }
        };
        assert_eq!(read(&sample.value), comparable(&sample.value), "{}", sample.place);
    }
    // No operation of the client sends or accepts these.
    let expected = [
        "acknowledgement-with-hash.v1",
        "acknowledgement.v1",
        "certificate-and-trust-chain.v1",
        "certificate-and-trust-chain.v2",
        "certificate-history.v2",
        "change-history.v5",
        "change-management-info.v1",
        "change-management-info.v2",
        "change-management-info.v4",
        "csr.v1",
        "csr.v2",
        "deployment.v3",
        "deployment.v6",
        "dv-challenges.v1",
        "dv-history.v1",
    ];
    assert_eq!(sorted(unread), expected);
    let contracts = Document::contracts().samples();
    let identifiers =
        contracts.iter().find(|sample| sample.place == "GET /contracts/identifiers 200 application/json");
    let read: Vec<ContractId> = serde_json::from_value(identifiers.unwrap().value.clone()).unwrap();
    assert_eq!(read, [ContractId::new("3-1EFAKE"), ContractId::new("3-XBOGUS")]);
}

#[test]
fn the_samples_of_edge_dns_fit_their_schema_and_its_zones_are_read() {
    let used = ["/zones ", "/zones/{zone}/names/{name}/types/{type} "];
    let samples = Document::edge_dns().samples().into_iter();
    let samples: Vec<_> =
        samples.filter(|sample| used.iter().any(|path| sample.place.contains(&format!(" {path}")))).collect();
    for sample in &samples {
        assert_eq!(violations(&sample.schema, &sample.value), Vec::<String>::new(), "{}", sample.place);
    }
    // Zones: one list, one created with its answer; record sets: one read, two written with their answers.
    assert_eq!(samples.len(), 8);
    let list = samples.iter().find(|sample| sample.place == "GET /zones 200 application/json").unwrap();
    let zones: Vec<Zone> = serde_json::from_value(list.value["zones"].clone()).unwrap();
    let read: Vec<_> = zones.iter().map(|zone| (zone.name.as_str(), &zone.zone_type)).collect();
    let expected = [
        ("example.com", &ZoneType::Primary),
        ("example.com", &ZoneType::Alias),
        ("other.com", &ZoneType::Secondary),
    ];
    assert_eq!(read, expected);
}

/// What the client takes from `change-id.v1`.
#[derive(Serialize, serde::Deserialize)]
struct ChangeLink {
    change: ChangeId,
}

fn there_and_back<T: DeserializeOwned + Serialize>(sample: &Value) -> Value {
    let read: T = serde_json::from_value(sample.clone()).unwrap();
    comparable(&serde_json::to_value(read).unwrap())
}

/// A value without meaningless differences: null and empty lists count as absent, numbers and booleans may be text,
/// and links become identifiers where the client reduces them.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| {
                let is_link = matches!(key.as_str(), "enrollment" | "change" | "changes");
                (key.clone(), if is_link { last_segments(value) } else { comparable(value) })
            });
            let meaningful =
                |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
            Value::Object(fields.filter(|(_, value)| meaningful(value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(comparable).collect()),
        Value::String(text) => serde_json::from_str(text)
            .ok()
            .filter(|value: &Value| value.is_u64() || value.is_boolean())
            .unwrap_or_else(|| value.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn last_segments(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(last_segments).collect()),
        Value::String(text) => comparable(&Value::from(text.rsplit('/').next().unwrap())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.clone(),
    }
}

fn sorted(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items
}

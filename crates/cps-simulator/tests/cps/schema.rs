//! Checks every answer against Akamai's OpenAPI documents. Exceptions are listed with their evidence.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

use cps_simulator::Quirks;
use serde_json::{Map, Value, json};

use crate::change_management::{link, on_staging};
use crate::client::Answer;
use crate::world::{World, enrollment};

const CHANGE_MANAGEMENT: &str = "GET /enrollments/{}/changes/{}/input/info/change-management-info";
const TEXT_BOOLEANS: &str = "a boolean in the schema, text in the document's own samples of v4 and v5";

/// Answers of CPS that do not match the document: the operation, the place in the body (without array positions), and
/// the evidence.
const EXCEPTIONS: [(&str, &str, &str); 11] = [
    (
        "GET /enrollments",
        "/enrollments/id",
        "a string in the document; edgegrid-golang decodes an integer in production",
    ),
    (
        "GET /enrollments/{}",
        "/id",
        "a string in the document; edgegrid-golang decodes an integer in production",
    ),
    (
        "GET /enrollments/{}/deployments",
        "/production",
        "null while nothing is deployed: edgegrid-golang and cli-cps read it so",
    ),
    (
        "GET /enrollments/{}/deployments",
        "/staging",
        "null while nothing is deployed: edgegrid-golang and cli-cps read it so",
    ),
    (
        "GET /enrollments/{}/changes/{}/input/info/lets-encrypt-challenges",
        "/dv/challenges/status",
        "the document's own sample has pending in lower case, and terraform-provider-akamai compares with it",
    ),
    (
        "GET /enrollments/{}/changes/{}/input/info/lets-encrypt-challenges",
        "/dv/validatedTimestamp",
        "null before validation: samples of dv-history show it for entries that were never validated",
    ),
    (CHANGE_MANAGEMENT, "/pendingState/pendingCertificates/ocspStapled", TEXT_BOOLEANS),
    (CHANGE_MANAGEMENT, "/pendingState/pendingNetworkConfiguration/quicEnabled", TEXT_BOOLEANS),
    (CHANGE_MANAGEMENT, "/pendingState/pendingNetworkConfiguration/sniOnly", TEXT_BOOLEANS),
    (
        "GET /enrollments/{}",
        "/orgId",
        "a string in all samples of the document, an integer in its schema (quirk stringIds)",
    ),
    (
        "*",
        "addedLater",
        "CPS adds fields within a version: v11 answers have some that v9 documents lacked (quirk unknownFields)",
    ),
];

/// Media types that CPS knows and the document lacks, the types that the document has instead, and the evidence.
const LATER_VERSIONS: [(&str, &str, &str); 2] = [
    (
        "application/vnd.akamai.cps.deployments.v8+json",
        "application/vnd.akamai.cps.deployments.v7+json",
        "edgegrid-golang asks for v8",
    ),
    (
        "application/vnd.akamai.cps.deployment.v8+json",
        "application/vnd.akamai.cps.deployment.v7+json",
        "edgegrid-golang asks for v8",
    ),
];

/// The exceptions that occurred so far, by position.
static MET: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

static CPS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../akamai-cps/tests/openapi/cps-v2.json")).unwrap()
});

static EDGE_DNS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../akamai-cps/tests/openapi/edge-dns-v2.json")).unwrap()
});

/// Fails the test if an answer of CPS or Edge DNS does not match its document and is not an exception.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let (document, path) = match (path.strip_prefix("/cps/v2"), path.strip_prefix("/config-dns/v2")) {
        (Some(path), _) => (&*CPS, path),
        (_, Some(path)) => (&*EDGE_DNS, path),
        _ => return,
    };
    if !(200..300).contains(&answer.status) {
        return;
    }
    let operation = format!("{method} {}", template(path.split('?').next().unwrap()));
    let violations = violations(document, &operation, answer);
    assert_eq!(violations, Vec::<String>::new(), "{operation} answered {}", answer.text);
}

/// The places where an answer does not match, without the exceptions.
fn violations(document: &Value, operation: &str, answer: &Answer) -> Vec<String> {
    let Some(schema) = schema_of(document, operation, answer) else { return Vec::new() };
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(&answer.json)
        .filter(|error| {
            let place = without_positions(&error.instance_path().to_string());
            let text = error.to_string();
            let exception = EXCEPTIONS.iter().position(|(where_, what, _)| match *where_ {
                "*" => text.contains(what) && text.starts_with("Additional properties"),
                where_ => where_ == operation && *what == place,
            });
            MET.lock().unwrap().extend(exception);
            exception.is_none()
        })
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// `/enrollments/7/changes/8` as `/enrollments/{}/changes/{}`.
fn template(path: &str) -> String {
    let segment =
        |segment: &str| if segment.parse::<u64>().is_ok() { "{}".into() } else { segment.to_owned() };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn without_positions(place: &str) -> String {
    place.split('/').filter(|segment| segment.parse::<u64>().is_err()).collect::<Vec<_>>().join("/")
}

/// The schema of an answer; `None` if the answer must not have a body.
fn schema_of(document: &Value, operation: &str, answer: &Answer) -> Option<Value> {
    let (status, content_type) = (answer.status, answer.header("content-type"));
    let (method, path) = operation.split_once(' ').unwrap();
    let fits = |template: &str| {
        let (template, path) = (template.split('/'), path.split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(expected, found)| expected.starts_with('{') || expected == found)
    };
    let paths = document["paths"].as_object().unwrap();
    let exact = |template: &&String| !template.contains("{allowedInputTypeParam}");
    let found = paths.keys().filter(|template| fits(template)).max_by_key(exact).unwrap();
    let content = &paths[found][method.to_lowercase()]["responses"][status.to_string()]["content"];
    if content["*/*"] == json!({}) {
        assert_eq!(answer.text, "", "{operation} answers without a body");
        return None;
    }
    let later = LATER_VERSIONS.iter().find(|(later, _, _)| *later == content_type);
    let content_type = later.map_or(content_type, |(_, known, _)| known);
    let content = content.get(content_type).unwrap_or_else(|| panic!("{operation}: {status} {content_type}"));
    Some(json_schema(&content["schema"]))
}

/// OpenAPI 3.0 writes `nullable`; JSON Schema lists null among the types.
fn json_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> =
                fields.iter().map(|(key, value)| (key.clone(), json_schema(value))).collect();
            if fields.remove("nullable") == Some(json!(true)) {
                fields["type"] = json!([fields["type"], "null"]);
                if let Some(Value::Array(values)) = fields.get_mut("enum") {
                    values.push(Value::Null);
                }
            }
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.iter().map(json_schema).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

#[tokio::test]
async fn every_exception_is_needed() {
    let world = World::start(|_| {}).await;
    let mut body = enrollment(&["www.example.com"]);
    body["orgId"] = json!(7);
    let ids = world.cps.created(&body).await;
    world.offered(ids).await;
    world.cps.get("/cps/v2/enrollments", "enrollments.v11").await;
    world.cps.deployments(ids.0).await;
    world.cps.enrollment(ids.0).await;
    world.simulator.set_quirks(Quirks { string_ids: true, unknown_fields: true, ..Quirks::default() });
    world.cps.enrollment(ids.0).await;
    world.simulator.set_quirks(Quirks::default());
    let ids = on_staging(&world, "staged.example.com").await;
    let path = format!("{}/info/change-management-info", link(ids));
    world.cps.get(path, "change-management-info.v5").await;
    assert_eq!(*MET.lock().unwrap(), (0..EXCEPTIONS.len()).collect());
}

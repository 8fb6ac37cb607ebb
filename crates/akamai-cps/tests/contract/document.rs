//! Akamai's OpenAPI documents as JSON Schema for tests: the schema and samples of every request and answer. The
//! documents are OpenAPI 3.0. JSON Schema does not have their `nullable`, so it is rewritten.

use serde_json::{Map, Value, json};

/// An OpenAPI document.
pub struct Document(Value);

/// A sample of the document, and where it is.
pub struct Sample {
    /// Method, path, `request` or the status, and the media type.
    pub place: String,
    pub media_type: String,
    pub value: Value,
    pub schema: Value,
}

impl Document {
    pub fn cps() -> Self {
        Self(serde_json::from_str(include_str!("../openapi/cps-v2.json")).unwrap())
    }

    pub fn contracts() -> Self {
        Self(serde_json::from_str(include_str!("../openapi/contracts-v1.json")).unwrap())
    }

    pub fn edge_dns() -> Self {
        Self(serde_json::from_str(include_str!("../openapi/edge-dns-v2.json")).unwrap())
    }

    /// Every sample in the document.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (path, item) in object(&self.0["paths"]) {
            for (method, operation) in object(item) {
                let request = operation.pointer("/requestBody").map(|body| ("request".to_owned(), body));
                let answers = operation["responses"].as_object().into_iter().flatten();
                let answers = answers.map(|(status, answer)| (status.clone(), answer));
                for (which, body) in request.into_iter().chain(answers) {
                    for (media_type, content) in object(&body["content"]) {
                        let one = content.get("example").cloned();
                        let more = content["examples"].as_object().into_iter().flatten();
                        let more = more.map(|(_, example)| example["value"].clone());
                        samples.extend(one.into_iter().chain(more).map(|value| Sample {
                            place: format!("{} {path} {which} {media_type}", method.to_uppercase()),
                            media_type: media_type.clone(),
                            value,
                            schema: json_schema(&content["schema"]),
                        }));
                    }
                }
            }
        }
        samples
    }

    /// The schema of a request body; `None` if the document has no such request.
    pub fn request_schema(&self, method: &str, path: &str, media_type: &str) -> Option<Value> {
        let operation = &self.0["paths"][path][method.to_lowercase()];
        Some(json_schema(operation["requestBody"]["content"].get(media_type)?.get("schema")?))
    }

    /// The media types of all answers of an operation.
    pub fn answer_media_types(&self, method: &str, path: &str) -> Vec<String> {
        let answers = object(&self.0["paths"][path][method.to_lowercase()]["responses"]);
        answers.values().flat_map(|answer| object(&answer["content"]).keys().cloned()).collect()
    }

    /// The names of the query parameters of an operation.
    pub fn query_parameters(&self, method: &str, path: &str) -> Vec<String> {
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
            .collect()
    }

    /// The path template that a real path matches.
    pub fn template_of(&self, path: &str) -> Option<String> {
        let fits = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(expected, found)| expected.starts_with('{') || expected == found)
        };
        // A literal segment takes precedence over a parameter.
        let mut templates: Vec<&String> =
            object(&self.0["paths"]).keys().filter(|template| fits(template)).collect();
        templates.sort_by_key(|template| template.matches('{').count());
        templates.first().map(|template| (*template).clone())
    }
}

/// What is wrong with a value, one line each. Empty if nothing is.
pub fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Rewrites `nullable: true` as a type that also allows null, at every depth.
fn json_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut rewritten: Map<String, Value> =
                fields.iter().map(|(key, value)| (key.clone(), json_schema(value))).collect();
            if fields.get("nullable") == Some(&Value::Bool(true))
                && fields.get("type").is_some_and(Value::is_string)
            {
                rewritten.insert("type".to_owned(), json!([fields["type"], "null"]));
                if let Some(Value::Array(values)) = rewritten.get_mut("enum") {
                    values.push(Value::Null);
                }
            }
            Value::Object(rewritten)
        }
        Value::Array(items) => Value::Array(items.iter().map(json_schema).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&EMPTY)
}

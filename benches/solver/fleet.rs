//! The tokens of the benchmark: one token per host, several hosts per ConfigMap. Everything follows from a number.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const CHALLENGES_PATH: &str = "/.well-known/acme-challenge";

pub struct Fleet {
    pub config_maps: usize,
    tokens_each: usize,
    thumbprint: String,
}

pub struct Token {
    pub host: String,
    pub path: String,
    pub body: String,
}

impl Token {
    /// The path's last segment.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// 43 characters, like tokens and thumbprints.
fn random(seed: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(seed.as_bytes()))
}

impl Fleet {
    pub fn new(config_maps: usize, tokens_each: usize) -> Self {
        Self { config_maps, tokens_each, thumbprint: random("account") }
    }

    pub fn tokens(&self) -> usize {
        self.config_maps * self.tokens_each
    }

    pub fn token(&self, number: usize) -> Token {
        let (certificate, host) = (number / self.tokens_each, number % self.tokens_each);
        let name = random(&format!("token {number}"));
        Token {
            host: format!("www{host}.shop{certificate}.example.com"),
            path: format!("{CHALLENGES_PATH}/{name}"),
            body: format!("{name}.{}", self.thumbprint),
        }
    }

    /// A ConfigMap that the operator wrote, as the API server returns it.
    pub fn config_map(&self, number: usize) -> String {
        let numbers = number * self.tokens_each..(number + 1) * self.tokens_each;
        let tokens: Vec<Value> = numbers
            .map(|number| self.token(number))
            .map(|token| json!({"host": token.host, "path": token.path, "body": token.body}))
            .collect();
        let uid = format!("00000000-0000-4000-8000-{number:012}");
        let labels = json!({
            "app.kubernetes.io/component": "challenges",
            "app.kubernetes.io/managed-by": "akacert",
            "akacert.io/certificate-uid": uid,
        });
        let annotations = json!({
            "akacert.io/certificate-name": format!("shop{number}"),
            "akacert.io/certificate-namespace": format!("shop{}", number % 100),
        });
        let fields = |map: &Value| -> Value {
            map.as_object().into_iter().flatten().map(|(key, _)| (format!("f:{key}"), json!({}))).collect()
        };
        json!({
            "metadata": {
                "name": format!("akacert-{uid}"),
                "namespace": "akacert-system",
                "uid": uid,
                "resourceVersion": "2",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": labels,
                "annotations": annotations,
                "managedFields": [{
                    "manager": "akacert", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                    "time": "2026-01-01T00:00:00Z",
                    "fieldsV1": {
                        "f:data": {"f:challenges.json": {}},
                        "f:metadata": {"f:annotations": fields(&annotations), "f:labels": fields(&labels)},
                    },
                }],
            },
            "data": {"challenges.json": Value::from(tokens).to_string()},
        })
        .to_string()
    }
}

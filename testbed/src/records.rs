//! What the real parts wrote down: the ingress controller's access log and the API server's audit log.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

/// One request that came to the ingress controller.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Access {
    /// The host that was asked for, without port.
    pub request_host: String,
    /// The path.
    pub request_path: String,
    /// The status of the answer.
    pub downstream_status: u16,
    /// Who asked.
    #[serde(rename = "request_User-Agent", default)]
    pub user_agent: String,
}

/// One request that a service account made to the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The service account: `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `patch`, `delete`, …
    pub verb: String,
    /// Resource and subresource, such as `akamaicertificates/status`.
    pub resource: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Status of the answer.
    pub code: u16,
}

/// Reads an access log of Traefik. A line that is being written is left out.
///
/// # Errors
/// The file cannot be read.
pub fn access_log(file: &Path) -> Result<Vec<Access>> {
    Ok(fs::read_to_string(file)?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Reads an audit log.
///
/// # Errors
/// The file cannot be read.
pub fn audit_log(file: &Path) -> Result<Vec<Request>> {
    Ok(fs::read_to_string(file)?.lines().filter_map(request).collect())
}

fn request(line: &str) -> Option<Request> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |pointer: &str| {
        event.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    let resource = match (text("/objectRef/resource"), text("/objectRef/subresource")) {
        (resource, subresource) if subresource.is_empty() => resource,
        (resource, subresource) => format!("{resource}/{subresource}"),
    };
    Some(Request {
        user: text("/user/username"),
        verb: text("/verb"),
        resource,
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        code: u16::try_from(event.pointer("/responseStatus/code")?.as_u64()?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_line_becomes_a_request() {
        let line = r#"{"kind":"Event","verb":"patch","user":{"username":"system:serviceaccount:a:b"},
            "objectRef":{"resource":"akamaicertificates","subresource":"status","namespace":"shop","name":"www"},
            "responseStatus":{"code":200}}"#;
        assert_eq!(
            request(line),
            Some(Request {
                user: "system:serviceaccount:a:b".into(),
                verb: "patch".into(),
                resource: "akamaicertificates/status".into(),
                namespace: "shop".into(),
                name: "www".into(),
                code: 200
            })
        );
    }

    #[test]
    fn a_line_that_is_cut_off_is_left_out() {
        assert_eq!(request(r#"{"kind":"Event","verb":"pa"#), None);
    }
}

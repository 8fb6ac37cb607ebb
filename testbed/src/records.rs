//! Reads the logs of servers: the ingress controller's access log, the API server's audit log and BIND's query log.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

/// One request that reached the ingress controller.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Access {
    /// The requested host, without port.
    pub request_host: String,
    /// The path.
    pub request_path: String,
    /// The status of the answer.
    pub downstream_status: u16,
    /// The `User-Agent` header.
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

/// One query that reached the name server.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The name, in lower case, without the trailing dot.
    pub name: String,
    /// `A`, `TXT`, …
    pub record_type: String,
    /// The address of the client.
    pub client: String,
    /// The address of the server that the client queried.
    pub server: String,
}

/// Reads an access log of Traefik. Skips a line that Traefik is still writing.
///
/// # Errors
/// The file cannot be read.
pub fn access_log(file: &Path) -> Result<Vec<Access>> {
    Ok(fs::read_to_string(file)?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Reads an audit log from a byte on.
///
/// # Errors
/// The file cannot be read.
pub fn audit_log(file: &Path, from: u64) -> Result<Vec<Request>> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(from))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.lines().filter_map(request).collect())
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

/// Reads a query log of BIND.
///
/// # Errors
/// The file cannot be read.
pub fn query_log(file: &Path) -> Result<Vec<Query>> {
    Ok(fs::read_to_string(file)?.lines().filter_map(query).collect())
}

/// Reads a line such as `client @0x7f2c 10.77.0.1#41234 (www.dyn.test): query: www.dyn.test IN TXT +E(0)K
/// (10.77.0.4)`. A line that BIND is still writing lacks its end.
fn query(line: &str) -> Option<Query> {
    let (client, question) = line.trim_end().strip_suffix(')')?.split_once(": query: ")?;
    let (question, server) = question.rsplit_once(" (")?;
    let client = client.split_whitespace().find_map(|word| word.split_once('#'))?.0;
    let mut words = question.split_whitespace();
    let (name, _class, record_type) = (words.next()?, words.next()?, words.next()?);
    Some(Query {
        name: name.to_ascii_lowercase().trim_end_matches('.').to_owned(),
        record_type: record_type.to_owned(),
        client: client.to_owned(),
        server: server.to_owned(),
    })
}

/// The values of the TXT records that `dig +short` printed, sorted. Skips other records, such as the aliases that
/// lead to them.
#[must_use]
pub fn txt_values(short: &str) -> Vec<String> {
    let mut values: Vec<_> = short.lines().filter(|line| line.starts_with('"')).map(unquoted).collect();
    values.sort();
    values
}

/// The text of one record. It consists of one or more strings, in which `\"` and `\\` stand for `"` and `\`.
fn unquoted(line: &str) -> String {
    let (mut value, mut inside, mut characters) = (String::new(), false, line.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => inside = !inside,
            '\\' => value.extend(characters.next()),
            _ if inside => value.push(character),
            _ => {}
        }
    }
    value
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

    #[test]
    fn a_line_of_the_query_log_becomes_a_query() {
        let line = "client @0x7f2cbc0091b8 10.77.0.1#41234 (_acme-challenge.WWW.dyn.test): \
            query: _acme-challenge.WWW.dyn.test IN TXT +E(0)TDC (10.77.0.4)";
        assert_eq!(
            query(line),
            Some(Query {
                name: "_acme-challenge.www.dyn.test".into(),
                record_type: "TXT".into(),
                client: "10.77.0.1".into(),
                server: "10.77.0.4".into()
            })
        );
        assert_eq!(query(&line[..100]), None);
    }

    #[test]
    fn the_values_of_txt_records_are_sorted_and_without_quotes() {
        let short = "www.example.org.\n\"second\"\n\"a \\\"quoted\\\" word, \" \"and more\"\n";
        assert_eq!(txt_values(short), ["a \"quoted\" word, and more", "second"]);
    }
}

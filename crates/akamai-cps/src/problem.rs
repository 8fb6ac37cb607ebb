//! Turns Akamai's error answers of any form (problem+json, JSON with the error packed into the title, HTML, text,
//! nothing) into one clear, bounded and stable text. `error` decides what follows from an error.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::types::Extra;

/// The longest text to take from an answer, in characters.
const LONGEST: usize = 400;

/// A problem document (RFC 9457) with Akamai's additional fields. All fields are optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The type: a URL whose host varies, so compare [`Problem::slug`].
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub problem_type: Option<String>,
    /// The summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened in this case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Further errors, in any form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Value>,
    /// Further warnings, in any form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Value>,
    /// The rest of the document.
    #[serde(flatten)]
    pub extra: Extra,
    /// The text of an answer that is not a problem document.
    #[serde(skip)]
    text: Option<String>,
}

impl Problem {
    /// Reads an error answer. It never fails: anything but a problem document is kept as text.
    pub fn parse(body: &[u8]) -> Self {
        if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
            return Self::from_object(object);
        }
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        let is_html = text.starts_with('<') || text.to_ascii_lowercase().contains("<html");
        let text = if is_html { html_summary(text) } else { (!text.is_empty()).then(|| text.to_owned()) };
        Self { text, ..Self::default() }
    }

    fn from_object(mut object: Map<String, Value>) -> Self {
        let mut take_text = |key: &str| match object.remove(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
            Some(Value::Null | Value::String(_)) | None => None,
            Some(other) => Some(other.to_string()),
        };
        let mut problem = Self {
            problem_type: take_text("type"),
            title: take_text("title"),
            detail: take_text("detail"),
            ..Self::default()
        };
        problem.errors = object.remove("errors").filter(|value| !value.is_null());
        problem.warnings = object.remove("warnings").filter(|value| !value.is_null());
        problem.extra = object;
        if let Some((title, detail)) = problem.title.as_deref().and_then(unpack_title) {
            problem.title = Some(title);
            problem.detail = problem.detail.or(detail);
        }
        problem
    }

    /// The last segment of the type, such as `not-found`. It does not vary with the host.
    pub fn slug(&self) -> Option<&str> {
        let slug = akamai_cps_types::last_segment(self.problem_type.as_deref()?);
        (!slug.is_empty()).then_some(slug)
    }

    /// Whether something in between, such as a proxy, sent a page or a text in place of a problem document.
    pub(crate) fn is_foreign(&self) -> bool {
        self.text.is_some()
    }

    /// The problem in one bounded line, without what differs between requests, so that it can be compared. `None` if
    /// the answer said nothing.
    pub fn summary(&self) -> Option<String> {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.title.clone());
        parts.extend(self.detail.clone().filter(|detail| self.title.as_ref() != Some(detail)));
        parts.extend(nested(self.errors.as_ref()));
        parts.extend(self.text.clone());
        if parts.is_empty() {
            parts.extend(self.slug().map(str::to_owned));
        }
        let parts: Vec<String> =
            parts.iter().map(|part| tidy(part)).filter(|part| !part.is_empty()).collect();
        (!parts.is_empty()).then(|| bounded(&parts.join(": ")))
    }
}

/// The errors inside a problem: the detail or title of each, or the text itself.
fn nested(errors: Option<&Value>) -> Option<String> {
    let texts: Vec<&str> = errors?
        .as_array()?
        .iter()
        .filter_map(|error| {
            let inside = || ["detail", "message", "title"].iter().find_map(|field| error.get(field));
            error.as_str().or_else(|| inside()?.as_str())
        })
        .take(5)
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// CPS packs some errors into the title: `ApiError(type=…, title=…, detail=…, source=…)`.
fn unpack_title(title: &str) -> Option<(String, Option<String>)> {
    let inner = title.strip_prefix("ApiError(")?.strip_suffix(')')?;
    let field = |name: &str| {
        let start = inner.find(name)? + name.len();
        let rest = &inner[start..];
        let end =
            [", type=", ", title=", ", detail=", ", source="].iter().filter_map(|next| rest.find(next)).min();
        let text = rest[..end.unwrap_or(rest.len())].trim();
        (!text.is_empty() && text != "null").then(|| text.to_owned())
    };
    Some((field("title=")?, field("detail=")))
}

/// The title or heading of an HTML page. The rest of the page says nothing else.
fn html_summary(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    ["title", "h1"]
        .iter()
        .find_map(|tag| {
            let open = lower.find(&format!("<{tag}"))?;
            let start = open + lower[open..].find('>')? + 1;
            let end = start + lower[start..].find(&format!("</{tag}"))?;
            let text = page.get(start..end)?.trim();
            (!text.is_empty()).then(|| format!("an HTML page titled \"{text}\""))
        })
        .or_else(|| Some("an HTML page".to_owned()))
}

/// One line without control characters, and without words that identify a single request.
fn tidy(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.map(|word| if is_request_id(word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

/// Matches long runs of hexadecimal digits (including UUIDs), and Akamai's references such as
/// `#18.5c0a1602.1700000000.1a2b3c`.
fn is_request_id(word: &str) -> bool {
    let mut run = 0;
    let long_run = word.chars().any(|c| {
        run = if c.is_ascii_hexdigit() {
            run + 1
        } else if c == '-' && run > 0 {
            run
        } else {
            0
        };
        run >= 24
    });
    let trimmed = word.trim_start_matches("Reference").trim_start_matches('#');
    let reference = trimmed.len() < word.len() && trimmed.starts_with(|c: char| c.is_ascii_digit());
    long_run || reference || word.starts_with("&#35;")
}

fn bounded(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_error_answer_becomes_one_line() {
        let cases: &[(&str, Option<&str>)] = &[
            (r#"{"type":"https://h/cps/v2/error-types/not-found","title":"Not Found"}"#, Some("Not Found")),
            (r#"{"title":"Bad","detail":"The\n name is\ttaken"}"#, Some("Bad: The name is taken")),
            (r#"{"title":"Bad","detail":""}"#, Some("Bad")),
            (
                r#"{"type":"","title":"ApiError(type=Forbidden, title=Invalid Contract, detail=The current contract does not belong to ACG list., source=Contract ID: 1)","detail":""}"#,
                Some("Invalid Contract: The current contract does not belong to ACG list."),
            ),
            (
                r#"{"title":"Erroneous data input.","errors":[{"title":"from","detail":"too early"},{"title":"to"}]}"#,
                Some("Erroneous data input.: too early; to"),
            ),
            (r#"{"type":"https://h/error-types/odd"}"#, Some("odd")),
            (
                "<HTML><HEAD>\n<TITLE>Access Denied</TITLE></HEAD></HTML>",
                Some(r#"an HTML page titled "Access Denied""#),
            ),
            ("<p>nothing", Some("an HTML page")),
            ("plain  text", Some("plain text")),
            ("", None),
            ("{}", None),
        ];
        for (body, expected) in cases {
            assert_eq!(Problem::parse(body.as_bytes()).summary().as_deref(), *expected, "{body}");
        }
    }

    #[test]
    fn a_summary_is_the_same_for_two_requests_that_fail_alike() {
        let body = |id: &str| {
            format!(r#"{{"title":"Internal error","detail":"see {id}","instance":"https://h/x?id={id}"}}"#)
        };
        let summary = |id: &str| Problem::parse(body(id).as_bytes()).summary();
        assert_eq!(summary("0123456789abcdef0123456789abcdef"), summary("ffffffffffffffffffffffffffffffff"));
        assert_eq!(summary("aa0e8400-e29b-41d4-a716-446655440000"), Some("Internal error: see …".to_owned()));
        let text = Problem::parse(b"Denied. Reference #18.5c0a1602.1700000000.1a2b3c").summary();
        assert_eq!(text.as_deref(), Some("Denied. Reference …"));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_is_too_odd_to_be_summarised(
            pieces in proptest::collection::vec(proptest::prop_oneof![
                proptest::strategy::Just("<html><title>".to_owned()),
                proptest::strategy::Just("</TITLE>".to_owned()),
                proptest::strategy::Just("{\"title\":\"ApiError(type=, title=".to_owned()),
                proptest::strategy::Just(", detail=)\"}".to_owned()),
                ".{0,20}",
            ], 0..6),
        ) {
            let summary = Problem::parse(pieces.concat().as_bytes()).summary().unwrap_or_default();
            proptest::prop_assert!(summary.chars().count() <= LONGEST + 1);
            proptest::prop_assert!(!summary.contains(char::is_control));
        }
    }

    #[test]
    fn a_summary_is_bounded() {
        let summary = Problem::parse("long ".repeat(10_000).as_bytes()).summary().unwrap();
        assert_eq!(summary.chars().count(), LONGEST + 1);
    }

    #[test]
    fn the_slug_does_not_depend_on_the_host() {
        let problem =
            Problem::parse(br#"{"type":"https://akaa-x.luna.akamaiapis.net/cps/v2/error-types/not-found"}"#);
        assert_eq!(problem.slug(), Some("not-found"));
        assert_eq!(Problem::parse(b"{\"type\":\"\"}").slug(), None);
    }
}

//! The forms in which Akamai says "not now": 429 with `Retry-After` or `X-RateLimit-Next`, 503 with a time in its
//! text, and 400 from the firewall (`IPBLOCK-BURST`). This module only reads answers. The client and the budget do
//! the waiting.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;

use crate::transport::Answer;

/// The limits within which to keep a wait, whatever the answer says.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Akamai did not serve the request now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotNow {
    /// How long to wait, if the answer says so.
    pub(super) wait: Option<Duration>,
    /// Whether a limit rejected the request, so that it certainly was not carried out.
    pub(super) refused: bool,
}

/// What an answer says about trying again later; `None` if it says nothing about that.
pub(super) fn not_now(answer: &Answer, now: Timestamp) -> Option<NotNow> {
    let text = || String::from_utf8_lossy(&answer.body);
    let (wait, refused) = match answer.status {
        StatusCode::TOO_MANY_REQUESTS => {
            (retry_after(answer, now).or_else(|| rate_limit_next(answer, now)), true)
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            let text = text();
            let refused = text.contains("reached the limit");
            // Add a second, because our clock is not Akamai's.
            let said = || time_in(&text).filter(|_| refused).map(|time| until(time, now) + SHORTEST);
            let wait = retry_after(answer, now).or_else(said);
            if wait.is_none() && !refused {
                return None;
            }
            (wait, refused)
        }
        StatusCode::BAD_REQUEST if text().contains("IPBLOCK-BURST") => (None, true),
        _ => return None,
    };
    Some(NotNow { wait: wait.map(|wait| wait.clamp(SHORTEST, LONGEST)), refused })
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
fn retry_after(answer: &Answer, now: Timestamp) -> Option<Duration> {
    let text = header(answer, "retry-after")?;
    let seconds = text.parse().map(Duration::from_secs);
    seconds.ok().or_else(|| http_date(text).map(|time| until(time, server_now(answer, now))))
}

/// `X-RateLimit-Next`: when the next request is allowed, by Akamai's clock. It adds a second, as other clients do.
fn rate_limit_next(answer: &Answer, now: Timestamp) -> Option<Duration> {
    let text = header(answer, "x-ratelimit-next").or_else(|| header(answer, "akamai-ratelimit-next"))?;
    let next: Timestamp = text.parse().ok()?;
    Some(until(next, server_now(answer, now)) + SHORTEST)
}

/// The time by Akamai's clock, which its answers refer to; otherwise ours.
fn server_now(answer: &Answer, now: Timestamp) -> Timestamp {
    header(answer, "date").and_then(http_date).unwrap_or(now)
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.to_str().ok().map(str::trim)
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}

/// The first RFC 3339 time in a text.
fn time_in(text: &str) -> Option<Timestamp> {
    text.split_whitespace().find_map(|word| word.trim_matches(['.', ',', '"']).parse().ok())
}

fn until(time: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: headers.collect(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn every_form_of_not_now_is_understood() {
        let now = "2024-01-16T15:20:00Z".parse().unwrap();
        let date = ("date", "Tue, 16 Jan 2024 15:19:00 GMT");
        let limit_text = "Your request did not succeed as this operation has reached the limit for your account. \
                          Please try after 2024-01-16T15:20:55.945Z";
        let refused =
            |seconds: f64| Some(NotNow { wait: Some(Duration::from_secs_f64(seconds)), refused: true });
        let unsaid = || Some(NotNow { wait: None, refused: true });
        let cases = [
            (answer(429, &[("retry-after", "30")], ""), refused(30.0)),
            (answer(429, &[date, ("retry-after", "Tue, 16 Jan 2024 15:19:20 GMT")], ""), refused(20.0)),
            (answer(429, &[date, ("x-ratelimit-next", "2024-01-16T15:19:10Z")], ""), refused(11.0)),
            (answer(429, &[("akamai-ratelimit-next", "2024-01-16T15:20:05Z")], ""), refused(6.0)),
            (answer(429, &[("retry-after", "0")], ""), refused(1.0)),
            (answer(429, &[("retry-after", "9999999")], ""), refused(3600.0)),
            (answer(429, &[("retry-after", "soon")], "{}"), unsaid()),
            (answer(503, &[], limit_text), refused(56.945)),
            (answer(503, &[], "has reached the limit"), unsaid()),
            (
                answer(503, &[("retry-after", "5")], "<html>"),
                Some(NotNow { wait: Some(Duration::from_secs(5)), refused: false }),
            ),
            (answer(503, &[], "maintenance until 2024-01-16T15:20:55Z"), None),
            (answer(400, &[], "<html>deny rule IPBLOCK-BURST4-54013</html>"), unsaid()),
            (answer(400, &[], "bad name"), None),
            (answer(200, &[("retry-after", "5")], ""), None),
            (answer(500, &[], ""), None),
        ];
        for (answer, expected) in cases {
            assert_eq!(not_now(&answer, now), expected, "{answer:?}");
        }
    }
}

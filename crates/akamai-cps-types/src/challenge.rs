//! Domain validation challenges: what to publish, and where, to prove to the authority that a name is ours.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::tolerant::{loose_text, loose_time, null_as_default, text_enum};

text_enum! {
    /// The ACME challenge type.
    ChallengeType {
        /// A token served over HTTP (RFC 8555 section 8.3).
        Http01 = "http-01",
        /// A TXT record (RFC 8555 section 8.4).
        Dns01 = "dns-01",
    }
}

/// The challenges of a change (`dv-challenges.v2`), one entry per name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DvChallenges {
    /// One entry per name, the common name included. Names that are already validated may be missing.
    #[serde(default, deserialize_with = "null_as_default")]
    pub dv: Vec<DomainValidation>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How far the validation of one name is (`dv[]`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainValidation {
    /// The name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub domain: String,
    /// The state in words, such as `Awaiting user`; only for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `DATA_NOT_READY`, `IN_PROGRESS`, `RESPONSE_ERROR`, `VALIDATED` or `EXPIRED`. `RESPONSE_ERROR` is normal until
    /// the challenge is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_status: Option<String>,
    /// What the last check found, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When CPS requested the challenges.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub request_timestamp: Option<jiff::Timestamp>,
    /// When CPS last checked.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub validated_timestamp: Option<jiff::Timestamp>,
    /// When the challenges expire. CPS makes new ones soon after.
    #[serde(default, deserialize_with = "loose_time", skip_serializing_if = "Option::is_none")]
    pub expires: Option<jiff::Timestamp>,
    /// The challenges; any one of them is enough. A type can appear twice.
    #[serde(default, deserialize_with = "null_as_default")]
    pub challenges: Vec<Challenge>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl DomainValidation {
    /// Whether the authority has accepted the name. This says nothing about a certificate.
    pub fn is_validated(&self) -> bool {
        self.validation_status.as_deref() == Some("VALIDATED")
    }

    /// Whether the challenges have expired. New ones come by themselves.
    pub fn is_expired(&self) -> bool {
        self.validation_status.as_deref() == Some("EXPIRED")
    }

    /// The challenges of a type that have to be published: open ones with a location and a body, for a name that is
    /// not validated yet.
    pub fn to_publish(&self, challenge_type: ChallengeType) -> impl Iterator<Item = &Challenge> {
        let over = self.is_validated() || self.is_expired();
        self.challenges.iter().filter(move |challenge| {
            !over && challenge.challenge_type == challenge_type && challenge.is_publishable()
        })
    }
}

/// One challenge of a name (`challenges[]`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// The ACME challenge type.
    #[serde(rename = "type")]
    pub challenge_type: ChallengeType,
    /// Usually `pending` while it has to be published; otherwise only for display.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What went wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The authority's token. This is not the content of a TXT record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// http-01: the URL to serve the body at. dns-01: the name of the TXT record, with a trailing dot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_path: Option<String>,
    /// http-01: where Akamai itself serves the body, as the target of a redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_full_path: Option<String>,
    /// http-01: the body to serve, without a line ending. dns-01: the content of the TXT record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// What the authority requested.
    #[serde(default, deserialize_with = "null_as_default")]
    pub validation_records: Vec<ValidationRecord>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Challenge {
    /// Whether it is open and has everything that publishing needs. An unknown status counts as open.
    pub fn is_publishable(&self) -> bool {
        let filled = |field: &Option<String>| field.as_deref().is_some_and(|text| !text.is_empty());
        let closed = ["valid", "invalid", "error", "preparing"];
        let status = self.status.as_deref().unwrap_or_default().to_ascii_lowercase();
        !closed.contains(&status.as_str()) && filled(&self.full_path) && filled(&self.response_body)
    }

    /// http-01: the host and path at which to serve the body. `None` for other types, and for anything but a plain
    /// HTTP URL on the default port.
    pub fn http_location(&self) -> Option<(&str, &str)> {
        if self.challenge_type != ChallengeType::Http01 {
            return None;
        }
        let rest = self.full_path.as_deref()?.strip_prefix("http://")?;
        let (host, path) = rest.split_at(rest.find('/')?);
        let host = host.strip_suffix(":80").unwrap_or(host);
        (!host.is_empty() && !host.contains([':', '@', '?', '#'])).then_some((host, path))
    }
}

/// What the authority requested (`validationRecords[]`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationRecord {
    /// The name that it requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The port, as text.
    #[serde(default, deserialize_with = "loose_text", skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The addresses that the name resolved to.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resolved_ip: Vec<String>,
    /// The address that it tried first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_ip: Option<String>,
    /// The address that it used in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_ip: Option<String>,
    /// The URL that it fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The name servers that it queried.
    #[serde(default, deserialize_with = "null_as_default")]
    pub authorities: Vec<String>,
    /// Fields this client does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn challenge(status: &str, full_path: &str, body: Option<&str>) -> serde_json::Value {
        json!({"type": "http-01", "status": status, "fullPath": full_path, "responseBody": body, "validationRecords": null})
    }

    fn domain(validation_status: Option<&str>, challenges: serde_json::Value) -> DomainValidation {
        let json = json!({"domain": "a.example.com", "validationStatus": validation_status, "challenges": challenges,
                          "expires": "2027-01-08T00:00:00z", "requestTimestamp": null, "validatedTimestamp": "odd"});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn open_challenges_with_a_place_and_a_body_are_published() {
        let url = "http://a.example.com/.well-known/acme-challenge/t";
        let cases = [
            (None, challenge("pending", url, Some("b")), 1),
            (Some("RESPONSE_ERROR"), challenge("Pending", url, Some("b")), 1),
            (Some("IN_PROGRESS"), challenge("Awaiting user", url, Some("b")), 1),
            (Some("DATA_NOT_READY"), challenge("pending", url, None), 0),
            (None, challenge("pending", "", Some("b")), 0),
            (None, challenge("valid", url, Some("b")), 0),
            (None, challenge("Error", url, Some("b")), 0),
            (Some("VALIDATED"), challenge("pending", url, Some("b")), 0),
            (Some("EXPIRED"), challenge("pending", url, Some("b")), 0),
        ];
        for (validation_status, challenge, expected) in cases {
            let domain = domain(validation_status, json!([challenge]));
            assert_eq!(domain.to_publish(ChallengeType::Http01).count(), expected, "{domain:?}");
            assert_eq!(domain.to_publish(ChallengeType::Dns01).count(), 0);
        }
    }

    #[test]
    fn times_are_read_in_either_case_and_an_odd_one_costs_nothing_else() {
        let domain = domain(None, json!(null));
        assert_eq!(domain.expires.unwrap().to_string(), "2027-01-08T00:00:00Z");
        assert_eq!((domain.validated_timestamp, domain.challenges.len()), (None, 0));
    }

    #[test]
    fn the_place_of_an_http_challenge_is_host_and_path() {
        let place = |url: &str| {
            let challenge: Challenge = serde_json::from_value(challenge("pending", url, None)).unwrap();
            challenge.http_location().map(|(host, path)| format!("{host} {path}"))
        };
        let expected = Some("a.example.com /.well-known/acme-challenge/t".to_owned());
        assert_eq!(place("http://a.example.com/.well-known/acme-challenge/t"), expected);
        assert_eq!(place("http://a.example.com:80/.well-known/acme-challenge/t"), expected);
        for other in [
            "_acme-challenge.a.example.com.",
            "https://a/t",
            "http://a:81/t",
            "http://u@a/t",
            "http:///t",
            "http://a",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
    }
}

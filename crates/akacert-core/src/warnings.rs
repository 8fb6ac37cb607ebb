//! PURE: splits CPS's warnings, which come as one text, and gives them the IDs that `spec.warnings.acknowledge` uses.
//! CPS itself sends no IDs. These are the IDs of Akamai's Terraform provider for the same texts.

use akamai_cps_types::Warnings;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use akacert_api::policy::WarningsPolicy;
use akacert_api::status::WarningStatus;

/// The known texts: the ID, how the text begins, and how its first line ends.
const KNOWN: [(&str, &str, &str); 4] = [
    ("SANS_REMOVED_REQUIRE_ACKNOWLEDGEMENT", "The SANs [", ""),
    ("OVERLAPPING_TRAFFIC_CLASS", "The following domain(s) overlap domains on another certificate: ", "."),
    ("SNI_DNS_OVERLAP", "Name [", "] is overlapping DNS name of one or more enrollments."),
    ("DNS_NAME_NOT_CNAMED", "DNS name ", " not CNAMEd for auto validation."),
];

/// The warnings in a text, in order. A line that no known text explains becomes a warning without an ID.
#[must_use]
pub fn told_apart(warnings: &Warnings) -> Vec<WarningStatus> {
    let mut found: Vec<WarningStatus> = Vec::new();
    for line in warnings.lines() {
        let id = id(line);
        match found.last_mut() {
            Some(last) if last.id.is_none() && id.is_none() => {
                last.message.push('\n');
                last.message.push_str(line);
            }
            _ => found.push(WarningStatus { id: id.map(str::to_owned), message: line.to_owned() }),
        }
    }
    found
}

fn id(line: &str) -> Option<&'static str> {
    let matches = |begin: &str, end: &str| line.strip_prefix(begin).is_some_and(|rest| rest.ends_with(end));
    KNOWN.iter().find(|(_, begin, end)| matches(begin, end)).map(|(id, _, _)| *id)
}

/// Whether a policy allows all of the warnings.
#[must_use]
pub fn allowed(policy: Option<&WarningsPolicy>, warnings: &[WarningStatus]) -> bool {
    let listed =
        |id: &str| policy.is_some_and(|policy| policy.acknowledge.iter().any(|allowed| allowed == id));
    listed("All") || warnings.iter().all(|warning| warning.id.as_deref().is_some_and(listed))
}

/// Hashes exactly these warnings of this change, so that an approval matches nothing else.
#[must_use]
pub fn hash(change: i64, warnings: &[WarningStatus]) -> String {
    let mut digest = Sha256::new();
    digest.update(change.to_string());
    for warning in warnings {
        digest.update([0]);
        digest.update(&warning.message);
    }
    let mut hash = HEXLOWER.encode(&digest.finalize());
    hash.truncate(12);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(warnings: &str) -> Warnings {
        Warnings { warnings: warnings.into(), ..Warnings::default() }
    }

    fn ids(warnings: &str) -> Vec<Option<String>> {
        told_apart(&text(warnings)).into_iter().map(|warning| warning.id).collect()
    }

    #[test]
    fn each_known_text_has_its_id() {
        let cases = [
            (
                "The SANs [api.example.com] are scheduled to be removed with this operation. Go on?",
                "SANS_REMOVED_REQUIRE_ACKNOWLEDGEMENT",
            ),
            (
                "The following domain(s) overlap domains on another certificate: a.example.com.",
                "OVERLAPPING_TRAFFIC_CLASS",
            ),
            ("Name [a.example.com] is overlapping DNS name of one or more enrollments.", "SNI_DNS_OVERLAP"),
            ("DNS name a.example.com not CNAMEd for auto validation.", "DNS_NAME_NOT_CNAMED"),
        ];
        for (line, id) in cases {
            assert_eq!(ids(line), [Some(id.to_owned())], "{line}");
        }
    }

    #[test]
    fn a_header_is_no_warning_and_each_line_of_a_known_text_is_one() {
        let both = "[WARNINGS]\nDNS name a.example.com not CNAMEd for auto validation.\nName [b.example.com] is overlapping DNS name of one or more enrollments.\n";
        assert_eq!(ids(both), [Some("DNS_NAME_NOT_CNAMED".into()), Some("SNI_DNS_OVERLAP".into())]);
    }

    #[test]
    fn lines_that_nothing_explains_are_one_warning_without_an_id() {
        let found = told_apart(&text(
            "Something new\nabout the chain\nDNS name a.example.com not CNAMEd for auto validation.",
        ));
        assert_eq!(found[0].id, None);
        assert_eq!(found[0].message, "Something new\nabout the chain");
        assert_eq!(found[1].id.as_deref(), Some("DNS_NAME_NOT_CNAMED"));
    }

    #[test]
    fn a_policy_allows_what_it_lists_and_all_allows_what_is_unknown_too() {
        let policy =
            |ids: &[&str]| WarningsPolicy { acknowledge: ids.iter().map(|id| (*id).to_owned()).collect() };
        let known = told_apart(&text("DNS name a.example.com not CNAMEd for auto validation."));
        let unknown = told_apart(&text("Something new"));
        let cases = [
            (None, &known, false),
            (Some(policy(&["DNS_NAME_NOT_CNAMED"])), &known, true),
            (Some(policy(&["SNI_DNS_OVERLAP"])), &known, false),
            (Some(policy(&["DNS_NAME_NOT_CNAMED"])), &unknown, false),
            (Some(policy(&["All"])), &unknown, true),
        ];
        for (policy, warnings, expected) in cases {
            assert_eq!(allowed(policy.as_ref(), warnings), expected, "{policy:?} {warnings:?}");
        }
    }

    #[test]
    fn an_approval_is_bound_to_the_change_and_to_the_texts() {
        let (one, other) = (told_apart(&text("one")), told_apart(&text("other")));
        assert_eq!(hash(1, &one), hash(1, &one));
        assert_ne!(hash(1, &one), hash(2, &one));
        assert_ne!(hash(1, &one), hash(1, &other));
    }
}

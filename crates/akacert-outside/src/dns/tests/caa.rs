//! Which authorities may issue.

use std::collections::HashMap;

use hickory_proto::op::ResponseCode;

use super::super::DnsFailure;
use super::super::fake::{caa, cname};
use super::*;

/// Flags, property and value of each record.
type Records = &'static [(u8, &'static str, &'static str)];

type Table = &'static [(&'static str, Records)];

/// Uses a resolver with CAA records by name.
async fn dns_of_table(table: Table) -> Dns {
    let table: HashMap<_, Vec<_>> = table
        .iter()
        .map(|(name, records)| {
            (*name, records.iter().map(|(flags, tag, value)| caa(*flags, tag, value)).collect())
        })
        .collect();
    dns_of(move |(name, kind)| match (table.get(name), kind) {
        (Some(records), RecordType::CAA) => Reply::Has(records.clone()),
        (Some(_), _) => Reply::Has(vec![]),
        (None, _) => NX,
    })
    .await
}

fn issuers() -> Vec<String> {
    vec!["letsencrypt.org".into()]
}

#[tokio::test]
async fn the_records_of_the_name_or_of_the_nearest_name_above_count() {
    const PARENT: Table = &[("example.com", &[(0, "issue", "letsencrypt.org")])];
    const BOTH: Table = &[
        ("www.example.com", &[(0, "issue", "other.example")]),
        ("example.com", &[(0, "issue", "letsencrypt.org")]),
    ];
    const TOP: Table = &[("com", &[(0, "issue", "other.example")])];
    let cases: [(Table, &str, Option<&str>, bool); 6] = [
        (&[], "www.example.com", None, true),
        (PARENT, "a.b.www.example.com", Some("example.com"), true),
        (PARENT, "example.com", Some("example.com"), true),
        (BOTH, "www.example.com", Some("www.example.com"), false),
        (BOTH, "other.example.com", Some("example.com"), true),
        (TOP, "www.example.com", Some("com"), false),
    ];
    for (table, name, at, allowed) in cases {
        let answer = dns_of_table(table).await.caa(name, false).await.unwrap();
        assert_eq!(answer.at.as_deref(), at, "{name}");
        assert_eq!(answer.allows(&issuers()), allowed, "{name}");
    }
}

#[tokio::test]
async fn what_records_say() {
    // Records, whether they allow the name, and whether they allow the wildcard.
    let cases: [(Records, bool, bool); 19] = [
        (&[(0, "issue", "letsencrypt.org")], true, true),
        (&[(0, "issue", "LetsEncrypt.ORG")], true, true),
        (&[(0, "ISSUE", "letsencrypt.org")], true, true),
        (&[(0, "issue", " letsencrypt.org ; accounturi=https://x.example/1")], true, true),
        (&[(0, "issue", "digicert.com")], false, false),
        (&[(0, "issue", "digicert.com"), (0, "issue", "letsencrypt.org")], true, true),
        (&[(0, "issue", ";")], false, false),
        (&[(0, "issue", "")], false, false),
        (&[(0, "issue", ";"), (0, "issue", "letsencrypt.org")], true, true),
        (&[(0, "issue", "%%%%%")], false, false),
        (&[(0, "issue", "letsencrypt.org; nonsense")], false, false),
        (&[(0, "issue", "letsencrypt.org.evil.example")], false, false),
        (&[(0, "issue", "letsencrypt.org"), (0, "issuewild", ";")], true, false),
        (&[(0, "issue", ";"), (0, "issuewild", "letsencrypt.org")], false, true),
        (&[(0, "issuewild", "digicert.com")], true, false),
        (&[(0, "iodef", "mailto:security@example.com")], true, true),
        (&[(0, "issue", "letsencrypt.org"), (0, "future", "x")], true, true),
        (&[(0, "issue", "letsencrypt.org"), (128, "future", "x")], false, false),
        (&[(128, "issue", "letsencrypt.org"), (128, "issuemail", ";")], true, true),
    ];
    for (records, name, wildcard) in cases {
        let table: HashMap<_, _> = HashMap::from([("example.com", records)]);
        let dns = dns_of(move |(asked, kind)| match (table.get(asked), kind) {
            (Some(records), RecordType::CAA) => {
                Reply::Has(records.iter().map(|(flags, tag, value)| caa(*flags, tag, value)).collect())
            }
            _ => NX,
        })
        .await;
        assert_eq!(dns.caa("example.com", false).await.unwrap().allows(&issuers()), name, "{records:?}");
        assert_eq!(dns.caa("*.example.com", true).await.unwrap().allows(&issuers()), wildcard, "{records:?}");
    }
}

#[tokio::test]
async fn one_of_several_issuers_is_enough() {
    let dns = dns_of_table(&[("example.com", &[(0, "issue", "digicert.com")])]).await;
    let both = ["letsencrypt.org".to_owned(), "digicert.com".to_owned()];
    assert!(dns.caa("example.com", false).await.unwrap().allows(&both));
}

#[tokio::test]
async fn records_may_allow_some_methods_only() {
    let dns = dns_of_table(&[(
        "example.com",
        &[(0, "issue", "letsencrypt.org; validationmethods=dns-01,tls-alpn-01")],
    )]);
    let answer = dns.await.caa("example.com", false).await.unwrap();
    assert!(answer.allows(&issuers()));
    assert!(answer.allows_method(&issuers(), "dns-01"));
    assert!(!answer.allows_method(&issuers(), "http-01"));
}

#[tokio::test]
async fn the_records_where_an_alias_leads_count_before_those_above_the_name() {
    let dns = dns_of(|question| match question {
        ("www.example.com", RecordType::CAA) => Reply::Chain(vec![
            ("www.example.com", cname("cdn.example.net")),
            ("cdn.example.net", caa(0, "issue", "digicert.com")),
        ]),
        ("example.com", RecordType::CAA) => Reply::Has(vec![caa(0, "issue", "letsencrypt.org")]),
        _ => NX,
    });
    let dns = dns.await;
    let answer = dns.caa("www.example.com", false).await.unwrap();
    assert_eq!((answer.at.as_deref(), answer.allows(&issuers())), (Some("www.example.com"), false));
}

#[tokio::test]
async fn a_lookup_that_fails_is_not_taken_for_no_records() {
    let dns = dns_of(|question| match question {
        ("example.com", RecordType::CAA) => Reply::Code(ResponseCode::ServFail),
        _ => NX,
    });
    let failure = dns.await.caa("www.example.com", false).await.unwrap_err();
    assert_eq!(failure, DnsFailure::CaaUnknown { at: "example.com".into() });
}

//! What is in a ConfigMap, and which tokens are kept.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::super::objects;
use super::*;

fn config_map(json: &str) -> ConfigMap {
    ConfigMap {
        data: Some(BTreeMap::from([("challenges.json".to_owned(), json.to_owned())])),
        ..ConfigMap::default()
    }
}

#[test]
fn what_is_written_into_a_config_map_is_read_from_it() {
    let record = |name: &str, by| Record { name: name.into(), values: ["digest".to_owned()].into(), by };
    let content = Content {
        tokens: two_tokens().into_iter().collect(),
        redirects: [Redirection { host: "www.example.com".into(), to: "dcv.akamai.com".into() }].into(),
        records: [record("_acme-challenge.example.com", By::EdgeDns(Default::default()))].into(),
    };
    let written = objects::config_map(&certificate(), &content, &rules());
    assert_eq!(read(&written).unwrap(), content);
    let data = written.data.unwrap();
    assert_eq!(data["redirects.json"], r#"[{"host":"www.example.com","to":"dcv.akamai.com"}]"#);
    assert_eq!(
        data["records.json"],
        r#"[{"name":"_acme-challenge.example.com","values":["digest"],"by":{"edgeDns":{}}}]"#
    );
}

#[test]
fn fields_of_a_later_version_are_tolerated() {
    let found =
        read(&config_map(r#"[{"host":"a.example","path":"/p","body":"b","expires":"2026-12-01"}]"#)).unwrap();
    assert_eq!(
        found.tokens,
        [Token { host: "a.example".into(), path: "/p".into(), body: "b".into() }].into()
    );
}

#[test]
fn a_malformed_config_map_has_no_tokens_and_says_why() {
    let cases = [
        (ConfigMap::default(), "the ConfigMap has no key challenges.json"),
        (
            config_map("[]]"),
            "challenges.json is not a JSON list of host, path and body: trailing characters at line 1 column 3",
        ),
        (
            config_map(r#"[{"host":"","path":"/p","body":"b"}]"#),
            "challenges.json holds a token without a host or whose path does not start with a slash",
        ),
        (
            config_map(r#"[{"host":"a.example","path":"p","body":"b"}]"#),
            "challenges.json holds a token without a host or whose path does not start with a slash",
        ),
    ];
    for (config_map, message) in cases {
        assert_eq!(read(&config_map).unwrap_err().to_string(), message);
        assert_eq!(super::super::content_of(&config_map), Content::default());
    }
}

#[test]
fn old_tokens_are_kept_beside_the_wanted_ones_in_a_stable_order() {
    let old = vec![token("www.example.com", "old"), token("api.example.com", "bbb")];
    let wanted = [token("www.example.com", "new"), token("api.example.com", "bbb")];
    assert_eq!(
        keep(old, &wanted),
        [token("api.example.com", "bbb"), token("www.example.com", "new"), token("www.example.com", "old")]
    );
}

#[test]
fn where_old_and_wanted_answer_the_same_url_the_wanted_body_holds() {
    let mut old = token("www.example.com", "aaa");
    old.body = "another".into();
    assert_eq!(keep(vec![old], &[token("www.example.com", "aaa")]), [token("www.example.com", "aaa")]);
}

#[test]
fn tokens_that_rotate_forever_do_not_grow_without_bound_and_never_push_out_a_wanted_one() {
    let old = (0..5000).map(|n| token("www.example.com", &format!("old{n}")));
    let wanted: Vec<_> = (0..100).map(|n| token("www.example.com", &format!("new{n}"))).collect();
    let kept = keep(old, &wanted);
    assert_eq!(kept.len(), 1000);
    assert!(wanted.iter().all(|token| kept.contains(token)));
}

fn record(values: &[&str]) -> Record {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Record { name: "_acme-challenge.example.com".into(), values, by: By::EdgeDns(Default::default()) }
}

#[test]
fn of_values_that_rotated_away_the_first_one_goes_once_there_are_more_than_four() {
    let second = |second| jiff::Timestamp::from_second(second).unwrap();
    // The one of an earlier process, whose time nobody knows, is older than all others.
    let written = [("b", 4), ("c", 3), ("d", 2), ("e", 1)];
    let written: BTreeMap<_, _> = written.map(|(value, at)| (record(&[value]), second(at))).into();
    let gone = |known: &[&str]| rotated_away(&[record(known)], &[record(&["wanted"])], &written);
    assert_eq!(gone(&["b", "c", "d", "e", "wanted"]), None);
    assert_eq!(gone(&["a", "b", "c", "d", "e", "wanted"]), Some(record(&["a"])));
    assert_eq!(gone(&["b", "c", "d", "e", "wanted", "z"]), Some(record(&["z"])));
}

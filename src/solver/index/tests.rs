//! What the index answers after events of the watch, in any order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::solver::tests::{config_map, one};

const AAA: &str = "/.well-known/acme-challenge/aaa";

fn of<const N: usize>(config_maps: [ConfigMap; N]) -> Challenges {
    let challenges = Challenges::default();
    config_maps.into_iter().for_each(|config_map| challenges.take_in(Event::Apply(config_map)));
    challenges
}

fn body(challenges: &Challenges, host: &str, path: &str) -> Option<String> {
    let Found::Answer(body) = challenges.find(host, path) else { return None };
    Some(String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn a_changed_config_map_replaces_what_it_held_before() {
    let challenges = of([one("akacert-1", "www.example.com", AAA, "aaa.thumb")]);
    challenges.take_in(Event::Apply(one("akacert-1", "WWW.example.com.", "/b", "bbb")));
    assert_eq!(body(&challenges, "www.example.com", "/b").as_deref(), Some("bbb"));
    assert_eq!(challenges.len(), 1);
}

#[test]
fn a_deleted_config_map_takes_its_answers_along() {
    let challenges = of([one("akacert-1", "www.example.com", AAA, "aaa.thumb")]);
    challenges.take_in(Event::Delete(config_map("akacert-1", json!([]))));
    assert!(challenges.is_empty());
    assert_eq!(challenges.find("www.example.com", "/"), Found::UnknownHost);
}

#[test]
fn a_url_in_two_config_maps_is_answered_until_both_are_gone() {
    let challenges = Challenges::default();
    challenges.take_in(Event::Apply(one("akacert-1", "a.example", "/p", "one")));
    challenges.take_in(Event::Apply(one("akacert-2", "a.example", "/p", "two")));
    assert_eq!(body(&challenges, "a.example", "/p").as_deref(), Some("one"));
    assert_eq!(challenges.len(), 1);
    challenges.take_in(Event::Delete(config_map("akacert-1", json!([]))));
    assert_eq!(body(&challenges, "a.example", "/p").as_deref(), Some("two"));
    challenges.take_in(Event::Delete(config_map("akacert-2", json!([]))));
    assert_eq!(body(&challenges, "a.example", "/p"), None);
}

#[test]
fn a_malformed_config_map_is_left_out_and_the_others_are_served() {
    let challenges = of([one("akacert-1", "www.example.com", AAA, "aaa.thumb")]);
    challenges.take_in(Event::Apply(config_map("akacert-2", json!("not a list"))));
    challenges.take_in(Event::Apply(config_map(
        "akacert-3",
        json!([{"host": "b.example", "path": "/p", "body": "b"}]),
    )));
    assert_eq!(body(&challenges, "www.example.com", AAA).as_deref(), Some("aaa.thumb"));
    assert_eq!(body(&challenges, "b.example", "/p").as_deref(), Some("b"));
}

#[test]
fn of_two_config_maps_the_one_whose_name_sorts_first_answers() {
    let (one, two) = (one("akacert-1", "a.example", "/p", "one"), one("akacert-2", "a.example", "/p", "two"));
    for challenges in [of([one.clone(), two.clone()]), of([two, one])] {
        assert_eq!(body(&challenges, "a.example", "/p").as_deref(), Some("one"));
    }
}

#[test]
fn a_new_listing_adds_at_once_and_takes_away_when_it_is_complete() {
    let challenges = of([one("akacert-1", "a.example", "/p", "a"), one("akacert-2", "b.example", "/p", "b")]);
    challenges.take_in(Event::Init);
    challenges.take_in(Event::InitApply(one("akacert-2", "b.example", "/p", "changed")));
    challenges.take_in(Event::InitApply(one("akacert-3", "c.example", "/p", "c")));
    assert_eq!(body(&challenges, "a.example", "/p").as_deref(), Some("a"));
    assert_eq!(body(&challenges, "b.example", "/p").as_deref(), Some("changed"));
    assert_eq!(body(&challenges, "c.example", "/p").as_deref(), Some("c"));
    challenges.take_in(Event::InitDone);
    assert_eq!(body(&challenges, "a.example", "/p"), None);
    assert_eq!(challenges.len(), 2);
}

#[test]
fn a_listing_that_breaks_off_takes_nothing_away() {
    let challenges = of([one("akacert-1", "a.example", "/p", "a")]);
    challenges.take_in(Event::Init);
    challenges.take_in(Event::Init);
    assert_eq!(body(&challenges, "a.example", "/p").as_deref(), Some("a"));
}

#[test]
fn a_body_is_given_back_to_the_letter_whether_or_not_it_is_a_key_authorization() {
    for (path, text) in [
        (AAA, "aaa.thumb"),
        (AAA, "aaa."),
        (AAA, "aaa"),
        (AAA, "aaathumb"),
        (AAA, ""),
        (AAA, "bbb.thumb"),
        ("/.well-known/acme-challenge/", ".thumb"),
        ("/.well-known/acme-challenge", "x"),
        ("/p", "/p.thumb"),
        ("/", "ü"),
    ] {
        let challenges = of([one("akacert-1", "a.example", path, text)]);
        assert_eq!(body(&challenges, "a.example", path).as_deref(), Some(text), "{path}");
    }
}

#[test]
fn only_paths_of_challenges_are_redirected_and_a_host_without_tokens_is_unknown_for_others() {
    let mut redirecting = config_map("akacert-1", json!([]));
    let redirects = json!([{"host": "a.example", "to": "dcv.example"}]).to_string();
    redirecting.data.as_mut().unwrap().insert("redirects.json".into(), redirects);
    let challenges = of([redirecting]);
    assert_eq!(challenges.find("a.example", AAA), Found::Redirect("dcv.example".into()));
    assert_eq!(challenges.find("a.example", "/"), Found::UnknownHost);
    challenges.take_in(Event::Apply(one("akacert-2", "a.example", "/p", "a")));
    assert_eq!(challenges.find("a.example", "/"), Found::UnknownPath);
    assert_eq!(challenges.find("a.example", AAA), Found::Redirect("dcv.example".into()));
}

const HOSTS: [&str; 4] = ["a.example", "b.example", "c.example", "C.example."];
const PATHS: [&str; 4] = [AAA, "/.well-known/acme-challenge/bbb", "/aaa", "/"];
const BODIES: [&str; 4] = ["aaa.thumb", "aaa.other", "bbb.thumb", "text"];
const TARGETS: [&str; 2] = ["one.example", "two.example"];

/// What a ConfigMap holds: its tokens and its redirects.
#[derive(Clone, Debug, Default)]
struct Held {
    tokens: Vec<(&'static str, &'static str, &'static str)>,
    redirects: Vec<(&'static str, &'static str)>,
    spoilt: bool,
}

/// By the number in the ConfigMap's name.
type Cluster = BTreeMap<u8, Held>;

fn cluster() -> impl Strategy<Value = Cluster> {
    btree_map(source(), held(), 0..5)
}

/// Merges two clusters. Each ConfigMap holds its content from both, and nothing is malformed.
fn together(one: &Cluster, other: &Cluster) -> Cluster {
    let mut both = Cluster::new();
    for (source, held) in one.iter().chain(other) {
        let Held { tokens, redirects, .. } = both.entry(*source).or_default();
        tokens.extend(&held.tokens);
        redirects.extend(&held.redirects);
    }
    both
}

#[derive(Clone, Debug)]
enum Change {
    Apply(u8, Held),
    Delete(u8),
    /// The cluster changes before the watch resumes. The first listing breaks off after some ConfigMaps.
    Relist {
        cluster: Cluster,
        order: Vec<u8>,
        broken_after: usize,
    },
}

fn held() -> impl Strategy<Value = Held> {
    let tokens = vec((select(&HOSTS), select(&PATHS), select(&BODIES)), 0..5);
    let redirects = vec((select(&HOSTS), select(&TARGETS)), 0..3);
    (tokens, redirects, prop::bool::weighted(0.1)).prop_map(|(tokens, redirects, spoilt)| Held {
        tokens,
        redirects,
        spoilt,
    })
}

fn source() -> std::ops::Range<u8> {
    0..5
}

fn change() -> impl Strategy<Value = Change> {
    let order = Just(source().collect::<Vec<_>>()).prop_shuffle();
    prop_oneof![
        3 => (source(), held()).prop_map(|(source, held)| Change::Apply(source, held)),
        2 => source().prop_map(Change::Delete),
        1 => (cluster(), order, 0..5_usize)
            .prop_map(|(cluster, order, broken_after)| Change::Relist { cluster, order, broken_after }),
    ]
}

fn written(source: u8, held: &Held) -> ConfigMap {
    let name = format!("akacert-{source}");
    if held.spoilt {
        return config_map(&name, json!("not a list"));
    }
    let tokens =
        held.tokens.iter().map(|(host, path, body)| json!({"host": host, "path": path, "body": body}));
    let redirects = held.redirects.iter().map(|(host, to)| json!({"host": host, "to": to}));
    let mut config_map = config_map(&name, tokens.collect());
    let redirects = serde_json::Value::from_iter(redirects).to_string();
    config_map.data.as_mut().unwrap().insert("redirects.json".into(), redirects);
    config_map
}

fn list(challenges: &Challenges, cluster: &Cluster, order: &[u8]) {
    for source in order {
        if let Some(held) = cluster.get(source) {
            challenges.take_in(Event::InitApply(written(*source, held)));
        }
    }
}

/// Makes the change in the cluster, and sends its events to the index.
fn happen(change: Change, cluster: &mut Cluster, challenges: &Challenges) {
    match change {
        Change::Apply(source, held) => {
            challenges.take_in(Event::Apply(written(source, &held)));
            cluster.insert(source, held);
        }
        Change::Delete(source) => {
            challenges.take_in(Event::Delete(written(source, &Held::default())));
            cluster.remove(&source);
        }
        Change::Relist { cluster: new, order, broken_after } => {
            challenges.take_in(Event::Init);
            list(challenges, cluster, order.get(..broken_after).unwrap_or_default());
            *cluster = new;
            challenges.take_in(Event::Init);
            list(challenges, cluster, &order);
            challenges.take_in(Event::InitDone);
        }
    }
}

/// What the rules prescribe: the first ConfigMap with a body for the URL, and of its bodies the one that sorts last.
fn expected(cluster: &Cluster, host: &str, path: &str) -> Found {
    let is_host = |other: &str| other.to_lowercase().trim_end_matches('.') == host;
    let sound = || cluster.values().filter(|held| !held.spoilt);
    let bodies = |held: &Held| {
        let tokens = held.tokens.iter().filter(|token| is_host(token.0) && token.1 == path);
        // Tokens of equal hosts are ordered by the spelling of the host.
        tokens.max_by_key(|token| (token.0, token.2)).map(|token| token.2)
    };
    let target = |held: &Held| {
        held.redirects.iter().filter(|redirect| is_host(redirect.0)).max().map(|redirect| redirect.1)
    };
    if let Some(body) = sound().find_map(bodies) {
        return Found::Answer(body.into());
    }
    match sound().find_map(target) {
        Some(to) if path.starts_with("/.well-known/acme-challenge/") => Found::Redirect(to.into()),
        _ if sound().any(|held| held.tokens.iter().any(|token| is_host(token.0))) => Found::UnknownPath,
        _ => Found::UnknownHost,
    }
}

/// The whole content of an index, except the numbers of its listings.
fn shown(challenges: &Challenges) -> String {
    let index = challenges.0.read().unwrap();
    let hosts: BTreeMap<_, _> = index.hosts.iter().collect();
    let sources: BTreeMap<_, BTreeSet<_>> =
        index.sources.iter().map(|(name, source)| (name, source.hosts.iter().collect())).collect();
    format!("{} URLs\n{hosts:#?}\n{sources:#?}", index.urls)
}

proptest! {
    #[test]
    fn after_any_changes_the_index_is_that_of_a_fresh_start(changes in vec(change(), 0..30)) {
        let (challenges, mut cluster) = (Challenges::default(), Cluster::new());
        for change in changes {
            happen(change, &mut cluster, &challenges);
        }
        let fresh = Challenges::default();
        fresh.take_in(Event::Init);
        list(&fresh, &cluster, &source().rev().collect::<Vec<_>>());
        fresh.take_in(Event::InitDone);
        prop_assert_eq!(shown(&challenges), shown(&fresh));
    }

    #[test]
    fn after_any_changes_the_first_config_map_by_name_answers(changes in vec(change(), 0..30)) {
        let (challenges, mut cluster) = (Challenges::default(), Cluster::new());
        for change in changes {
            happen(change, &mut cluster, &challenges);
        }
        let mut answers = 0;
        for (host, path) in ["a.example", "b.example", "c.example"].iter().flat_map(|host| PATHS.map(|path| (host, path))) {
            let found = challenges.find(host, path);
            answers += usize::from(matches!(found, Found::Answer(_)));
            prop_assert_eq!(found, expected(&cluster, host, path), "{} {}", host, path);
        }
        prop_assert_eq!(challenges.len(), answers);
    }

    #[test]
    fn what_a_config_map_holds_before_and_after_a_listing_is_answered_throughout(
        kept in cluster(), only_before in cluster(), only_after in cluster(),
        order in Just(source().collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let before = together(&kept, &only_before);
        let after = together(&kept, &only_after);
        let challenges = Challenges::default();
        before.iter().for_each(|(source, held)| challenges.take_in(Event::Apply(written(*source, held))));
        challenges.take_in(Event::Init);
        for place in 0..=order.len() {
            for (host, path, _) in kept.values().flat_map(|held| &held.tokens) {
                let found = challenges.find(&normalised(host), path);
                prop_assert!(matches!(found, Found::Answer(_)), "{} {} before {}", host, path, place);
            }
            match order.get(place) {
                Some(source) => list(&challenges, &after, &[*source]),
                None => challenges.take_in(Event::InitDone),
            }
        }
    }
}

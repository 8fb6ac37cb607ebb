//! What somebody makes of what is published, and what that costs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::life::answer::Answer;
use crate::life::failures::{Failure, key};
use crate::life::fixtures::noon;
use crate::published::Write;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Ready, and behind a standing redirect by an Ingress.
fn standing() -> Scene {
    let mut scene = Scene::ready();
    let redirect = json!({"http01": {"redirect": {"ingress": {"className": "traefik"}}}});
    scene.certificate.spec.validation = Some(serde_json::from_value(redirect).unwrap());
    write_all(&mut scene);
    scene
}

/// Writes what is missing, as the operator does. Answers how many writes that took.
fn write_all(scene: &mut Scene) -> usize {
    for count in 0..20 {
        let Next::Do(Step::Publish(write)) = scene.next().next else { return count };
        write_once(scene, &write);
    }
    panic!("publishing does not end");
}

fn write_once(scene: &mut Scene, write: &Write) {
    play(&mut scene.published, write);
    scene.answer(&Step::Publish(Box::new(write.clone())), Answer::Done);
}

/// Somebody changes what is published each time that it is written, for an hour. Answers when it was written, in seconds
/// from the beginning, and what the status said, each once.
fn fight(scene: &mut Scene, undo: impl Fn(&mut published::Observed)) -> (Vec<i64>, Vec<String>) {
    let begun = scene.now;
    let (mut writes, mut told) = (vec![], vec![]);
    undo(&mut scene.published);
    while scene.now < begun + seconds(3600) {
        let decision = scene.next();
        match decision.next {
            Next::Do(Step::Publish(write)) => {
                write_once(scene, &write);
                writes.push(scene.now.duration_since(begun).as_secs());
                // What is written is looked at once more before somebody undoes it.
                remember(scene, scene.next(), &mut told);
                undo(&mut scene.published);
            }
            Next::Pause(pause) => {
                let Pause::Until(again) = pause else { panic!("nobody tries again") };
                remember(scene, decision, &mut told);
                scene.now = again;
            }
            Next::Do(other) => other_step(scene, &other),
        }
    }
    (writes, told)
}

/// Reports a status, as the operator does before a pause.
fn remember(scene: &mut Scene, decision: Decision, told: &mut Vec<String>) {
    if matches!(decision.next, Next::Do(_)) {
        return;
    }
    let of = |type_| says(&decision.status, type_).1;
    let says = format!("{} {}", of("Ready"), of("RenewalReady"));
    if told.last() != Some(&says) {
        told.push(says);
    }
    scene.certificate.status = Some(decision.status);
    scene.memory.rest(scene.now);
}

/// What has nothing to do with what is published is answered as at rest.
fn other_step(scene: &mut Scene, step: &Step) {
    let answer = if let Step::Forecast { targets, .. } = step {
        let forecast = crate::outside::NameForecast { automatic: false, failure: None, served: None };
        Answer::Forecast(targets.iter().map(|target| (target.name.clone(), forecast.clone())).collect())
    } else {
        assert!(matches!(step, Step::Watch { .. }), "{step}");
        let found = Some(Box::new(enrollment(10002, &["www.example.com", "api.example.com"])));
        Answer::Enrollment { begun: scene.now, found }
    };
    scene.answer(step, answer);
}

fn lead_elsewhere(observed: &mut published::Observed) {
    for ingress in &mut observed.ingresses {
        let spec = std::sync::Arc::make_mut(ingress).spec.as_mut().unwrap();
        spec.ingress_class_name = Some("nginx".into());
    }
}

#[test]
fn what_somebody_deletes_by_hand_twice_is_written_again_at_once() {
    let mut scene = standing();
    for _ in 0..2 {
        scene.published.ingresses.clear();
        assert_eq!(write_all(&mut scene), 1);
    }
    assert_says(&scene.next(), "Ready", "True", Reason::Deployed);
}

#[test]
fn what_a_controller_changes_back_for_an_hour_is_written_ever_more_rarely_and_told_once() {
    let mut scene = standing();
    let (writes, told) = fight(&mut scene, lead_elsewhere);
    assert_eq!(writes[..2], [0, 0], "{writes:?}");
    assert!(writes.len() < 20, "{writes:?}");
    let waits: Vec<i64> = writes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[waits.len() - 1] > 300, "{waits:?}");
    assert_eq!(told.iter().filter(|says| says.ends_with("Overruled")).count(), 1, "{told:?}");
    assert!(told.iter().all(|says| says.starts_with("Deployed")), "{told:?}");
}

#[test]
fn what_is_changed_back_holds_up_nothing_else_of_a_certificate_at_rest() {
    let mut scene = standing();
    let begun = scene.now;
    let list = |scene: &Scene| scene.memory.enrollment.quiet.map_or(begun, |quiet| quiet.at);
    fight(&mut scene, lead_elsewhere);
    assert!(list(&scene) > begun + seconds(1700), "the contract's list was not looked at");
}

#[test]
fn what_stays_for_an_hour_is_not_disputed_any_more() {
    let mut scene = standing();
    fight(&mut scene, lead_elsewhere);
    scene.now += seconds(700);
    assert_eq!(write_all(&mut scene), 1);
    scene.now += seconds(4500);
    for _ in 0..2 {
        scene.published.ingresses.clear();
        assert_eq!(write_all(&mut scene), 1);
    }
}

#[test]
fn a_step_that_cannot_be_published_leaves_a_certificate_ready_and_is_tried_again_at_its_time() {
    let mut scene = standing();
    scene.published.ingresses.clear();
    let until = scene.now + seconds(60);
    let step = scene.step();
    refuse(&mut scene, &step, until);
    let decision = scene.next();
    assert!(matches!(decision.next, Next::Pause(Pause::Until(again)) if again <= until));
    assert_says(&decision, "Ready", "True", Reason::Deployed);
    assert_says(&decision, "RenewalReady", "False", Reason::ClusterError);
    scene.now = until;
    assert_step(&scene.next(), "Publish");
}

/// The API server refuses a step, which waits until a time.
fn refuse(scene: &mut Scene, step: &Step, retry_at: Timestamp) {
    let failure = Failure { reason: Reason::ClusterError, message: "refused".into(), count: 1, retry_at };
    scene.memory.failures.insert(key(step), failure);
}

/// `www` goes through an Ingress and `api` behind a standing redirect by another, which somebody deleted and the API
/// server refuses to take again. CPS renews, and offers a token for `www`.
fn renewing_without_the_redirect() -> Scene {
    let mut scene = Scene::ready();
    let ways = json!({
        "http01": {"ingress": {"className": "traefik"}},
        "domains": [{"names": ["api.example.com"], "http01": {"redirect": {"ingress": {"className": "traefik"}}}}]
    });
    scene.certificate.spec.validation = Some(serde_json::from_value(ways).unwrap());
    scene.published.solver = vec![published::SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 }];
    write_all(&mut scene);
    scene.published.ingresses.clear();
    let (step, until) = (scene.step(), scene.now + seconds(600));
    refuse(&mut scene, &step, until);
    scene.pending(&["www.example.com", "api.example.com"], 20003, "renewal");
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![domain("www.example.com", "aaa", "RESPONSE_ERROR")]);
    scene
}

fn hosts(scene: &Scene) -> Vec<String> {
    let rules = scene.published.ingresses.iter().filter_map(|found| found.spec.clone()?.rules).flatten();
    rules.filter_map(|rule| rule.host).collect()
}

#[test]
fn a_redirect_that_cannot_be_written_keeps_no_token_of_another_name_from_its_renewal() {
    let mut scene = renewing_without_the_redirect();
    assert_eq!(write_all(&mut scene), 2);
    let content = published::content_of(scene.published.config_map.as_deref().unwrap());
    assert_eq!(
        content.tokens.iter().map(|token| token.host.as_str()).collect::<Vec<_>>(),
        ["www.example.com"]
    );
    assert_eq!(
        content.redirects.iter().map(|one| one.host.as_str()).collect::<Vec<_>>(),
        ["api.example.com"]
    );
    assert_eq!(hosts(&scene), ["www.example.com"]);
    assert_step(&scene.next(), "Preflight");
    assert_says(&scene.next(), "Ready", "True", Reason::Deployed);
    assert_says(&scene.next(), "RenewalReady", "False", Reason::ClusterError);
}

/// Also behind a redirect of a kind that the cluster has no more: nothing that stands can be planned.
fn without_gateways(scene: &mut Scene) {
    let redirect = json!({"gateway": {"parentRefs": [{"name": "public"}]}});
    let validation = scene.certificate.spec.validation.as_mut().unwrap();
    let mut ways = serde_json::to_value(&*validation).unwrap();
    let shop = json!({"names": ["shop.example.com"], "http01": {"redirect": redirect}});
    ways["domains"].as_array_mut().unwrap().push(shop);
    *validation = serde_json::from_value(ways).unwrap();
    scene.certificate.spec.dns_names.get_or_insert_default().push("shop.example.com".into());
    scene.published.missing_kinds = [published::Kind::HttpRoute].into();
}

#[test]
fn a_kind_that_the_cluster_lacks_keeps_no_token_of_another_name_from_its_renewal() {
    let mut scene = renewing_without_the_redirect();
    without_gateways(&mut scene);
    assert_eq!(write_all(&mut scene), 2);
    assert_eq!(hosts(&scene), ["www.example.com"]);
    assert_says(&scene.next(), "RenewalReady", "False", Reason::KindMissing);
}

#[test]
fn of_two_redirects_the_one_that_cannot_be_written_does_not_keep_the_other_away() {
    let mut scene = standing();
    let other = json!({
        "http01": {"redirect": {"ingress": {"className": "traefik"}}},
        "domains": [{"names": ["api.example.com"], "http01": {"redirect": {"ingress": {"className": "nginx"}}}}]
    });
    scene.certificate.spec.validation = Some(serde_json::from_value(other).unwrap());
    write_all(&mut scene);
    assert_eq!(scene.published.ingresses.len(), 2);
    scene.published.ingresses.clear();
    let (step, until) = (scene.step(), scene.now + seconds(600));
    refuse(&mut scene, &step, until);
    assert_eq!(write_all(&mut scene), 1);
    assert_says(&scene.next(), "RenewalReady", "False", Reason::ClusterError);
}

/// The renewal is over. What was published for it is gone, and the redirects of the ConfigMap are not.
fn assert_cleaned_up(mut scene: Scene, names: &[&str]) {
    write_all(&mut scene);
    scene.change("complete", "completed", &[]);
    scene.deployments(crate::life::fixtures::in_production(names));
    scene.enrollment(names);
    write_all(&mut scene);
    let content = published::content_of(scene.published.config_map.as_deref().unwrap());
    assert!(content.tokens.is_empty());
    assert_eq!(content.redirects.len(), 1);
    assert!(hosts(&scene).is_empty());
}

#[test]
fn a_redirect_that_cannot_be_written_keeps_nothing_of_a_change_that_is_over() {
    assert_cleaned_up(renewing_without_the_redirect(), &["www.example.com", "api.example.com"]);
}

#[test]
fn a_kind_that_the_cluster_lacks_keeps_nothing_of_a_change_that_is_over() {
    let mut scene = renewing_without_the_redirect();
    without_gateways(&mut scene);
    assert_cleaned_up(scene, &["www.example.com", "api.example.com", "shop.example.com"]);
}

#[test]
fn tokens_that_are_changed_back_are_told_until_they_stay() {
    let mut scene = published();
    for _ in 0..4 {
        lead_elsewhere(&mut scene.published);
        while let Next::Do(Step::Publish(write)) = scene.next().next {
            write_once(&mut scene, &write);
        }
        if let Next::Pause(Pause::Until(again)) = scene.next().next {
            assert_says(&scene.next(), "ChallengesPublished", "False", Reason::Overruled);
            scene.now = again;
        }
    }
    // The operator relies on the object once it has stayed for a minute.
    let decision = scene.next();
    let Next::Do(Step::Publish(write)) = decision.next else { panic!("{:?}", decision.next) };
    write_once(&mut scene, &write);
    let decision = scene.next();
    let Next::Pause(Pause::Until(settled)) = decision.next else { panic!("{:?}", decision.next) };
    assert_says(&decision, "ChallengesPublished", "False", Reason::Overruled);
    assert!(settled < scene.now + seconds(70));
    scene.now = settled;
    assert_says(&scene.next(), "ChallengesPublished", "True", Reason::ChallengesPublished);
}

/// A certificate whose names are proven by TXT records, and DNS.
fn by_dns() -> (Scene, BTreeSet<String>) {
    let mut scene = Scene::created();
    let by_dns = json!({"dns01": {"edgeDns": {}}});
    scene.certificate.spec.validation = Some(serde_json::from_value(by_dns).unwrap());
    (scene, BTreeSet::new())
}

/// CPS offers another value for the only name that it asks for.
fn rotate(scene: &mut Scene, value: &str) {
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    let mut offered = domain("www.example.com", value, "RESPONSE_ERROR");
    for challenge in &mut offered.challenges {
        challenge.response_body = Some(value.to_owned());
    }
    offered.expires = None;
    scene.challenges(vec![offered]);
}

/// Does what is to be done in the cluster and in DNS, so many steps at most. What is in DNS can always be removed.
fn settle(scene: &mut Scene, zone: &mut BTreeSet<String>, most: usize) {
    for _ in 0..most {
        let Next::Do(step) = scene.next().next else { return };
        let answer = if let Step::Publish(write) = &step {
            play(&mut scene.published, write);
            Answer::Done
        } else if let Step::WriteRecord(record) = &step {
            zone.extend(record.values.iter().cloned());
            Answer::Done
        } else if let Step::RemoveRecord(record) = &step {
            zone.retain(|value| !record.values.contains(value));
            Answer::Done
        } else if let Step::Preflight(_) | Step::CheckRecords(_) = &step {
            Answer::Found(BTreeMap::new())
        } else {
            return;
        };
        scene.answer(&step, answer);
        assert!(zone.is_subset(&remembered(scene)), "{zone:?} is more than {:?}", remembered(scene));
    }
}

/// The values that the ConfigMap names.
fn remembered(scene: &Scene) -> BTreeSet<String> {
    let records = scene.published.config_map.iter().flat_map(|found| published::content_of(found).records);
    records.flat_map(|record| record.values).collect()
}

/// More steps than a rotation takes.
const ALL: usize = 40;

#[test]
fn of_values_that_rotate_for_weeks_the_last_four_stay_beside_the_one_that_is_asked_for() {
    let (mut scene, mut zone) = by_dns();
    for day in 0..20 {
        scene.now = noon() + seconds(day * 24 * 3600);
        rotate(&mut scene, &format!("value-{day:02}"));
        settle(&mut scene, &mut zone, ALL);
    }
    let last = ["value-15", "value-16", "value-17", "value-18", "value-19"].map(str::to_owned);
    assert_eq!(zone, last.clone().into());
    assert_eq!(remembered(&scene), last.into());
}

#[test]
fn a_value_that_cannot_be_removed_holds_nothing_up_and_is_not_forgotten() {
    let (mut scene, mut zone) = by_dns();
    for day in 0..6 {
        scene.now = noon() + seconds(day * 24 * 3600);
        let until = scene.now + seconds(600);
        scene.fail(Step::REMOVE_RECORD, Reason::DnsUpdateFailed, 1, until);
        rotate(&mut scene, &format!("value-{day}"));
        settle(&mut scene, &mut zone, ALL);
        assert!(zone.contains(&format!("value-{day}")));
    }
    assert_eq!((zone.len(), remembered(&scene).len()), (6, 6));
    scene.now += seconds(600);
    rotate(&mut scene, "value-5");
    assert_step(&scene.next(), "RemoveRecord");
}

proptest! {
    #[test]
    fn whatever_rotates_and_whenever_the_operator_dies_no_value_in_dns_is_forgotten_and_few_stay(
        days in prop::collection::vec((0..12_u8, 0..12_usize, any::<bool>()), 1..30)
    ) {
        let (mut scene, mut zone) = by_dns();
        for (day, (value, steps, dies)) in days.into_iter().enumerate() {
            scene.now = noon() + seconds(u64::try_from(day).unwrap() * 24 * 3600);
            rotate(&mut scene, &format!("value-{value}"));
            settle(&mut scene, &mut zone, steps);
            if dies {
                scene.memory.records = Default::default();
            }
        }
        settle(&mut scene, &mut zone, ALL);
        prop_assert!(zone.len() <= 5 && remembered(&scene).len() <= 5, "{:?} {:?}", zone, remembered(&scene));
    }
}

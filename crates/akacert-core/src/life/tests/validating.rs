//! Challenges: published, checked, acknowledged.

use super::*;

#[test]
fn when_cps_asks_for_challenges_they_are_read() {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    assert_step(&scene.next(), "ReadChallenges");
}

#[test]
fn an_empty_list_of_challenges_is_waited_out() {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesPublished", "False", Reason::WaitingForChallenges);
}

#[test]
fn tokens_are_published_configmap_first_and_ingress_last() {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![domain("www.example.com", "aaa", "RESPONSE_ERROR")]);
    scene.published.solver = vec![SolverEndpoint { ip: [10, 77, 1, 2].into(), port: 8080 }];
    let mut kinds = Vec::new();
    while let Next::Do(Step::Publish(write)) = scene.next().next {
        kinds.push(write.to_string().split(' ').nth(1).unwrap().to_owned());
        play(&mut scene.published, &write);
    }
    assert_eq!(kinds, ["ConfigMap", "Service", "EndpointSlice", "Ingress"]);
}

#[test]
fn a_token_for_a_name_that_the_account_does_not_allow_is_not_published() {
    let mut scene = Scene::created();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    scene.challenges(vec![domain("www.elsewhere.org", "aaa", "RESPONSE_ERROR")]);
    assert!(!matches!(scene.next().next, Next::Do(Step::Publish(_))));
}

#[test]
fn published_tokens_are_fetched_before_they_are_acknowledged() {
    let decision = published().next();
    assert_step(&decision, "Probe");
    assert_says(&decision, "ChallengesPublished", "True", Reason::ChallengesPublished);
}

#[test]
fn without_a_ready_solver_nothing_is_acknowledged() {
    let mut scene = published();
    scene.published.solver.clear();
    publish_all(&mut scene);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesReachable", "False", Reason::SolverNotReady);
}

#[test]
fn a_failed_self_check_delays_the_acknowledgement_and_not_the_following_of_cps() {
    let mut scene = published();
    let Step::Probe { tokens, .. } = scene.step() else { panic!() };
    let failures = [("www.example.com".to_owned(), "answers with another body".to_owned())].into();
    scene.memory.looks.probe = Some(Look { at: scene.now, at_what: tokens, failures, failed: 4 });
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesReachable", "False", Reason::SelfCheckFailed);
    assert_eq!(decision.status.domains[0].error.as_deref(), Some("answers with another body"));
    scene.now = scene.now.checked_add(std::time::Duration::from_secs(120)).unwrap();
    assert_step(&scene.next(), "ReadChange");
}

#[test]
fn before_the_acknowledgement_the_enrollment_is_read() {
    assert_step(&reachable().next(), "ReadEnrollment");
}

#[test]
fn reachable_tokens_of_our_enrollment_are_acknowledged() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    assert_step(&scene.next(), "Acknowledge");
}

#[test]
fn with_the_self_check_off_the_ingress_controller_has_a_minute_before_tokens_are_acknowledged() {
    let mut scene = published();
    scene.certificate.spec.validation.as_mut().unwrap().self_check =
        Some(akacert_api::validation::SelfCheck::Off);
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "ChallengesReachable", "True", Reason::SelfCheckOff);
    assert_says(&decision, "DomainsValidated", "False", Reason::ChallengesPublished);

    scene.now = scene.now.checked_add(std::time::Duration::from_secs(70)).unwrap();
    let decision = scene.next();
    assert_step(&decision, "Acknowledge");
    assert_says(&decision, "ChallengesReachable", "True", Reason::SelfCheckOff);
}

#[test]
fn an_enrollment_with_a_name_that_the_account_does_not_allow_is_not_written_to() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com", "www.elsewhere.org"]);
    let decision = scene.next();
    assert!(!matches!(decision.next, Next::Do(Step::Acknowledge { .. })));
    assert_says(&decision, "DomainsValidated", "False", Reason::ForeignNames);
}

#[test]
fn an_enrollment_with_another_common_name_is_not_ours() {
    let mut scene = reachable();
    scene.enrollment(&["shop.example.com"]);
    assert_says(&scene.next(), "Stalled", "True", Reason::Conflict);
}

#[test]
fn an_acknowledgement_is_not_repeated_while_cps_works() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let Step::Acknowledge { proof, .. } = scene.step() else { panic!() };
    let told = Acknowledgement { proof: *proof, at: scene.now };
    scene.of_change().acknowledgement = Some(told);
    scene.memory.enrollment.reading = None;
    let decision = scene.next();
    assert_step(&decision, "Wait");
    assert_says(&decision, "DomainsValidated", "False", Reason::WaitingForValidation);
}

#[test]
fn rotated_tokens_are_published_beside_the_old_ones_and_acknowledged_again() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let Step::Acknowledge { proof, .. } = scene.step() else { panic!() };
    let told = Acknowledgement { proof: *proof, at: scene.now };
    scene.of_change().acknowledgement = Some(told);
    scene.challenges(vec![
        domain("www.example.com", "ccc", "RESPONSE_ERROR"),
        domain("api.example.com", "bbb", "RESPONSE_ERROR"),
    ]);
    publish_all(&mut scene);
    let paths: Vec<_> = published::content_of(scene.published.config_map.as_ref().unwrap())
        .tokens
        .into_iter()
        .map(|token| token.path.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    let Step::Probe { tokens, .. } = scene.step() else { panic!() };
    scene.memory.looks.probe =
        Some(Look { at: scene.now, at_what: tokens, failures: Default::default(), failed: 0 });
    assert_step(&scene.next(), "Acknowledge");
}

#[test]
fn what_was_fetched_and_acknowledged_holds_for_the_names_that_are_left() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let Step::Acknowledge { proof, .. } = scene.step() else { panic!() };
    let told = Acknowledgement { proof: *proof, at: scene.now };
    scene.of_change().acknowledgement = Some(told);
    scene.challenges(vec![
        domain("www.example.com", "aaa", "VALIDATED"),
        domain("api.example.com", "bbb", "IN_PROGRESS"),
    ]);
    assert_step(&scene.next(), "Wait");
}

#[test]
fn challenges_are_read_again_when_cps_still_asks_after_the_acknowledgement() {
    let mut scene = reachable();
    scene.enrollment(&["www.example.com", "api.example.com"]);
    let Step::Acknowledge { proof, .. } = scene.step() else { panic!() };
    let minute = std::time::Duration::from_secs(60);
    scene.now = scene.now.checked_add(minute).unwrap();
    let told = Acknowledgement { proof: *proof, at: scene.now };
    scene.of_change().acknowledgement = Some(told);
    assert_step(&scene.next(), "Wait");
    scene.now = scene.now.checked_add(minute).unwrap();
    scene.change(VALIDATING.0, VALIDATING.1, VALIDATING.2);
    assert_step(&scene.next(), "ReadChallenges");
}

#[test]
fn the_first_failed_self_checks_are_no_trouble_yet() {
    let mut scene = published();
    let Step::Probe { tokens, .. } = scene.step() else { panic!() };
    let failures = [("www.example.com".to_owned(), "answers with another body".to_owned())].into();
    scene.memory.looks.probe = Some(Look { at: scene.now, at_what: tokens, failures, failed: 3 });
    let decision = scene.next();
    assert_says(&decision, "ChallengesReachable", "False", Reason::ChallengesPublished);
    assert_says(&decision, "Ready", "False", Reason::ChallengesPublished);
}

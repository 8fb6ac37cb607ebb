//! For any spec and any enrollment: what the code compares, sends and says.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

use akamai_cps_types::Enrollment;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::generators::{any_answer, any_pair, any_spec, leaves, read};
use super::{crd, defaults, immutable_differences, oracle, other_differences, returned, spec};
use crate::desired::{
    Difference, Found, differences as compared, enrollment, exported, matches_intent, risk, updated,
};
use crate::life::fixtures::Scene;
use crate::life::memory::Reading;
use crate::life::{Next, Step};
use akacert_api::certificate::CertificateSpec;

/// The contract of the enrollment in CPS.
const CONTRACT: Option<&str> = Some("1-A");

/// All differences, those that CPS cannot change first.
fn differences(spec: &CertificateSpec, found: &Enrollment) -> Vec<String> {
    texts(&compared(spec, CONTRACT, found))
}

fn texts(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(|difference| difference.text.clone()).collect()
}

/// The paths in CPS of the fields that differ. The contract is not a field of an enrollment.
fn places(differences: &[String]) -> BTreeSet<&'static str> {
    let of_enrollment = differences.iter().filter(|difference| !difference.starts_with("contractId"));
    of_enrollment.map(|difference| oracle::place(difference)).collect()
}

/// The paths at which the body differs from what was read. Fields that only CPS writes are not sent.
fn changed(answer: &Value, body: &Enrollment) -> BTreeSet<String> {
    let (mut sent, mut read) = (leaves(&serde_json::to_value(body).unwrap()), leaves(answer));
    read.retain(|path, _| !oracle::READ_ONLY.contains(&path.split('.').next().unwrap()));
    // The schema requires these fields. Where CPS leaves them open, they are false.
    let flags = [
        "changeManagement",
        "enableMultiStackedCertificates",
        "networkConfiguration.quicEnabled",
        oracle::CLONE,
    ];
    for flag in flags {
        for leaves in [&mut sent, &mut read] {
            leaves.entry(flag).or_insert(json!(false));
        }
    }
    let paths: BTreeSet<String> = sent.keys().chain(read.keys()).cloned().collect();
    paths.into_iter().filter(|path| sent.get(path) != read.get(path)).collect()
}

/// The next step for a certificate that was Ready, after this spec was applied and this enrollment read.
fn next(spec: CertificateSpec, found: Enrollment) -> Next {
    // Made once, because verifying its certificate takes time.
    static SCENE: LazyLock<Mutex<Scene>> = LazyLock::new(|| Mutex::new(Scene::ready()));
    let mut scene = SCENE.lock().unwrap();
    scene.edit(|present| *present = CertificateSpec { contract_id: None, ..spec });
    scene.memory.enrollment.reading = Some(Reading { at: scene.now, value: Some(Box::new(found)) });
    scene.next().next
}

/// The schema of `spec`.
static SCHEMA: LazyLock<Validator> = LazyLock::new(|| jsonschema::validator_for(&crd()).unwrap());

proptest! {
    #[test]
    fn every_field_that_the_user_has_set_otherwise_is_told_and_no_other((spec, answer) in any_pair()) {
        let found = read(&answer);
        let mut told = differences(&spec, &found);
        prop_assert_eq!(places(&told), oracle::contradictions(&spec, &found), "{:?}", told);
        told.retain(|difference| difference.starts_with("contractId"));
        prop_assert_eq!(told.is_empty(), spec.contract_id.as_deref() != Some("ctr_1-B"));
    }

    #[test]
    fn an_update_leaves_no_difference_but_those_that_cps_cannot_change((spec, answer) in any_pair()) {
        let found = read(&answer);
        let body = updated(&spec, &found);
        prop_assert_eq!(other_differences(&spec, &body), Vec::<String>::new());
        let reported = immutable_differences(&spec, CONTRACT, &found);
        prop_assert_eq!(immutable_differences(&spec, CONTRACT, &body), reported.clone());
        prop_assert_eq!(oracle::contradictions(&spec, &body), places(&reported));
    }

    #[test]
    fn every_field_without_a_difference_is_sent_as_it_was_read((spec, answer) in any_pair()) {
        let found = read(&answer);
        let mut may_change = oracle::changeable(&oracle::contradictions(&spec, &found));
        let body = updated(&spec, &found);
        let clones = body.network_configuration.dns_name_settings.as_ref().is_some_and(|of| of.clone_dns_names);
        if clones && (may_change.contains("csr.sans") || may_change.contains(oracle::CLONE)) {
            // CPS clones other names now.
            may_change.insert(oracle::CLONED);
        }
        let beyond: Vec<String> =
            changed(&answer, &body).into_iter().filter(|path| !may_change.contains(path.as_str())).collect();
        prop_assert_eq!(beyond, Vec::<String>::new(), "{}", serde_json::to_string(&body).unwrap());
    }

    #[test]
    fn nothing_is_sent_where_nothing_differs((spec, answer) in any_pair(), agree in any::<bool>()) {
        let mut found = read(&answer);
        if agree {
            found = updated(&spec, &found);
        }
        prop_assume!(differences(&spec, &found).is_empty());
        prop_assert_eq!(&updated(&spec, &found), &found.for_update());
        let next = next(spec, found);
        prop_assert!(!matches!(next, Next::Do(Step::UpdateEnrollment(_))), "{:?}", next);
    }

    #[test]
    fn what_differs_is_sent_unless_cps_cannot_change_it((mut spec, answer) in any_pair()) {
        let mut found = read(&answer);
        spec.contract_id = None;
        (found.pending_changes, found.auto_renewal_start_time) = (vec![], None);
        let differences = compared(&spec, None, &found);
        prop_assume!(!differences.is_empty());
        let wanted = differences.iter().all(|difference| difference.field.can_change()).then(|| updated(&spec, &found));
        let next = next(spec, found);
        let sent = if let Next::Do(Step::UpdateEnrollment(update)) = next { Some(update.body) } else { None };
        prop_assert_eq!(sent, wanted);
    }

    #[test]
    fn an_update_of_what_was_updated_is_the_same((spec, answer) in any_pair()) {
        let once = updated(&spec, &read(&answer));
        prop_assert_eq!(updated(&spec, &once), once);
    }

    #[test]
    fn the_risk_is_that_of_the_worst_field_that_differs((spec, answer) in any_pair()) {
        let found = read(&answer);
        let differences = compared(&spec, CONTRACT, &found);
        prop_assert_eq!(risk(&differences), oracle::worst(&texts(&differences)));
    }

    #[test]
    fn a_field_that_differs_alone_has_its_own_risk((spec, answer) in any_pair(), pick in any::<prop::sample::Index>()) {
        let found = read(&answer);
        let places: Vec<&str> = oracle::changeable(&oracle::contradictions(&spec, &found)).into_iter().collect();
        prop_assume!(!places.is_empty());
        let place = places[pick.index(places.len())];
        // After an update nothing else differs, and this field is unchanged.
        let mut body = serde_json::to_value(updated(&spec, &found)).unwrap();
        *oracle::at_mut(&mut body, place) = oracle::at(&serde_json::to_value(&found).unwrap(), place).clone();
        if place == oracle::CLONE && oracle::at(&body, place).is_null() {
            *oracle::at_mut(&mut body, place) = json!(false);
        }
        let mut differences = compared(&spec, None, &read(&body));
        differences.retain(|difference| difference.field.can_change());
        let told = texts(&differences);
        prop_assert_eq!(self::places(&told), BTreeSet::from([place]));
        prop_assert_eq!(risk(&differences), oracle::worst(&told));
    }

    #[test]
    fn what_is_exported_is_a_spec_that_does_not_differ(answer in any_answer()) {
        let found = read(&answer);
        let mut exported = exported(&Found { contract: CONTRACT, enrollment: &found });
        exported["accountRef"] = json!({"kind": "AkamaiAccount", "name": "production"});
        let violations: Vec<String> = SCHEMA.iter_errors(&exported).map(|error| error.to_string()).collect();
        prop_assert_eq!(violations, Vec::<String>::new(), "{}", exported);
        let spec: CertificateSpec = serde_json::from_value(exported).unwrap();
        prop_assert_eq!(differences(&spec, &found), Vec::<String>::new());
    }

    #[test]
    fn an_enrollment_made_from_a_spec_is_found_again_and_does_not_differ(spec in any_spec(), seed in any::<u64>()) {
        let body = enrollment(&spec, &defaults()).unwrap();
        let found = returned(&body, seed);
        prop_assert!(matches_intent(&found, &body), "{found:#?}");
        prop_assert_eq!(immutable_differences(&spec, spec.contract_id.as_deref(), &found), Vec::<String>::new());
        prop_assert_eq!(other_differences(&spec, &found), Vec::<String>::new());
    }

    #[test]
    fn only_what_the_user_has_set_is_compared(made_from in any_spec(), seed in any::<u64>()) {
        let found = returned(&enrollment(&made_from, &defaults()).unwrap(), seed);
        let mut bare = spec(json!({"commonName": made_from.common_name}));
        bare.dns_names = made_from.dns_names;
        prop_assert_eq!(immutable_differences(&bare, Some("1-A"), &found), Vec::<String>::new());
        prop_assert_eq!(other_differences(&bare, &found), Vec::<String>::new());
    }
}

use super::*;

const TERMS: Terms = Terms { duration: Duration::from_secs(12) };

fn lease(spec: serde_json::Value) -> Lease {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": LEASE, "resourceVersion": "7"}, "spec": spec,
    }))
    .unwrap()
}

fn held_by(holder: &str) -> Lease {
    lease(serde_json::json!({
        "holderIdentity": holder, "leaseDurationSeconds": 12, "leaseTransitions": 3,
        "acquireTime": "2026-11-01T00:00:00.000000Z", "renewTime": "2026-11-01T00:00:00.000000Z",
    }))
}

fn request(method: http::Method) -> http::Request<Body> {
    http::Request::builder().method(method).body(Body::empty()).unwrap()
}

#[test]
fn a_lease_is_taken_when_it_is_free_ours_or_unchanged_for_its_whole_duration() {
    let seconds = Duration::from_secs;
    // Its renewTime is weeks old: only the candidate's own clock counts.
    let table = [
        ("no Lease", None, 0, true),
        ("released", Some(lease(serde_json::json!({"leaseDurationSeconds": 12}))), 0, true),
        ("released as client-go does", Some(held_by("")), 0, true),
        ("our own", Some(held_by("a")), 0, true),
        ("another's, just seen", Some(held_by("b")), 0, false),
        ("another's, almost expired", Some(held_by("b")), 11, false),
        ("another's, expired", Some(held_by("b")), 12, true),
    ];
    for (case, lease, unchanged, expected) in table {
        assert_eq!(may_take(lease.as_ref(), "a", seconds(unchanged)), expected, "{case}");
    }
}

#[test]
fn a_claim_is_based_on_what_was_found_and_counts_the_transition() {
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let taken = claimed(Some(&held_by("b")), "a", TERMS, now);
    // The version that was found, so that another write in between causes a conflict.
    assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
    let spec = taken.spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some("a"));
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(12), Some(4)));
    assert_eq!((spec.acquire_time, spec.renew_time), (Some(MicroTime(now)), Some(MicroTime(now))));
}

#[test]
fn a_renewal_keeps_the_time_since_when_it_leads() {
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let before = held_by("a").spec.unwrap();
    let spec = claimed(Some(&held_by("a")), "a", TERMS, now).spec.unwrap();
    assert_eq!(spec.acquire_time, before.acquire_time);
    assert_eq!((spec.lease_transitions, spec.renew_time), (Some(3), Some(MicroTime(now))));
}

#[test]
fn the_leader_stops_before_another_one_may_take_over() {
    for seconds in [0, 1, 3, 12, 60] {
        let terms = Terms::new(Duration::from_secs(seconds));
        assert!(terms.deadline() < terms.duration);
        // Two tries, each with its time-out, fit before the deadline.
        assert!(terms.pause() * 4 <= terms.deadline(), "{seconds}");
    }
}

#[test]
fn without_leadership_a_client_only_reads() {
    let leadership = Leadership::default();
    let sent = |method| leadership.guard(request(method)).is_ok();
    assert!(sent(http::Method::GET));
    assert!(!sent(http::Method::PATCH) && !sent(http::Method::POST) && !sent(http::Method::DELETE));

    leadership.extend(Instant::now() + Duration::from_secs(60));
    assert!(leadership.holds() && sent(http::Method::PATCH) && sent(http::Method::GET));

    leadership.extend(Instant::now());
    assert!(!leadership.holds() && !sent(http::Method::PATCH) && sent(http::Method::GET));
}

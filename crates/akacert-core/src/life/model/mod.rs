//! The decision against a model of the world: whatever happens in whatever order, nothing that must never happen does,
//! and once the disturbances stop the certificate becomes Ready.

mod absent;
mod answers;
mod counts;
mod cps;
mod offered;
mod user;
mod world;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use self::counts::Counts;
use self::cps::{Production, Taken};
use self::user::Setting;
use self::world::{Crash, CreateFault, World};
use akacert_api::certificate::CertificateSpec;
use akacert_api::names::{ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION, RENEW_BEFORE_ANNOTATION};
use akacert_api::status::CertificateStatus;

/// Sequences of events that are played, unless PROPTEST_CASES says how many.
const SEQUENCES: u32 = 200;

/// The sequences are the same each time, unless PROPTEST_RNG_SEED is set.
const SEED: u64 = 1;

/// Something that happens to the operator.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// CPS goes on.
    Advance,
    /// CPS goes on so many times, and the operator looks between.
    Proceed(u32),
    /// Time passes: seconds.
    Pass(u64),
    /// CPS makes new tokens.
    Rotate,
    /// CPS offers and validates one name after the other.
    Slow(bool),
    Create(CreateFault),
    /// CPS answers the next calls with an error.
    Fail(u32),
    Crash(Crash),
    /// The operator is restored from a backup, without status.
    StatusLost,
    /// Somebody replaced the resource without our annotations.
    AnnotationsLost,
    /// Somebody deletes what is published.
    Unpublish(Published),
    Network(bool),
    Solver(bool),
    Account(bool),
    /// The user adds a name, or takes it back.
    FurtherName(bool),
    Suspend(bool),
    /// CPS renews.
    Renew,
    /// The user wants a certificate that was issued later.
    RenewBefore,
    /// Somebody else changes the names in CPS.
    EditElsewhere,
    /// The answer to the next update is lost.
    UpdateLost,
    /// CPS stops at a warning until somebody acknowledges it.
    Warn(bool),
    /// Somebody else takes the common name, or lets it go.
    Foreign(Taken),
    /// The user approves what he is asked about.
    Approve,
    /// What a finished change has brought into production at first.
    Deploys(Option<Production>),
}

#[derive(Clone, Copy, Debug)]
enum Published {
    ConfigMap,
    Ingress,
    Service,
    Record,
}

fn setting() -> impl Strategy<Value = Setting> {
    any::<[bool; 4]>().prop_map(|[asks, hands_off, deletes, hampered]| Setting {
        asks,
        hands_off,
        deletes,
        hampered,
    })
}

fn event() -> impl Strategy<Value = Event> {
    use Event::*;
    let create = prop_oneof![
        Just(CreateFault::AnswerLost),
        Just(CreateFault::AnswerLostAndLate),
        Just(CreateFault::RequestLost)
    ];
    let published = prop_oneof![
        Just(Published::ConfigMap),
        Just(Published::Ingress),
        Just(Published::Service),
        Just(Published::Record)
    ];
    let taken = prop_oneof![Just(Taken::Nowhere), Just(Taken::Here), Just(Taken::Elsewhere)];
    let production = prop_oneof![1 => Just(None), 1 => Just(Some(Production::Nothing)), 3 => Just(Some(Production::NameMissing))];
    prop_oneof![
        8 => Just(Advance),
        9 => (2..6_u32).prop_map(Proceed),
        4 => (1..600_u64).prop_map(Pass),
        2 => (600..8_000_u64).prop_map(Pass),
        1 => Just(Rotate),
        1 => any::<bool>().prop_map(Slow),
        2 => create.prop_map(Create),
        1 => (1..6_u32).prop_map(Fail),
        4 => (0..8_u32, any::<bool>()).prop_map(|(after, done)| Crash(self::Crash { after, done })),
        1 => Just(StatusLost),
        1 => Just(AnnotationsLost),
        2 => published.prop_map(Unpublish),
        2 => any::<bool>().prop_map(Network),
        1 => any::<bool>().prop_map(Solver),
        1 => any::<bool>().prop_map(Account),
        2 => any::<bool>().prop_map(FurtherName),
        2 => Just(Renew),
        1 => Just(RenewBefore),
        1 => Just(EditElsewhere),
        1 => Just(UpdateLost),
        1 => any::<bool>().prop_map(Suspend),
        2 => any::<bool>().prop_map(Warn),
        2 => Just(Approve),
        2 => taken.prop_map(Foreign),
        4 => production.prop_map(Deploys),
    ]
}

impl World {
    fn happen(&mut self, event: Event) {
        self.log.push(format!("{}: {event:?}", self.now));
        match event {
            Event::Advance => self.advance_cps(),
            Event::Proceed(moves) => self.proceed(moves),
            Event::Pass(seconds) => self.pass(Duration::from_secs(seconds)),
            Event::Rotate => self.cps.rotate(self.now),
            Event::Slow(slow) => self.cps.slow = slow,
            Event::Create(fault) => self.create_fault = Some(fault),
            Event::Fail(calls) => self.failing_calls = calls,
            Event::Crash(crash) => self.crash = Some(crash),
            // With neither annotation nor status, nothing tells our enrollment from a foreign one.
            Event::StatusLost if self.is_annotated() || self.status().enrollment_id.is_none() => {
                self.certificate.status =
                    Some(CertificateStatus { observed_generation: -1, ..Default::default() });
                self.restart();
            }
            Event::AnnotationsLost if self.status().enrollment_id.is_some() => {
                let annotations = self.certificate.metadata.annotations.get_or_insert_default();
                annotations.remove(ENROLLMENT_ID_ANNOTATION);
                annotations.remove(INTENT_ANNOTATION);
                self.restart();
            }
            Event::StatusLost | Event::AnnotationsLost => {}
            Event::Unpublish(what) => {
                match what {
                    Published::ConfigMap => {
                        self.forgotten.extend(self.zone.iter().cloned());
                        self.published.config_map = None;
                    }
                    Published::Record => self.zone.clear(),
                    Published::Ingress => self.published.ingresses.clear(),
                    Published::Service => {
                        self.published.service = None;
                        self.published.endpoint_slices.clear();
                    }
                }
                self.look();
            }
            Event::Network(works) => self.network = works,
            Event::Solver(ready) => {
                self.solver(ready);
                self.look();
            }
            Event::Account(ready) => {
                self.account = ready;
                self.look();
            }
            Event::FurtherName(further) => self.edit(|spec| {
                let names = ["api.example.com", "new.example.com"].map(str::to_owned);
                spec.dns_names = Some(names[..1 + usize::from(further)].to_vec());
            }),
            Event::Suspend(suspend) => self.edit(|spec| spec.suspend = suspend.then_some(true)),
            Event::Renew => self.cps.renew(),
            Event::RenewBefore => {
                let annotations = self.certificate.metadata.annotations.get_or_insert_default();
                if annotations.insert(RENEW_BEFORE_ANNOTATION.into(), self.now.to_string()).as_deref()
                    != Some(&self.now.to_string())
                {
                    self.renewals_asked += 1;
                }
                self.look();
            }
            Event::EditElsewhere => self.cps.edit_elsewhere(),
            Event::UpdateLost => self.update_lost = true,
            Event::Approve => self.approve(),
            Event::Warn(warns) => self.cps.warns = warns,
            Event::Foreign(Taken::Nowhere) => self.cps.foreign = None,
            Event::Foreign(taken) if self.cps.ours.is_empty() => self.cps.foreign = Some(taken),
            Event::Foreign(_) => {}
            Event::Deploys(at_first) => self.cps.deploys_at_first = at_first,
        }
    }

    fn is_annotated(&self) -> bool {
        let annotations = self.certificate.metadata.annotations.as_ref();
        annotations.is_some_and(|annotations| annotations.contains_key(ENROLLMENT_ID_ANNOTATION))
    }

    fn edit(&mut self, edit: impl FnOnce(&mut CertificateSpec)) {
        let before = self.certificate.spec.clone();
        edit(&mut self.certificate.spec);
        if self.certificate.spec != before {
            *self.certificate.metadata.generation.get_or_insert_default() += 1;
            self.look();
        }
    }

    /// Every disturbance ends; CPS goes on by itself.
    fn recover(&mut self) {
        self.failing_calls = 0;
        self.create_fault = None;
        self.crash = None;
        self.network = true;
        self.update_lost = false;
        for event in [
            Event::Warn(false),
            Event::Foreign(Taken::Nowhere),
            Event::Deploys(None),
            Event::Suspend(false),
            Event::Solver(true),
            Event::Account(true),
        ] {
            self.happen(event);
        }
        // Two days: a token lives for seven, and CPS is polled every 15 minutes at least.
        for _ in 0..2 * 24 * 6 {
            self.approve();
            self.advance_cps();
            self.pass(Duration::from_secs(600));
        }
    }

    fn proceed(&mut self, moves: u32) {
        for _ in 0..moves {
            self.advance_cps();
            self.pass(Duration::from_secs(300));
        }
    }
}

/// Plays a sequence, the certificate being applied after some of it; then the disturbances end. The world's own checks
/// hold all the time.
fn play(setting: Setting, before: &[Event], events: &[Event]) -> World {
    let mut world = World::new();
    world.choose(setting);
    for event in before {
        world.happen(*event);
    }
    world.applied = true;
    world.look();
    for event in events {
        world.happen(*event);
    }
    let (calls, begun) = (world.calls(), world.now);
    world.recover();
    assert!(world.is_ready(), "not Ready in the end: {world:?}");
    assert_eq!(world.cps.ours.len(), 1, "{world:?}");
    let published = &world.published;
    let left =
        published.config_map.is_some() || !published.ingresses.is_empty() || published.service.is_some();
    assert!(
        !left && world.zone.is_subset(&world.forgotten),
        "something is published still: {:?} {world:?}",
        world.zone
    );

    let calls = world.calls() - calls;
    let hours = usize::try_from(world.now.duration_since(begun).as_hours()).unwrap();
    assert!(calls < hours * 20, "{calls} calls in {hours} hours: {world:?}");
    let (status, calls) = (world.status(), world.calls());
    world.pass(Duration::from_secs(24 * 3600));
    assert_eq!((world.status(), world.calls()), (status, calls), "not settled: {world:?}");
    world
}

#[test]
fn undisturbed_a_certificate_needs_few_calls_beside_looking_at_its_change() {
    let world = play(Setting::default(), &[], &[]);
    let polls = ["ReadChange", "Watch"];
    let calls: Vec<&str> = world.called.iter().filter(|call| !polls.contains(call)).copied().collect();
    assert_eq!(
        calls,
        [
            "ListEnrollments",
            "CreateEnrollment",
            "ReadChallenges",
            "ReadEnrollment",
            "Acknowledge",
            "ReadDeployments",
        ],
        "{world:?}"
    );
}

#[test]
#[allow(clippy::disallowed_methods, reason = "whoever runs the test says how long")]
fn whatever_happens_there_is_one_enrollment_and_it_becomes_ready_once_the_disturbances_stop() {
    let chosen = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = chosen.unwrap_or(SEQUENCES);
    let default = Config::default();
    let rng_seed = if default.rng_seed == RngSeed::Random { RngSeed::Fixed(SEED) } else { default.rng_seed };
    let mut runner =
        TestRunner::new(Config { cases, rng_seed, failure_persistence: None, ..Config::default() });
    let (played, events, steps) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let counts = RefCell::new(Counts::default());
    let events_of = |most| prop::collection::vec(event(), 0..most);
    let result = runner.run(&(setting(), events_of(8), events_of(40)), |(setting, before, sequence)| {
        let mut world = play(setting, &before, &sequence);
        world.delete();
        played.set(played.get() + 1);
        events.set(events.get() + before.len() + sequence.len());
        steps.set(steps.get() + world.steps);
        counts.borrow_mut().add(&world.counts);
        Ok(())
    });
    println!("{rng_seed:?}: {} sequences, {} events, {} steps", played.get(), events.get(), steps.get());
    let counts = counts.into_inner();
    println!("{counts}");
    if let Err(error) = result {
        panic!("{error}");
    }
    let faults = counts.faults();
    // Fewer sequences, for a quick look, need not show everything.
    assert!(cases < SEQUENCES || faults.is_empty(), "{}", faults.join("\n"));
}

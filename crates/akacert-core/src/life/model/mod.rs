//! The decision against a model of the world: whatever happens in whatever order, nothing that must never happen does,
//! and once the disturbances stop the certificate becomes Ready.

mod absent;
mod answers;
mod counts;
mod cps;
mod event;
mod held;
mod offered;
mod resource;
mod rest;
mod rules;
mod user;
mod ways;
mod world;

use std::cell::{Cell, RefCell};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use self::counts::Counts;
use self::event::{Event, event, setting};
use self::user::Setting;
use self::world::World;

/// Sequences of events that are played, unless PROPTEST_CASES says how many.
const SEQUENCES: u32 = 200;

/// The sequences are the same each time, unless PROPTEST_RNG_SEED is set.
const SEED: u64 = 1;

/// Plays a sequence, the certificate being applied after some of it; then the disturbances end. The world's own checks
/// hold all the time.
fn play(setting: Setting, before: &[Event], events: &[Event]) -> World {
    let mut world = World::new();
    world.choose(setting);
    for event in before {
        world.happen(*event);
    }
    world.me.applied = true;
    world.look();
    if setting.settles {
        world.settle();
    }
    for event in events {
        world.happen(*event);
    }
    let (calls, begun) = (world.calls(), world.now);
    world.recover();
    assert!(world.is_ready(), "not Ready in the end: {world:?}");
    assert_eq!(world.cps.ours.len(), 1, "{world:?}");
    world.check_rest();
    world.check_observers();

    // Whoever observes what somebody has removed looks on.
    let is_there = |id: Option<u64>| world.cps.ours.iter().any(|held| Some(held.id.0) == id);
    world.others.retain(|other| is_there(other.recorded()));
    let calls = world.calls() - calls;
    let hours = usize::try_from(world.now.duration_since(begun).as_hours()).unwrap();
    assert!(calls < hours * 20, "{calls} calls in {hours} hours: {world:?}");
    world.rests();
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

//! What happens in the sequences of the model: the events, how often each comes, and what each does to the world.
//! Not here: what the user approves and deletes (`user`).

use std::time::Duration;

use proptest::prelude::*;

use super::cps::Taken;
use super::held::Production;
use super::user::{Rival, Setting};
use super::ways::Ways;
use super::world::{Crash, CreateFault, Outside, World};
use akacert_api::certificate::CertificateSpec;
use akacert_api::names::{ENROLLMENT_ID_ANNOTATION, INTENT_ANNOTATION, RENEW_BEFORE_ANNOTATION};
use akacert_api::policy::{AdoptionPolicy, RecreatePolicy};
use akacert_api::status::CertificateStatus;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// CPS and time go on.
    Cps(OfCps),
    /// The operator and its calls fail.
    Operator(OfTheOperator),
    /// The user, other people, the cluster and the network do something.
    Others(OfOthers),
}

#[derive(Clone, Copy, Debug)]
pub enum OfCps {
    Advance,
    /// CPS goes on so many times, and the operator looks between.
    Proceed(u32),
    /// Time passes: seconds.
    Pass(u64),
    /// CPS makes new tokens.
    Rotate,
    /// CPS offers and validates one name after the other.
    Slow(bool),
    Renew,
    /// CPS stops at a warning until somebody acknowledges it.
    Warn(bool),
    /// What a finished change has brought into production at first.
    Deploys(Option<Production>),
}

#[derive(Clone, Copy, Debug)]
pub enum OfTheOperator {
    Create(CreateFault),
    /// CPS answers the next calls with an error.
    Fail(u32),
    Crash(Crash),
    /// Another operator leads, whose watches are so many versions behind.
    TakeOver(usize),
    /// The answer to the next update is lost.
    UpdateLost,
    /// The operator is restored from a backup, without status.
    StatusLost,
    /// Somebody replaced the resource without our annotations.
    AnnotationsLost,
}

#[derive(Clone, Copy, Debug)]
pub enum OfOthers {
    /// Somebody deletes what is published.
    Unpublish(Published),
    Network(bool),
    /// The names look otherwise from outside.
    Outside(Outside),
    /// The second zone takes no record, or takes them again.
    ZoneRefuses(bool),
    Solver(bool),
    Account(bool),
    /// The user adds a name, or takes it back.
    FurtherName(bool),
    /// The user chooses other ways of validation.
    Way(Ways),
    /// The user wants a certificate that was issued later.
    RenewBefore,
    /// Somebody else changes the names in CPS.
    EditElsewhere,
    /// Somebody else chooses in CPS whether it stops after staging.
    StagesElsewhere,
    /// Somebody else removes the enrollment from CPS.
    Removed,
    Suspend(bool),
    /// The user approves what he is asked about.
    Approve,
    /// The user applies the other resource.
    Rival,
    /// Somebody else takes the common name, or lets it go.
    Foreign(Taken),
}

#[derive(Clone, Copy, Debug)]
pub enum Published {
    ConfigMap,
    Ingress,
    Service,
    Record,
}

pub fn setting() -> impl Strategy<Value = Setting> {
    let adoption = prop_oneof![
        3 => Just(None),
        1 => Just(Some(AdoptionPolicy::AdoptOnly)),
        1 => Just(Some(AdoptionPolicy::AdoptOrCreate))
    ];
    let rival = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Rival::Creates)),
        1 => Just(Some(Rival::Adopts)),
        1 => Just(Some(Rival::Observes))
    ];
    let made_before = prop_oneof![4 => Just(false), 1 => Just(true)];
    (any::<[bool; 11]>(), made_before, adoption, rival).prop_map(
        |(switches, made_before, adoption, rival)| {
            let [
                asks,
                hands_off,
                probes,
                stages,
                lets_go,
                window,
                recreates,
                settles,
                leads_elsewhere,
                deletes,
                hampered,
            ] = switches;
            Setting {
                asks,
                hands_off,
                probes,
                stages,
                lets_go,
                window,
                made_before,
                adoption,
                rival,
                recreates,
                settles,
                leads_elsewhere,
                deletes,
                hampered,
            }
        },
    )
}

pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        24 => of_cps().prop_map(Event::Cps),
        16 => of_the_operator().prop_map(Event::Operator),
        24 => of_others().prop_map(Event::Others)
    ]
}

fn of_cps() -> impl Strategy<Value = OfCps> {
    use OfCps::*;
    let production = prop_oneof![1 => Just(None), 1 => Just(Some(Production::Nothing)), 3 => Just(Some(Production::NameMissing))];
    prop_oneof![
        8 => Just(Advance),
        10 => (2..6_u32).prop_map(Proceed),
        4 => (1..600_u64).prop_map(Pass),
        2 => (600..8_000_u64).prop_map(Pass),
        1 => Just(Rotate),
        1 => any::<bool>().prop_map(Slow),
        2 => Just(Renew),
        2 => any::<bool>().prop_map(Warn),
        4 => production.prop_map(Deploys),
    ]
}

fn of_the_operator() -> impl Strategy<Value = OfTheOperator> {
    use OfTheOperator::*;
    let create = prop_oneof![
        Just(CreateFault::AnswerLost),
        Just(CreateFault::AnswerLostAndLate),
        Just(CreateFault::RequestLost)
    ];
    prop_oneof![
        2 => create.prop_map(Create),
        1 => (1..6_u32).prop_map(Fail),
        4 => (0..8_u32, any::<bool>()).prop_map(|(after, done)| Crash(self::Crash { after, done })),
        2 => (0..5_usize).prop_map(TakeOver),
        1 => Just(UpdateLost),
        1 => Just(StatusLost),
        1 => Just(AnnotationsLost),
    ]
}

fn of_others() -> impl Strategy<Value = OfOthers> {
    use OfOthers::*;
    let published = prop_oneof![
        Just(Published::ConfigMap),
        Just(Published::Ingress),
        Just(Published::Service),
        Just(Published::Record)
    ];
    let outside = prop_oneof![
        Just(self::Outside::AsNeeded),
        Just(self::Outside::AtAkamai),
        Just(self::Outside::Elsewhere)
    ];
    let taken = prop_oneof![Just(Taken::Nowhere), Just(Taken::Here), Just(Taken::Elsewhere)];
    prop_oneof![
        2 => published.prop_map(Unpublish),
        2 => any::<bool>().prop_map(Network),
        2 => outside.prop_map(Outside),
        1 => any::<bool>().prop_map(ZoneRefuses),
        1 => any::<bool>().prop_map(Solver),
        1 => any::<bool>().prop_map(Account),
        2 => any::<bool>().prop_map(FurtherName),
        3 => prop::sample::select(&Ways::ALL[..]).prop_map(Way),
        1 => Just(RenewBefore),
        1 => Just(EditElsewhere),
        1 => Just(StagesElsewhere),
        1 => Just(Removed),
        1 => any::<bool>().prop_map(Suspend),
        2 => Just(Approve),
        2 => Just(Rival),
        2 => taken.prop_map(Foreign),
    ]
}

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        self.log.push(format!("{}: {event:?}", self.now));
        match event {
            Event::Cps(event) => self.cps_goes_on(event),
            Event::Operator(event) => self.the_operator_fails(event),
            Event::Others(event) => self.others_act(event),
        }
    }

    fn cps_goes_on(&mut self, event: OfCps) {
        match event {
            OfCps::Advance => self.advance_cps(),
            OfCps::Proceed(moves) => self.proceed(moves),
            OfCps::Pass(seconds) => self.pass(Duration::from_secs(seconds)),
            OfCps::Rotate => self.cps.rotate(self.now),
            OfCps::Slow(slow) => self.cps.mood.slow = slow,
            OfCps::Renew => self.cps.renew(),
            OfCps::Warn(warns) => self.cps.mood.warns = warns,
            OfCps::Deploys(at_first) => self.cps.mood.deploys_at_first = at_first,
        }
    }

    fn the_operator_fails(&mut self, event: OfTheOperator) {
        match event {
            OfTheOperator::Create(fault) => self.create_fault = Some(fault),
            OfTheOperator::Fail(calls) => self.failing_calls = calls,
            OfTheOperator::UpdateLost => self.update_lost = true,
            OfTheOperator::Crash(crash) => self.crash = Some(crash),
            OfTheOperator::TakeOver(lag) => self.take_over(lag),
            // With neither annotation nor status, nothing tells our enrollment from a foreign one.
            OfTheOperator::StatusLost
                if self.me.recorded().is_some() || self.status().enrollment_id.is_none() =>
            {
                self.me.change().status =
                    Some(CertificateStatus { observed_generation: -1, ..Default::default() });
                self.restart();
            }
            OfTheOperator::AnnotationsLost if self.status().enrollment_id.is_some() => {
                let annotations = self.me.change().metadata.annotations.get_or_insert_default();
                annotations.remove(ENROLLMENT_ID_ANNOTATION);
                annotations.remove(INTENT_ANNOTATION);
                self.restart();
            }
            OfTheOperator::StatusLost | OfTheOperator::AnnotationsLost => {}
        }
    }

    fn others_act(&mut self, event: OfOthers) {
        match event {
            OfOthers::EditElsewhere => self.cps.edit_elsewhere(),
            OfOthers::StagesElsewhere => self.cps.stages_elsewhere(),
            OfOthers::Removed => {
                self.cps.remove_elsewhere();
                self.removed = true;
            }
            OfOthers::Foreign(Taken::Nowhere) => self.cps.foreign = None,
            OfOthers::Foreign(taken) if self.cps.ours.is_empty() => self.cps.foreign = Some(taken),
            OfOthers::Foreign(_) => {}
            OfOthers::Network(works) => self.network = works,
            OfOthers::Outside(look) => self.outside = look,
            OfOthers::ZoneRefuses(refuses) => self.zone_refuses = refuses,
            OfOthers::Unpublish(what) => self.unpublish(what),
            OfOthers::Solver(ready) => {
                self.solver(ready);
                self.look();
            }
            OfOthers::Account(ready) => {
                self.account = ready;
                self.look();
            }
            OfOthers::Approve => self.approve(),
            OfOthers::Rival => self.rival(),
            OfOthers::FurtherName(further) => self.edit(|spec| {
                let names = ["api.example.com", "new.example.com"].map(str::to_owned);
                spec.dns_names = Some(names[..1 + usize::from(further)].to_vec());
            }),
            OfOthers::Way(ways) => self.edit(|spec| spec.validation = Some(ways.validation())),
            OfOthers::Suspend(suspend) => self.edit(|spec| spec.suspend = suspend.then_some(true)),
            OfOthers::RenewBefore => {
                let now = self.now.to_string();
                let annotations = self.me.change().metadata.annotations.get_or_insert_default();
                if annotations.insert(RENEW_BEFORE_ANNOTATION.into(), now.clone()) != Some(now) {
                    self.renewals_asked += 1;
                }
                self.look();
            }
        }
    }

    fn unpublish(&mut self, what: Published) {
        let published = &mut self.me.published;
        match what {
            Published::ConfigMap => {
                self.forgotten.extend(self.zone.iter().cloned());
                published.config_map = None;
            }
            Published::Record => self.zone.clear(),
            Published::Ingress => published.ingresses.clear(),
            Published::Service => {
                published.service = None;
                published.endpoint_slices.clear();
                self.share();
            }
        }
        self.look();
    }

    fn edit(&mut self, edit: impl FnOnce(&mut CertificateSpec)) {
        let mut spec = self.me.certificate.spec.clone();
        edit(&mut spec);
        if self.me.certificate.spec != spec {
            let certificate = self.me.change();
            certificate.spec = spec;
            *certificate.metadata.generation.get_or_insert_default() += 1;
            self.look();
        }
    }

    fn proceed(&mut self, moves: u32) {
        for _ in 0..moves {
            self.advance_cps();
            self.pass(Duration::from_secs(300));
        }
    }

    /// CPS goes on, and the user approves, until a certificate that nothing disturbs is Ready.
    pub(super) fn settle(&mut self) {
        for _ in 0..16 {
            self.approve();
            self.advance_cps();
            self.pass(Duration::from_secs(300));
        }
    }

    /// Every disturbance ends; CPS goes on by itself.
    pub(super) fn recover(&mut self) {
        self.failing_calls = 0;
        self.create_fault = None;
        self.crash = None;
        self.network = true;
        self.update_lost = false;
        self.happen(Event::Cps(OfCps::Warn(false)));
        self.happen(Event::Cps(OfCps::Deploys(None)));
        for event in [
            OfOthers::Foreign(Taken::Nowhere),
            OfOthers::Outside(Outside::AsNeeded),
            OfOthers::ZoneRefuses(false),
            OfOthers::Suspend(false),
            OfOthers::Solver(true),
            OfOthers::Account(true),
        ] {
            self.happen(Event::Others(event));
        }
        self.end_rivalry();
        // A list from before shows for some seconds what is not there any more.
        self.pass(Duration::from_secs(60));
        // What others have left or removed in CPS, the user leaves to the operator.
        if self.setting.made_before || self.setting.rival.is_some() || self.removed {
            self.edit(|spec| {
                spec.adoption_policy = Some(AdoptionPolicy::AdoptOrCreate);
                spec.recreate_policy = Some(RecreatePolicy::Recreate);
            });
        } else {
            self.edit(|spec| {
                spec.adoption_policy = spec.adoption_policy.map(|_| AdoptionPolicy::AdoptOrCreate)
            });
        }
        // Two days: a token lives for seven, and CPS is polled every 15 minutes at least.
        for _ in 0..2 * 24 * 6 {
            self.approve();
            self.advance_cps();
            self.pass(Duration::from_secs(600));
        }
    }
}

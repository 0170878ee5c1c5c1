//! Whatever happens in whatever order, also what cannot happen: a call ends once, every offer and
//! every leg that it began ends once, and until then it waits for something that will come.

use std::collections::BTreeSet;

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;
use uuid::Uuid;

use super::*;
use crate::core::routing::{Busy, DeviceFacts, Facts, route};
use crate::core::sample::{at, call_to, channel, snapshot, step, user};
use crate::core::snapshot::{Snapshot, Strategy};

const USERS: [&str; 4] = ["anna", "bjorn", "carl", "dora"];

const STRATEGIES: [Strategy; 4] = [
    Strategy::RingAll,
    Strategy::Progressive,
    Strategy::Sequential,
    Strategy::RoundRobin,
];

#[derive(Clone, Debug)]
enum Gust {
    Progress(u8),
    Answer(u8, bool),
    Reject(u8, u16),
    LegEnds(u8),
    Digit(u8, char),
    GivesUp,
    HangsUp,
    Breaks,
    PlayingEnds,
    Prepared(bool),
    RecordingEnds(u64, RecordingEnd),
    Candidates(Cause),
    Hold(bool, bool),
    Silent(bool),
    Heard(bool),
    Pinged(bool, bool),
    Stop,
    Time,
}

fn gusts() -> impl Generator<Value = Vec<Gust>> {
    let status = prop::sample::select(vec![302u16, 404, 408, 480, 486, 503, 600, 603]);
    let why = prop::sample::select(vec![
        RecordingEnd::Stopped,
        RecordingEnd::Pound,
        RecordingEnd::Failed,
    ]);
    let cause = prop::sample::select(vec![Cause::BecameFree, Cause::BecameBusy]);
    let gust = prop_oneof![
        4 => any::<u8>().prop_map(Gust::Progress),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(leg, digits)| Gust::Answer(leg, digits)),
        6 => (any::<u8>(), status).prop_map(|(leg, status)| Gust::Reject(leg, status)),
        1 => any::<u8>().prop_map(Gust::LegEnds),
        2 => (any::<u8>(), prop::sample::select(vec!['1', '2', '#']))
            .prop_map(|(leg, digit)| Gust::Digit(leg, digit)),
        1 => Just(Gust::GivesUp),
        1 => Just(Gust::HangsUp),
        1 => Just(Gust::Breaks),
        4 => Just(Gust::PlayingEnds),
        3 => any::<bool>().prop_map(Gust::Prepared),
        2 => (0..5_000u64, why).prop_map(|(millis, why)| Gust::RecordingEnds(millis, why)),
        3 => cause.prop_map(Gust::Candidates),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(side, holds)| Gust::Hold(side, holds)),
        2 => any::<bool>().prop_map(Gust::Silent),
        1 => any::<bool>().prop_map(Gust::Heard),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(side, alive)| Gust::Pinged(side, alive)),
        1 => Just(Gust::Stop),
        10 => Just(Gust::Time),
    ];
    prop::collection::vec(gust, 1..40)
}

/// The call and everything that it asked for.
struct World {
    call: Call,
    snapshot: Snapshot,
    now: Now,
    seed: u64,
    next_leg: u128,
    /// Legs that began and have not ended.
    legs: Vec<LegId>,
    /// All there ever were: events may come late.
    all_legs: Vec<LegId>,
    answered: BTreeSet<LegId>,
    offers: BTreeSet<UserName>,
    talking: bool,
    caller: bool,
    finished: Option<Ending>,
    recording: bool,
    voicemail: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let strategy = |shift: u64| STRATEGIES[((seed >> shift) % 4) as usize];
        let mut first = step(strategy(0), &USERS, &[]);
        first.max_ringing = 1 + (seed >> 6) as usize % 3;
        let second = step(strategy(2), &["carl", "anna"], &[]);
        let people = USERS.iter().map(|name| user(name)).collect();
        let mut world = World {
            call: Call::new(),
            snapshot: snapshot(people, vec![], vec![channel(vec![first, second])]),
            now: at("2026-12-02T09:00:00Z"),
            seed,
            next_leg: 0,
            legs: Vec::new(),
            all_legs: Vec::new(),
            answered: BTreeSet::new(),
            offers: BTreeSet::new(),
            talking: false,
            caller: true,
            finished: None,
            recording: false,
            voicemail: false,
        };
        world.drain();
        world
    }

    fn throw(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }

    fn handle(&mut self, event: Event) {
        self.call.handle(event, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.call.poll_action() {
            assert!(self.finished.is_none(), "{action:?} after the end");
            self.carry_out(action);
        }
        if self.call.is_over() {
            assert!(self.finished.is_some(), "over without an outcome");
            assert_eq!(self.call.next_timeout(), None);
            assert!(self.legs.is_empty(), "legs left: {:?}", self.legs);
            assert!(self.offers.is_empty(), "offers left: {:?}", self.offers);
            assert!(!self.caller, "the caller is left on the line");
        } else if let State::Ringing(_) | State::Completing { .. } = self.call.state {
            assert!(self.call.next_timeout().is_some(), "waits for ever");
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Select(selection) => self.select(selection),
            Action::Offer { user } => {
                assert!(self.offers.insert(user.clone()), "{user} is offered twice");
                let count = self.throw() % 3;
                let legs: Vec<_> = (0..count).map(|_| self.begin_leg()).collect();
                let event = Event::OfferStarted { user, legs };
                self.call.handle(event, self.now);
            }
            Action::EndOffer { user, .. } => {
                assert!(self.offers.remove(&user), "{user} had no offer");
            }
            Action::CancelLeg { leg, .. } | Action::HangUpLeg { leg, .. } => self.end_leg(leg),
            Action::Connect { leg, user } => {
                assert!(self.legs.contains(&leg), "connects a leg that is gone");
                assert!(self.offers.remove(&user), "{user} had no offer");
                assert!(!self.talking && self.caller);
                self.talking = true;
            }
            Action::AnswerWithPrompt { .. } => {
                assert!(self.legs.is_empty(), "phones ring during the prompt");
                assert!(self.offers.is_empty());
                assert!(self.caller);
            }
            Action::PrepareVoicemail => self.voicemail = true,
            Action::Record => self.recording = true,
            Action::StopRecording => assert!(self.recording),
            Action::KeepVoicemail { .. } | Action::DiscardVoicemail => {
                assert!(self.voicemail, "settled twice, or never begun");
                self.voicemail = false;
            }
            Action::RefuseCaller { .. } | Action::HangUpCaller { .. } => {
                assert!(self.caller, "the caller is gone already");
                self.caller = false;
            }
            Action::SendRinging
            | Action::AskToAccept { .. }
            | Action::Beep
            | Action::PlayHold(_)
            | Action::StopHold(_)
            | Action::Ping(_) => {}
            Action::Finish(ending) => {
                assert!(self.finished.is_none());
                self.finished = Some(ending);
            }
        }
    }

    fn begin_leg(&mut self) -> (LegId, LegKind) {
        self.next_leg += 1;
        let leg = LegId(Uuid::from_u128(self.next_leg));
        self.legs.push(leg);
        self.all_legs.push(leg);
        let kind = match self.throw() % 3 {
            0 => LegKind::External,
            _ => LegKind::Device,
        };
        (leg, kind)
    }

    fn end_leg(&mut self, leg: LegId) {
        let before = self.legs.len();
        self.legs.retain(|one| *one != leg);
        assert!(self.legs.len() < before, "leg {leg} ended twice");
    }

    fn select(&mut self, selection: Selection) {
        let mut facts = Facts::default();
        for name in USERS {
            let throw = self.throw();
            let person = facts.users.of(name);
            person.devices = DeviceFacts {
                reachable: u32::from(!throw.is_multiple_of(5)),
                ..DeviceFacts::default()
            };
            person.busy = match throw / 5 % 4 {
                0 => Busy::Ringing(crate::core::id::CallId(Uuid::from_u128(7))),
                1 => Busy::OnCall(crate::core::id::CallId(Uuid::from_u128(8))),
                _ => Busy::Free,
            };
        }
        let request = call_to("main-line".into(), selection);
        let decision = route(&self.snapshot, &facts, &request, self.now);
        self.call
            .handle(Event::Selected(Box::new(decision)), self.now);
    }

    /// One of all legs; sometimes one that never was.
    fn leg(&self, number: u8) -> LegId {
        let count = self.all_legs.len() + 1;
        let place = usize::from(number) % count;
        let stranger = LegId(Uuid::from_u128(999));
        self.all_legs.get(place).copied().unwrap_or(stranger)
    }

    fn side(&self, caller: bool) -> Side {
        match (&self.call.state, caller) {
            (State::Talking(talking), false) => Side::Leg(talking.leg),
            _ => Side::Caller,
        }
    }

    fn blow(&mut self, gust: Gust) {
        match gust {
            Gust::Progress(leg) => {
                let leg = self.leg(leg);
                self.handle(Event::LegProgressed { leg });
            }
            Gust::Answer(leg, digits) => {
                let leg = self.leg(leg);
                // The engine reports of no leg that it was told to end, and an answer once.
                if self.legs.contains(&leg) && self.answered.insert(leg) {
                    self.handle(Event::LegAnswered { leg, digits });
                }
            }
            Gust::Reject(leg, status) => {
                let leg = self.leg(leg);
                let talks =
                    matches!(&self.call.state, State::Talking(talking) if talking.leg == leg);
                if self.legs.contains(&leg) && !talks {
                    self.legs.retain(|one| *one != leg);
                    self.handle(Event::LegRejected { leg, status });
                }
            }
            Gust::LegEnds(leg) => {
                let leg = self.leg(leg);
                if self.legs.contains(&leg) {
                    self.legs.retain(|one| *one != leg);
                    self.handle(Event::LegEnded { leg });
                }
            }
            Gust::Digit(leg, digit) => {
                let leg = self.leg(leg);
                if self.legs.contains(&leg) {
                    self.handle(Event::DigitPressed { leg, digit });
                }
            }
            Gust::GivesUp => self.leave(Event::CallerGaveUp),
            Gust::HangsUp => self.leave(Event::CallerHungUp),
            Gust::Breaks => self.leave(Event::CallerFailed {
                detail: "broke".to_owned(),
            }),
            Gust::PlayingEnds => self.handle(Event::PlayingEnded),
            Gust::Prepared(fine) => {
                let result = fine.then_some(()).ok_or_else(|| "full".to_owned());
                self.handle(Event::VoicemailPrepared(result));
            }
            Gust::RecordingEnds(millis, why) => {
                if self.recording {
                    self.recording = false;
                    let length = Duration::from_millis(millis);
                    self.handle(Event::RecordingEnded { why, length });
                }
            }
            Gust::Candidates(cause) => self.handle(Event::CandidatesChanged(cause)),
            Gust::Hold(caller, holds) => {
                let side = self.side(caller);
                self.handle(if holds {
                    Event::Held(side)
                } else {
                    Event::Resumed(side)
                });
            }
            Gust::Silent(caller) => self.handle(Event::FellSilent(self.side(caller))),
            Gust::Heard(caller) => self.handle(Event::HeardAgain(self.side(caller))),
            Gust::Pinged(caller, alive) => {
                let side = self.side(caller);
                self.handle(Event::Pinged { side, alive });
            }
            Gust::Stop => self.handle(Event::ShutDown),
            Gust::Time => self.pass(),
        }
    }

    fn leave(&mut self, event: Event) {
        if std::mem::take(&mut self.caller) {
            self.handle(event);
        }
    }

    /// On to the next timer.
    fn pass(&mut self) {
        let Some((_, until)) = self.call.next_timeout() else {
            return;
        };
        let passed = until.since(self.now.mono);
        self.now = Now::new(self.now.mono.max(until), self.now.wall + passed);
        self.call.handle_timeout(self.now);
        self.drain();
        if let Some((timer, at)) = self.call.next_timeout() {
            assert!(at > self.now.mono, "{timer:?} does not pass");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_call_ends_once_and_leaves_nothing(seed in any::<u64>(), gusts in gusts()) {
        let mut world = World::new(seed);
        for gust in gusts {
            world.blow(gust);
        }
        world.leave(Event::CallerGaveUp);
        for _ in 0..3 {
            world.pass();
        }
        prop_assert!(world.call.is_over(), "goes on without its caller: {}", world.call.describe());
    }

    #[test]
    fn a_caller_who_waits_is_not_kept_ringing_for_ever(seed in any::<u64>(), gusts in gusts()) {
        let mut world = World::new(seed);
        for gust in gusts {
            world.blow(gust);
        }
        for _ in 0..200 {
            if !matches!(world.call.state, State::Ringing(_)) {
                break;
            }
            world.pass();
        }
        prop_assert!(!matches!(world.call.state, State::Ringing(_)));
    }
}

//! Storms: calls arrive, are declined, time out, are accepted and hung up while phones come and go
//! and the configuration is replaced; what the desk promises must hold after every gust.

use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::{
    ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::core::id::RandomSource;
use crate::core::routing::{
    Busy, Decision, DeviceFacts, Facts, Outcome, Progress, Selection, route,
};
use crate::core::sample::{self, STRATEGIES, at, call_to, channel, snapshot, step, team, user};
use crate::core::snapshot::{Snapshot, Strategy, TieBreak};
use crate::core::time::Mono;

const USERS: [&str; 6] = ["anna", "bjorn", "carl", "dora", "eva", "finn"];

/// Longer than all steps of a rule with every turn and all wrap-up times.
const LONG: Duration = Duration::from_secs(600);

/// One thing that happens. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Gust {
    Arrive(usize),
    Fail(usize, Attempt),
    Accept(usize),
    HangUp(usize),
    Pass(u64),
    Phone(usize),
    Reload(usize),
    Close(usize),
}

/// A step in numbers.
#[derive(Clone, Debug)]
struct StepPlan {
    strategy: Strategy,
    users: Vec<usize>,
    team: bool,
    max_ringing: usize,
    tie_break: TieBreak,
}

/// A configuration in numbers.
#[derive(Clone, Debug)]
struct Plan {
    /// The steps of each channel.
    steps: Vec<Vec<StepPlan>>,
    wrap_up: Vec<u64>,
    seats: Vec<bool>,
    members: Vec<usize>,
}

fn strategies() -> impl Generator<Value = Strategy> {
    prop::sample::select(STRATEGIES.to_vec())
}

fn tie_breaks() -> impl Generator<Value = TieBreak> {
    prop::sample::select(vec![
        TieBreak::MostRecentlyAssigned,
        TieBreak::LeastRecentlyAssigned,
        TieBreak::Listed,
        TieBreak::Random,
    ])
}

fn plans() -> impl Generator<Value = Plan> {
    let users = || prop::collection::vec(0..USERS.len(), 0..5);
    let step = (
        strategies(),
        users(),
        any::<bool>(),
        1..4usize,
        tie_breaks(),
    )
        .prop_map(|(strategy, users, team, max_ringing, tie_break)| StepPlan {
            strategy,
            users,
            team,
            max_ringing,
            tie_break,
        });
    let steps = prop::collection::vec(prop::collection::vec(step, 0..3), 2);
    let wrap_up = prop::collection::vec(prop::sample::select(vec![0, 0, 5, 30]), USERS.len());
    let seats = prop::collection::vec(prop::bool::weighted(0.9), USERS.len());
    (steps, wrap_up, seats, users()).prop_map(|(steps, wrap_up, seats, members)| Plan {
        steps,
        wrap_up,
        seats,
        members,
    })
}

fn gusts() -> impl Generator<Value = Vec<Gust>> {
    let attempts = prop::sample::select(vec![
        Attempt::Declined,
        Attempt::TimedOut,
        Attempt::Unreachable,
    ]);
    let gust = prop_oneof![
        4 => (0..2usize).prop_map(Gust::Arrive),
        3 => (0..100usize, attempts).prop_map(|(which, attempt)| Gust::Fail(which, attempt)),
        2 => (0..100usize).prop_map(Gust::Accept),
        2 => (0..100usize).prop_map(Gust::HangUp),
        3 => (0..20_000u64).prop_map(Gust::Pass),
        2 => (0..USERS.len()).prop_map(Gust::Phone),
        1 => (0..3usize).prop_map(Gust::Reload),
        1 => (0..USERS.len()).prop_map(Gust::Close),
    ];
    prop::collection::vec(gust, 1..60)
}

fn configuration(plan: &Plan) -> Snapshot {
    let people = USERS
        .iter()
        .zip(plan.seats.iter().zip(&plan.wrap_up))
        .map(|(name, (seat, wrap_up))| {
            let mut person = user(name);
            person.seat = person.seat.filter(|_| *seat);
            person.wrap_up = Duration::from_secs(*wrap_up);
            person
        })
        .collect();
    let some = |places: &[usize]| places.iter().map(|place| USERS[*place]).collect::<Vec<_>>();
    let channels = plan.steps.iter().enumerate().map(|(number, steps)| {
        let steps = steps.iter().map(|plan| {
            let teams: &[&str] = if plan.team { &["support"] } else { &[] };
            let mut step = step(plan.strategy, &some(&plan.users), teams);
            step.max_ringing = plan.max_ringing;
            step.tie_break = plan.tie_break;
            step
        });
        let mut channel = channel(steps.collect());
        channel.name = format!("channel-{number}").into();
        sample::call(&mut channel).numbers.clear();
        channel
    });
    snapshot(
        people,
        vec![team("support", &some(&plan.members))],
        channels.collect(),
    )
}

/// A call as the engine would lead it.
struct Call {
    snapshot: Rc<Snapshot>,
    channel: ChannelName,
    progress: Option<Progress>,
    turn_ends: Option<Mono>,
    step_ends: Mono,
    state: State,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Ringing,
    Talking(UserName),
    Ended(&'static str),
}

struct World {
    desk: Desk,
    snapshots: Vec<Rc<Snapshot>>,
    snapshot: Rc<Snapshot>,
    random: RandomSource,
    now: Now,
    phones: BTreeMap<UserName, bool>,
    calls: BTreeMap<CallId, Call>,
}

impl World {
    fn new(plans: &[Plan]) -> World {
        let snapshots: Vec<_> = plans
            .iter()
            .map(|plan| Rc::new(configuration(plan)))
            .collect();
        World {
            desk: Desk::new(),
            snapshot: snapshots[0].clone(),
            snapshots,
            random: RandomSource::from_seed([3; 32]),
            now: at("2026-12-02T09:00:00Z"),
            phones: USERS
                .iter()
                .map(|name| (UserName::from(*name), true))
                .collect(),
            calls: BTreeMap::new(),
        }
    }

    fn blow(&mut self, gust: &Gust) {
        match gust {
            Gust::Arrive(channel) => self.arrive(*channel),
            Gust::Fail(which, attempt) => {
                if let Some((call, user)) = self.offer(*which) {
                    self.offer_ended(call, &user, *attempt);
                }
            }
            Gust::Accept(which) => {
                if let Some((call, user)) = self.offer(*which) {
                    self.desk.accepted(call, &user, self.now);
                    self.call(call).state = State::Talking(user);
                }
            }
            Gust::HangUp(which) => self.hang_up(*which),
            Gust::Pass(millis) => self.pass(Duration::from_millis(*millis)),
            Gust::Phone(user) => {
                let user = UserName::from(USERS[*user]);
                let phone = self.phones.get_mut(&user).unwrap();
                *phone = !*phone;
                self.desk.reachability_changed(&user);
            }
            Gust::Reload(which) => {
                self.snapshot = self.snapshots[*which].clone();
                self.desk.snapshot_changed(&self.snapshot, self.now);
            }
            Gust::Close(user) => self.desk.conversation_closed(&USERS[*user].into()),
        }
        self.drain();
    }

    fn arrive(&mut self, channel: usize) {
        let id = CallId(self.random.uuid(self.now.wall));
        let call = Call {
            snapshot: self.snapshot.clone(),
            channel: format!("channel-{channel}").into(),
            progress: None,
            turn_ends: None,
            step_ends: self.now.mono,
            state: State::Ringing,
        };
        self.calls.insert(id, call);
        self.select(id, Selection::First);
    }

    fn select(&mut self, id: CallId, selection: Selection) {
        let call = self.calls.get_mut(&id).unwrap();
        let request = call_to(call.channel.clone(), selection);
        let phones = &self.phones;
        let devices = |user: &UserName| DeviceFacts {
            reachable: u32::from(phones[user]),
            ..DeviceFacts::default()
        };
        let (facts, decision) = self.desk.select(
            &call.snapshot,
            &request,
            id,
            &devices,
            &mut self.random,
            self.now,
        );
        let again = route(&call.snapshot, &through_json(&facts), &request, self.now);
        assert_eq!(
            again, decision,
            "the facts that are kept give the same decision"
        );
        call.decided(&decision, self.now);
        if let State::Ended(_) = call.state {
            self.desk.call_ended(id, self.now);
        }
    }

    fn again(&mut self, id: CallId, cause: Cause) {
        let mut progress = self.calls[&id].progress.clone().unwrap();
        progress.cause = cause;
        self.select(id, Selection::Next(Box::new(progress)));
    }

    fn offer_ended(&mut self, id: CallId, user: &UserName, attempt: Attempt) {
        self.call(id)
            .progress
            .as_mut()
            .unwrap()
            .offer_ended(user, attempt);
        self.desk
            .offer_ended(id, user, OfferEnd::Failed(attempt), self.now);
        self.again(id, Cause::OfferEnded);
    }

    fn hang_up(&mut self, which: usize) {
        let going: Vec<CallId> = self.going().collect();
        let Some(id) = going.get(which % going.len().max(1)).copied() else {
            return;
        };
        self.desk.call_ended(id, self.now);
        let call = self.call(id);
        call.state = State::Ended(match call.state {
            State::Talking(_) => "answered",
            State::Ringing | State::Ended(_) => "missed",
        });
    }

    /// Lets time pass, from one timer to the next.
    fn pass(&mut self, span: Duration) {
        let end = self.now.mono + span;
        loop {
            let calls = self
                .calls
                .iter()
                .filter(|(_, call)| call.state == State::Ringing);
            let timers = calls.flat_map(|(id, call)| {
                let turn = call.turn_ends.map(|at| (at, 1, *id));
                [Some((call.step_ends, 0, *id)), turn].into_iter().flatten()
            });
            let next = timers.min();
            let wrap_up = self.desk.next_timeout();
            let at = match (next, wrap_up) {
                (Some((at, ..)), Some(wrap_up)) => at.min(wrap_up),
                (Some((at, ..)), None) => at,
                (None, Some(wrap_up)) => wrap_up,
                (None, None) => end,
            };
            let at = at.max(self.now.mono).min(end);
            let passed = at.since(self.now.mono);
            self.now = Now::new(at, self.now.wall + passed);
            self.desk.handle_timeout(self.now);
            match next {
                Some((due, 0, id)) if due <= at => self.step_ended(id),
                Some((due, _, id)) if due <= at => self.turn_ended(id),
                _ if at == end => break,
                _ => {}
            }
            self.drain();
        }
    }

    fn step_ended(&mut self, id: CallId) {
        let now = self.now;
        let call = self.call(id);
        let time = call.step().ring;
        let progress = call.progress.as_mut().unwrap();
        let ringing = progress.ringing.clone();
        assert!(now.wall.since(progress.step_began) >= time, "has its time");
        progress.step_ended(now);
        for user in &ringing {
            self.desk
                .offer_ended(id, user, OfferEnd::Failed(Attempt::TimedOut), now);
        }
        self.again(id, Cause::StepEnded);
    }

    fn turn_ended(&mut self, id: CallId) {
        let call = self.call(id);
        call.turn_ends = None;
        let progress = call.progress.as_ref().unwrap();
        let step = call.step();
        if step.strategy == Strategy::Progressive {
            return self.again(id, Cause::AddOne);
        }
        if let Some(user) = progress.ringing.first().cloned() {
            self.offer_ended(id, &user, Attempt::TimedOut);
        }
    }

    fn drain(&mut self) {
        while let Some(Action::Reselect { call, cause }) = self.desk.poll_action() {
            assert_eq!(
                self.calls[&call].state,
                State::Ringing,
                "only who rings is let select"
            );
            self.again(call, cause);
        }
    }

    fn call(&mut self, id: CallId) -> &mut Call {
        self.calls.get_mut(&id).unwrap()
    }

    fn going(&self) -> impl Iterator<Item = CallId> {
        let going = self
            .calls
            .iter()
            .filter(|(_, call)| !matches!(call.state, State::Ended(_)));
        going.map(|(id, _)| *id)
    }

    fn offer(&self, which: usize) -> Option<(CallId, UserName)> {
        let offers: Vec<(CallId, UserName)> = self.offers().collect();
        offers.get(which % offers.len().max(1)).cloned()
    }

    fn offers(&self) -> impl Iterator<Item = (CallId, UserName)> {
        let ringing = self
            .calls
            .iter()
            .filter(|(_, call)| call.state == State::Ringing);
        ringing.flat_map(|(id, call)| {
            let ringing = call.progress.iter().flat_map(|progress| &progress.ringing);
            ringing.map(|user| (*id, user.clone()))
        })
    }

    fn check(&mut self) {
        let mut expected: BTreeMap<UserName, Busy> = BTreeMap::new();
        for (id, user) in self.offers() {
            let before = expected.insert(user, Busy::Ringing(id));
            assert_eq!(before, None, "rung by two calls at once");
        }
        for (id, call) in &self.calls {
            if let State::Talking(user) = &call.state {
                let before = expected.insert(user.clone(), Busy::OnCall(*id));
                assert_eq!(before, None, "rung or engaged besides");
            }
        }
        for user in self.phones.keys() {
            let expected = expected.remove(user).unwrap_or(Busy::Free);
            assert_eq!(self.desk.busy(user), expected, "{user}");
        }
        let going: Vec<CallId> = self.going().collect();
        assert_eq!(self.desk.calls(), going.len());
        for id in going {
            self.check_waiting(id);
        }
    }

    /// A call that rings nobody would ring nobody if it asked now.
    fn check_waiting(&mut self, id: CallId) {
        let call = &self.calls[&id];
        let ringing = call
            .progress
            .as_ref()
            .map_or(0, |progress| progress.ringing.len());
        if call.state != State::Ringing || ringing > 0 || call.step_ends <= self.now.mono {
            return;
        }
        let (desk, random) = (self.desk.clone(), RandomSource::from_seed([9; 32]));
        let kept = (
            std::mem::replace(&mut self.desk, desk),
            std::mem::replace(&mut self.random, random),
            call.progress.clone(),
        );
        self.again(id, Cause::BecameFree);
        let (desk, random, progress) = kept;
        let call = self.calls.get_mut(&id).unwrap();
        let rings = call
            .progress
            .as_ref()
            .map_or(0, |progress| progress.ringing.len());
        let state = std::mem::replace(&mut call.state, State::Ringing);
        assert_eq!(
            (state, rings),
            (State::Ringing, 0),
            "waits while somebody is free"
        );
        (self.desk, self.random, call.progress) = (desk, random, progress);
    }
}

impl Call {
    fn decided(&mut self, decision: &Decision, now: Now) {
        let begins = match &mut self.progress {
            Some(progress) => progress.advance(decision, now),
            None => {
                self.progress = Progress::begin(decision, now);
                true
            }
        };
        let ring = match &decision.outcome {
            Outcome::Ring(ring) => {
                let turn = ring
                    .ring_each
                    .filter(|_| ring.strategy != Strategy::Progressive || ring.more);
                self.turn_ends = turn.map(|turn| now.mono + turn);
                ring.ring
            }
            Outcome::Wait { ring, .. } => *ring,
            Outcome::Assign { .. } | Outcome::CustomerAgent { .. } | Outcome::Unassigned { .. } => {
                panic!("no outcome of a call: {decision:?}")
            }
            Outcome::Voicemail { .. } => {
                self.state = State::Ended("voicemail");
                return;
            }
            Outcome::Refuse { .. } => {
                self.state = State::Ended("refused");
                return;
            }
        };
        if begins {
            self.step_ends = now.mono + ring;
        }
    }

    fn step(&self) -> &crate::core::snapshot::Step {
        let channel = self.snapshot.channel(&self.channel).unwrap();
        &channel.working_hours.steps[self.progress.as_ref().unwrap().step]
    }
}

fn through_json(facts: &Facts) -> Facts {
    serde_json::from_str(&serde_json::to_string(facts).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_rung_twice_nobody_stays_engaged_and_every_call_ends(
        plans in prop::collection::vec(plans(), 3),
        gusts in gusts(),
    ) {
        let mut world = World::new(&plans);
        for gust in &gusts {
                world.blow(gust);
            world.check();
        }
        for _ in 0..2 {
            world.pass(LONG);
            world.check();
            for id in world.going().collect::<Vec<_>>() {
                prop_assert!(
                    matches!(world.calls[&id].state, State::Talking(_)),
                    "a call rings for ever"
                );
                world.hang_up(0);
            }
        }
        world.drain();
        world.pass(LONG);
        prop_assert_eq!(world.going().count(), 0);
        prop_assert_eq!(world.desk.calls(), 0);
        prop_assert!(world.desk.sought.is_empty() && world.desk.freed.is_empty());
        prop_assert!(world.desk.arrivals.is_empty() && world.desk.wrapping_up.is_empty());
        prop_assert!(world.desk.people.values().all(Person::is_free));
    }
}

use std::time::Duration;

use super::*;
use crate::core::id::RandomSource;
use crate::core::routing::{Busy, DeviceFacts, Outcome, Progress, Selection};
use crate::core::sample::{add, at, call_to, channel, snapshot, step, user};
use crate::core::snapshot::{PerKind, Snapshot, Strategy};

const NOON: &str = "2026-12-02T12:00:00Z";

/// A desk with its clock and its calls.
struct Office {
    desk: Desk,
    snapshot: Snapshot,
    random: RandomSource,
    now: Now,
    without_phone: Vec<UserName>,
    progress: BTreeMap<CallId, Progress>,
}

fn office(strategy: Strategy, users: &[&str]) -> Office {
    let people = users.iter().map(|name| user(name)).collect();
    let steps = vec![step(strategy, users, &[])];
    Office {
        desk: Desk::new(),
        snapshot: snapshot(people, vec![], vec![channel(steps)]),
        random: RandomSource::from_seed([7; 32]),
        now: at(NOON),
        without_phone: Vec::new(),
        progress: BTreeMap::new(),
    }
}

fn id(number: u128) -> CallId {
    CallId(uuid::Uuid::from_u128(number))
}

fn name(text: &str) -> UserName {
    UserName::from(text)
}

impl Office {
    fn select(&mut self, call: u128, selection: Selection) -> String {
        let request = call_to("main-line".into(), selection);
        let without_phone = self.without_phone.clone();
        let devices = |user: &UserName| DeviceFacts {
            reachable: u32::from(!without_phone.contains(user)),
            ..DeviceFacts::default()
        };
        let (_, decision) = self.desk.select(
            &self.snapshot,
            &request,
            id(call),
            &devices,
            &mut self.random,
            self.now,
        );
        match self.progress.get_mut(&id(call)) {
            Some(progress) => {
                progress.advance(&decision, self.now);
            }
            None => {
                let progress = Progress::begin(&decision, self.now);
                self.progress
                    .extend(progress.map(|progress| (id(call), progress)));
            }
        }
        match decision.outcome {
            Outcome::Ring(ring) => ring
                .users
                .iter()
                .map(|user| user.to_string())
                .collect::<Vec<_>>()
                .join(" "),
            Outcome::Wait { .. } => "wait".to_owned(),
            Outcome::Voicemail { .. } => "voicemail".to_owned(),
            Outcome::Assign { .. } => "assign".to_owned(),
            Outcome::CustomerAgent { .. } => "customer agent".to_owned(),
            Outcome::Unassigned { .. } => "unassigned".to_owned(),
            Outcome::Refuse { .. } => "refuse".to_owned(),
        }
    }

    fn arrives(&mut self, call: u128) -> String {
        self.select(call, Selection::First)
    }

    fn again(&mut self, call: u128, cause: Cause) -> String {
        let mut progress = self.progress[&id(call)].clone();
        progress.cause = cause;
        self.select(call, Selection::Next(Box::new(progress)))
    }

    /// The user does not take the call, which goes on at once.
    fn declines(&mut self, call: u128, user: &str) -> String {
        let progress = self.progress.get_mut(&id(call)).unwrap();
        progress.offer_ended(&name(user), Attempt::Declined);
        self.desk.offer_ended(
            id(call),
            &name(user),
            OfferEnd::Failed(Attempt::Declined),
            self.now,
        );
        self.again(call, Cause::OfferEnded)
    }

    fn accepts(&mut self, call: u128, user: &str) {
        self.desk.accepted(id(call), &name(user), self.now);
    }

    fn ends(&mut self, call: u128) {
        self.desk.call_ended(id(call), self.now);
    }

    fn passes(&mut self, seconds: u64) {
        let span = Duration::from_secs(seconds);
        self.now = Now::new(self.now.mono + span, self.now.wall + span);
        self.desk.handle_timeout(self.now);
    }

    /// Carries out what the desk wants: `2 anna` where call 2 rings Anna now.
    fn reselected(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(Action::Reselect { call, cause }) = self.desk.poll_action() {
            let number = call.0.as_u128();
            let outcome = self.again(number, cause);
            told.push(format!("{number} {outcome}"));
        }
        told
    }
}

#[test]
fn nobody_is_rung_by_two_calls_and_who_waits_gets_the_first_who_becomes_free() {
    let mut office = office(Strategy::RingAll, &["anna", "bjorn"]);
    assert_eq!(office.arrives(1), "anna bjorn");
    assert_eq!(office.arrives(2), "wait");
    assert_eq!(office.desk.poll_action(), None);
    assert_eq!(office.declines(1, "bjorn"), "wait");
    assert_eq!(office.reselected(), ["2 bjorn"]);
    office.accepts(1, "anna");
    assert_eq!(office.reselected(), [""; 0]);
    assert_eq!(office.desk.busy(&name("anna")), Busy::OnCall(id(1)));
    office.ends(1);
    assert_eq!(office.reselected(), ["2 anna"]);
}

#[test]
fn the_oldest_call_is_asked_first_and_each_claims_one() {
    let mut office = office(Strategy::Sequential, &["anna", "bjorn"]);
    assert_eq!(office.arrives(1), "anna");
    assert_eq!(office.arrives(2), "bjorn");
    for waiting in [3, 4, 5] {
        assert_eq!(office.arrives(waiting), "wait");
    }
    office.ends(1);
    office.ends(2);
    assert_eq!(office.reselected(), ["3 anna", "4 bjorn"]);
    office.ends(3);
    assert_eq!(office.reselected(), ["5 anna"]);
}

#[test]
fn who_declined_is_passed_on_to_the_next_that_waits() {
    let mut office = office(Strategy::Sequential, &["anna"]);
    assert_eq!(office.arrives(1), "anna");
    assert_eq!(office.arrives(2), "wait");
    assert_eq!(office.arrives(3), "wait");
    assert_eq!(office.declines(1, "anna"), "voicemail");
    assert_eq!(office.reselected(), ["2 anna"]);
    assert_eq!(office.declines(2, "anna"), "voicemail");
    assert_eq!(office.reselected(), ["3 anna"]);
}

#[test]
fn when_one_accepts_the_others_are_free_for_the_next_call() {
    let mut office = office(Strategy::RingAll, &["anna", "bjorn", "carl"]);
    assert_eq!(office.arrives(1), "anna bjorn carl");
    assert_eq!(office.arrives(2), "wait");
    office.accepts(1, "bjorn");
    assert_eq!(office.reselected(), ["2 anna carl"]);
    office
        .desk
        .offer_ended(id(1), &name("anna"), OfferEnd::Withdrawn, office.now);
    assert_eq!(
        office.desk.busy(&name("anna")),
        Busy::Ringing(id(2)),
        "an old offer ends only itself"
    );
}

#[test]
fn after_a_call_comes_the_wrap_up_time() {
    let mut office = office(Strategy::RingAll, &["anna"]);
    let mut anna = user("anna");
    anna.wrap_up = Duration::from_secs(10);
    office.snapshot.users = vec![anna, user("bjorn")].into();
    let mut busy = office.snapshot.channels[0].clone();
    busy.working_hours.steps[0].users.push(name("bjorn"));
    office.snapshot.channels = vec![busy].into();
    assert_eq!(office.arrives(1), "anna bjorn");
    office.accepts(1, "anna");
    assert_eq!(office.desk.next_timeout(), None);
    office.ends(1);
    assert_eq!(
        office.desk.next_timeout(),
        Some(office.now.mono + Duration::from_secs(10))
    );
    assert_eq!(office.arrives(2), "bjorn");
    office.passes(9);
    assert_eq!(office.reselected(), [""; 0]);
    office.passes(1);
    assert_eq!(office.reselected(), ["2 anna"]);
    assert_eq!(office.desk.next_timeout(), None);
}

#[test]
fn a_phone_that_registers_joins_the_call_that_looks_for_its_user() {
    let mut office = office(Strategy::RingAll, &["anna", "bjorn"]);
    office.without_phone = vec![name("bjorn")];
    assert_eq!(office.arrives(1), "anna");
    office.without_phone.clear();
    office.desk.reachability_changed(&name("bjorn"));
    office.desk.reachability_changed(&name("anna"));
    assert_eq!(office.reselected(), ["1 bjorn"]);
}

#[test]
fn who_becomes_available_is_rung_by_the_call_that_rings_others() {
    use crate::core::routing::Presence;
    for (strategy, joins) in [
        (Strategy::RingAll, &["1 bjorn"][..]),
        (Strategy::Progressive, &["1 bjorn"]),
        // One at a time: he is the next.
        (Strategy::Sequential, &[]),
    ] {
        let mut office = office(strategy, &["anna", "bjorn"]);
        office.desk.snapshot_changed(&office.snapshot, office.now);
        let (bjorn, now) = (name("bjorn"), office.now);
        office.desk.presence_said(&bjorn, Presence::Away, now);
        office.reselected();
        assert_eq!(office.arrives(1), "anna", "{strategy:?}");
        office.desk.presence_said(&bjorn, Presence::Available, now);
        assert!(matches!(
            office.desk.poll_action(),
            Some(Action::StorePresence(_))
        ));
        assert_eq!(office.reselected(), joins, "{strategy:?}");
        assert_eq!(
            office.declines(1, "anna"),
            if joins.is_empty() { "bjorn" } else { "wait" }
        );
    }
}

#[test]
fn who_has_room_for_a_call_again_is_rung_by_the_call_that_rings_others() {
    let mut office = office(Strategy::RingAll, &["anna", "bjorn"]);
    let mut bjorn = user("bjorn");
    bjorn.capacity.call = Some(1);
    office.snapshot.users = vec![user("anna"), bjorn].into();
    office.desk.snapshot_changed(&office.snapshot, office.now);
    assert_eq!(office.arrives(1), "anna bjorn");
    office.accepts(1, "bjorn");
    office.ends(1);
    assert_eq!(office.arrives(2), "anna");
    office.desk.conversation_closed(&name("bjorn"));
    assert_eq!(office.reselected(), ["2 bjorn"]);
}

#[test]
fn who_places_a_call_gets_no_other() {
    let mut office = office(Strategy::RingAll, &["anna", "bjorn"]);
    office.desk.placed(id(1), &name("anna"));
    assert_eq!(office.arrives(1), "bjorn");
    office.ends(1);
    assert_eq!(office.desk.busy(&name("anna")), Busy::Free);
    assert_eq!(office.arrives(2), "anna bjorn");
}

#[test]
fn offers_that_the_call_no_longer_knows_of_are_over() {
    let mut office = office(Strategy::RingAll, &["anna", "bjorn"]);
    assert_eq!(office.arrives(1), "anna bjorn");
    office
        .progress
        .get_mut(&id(1))
        .unwrap()
        .offer_ended(&name("anna"), Attempt::Declined);
    assert_eq!(office.again(1, Cause::OfferEnded), "wait");
    assert_eq!(office.desk.busy(&name("anna")), Busy::Free);
    assert_eq!(office.arrives(2), "anna");
}

#[test]
fn a_call_that_rings_nobody_leaves_nothing_behind() {
    let mut office = office(Strategy::RingAll, &["anna"]);
    office.without_phone = vec![name("anna")];
    assert_eq!(office.arrives(1), "voicemail");
    assert_eq!(office.desk.calls(), 0);
    office.ends(1);
    assert_eq!(office.desk.calls(), 0);
}

#[test]
fn what_goes_on_outlives_a_reload_and_who_is_gone_is_forgotten() {
    let mut office = office(Strategy::RingAll, &["anna", "bjorn", "carl"]);
    assert_eq!(office.arrives(1), "anna bjorn carl");
    office.accepts(1, "anna");
    office.snapshot = snapshot(
        vec![user("anna"), user("dora")],
        vec![],
        vec![channel(vec![step(
            Strategy::RingAll,
            &["anna", "dora"],
            &[],
        )])],
    );
    office.desk.snapshot_changed(&office.snapshot, office.now);
    assert_eq!(office.arrives(2), "dora");
    assert!(!office.desk.people.contains_key("bjorn"));
    office.ends(1);
    assert_eq!(office.reselected(), ["2 anna"]);
    office.snapshot = snapshot(vec![user("dora")], vec![], vec![]);
    office.ends(2);
    office.desk.snapshot_changed(&office.snapshot, office.now);
    assert_eq!(
        office.desk.people.keys().collect::<Vec<_>>(),
        [&name("dora")]
    );
    assert!(office.desk.rounds.is_empty());
}

/// Who gets each of so many calls, each answered by the first who is rung, and over at once.
fn shares(mut office: Office, calls: u128) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    for call in 1..=calls {
        let rung = office.arrives(call);
        office.accepts(call, &rung);
        office.passes(60);
        office.ends(call);
        assert_eq!(office.reselected(), [""; 0]);
        *shares.entry(rung).or_default() += 1;
    }
    shares
}

#[test]
fn everybody_gets_the_same_share() {
    for strategy in [
        Strategy::RoundRobin,
        Strategy::LeastBusy,
        Strategy::LongestIdle,
    ] {
        let shares = shares(office(strategy, &["anna", "bjorn", "carl", "dora"]), 40);
        assert_eq!(
            shares.into_values().collect::<Vec<_>>(),
            [10, 10, 10, 10],
            "{strategy:?}"
        );
    }
}

#[test]
fn least_busy_makes_up_for_what_was_there_before() {
    let mut office = office(Strategy::LeastBusy, &["anna", "bjorn"]);
    let load = Load {
        open: PerKind {
            call: 4,
            ..PerKind::default()
        },
        ..Load::default()
    };
    office.desk.restore(&name("anna"), load);
    office.desk.conversation_closed(&name("anna"));
    let shares = shares(office, 9);
    assert_eq!(
        shares,
        BTreeMap::from([("anna".to_owned(), 3), ("bjorn".to_owned(), 6)])
    );
}

#[test]
fn each_rule_and_step_goes_its_own_round() {
    let mut office = office(Strategy::RoundRobin, &["anna", "bjorn", "carl"]);
    let mut second = channel(vec![step(
        Strategy::RoundRobin,
        &["anna", "bjorn", "carl"],
        &[],
    )]);
    second.name = "second".into();
    add(&mut office.snapshot.channels, second);
    for (call, rung) in [(1, "anna"), (2, "bjorn")] {
        assert_eq!(office.arrives(call), rung);
        office.accepts(call, rung);
        office.ends(call);
    }
    let request = call_to("second".into(), Selection::First);
    let (facts, _) = office.desk.select(
        &office.snapshot,
        &request,
        id(3),
        &|_| DeviceFacts::default(),
        &mut office.random,
        office.now,
    );
    assert_eq!(
        facts.round_robin_last,
        [],
        "the other channel has not begun"
    );
    office.ends(3);
    assert_eq!(office.arrives(4), "carl");
}

//! Conversations at the desk: who gets which, what waits, and in which order it is given out.

use std::time::Duration;

use super::*;
use crate::core::id::{ContactId, RandomSource};
use crate::core::routing::{
    Code, ContactFacts, Decision, DeviceFacts, Facts, FoundBy, Kind, Outcome, Presence, Progress,
    Request, Selection, UnassignedReason, route,
};
use crate::core::sample::{
    add, at, channel, customer_agent, message_channel, snapshot, step, user,
};
use crate::core::snapshot::{PerKind, Snapshot, Step, Strategy, Target, User};
use crate::core::time::Wall;

const NOON: &str = "2026-12-02T12:00:00Z";

/// A desk with its clock, and the conversations it gave out.
struct Office {
    desk: Desk,
    snapshot: Snapshot,
    random: RandomSource,
    now: Now,
    began: BTreeMap<u128, Wall>,
    progress: BTreeMap<u128, Progress>,
    contacts: BTreeMap<u128, ContactFacts>,
}

fn id(number: u128) -> ConversationId {
    ConversationId(uuid::Uuid::from_u128(number))
}

fn name(text: &str) -> UserName {
    UserName::from(text)
}

/// Anna and Bjorn, and a chat channel `chat` whose rule names both.
fn office() -> Office {
    office_of(
        vec![user("anna"), user("bjorn")],
        vec![step(Strategy::LeastBusy, &["anna", "bjorn"], &[])],
    )
}

fn office_of(users: Vec<User>, steps: Vec<Step>) -> Office {
    let chat = message_channel(Kind::Chat, "chat", steps);
    let mut office = Office {
        desk: Desk::new(),
        snapshot: snapshot(users, vec![], vec![chat]),
        random: RandomSource::from_seed([7; 32]),
        now: at(NOON),
        began: BTreeMap::new(),
        progress: BTreeMap::new(),
        contacts: BTreeMap::new(),
    };
    office.reload();
    office
}

impl Office {
    fn reload(&mut self) {
        self.desk.snapshot_changed(&self.snapshot, self.now);
    }

    fn ask(&mut self, conversation: u128, selection: Selection) -> (Facts, Decision) {
        self.ask_in("chat", conversation, selection)
    }

    fn ask_in(&mut self, channel: &str, number: u128, selection: Selection) -> (Facts, Decision) {
        let kind = self
            .snapshot
            .channel(channel)
            .map_or(Kind::Chat, |found| found.kind());
        let request = Request {
            selection,
            ..Request::message(kind, &channel.into(), None)
        };
        let ask = Ask {
            request: &request,
            conversation: id(number),
            began: *self.began.entry(number).or_insert(self.now.wall),
            contact: self.contacts.get(&number).cloned(),
        };
        let (facts, decision) = self
            .desk
            .assign(&self.snapshot, &ask, &mut self.random, self.now);
        let again = route(&self.snapshot, &facts, &request, self.now);
        assert_eq!(
            again, decision,
            "the facts that are kept give the same decision"
        );
        match self.progress.get_mut(&number) {
            Some(progress) => {
                progress.advance(&decision, self.now);
            }
            None => {
                let progress = Progress::begin(&decision, self.now);
                self.progress
                    .extend(progress.map(|progress| (number, progress)));
            }
        }
        (facts, decision)
    }

    /// Arrives, a second after the one before.
    fn arrives(&mut self, number: u128) -> String {
        self.passes(1);
        let told = brief(&self.ask(number, Selection::First).1);
        assert_eq!(self.given_out(), [""; 0], "an arrival lets nobody else in");
        told
    }

    fn again(&mut self, number: u128, change: impl Fn(&mut Progress)) -> String {
        let progress = self.progress.get_mut(&number).unwrap();
        change(progress);
        let progress = progress.clone();
        brief(&self.ask(number, Selection::Next(Box::new(progress))).1)
    }

    fn says(&mut self, user: &str, presence: Presence) -> Vec<String> {
        self.desk.presence_said(&name(user), presence, self.now);
        self.given_out()
    }

    fn closes(&mut self, number: u128) -> Vec<String> {
        self.desk.closed(id(number));
        self.given_out()
    }

    /// Does what the desk wants: `2 anna`, and leaves out what came to nothing.
    fn given_out(&mut self) -> Vec<String> {
        let mut given = Vec::new();
        while let Some(action) = self.desk.poll_action() {
            let Action::ReselectMessage {
                conversation,
                cause,
            } = action
            else {
                continue;
            };
            let number = conversation.0.as_u128();
            let who = self.again(number, |progress| progress.cause = cause);
            if who != "waits" {
                given.push(format!("{number} {who}"));
            }
        }
        given
    }

    fn passes(&mut self, seconds: u64) {
        let span = Duration::from_secs(seconds);
        self.now = Now::new(self.now.mono + span, self.now.wall + span);
        self.desk.handle_timeout(self.now);
    }

    fn chats(&self, user: &str) -> u32 {
        self.desk.open(&name(user)).chat
    }

    fn all_away(&mut self) {
        for name in self
            .snapshot
            .users
            .iter()
            .map(|user| user.name.clone())
            .collect::<Vec<_>>()
        {
            self.desk.presence_said(&name, Presence::Away, self.now);
        }
        assert_eq!(self.given_out(), [""; 0]);
    }
}

fn brief(decision: &Decision) -> String {
    match &decision.outcome {
        Outcome::Assign { user, .. } => user.to_string(),
        Outcome::CustomerAgent { agent, .. } => format!("agent {agent}"),
        Outcome::Unassigned {
            reason: UnassignedReason::NobodyAvailable,
        } => "waits".to_owned(),
        Outcome::Unassigned { reason } => format!("{reason:?}"),
        Outcome::Refuse { code, .. } => code.clone(),
        other => panic!("no outcome of a message: {other:?}"),
    }
}

#[test]
fn who_gets_it_has_it_at_once() {
    let mut office = office();
    assert_eq!(office.arrives(1), "anna");
    assert_eq!(office.arrives(2), "bjorn");
    assert_eq!((office.chats("anna"), office.chats("bjorn")), (1, 1));
    assert_eq!(office.desk.holder(id(1)), Some(&name("anna")));
    office.closes(1);
    assert_eq!(office.chats("anna"), 0);
    assert_eq!(office.arrives(3), "anna");
    assert_eq!(
        office.arrives(4),
        "bjorn",
        "the tie goes to who waited longest"
    );
}

#[test]
fn round_robin_goes_on_after_the_last() {
    let people = ["anna", "bjorn", "carl"];
    let mut office = office_of(
        people.map(user).to_vec(),
        vec![step(Strategy::RoundRobin, &people, &[])],
    );
    let turns: Vec<String> = (1..=7).map(|number| office.arrives(number)).collect();
    assert_eq!(
        turns,
        ["anna", "bjorn", "carl", "anna", "bjorn", "carl", "anna"]
    );
}

#[test]
fn what_nobody_is_there_for_is_given_out_oldest_first_when_somebody_comes() {
    let mut office = office();
    office.all_away();
    for number in [3, 1, 2] {
        assert_eq!(office.arrives(number), "waits");
    }
    assert_eq!(office.desk.waiting(), 3);
    assert_eq!(
        office.says("bjorn", Presence::Available),
        ["3 bjorn", "1 bjorn", "2 bjorn"]
    );
    assert_eq!((office.desk.waiting(), office.chats("bjorn")), (0, 3));
}

#[test]
fn room_again_is_given_to_the_oldest_and_no_more_than_there_is() {
    let mut anna = user("anna");
    anna.capacity.chat = Some(2);
    let mut office = office_of(vec![anna], vec![step(Strategy::LeastBusy, &["anna"], &[])]);
    let first: Vec<String> = (1..=5).map(|number| office.arrives(number)).collect();
    assert_eq!(first, ["anna", "anna", "waits", "waits", "waits"]);
    assert_eq!(office.closes(2), ["3 anna"]);
    assert_eq!(office.closes(4), [""; 0], "it waited, and made no room");
    assert_eq!(office.closes(1), ["5 anna"]);
    assert_eq!(office.chats("anna"), 2);
}

#[test]
fn the_end_of_a_call_may_make_room() {
    let mut anna = user("anna");
    anna.capacity_on_call.chat = Some(0);
    let mut office = office_of(vec![anna], vec![step(Strategy::LeastBusy, &["anna"], &[])]);
    let call = CallId(uuid::Uuid::from_u128(9));
    office.desk.placed(call, &name("anna"));
    assert_eq!(office.arrives(1), "waits");
    office.desk.call_ended(call, office.now);
    assert_eq!(office.given_out(), ["1 anna"]);
}

#[test]
fn what_is_unassigned_on_purpose_is_never_given_out() {
    let mut nobody = step(Strategy::LeastBusy, &["anna"], &[]);
    nobody.target = Target::Nobody;
    let mut office = office_of(vec![user("anna")], vec![nobody]);
    assert_eq!(office.arrives(1), "Nobody");
    let steps = vec![step(Strategy::LeastBusy, &["anna"], &[])];
    add(
        &mut office.snapshot.channels,
        message_channel(Kind::Chat, "other", steps),
    );
    add(
        &mut office.snapshot.channels,
        message_channel(Kind::Chat, "bare", vec![]),
    );
    office.reload();
    office.all_away();
    assert_eq!(
        brief(&office.ask_in("other", 2, Selection::First).1),
        "waits"
    );
    assert_eq!(
        brief(&office.ask_in("bare", 3, Selection::First).1),
        "NobodyNamed"
    );
    office.desk.given(id(2), Kind::Chat, None, office.now);
    assert!(!office.desk.waits(id(2)), "unassigned by hand");
    assert_eq!(office.says("anna", Presence::Available), [""; 0]);
    office.reload();
    assert_eq!(office.given_out(), [""; 0]);
}

#[test]
fn by_hand_capacity_may_be_exceeded_and_load_follows_the_conversation() {
    let mut office = office();
    let mut full = user("anna");
    full.capacity.chat = Some(1);
    office.snapshot.users = vec![full, user("bjorn")].into();
    office.reload();
    assert_eq!(office.arrives(1), "anna");
    assert_eq!(office.arrives(2), "bjorn");
    office
        .desk
        .given(id(2), Kind::Chat, Some(&name("anna")), office.now);
    assert_eq!((office.chats("anna"), office.chats("bjorn")), (2, 0));
    office
        .desk
        .given(id(2), Kind::Chat, Some(&name("anna")), office.now);
    assert_eq!(office.chats("anna"), 2, "given twice counts once");
    office.closes(2);
    office.closes(2);
    assert_eq!(office.chats("anna"), 1);
    office.desk.reopened(id(2), Kind::Chat, Some(&name("anna")));
    assert_eq!(office.chats("anna"), 2);
}

#[test]
fn who_does_not_answer_loses_it_to_the_next_and_is_not_asked_again() {
    let mut office = office();
    assert_eq!(office.arrives(1), "anna");
    let late =
        |user: &'static str| move |progress: &mut Progress| progress.not_answered(&name(user));
    assert_eq!(office.again(1, late("anna")), "bjorn");
    assert_eq!((office.chats("anna"), office.chats("bjorn")), (0, 1));
    assert_eq!(office.again(1, late("bjorn")), "waits");
    assert_eq!((office.chats("anna"), office.chats("bjorn")), (0, 1));
    assert!(office.desk.waits(id(1)), "he has it until somebody comes");
    office.says("anna", Presence::Away);
    assert_eq!(office.says("anna", Presence::Available), [""; 0]);
    add(&mut office.snapshot.users, user("carl"));
    let steps = vec![step(Strategy::LeastBusy, &["anna", "bjorn", "carl"], &[])];
    office.snapshot.channels = vec![message_channel(Kind::Chat, "chat", steps)].into();
    office.reload();
    assert_eq!(office.given_out(), ["1 carl"]);
    assert_eq!((office.chats("bjorn"), office.chats("carl")), (0, 1));
    assert_eq!(office.desk.waiting(), 0);
}

#[test]
fn what_is_taken_back_goes_to_another_or_to_the_same_one_who_comes_back() {
    let mut office = office();
    assert_eq!(office.arrives(1), "anna");
    office.all_away();
    let away = |progress: &mut Progress| progress.taken_back(&name("anna"));
    assert_eq!(office.again(1, away), "waits");
    assert_eq!(office.chats("anna"), 0);
    assert_eq!(office.says("anna", Presence::Available), ["1 anna"]);
}

#[test]
fn an_arrival_does_not_overtake_what_waits_for_the_same_people() {
    let mut office = office();
    office.all_away();
    assert_eq!(office.arrives(1), "waits");
    // Anna is back, and before the desk has been asked what to do another one arrives.
    office
        .desk
        .presence_said(&name("anna"), Presence::Available, office.now);
    office.passes(1);
    let (facts, decision) = office.ask(2, Selection::First);
    assert_eq!(brief(&decision), "waits");
    assert!(facts.older_waiting);
    let codes = decision.trace.steps[0]
        .candidates
        .iter()
        .map(|candidate| candidate.code);
    assert_eq!(codes.collect::<Vec<_>>(), [Code::NotNeeded, Code::Away]);
    assert_eq!(office.given_out(), ["1 anna", "2 anna"]);
}

#[test]
fn what_waits_in_several_channels_for_one_person_is_given_out_by_age() {
    let mut office = office();
    let steps = |users: &[&str]| vec![step(Strategy::LeastBusy, users, &[])];
    add(
        &mut office.snapshot.channels,
        message_channel(Kind::Email, "mail", steps(&["bjorn"])),
    );
    add(
        &mut office.snapshot.channels,
        message_channel(Kind::Form, "form", steps(&["bjorn"])),
    );
    office.reload();
    office.all_away();
    for (number, channel) in [
        (1, "mail"),
        (2, "chat"),
        (3, "form"),
        (4, "mail"),
        (5, "chat"),
    ] {
        office.passes(1);
        assert_eq!(
            brief(&office.ask_in(channel, number, Selection::First).1),
            "waits"
        );
    }
    let mut order = Vec::new();
    office
        .desk
        .presence_said(&name("bjorn"), Presence::Available, office.now);
    while let Some(action) = office.desk.poll_action() {
        if let Action::ReselectMessage {
            conversation,
            cause,
        } = action
        {
            let number = conversation.0.as_u128();
            let channel = ["mail", "chat", "form", "mail", "chat"][number as usize - 1];
            let mut progress = office.progress[&number].clone();
            progress.cause = cause;
            let (_, decision) = office.ask_in(channel, number, Selection::Next(Box::new(progress)));
            order.push((number, brief(&decision)));
        }
    }
    let expected = (1..=5).map(|number| (number, "bjorn".to_owned()));
    assert_eq!(order, expected.collect::<Vec<_>>());
}

#[test]
fn the_owner_of_a_contact_is_waited_for() {
    let mut owner = step(Strategy::LeastBusy, &[], &[]);
    owner.target = Target::ContactOwner;
    let mut office = office_of(vec![user("anna"), user("bjorn")], vec![owner]);
    office.all_away();
    for (number, owner) in [(1, "anna"), (2, "bjorn"), (3, "anna")] {
        let contact = ContactFacts {
            contact: ContactId::default(),
            owner: Some(name(owner)),
            found_by: FoundBy::Cookie,
        };
        office.contacts.insert(number, contact);
        assert_eq!(office.arrives(number), "waits");
    }
    assert_eq!(
        office.arrives(4),
        "waits",
        "no contact, and no further step"
    );
    assert_eq!(
        office.says("anna", Presence::Available),
        ["1 anna", "3 anna"]
    );
    assert_eq!(office.desk.waiting(), 2);
}

#[test]
fn a_reload_lets_everything_that_waits_seek_anew() {
    let mut office = office();
    office.all_away();
    assert_eq!(office.arrives(1), "waits");
    assert_eq!(office.arrives(2), "waits");
    add(&mut office.snapshot.users, user("carl"));
    let steps = vec![step(Strategy::LeastBusy, &["carl"], &[])];
    office.snapshot.channels = vec![message_channel(Kind::Chat, "chat", steps)].into();
    office.reload();
    assert_eq!(office.given_out(), ["1 carl", "2 carl"]);
    office.snapshot.channels = vec![].into();
    office.reload();
    assert_eq!(office.chats("carl"), 2, "what they have they keep");
    assert_eq!(
        office.again(2, |progress| progress.cause = Cause::NotAnswered),
        "unknown-channel"
    );
}

#[test]
fn what_a_customer_agent_hands_over_finds_whoever_came_meanwhile() {
    let mut agent = step(Strategy::LeastBusy, &[], &[]);
    agent.target = Target::CustomerAgent;
    agent.agent = Some("aida".into());
    let lists = step(Strategy::LeastBusy, &["anna"], &[]);
    let mut office = office_of(vec![user("anna")], vec![lists, agent]);
    add(&mut office.snapshot.customer_agents, customer_agent("aida"));
    office.all_away();
    assert_eq!(office.arrives(1), "agent aida");
    assert_eq!(office.says("anna", Presence::Available), [""; 0]);
    let now = office.now;
    assert_eq!(
        office.again(1, |progress| progress.handed_over(now)),
        "waits"
    );
    assert_eq!(office.given_out(), ["1 anna"]);
}

#[test]
fn a_restart_restores_loads_and_what_waits() {
    let mut office = office();
    office.all_away();
    assert_eq!(office.arrives(2), "waits");
    assert_eq!(office.arrives(3), "waits");
    let mut desk = Desk::new();
    let load = Load {
        last_assigned: Some(office.now.wall),
        ..Load::default()
    };
    desk.restore(&name("anna"), load);
    desk.restore_conversation(id(1), Kind::Chat, Some(&name("anna")));
    for number in [3, 2] {
        let mut progress = office.progress[&number].clone();
        progress.cause = Cause::BecameAvailable;
        let request = Request {
            selection: Selection::Next(Box::new(progress)),
            ..Request::message(Kind::Chat, &"chat".into(), None)
        };
        let ask = Ask {
            request: &request,
            conversation: id(number),
            began: office.began[&number],
            contact: None,
        };
        desk.restore_waiting(&office.snapshot, &ask, None, office.now);
    }
    office.desk = desk;
    office.reload();
    assert_eq!(office.given_out(), ["2 bjorn", "3 anna"]);
    assert_eq!((office.chats("anna"), office.chats("bjorn")), (2, 1));
}

#[test]
fn a_call_to_a_known_contact_rings_the_owner() {
    let mut owner = step(Strategy::RingAll, &[], &[]);
    owner.target = Target::ContactOwner;
    let main = channel(vec![owner, step(Strategy::RingAll, &["anna"], &[])]);
    let snapshot = snapshot(vec![user("anna"), user("bjorn")], vec![], vec![main]);
    let mut desk = Desk::new();
    let mut random = RandomSource::from_seed([1; 32]);
    let call = CallId(uuid::Uuid::from_u128(1));
    desk.caller_known(
        call,
        ContactFacts {
            contact: ContactId::default(),
            owner: Some(name("bjorn")),
            found_by: FoundBy::CallerNumber,
        },
    );
    let request = Request {
        kind: Kind::Call,
        ..Request::message(Kind::Call, &"main-line".into(), None)
    };
    let phones = |_: &UserName| DeviceFacts::default();
    let (facts, decision) = desk.select(&snapshot, &request, call, &phones, &mut random, at(NOON));
    assert_eq!(route(&snapshot, &facts, &request, at(NOON)), decision);
    let Outcome::Ring(ring) = decision.outcome else {
        panic!("{decision:?}")
    };
    assert_eq!(ring.users, [name("bjorn")]);
    desk.call_ended(call, at(NOON));
    assert_eq!(desk.calls(), 0);
}

/// How often each gets one of so many, each closed at once or kept.
fn shares(strategy: Strategy, closed_at_once: bool) -> Vec<u32> {
    let people = ["anna", "bjorn", "carl", "dora"];
    let mut office = office_of(
        people.map(user).to_vec(),
        vec![step(strategy, &people, &[])],
    );
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for number in 1..=400 {
        *shares.entry(office.arrives(number)).or_default() += 1;
        if closed_at_once {
            office.closes(number);
        }
    }
    people
        .iter()
        .map(|name| shares.get(*name).copied().unwrap_or_default())
        .collect()
}

#[test]
fn each_strategy_shares_as_its_documentation_says() {
    for closed in [true, false] {
        assert_eq!(shares(Strategy::LeastBusy, closed), [100; 4]);
        assert_eq!(shares(Strategy::RoundRobin, closed), [100; 4]);
        assert_eq!(shares(Strategy::LongestIdle, closed), [100; 4]);
        assert_eq!(shares(Strategy::Sequential, closed), [400, 0, 0, 0]);
        let random = shares(Strategy::Random, closed);
        assert!(
            random.iter().all(|share| (70..130).contains(share)),
            "{random:?}"
        );
    }
}

#[test]
fn least_busy_evens_out_loads_of_all_kinds_by_weight() {
    let mut office = office();
    office.snapshot.settings.routing.weights = PerKind {
        call: 3,
        email: 1,
        form: 1,
        chat: 1,
    };
    office.reload();
    let call = CallId(uuid::Uuid::from_u128(9));
    office.desk.accepted(call, &name("anna"), office.now);
    let turns: Vec<String> = (1..=4).map(|number| office.arrives(number)).collect();
    assert_eq!(
        turns[..3],
        ["bjorn", "bjorn", "bjorn"],
        "a call weighs three chats"
    );
}

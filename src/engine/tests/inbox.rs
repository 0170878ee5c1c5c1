//! The inbox inside the engine: messages beside calls, one desk for both, and a storm of both.

use std::collections::BTreeMap;

use super::party::Manner;
use super::world::*;
use crate::core::conversation::{
    Actor, Arrival, Assignee, Command, ContactHint, ContactRecord, ConversationRecord, Done,
    Happening, MessageKind, NewMessage, Origin, Refusal, Status,
};
use crate::core::id::{ConversationId, DecisionId};
use crate::core::record::{DecisionRecord, Record};
use crate::core::routing::{Attempt, Outcome, Presence, UnassignedReason, route};
use crate::core::sample;
use crate::core::snapshot::{Channel, Kind, PerKind, Snapshot, Strategy, WhenAway};
use crate::core::time::Now;
use crate::engine::{Inbox, Input};

const USERS: [&str; 4] = ["anna", "bjorn", "carl", "dora"];

/// `main-line` rings everybody in turn; mail, form and chat go to the least busy of all.
pub fn four_kinds() -> Snapshot {
    let all = sample::step(Strategy::LeastBusy, &USERS, &[]);
    let channels = vec![
        sample::channel(vec![sample::step(Strategy::Sequential, &USERS, &[])]),
        sample::message_channel(Kind::Email, "mail", vec![all.clone()]),
        sample::message_channel(Kind::Form, "form", vec![all.clone()]),
        sample::message_channel(Kind::Chat, "chat", vec![all]),
    ];
    sample::snapshot(people(&USERS), vec![], channels)
}

fn change_channels(snapshot: &mut Snapshot, change: impl Fn(&mut Channel)) {
    let channels = snapshot.channels.iter().cloned().map(|mut channel| {
        change(&mut channel);
        channel
    });
    snapshot.channels = channels.collect();
}

/// The same where a minute is given to answer.
fn within_a_minute() -> Snapshot {
    let mut snapshot = four_kinds();
    change_channels(&mut snapshot, |channel| {
        channel.working_hours.answer_within = Some(seconds(60));
    });
    snapshot
}

/// A mail comes while nobody else is there.
fn a_mail_for_anna(snapshot: Snapshot) -> (World, ConversationId) {
    let mut world = World::new(snapshot);
    for user in ["bjorn", "carl", "dora"] {
        world.says(user, Presence::Away);
    }
    let id = world.arrives("mail", "kari").id;
    (world, id)
}

pub fn arrival(channel: &str, from: &str) -> Arrival {
    Arrival {
        channel: channel.into(),
        continues: None,
        contact: ContactHint {
            address: Some(format!("{from}@example.com")),
            verified: true,
            ..ContactHint::default()
        },
        message: NewMessage {
            text: "Hello".to_owned(),
            ..NewMessage::default()
        },
        origin: Origin::Person,
        automatic: false,
    }
}

impl World {
    /// Asks for something and gets the answer.
    pub fn ask(&mut self, command: Command) -> Result<Done, Refusal> {
        let number = self.answers.len() as u64 + 1;
        let command = Box::new(command);
        self.tell(Input::Commanded { number, command });
        let (answered, result) = self.answers.last().cloned().expect("an answer");
        assert_eq!(answered, number);
        result
    }

    pub fn arrives(&mut self, channel: &str, from: &str) -> ConversationRecord {
        row_of(self.ask(Command::Arrived(Box::new(arrival(channel, from)))))
    }

    pub fn says(&mut self, user: &str, presence: Presence) {
        let command = Command::PresenceChanged {
            user: user.into(),
            presence,
            by: Actor::User(user.into()),
        };
        self.ask(command).unwrap();
    }

    pub fn sets(&mut self, id: ConversationId, by: &str, status: Status) {
        let command = Command::StatusChanged {
            conversation: id,
            by: Actor::User(by.into()),
            status,
        };
        self.ask(command).unwrap();
    }

    /// What the conversation says of what happened in it.
    fn told_in(&self, id: ConversationId) -> Vec<&str> {
        let messages = self.records.iter().filter_map(|record| match record {
            Record::Message(message) if message.kind == MessageKind::Event => Some(&**message),
            _ => None,
        });
        let here = messages.filter(|message| message.conversation == id);
        here.map(|message| message.text.as_str()).collect()
    }

    pub fn holder_of(&self, id: ConversationId) -> Option<String> {
        let row = self.engine.conversations.conversation(id)?;
        row.assignee.as_ref().map(ToString::to_string)
    }

    pub fn decisions(&self) -> Vec<&DecisionRecord> {
        let records = self.records.iter();
        records
            .filter_map(|record| match record {
                Record::Decision(decision) => Some(&**decision),
                _ => None,
            })
            .collect()
    }

    /// What the machine holds is what was stored last; the desk counts what the rows say.
    pub fn check_inbox(&self) {
        let mut loads: BTreeMap<&str, PerKind<u32>> = BTreeMap::new();
        let mut talking = Vec::new();
        for call in self.engine.calls.values() {
            if let Some(user) = &call.record.answered_by {
                loads.entry(user).or_default().call += 1;
                talking.push(call.conversation);
            }
        }
        for row in self.engine.conversations.iter() {
            let user = row.assignee.as_ref().and_then(Assignee::user);
            let talks = talking.contains(&row.id);
            let user = user.filter(|_| row.status == Status::Open && !talks);
            assert_eq!(self.engine.desk.holder(row.id), user, "{row:?}");
            let tried = row.progress.iter().flat_map(|progress| &progress.tried);
            let overdue = user.is_some_and(|user| {
                let mut tried = tried.filter(|(who, _)| who == user);
                !row.replied && tried.any(|(_, attempt)| *attempt == Attempt::TimedOut)
            });
            let nobody =
                row.assignee.is_none() && row.unassigned == Some(UnassignedReason::NobodyAvailable);
            let waits = row.status == Status::Open && (nobody || overdue);
            assert_eq!(self.engine.desk.waits(row.id), waits, "{row:?}");
            if let Some(user) = user {
                *loads.entry(user).or_default().of_mut(row.kind) += 1;
            }
        }
        for user in &self.snapshot.users {
            let open = self.engine.desk.open(&user.name);
            let counted = loads.get(&*user.name).copied().unwrap_or_default();
            assert_eq!(open, counted, "{}", user.name);
        }
    }
}

pub fn row_of(done: Result<Done, Refusal>) -> ConversationRecord {
    match done {
        Ok(Done::Conversation { conversation, .. }) => *conversation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mail_goes_to_whom_neither_calls_nor_mails_keep_busy() {
    let mut world = World::new(four_kinds());
    for user in USERS {
        world.register(user);
    }
    world.manner("anna", Manner::Answers(seconds(2)));
    world.call();
    world.run_until("a conversation", |world| world.is_talking("anna"));
    world.run(seconds(1));
    let first = world.arrives("mail", "kari");
    assert_ne!(first.assignee, Some(Assignee::User("anna".into())));
    for (number, channel) in ["form", "chat", "mail"].into_iter().enumerate() {
        world.arrives(channel, &format!("p{number}"));
    }
    let counts: Vec<u32> = USERS
        .iter()
        .map(|user| {
            let open = world.engine.desk.open(&(*user).into());
            open.call + open.email + open.form + open.chat
        })
        .collect();
    assert_eq!(counts.iter().sum::<u32>(), 5);
    assert!(
        counts.iter().all(|count| (1..=2).contains(count)),
        "{counts:?}"
    );
    world.hang_up("anna");
    world.finish();
    world.check_inbox();
}

#[test]
fn every_assignment_has_a_decision_that_replays_to_the_same_outcome() {
    let mut world = World::new(four_kinds());
    for number in 0..20 {
        world.arrives(["mail", "form", "chat"][number % 3], &format!("p{number}"));
    }
    let snapshot = world.snapshot.clone();
    let mut checked = 0;
    for record in world.decisions() {
        let now = Now::new(world.now.mono, record.at);
        let again = route(&snapshot, &record.facts, &record.request, now);
        assert_eq!(again, record.decision);
        let row = world
            .engine
            .conversations
            .conversation(record.conversation.unwrap())
            .unwrap();
        assert_eq!(row.decision, Some(record.id));
        checked += 1;
    }
    assert_eq!(checked, 20);
}

#[test]
fn whoever_becomes_available_gets_what_waits_the_oldest_first() {
    let mut snapshot = four_kinds();
    let users = snapshot.users.iter().cloned().map(|mut user| {
        user.capacity.email = Some(1);
        user
    });
    snapshot.users = users.collect();
    let mut world = World::new(snapshot);
    for user in USERS {
        world.says(user, Presence::Away);
    }
    let first = world.arrives("mail", "first").id;
    world.run(seconds(1));
    let second = world.arrives("mail", "second").id;
    assert_eq!(world.holder_of(first), None);
    world.says("carl", Presence::Available);
    assert_eq!(world.holder_of(first).as_deref(), Some("carl"));
    assert_eq!(world.holder_of(second), None, "one is all that carl takes");
    let stored = world.records.iter().rposition(
        |record| matches!(record, Record::Presence(presence) if &*presence.user == "carl"),
    );
    assert!(stored.is_some(), "presence is kept");
    world.check_inbox();
    world.sets(first, "carl", Status::Closed);
    assert_eq!(
        world.holder_of(second).as_deref(),
        Some("carl"),
        "he has room again"
    );
    world.check_inbox();
}

#[test]
fn one_that_nobody_else_may_take_stays_with_its_assignee_until_somebody_comes() {
    let (mut world, id) = a_mail_for_anna(within_a_minute());
    world.run(seconds(61));
    assert_eq!(world.holder_of(id).as_deref(), Some("anna"));
    world.check_inbox();
    world.says("bjorn", Presence::Available);
    assert_eq!(world.holder_of(id).as_deref(), Some("bjorn"));
    world.check_inbox();
    assert_eq!(
        world.told_in(id),
        ["anna has not answered in time. bjorn has it now."]
    );
    world.run(seconds(61));
    assert_eq!(world.holder_of(id).as_deref(), Some("bjorn"));
    world.says("anna", Presence::Away);
    world.says("anna", Presence::Available);
    assert_eq!(
        world.holder_of(id).as_deref(),
        Some("bjorn"),
        "she had it before"
    );
    world.check_inbox();
    let reply = Command::Replied {
        conversation: id,
        by: Actor::User("bjorn".into()),
        message: arrival("mail", "").message,
    };
    world.ask(reply).unwrap();
    world.says("carl", Presence::Available);
    assert_eq!(
        world.holder_of(id).as_deref(),
        Some("bjorn"),
        "he has answered"
    );
    world.check_inbox();
}

#[test]
fn who_has_not_answered_in_time_keeps_it_over_a_restart_until_somebody_comes() {
    let snapshot = within_a_minute();
    let (mut world, id) = a_mail_for_anna(snapshot.clone());
    world.run(seconds(61));
    let row = world.engine.conversations.conversation(id).unwrap().clone();
    let mut after = World::new(snapshot);
    let presence = USERS.map(|user| world.engine.desk.presence(&user.into()));
    let inbox = Inbox {
        contacts: Vec::new(),
        conversations: vec![row],
        presence: presence.to_vec(),
    };
    after.engine.restore_inbox(inbox, after.now);
    after.take_outputs();
    after.check_inbox();
    assert_eq!(after.holder_of(id).as_deref(), Some("anna"));
    after.says("dora", Presence::Available);
    assert_eq!(after.holder_of(id).as_deref(), Some("dora"));
    after.check_inbox();
}

#[test]
fn what_was_taken_back_goes_to_somebody_who_is_there() {
    let mut snapshot = four_kinds();
    let channels = snapshot.channels.iter().cloned().map(|mut channel| {
        channel.when_away = WhenAway::TakeBack { grace: seconds(30) };
        channel
    });
    snapshot.channels = channels.collect();
    let mut world = World::new(snapshot);
    let id = world.arrives("chat", "kari").id;
    let before = world.holder_of(id).unwrap();
    world.says(&before, Presence::Away);
    world.run(seconds(31));
    let after = world.holder_of(id).unwrap();
    assert_ne!(before, after);
    world.check_inbox();
}

#[test]
fn a_restart_goes_on_with_what_was_open() {
    let mut world = World::new(four_kinds());
    let held = world.arrives("mail", "kari");
    for user in USERS {
        world.says(user, Presence::Away);
    }
    let waits = world.arrives("mail", "ola");
    let contacts: Vec<ContactRecord> = world
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Contact(contact) => Some((**contact).clone()),
            _ => None,
        })
        .collect();
    let presence = USERS.map(|user| world.engine.desk.presence(&user.into()));
    let mut after = World::new(four_kinds());
    let inbox = Inbox {
        contacts,
        conversations: vec![held.clone(), waits.clone()],
        presence: presence.to_vec(),
    };
    after.engine.restore_inbox(inbox, after.now);
    after.take_outputs();
    after.check_inbox();
    assert!(after.engine.desk.waits(waits.id));
    after.says("dora", Presence::Available);
    assert_eq!(after.holder_of(waits.id).as_deref(), Some("dora"));
    let again = after.arrives("mail", "kari");
    assert_eq!(again.contact, held.contact, "she is known again");
}

#[test]
fn a_hundred_thousand_open_conversations_are_taken_in() {
    let mut world = World::new(four_kinds());
    let row = world.arrives("mail", "kari");
    let rows = (0..100_000u128).map(|number| ConversationRecord {
        id: ConversationId(uuid::Uuid::from_u128(number + 1)),
        ..row.clone()
    });
    let mut after = World::new(four_kinds());
    let inbox = Inbox {
        conversations: rows.collect(),
        ..Inbox::default()
    };
    after.engine.restore_inbox(inbox, after.now);
    let user = row.assignee.as_ref().and_then(Assignee::user).unwrap();
    assert_eq!(after.engine.desk.open(user).email, 100_000);
}

/// Everything at once, by the throw of a die. Afterwards no conversation is lost, each is counted for
/// whom it is with, and every decision replays.
fn storm(seed: u8) {
    let mut snapshot = four_kinds();
    let users = snapshot.users.iter().cloned().map(|mut user| {
        user.capacity.chat = Some(3);
        user
    });
    snapshot.users = users.collect();
    change_channels(&mut snapshot, |channel| {
        channel.working_hours.answer_within = Some(seconds(120));
        channel.when_away = WhenAway::TakeBack { grace: seconds(20) };
    });
    let mut world = World::seeded(snapshot, seed);
    for user in USERS {
        world.register(user);
        world.manner(user, Manner::Whims);
    }
    let mut begun: Vec<ConversationId> = Vec::new();
    let mut deleted = 0;
    for _ in 0..200 {
        let throw = world.random.next_u64();
        let user = USERS[(throw >> 8) as usize % 4];
        let some = (!begun.is_empty()).then(|| begun[(throw >> 16) as usize % begun.len().max(1)]);
        let by = || Actor::User(user.into());
        let command = match (throw % 16, some) {
            (0..=4, _) | (_, None) => {
                let channel = ["mail", "form", "chat"][(throw >> 32) as usize % 3];
                let id = world
                    .arrives(channel, &format!("p{}", (throw >> 40) % 50))
                    .id;
                begun.push(id);
                None
            }
            (5, _) => {
                let caller = world.call();
                world.later(millis(throw >> 16 & 0xffff), move |world| {
                    if !world.is_over(caller) {
                        world.caller_hangs_up(caller);
                    }
                });
                None
            }
            (6 | 7, _) => {
                let presence = match throw & 0x10000 {
                    0 => Presence::Away,
                    _ => Presence::Available,
                };
                world.says(user, presence);
                None
            }
            (8 | 9, Some(conversation)) => Some(Command::Replied {
                conversation,
                by: by(),
                message: NewMessage {
                    text: "Yes".to_owned(),
                    ..NewMessage::default()
                },
            }),
            (10 | 11, Some(conversation)) => Some(Command::StatusChanged {
                conversation,
                by: by(),
                status: [Status::Open, Status::Waiting, Status::Closed][(throw >> 32) as usize % 3],
            }),
            (12, Some(conversation)) => Some(Command::Assigned {
                conversation,
                by: by(),
                to: (throw & 0x20000 == 0).then(|| Assignee::User(user.into())),
            }),
            (13, Some(conversation)) => {
                let row = world.engine.conversations.conversation(conversation);
                let continues = row.cloned().map(Box::new);
                let mut arrival = arrival("mail", "again");
                arrival.continues = continues;
                Some(Command::Arrived(Box::new(arrival)))
            }
            (14, Some(conversation)) if throw & 0x30000 == 0 => {
                let done = world.ask(Command::Deleted {
                    conversation,
                    by: by(),
                });
                if done.is_ok() {
                    deleted += 1;
                    begun.retain(|id| *id != conversation);
                }
                None
            }
            (14 | 15, Some(_)) => {
                let mut users = world.snapshot.users.to_vec();
                let place = (throw >> 40) as usize % users.len();
                users[place].seat = match users[place].seat {
                    Some(_) => None,
                    None => sample::user("x").seat,
                };
                let mut snapshot = (*world.snapshot).clone();
                snapshot.users = users.into();
                snapshot.version += 1;
                world.snapshot = std::sync::Arc::new(snapshot);
                world.tell(Input::Loaded(world.snapshot.clone()));
                None
            }
            (16.., Some(_)) => None,
        };
        if let Some(command) = command {
            // Some of what is asked for is refused; everything is answered.
            let _ = world.ask(command);
        }
        world.check_inbox();
        world.run(millis(throw >> 20 & 0x3fff));
        world.check_inbox();
    }
    let mut stored: BTreeMap<ConversationId, ConversationRecord> = BTreeMap::new();
    let mut decided: BTreeMap<DecisionId, &DecisionRecord> = BTreeMap::new();
    for record in &world.records {
        match record {
            Record::Item(row) => {
                let before = stored.insert(row.id, (**row).clone());
                let newer = before.is_none_or(|before| before.revision < row.revision);
                assert!(newer, "revisions count up");
            }
            Record::ConversationDeleted(id) => {
                stored.remove(id);
            }
            Record::Decision(decision) if decision.conversation.is_some() => {
                decided.insert(decision.id, decision);
            }
            _ => {}
        }
    }
    for id in &begun {
        let held = world.engine.conversations.conversation(*id);
        assert_eq!(held, stored.get(id), "none is lost");
    }
    for record in world.records.iter() {
        if let Record::Assignment(assignment) = record
            && let Some(id) = &assignment.decision
            && let Some(decision) = decided.get(id)
        {
            let given = assignment.to.as_ref().and_then(Assignee::user);
            match &decision.decision.outcome {
                Outcome::Assign { user, .. } => assert_eq!(given, Some(user)),
                other => assert_eq!(given, None, "{other:?}"),
            }
        }
    }
    assert!(begun.len() > 20 && deleted < 50);
    world.finish();
    world.check_inbox();
}

#[test]
fn nothing_is_lost_in_a_storm_of_messages_and_calls() {
    for seed in 0..12 {
        storm(seed);
    }
}

#[test]
fn what_has_happened_is_told_after_it_was_stored() {
    let mut world = World::new(four_kinds());
    let row = world.arrives("mail", "kari");
    let created = world
        .published
        .iter()
        .any(|event| matches!(&event.what, Happening::Created(created) if created.id == row.id));
    assert!(created);
    assert!(
        world.order.iter().rposition(|kind| *kind == "stored")
            < world.order.iter().rposition(|kind| *kind == "answered"),
        "{:?}",
        world.order
    );
}

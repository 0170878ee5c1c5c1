//! Calls as people find them in the inbox.

use std::collections::BTreeMap;

use super::inbox::{four_kinds, row_of};
use super::party::Manner;
use super::world::*;
use crate::core::conversation::{
    Actor, Assignee, Command, ContactChange, ContactRecord, ConversationRecord, ItemKind,
    MessageKind, MessageRecord, NewMessage, RefusalKind, Status,
};
use crate::core::id::{CallId, ConversationId, MessageId};
use crate::core::record::Record;
use crate::core::routing::FoundBy;
use crate::core::sample;
use crate::core::snapshot::{Snapshot, Step, Strategy, Target};
use crate::media::command::RecordingEnd;
use crate::sip::message::NameAddr;

impl World {
    /// The last state of each conversation.
    fn items(&self) -> Vec<ConversationRecord> {
        let mut rows: BTreeMap<ConversationId, ConversationRecord> = BTreeMap::new();
        for record in &self.records {
            if let Record::Item(row) = record {
                rows.insert(row.id, (**row).clone());
            }
        }
        rows.into_values().collect()
    }

    /// The last state of each message, in the order in which they were added.
    fn messages_kept(&self) -> Vec<MessageRecord> {
        let mut order = Vec::new();
        let mut rows: BTreeMap<MessageId, MessageRecord> = BTreeMap::new();
        for record in &self.records {
            if let Record::Message(message) = record
                && rows.insert(message.id, (**message).clone()).is_none()
            {
                order.push(message.id);
            }
        }
        order.iter().map(|id| rows[id].clone()).collect()
    }

    /// Calls in the order in which they began.
    fn calls_kept(&self) -> Vec<CallId> {
        let mut calls = Vec::new();
        for record in &self.records {
            if let Record::Call(call) = record
                && !calls.contains(&call.id)
            {
                calls.push(call.id);
            }
        }
        calls
    }

    /// The last state of each contact.
    fn contacts_kept(&self) -> Vec<ContactRecord> {
        let contacts = self.records.iter().filter_map(|record| match record {
            Record::Contact(contact) => Some((contact.id, (**contact).clone())),
            _ => None,
        });
        let last: BTreeMap<_, _> = contacts.collect();
        last.into_values().collect()
    }

    /// Somebody calls, and gives up after two seconds.
    fn misses_a_call(&mut self) {
        let caller = self.call();
        self.run(seconds(2));
        self.caller_hangs_up(caller);
        self.run(seconds(2));
    }
}

/// Anna and Bjørn have phones; nobody picks up.
fn quiet() -> World {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    world.says = AtBeep::Leaves(seconds(5), RecordingEnd::Silence);
    world
}

fn kinds(world: &World) -> Vec<(MessageKind, u32)> {
    let messages = world.messages_kept();
    messages
        .iter()
        .map(|message| (message.kind, message.count))
        .collect()
}

#[test]
fn a_missed_call_is_an_open_item_that_nobody_has() {
    let mut world = quiet();
    world.misses_a_call();
    let items = world.items();
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!(item.item, Some(ItemKind::MissedCall));
    assert_eq!((item.status, item.assignee.clone()), (Status::Open, None));
    assert_eq!(item.subject, CALLER);
    assert!(item.awaits_reply_since.is_some());
    let message = &world.messages_kept()[0];
    assert_eq!(message.text, "the caller hung up while ringing");
    assert_eq!(message.call, Some(world.call_row().id));
    world.finish();
    world.check_inbox();
}

#[test]
fn several_missed_calls_of_one_caller_in_a_short_time_are_one_item() {
    let mut world = quiet();
    world.misses_a_call();
    world.run(seconds(600));
    world.misses_a_call();
    assert_eq!(world.items().len(), 1);
    assert_eq!(kinds(&world), [(MessageKind::MissedCall, 2)]);
    assert_eq!(world.items()[0].preview, "Missed call (2 times)");
    let calls = world.calls_kept();
    let message = &world.messages_kept()[0];
    assert_eq!(message.earlier_calls, calls[..1]);
    assert_eq!(message.call, calls.get(1).copied());
    world.run(seconds(1900));
    world.misses_a_call();
    assert_eq!(world.items().len(), 1, "the conversation is the same");
    assert_eq!(
        kinds(&world),
        [(MessageKind::MissedCall, 2), (MessageKind::MissedCall, 1)]
    );
}

#[test]
fn an_answered_call_answers_what_was_missed_before() {
    let mut world = quiet();
    world.misses_a_call();
    world.talks_to("bjorn");
    let item = &world.items()[0];
    assert_eq!(item.assignee, Some(Assignee::User("bjorn".into())));
    assert_eq!(item.awaits_reply_since, None);
    world.check_inbox();
    world.hang_up("bjorn");
    world.finish();
    let items = world.items();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].status, Status::Closed);
    assert_eq!(
        kinds(&world),
        [(MessageKind::MissedCall, 1), (MessageKind::Call, 1)]
    );
    world.check_inbox();
    world.manner("bjorn", Manner::Rings);
    world.misses_a_call();
    assert_eq!(world.items().len(), 2, "what is closed stays closed");
}

#[test]
fn a_call_missed_while_they_talk_keeps_the_item_open_for_the_one_who_talks() {
    let mut world = World::with_phones(Strategy::Sequential, &["anna"]);
    world.talks_to("anna");
    world.misses_a_call();
    world.hang_up("anna");
    world.finish();
    let items = world.items();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].status, Status::Open);
    assert_eq!(items[0].assignee, Some(Assignee::User("anna".into())));
    world.check_inbox();
    world.sets(items[0].id, "anna", Status::Closed);
    world.check_inbox();
}

#[test]
fn a_voicemail_after_a_missed_call_is_a_message_of_its_own() {
    let mut world = quiet();
    world.misses_a_call();
    world.call();
    world.finish();
    assert_eq!(world.items().len(), 1);
    assert_eq!(world.items()[0].item, Some(ItemKind::Voicemail));
    assert_eq!(world.items()[0].preview, "Voicemail, 5 s");
    assert_eq!(
        kinds(&world),
        [(MessageKind::MissedCall, 1), (MessageKind::Voicemail, 1)]
    );
    let message = &world.messages_kept()[1];
    assert_eq!(message.voicemail, Some(world.kept[0].id));
    assert_eq!(world.kept[0].conversation, world.items()[0].id);
    world.misses_a_call();
    assert_eq!(kinds(&world).len(), 3, "a voicemail counts no missed calls");
}

#[test]
fn callers_who_do_not_show_their_number_get_an_item_each() {
    let mut world = quiet();
    for _ in 0..2 {
        let caller = world.call_with(|invite| {
            let nobody = "<sip:anonymous@anonymous.invalid>";
            invite.from = nobody.parse::<NameAddr>().unwrap();
        });
        world.run(seconds(2));
        world.caller_hangs_up(caller);
        world.run(seconds(2));
    }
    let items = world.items();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].subject, "anonymous");
    assert_eq!(items[0].from, None);
    assert!(world.contacts_kept().is_empty(), "they are nobody");
}

#[test]
fn somebody_who_calls_becomes_a_contact_with_all_calls() {
    let mut world = quiet();
    world.misses_a_call();
    let contacts = world.contacts_kept();
    let [contact] = contacts.as_slice() else {
        panic!("{contacts:?}")
    };
    assert_eq!(contact.numbers, [CALLER.parse().unwrap()]);
    assert_eq!(contact.owner, None);
    world.run(seconds(4000));
    let id = world.items()[0].id;
    world.sets(id, "anna", Status::Closed);
    world.misses_a_call();
    assert_eq!(world.contacts_kept(), contacts, "the same");
    let items = world.items();
    let theirs = items.iter().map(|item| (item.contact, item.found_by));
    let theirs: Vec<_> = theirs.collect();
    assert_eq!(theirs, [(Some(contact.id), Some(FoundBy::CallerNumber)); 2]);
    world.check_inbox();
}

#[test]
fn a_number_that_a_contact_has_in_another_writing_is_that_contacts() {
    let mut world = quiet();
    let kari = ContactRecord {
        numbers: vec!["+47 900 00-001".parse().unwrap()],
        ..with_contact(None)
    };
    world.ask(put(kari)).unwrap();
    world.misses_a_call();
    assert_eq!(world.contacts_kept().len(), 1);
    assert_eq!(world.items()[0].contact_name, "Kari Nordmann");
}

#[test]
fn a_message_links_to_so_many_missed_calls_and_no_more() {
    let mut world = quiet();
    for _ in 0..103 {
        world.misses_a_call();
    }
    let message = &world.messages_kept()[0];
    let calls = world.calls_kept();
    assert_eq!((message.count, calls.len()), (103, 103));
    assert_eq!(message.earlier_calls, calls[2..102], "the latest of them");
}

fn with_contact(owner: Option<&str>) -> ContactRecord {
    ContactRecord {
        name: "Kari Nordmann".to_owned(),
        numbers: vec![CALLER.parse().unwrap(), "+4790000002".parse().unwrap()],
        owner: owner.map(Into::into),
        ..ContactRecord::default()
    }
}

fn put(contact: ContactRecord) -> Command {
    Command::ContactChanged {
        change: ContactChange::Put(Box::new(contact)),
        by: Actor::User("anna".into()),
    }
}

/// The owner is rung first, then Anna.
fn owner_first() -> Snapshot {
    let owner = Step {
        target: Target::ContactOwner,
        ..sample::step(Strategy::Sequential, &[], &[])
    };
    let anna = sample::step(Strategy::Sequential, &["anna"], &[]);
    sample::snapshot(
        people(&["anna", "bjorn"]),
        vec![],
        vec![sample::channel(vec![owner, anna])],
    )
}

#[test]
fn a_caller_who_is_known_has_a_name_and_rings_the_owner() {
    let mut world = World::new(owner_first());
    world.register("anna");
    world.register("bjorn");
    world.ask(put(with_contact(Some("bjorn")))).unwrap();
    world.call();
    world.run(seconds(2));
    assert_eq!(world.who_rings(), ["bjorn"]);
    world.finish();
    let item = &world.items()[0];
    assert_eq!(item.contact_name, "Kari Nordmann");
    assert_eq!(item.item, Some(ItemKind::Voicemail));
    assert_eq!(
        item.assignee,
        Some(Assignee::User("bjorn".into())),
        "the owner has what nobody answered"
    );
    world.check_inbox();
}

#[test]
fn a_missed_call_stays_with_nobody_where_no_rule_seeks_the_owner() {
    let mut world = quiet();
    world.ask(put(with_contact(Some("bjorn")))).unwrap();
    world.misses_a_call();
    assert_eq!(world.items()[0].assignee, None);
}

#[test]
fn calls_of_one_contact_from_two_numbers_are_one_conversation() {
    let mut world = quiet();
    world.ask(put(with_contact(None))).unwrap();
    world.misses_a_call();
    let caller = world.call_with(|invite| {
        invite.from = "<sip:+4790000002@carrier.example>"
            .parse::<NameAddr>()
            .unwrap();
    });
    world.run(seconds(2));
    world.caller_hangs_up(caller);
    world.run(seconds(2));
    assert_eq!(world.items().len(), 1);
    assert_eq!(kinds(&world).len(), 2, "each number counts for itself");
}

#[test]
fn an_item_given_by_hand_counts_for_that_person_and_is_closed_by_hand() {
    let mut world = quiet();
    world.misses_a_call();
    let id = world.items()[0].id;
    let give = Command::Assigned {
        conversation: id,
        by: Actor::User("anna".into()),
        to: Some(Assignee::User("anna".into())),
    };
    row_of(world.ask(give));
    assert_eq!(world.engine.desk.open(&"anna".into()).call, 1);
    let reply = Command::Replied {
        conversation: id,
        by: Actor::User("anna".into()),
        message: NewMessage {
            text: "Hello".to_owned(),
            ..NewMessage::default()
        },
    };
    assert_eq!(world.ask(reply).unwrap_err().kind, RefusalKind::Invalid);
    world.talks_to("bjorn");
    world.check_inbox();
    assert_eq!(world.engine.desk.open(&"anna".into()).call, 0);
    world.hang_up("bjorn");
    world.finish();
    assert_eq!(world.items()[0].status, Status::Closed);
    world.check_inbox();
}

#[test]
fn nobody_deletes_an_item_while_its_call_is_under_way() {
    let mut world = quiet();
    let caller = world.call();
    world.run(seconds(2));
    let conversation = world.items()[0].id;
    let delete = || Command::Deleted {
        conversation,
        by: Actor::Ringdesk,
    };
    assert_eq!(world.ask(delete()).unwrap_err().kind, RefusalKind::Conflict);
    world.caller_hangs_up(caller);
    world.run(seconds(2));
    world.ask(delete()).unwrap();
    world.finish();
    world.check_inbox();
}

#[test]
fn what_is_closed_while_it_rings_and_missed_is_open_again() {
    let mut world = quiet();
    let caller = world.call();
    world.run(seconds(2));
    let id = world.items()[0].id;
    world.sets(id, "anna", Status::Closed);
    world.caller_hangs_up(caller);
    world.finish();
    assert_eq!(world.items()[0].status, Status::Open);
    world.check_inbox();
}

#[test]
fn a_call_counts_beside_messages() {
    let mut world = World::new(four_kinds());
    world.register("anna");
    world.talks_to("anna");
    world.check_inbox();
    world.hang_up("anna");
    world.finish();
    world.check_inbox();
    assert_eq!(world.engine.desk.open(&"anna".into()).call, 0);
}

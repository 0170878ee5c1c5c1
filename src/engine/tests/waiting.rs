//! What waits: who is found for it when contacts, people and calls change meanwhile.

use super::inbox::four_kinds;
use super::party::Manner;
use super::world::*;
use crate::core::conversation::{
    Actor, Arrival, Command, ContactChange, ContactHint, ContactRecord, ConversationRecord,
};
use crate::core::routing::Presence;
use crate::core::sample;
use crate::core::snapshot::{Kind, Snapshot, Step, Strategy, Target};

/// Mail goes to the owner of its contact, and to nobody else.
fn owners_only() -> Snapshot {
    let owner = Step {
        target: Target::ContactOwner,
        ..sample::step(Strategy::LeastBusy, &[], &[])
    };
    let mut snapshot = four_kinds();
    snapshot.channels = vec![sample::message_channel(Kind::Email, "mail", vec![owner])].into();
    snapshot
}

impl World {
    fn mail_from(&mut self, from: &str) -> ConversationRecord {
        self.arrives("mail", from)
    }

    fn changes(&mut self, change: ContactChange) -> ContactRecord {
        let by = Actor::User("anna".into());
        match self.ask(Command::ContactChanged { change, by }) {
            Ok(crate::core::conversation::Done::Contact(contact)) => *contact,
            other => panic!("{other:?}"),
        }
    }

    /// The contact of a conversation, with this owner from now on.
    fn owned(&mut self, row: &ConversationRecord, owner: &str) -> ContactRecord {
        let contacts = self.engine.conversations.contacts();
        let contact = contacts.contact(row.contact.unwrap()).unwrap().clone();
        let contact = ContactRecord {
            owner: Some(owner.into()),
            ..contact
        };
        self.changes(ContactChange::Put(Box::new(contact)))
    }
}

#[test]
fn a_contact_who_gets_an_owner_is_looked_at_again() {
    let mut world = World::new(owners_only());
    let row = world.mail_from("kari");
    assert_eq!(world.holder_of(row.id), None);
    world.owned(&row, "bjorn");
    assert_eq!(world.holder_of(row.id).as_deref(), Some("bjorn"));
    world.check_inbox();
    world.owned(&row, "carl");
    assert_eq!(
        world.holder_of(row.id).as_deref(),
        Some("bjorn"),
        "what somebody has stays"
    );
}

#[test]
fn the_owner_whom_a_contact_gets_is_waited_for() {
    let mut world = World::new(owners_only());
    let row = world.mail_from("kari");
    world.says("bjorn", Presence::Away);
    world.owned(&row, "bjorn");
    assert_eq!(world.holder_of(row.id), None);
    world.check_inbox();
    world.says("carl", Presence::Away);
    world.says("carl", Presence::Available);
    assert_eq!(world.holder_of(row.id), None);
    world.says("bjorn", Presence::Available);
    assert_eq!(world.holder_of(row.id).as_deref(), Some("bjorn"));
    world.check_inbox();
}

#[test]
fn a_contact_that_is_merged_into_one_with_an_owner_is_looked_at_again() {
    let mut world = World::new(owners_only());
    let ola = world.mail_from("ola");
    let kept = world.owned(&ola, "dora");
    let kari = world.mail_from("kari");
    assert_eq!(world.holder_of(kari.id), None);
    world.changes(ContactChange::Merge(kept.id, kari.contact.unwrap()));
    assert_eq!(world.holder_of(kari.id).as_deref(), Some("dora"));
    world.check_inbox();
}

#[test]
fn a_conversation_whose_sender_becomes_known_is_looked_at_again() {
    let mut world = World::new(owners_only());
    let ola = world.mail_from("ola");
    world.owned(&ola, "dora");
    let mut unknown = super::inbox::arrival("mail", "ola");
    unknown.contact = ContactHint::default();
    let arrived = world.ask(Command::Arrived(Box::new(unknown)));
    let row = super::inbox::row_of(arrived);
    assert_eq!((row.contact, row.assignee.clone()), (None, None));
    let again = Arrival {
        continues: Some(Box::new(row.clone())),
        ..super::inbox::arrival("mail", "ola")
    };
    world.ask(Command::Arrived(Box::new(again))).unwrap();
    assert_eq!(world.holder_of(row.id).as_deref(), Some("dora"));
    world.check_inbox();
}

#[test]
fn a_call_that_rings_is_offered_to_those_who_become_available() {
    let mut world = World::with_phones(Strategy::RingAll, &["anna", "bjorn"]);
    world.manner("anna", Manner::Rings);
    world.manner("bjorn", Manner::Rings);
    world.says("bjorn", Presence::Away);
    world.call();
    world.run(seconds(2));
    assert_eq!(world.who_rings(), ["anna"]);
    world.says("bjorn", Presence::Available);
    world.run(seconds(2));
    assert_eq!(world.who_rings(), ["anna", "bjorn"]);
    world.finish();
}

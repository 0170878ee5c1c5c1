//! What the parts stand on, without a daemon: a small configuration, the door to an engine, and what
//! happens in a conversation.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ringdesk::core::conversation::{
    Author, ContactRecord, ConversationRecord, Delivery, Event, Happening, MessageKind,
    MessageRecord, Status,
};
use ringdesk::core::id::{ConversationId, MessageId};
use ringdesk::core::snapshot::{Kind, Snapshot};
use ringdesk::core::time::Wall;
use ringdesk::daemon;
use ringdesk::inbox::{Asked, Door};
use tokio::sync::mpsc;
use uuid::Uuid;

/// A small configuration with what a test adds to it.
pub fn snapshot(change: impl FnOnce(&mut Snapshot)) -> Arc<Snapshot> {
    let directory = tempfile::tempdir().unwrap();
    let text = "[[schedule]]\nname = \"always\"\ntimezone = \"Europe/Oslo\"\nweekly = {}\n";
    fs::write(directory.path().join("ringdesk.toml"), text).unwrap();
    let mut snapshot = daemon::load(directory.path(), 1).unwrap().snapshot;
    change(&mut snapshot);
    Arc::new(snapshot)
}

/// A door, with what is asked through it.
pub fn door(snapshot: Arc<Snapshot>, directory: &Path) -> (Door, mpsc::Receiver<Asked>) {
    Door::new(snapshot, directory.join("attachments"))
}

/// When it all happens.
pub const AT: Wall = Wall::from_seconds(1_800_000_000);

/// A chat in the inbox `customers`.
pub fn conversation(number: u128) -> ConversationRecord {
    ConversationRecord {
        id: ConversationId(Uuid::from_u128(number)),
        revision: 1,
        kind: Kind::Chat,
        channel: "website-chat".into(),
        inbox: Some("customers".into()),
        status: Status::Open,
        subject: "Hello".to_owned(),
        contact: None,
        contact_name: "Kari Nordmann".to_owned(),
        contact_address: Some("kari@example.com".to_owned()),
        found_by: None,
        visitor: None,
        from: None,
        item: None,
        began: AT,
        last_message: AT,
        preview: "Hello".to_owned(),
        awaits_reply_since: Some(AT),
        replied: false,
        assignee: None,
        assigned: None,
        unassigned: None,
        decision: None,
        progress: None,
        closed: None,
    }
}

/// A message of the other side.
pub fn message(conversation: &ConversationRecord, number: u128, text: &str) -> MessageRecord {
    MessageRecord {
        id: MessageId(Uuid::from_u128(number)),
        conversation: conversation.id,
        at: AT,
        kind: MessageKind::Received,
        author: Author::Contact,
        author_name: "Kari Nordmann".to_owned(),
        subject: None,
        text: text.to_owned(),
        quoted: None,
        html: None,
        fields: Vec::new(),
        attachments: Vec::new(),
        delivery: Delivery::None,
        external_id: None,
        raw: None,
        call: None,
        earlier_calls: Vec::new(),
        voicemail: None,
        count: 1,
    }
}

/// Something that happened in `customers`.
pub fn event(what: Happening) -> Event {
    let inbox = match &what {
        Happening::Contact(_) | Happening::Presence(_) => None,
        _ => Some("customers".into()),
    };
    Event {
        at: AT,
        inbox,
        what,
    }
}

/// A conversation began.
pub fn created(number: u128) -> Event {
    event(Happening::Created(Box::new(conversation(number))))
}

/// A contact changed.
pub fn contact(name: &str) -> Event {
    event(Happening::Contact(Box::new(ContactRecord {
        name: name.to_owned(),
        cookies: vec!["c0ffee".to_owned()],
        ..ContactRecord::default()
    })))
}

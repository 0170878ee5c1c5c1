//! What the parts stand on, without a daemon: a small configuration, the door to an engine, and what
//! happens in a conversation.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ringdesk::core::conversation::{
    Author, ContactRecord, ConversationRecord, Event, Happening, MessageKind, MessageRecord,
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
        inbox: Some("customers".into()),
        subject: "Hello".to_owned(),
        contact_name: "Kari Nordmann".to_owned(),
        contact_address: Some("kari@example.com".to_owned()),
        preview: "Hello".to_owned(),
        awaits_reply_since: Some(AT),
        ..ConversationRecord::begun(
            ConversationId(Uuid::from_u128(number)),
            Kind::Chat,
            "website-chat".into(),
            AT,
        )
    }
}

/// A message of the other side.
pub fn message(conversation: &ConversationRecord, number: u128, text: &str) -> MessageRecord {
    MessageRecord {
        author_name: "Kari Nordmann".to_owned(),
        text: text.to_owned(),
        ..MessageRecord::new(
            MessageId(Uuid::from_u128(number)),
            conversation.id,
            AT,
            MessageKind::Received,
            Author::Contact,
        )
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

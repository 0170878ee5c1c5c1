//! What has happened, for those who watch: people's event streams, chat visitors, webhooks, the
//! sender of mail, customer agents.

use serde::{Deserialize, Serialize};

use super::record::{
    Assignee, Author, ContactRecord, ConversationRecord, MessageRecord, PresenceRecord,
};
use crate::core::id::ConversationId;
use crate::core::name::{InboxName, UserName};
use crate::core::routing::Decision;
use crate::core::snapshot::Kind;
use crate::core::time::Wall;

/// Something that has happened. Cheap to clone where it is shared behind an `Arc`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Wall,
    /// The inbox it belongs to; `None` with `inbox_matters`: everybody's.
    pub inbox: Option<InboxName>,
    /// What.
    pub what: Happening,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happening {
    /// `conversation.created`
    Created(Box<ConversationRecord>),
    /// `conversation.changed`: status, subject, contact.
    Changed(Box<ConversationRecord>),
    /// `conversation.assigned`: to somebody, or to nobody.
    Assigned {
        /// The conversation as it is now.
        conversation: Box<ConversationRecord>,
        /// Who had it before.
        before: Option<Assignee>,
        /// The decision, where a rule assigned.
        decision: Option<Box<Decision>>,
    },
    /// `message.added`: received, sent, noted, or a call item.
    Message {
        /// The conversation as it is now.
        conversation: Box<ConversationRecord>,
        /// The message.
        message: Box<MessageRecord>,
        /// Set where it must be carried to the other side.
        outgoing: Option<Outgoing>,
    },
    /// `message.changed`: delivery, or one more missed call.
    MessageChanged {
        /// The conversation.
        conversation: Box<ConversationRecord>,
        /// The message as it is now.
        message: Box<MessageRecord>,
    },
    /// `conversation.deleted`
    Deleted(ConversationId),
    /// `conversation.seen`
    Seen {
        /// The conversation.
        conversation: ConversationId,
        /// Who has read it.
        user: UserName,
        /// Until when.
        at: Wall,
    },
    /// `typing`: never kept.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        author: Author,
    },
    /// `presence.changed`
    Presence(PresenceRecord),
    /// `contact.changed`, also deleted and merged ones.
    Contact(Box<ContactRecord>),
    /// The submission of an offline owner's contact is to be mailed to the owner.
    MailOwner {
        /// The owner.
        owner: UserName,
        /// The conversation.
        conversation: Box<ConversationRecord>,
        /// The submission.
        message: Box<MessageRecord>,
    },
}

/// How a message reaches the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outgoing {
    /// By mail: replies in email and form conversations, and in chats whose visitor has left an address and gone.
    Email,
    /// Over the visitor's socket.
    Chat,
}

impl Event {
    /// Whether it asks for a mail that nothing else in the store tells of.
    pub fn asks_for_a_mail(&self) -> bool {
        match &self.what {
            Happening::MailOwner { .. } => true,
            // Replies of the other kinds stand in the store as not delivered yet; what is said in a
            // chat is that until the visitor comes back.
            Happening::Message {
                conversation,
                outgoing,
                ..
            } => *outgoing == Some(Outgoing::Email) && conversation.kind == Kind::Chat,
            Happening::Created(_)
            | Happening::Changed(_)
            | Happening::Assigned { .. }
            | Happening::MessageChanged { .. }
            | Happening::Deleted(_)
            | Happening::Seen { .. }
            | Happening::Typing { .. }
            | Happening::Presence(_)
            | Happening::Contact(_) => false,
        }
    }
}

impl Happening {
    /// Every name that [`Happening::name`] gives.
    pub const NAMES: [&str; 10] = [
        "conversation.created",
        "conversation.changed",
        "conversation.assigned",
        "conversation.deleted",
        "conversation.seen",
        "message.added",
        "message.changed",
        "typing",
        "presence.changed",
        "contact.changed",
    ];

    /// Its name in event streams and webhooks; `None`: for parts of Ringdesk only.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self {
            Happening::Created(_) => "conversation.created",
            Happening::Changed(_) => "conversation.changed",
            Happening::Assigned { .. } => "conversation.assigned",
            Happening::Message { .. } => "message.added",
            Happening::MessageChanged { .. } => "message.changed",
            Happening::Deleted(_) => "conversation.deleted",
            Happening::Seen { .. } => "conversation.seen",
            Happening::Typing { .. } => "typing",
            Happening::Presence(_) => "presence.changed",
            Happening::Contact(_) => "contact.changed",
            Happening::MailOwner { .. } => return None,
        })
    }
}

//! What edges ask of conversations, and what they are answered.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::record::{
    Assignee, Attachment, Author, ContactRecord, ConversationRecord, Delivery, MessageRecord,
    Status,
};
use crate::core::id::{ContactId, ConversationId};
use crate::core::name::{AgentName, ChannelName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::record::VoicemailRecord;
use crate::core::routing::Presence;
use crate::core::time::Wall;

/// On whose behalf something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person who has signed in, or a token that acts for one.
    User(UserName),
    /// A token of a program; its scopes and inboxes were checked where it came in.
    Program(String),
    /// Ringdesk itself.
    Ringdesk,
}

/// Something that edges ask for. Commands about a conversation that is not in memory (a closed one)
/// are preceded by [`Command::Recalled`].
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A message came from outside.
    Arrived(Box<Arrival>),
    /// A conversation was read from the store, so that it can be changed: of no effect where memory
    /// has a newer one.
    Recalled(Box<ConversationRecord>),
    /// Somebody writes to the other side. An unassigned conversation becomes the writer's.
    Replied {
        /// Where.
        conversation: ConversationId,
        /// Who.
        by: Actor,
        /// What.
        message: NewMessage,
    },
    /// Somebody writes a note for colleagues.
    Noted {
        /// Where.
        conversation: ConversationId,
        /// Who.
        by: Actor,
        /// What.
        message: NewMessage,
    },
    /// Somebody assigns by hand; `None` unassigns.
    Assigned {
        /// What.
        conversation: ConversationId,
        /// Who.
        by: Actor,
        /// To whom.
        to: Option<Assignee>,
    },
    /// Somebody opens, closes, or lets wait.
    StatusChanged {
        /// What.
        conversation: ConversationId,
        /// Who.
        by: Actor,
        /// To what.
        status: Status,
    },
    /// Somebody deletes a conversation with all that is in it.
    Deleted {
        /// What.
        conversation: ConversationId,
        /// Who.
        by: Actor,
    },
    /// Somebody has read a conversation until then.
    Seen {
        /// What.
        conversation: ConversationId,
        /// Who.
        user: UserName,
        /// Until when.
        at: Wall,
    },
    /// Somebody marks a conversation as not read.
    Unseen {
        /// What.
        conversation: ConversationId,
        /// Who.
        user: UserName,
    },
    /// Somebody has deleted a voicemail, with its recording.
    VoicemailDeleted {
        /// The voicemail as it is kept.
        voicemail: Box<VoicemailRecord>,
        /// The message that it is in, as it is kept; `None`: there is none.
        message: Option<Box<MessageRecord>>,
        /// Who.
        by: Actor,
    },
    /// A message to the other side has come further.
    DeliveryChanged {
        /// The message as it is kept, with its new state.
        message: Box<MessageRecord>,
        /// Where it is now.
        delivery: Delivery,
    },
    /// The visitor of a chat went, or closed it.
    VisitorLeft {
        /// What.
        conversation: ConversationId,
    },
    /// Somebody writes just now; published, never kept.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        author: Author,
    },
    /// A customer agent has answered, or hands over.
    AgentReplied {
        /// Where.
        conversation: ConversationId,
        /// Which.
        agent: AgentName,
        /// What.
        reply: AgentReply,
    },
    /// Somebody says to be there or away.
    PresenceChanged {
        /// Who.
        user: UserName,
        /// What.
        presence: Presence,
        /// Who says so.
        by: Actor,
    },
    /// A contact is made, changed, merged or deleted.
    ContactChanged {
        /// How.
        change: ContactChange,
        /// Who.
        by: Actor,
    },
}

/// What arrives from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// The channel.
    pub channel: ChannelName,
    /// The conversation that it continues, as the edge found out (thread, visitor), with its row, in
    /// case memory does not have it.
    pub continues: Option<Box<ConversationRecord>>,
    /// Who it is from.
    pub contact: ContactHint,
    /// What is said.
    pub message: NewMessage,
    /// What kind of sender it is, for automatic replies.
    pub origin: Origin,
    /// An answer is not sought: a bounce, or a mail of a list; it is kept, and assigned like any.
    pub automatic: bool,
}

/// What may answer by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A person, who may get an automatic reply.
    Person,
    /// A program, or one who got an automatic reply today: no automatic reply.
    NoAutomaticReply,
}

/// What an edge knows of the person on the other side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactHint {
    /// The name.
    pub name: Option<String>,
    /// The mail address.
    pub address: Option<String>,
    /// Whether that address is verified (Authentication-Results of a server that is believed).
    pub verified: bool,
    /// The phone number.
    pub number: Option<PhoneNumber>,
    /// Whether somebody calls from that number; anybody can type any number.
    pub called: bool,
    /// SHA-256 of the visitor cookie, in hex.
    pub cookie: Option<String>,
}

/// A message before it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// Subject, where it has one.
    pub subject: Option<String>,
    /// The text.
    pub text: String,
    /// Quoted history.
    pub quoted: Option<String>,
    /// Sanitised HTML.
    pub html: Option<String>,
    /// Answers of a form or chatflow.
    pub fields: Vec<(String, String)>,
    /// Files, stored already.
    pub attachments: Vec<Attachment>,
    /// Its name elsewhere; the same one in the same channel is taken in once.
    pub external_id: Option<String>,
    /// The whole of it as it came.
    pub raw: Option<PathBuf>,
}

/// What a customer agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentReply {
    /// This, to the customer.
    Says(String),
    /// People should go on, for this reason.
    HandsOver {
        /// `asked-for-person`, `timeout`, `error`, `turn-limit`, `program`.
        code: String,
        /// The sentence that people read.
        reason: String,
    },
}

/// A change of contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactChange {
    /// Make one, or replace what is known of one. Its revision must be the one that was read, or 0
    /// for a new one (whose id is made here where it is nil).
    Put(Box<ContactRecord>),
    /// Merge the second into the first.
    Merge(ContactId, ContactId),
    /// Delete.
    Delete(ContactId),
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// The conversation as it is now, and the message, where there is one.
    Conversation {
        /// The conversation.
        conversation: Box<ConversationRecord>,
        /// The message that was added, or was there already.
        message: Option<Box<MessageRecord>>,
        /// True where the same message had been taken in before.
        repeated: bool,
    },
    /// The same message had been taken in before, into a conversation that is closed, deleted, or not
    /// in memory any more. Of the message its key, its conversation, its time and its name are known.
    Repeated(Box<MessageRecord>),
    /// The contact as it is now.
    Contact(Box<ContactRecord>),
    /// Nothing to tell.
    Nothing,
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// What kind of refusal.
    pub kind: RefusalKind,
    /// The sentence for people.
    pub text: String,
}

/// Kinds of refusals, each of which has an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// There is none, or none that the asker may see: 404.
    NotFound,
    /// The asker may not: 403.
    Forbidden,
    /// It has changed meanwhile, or is in a state in which this makes no sense: 409.
    Conflict,
    /// What was sent makes no sense: 422.
    Invalid,
    /// Too much at once: 503.
    Busy,
}

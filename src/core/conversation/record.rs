//! What is kept of conversations, messages, contacts and presence: whole rows, as in
//! [`crate::core::record`].

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::id::{
    AttachmentId, CallId, ContactId, ConversationId, DecisionId, MessageId, VoicemailId,
};
use crate::core::name::{AgentName, ChannelName, InboxName, TeamName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::routing::{FoundBy, Presence, Progress, UnassignedReason};
use crate::core::snapshot::Kind;
use crate::core::time::Wall;

/// Whom a conversation is assigned to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignee {
    /// A person.
    User(UserName),
    /// A team as a whole: by hand only.
    Team(TeamName),
    /// A customer agent.
    CustomerAgent(AgentName),
}

impl Assignee {
    /// The person, if it is one.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Assignee::User(user) => Some(user),
            Assignee::Team(_) | Assignee::CustomerAgent(_) => None,
        }
    }
}

impl fmt::Display for Assignee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Assignee::User(user) => write!(f, "{user}"),
            Assignee::Team(team) => write!(f, "team {team}"),
            Assignee::CustomerAgent(agent) => write!(f, "customer agent {agent}"),
        }
    }
}

/// Where a conversation stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Somebody should answer.
    #[default]
    Open,
    /// Answered; it waits for the other side, which opens it again.
    Waiting,
    /// Done; a new message opens it again.
    Closed,
}

/// What a call's conversation is, by the last thing that happened in it.
pub use crate::core::record::ConversationItem as ItemKind;

/// An item in an inbox: the whole row each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRecord {
    /// Its key.
    pub id: ConversationId,
    /// Counts up with each change; an older one never replaces a newer.
    pub revision: u64,
    /// Its kind.
    pub kind: Kind,
    /// The channel.
    pub channel: ChannelName,
    /// The channel's inbox when it began; `None`: everybody has access.
    pub inbox: Option<InboxName>,
    /// Open, waiting, closed.
    pub status: Status,
    /// The subject of mail and form, the first words of a chat, the caller of a call.
    pub subject: String,
    /// The person on the other side, where known.
    pub contact: Option<ContactId>,
    /// How the person on the other side is called: a name, an address, a number.
    pub contact_name: String,
    /// Where replies go: a mail address, a number; `None`: nowhere but here.
    pub contact_address: Option<String>,
    /// By what the contact was found; `None`: it was not.
    pub found_by: Option<FoundBy>,
    /// SHA-256 of the cookie of the visitor who began it, in hex: who holds that cookie may read it
    /// again. A contact that was found by an address that somebody typed proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// The caller's number, of calls.
    pub from: Option<PhoneNumber>,
    /// What the last call in it was; `None` for other kinds.
    pub item: Option<ItemKind>,
    /// When it began.
    pub began: Wall,
    /// When the last message (of any kind) was added.
    pub last_message: Wall,
    /// The last message's first words.
    pub preview: String,
    /// Since when the other side waits for an answer; `None`: it does not.
    pub awaits_reply_since: Option<Wall>,
    /// Whether a person has replied since it was last assigned.
    pub replied: bool,
    /// Who it is assigned to.
    pub assignee: Option<Assignee>,
    /// When it was assigned last.
    pub assigned: Option<Wall>,
    /// Why nobody has it, as the last decision said; `None` where somebody has it, or a person
    /// unassigned it by hand.
    pub unassigned: Option<UnassignedReason>,
    /// The decision that assigned it, or left it unassigned.
    pub decision: Option<DecisionId>,
    /// How far its rule has come, so that routing can go on after a restart.
    pub progress: Option<Box<Progress>>,
    /// When it was closed.
    pub closed: Option<Wall>,
}

impl ConversationRecord {
    /// One that has just begun: open, of nobody known, with nobody.
    pub fn begun(
        id: ConversationId,
        kind: Kind,
        channel: ChannelName,
        at: Wall,
    ) -> ConversationRecord {
        ConversationRecord {
            id,
            revision: 1,
            kind,
            channel,
            inbox: None,
            status: Status::Open,
            subject: String::new(),
            contact: None,
            contact_name: String::new(),
            contact_address: None,
            found_by: None,
            visitor: None,
            from: None,
            item: None,
            began: at,
            last_message: at,
            preview: String::new(),
            awaits_reply_since: None,
            replied: false,
            assignee: None,
            assigned: None,
            unassigned: None,
            decision: None,
            progress: None,
            closed: None,
        }
    }
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Author {
    /// The person on the other side.
    Contact,
    /// A user.
    User(UserName),
    /// A customer agent.
    CustomerAgent(AgentName),
    /// Ringdesk itself: an automatic reply, a greeting.
    Automatic,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// From the other side.
    Received,
    /// To the other side.
    Sent,
    /// For colleagues only.
    Note,
    /// A call that was answered.
    Call,
    /// One or several missed calls.
    MissedCall,
    /// A recorded message.
    Voicemail,
    /// What happened: assigned, closed, handed over.
    Event,
}

/// How far a message to the other side has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Nothing is to be delivered.
    #[default]
    None,
    /// On its way.
    Pending,
    /// The next server has it, or the visitor's browser.
    Sent,
    /// The visitor has seen it.
    Seen,
    /// It cannot be delivered, and why.
    Failed(String),
}

/// Something in a conversation: the whole row each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// Its key.
    pub id: MessageId,
    /// The conversation.
    pub conversation: ConversationId,
    /// When.
    pub at: Wall,
    /// What it is.
    pub kind: MessageKind,
    /// Who wrote it.
    pub author: Author,
    /// The author's name and address as they came: `Kari Nordmann <kari@example.com>`.
    pub author_name: String,
    /// Subject, where it has one of its own.
    pub subject: Option<String>,
    /// The text. Data, never markup.
    pub text: String,
    /// Quoted history, folded away beside the text.
    pub quoted: Option<String>,
    /// Sanitised HTML, safe to show.
    pub html: Option<String>,
    /// Answers of a form or a chatflow: name and value, in the order asked.
    pub fields: Vec<(String, String)>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// How far it has come, of messages to the other side.
    pub delivery: Delivery,
    /// Its name elsewhere: the Message-ID of mail, the client's id of a chat message, an idempotency
    /// key. With the channel it names the message once.
    pub external_id: Option<String>,
    /// The whole of it as it came, relative to the attachments directory.
    pub raw: Option<PathBuf>,
    /// The call, of call items: of several missed ones the last.
    pub call: Option<CallId>,
    /// Missed calls that were counted into this message before that one, the oldest first; of very
    /// many the latest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_calls: Vec<CallId>,
    /// The recorded message, of voicemail items.
    pub voicemail: Option<VoicemailId>,
    /// How many missed calls it stands for.
    pub count: u32,
}

impl MessageRecord {
    /// One that says nothing yet.
    pub fn new(
        id: MessageId,
        conversation: ConversationId,
        at: Wall,
        kind: MessageKind,
        author: Author,
    ) -> MessageRecord {
        MessageRecord {
            id,
            conversation,
            at,
            kind,
            author,
            author_name: String::new(),
            subject: None,
            text: String::new(),
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
}

/// A file that came with a message, or goes with one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its key.
    pub id: AttachmentId,
    /// Its name, without a path or control characters.
    pub file_name: String,
    /// Its media type as it came; never believed.
    pub content_type: String,
    /// Octets.
    pub size: u64,
    /// Where it lies, relative to the attachments directory.
    pub path: PathBuf,
    /// The Content-ID, of images inside HTML.
    pub content_id: Option<String>,
}

/// A person on the other side: the whole row each time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRecord {
    /// Its key.
    pub id: ContactId,
    /// Counts up with each change.
    pub revision: u64,
    /// The name.
    pub name: String,
    /// Mail addresses, lower case.
    pub addresses: Vec<String>,
    /// Phone numbers.
    pub numbers: Vec<PhoneNumber>,
    /// SHA-256 of visitor cookies, in hex.
    pub cookies: Vec<String>,
    /// The user who owns the contact.
    pub owner: Option<UserName>,
    /// Its name in a CRM.
    pub external_id: Option<String>,
    /// What people wrote about it.
    pub note: String,
    /// The contact that this one was merged into, or that it was deleted.
    pub gone: Option<Gone>,
    /// When it began.
    pub created: Wall,
    /// When it was last changed.
    pub changed: Wall,
}

/// Why a contact is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gone {
    /// Merged into this one.
    Merged(ContactId),
    /// Deleted.
    Deleted,
}

/// What a user said about being there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceRecord {
    /// Who.
    pub user: UserName,
    /// Available or away.
    pub presence: Presence,
    /// Why, in a word or two: `by hand`, `own hours`, `out of office`, `missed offers`.
    pub reason: String,
    /// Since when.
    pub since: Wall,
    /// Until when a change by hand holds against own hours; `None`: until the next change by hand.
    pub until: Option<Wall>,
}

/// How far a user has read a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRecord {
    /// The conversation.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserName,
    /// Until when everything is read; [`SeenRecord::NOTHING`]: no more.
    pub at: Wall,
}

impl SeenRecord {
    /// Nothing is read: the conversation was marked as not read.
    pub const NOTHING: Wall = Wall::from_seconds(0);
}

/// A person who has signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// SHA-256 of the cookie, in hex.
    pub key: String,
    /// Who.
    pub user: UserName,
    /// Since when.
    pub began: Wall,
    /// Until when it lasts; in the past: it is over.
    pub expires: Wall,
}

/// Who changed what over the API: appended, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When.
    pub at: Wall,
    /// `user anna`, `token crm`.
    pub actor: String,
    /// From which address.
    pub address: String,
    /// `conversation.assign`, `prompt.replace`.
    pub action: String,
    /// What was changed.
    pub object: String,
    /// How, in words.
    pub detail: String,
}

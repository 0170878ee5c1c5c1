//! What is kept: one record per fact, each with the key of the row it becomes. Records are written
//! to a journal first and applied to the database from there, so each must be safe to apply twice.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::conversation::{
    self, Assignee, AuditRecord, ContactRecord, MessageRecord, PresenceRecord, SeenRecord,
    SessionRecord,
};
use crate::core::id::{CallId, ConversationId, DecisionId, EventId, LegId, VoicemailId};
use crate::core::name::{ChannelName, TrunkName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::routing::{Decision, Facts, Request};
use crate::core::time::Wall;

/// One fact to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// A call began, changed or ended: the whole row each time.
    Call(CallRecord),
    /// A leg began, changed or ended: the whole row each time.
    Leg(LegRecord),
    /// Who a conversation was given to.
    Assignment(AssignmentRecord),
    /// An item of any kind in an inbox began or changed: the whole row each time.
    Item(Box<conversation::ConversationRecord>),
    /// A message was added or changed: the whole row each time.
    Message(Box<MessageRecord>),
    /// A conversation was deleted with all that is in it.
    ConversationDeleted(#[serde(with = "conversation_alone")] ConversationId),
    /// A contact began or changed: the whole row each time.
    Contact(Box<ContactRecord>),
    /// A user came or went.
    Presence(PresenceRecord),
    /// A user has read a conversation.
    Seen(SeenRecord),
    /// A person signed in, stayed or signed out.
    Session(SessionRecord),
    /// Something was changed over the API.
    Audit(Box<AuditRecord>),
    /// A recorded message.
    Voicemail(VoicemailRecord),
    /// Somebody has listened to a recorded message, or says that nobody has.
    Heard(HeardRecord),
    /// A decision with its trace.
    Decision(Box<DecisionRecord>),
    /// Something has happened that programs elsewhere or people by mail must hear of. It becomes no
    /// row: it stands in the journal beside what it tells of until it has been handed on.
    Event(Box<EventRecord>),
    /// A device registered, or renewed.
    Registered(RegistrationRecord),
    /// A registration ended.
    Unregistered {
        /// Whose.
        user: UserName,
        /// The Contact URI that was bound.
        contact: String,
    },
}

/// A record that is an identifier only, as an object: beside the record's name nothing else can stand.
mod conversation_alone {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::core::id::ConversationId;

    #[derive(Serialize, Deserialize)]
    struct Alone {
        conversation: ConversationId,
    }

    pub fn serialize<S: Serializer>(id: &ConversationId, serializer: S) -> Result<S::Ok, S::Error> {
        Alone { conversation: *id }.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ConversationId, D::Error> {
        Alone::deserialize(deserializer).map(|alone| alone.conversation)
    }
}

/// An event under the name by which it is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// The same however often it is told.
    pub id: EventId,
    /// What has happened.
    pub event: conversation::Event,
}

/// One phone conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Its key.
    pub id: CallId,
    /// The channel; `None` where the number was unknown.
    pub channel: Option<ChannelName>,
    /// The trunk; `None`: from one of our own phones.
    pub trunk: Option<TrunkName>,
    /// The caller's number, if shown.
    pub from: Option<PhoneNumber>,
    /// The caller's name, if shown.
    pub from_name: Option<String>,
    /// What was dialled, as it came where it could not be read as a number.
    pub to: String,
    /// When its INVITE arrived.
    pub began: Wall,
    /// When somebody (or the voicemail) answered.
    pub answered: Option<Wall>,
    /// When it was over.
    pub ended: Option<Wall>,
    /// Who answered.
    pub answered_by: Option<UserName>,
    /// How it ended, once it has: `answered`, `voicemail`, `missed`, `refused`, `failed`.
    pub outcome: Option<CallOutcome>,
    /// The sentence an admin reads about the end.
    pub detail: String,
    /// The SIP Call-ID of the caller's leg.
    pub sip_call_id: String,
    /// The snapshot that it was decided from.
    pub snapshot: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallOutcome {
    /// A person talked to the caller.
    Answered,
    /// The caller left a message.
    Voicemail,
    /// The caller hung up, or left no message.
    Missed,
    /// Refused with a status.
    Refused,
    /// Something broke.
    Failed,
}

/// One side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegRecord {
    /// Its key.
    pub id: LegId,
    /// The call that it is a side of.
    pub call: CallId,
    /// The user it rang; `None`: the caller's leg.
    pub user: Option<UserName>,
    /// The remote URI.
    pub uri: String,
    /// When it began.
    pub began: Wall,
    /// When it was answered.
    pub answered: Option<Wall>,
    /// When it ended.
    pub ended: Option<Wall>,
    /// Its final SIP status: 200 where it was answered.
    pub status: Option<u16>,
    /// Why it ended, in words.
    pub reason: String,
}

/// What a conversation of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConversationItem {
    /// Somebody answered.
    Call,
    /// Nobody did.
    MissedCall,
    /// Nobody did, and there is a recorded message.
    Voicemail,
}

/// Who a conversation was given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentRecord {
    /// The conversation.
    pub conversation: ConversationId,
    /// To whom; `None`: nobody has it now.
    pub to: Option<Assignee>,
    /// Who did it: `rule`, or the user or program that did it by hand.
    pub by: String,
    /// When.
    pub at: Wall,
    /// The decision that led to it.
    pub decision: Option<DecisionId>,
}

/// What is shorter than this, after trailing silence was cut off, is no message: the caller hung up
/// at the beep.
pub const SHORTEST_VOICEMAIL: Duration = Duration::from_secs(2);

/// Where a voicemail's audio lies in the audio directory: `YYYY/MM/DD/ID.wav`, by the UTC date of
/// its beep.
pub fn voicemail_file(id: VoicemailId, began: Wall) -> PathBuf {
    PathBuf::from(format!("{}/{id}.wav", began.to_utc().format("%Y/%m/%d")))
}

/// A recorded message. The same text stands in the file beside the audio.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoicemailRecord {
    /// Its key.
    pub id: VoicemailId,
    /// The call.
    pub call: CallId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The channel.
    pub channel: ChannelName,
    /// The caller's number, if shown.
    pub from: Option<PhoneNumber>,
    /// The caller's name, if shown.
    pub from_name: Option<String>,
    /// When the beep sounded.
    pub began: Wall,
    /// Length; `None` while it is being recorded.
    pub seconds: Option<f64>,
    /// True once it is known that it is kept (2 s or more); false: dropped as too short.
    pub kept: bool,
    /// The audio: 16-bit 8 kHz mono WAV, relative to the audio directory.
    pub file: PathBuf,
    /// Who is told by mail.
    pub notify: Vec<String>,
}

/// Whether a recorded message was listened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardRecord {
    /// Which.
    pub voicemail: VoicemailId,
    /// Who listened: `user anna`, `token crm`.
    pub by: String,
    /// When; `None`: it counts as new again.
    pub at: Option<Wall>,
}

/// A decision with all that is needed to replay it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Its key.
    pub id: DecisionId,
    /// The call; `None` where a request was refused before it became one.
    pub call: Option<CallId>,
    /// The conversation, of messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// When.
    pub at: Wall,
    /// What was asked.
    pub request: Request,
    /// What was known.
    pub facts: Facts,
    /// What came out.
    pub decision: Decision,
    /// What an admin should know beside it: a later reload that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// A device's registration that must survive a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationRecord {
    /// Whose.
    pub user: UserName,
    /// The Contact URI.
    pub contact: String,
    /// `udp` or `tcp`, the listener's local address, and where it came from.
    pub protocol: String,
    /// The listener's address.
    pub local: String,
    /// The source of the REGISTER.
    pub remote: String,
    /// Call-ID of the REGISTER (RFC 3261 §10.3).
    pub call_id: String,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// User-Agent, if sent.
    pub user_agent: Option<String>,
    /// When it began.
    pub registered: Wall,
    /// When it runs out.
    pub expires: Wall,
}

/// A mail that somebody is to get about a call that nobody answered. Its key is the call, so that it
/// is sent once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The call it is about. Earlier versions named it by its conversation.
    #[serde(alias = "conversation")]
    pub call: CallId,
    /// Who gets it.
    pub to: Vec<String>,
    /// The channel.
    pub channel: ChannelName,
    /// The caller's number, if shown.
    pub from: Option<PhoneNumber>,
    /// The caller's name, if shown.
    pub from_name: Option<String>,
    /// What was dialled.
    pub dialled: String,
    /// When the call began, in UTC.
    pub at: Wall,
    /// When the call began, as the channel's schedule reads the clock: `Wed 2026-12-02 11:40+01:00`.
    pub local: String,
    /// Why nobody talked to the caller, in a sentence.
    pub detail: String,
    /// The voicemail's length in seconds and its file, absolute; `None`: a missed call.
    pub voicemail: Option<(f64, PathBuf)>,
}

//! What the API tells of conversations, messages and contacts. Each field is named here, so that
//! nothing is told because it was added to a record: no paths of files, no hashes of cookies, no state
//! of routing.

use serde::Serialize;
use utoipa::ToSchema;

use crate::core::conversation::{
    Assignee, Attachment, Author, ContactRecord, ConversationRecord, Delivery, Gone, ItemKind,
    MessageKind, MessageRecord, PresenceRecord, Status,
};
use crate::core::routing::Presence;
use crate::core::snapshot::Kind;
use crate::core::time::Wall;

/// A conversation.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct ConversationView {
    /// Its identifier.
    pub id: String,
    /// Counts up with each change.
    pub revision: u64,
    /// `call`, `email`, `form` or `chat`.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// The channel.
    pub channel: String,
    /// The inbox; absent: everybody has access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbox: Option<String>,
    /// `open`, `waiting` or `closed`.
    #[schema(value_type = String)]
    pub status: Status,
    /// The subject; of calls the caller.
    pub subject: String,
    /// The last message's first words.
    pub preview: String,
    /// The contact, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// How the person on the other side is called.
    pub contact_name: String,
    /// Where replies go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact_address: Option<String>,
    /// The caller's number, of calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What the last call was: `call`, `missed-call` or `voicemail`.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemKind>,
    /// When it began.
    #[schema(value_type = String)]
    pub began: Wall,
    /// When the last message was added.
    #[schema(value_type = String)]
    pub last_message: Wall,
    /// Since when the other side waits.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awaits_reply_since: Option<Wall>,
    /// `{"user":"anna"}`, `{"team":"support"}`, `{"customer-agent":"bot"}`; absent: nobody.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Assignee>,
    /// When it was assigned last.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned: Option<Wall>,
    /// The decision that assigned it, or left it unassigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// When it was closed.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Wall>,
}

impl ConversationView {
    pub fn of(record: &ConversationRecord) -> ConversationView {
        ConversationView {
            id: record.id.to_string(),
            revision: record.revision,
            kind: record.kind,
            channel: record.channel.to_string(),
            inbox: record.inbox.as_ref().map(ToString::to_string),
            status: record.status,
            subject: record.subject.clone(),
            preview: record.preview.clone(),
            contact: record.contact.map(|contact| contact.to_string()),
            contact_name: record.contact_name.clone(),
            contact_address: record.contact_address.clone(),
            from: record.from.as_ref().map(ToString::to_string),
            item: record.item,
            began: record.began,
            last_message: record.last_message,
            awaits_reply_since: record.awaits_reply_since,
            assignee: record.assignee.clone(),
            assigned: record.assigned,
            decision: record.decision.map(|decision| decision.to_string()),
            closed: record.closed,
        }
    }
}

/// A message. Its text is data, never markup; its HTML was made safe.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct MessageView {
    /// Its identifier.
    pub id: String,
    /// The conversation.
    pub conversation: String,
    /// When.
    #[schema(value_type = String)]
    pub at: Wall,
    /// `received`, `sent`, `note`, `call`, `missed-call`, `voicemail` or `event`.
    #[schema(value_type = String)]
    pub kind: MessageKind,
    /// `"contact"`, `{"user":"anna"}`, `{"customer-agent":"bot"}` or `"automatic"`.
    #[schema(value_type = serde_json::Value)]
    pub author: Author,
    /// The author's name and address as they came.
    pub author_name: String,
    /// The subject, where it has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text.
    pub text: String,
    /// Quoted history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoted: Option<String>,
    /// Sanitised HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Answers of a form or a chatflow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldView>,
    /// Files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentView>,
    /// `"none"`, `"pending"`, `"sent"`, `"seen"` or `{"failed":"why"}`.
    #[schema(value_type = serde_json::Value)]
    pub delivery: Delivery,
    /// The call, of call items: of several missed ones the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Missed calls that were counted into it before that one, the oldest first: the latest 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier_calls: Vec<String>,
    /// The voicemail, of voicemail items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail: Option<String>,
    /// How many missed calls it stands for.
    pub count: u32,
}

/// An answer of a form or a chatflow.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct FieldView {
    /// The field.
    pub name: String,
    /// What was entered.
    pub value: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct AttachmentView {
    /// Its identifier: `GET /api/v1/attachments/ID`.
    pub id: String,
    /// Its name.
    pub file_name: String,
    /// Its media type as it came; not to be believed.
    pub content_type: String,
    /// Octets.
    pub size: u64,
    /// The Content-ID, of images inside HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
}

impl AttachmentView {
    pub fn of(attachment: &Attachment) -> AttachmentView {
        AttachmentView {
            id: attachment.id.to_string(),
            file_name: attachment.file_name.clone(),
            content_type: attachment.content_type.clone(),
            size: attachment.size,
            content_id: attachment.content_id.clone(),
        }
    }
}

impl MessageView {
    pub fn of(record: &MessageRecord) -> MessageView {
        MessageView {
            id: record.id.to_string(),
            conversation: record.conversation.to_string(),
            at: record.at,
            kind: record.kind,
            author: record.author.clone(),
            author_name: record.author_name.clone(),
            subject: record.subject.clone(),
            text: record.text.clone(),
            quoted: record.quoted.clone(),
            html: record.html.clone(),
            fields: record
                .fields
                .iter()
                .map(|(name, value)| FieldView {
                    name: name.clone(),
                    value: value.clone(),
                })
                .collect(),
            attachments: record.attachments.iter().map(AttachmentView::of).collect(),
            delivery: record.delivery.clone(),
            call: record.call.map(|call| call.to_string()),
            earlier_calls: record
                .earlier_calls
                .iter()
                .map(ToString::to_string)
                .collect(),
            voicemail: record.voicemail.map(|voicemail| voicemail.to_string()),
            count: record.count,
        }
    }
}

/// A person on the other side.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct ContactView {
    /// Its identifier.
    pub id: String,
    /// Counts up with each change; also the ETag.
    pub revision: u64,
    /// The name.
    pub name: String,
    /// Mail addresses.
    pub addresses: Vec<String>,
    /// Phone numbers.
    pub numbers: Vec<String>,
    /// The user who owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its name in a CRM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// What people wrote about it.
    pub note: String,
    /// The contact that it was merged into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// Whether it was deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// When it began.
    #[schema(value_type = String)]
    pub created: Wall,
    /// When it was last changed.
    #[schema(value_type = String)]
    pub changed: Wall,
}

impl ContactView {
    pub fn of(record: &ContactRecord) -> ContactView {
        ContactView {
            id: record.id.to_string(),
            revision: record.revision,
            name: record.name.clone(),
            addresses: record.addresses.clone(),
            numbers: record.numbers.iter().map(ToString::to_string).collect(),
            owner: record.owner.as_ref().map(ToString::to_string),
            external_id: record.external_id.clone(),
            note: record.note.clone(),
            merged_into: match &record.gone {
                Some(Gone::Merged(into)) => Some(into.to_string()),
                Some(Gone::Deleted) | None => None,
            },
            deleted: record.gone == Some(Gone::Deleted),
            created: record.created,
            changed: record.changed,
        }
    }
}

/// Whether a user is there.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct PresenceView {
    /// Who.
    pub user: String,
    /// `available` or `away`.
    #[schema(value_type = String)]
    pub presence: Presence,
    /// Why, in a word or two: `by hand`, `own hours`.
    pub reason: String,
    /// Since when.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Wall>,
    /// Until when a change by hand holds against own hours.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Wall>,
}

impl PresenceView {
    pub fn of(record: &PresenceRecord) -> PresenceView {
        PresenceView {
            user: record.user.to_string(),
            presence: record.presence,
            reason: record.reason.clone(),
            since: Some(record.since),
            until: record.until,
        }
    }
}

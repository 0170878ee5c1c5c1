//! What is told of an event. Each field is named here, so that nothing goes outside because it was
//! added to a record: no paths of files, no hashes of cookies, no routing state.

use serde::Serialize;
use serde_json::{Value, json};

use crate::core::conversation::{
    Attachment, ContactRecord, ConversationRecord, Event, Gone, Happening, MessageRecord,
    SeenRecord,
};
use crate::core::id::EventId;
use crate::core::snapshot::Webhook;
use crate::core::time::Wall;

/// Characters of a message's text that are sent; the whole can be read over the API.
const LONGEST_TEXT: usize = 50_000;

/// What is posted: an envelope that is the same for all events.
#[derive(Serialize)]
struct Envelope<'a> {
    id: EventId,
    #[serde(rename = "type")]
    name: &'a str,
    at: Wall,
    sequence: u64,
    data: &'a Value,
}

/// The body of a delivery. `id` is the event's, the same for all webhooks.
pub(super) fn body(id: EventId, name: &str, at: Wall, sequence: u64, data: &Value) -> String {
    let envelope = Envelope {
        id,
        name,
        at,
        sequence,
        data,
    };
    // Strings and numbers of our own make JSON.
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// Whether a webhook is told of an event of that name.
///
/// Typing is told only where it is asked for by name: it is over when it arrives. So are contacts and
/// presence, which belong to no inbox, where the webhook is for some inboxes only.
pub(super) fn wants(webhook: &Webhook, event: &Event, name: &str) -> bool {
    let named = webhook.events.iter().any(|wanted| wanted == name);
    if !named && (!webhook.events.is_empty() || name == "typing") {
        return false;
    }
    match (&webhook.inboxes, &event.inbox) {
        (None, _) => true,
        (Some(inboxes), Some(inbox)) => inboxes.contains(inbox),
        (Some(_), None) => {
            named && matches!(event.what, Happening::Contact(_) | Happening::Presence(_))
        }
    }
}

/// The event's name and what is told of it; `None`: it is for parts of Ringdesk only.
pub(super) fn told(event: &Event) -> Option<(&'static str, Value)> {
    let name = event.what.name()?;
    let data = match &event.what {
        Happening::Created(conversation) | Happening::Changed(conversation) => {
            json!({ "conversation": conversation_told(conversation) })
        }
        Happening::Assigned {
            conversation,
            before,
            decision,
        } => json!({
            "conversation": conversation_told(conversation),
            "before": before,
            "by_rule": decision.is_some(),
        }),
        Happening::Message {
            conversation,
            message,
            outgoing: _,
        }
        | Happening::MessageChanged {
            conversation,
            message,
        } => json!({
            "conversation": conversation_told(conversation),
            "message": message_told(message),
        }),
        Happening::Deleted(conversation) => json!({ "conversation": { "id": conversation } }),
        Happening::Seen {
            conversation,
            user,
            at,
        } => json!({
            "conversation": { "id": conversation },
            "user": user,
            "at": (*at != SeenRecord::NOTHING).then_some(at),
        }),
        Happening::Typing {
            conversation,
            author,
        } => json!({ "conversation": { "id": conversation }, "author": author }),
        Happening::Presence(presence) => json!({ "presence": presence }),
        Happening::Contact(contact) => json!({ "contact": contact_told(contact) }),
        Happening::MailOwner { .. } => return None,
    };
    Some((name, data))
}

fn conversation_told(conversation: &ConversationRecord) -> Value {
    json!({
        "id": conversation.id,
        "revision": conversation.revision,
        "kind": conversation.kind,
        "channel": conversation.channel,
        "inbox": conversation.inbox,
        "status": conversation.status,
        "subject": conversation.subject,
        "preview": conversation.preview,
        "contact": conversation.contact,
        "contact_name": conversation.contact_name,
        "contact_address": conversation.contact_address,
        "from": conversation.from,
        "item": conversation.item,
        "began": conversation.began,
        "last_message": conversation.last_message,
        "awaits_reply_since": conversation.awaits_reply_since,
        "assignee": conversation.assignee,
        "assigned": conversation.assigned,
        "unassigned": conversation.unassigned,
        "closed": conversation.closed,
    })
}

fn message_told(message: &MessageRecord) -> Value {
    let (text, cut) = cut(&message.text);
    let files: Vec<Value> = message.attachments.iter().map(attachment_told).collect();
    json!({
        "id": message.id,
        "at": message.at,
        "kind": message.kind,
        "author": message.author,
        "author_name": message.author_name,
        "subject": message.subject,
        "text": text,
        "text_cut": cut,
        "fields": message.fields,
        "attachments": files,
        "delivery": message.delivery,
        "call": message.call,
        "voicemail": message.voicemail,
        "count": message.count,
    })
}

fn attachment_told(attachment: &Attachment) -> Value {
    json!({
        "id": attachment.id,
        "file_name": attachment.file_name,
        "content_type": attachment.content_type,
        "size": attachment.size,
    })
}

fn contact_told(contact: &ContactRecord) -> Value {
    let gone = contact.gone.as_ref().map(|gone| match gone {
        Gone::Merged(into) => json!({ "merged_into": into }),
        Gone::Deleted => json!("deleted"),
    });
    json!({
        "id": contact.id,
        "revision": contact.revision,
        "name": contact.name,
        "addresses": contact.addresses,
        "numbers": contact.numbers,
        "owner": contact.owner,
        "external_id": contact.external_id,
        "note": contact.note,
        "gone": gone,
        "created": contact.created,
        "changed": contact.changed,
    })
}

fn cut(text: &str) -> (&str, bool) {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;

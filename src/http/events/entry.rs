//! An event as it is told: its name, who may hear of it, and its JSON.

use serde_json::{Value, json};

use crate::core::conversation::{Event, Happening, SeenRecord};
use crate::core::name::InboxName;
use crate::core::snapshot::Scope;
use crate::core::time::Wall;
use crate::http::views::{ContactView, ConversationView, MessageView, PresenceView};

/// An event as it is told.
#[derive(Debug)]
pub(super) struct Entry {
    pub number: u64,
    pub name: &'static str,
    pub inbox: Option<InboxName>,
    /// What a token needs besides reading conversations.
    pub scope: Option<Scope>,
    pub conversation: Option<String>,
    pub channel: Option<String>,
    pub data: String,
}

pub(super) fn entry(number: u64, event: &Event) -> Option<Entry> {
    let name = event.what.name()?;
    let (conversation, channel) = match &event.what {
        Happening::Created(conversation)
        | Happening::Changed(conversation)
        | Happening::Assigned { conversation, .. }
        | Happening::Message { conversation, .. }
        | Happening::MessageChanged { conversation, .. } => (
            Some(conversation.id.to_string()),
            Some(conversation.channel.to_string()),
        ),
        Happening::Deleted(conversation)
        | Happening::Seen { conversation, .. }
        | Happening::Typing { conversation, .. } => (Some(conversation.to_string()), None),
        Happening::Presence(_) | Happening::Contact(_) | Happening::MailOwner { .. } => {
            (None, None)
        }
    };
    let scope = match &event.what {
        Happening::Presence(_) => Some(Scope::ReadUsers),
        Happening::Contact(_) => Some(Scope::ReadContacts),
        _ => None,
    };
    Some(Entry {
        number,
        name,
        inbox: event.inbox.clone(),
        scope,
        conversation,
        channel,
        data: data(event.at, event).to_string(),
    })
}

fn data(at: Wall, event: &Event) -> Value {
    let inbox = &event.inbox;
    match &event.what {
        Happening::Created(conversation) | Happening::Changed(conversation) => {
            json!({ "at": at, "conversation": ConversationView::of(conversation) })
        }
        Happening::Assigned {
            conversation,
            before,
            decision,
        } => json!({
            "at": at,
            "conversation": ConversationView::of(conversation),
            "before": before,
            "by_rule": decision.is_some(),
        }),
        Happening::Message {
            conversation,
            message,
            ..
        }
        | Happening::MessageChanged {
            conversation,
            message,
        } => json!({
            "at": at,
            "conversation": ConversationView::of(conversation),
            "message": MessageView::of(message),
        }),
        Happening::Deleted(conversation) => {
            json!({ "at": at, "conversation": { "id": conversation, "inbox": inbox } })
        }
        Happening::Seen {
            conversation,
            user,
            at: until,
        } => json!({
            "at": at,
            "conversation": { "id": conversation, "inbox": inbox },
            "user": user,
            "until": (*until != SeenRecord::NOTHING).then_some(until),
        }),
        Happening::Typing {
            conversation,
            author,
        } => json!({
            "at": at,
            "conversation": { "id": conversation, "inbox": inbox },
            "author": author,
        }),
        Happening::Presence(presence) => {
            json!({ "at": at, "presence": PresenceView::of(presence) })
        }
        Happening::Contact(contact) => json!({ "at": at, "contact": ContactView::of(contact) }),
        Happening::MailOwner { .. } => Value::Null,
    }
}

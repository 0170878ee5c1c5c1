//! Records of calls as earlier versions wrote them into the journal.

use crate::core::conversation::{
    Assignee, Author, ConversationRecord, Delivery, ItemKind, MessageKind, MessageRecord, Status,
};
use crate::core::id::MessageId;
use crate::core::name::InboxName;
use crate::core::record;
use crate::core::snapshot::Kind;

/// An item of the call side as a conversation, of a revision that every other replaces, and the call
/// as a message in it. Its inbox is not known: the empty name gives nobody access but those who see
/// all, until the next start reads it from the configuration.
pub(super) fn item(item: record::ConversationRecord) -> (ConversationRecord, MessageRecord) {
    let name = match &item.from {
        Some(from) => from.to_string(),
        None => "anonymous".to_owned(),
    };
    let answered = item.item == ItemKind::Call;
    let conversation = ConversationRecord {
        id: item.id,
        revision: 0,
        kind: Kind::Call,
        channel: item.channel,
        inbox: Some(InboxName::from("")),
        status: match item.closed {
            Some(_) => Status::Closed,
            None => Status::Open,
        },
        subject: name.clone(),
        contact: None,
        contact_name: name.clone(),
        contact_address: item.from.as_ref().map(ToString::to_string),
        found_by: None,
        visitor: None,
        from: item.from,
        item: Some(item.item),
        began: item.began,
        last_message: item.closed.unwrap_or(item.began),
        preview: String::new(),
        awaits_reply_since: (!answered && item.closed.is_none()).then_some(item.began),
        replied: answered,
        assigned: item.assignee.as_ref().map(|_| item.began),
        assignee: item.assignee.map(Assignee::User),
        unassigned: None,
        decision: None,
        progress: None,
        closed: item.closed,
    };
    let message = MessageRecord {
        id: MessageId(item.call.0),
        conversation: item.id,
        at: item.began,
        kind: match item.item {
            ItemKind::Call => MessageKind::Call,
            ItemKind::MissedCall => MessageKind::MissedCall,
            ItemKind::Voicemail => MessageKind::Voicemail,
        },
        author: Author::Contact,
        author_name: name,
        subject: None,
        text: String::new(),
        quoted: None,
        html: None,
        fields: Vec::new(),
        attachments: Vec::new(),
        delivery: Delivery::None,
        external_id: None,
        raw: None,
        call: Some(item.call),
        voicemail: None,
        count: 1,
    };
    (conversation, message)
}

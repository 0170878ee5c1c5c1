//! Records as earlier versions wrote them: what such a version left in the journal when it was killed
//! becomes rows of this one.

use serde::Deserialize;

use super::journal::{Placed, Position};
use crate::core::conversation::{
    Assignee, Author, ConversationRecord, ItemKind, MessageKind, MessageRecord, Status,
};
use crate::core::id::{CallId, ConversationId, DecisionId, MessageId};
use crate::core::name::{ChannelName, InboxName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::record::{AssignmentRecord, Record};
use crate::core::snapshot::Kind;
use crate::core::time::Wall;

/// A record of version 0.1 that has another shape now.
#[derive(Debug, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
enum Earlier {
    Conversation(Item),
    Assignment(Assignment),
}

/// An item in an inbox, when there were none but of calls.
#[derive(Debug, Deserialize)]
struct Item {
    id: ConversationId,
    call: CallId,
    channel: ChannelName,
    item: ItemKind,
    from: Option<PhoneNumber>,
    began: Wall,
    assignee: Option<UserName>,
    closed: Option<Wall>,
}

/// Who a conversation was given to, when there were none but users.
#[derive(Debug, Deserialize)]
struct Assignment {
    conversation: ConversationId,
    user: UserName,
    at: Wall,
    decision: Option<DecisionId>,
}

/// The records that a line of the journal ending at `place` stands for.
pub(super) fn read(line: &[u8], place: Position) -> Result<Vec<Placed>, serde_json::Error> {
    let unreadable = match serde_json::from_slice(line) {
        Ok(record) => return Ok(vec![(record, place)]),
        Err(error) => error,
    };
    let records = match serde_json::from_slice(line) {
        Ok(Earlier::Conversation(item)) => {
            let (conversation, message) = item.into_conversation();
            vec![
                (Record::Item(Box::new(conversation)), place),
                (Record::Message(Box::new(message)), place),
            ]
        }
        Ok(Earlier::Assignment(earlier)) => {
            let assignment = AssignmentRecord {
                conversation: earlier.conversation,
                to: Some(Assignee::User(earlier.user)),
                by: "rule".to_owned(),
                at: earlier.at,
                decision: earlier.decision,
            };
            vec![(Record::Assignment(assignment), place)]
        }
        Err(_) => return Err(unreadable),
    };
    Ok(records)
}

impl Item {
    /// An item of the call side as a conversation, of a revision that every other replaces, and the call
    /// as a message in it. Its inbox is not known: the empty name gives nobody access but those who see
    /// all, until the next start reads it from the configuration.
    fn into_conversation(self) -> (ConversationRecord, MessageRecord) {
        let name = match &self.from {
            Some(from) => from.to_string(),
            None => "anonymous".to_owned(),
        };
        let answered = self.item == ItemKind::Call;
        let conversation = ConversationRecord {
            revision: 0,
            inbox: Some(InboxName::from("")),
            status: match self.closed {
                Some(_) => Status::Closed,
                None => Status::Open,
            },
            subject: name.clone(),
            contact_name: name.clone(),
            contact_address: self.from.as_ref().map(ToString::to_string),
            from: self.from,
            item: Some(self.item),
            last_message: self.closed.unwrap_or(self.began),
            awaits_reply_since: (!answered && self.closed.is_none()).then_some(self.began),
            replied: answered,
            assigned: self.assignee.as_ref().map(|_| self.began),
            assignee: self.assignee.map(Assignee::User),
            closed: self.closed,
            ..ConversationRecord::begun(self.id, Kind::Call, self.channel, self.began)
        };
        let kind = match self.item {
            ItemKind::Call => MessageKind::Call,
            ItemKind::MissedCall => MessageKind::MissedCall,
            ItemKind::Voicemail => MessageKind::Voicemail,
        };
        let message = MessageRecord {
            author_name: name,
            call: Some(self.call),
            ..MessageRecord::new(
                MessageId(self.call.0),
                self.id,
                self.began,
                kind,
                Author::Contact,
            )
        };
        (conversation, message)
    }
}

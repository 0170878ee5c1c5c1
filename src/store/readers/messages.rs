//! What is in a conversation, and which conversation something is in.

use sqlx::{QueryBuilder, Sqlite};

use super::columns::{self, CONVERSATION, Columns, MESSAGE};
use super::page::{LARGEST_PAGE, rows};
use super::{Readers, Sight};
use crate::core::conversation::{Attachment, ConversationRecord, MessageRecord};
use crate::core::id::{AttachmentId, ConversationId, MessageId};
use crate::core::name::ChannelName;
use crate::store::StoreError;

/// Which messages of a conversation are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessagePlace {
    /// The latest.
    #[default]
    Latest,
    /// The latest of those before this one.
    Before(MessageId),
    /// The first of those after this one.
    After(MessageId),
}

/// Messages of a conversation, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePage {
    /// The messages.
    pub items: Vec<MessageRecord>,
    /// True if there are more in the direction asked for: before the first, or after the last.
    pub more: bool,
}

/// A message with its conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The message.
    pub message: MessageRecord,
    /// The conversation that it is in.
    pub conversation: ConversationRecord,
}

/// A file with the message that it belongs to. A note's are for colleagues only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The file.
    pub attachment: Attachment,
    /// Its message.
    pub message: MessageRecord,
    /// The conversation that it is in.
    pub conversation: ConversationRecord,
}

impl Readers {
    /// Messages of a conversation; none where it is out of sight.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn messages(
        &self,
        sight: &Sight,
        conversation: ConversationId,
        place: MessagePlace,
        limit: u32,
    ) -> Result<MessagePage, StoreError> {
        let mut question = QueryBuilder::new(format!(
            "SELECT {MESSAGE} FROM messages WHERE messages.conversation = "
        ));
        question.push_bind(conversation.to_string()).push(" AND");
        sight.push_conversation(&mut question, "messages.conversation");
        let (beyond, order) = match place {
            MessagePlace::Latest => (None, "DESC"),
            MessagePlace::Before(id) => (Some(("<", id)), "DESC"),
            MessagePlace::After(id) => (Some((">", id)), "ASC"),
        };
        if let Some((sign, id)) = beyond {
            question.push(format_args!(
                " AND messages.number {sign} (SELECT number FROM messages WHERE id = "
            ));
            question.push_bind(id.to_string()).push(")");
        }
        question.push(format_args!(" ORDER BY messages.number {order} LIMIT "));
        question.push_bind(rows(limit));
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        let shown = limit.clamp(1, LARGEST_PAGE) as usize;
        let mut items = (rows.iter().take(shown))
            .map(|row| columns::message(&mut Columns::of("a message", row)))
            .collect::<Result<Vec<_>, _>>()?;
        if order == "DESC" {
            items.reverse();
        }
        let more = rows.len() > shown;
        Ok(MessagePage { items, more })
    }

    /// One message with its conversation.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn message(&self, sight: &Sight, id: MessageId) -> Result<Option<Found>, StoreError> {
        let mut question = found();
        question.push(" WHERE messages.id = ");
        question.push_bind(id.to_string()).push(" AND");
        sight.push(&mut question, "conversations.inbox");
        Ok(self.found(question).await?.pop())
    }

    /// A file by its identifier, with its message and conversation.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn attachment(
        &self,
        sight: &Sight,
        id: AttachmentId,
    ) -> Result<Option<Attached>, StoreError> {
        let mut question = found();
        question.push(" WHERE messages.id = (SELECT message FROM attachments WHERE id = ");
        question.push_bind(id.to_string()).push(") AND");
        sight.push(&mut question, "conversations.inbox");
        let Some(found) = self.found(question).await?.pop() else {
            return Ok(None);
        };
        let attachment = found.message.attachments.iter().find(|file| file.id == id);
        Ok(attachment.cloned().map(|attachment| Attached {
            attachment,
            message: found.message,
            conversation: found.conversation,
        }))
    }

    /// The message that has this name elsewhere (Message-ID, client's id, idempotency key) in that
    /// channel. For the edges: nobody's sight limits it.
    ///
    /// # Errors
    /// The database does not answer, or the row cannot be read.
    pub async fn message_named(
        &self,
        channel: &ChannelName,
        external_id: &str,
    ) -> Result<Option<Found>, StoreError> {
        let mut question = found();
        question.push(" WHERE messages.external_id = ");
        question.push_bind(external_id.to_owned());
        question.push(" AND conversations.channel = ");
        question.push_bind(channel.to_string());
        question.push(" ORDER BY messages.number LIMIT 1");
        Ok(self.found(question).await?.pop())
    }

    /// The messages that have one of these names elsewhere, in any channel, the latest first: of a
    /// mail's In-Reply-To and References, at most [`LARGEST_PAGE`] of them.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn messages_named(&self, external_ids: &[String]) -> Result<Vec<Found>, StoreError> {
        if external_ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut question = found();
        question.push(" WHERE messages.external_id IN (");
        let mut list = question.separated(", ");
        for id in external_ids.iter().take(LARGEST_PAGE as usize) {
            list.push_bind(id.clone());
        }
        question.push(") ORDER BY messages.number DESC LIMIT ");
        question.push_bind(LARGEST_PAGE);
        self.found(question).await
    }

    /// Replies of email and form conversations that are on their way by mail, the oldest first: of the
    /// latest, at most [`LARGEST_PAGE`] times ten.
    ///
    /// # Errors
    /// The database does not answer, or a row cannot be read.
    pub async fn undelivered(&self) -> Result<Vec<Found>, StoreError> {
        let mut question = found();
        question.push(
            " WHERE messages.kind = 'sent' AND messages.delivery = '\"pending\"'
             AND conversations.kind IN ('email', 'form') ORDER BY messages.number DESC LIMIT ",
        );
        question.push_bind(LARGEST_PAGE.saturating_mul(10));
        let mut found = self.found(question).await?;
        found.reverse();
        Ok(found)
    }

    async fn found(&self, mut question: QueryBuilder<Sqlite>) -> Result<Vec<Found>, StoreError> {
        let mut connection = self.connection().await?;
        let rows = question.build().fetch_all(&mut *connection).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of("a message", row);
                Ok(Found {
                    message: columns::message(&mut columns)?,
                    conversation: columns::conversation(&mut columns)?,
                })
            })
            .collect()
    }
}

fn found() -> QueryBuilder<Sqlite> {
    QueryBuilder::new(format!(
        "SELECT {MESSAGE}, {CONVERSATION} FROM messages
         JOIN conversations ON conversations.id = messages.conversation"
    ))
}

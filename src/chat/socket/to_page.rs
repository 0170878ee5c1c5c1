//! What the page is told: what was said before it came, and what happens while it is there.

use std::sync::Arc;

use axum::extract::ws::WebSocket;

use super::{Over, Visit, send, unavailable};
use crate::chat::frame::{self, Said, ToVisitor};
use crate::core::conversation::{
    Author, Command, ConversationRecord, Delivery, Event, Happening, MessageKind, MessageRecord,
    Status,
};
use crate::core::id::{ConversationId, MessageId};
use crate::core::snapshot::Snapshot;

/// Messages that are told again when a page comes back.
const CAUGHT_UP: u32 = 100;

/// Messages to a page whose receipt is awaited; the receipt of older ones is not reported.
const AWAITED: usize = 32;

impl Visit {
    /// Finds the visitor's conversation and listens to it, then reads what the page lacks: in this
    /// order, so that nothing falls between.
    pub(super) async fn catch_up(
        &mut self,
        snapshot: &Snapshot,
        after: Option<MessageId>,
    ) -> Result<(Vec<Said>, bool), Over> {
        let archive = &self.chat.archive;
        let found = (archive.conversation)((self.channel.clone(), self.visitor.key())).await;
        self.conversation = found.map_err(unavailable)?;
        let Some(conversation) = &self.conversation else {
            return Ok((Vec::new(), after.is_some()));
        };
        let id = conversation.id;
        self.goes_on = conversation.status != Status::Closed;
        self.listen(id);
        let archive = &self.chat.archive;
        let mut messages = (archive.messages)((id, after, CAUGHT_UP))
            .await
            .map_err(unavailable)?;
        let is_whole = messages.len() < CAUGHT_UP as usize;
        let reset = after.is_some() && !is_whole;
        if reset {
            messages = (archive.messages)((id, None, CAUGHT_UP))
                .await
                .map_err(unavailable)?;
        }
        for message in &messages {
            self.note_own(message);
            if frame::is_on_its_way(message) {
                self.await_receipt(message.clone());
            }
        }
        let said = messages
            .iter()
            .filter_map(|message| self.said(message, snapshot));
        Ok((said.collect(), reset))
    }

    pub(super) async fn happened(
        &mut self,
        socket: &mut WebSocket,
        event: Arc<Event>,
    ) -> Result<(), Over> {
        let snapshot = self.chat.door.snapshot();
        match &event.what {
            Happening::Message {
                conversation,
                message,
                ..
            } => {
                self.show(socket, message, &snapshot).await?;
                self.follow(socket, conversation).await
            }
            Happening::Changed(conversation) => self.follow(socket, conversation).await,
            Happening::Typing { author, .. } => {
                let name = match author {
                    Author::Contact | Author::Automatic => return Ok(()),
                    Author::User(user) => snapshot.name_of_user(user),
                    Author::CustomerAgent(agent) => snapshot.name_of_customer_agent(agent),
                };
                send(socket, &ToVisitor::Typing { name }).await
            }
            Happening::Seen { at, .. } => match self.last_own {
                Some((id, written)) if written <= *at => {
                    send(socket, &ToVisitor::Read { id }).await
                }
                Some(_) | None => Ok(()),
            },
            Happening::Deleted(_) => {
                self.conversation = None;
                self.goes_on = false;
                self.listen_no_more();
                send(socket, &ToVisitor::Closed).await
            }
            Happening::MessageChanged { .. }
            | Happening::Created(_)
            | Happening::Assigned { .. }
            | Happening::Presence(_)
            | Happening::Contact(_)
            | Happening::MailOwner { .. } => Ok(()),
        }
    }

    /// Notes how the conversation is now, and says once that it was closed.
    async fn follow(
        &mut self,
        socket: &mut WebSocket,
        conversation: &ConversationRecord,
    ) -> Result<(), Over> {
        let is_closed = conversation.status == Status::Closed;
        let known = self.conversation.as_ref();
        let was_closed = known.is_some_and(|it| it.status == Status::Closed);
        self.conversation = Some(Box::new(conversation.clone()));
        self.goes_on |= !is_closed;
        match is_closed && !was_closed {
            true => send(socket, &ToVisitor::Closed).await,
            false => Ok(()),
        }
    }

    /// Shows a message, unless it is for colleagues alone.
    async fn show(
        &mut self,
        socket: &mut WebSocket,
        message: &MessageRecord,
        snapshot: &Snapshot,
    ) -> Result<(), Over> {
        self.note_own(message);
        if frame::is_on_its_way(message) {
            self.await_receipt(message.clone());
        }
        match self.said(message, snapshot) {
            Some(said) => send(socket, &ToVisitor::Message(said)).await,
            None => Ok(()),
        }
    }

    /// Shows what was answered between the beginning of a conversation and our listening to it: an
    /// automatic reply comes in the same moment. The page may hear of it twice, and knows it by its key.
    pub(super) async fn show_answers(
        &mut self,
        socket: &mut WebSocket,
        conversation: ConversationId,
    ) -> Result<(), Over> {
        let snapshot = self.chat.door.snapshot();
        let archive = &self.chat.archive;
        let said = (archive.messages)((conversation, None, CAUGHT_UP)).await;
        for message in said.map_err(unavailable)? {
            if message.kind == MessageKind::Sent {
                self.show(socket, &message, &snapshot).await?;
            }
        }
        Ok(())
    }

    pub(super) fn note_own(&mut self, message: &MessageRecord) {
        if message.kind == MessageKind::Received {
            self.last_own = Some((message.id, message.at));
        }
    }

    fn await_receipt(&mut self, message: MessageRecord) {
        if self.awaited.iter().any(|it| it.id == message.id) {
            return;
        }
        if self.awaited.len() >= AWAITED {
            self.awaited.pop_front();
        }
        self.awaited.push_back(Box::new(message));
    }

    /// The page has a message and those before it, or the visitor has seen them.
    pub(super) fn delivered(&mut self, id: MessageId, delivery: Delivery) {
        let Some(place) = self.awaited.iter().position(|message| message.id == id) else {
            return;
        };
        let later = self.awaited.split_off(place.saturating_add(1));
        let reached = std::mem::replace(&mut self.awaited, later);
        for message in reached.into_iter().rev() {
            if delivery == Delivery::Sent {
                // That it was seen is still awaited.
                let mut sent = message.clone();
                sent.delivery = Delivery::Sent;
                self.awaited.push_front(sent);
            }
            if message.delivery != delivery {
                let delivery = delivery.clone();
                self.tell(Command::DeliveryChanged { message, delivery });
            }
        }
    }

    fn said(&self, message: &MessageRecord, snapshot: &Snapshot) -> Option<Said> {
        let mut said = Said::of(message, snapshot)?;
        let prefix = self.prefix();
        said.client_id = said
            .client_id
            .and_then(|id| id.strip_prefix(&prefix).map(str::to_owned));
        Some(said)
    }
}

//! What the page is told: what was said before it came, and what happens while it is there.

use std::sync::Arc;

use axum::extract::ws::WebSocket;

use super::{Over, Visit, send, unavailable};
use crate::chat::frame::{self, Said, ToVisitor};
use crate::core::conversation::{
    Author, Command, ConversationRecord, Delivery, Event, Happening, MessageKind, MessageRecord,
    Status,
};
use crate::core::id::MessageId;
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
        self.events = Some(self.chat.rooms.join(id, self.rooms_key));
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
                self.conversation = Some(conversation.clone());
                self.note_own(message);
                let said = self.said(message, &snapshot);
                if frame::is_on_its_way(message) {
                    self.await_receipt(message.as_ref().clone());
                }
                match said {
                    Some(said) => send(socket, &ToVisitor::Message(said)).await,
                    None => Ok(()),
                }
            }
            Happening::Changed(conversation) => {
                let was_closed = conversation_of(&self.conversation)
                    .is_some_and(|it| it.status == Status::Closed);
                self.conversation = Some(conversation.clone());
                if conversation.status == Status::Closed && !was_closed {
                    return send(socket, &ToVisitor::Closed).await;
                }
                Ok(())
            }
            Happening::Typing { author, .. } => {
                let name = match author {
                    Author::Contact | Author::Automatic => return Ok(()),
                    Author::User(user) => frame::person(&snapshot, user),
                    Author::CustomerAgent(agent) => snapshot
                        .customer_agent(agent)
                        .map_or_else(|| agent.to_string(), |it| it.display_name.clone()),
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
                self.events = None;
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

    pub(super) fn note_own(&mut self, message: &MessageRecord) {
        if message.kind == MessageKind::Received {
            self.last_own = Some((message.id, message.at));
        }
    }

    fn await_receipt(&mut self, message: MessageRecord) {
        if self.awaited.len() >= AWAITED {
            self.awaited.pop_front();
        }
        self.awaited.push_back(Box::new(message));
    }

    /// The page has a message, or the visitor has seen it.
    pub(super) fn delivered(&mut self, id: MessageId, delivery: Delivery) {
        let place = self.awaited.iter().position(|message| message.id == id);
        let Some(message) = place.and_then(|place| self.awaited.remove(place)) else {
            return;
        };
        if delivery == Delivery::Sent {
            self.awaited.push_back(message.clone());
        }
        self.tell(Command::DeliveryChanged { message, delivery });
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

fn conversation_of(conversation: &Option<Box<ConversationRecord>>) -> Option<&ConversationRecord> {
    conversation.as_deref()
}

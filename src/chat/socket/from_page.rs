//! What the page says: hello, answers to questions, messages, and how they reach the engine.

use std::collections::BTreeMap;

use axum::extract::ws::WebSocket;

use super::{Over, Visit, problem, refused, send, unavailable};
use crate::chat::flow::AnswerError;
use crate::chat::frame::{LONGEST_CLIENT_ID, LONGEST_TEXT, ToVisitor, VERSION};
use crate::chat::pages::chat_channel;
use crate::chat::reception::reception;
use crate::core::conversation::{
    Arrival, Command, ContactHint, Done, MessageRecord, NewMessage, Origin, Refusal, RefusalKind,
};
use crate::core::id::{ConversationId, MessageId};
use crate::core::snapshot::Snapshot;
use crate::core::text::{LARGEST_TEXT, clean_text, is_address};
use crate::inbox::Visitor;

/// What became of something that was said.
#[derive(Default)]
struct Arrived {
    /// As it is kept.
    message: Option<Box<MessageRecord>>,
    /// The conversation that we listen to since.
    begun: Option<ConversationId>,
}

impl Visit {
    pub(super) async fn hello(
        &mut self,
        socket: &mut WebSocket,
        visitor: Option<String>,
        after: Option<MessageId>,
        answers: &BTreeMap<String, String>,
    ) -> Result<(), Over> {
        // The page keeps the secret where cookies do not come through; a cookie is stronger.
        if let Some(visitor) = visitor.as_deref().and_then(Visitor::read)
            && !self.is_known
        {
            self.visitor = visitor;
            self.is_known = true;
        }
        let snapshot = self.chat.door.snapshot();
        let (channel, settings) = self.settings(&snapshot)?;
        self.flow.resume(&settings.questions, answers);
        let (messages, reset) = self.catch_up(&snapshot, after).await?;
        let reception = reception(&snapshot, channel, settings);
        let welcome = ToVisitor::Welcome {
            version: VERSION,
            visitor: (!self.is_known).then(|| self.visitor.secret().to_owned()),
            open: reception.open,
            closed: reception.closed.filter(|_| !self.goes_on),
            message_form: reception.message_form && !self.goes_on,
            greeting: settings.greeting.clone(),
            conversation: self.goes_on,
            messages,
            reset,
        };
        self.greeted = true;
        send(socket, &welcome).await?;
        self.ask_next(socket, &snapshot).await
    }

    async fn ask_next(&self, socket: &mut WebSocket, snapshot: &Snapshot) -> Result<(), Over> {
        let (channel, settings) = self.settings(snapshot)?;
        if !self.goes_on && !reception(snapshot, channel, settings).open {
            return Ok(());
        }
        let question = self.flow.question(&settings.questions);
        match question.filter(|_| self.conversation.is_none()) {
            Some(question) => {
                let ask = ToVisitor::Ask {
                    name: question.name.clone(),
                    text: question.text.clone(),
                    answer: question.field_type,
                    choices: question.choices.clone(),
                    optional: question.optional,
                };
                send(socket, &ask).await
            }
            None => send(socket, &ToVisitor::Ready).await,
        }
    }

    pub(super) async fn answer(
        &mut self,
        socket: &mut WebSocket,
        question: &str,
        text: &str,
    ) -> Result<(), Over> {
        let snapshot = self.chat.door.snapshot();
        let (_, settings) = self.settings(&snapshot)?;
        if self.conversation.is_some() {
            return send(socket, &problem(None, "answer", AnswerError::NotAsked)).await;
        }
        let questions = &settings.questions;
        if let Err(error) = self.flow.answer(questions, question, text) {
            return send(socket, &problem(None, "answer", error)).await;
        }
        if self.flow.question(questions).is_some() {
            return self.ask_next(socket, &snapshot).await;
        }
        // The last answer hands over: people are sought with what was answered.
        let fields = self.flow.fields(questions);
        if fields.is_empty() {
            // All was left out: nobody is sought before something is said.
            return self.ask_next(socket, &snapshot).await;
        }
        let lines = fields
            .iter()
            .map(|(asked, answer)| format!("{asked} {answer}"));
        let message = NewMessage {
            subject: self.flow.subject(questions),
            text: lines.collect::<Vec<_>>().join("\n"),
            fields,
            ..NewMessage::default()
        };
        let contact = self.flow.contact(questions);
        match self.arrive(contact, message).await {
            Ok(arrived) => {
                self.ask_next(socket, &snapshot).await?;
                self.begun(socket, &arrived).await
            }
            Err(refusal) => send(socket, &refused(None, &refusal)).await,
        }
    }

    pub(super) async fn say(
        &mut self,
        socket: &mut WebSocket,
        client_id: String,
        text: String,
    ) -> Result<(), Over> {
        let snapshot = self.chat.door.snapshot();
        let (channel, settings) = self.settings(&snapshot)?;
        if !self.goes_on && !reception(&snapshot, channel, settings).open {
            let text = "We are closed at this moment.";
            return send(socket, &problem(Some(client_id), "closed", text)).await;
        }
        let question = self.flow.question(&settings.questions);
        if self.conversation.is_none() && question.is_some() {
            let text = "Please answer the question first.";
            return send(socket, &problem(Some(client_id), "answer", text)).await;
        }
        let contact = self.flow.contact(&settings.questions);
        self.keep(socket, client_id, contact, text).await
    }

    pub(super) async fn leave_message(
        &mut self,
        socket: &mut WebSocket,
        client_id: String,
        name: String,
        email: String,
        text: String,
    ) -> Result<(), Over> {
        let snapshot = self.chat.door.snapshot();
        let (_, settings) = self.settings(&snapshot)?;
        if !settings.offline_form {
            let text = "Messages cannot be left here.";
            return send(socket, &problem(Some(client_id), "refused", text)).await;
        }
        if !is_address(email.trim()) {
            let error = AnswerError::NoAddress;
            return send(socket, &problem(Some(client_id), "answer", error)).await;
        }
        let name = name.trim();
        let contact = ContactHint {
            name: (!name.is_empty()).then(|| name.chars().take(200).collect()),
            address: Some(email.trim().to_lowercase()),
            ..ContactHint::default()
        };
        self.keep(socket, client_id, contact, text).await
    }

    /// Takes a message in, once, and says so when it is kept.
    async fn keep(
        &mut self,
        socket: &mut WebSocket,
        client_id: String,
        contact: ContactHint,
        text: String,
    ) -> Result<(), Over> {
        let text = clean_text(text.trim(), LARGEST_TEXT);
        let is_long = text.chars().count() > LONGEST_TEXT || client_id.len() > LONGEST_CLIENT_ID;
        if text.is_empty() || client_id.is_empty() || is_long {
            let words = format!("A message has 1 to {LONGEST_TEXT} characters.");
            let client_id: String = client_id.chars().take(LONGEST_CLIENT_ID).collect();
            return send(socket, &problem(Some(client_id), "too-long", words)).await;
        }
        let external_id = self.external_id(&client_id);
        let archive = &self.chat.archive;
        let kept = (archive.kept)((self.channel.clone(), external_id.clone())).await;
        if let Some(message) = kept.map_err(unavailable)? {
            return self.acknowledge(socket, client_id, &message).await;
        }
        let message = NewMessage {
            text,
            external_id: Some(external_id),
            ..NewMessage::default()
        };
        match self.arrive(contact, message).await {
            Ok(arrived) => {
                if let Some(message) = &arrived.message {
                    self.acknowledge(socket, client_id, message).await?;
                }
                self.begun(socket, &arrived).await
            }
            Err(refusal) => send(socket, &refused(Some(client_id), &refusal)).await,
        }
    }

    /// Where a conversation has begun, something may have been answered before we listened to it.
    async fn begun(&mut self, socket: &mut WebSocket, arrived: &Arrived) -> Result<(), Over> {
        match arrived.begun {
            Some(conversation) => self.show_answers(socket, conversation).await,
            None => Ok(()),
        }
    }

    async fn acknowledge(
        &mut self,
        socket: &mut WebSocket,
        client_id: String,
        message: &MessageRecord,
    ) -> Result<(), Over> {
        self.note_own(message);
        let kept = ToVisitor::Kept {
            client_id,
            id: message.id,
            at: message.at,
        };
        send(socket, &kept).await
    }

    /// Hands a message to the engine; it is durable when this returns.
    async fn arrive(
        &mut self,
        contact: ContactHint,
        message: NewMessage,
    ) -> Result<Arrived, Refusal> {
        let snapshot = self.chat.door.snapshot();
        let hourly = chat_channel(&snapshot, &self.channel).map_or(0, |chat| chat.hourly_limit);
        let limits = &self.chat.limits;
        if self.conversation.is_none() && !limits.may_begin(&self.channel, self.address, hourly) {
            return Err(Refusal {
                kind: RefusalKind::Busy,
                text: "Too many chats were begun from here. Try again later.".to_owned(),
            });
        }
        let arrival = Arrival {
            channel: self.channel.clone(),
            continues: self.conversation.clone(),
            contact: ContactHint {
                cookie: Some(self.visitor.key()),
                ..contact
            },
            message,
            origin: Origin::Person,
            automatic: false,
        };
        let done = self
            .chat
            .door
            .ask(Command::Arrived(Box::new(arrival)))
            .await?;
        let (conversation, message) = match done {
            Done::Conversation {
                conversation,
                message,
                ..
            } => (conversation, message),
            Done::Repeated(message) => {
                return Ok(Arrived {
                    message: Some(message),
                    begun: None,
                });
            }
            Done::Contact(_) | Done::Nothing => return Ok(Arrived::default()),
        };
        let id = conversation.id;
        let begun = (self.room != Some(id)).then_some(id);
        if begun.is_some() {
            self.listen(id);
        }
        self.conversation = Some(conversation);
        self.goes_on = true;
        Ok(Arrived { message, begun })
    }

    /// The name of a message of this visitor, which no other visitor can guess.
    fn external_id(&self, client_id: &str) -> String {
        format!("{}{client_id}", self.prefix())
    }

    pub(super) fn prefix(&self) -> String {
        let key = self.visitor.key();
        format!("chat:{}:", key.get(..16).unwrap_or(&key))
    }
}

//! A visitor's socket: what comes from the page goes to the engine, what happens goes to the page.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::http::header::{COOKIE, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::Chat;
use super::flow::{AnswerError, Flow};
use super::frame::{self, FromVisitor, LONGEST_CLIENT_ID, LONGEST_TEXT, Said, ToVisitor, VERSION};
use super::limits::{Admission, Limits, SocketRate};
use super::pages::{chat_channel, is_allowed};
use crate::clock;
use crate::core::conversation::{
    Arrival, Author, Command, ContactHint, ConversationRecord, Delivery, Done, Event, Happening,
    MessageKind, MessageRecord, NewMessage, Origin, Refusal, RefusalKind, Status,
};
use crate::core::id::MessageId;
use crate::core::name::ChannelName;
use crate::core::schedule::HoursState;
use crate::core::snapshot::{Channel, ChatChannel, RuleName, Snapshot, Target};
use crate::core::text::is_address;
use crate::core::time::{Mono, Wall};
use crate::inbox::{ClientAddress, Visitor};

/// The largest frame from a page, in octets: the longest text in four-octet characters, escaped.
const LARGEST_FRAME: usize = 64 * 1024;

/// What a socket may hold that its page does not read, in octets.
const LARGEST_BACKLOG: usize = 256 * 1024;

/// Octets that a socket reads at once: frames are short, and idle sockets keep this.
const READ_BUFFER: usize = 1_024;

/// How long a page may be silent before it is pinged: less than proxies keep idle connections.
const PING: Duration = Duration::from_secs(30);

/// How long hello may take.
const HELLO: Duration = Duration::from_secs(10);

/// How long a visitor may be gone before the others are told: a reload takes some seconds.
const GONE: Duration = Duration::from_secs(60);

/// Messages that are told again when a page comes back.
const CAUGHT_UP: u32 = 100;

/// Messages to a page whose receipt is awaited; the receipt of older ones is not reported.
const AWAITED: usize = 32;

/// Counts sockets up.
static SOCKETS: AtomicU64 = AtomicU64::new(1);

/// `GET /chat/NAME/socket`
pub(super) async fn upgrade(
    State(chat): State<Chat>,
    Path(channel): Path<String>,
    client: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let snapshot = chat.door.snapshot();
    let Some(settings) = chat_channel(&snapshot, &channel) else {
        return (StatusCode::NOT_FOUND, "There is no such chat.\n").into_response();
    };
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    if !is_allowed(&snapshot, settings, text(ORIGIN)) {
        let words = "Pages of this origin may not show this chat: see allowed_origins.\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    let address = client.map_or(IpAddr::from([0, 0, 0, 0]), |Extension(client)| client.0);
    let Some(admission) = chat.limits.admit(address) else {
        let words = "There are too many chats open from here. Close some.\n";
        return (StatusCode::TOO_MANY_REQUESTS, words).into_response();
    };
    let known = text(COOKIE).and_then(Visitor::from_cookies);
    let is_known = known.is_some();
    let Some(visitor) = known.or_else(Visitor::new) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let http = snapshot.settings.http.as_ref();
    let secure = http.is_some_and(|http| http.public_url.starts_with("https://"));
    let cookie = HeaderValue::from_str(&visitor.set_cookie(secure)).ok();
    let visit = Visit {
        rooms_key: SOCKETS.fetch_add(1, Ordering::Relaxed),
        channel: ChannelName::from(channel),
        visitor,
        is_known,
        address,
        flow: Flow::default(),
        conversation: None,
        events: None,
        awaited: VecDeque::new(),
        last_own: None,
        rate: Limits::socket_rate(),
        heard: clock::mono(),
        pinged: false,
        greeted: false,
        chat,
        _admission: admission,
    };
    let mut response = upgrade
        .max_message_size(LARGEST_FRAME)
        .max_frame_size(LARGEST_FRAME)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(LARGEST_BACKLOG)
        .on_upgrade(|socket| Box::pin(visit.serve(socket)));
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// One page of one visitor.
struct Visit {
    chat: Chat,
    rooms_key: u64,
    channel: ChannelName,
    visitor: Visitor,
    /// A cookie came with the request.
    is_known: bool,
    address: IpAddr,
    flow: Flow,
    conversation: Option<Box<ConversationRecord>>,
    events: Option<mpsc::Receiver<Arc<Event>>>,
    /// Messages of ours that the page has not said to have.
    awaited: VecDeque<Box<MessageRecord>>,
    /// The visitor's last message, for what colleagues have read.
    last_own: Option<(MessageId, Wall)>,
    rate: SocketRate,
    heard: Mono,
    pinged: bool,
    greeted: bool,
    _admission: Admission,
}

/// Why a socket is over.
enum Over {
    /// The page went, or the network did.
    Gone,
    /// We end it, and say why.
    Cut(u16, &'static str),
}

/// What a visitor can reach at this moment.
struct Reception {
    open: bool,
    closed: Option<String>,
    message_form: bool,
}

impl Visit {
    async fn serve(mut self, mut socket: WebSocket) {
        let over = self.converse(&mut socket).await;
        if let Over::Cut(code, reason) = over {
            let reason = reason.into();
            let frame = CloseFrame { code, reason };
            // Who is gone already hears nothing of it.
            let _ = socket.send(Message::Close(Some(frame))).await;
        }
        drop(socket);
        self.leave();
    }

    /// Others are told when the visitor does not come back within a minute.
    fn leave(self) {
        let Some(conversation) = self.conversation.as_ref().map(|it| it.id) else {
            return;
        };
        if !self.chat.rooms.leave(conversation, self.rooms_key) {
            return;
        }
        let chat = self.chat.clone();
        let until = clock::instant(clock::mono() + GONE);
        tokio::spawn(async move {
            tokio::time::sleep_until(until.into()).await;
            if chat.rooms.is_empty(conversation) {
                // Only those who look at it just now would know; a refusal changes nothing.
                let _ = chat.door.ask(Command::VisitorLeft { conversation }).await;
            }
        });
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> Over {
        loop {
            let deadline = self.deadline();
            let step = tokio::select! {
                received = socket.recv() => match received {
                    Some(Ok(message)) => self.received(socket, message).await,
                    Some(Err(_)) | None => Err(Over::Gone),
                },
                event = next(&mut self.events) => match event {
                    Some(event) => self.happened(socket, event).await,
                    None => Err(Over::Cut(close_code::AGAIN, "reconnect")),
                },
                () = tokio::time::sleep_until(clock::instant(deadline).into()) => {
                    self.silence(socket).await
                }
            };
            if let Err(over) = step {
                return over;
            }
        }
    }

    fn deadline(&self) -> Mono {
        match (self.greeted, self.pinged) {
            (false, _) => self.heard + HELLO,
            (true, false) => self.heard + PING,
            (true, true) => self.heard + PING + PING,
        }
    }

    async fn silence(&mut self, socket: &mut WebSocket) -> Result<(), Over> {
        if !self.greeted {
            return Err(Over::Cut(close_code::POLICY, "no hello"));
        }
        if self.pinged {
            return Err(Over::Gone);
        }
        self.pinged = true;
        let ping = Message::Ping(Default::default());
        socket.send(ping).await.map_err(|_| Over::Gone)
    }

    async fn received(&mut self, socket: &mut WebSocket, message: Message) -> Result<(), Over> {
        self.heard = clock::mono();
        self.pinged = false;
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Over::Gone),
            Message::Binary(_) => return Err(Over::Cut(close_code::UNSUPPORTED, "text only")),
        };
        let Ok(frame) = serde_json::from_str::<FromVisitor>(&text) else {
            let text = "This page speaks a language that the server does not know. Reload it.";
            return send(socket, &problem(None, "malformed", text)).await;
        };
        if self.rate.check().is_err() {
            let text = "You write too fast. Wait a moment.";
            return send(socket, &problem(client_id(&frame), "too-fast", text)).await;
        }
        match (self.greeted, frame) {
            (
                false,
                FromVisitor::Hello {
                    version,
                    visitor,
                    after,
                    answers,
                },
            ) => {
                if version != VERSION {
                    return Err(Over::Cut(close_code::POLICY, "another version"));
                }
                self.hello(socket, visitor, after, &answers).await
            }
            (false, _) | (true, FromVisitor::Hello { .. }) => {
                Err(Over::Cut(close_code::POLICY, "hello comes first, and once"))
            }
            (true, FromVisitor::Answer { question, text }) => {
                self.answer(socket, &question, &text).await
            }
            (true, FromVisitor::Send { client_id, text }) => {
                self.say(socket, client_id, text).await
            }
            (
                true,
                FromVisitor::Leave {
                    client_id,
                    name,
                    email,
                    text,
                },
            ) => {
                self.leave_message(socket, client_id, name, email, text)
                    .await
            }
            (true, FromVisitor::Typing) => {
                if let Some(conversation) = &self.conversation {
                    let conversation = conversation.id;
                    let author = Author::Contact;
                    self.tell(Command::Typing {
                        conversation,
                        author,
                    });
                }
                Ok(())
            }
            (true, FromVisitor::Received { id }) => {
                self.delivered(id, Delivery::Sent);
                Ok(())
            }
            (true, FromVisitor::Seen { id }) => {
                self.delivered(id, Delivery::Seen);
                Ok(())
            }
            (true, FromVisitor::End) => {
                if let Some(conversation) = &self.conversation {
                    let conversation = conversation.id;
                    self.tell(Command::VisitorLeft { conversation });
                }
                Ok(())
            }
        }
    }

    async fn hello(
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
            closed: reception.closed.filter(|_| self.conversation.is_none()),
            message_form: reception.message_form && self.conversation.is_none(),
            greeting: settings.greeting.clone(),
            conversation: self.conversation.is_some(),
            messages,
            reset,
        };
        self.greeted = true;
        send(socket, &welcome).await?;
        self.ask_next(socket, &snapshot).await
    }

    /// Finds the visitor's conversation and listens to it, then reads what the page lacks: in this
    /// order, so that nothing falls between.
    async fn catch_up(
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

    async fn ask_next(&self, socket: &mut WebSocket, snapshot: &Snapshot) -> Result<(), Over> {
        let (channel, settings) = self.settings(snapshot)?;
        if self.conversation.is_some() {
            return send(socket, &ToVisitor::Ready).await;
        }
        if !reception(snapshot, channel, settings).open {
            return Ok(());
        }
        match self.flow.question(&settings.questions) {
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

    async fn answer(
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
            Ok(_) => self.ask_next(socket, &snapshot).await,
            Err(refusal) => send(socket, &refused(None, &refusal)).await,
        }
    }

    async fn say(
        &mut self,
        socket: &mut WebSocket,
        client_id: String,
        text: String,
    ) -> Result<(), Over> {
        let snapshot = self.chat.door.snapshot();
        let (channel, settings) = self.settings(&snapshot)?;
        if self.conversation.is_none() {
            if !reception(&snapshot, channel, settings).open {
                let text = "We are closed at this moment.";
                return send(socket, &problem(Some(client_id), "closed", text)).await;
            }
            if self.flow.question(&settings.questions).is_some() {
                let text = "Please answer the question first.";
                return send(socket, &problem(Some(client_id), "answer", text)).await;
            }
        }
        let contact = self.flow.contact(&settings.questions);
        self.keep(socket, client_id, contact, text).await
    }

    async fn leave_message(
        &mut self,
        socket: &mut WebSocket,
        client_id: String,
        name: String,
        email: String,
        text: String,
    ) -> Result<(), Over> {
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
        let text = text.trim().to_owned();
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
            Ok(Some(message)) => self.acknowledge(socket, client_id, &message).await,
            Ok(None) => Ok(()),
            Err(refusal) => send(socket, &refused(Some(client_id), &refusal)).await,
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
    ) -> Result<Option<Box<MessageRecord>>, Refusal> {
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
        let Done::Conversation {
            conversation,
            message,
            ..
        } = done
        else {
            return Ok(None);
        };
        if self
            .conversation
            .as_ref()
            .is_none_or(|it| it.id != conversation.id)
        {
            self.events = Some(self.chat.rooms.join(conversation.id, self.rooms_key));
        }
        self.conversation = Some(conversation);
        Ok(message)
    }

    async fn happened(&mut self, socket: &mut WebSocket, event: Arc<Event>) -> Result<(), Over> {
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

    fn note_own(&mut self, message: &MessageRecord) {
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
    fn delivered(&mut self, id: MessageId, delivery: Delivery) {
        let place = self.awaited.iter().position(|message| message.id == id);
        let Some(message) = place.and_then(|place| self.awaited.remove(place)) else {
            return;
        };
        if delivery == Delivery::Sent {
            self.awaited.push_back(message.clone());
        }
        self.tell(Command::DeliveryChanged { message, delivery });
    }

    /// Tells the engine what needs no answer; where it is too busy, nothing is lost but a sign.
    fn tell(&self, command: Command) {
        let door = self.chat.door.clone();
        tokio::spawn(async move {
            let _ = door.ask(command).await;
        });
    }

    /// The name of a message of this visitor, which no other visitor can guess.
    fn external_id(&self, client_id: &str) -> String {
        format!("{}{client_id}", self.prefix())
    }

    fn prefix(&self) -> String {
        let key = self.visitor.key();
        format!("chat:{}:", key.get(..16).unwrap_or(&key))
    }

    fn said(&self, message: &MessageRecord, snapshot: &Snapshot) -> Option<Said> {
        let mut said = Said::of(message, snapshot)?;
        let prefix = self.prefix();
        said.client_id = said
            .client_id
            .and_then(|id| id.strip_prefix(&prefix).map(str::to_owned));
        Some(said)
    }

    fn settings<'a>(&self, snapshot: &'a Snapshot) -> Result<(&'a Channel, &'a ChatChannel), Over> {
        snapshot
            .channel(&self.channel)
            .and_then(|channel| Some((channel, channel.chat()?)))
            .ok_or(Over::Cut(close_code::AWAY, "this chat is gone"))
    }
}

fn conversation_of(conversation: &Option<Box<ConversationRecord>>) -> Option<&ConversationRecord> {
    conversation.as_deref()
}

/// What is in force for whoever comes now, as far as the configuration and the hours say.
fn reception(snapshot: &Snapshot, channel: &Channel, settings: &ChatChannel) -> Reception {
    let hours = channel
        .schedule
        .as_ref()
        .and_then(|name| snapshot.schedule(name))
        .map_or_else(HoursState::always_open, |it| it.state_at(clock::wall()));
    let rule_name = channel.rule_in_force(hours.openness);
    let rule = channel.rule(rule_name);
    let seeks = |target| match target {
        Target::Lists | Target::ContactOwner | Target::CustomerAgent => true,
        Target::Nobody => false,
    };
    let open = rule_name == RuleName::Assign || rule.steps.iter().any(|step| seeks(step.target));
    Reception {
        open,
        closed: rule.reply.clone().filter(|_| !open),
        message_form: settings.offline_form && !open,
    }
}

async fn next(events: &mut Option<mpsc::Receiver<Arc<Event>>>) -> Option<Arc<Event>> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn send(socket: &mut WebSocket, frame: &ToVisitor) -> Result<(), Over> {
    let text = serde_json::to_string(frame).map_err(|_| Over::Gone)?;
    let sending = socket.send(Message::Text(text.into()));
    // A page that does not read must not keep what is to be told.
    let patience = clock::instant(clock::mono() + HELLO);
    match tokio::time::timeout_at(patience.into(), sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Over::Gone),
    }
}

fn problem(client_id: Option<String>, code: &'static str, text: impl ToString) -> ToVisitor {
    ToVisitor::Problem {
        client_id,
        code,
        text: text.to_string(),
    }
}

fn refused(client_id: Option<String>, refusal: &Refusal) -> ToVisitor {
    let code = match refusal.kind {
        RefusalKind::Busy => "busy",
        RefusalKind::NotFound
        | RefusalKind::Forbidden
        | RefusalKind::Conflict
        | RefusalKind::Invalid => "refused",
    };
    problem(client_id, code, &refusal.text)
}

fn client_id(frame: &FromVisitor) -> Option<String> {
    match frame {
        FromVisitor::Send { client_id, .. } | FromVisitor::Leave { client_id, .. } => {
            Some(client_id.chars().take(LONGEST_CLIENT_ID).collect())
        }
        FromVisitor::Hello { .. }
        | FromVisitor::Answer { .. }
        | FromVisitor::Typing
        | FromVisitor::Received { .. }
        | FromVisitor::Seen { .. }
        | FromVisitor::End => None,
    }
}

fn unavailable(error: String) -> Over {
    tracing::warn!("a chat could not read what was said before: {error}");
    Over::Cut(close_code::AGAIN, "try again")
}

//! A visitor's socket: what comes from the page goes to the engine (`from_page`), what happens goes to
//! the page (`to_page`). Here it is opened, read frame by frame, and ended.

mod from_page;
mod to_page;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::Chat;
use super::flow::Flow;
use super::frame::{FromVisitor, LONGEST_CLIENT_ID, ToVisitor, VERSION};
use super::limits::{Admission, Limits, SocketRate};
use super::pages::{Standing, chat_channel};
use crate::clock;
use crate::core::conversation::{
    Author, Command, ConversationRecord, Delivery, Event, MessageRecord, Refusal, RefusalKind,
};
use crate::core::id::{ConversationId, MessageId};
use crate::core::name::ChannelName;
use crate::core::snapshot::{Channel, ChatChannel, Snapshot};
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

/// Frames in a row that may come too fast: a page that comes back says again what it has kept, and not
/// more than that.
const MOST_REFUSED: u32 = 100;

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
    let standing = Standing::of(&headers, &snapshot, settings);
    if standing == Standing::Refused {
        let words = "Pages of this origin may not show this chat: see allowed_origins.\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    let address = client.map_or(IpAddr::from([0, 0, 0, 0]), |Extension(client)| client.0);
    let Some(admission) = chat.limits.admit(address) else {
        let words = "There are too many chats open from here. Close some.\n";
        return (StatusCode::TOO_MANY_REQUESTS, words).into_response();
    };
    let uses_cookie = standing == Standing::Named;
    let known = text(COOKIE)
        .filter(|_| uses_cookie)
        .and_then(Visitor::from_cookies);
    let is_known = known.is_some();
    let Some(visitor) = known.or_else(Visitor::new) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let http = snapshot.settings.http.as_ref();
    let secure = http.is_some_and(|http| http.public_url.starts_with("https://"));
    let cookie = uses_cookie.then(|| visitor.set_cookie(secure));
    let cookie = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    let visit = Visit {
        rooms_key: SOCKETS.fetch_add(1, Ordering::Relaxed),
        channel: ChannelName::from(channel),
        visitor,
        is_known,
        address,
        flow: Flow::default(),
        conversation: None,
        goes_on: false,
        events: None,
        room: None,
        awaited: VecDeque::new(),
        last_own: None,
        rate: Limits::socket_rate(),
        refused: 0,
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
    /// It goes on: it was not closed when the page came, or was written in since. Closed hours do not
    /// end it.
    goes_on: bool,
    events: Option<mpsc::Receiver<Arc<Event>>>,
    /// The conversation that these are of.
    room: Option<ConversationId>,
    /// Messages of ours that the page has not said to have.
    awaited: VecDeque<Box<MessageRecord>>,
    /// The visitor's last message, for what colleagues have read.
    last_own: Option<(MessageId, Wall)>,
    rate: SocketRate,
    /// Frames in a row that came too fast.
    refused: u32,
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

    /// Counts a frame. True where it comes too fast.
    fn count(&mut self) -> Result<bool, Over> {
        if self.rate.check().is_ok() {
            self.refused = 0;
            return Ok(false);
        }
        self.refused = self.refused.saturating_add(1);
        if self.refused > MOST_REFUSED {
            return Err(Over::Cut(close_code::POLICY, "too many frames"));
        }
        Ok(true)
    }

    async fn received(&mut self, socket: &mut WebSocket, message: Message) -> Result<(), Over> {
        self.heard = clock::mono();
        self.pinged = false;
        let is_too_fast = self.count()?;
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
        if is_too_fast {
            // Nobody wrote a sign, so nobody is told that it is lost.
            if is_sign(&frame) {
                return Ok(());
            }
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

    /// Tells the engine what needs no answer; where it is too busy, nothing is lost but a sign.
    fn tell(&self, command: Command) {
        let door = self.chat.door.clone();
        tokio::spawn(async move {
            let _ = door.ask(command).await;
        });
    }

    /// Listens to a conversation, and to no other.
    fn listen(&mut self, conversation: ConversationId) {
        self.listen_no_more();
        self.events = Some(self.chat.rooms.join(conversation, self.rooms_key));
        self.room = Some(conversation);
    }

    fn listen_no_more(&mut self) {
        self.events = None;
        if let Some(room) = self.room.take() {
            self.chat.rooms.leave(room, self.rooms_key);
        }
    }

    fn settings<'a>(&self, snapshot: &'a Snapshot) -> Result<(&'a Channel, &'a ChatChannel), Over> {
        snapshot
            .channel(&self.channel)
            .and_then(|channel| Some((channel, channel.chat()?)))
            .ok_or(Over::Cut(close_code::AWAY, "this chat is gone"))
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

/// What a page says by itself.
fn is_sign(frame: &FromVisitor) -> bool {
    match frame {
        FromVisitor::Typing | FromVisitor::Received { .. } | FromVisitor::Seen { .. } => true,
        FromVisitor::Hello { .. }
        | FromVisitor::Answer { .. }
        | FromVisitor::Send { .. }
        | FromVisitor::Leave { .. }
        | FromVisitor::End => false,
    }
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

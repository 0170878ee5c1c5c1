//! The chat's routes on a real port, with people who answer when the story says so. What the engine
//! does with what arrives is told elsewhere; here it is kept in order, once, and read again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ringdesk::chat::{Archive, Chat};
use ringdesk::clock;
use ringdesk::core::conversation::{
    Author, Command, ConversationRecord, Delivery, Done, Event, Happening, MessageKind,
    MessageRecord, Outgoing, Status,
};
use ringdesk::core::id::{ConversationId, MessageId};
use ringdesk::core::name::ChannelName;
use ringdesk::core::snapshot::{Kind, Snapshot};
use ringdesk::inbox::{Asked, Door};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::browser::until;

/// The channel of every story here.
pub const CHANNEL: &str = "website-chat";

/// The desk's side of a chat.
pub struct Office {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    address: SocketAddr,
    door: Door,
    book: Arc<Mutex<Book>>,
    runtime: Option<Runtime>,
}

/// What was said.
#[derive(Default)]
pub struct Book {
    conversations: Vec<ConversationRecord>,
    messages: Vec<MessageRecord>,
    /// What was asked besides messages, by name.
    pub asked: Vec<String>,
    /// What every new conversation is answered by itself.
    reply: Option<String>,
    delivered: HashMap<MessageId, Vec<Delivery>>,
}

/// A configuration with one chat, which a story changes.
pub fn snapshot(channel: ringdesk::core::snapshot::Channel) -> Snapshot {
    let directory = tempfile::tempdir().unwrap();
    let schedule = "[[schedule]]\nname = \"always-closed\"\ntimezone = \"Europe/Oslo\"\nweekly = {}\n[[user]]\nname = \"anna\"\ndisplay_name = \"Anna Berg\"\nseat = \"service\"\n";
    std::fs::write(directory.path().join("ringdesk.toml"), schedule).unwrap();
    let loaded = ringdesk::daemon::load(directory.path(), 1);
    let mut snapshot = loaded.unwrap_or_else(|errors| panic!("{errors}")).snapshot;
    snapshot.channels = vec![channel].into();
    snapshot
}

impl Office {
    /// Opens on a port that is free.
    pub async fn open(snapshot: Snapshot) -> Office {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Office::open_at(any, snapshot, Arc::default()).await
    }

    async fn open_at(address: SocketAddr, snapshot: Snapshot, book: Arc<Mutex<Book>>) -> Office {
        let listener = until("the port", async || {
            std::net::TcpListener::bind(address).ok()
        })
        .await;
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (door, commands) = Door::new(Arc::new(snapshot), std::env::temp_dir());
        // A runtime of its own: ending it cuts every socket, as a killed daemon does.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (archive, served, worked) = (archive(&book), door.clone(), door.clone());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let app = Chat::start(served, archive).router();
            axum::serve(listener, app).await.unwrap();
        });
        runtime.spawn(work(worked, commands, Arc::clone(&book)));
        Office {
            url: format!("http://{address}"),
            address,
            door,
            book,
            runtime: Some(runtime),
        }
    }

    /// Stops as a daemon does that is killed, and starts again on the same port with what was kept.
    pub async fn restart(self) -> Office {
        let snapshot = self.door.snapshot().as_ref().clone();
        let (address, book) = (self.address, Arc::clone(&self.book));
        drop(self);
        Office::open_at(address, snapshot, book).await
    }

    /// What visitors have said, in order.
    pub fn received(&self) -> Vec<MessageRecord> {
        let book = self.book.lock().unwrap();
        let messages = book.messages.iter();
        messages
            .filter(|message| message.kind == MessageKind::Received)
            .cloned()
            .collect()
    }

    /// The texts of [`Office::received`].
    pub fn texts(&self) -> Vec<String> {
        self.received().into_iter().map(|it| it.text).collect()
    }

    /// How far messages to visitors came.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let book = self.book.lock().unwrap();
        book.delivered.values().flatten().cloned().collect()
    }

    /// Anna answers in the last conversation.
    pub fn answers(&self, text: &str) {
        let (conversation, message) = {
            let mut book = self.book.lock().unwrap();
            let conversation = book.conversations.last().unwrap().clone();
            let message = message(&conversation, MessageKind::Sent, text);
            book.messages.push(message.clone());
            (conversation, message)
        };
        self.publish(Happening::Message {
            conversation: Box::new(conversation),
            message: Box::new(message),
            outgoing: Some(Outgoing::Chat),
        });
    }

    /// From now on, new conversations get this answer at once, as a rule's `reply`.
    pub fn replies_at_once(&self, text: &str) {
        self.book.lock().unwrap().reply = Some(text.to_owned());
    }

    /// What was asked besides messages.
    pub fn asked(&self) -> Vec<String> {
        self.book.lock().unwrap().asked.clone()
    }

    /// Anna writes just now.
    pub fn types(&self) {
        let conversation = self.book.lock().unwrap().conversations.last().unwrap().id;
        let author = Author::User("anna".into());
        self.publish(Happening::Typing {
            conversation,
            author,
        });
    }

    /// Anna closes the last conversation. It says so in the conversation first, as the engine does.
    pub fn closes(&self) {
        let conversation = {
            let mut book = self.book.lock().unwrap();
            let conversation = book.conversations.last_mut().unwrap();
            conversation.status = Status::Closed;
            conversation.clone()
        };
        let message = message(&conversation, MessageKind::Event, "Anna Berg closed it.");
        self.publish(Happening::Message {
            conversation: Box::new(conversation.clone()),
            message: Box::new(message),
            outgoing: None,
        });
        self.publish(Happening::Changed(Box::new(conversation)));
    }

    /// The chat has no hours from now on.
    pub fn opens_at_all_hours(&self) {
        let mut snapshot = self.door.snapshot().as_ref().clone();
        let channels = snapshot.channels.iter().cloned().map(|mut channel| {
            channel.schedule = None;
            channel
        });
        snapshot.channels = channels.collect();
        self.door.adopt(&Arc::new(snapshot));
    }

    /// The chat is configured so from now on.
    pub fn is_again(&self, channel: ringdesk::core::snapshot::Channel) {
        let mut snapshot = self.door.snapshot().as_ref().clone();
        snapshot.channels = vec![channel].into();
        self.door.adopt(&Arc::new(snapshot));
    }

    fn publish(&self, what: Happening) {
        self.door.publish(event(what));
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn event(what: Happening) -> Event {
    Event {
        at: clock::wall(),
        inbox: None,
        what,
    }
}

fn archive(book: &Arc<Mutex<Book>>) -> Archive {
    let (first, second, third) = (Arc::clone(book), Arc::clone(book), Arc::clone(book));
    Archive {
        conversation: Box::new(move |(channel, visitor)| {
            let book = first.lock().unwrap();
            let mut found = book.conversations.iter().rev();
            let found = found
                .find(|it| it.channel == channel && it.visitor.as_deref() == Some(&visitor))
                .cloned();
            Box::pin(async move { Ok(found.map(Box::new)) })
        }),
        messages: Box::new(move |(conversation, after, most)| {
            let book = second.lock().unwrap();
            let all = book.messages.iter();
            let mut found: Vec<MessageRecord> = all
                .filter(|it| it.conversation == conversation)
                .filter(|it| after.is_none_or(|after| it.id > after))
                .cloned()
                .collect();
            found.truncate(most as usize);
            Box::pin(async move { Ok(found) })
        }),
        kept: Box::new(move |(_, id)| {
            let book = third.lock().unwrap();
            let mut all = book.messages.iter();
            let found = all.find(|it| it.external_id.as_ref() == Some(&id)).cloned();
            Box::pin(async move { Ok(found) })
        }),
    }
}

/// Answers commands in the engine's place.
async fn work(door: Door, mut commands: mpsc::Receiver<Asked>, book: Arc<Mutex<Book>>) {
    while let Some(Asked { command, answer }) = commands.recv().await {
        let mut happened = Vec::new();
        let done = keep(*command, &mut book.lock().unwrap(), &mut happened);
        // Nobody may rely on hearing of what was asked for after its answer.
        for what in happened {
            door.publish(event(what));
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let _ = answer.send(Ok(done));
    }
}

fn keep(command: Command, book: &mut Book, happened: &mut Vec<Happening>) -> Done {
    match command {
        Command::Arrived(arrival) => {
            let is_new = arrival.continues.is_none();
            let conversation = match arrival.continues {
                Some(conversation) => reopened(*conversation, book),
                None => {
                    let visitor = arrival.contact.cookie.clone();
                    let mut new = conversation(arrival.channel.clone(), visitor);
                    new.contact_address = arrival.contact.address.clone();
                    new.contact_name = arrival.contact.name.clone().unwrap_or_default();
                    book.conversations.push(new.clone());
                    new
                }
            };
            let said = &arrival.message;
            let known = said.external_id.as_ref().and_then(|id| {
                let mut all = book.messages.iter();
                all.find(|it| it.external_id.as_ref() == Some(id)).cloned()
            });
            let repeated = known.is_some();
            let message = known.unwrap_or_else(|| {
                let mut new = message(&conversation, MessageKind::Received, &said.text);
                new.external_id.clone_from(&said.external_id);
                new.fields.clone_from(&said.fields);
                book.messages.push(new.clone());
                happened.push(Happening::Message {
                    conversation: Box::new(conversation.clone()),
                    message: Box::new(new.clone()),
                    outgoing: None,
                });
                new
            });
            if let Some(text) = book.reply.clone().filter(|_| is_new) {
                let mut reply = self::message(&conversation, MessageKind::Sent, &text);
                reply.author = Author::Automatic;
                book.messages.push(reply.clone());
                happened.push(Happening::Message {
                    conversation: Box::new(conversation.clone()),
                    message: Box::new(reply),
                    outgoing: Some(Outgoing::Chat),
                });
            }
            Done::Conversation {
                conversation: Box::new(conversation),
                message: Some(Box::new(message)),
                repeated,
            }
        }
        Command::DeliveryChanged { message, delivery } => {
            book.delivered.entry(message.id).or_default().push(delivery);
            Done::Nothing
        }
        Command::Typing { .. } => {
            book.asked.push("typing".to_owned());
            Done::Nothing
        }
        Command::VisitorLeft { .. } => {
            book.asked.push("left".to_owned());
            Done::Nothing
        }
        other => panic!("no chat asks for this: {other:?}"),
    }
}

/// A message opens what was closed.
fn reopened(mut conversation: ConversationRecord, book: &mut Book) -> ConversationRecord {
    conversation.status = Status::Open;
    let mut all = book.conversations.iter_mut();
    if let Some(known) = all.find(|it| it.id == conversation.id) {
        known.status = Status::Open;
    }
    conversation
}

fn identifier() -> Uuid {
    let mut random = [0u8; 10];
    getrandom::fill(&mut random).unwrap();
    let millis = clock::wall().as_millis().unsigned_abs();
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn conversation(channel: ChannelName, visitor: Option<String>) -> ConversationRecord {
    ConversationRecord {
        visitor,
        ..ConversationRecord::begun(
            ConversationId(identifier()),
            Kind::Chat,
            channel,
            clock::wall(),
        )
    }
}

fn message(conversation: &ConversationRecord, kind: MessageKind, text: &str) -> MessageRecord {
    let (author, delivery) = match kind {
        MessageKind::Sent => (Author::User("anna".into()), Delivery::Pending),
        _ => (Author::Contact, Delivery::None),
    };
    MessageRecord {
        text: text.to_owned(),
        delivery,
        ..MessageRecord::new(
            MessageId(identifier()),
            conversation.id,
            clock::wall(),
            kind,
            author,
        )
    }
}

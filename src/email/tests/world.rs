//! Email with a small engine behind it that keeps what arrives, as the real one does.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::wait_for;
use crate::core::conversation::{
    Arrival, Author, Command, ConversationRecord, Delivery, Done, Event, Happening, MessageKind,
    MessageRecord, Outgoing, Refusal, RefusalKind,
};
use crate::core::id::{ConversationId, MessageId};
use crate::core::letter::{Letter, Progress, Report};
use crate::core::name::ChannelName;
use crate::core::sample;
use crate::core::snapshot::{ChannelKind, EmailChannel, Kind, LmtpListen, Mailbox, Snapshot};
use crate::core::time::Wall;
use crate::email::thread::ThreadKey;
use crate::email::{Email, Found, Records, Surroundings, Trust};
use crate::inbox::{Asked, Door};

/// What arrived, and what it became.
#[derive(Clone)]
pub struct Kept {
    pub arrival: Arrival,
    pub conversation: ConversationRecord,
    pub message: MessageRecord,
}

#[derive(Default)]
struct Store {
    kept: Vec<Kept>,
    changes: Vec<(MessageId, Delivery)>,
}

/// A letter, and whose it is.
type Queued = (Option<ChannelName>, Letter);

pub struct World {
    pub directory: tempfile::TempDir,
    pub snapshot: Snapshot,
    pub trust: Trust,
    store: Arc<Mutex<Store>>,
    /// The engine keeps what arrives, and its answer is lost, as with kill -9.
    pub mute: Arc<AtomicBool>,
    /// The engine is too busy.
    pub busy: Arc<AtomicBool>,
    /// What the journal has of before.
    pub events: Vec<Event>,
    letters: Arc<Mutex<Vec<Queued>>>,
    reports: Option<mpsc::Sender<Report>>,
    pub door: Option<Door>,
    pub email: Option<Email>,
}

impl World {
    /// A house with an email channel `support`, that does not run yet.
    pub fn new() -> World {
        let channel = sample::message_channel(Kind::Email, "support", vec![]);
        World {
            directory: tempfile::tempdir().unwrap(),
            snapshot: sample::snapshot(vec![], vec![], vec![channel]),
            trust: Trust::default(),
            store: Arc::default(),
            mute: Arc::default(),
            busy: Arc::default(),
            events: Vec::new(),
            letters: Arc::default(),
            reports: None,
            door: None,
            email: None,
        }
    }

    /// With mailboxes to read.
    pub fn reading(mailboxes: Vec<Mailbox>) -> World {
        let mut world = World::new();
        world.support(|it| it.mailboxes = mailboxes);
        world
    }

    pub fn support(&mut self, change: impl FnOnce(&mut EmailChannel)) {
        let mut channels = self.snapshot.channels.to_vec();
        if let ChannelKind::Email(email) = &mut channels[0].kind {
            change(email);
        }
        self.snapshot.channels = channels.into();
    }

    pub fn lmtp(&mut self) -> PathBuf {
        let path = self.directory.path().join("lmtp.sock");
        self.snapshot.settings.email.lmtp = Some(LmtpListen::Path(path.clone()));
        path
    }

    pub fn start(&mut self) {
        let files = self.directory.path().join("attachments");
        let (door, mut asked) = Door::new(Arc::new(self.snapshot.clone()), files);
        let (store, mute, busy) = (
            Arc::clone(&self.store),
            Arc::clone(&self.mute),
            Arc::clone(&self.busy),
        );
        std::thread::spawn(move || {
            // Answers that are never given are kept, so that those who wait do wait.
            let mut unanswered = Vec::new();
            while let Some(Asked { command, answer }) = asked.blocking_recv() {
                let result = if busy.load(Ordering::SeqCst) {
                    Err(Refusal {
                        kind: RefusalKind::Busy,
                        text: "too much is going on".to_owned(),
                    })
                } else {
                    store.lock().unwrap().handle(*command)
                };
                match mute.load(Ordering::SeqCst) {
                    true => unanswered.push(answer),
                    false => drop(answer.send(result)),
                }
            }
        });
        self.door = Some(door.clone());
        let (reports, told) = mpsc::channel(100);
        self.reports = Some(reports);
        let letters = Arc::clone(&self.letters);
        let email = Email::start(Surroundings {
            door,
            records: records(&self.store),
            post: Arc::new(move |channel, letter| {
                letters.lock().unwrap().push((channel.cloned(), letter));
                Ok(Progress::Waiting)
            }),
            reports: told,
            directory: self.directory.path().join("email"),
            events: self.events.clone(),
            trust: self.trust.clone(),
        });
        self.email = Some(email.unwrap());
    }

    /// The process dies, as far as email is concerned.
    pub fn stop(&mut self) {
        self.email = None;
        self.door = None;
    }

    /// Another configuration comes into force.
    pub fn reload(&self) {
        self.door
            .as_ref()
            .unwrap()
            .adopt(&Arc::new(self.snapshot.clone()));
    }

    pub fn kept(&self) -> Vec<Kept> {
        self.store.lock().unwrap().kept.clone()
    }

    pub fn wait_for(&self, number: usize) -> Vec<Kept> {
        wait_for("mail", || {
            let kept = self.kept();
            (kept.len() >= number).then_some(kept)
        })
    }

    pub fn changes(&self) -> Vec<(MessageId, Delivery)> {
        self.store.lock().unwrap().changes.clone()
    }

    /// A reply of ours, as if it had been sent; its identifier as a mail.
    pub fn add_sent(&self, conversation: ConversationId, text: &str) -> (MessageId, String) {
        let mut store = self.store.lock().unwrap();
        let mut kept = store
            .kept
            .iter()
            .find(|it| it.conversation.id == conversation)
            .unwrap()
            .clone();
        let id = MessageId(Uuid::from_u128(900 + store.kept.len() as u128));
        kept.message.id = id;
        kept.message.kind = MessageKind::Sent;
        kept.message.author = Author::User("anna".into());
        kept.message.text = text.to_owned();
        kept.message.subject = None;
        kept.message.external_id = None;
        kept.message.raw = None;
        kept.message.delivery = Delivery::Pending;
        store.kept.push(kept);
        (id, self.key().message_id(conversation, id, "example.com"))
    }

    /// As the engine does when somebody replies.
    pub fn publish(&self, id: MessageId) {
        let kept = self
            .kept()
            .into_iter()
            .find(|it| it.message.id == id)
            .unwrap();
        self.door.as_ref().unwrap().publish(Event {
            at: Wall::default(),
            inbox: None,
            what: Happening::Message {
                conversation: Box::new(kept.conversation),
                message: Box::new(kept.message),
                outgoing: Some(Outgoing::Email),
            },
        });
    }

    pub fn change_sent(&self, id: MessageId, change: impl FnOnce(&mut Kept)) {
        let mut store = self.store.lock().unwrap();
        change(
            store
                .kept
                .iter_mut()
                .find(|it| it.message.id == id)
                .unwrap(),
        );
    }

    pub fn key(&self) -> ThreadKey {
        let key = std::fs::read(self.directory.path().join("email/thread-key")).unwrap();
        ThreadKey::new(key.try_into().unwrap())
    }

    /// The letters that were queued.
    pub fn letters(&self) -> Vec<(Option<ChannelName>, Letter)> {
        self.letters.lock().unwrap().clone()
    }

    pub fn wait_for_letters(&self, number: usize) -> Vec<(Option<ChannelName>, Letter)> {
        wait_for("a letter", || {
            let letters = self.letters();
            (letters.len() >= number).then_some(letters)
        })
    }

    /// What the queue of mail says became of one.
    pub fn report(&self, id: MessageId, result: Result<(), String>) {
        let report = Report { key: id.0, result };
        self.reports
            .as_ref()
            .unwrap()
            .blocking_send(report)
            .unwrap();
    }

    pub fn wait_for_change(&self, id: MessageId) -> Delivery {
        wait_for("the delivery", || {
            let changes = self.changes();
            changes.into_iter().find(|it| it.0 == id).map(|it| it.1)
        })
    }

    /// The trouble that is told of a way in.
    pub fn wait_for_trouble(&self, words: &str) {
        wait_for(words, || {
            let states = self.email.as_ref().unwrap().states().all();
            let mut problems = states.iter().filter_map(|it| it.problem.as_ref());
            problems.any(|it| it.contains(words)).then_some(())
        });
    }

    /// Files that are kept: raw mails and attachments.
    pub fn files(&self) -> usize {
        fn count(path: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(path).into_iter().flatten();
            entries
                .map(|it| it.unwrap().path())
                .map(|it| if it.is_dir() { count(&it) } else { 1 })
                .sum()
        }
        count(&self.directory.path().join("attachments"))
    }
}

impl Store {
    fn handle(&mut self, command: Command) -> Result<Done, Refusal> {
        match command {
            Command::Arrived(arrival) => Ok(self.arrived(*arrival)),
            Command::DeliveryChanged { message, delivery } => {
                self.changes.push((message.id, delivery));
                Ok(Done::Nothing)
            }
            Command::Recalled(_) => Ok(Done::Nothing),
            other => panic!("{other:?} is not asked by email"),
        }
    }

    fn arrived(&mut self, arrival: Arrival) -> Done {
        let again = self.kept.iter().find(|it| {
            it.conversation.channel == arrival.channel
                && it.message.external_id == arrival.message.external_id
        });
        if let Some(kept) = again {
            return Done::Conversation {
                conversation: Box::new(kept.conversation.clone()),
                message: Some(Box::new(kept.message.clone())),
                repeated: true,
            };
        }
        let number = self.kept.len() as u128 + 1;
        let conversation = match &arrival.continues {
            Some(conversation) => (**conversation).clone(),
            None => conversation(number, &arrival),
        };
        let message = message(number, conversation.id, &arrival);
        self.kept.push(Kept {
            arrival,
            conversation: conversation.clone(),
            message: message.clone(),
        });
        Done::Conversation {
            conversation: Box::new(conversation),
            message: Some(Box::new(message)),
            repeated: false,
        }
    }
}

fn conversation(number: u128, arrival: &Arrival) -> ConversationRecord {
    ConversationRecord {
        subject: arrival.message.subject.clone().unwrap_or_default(),
        contact_name: arrival.contact.name.clone().unwrap_or_default(),
        contact_address: arrival.contact.address.clone(),
        ..ConversationRecord::begun(
            ConversationId(Uuid::from_u128(number)),
            Kind::Email,
            arrival.channel.clone(),
            Wall::default(),
        )
    }
}

fn message(number: u128, conversation: ConversationId, arrival: &Arrival) -> MessageRecord {
    let message = arrival.message.clone();
    MessageRecord {
        author_name: arrival.contact.name.clone().unwrap_or_default(),
        subject: message.subject,
        text: message.text,
        quoted: message.quoted,
        html: message.html,
        fields: message.fields,
        attachments: message.attachments,
        external_id: message.external_id,
        raw: message.raw,
        ..MessageRecord::new(
            MessageId(Uuid::from_u128(number)),
            conversation,
            Wall::default(),
            MessageKind::Received,
            Author::Contact,
        )
    }
}

fn records(store: &Arc<Mutex<Store>>) -> Records {
    fn first(store: &Arc<Mutex<Store>>, is_it: impl Fn(&Kept) -> bool) -> Option<Found> {
        let store = store.lock().unwrap();
        let found = store.kept.iter().find(|it| is_it(it)).cloned();
        found.map(|it| Found {
            conversation: it.conversation,
            message: it.message,
        })
    }
    let stores: [_; 5] = std::array::from_fn(|_| Arc::clone(store));
    let [of_id, of_message, named, last, undelivered] = stores;
    Records {
        conversation: Arc::new(move |id| {
            let found = first(&of_id, |it| it.conversation.id == id);
            Box::pin(async move { Ok(found.map(|it| it.conversation)) })
        }),
        message_of: Arc::new(move |id| {
            let found = first(&of_message, |it| it.message.id == id);
            Box::pin(async move { Ok(found) })
        }),
        message: Arc::new(move |channel, external_id| {
            let found = first(&named, |it| {
                it.message.external_id.as_deref() == Some(&external_id)
                    && channel
                        .as_ref()
                        .is_none_or(|channel| *channel == it.conversation.channel)
            });
            Box::pin(async move { Ok(found) })
        }),
        last_received: Arc::new(move |id| {
            let store = last.lock().unwrap();
            let mut received =
                store.kept.iter().rev().filter(|it| {
                    it.conversation.id == id && it.message.kind == MessageKind::Received
                });
            let found = received.next().map(|it| it.message.clone());
            Box::pin(async move { Ok(found) })
        }),
        undelivered: Arc::new(move || {
            let store = undelivered.lock().unwrap();
            let pending = store
                .kept
                .iter()
                .filter(|it| it.message.delivery == Delivery::Pending);
            let pending = pending.map(|it| Found {
                conversation: it.conversation.clone(),
                message: it.message.clone(),
            });
            let pending = pending.collect();
            Box::pin(async move { Ok(pending) })
        }),
    }
}

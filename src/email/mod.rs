//! Email: mailboxes read over IMAP and a mail server's deliveries over LMTP in, replies out.
//!
//! A thread of its own with a runtime of its own, since what mail brings is large and slow: calls
//! never wait for it. It follows the configuration in force by itself.

pub mod automatic;
mod imap;
mod intake;
mod kept;
mod letter;
mod lmtp;
pub mod message;
mod sender;
mod state;
#[cfg(test)]
mod tests;
pub mod thread;
pub mod verified;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::core::conversation::{ConversationRecord, Event, MessageRecord};
use crate::core::id::{ConversationId, MessageId, RandomSource};
use crate::core::letter::{Letter, Progress, Report};
use crate::core::name::ChannelName;
use crate::core::snapshot::{LmtpListen, Mailbox, Snapshot};
use crate::inbox::Door;
use automatic::AutomaticReplies;
use intake::Intake;
use kept::Kept;
use sender::Sending;

pub use state::{State, States};

/// How long the end of the daemon waits for a mail that is just being taken in.
const LAST_MAIL: Duration = Duration::from_secs(3);

/// Where it is kept who had an automatic reply.
const ANSWERED: &str = "automatic-replies.json";

/// Why email cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// A file or directory of its own cannot be used.
    #[error("{path} cannot be used: {source}. Check who may write there, and for space.")]
    Directory {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The thread cannot be started.
    #[error("the thread that reads mail cannot be started: {0}")]
    Thread(io::Error),
}

/// A message with its conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The conversation.
    pub conversation: ConversationRecord,
    /// The message.
    pub message: MessageRecord,
}

/// What a question to the store comes to; errors are the store's words.
pub type Answer<T> = BoxFuture<'static, Result<T, String>>;

/// Finds a message by its name elsewhere.
pub type Named = dyn Fn(Option<ChannelName>, String) -> Answer<Option<Found>> + Send + Sync;

/// Questions to the store.
#[derive(Clone)]
pub struct Records {
    /// The conversation of that id.
    pub conversation:
        Arc<dyn Fn(ConversationId) -> Answer<Option<ConversationRecord>> + Send + Sync>,
    /// The message of that id.
    pub message_of: Arc<dyn Fn(MessageId) -> Answer<Option<Found>> + Send + Sync>,
    /// The message of that name elsewhere ([`MessageRecord::external_id`]), in that channel or, the
    /// latest, in any.
    pub message: Arc<Named>,
    /// The last message that came from outside in a conversation.
    pub last_received: Arc<dyn Fn(ConversationId) -> Answer<Option<MessageRecord>> + Send + Sync>,
    /// Replies of email and form conversations that are on their way, the oldest first.
    pub undelivered: Arc<dyn Fn() -> Answer<Vec<Found>> + Send + Sync>,
}

/// Queues a letter of a channel, or of none, for sending; it is on the disk when this returns. Blocks.
pub type Post = Arc<dyn Fn(Option<&ChannelName>, Letter) -> Result<Progress, String> + Send + Sync>;

/// Whom TLS trusts: the authorities that this machine trusts, and these.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Certificates that are trusted besides.
    pub added: Vec<CertificateDer<'static>>,
}

/// What email needs of the rest.
pub struct Surroundings {
    /// The way to the engine.
    pub door: Door,
    /// Questions to the store.
    pub records: Records,
    /// The way out.
    pub post: Post,
    /// What became of letters.
    pub reports: mpsc::Receiver<Report>,
    /// Where email keeps files of its own.
    pub directory: PathBuf,
    /// What has happened lately and must be mailed to somebody, done already or not.
    pub events: Vec<Event>,
    /// Whom TLS trusts.
    pub trust: Trust,
}

/// Email while it runs. Dropping it ends it; a mail that is half taken in is taken in the next time.
pub struct Email {
    states: States,
    stop: Arc<Notify>,
    over: Receiver<()>,
}

impl Email {
    /// Starts to read and to send what the configuration in force says.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn start(surroundings: Surroundings) -> Result<Email, EmailError> {
        let kept = Kept::open(&surroundings.directory)?;
        let key = kept.key()?;
        let answered: AutomaticReplies = kept.read(ANSWERED);
        let answered = Arc::new(Mutex::new(answered));
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).map_err(|error| EmailError::Thread(io::Error::other(error)))?;
        let states = States::default();
        let door = surroundings.door;
        let sending = Sending {
            door: door.clone(),
            records: surroundings.records.clone(),
            key: key.clone(),
            kept: kept.clone(),
            answered: Arc::clone(&answered),
            post: surroundings.post,
        };
        let (events, reports) = (door.events(), surroundings.reports);
        let missed = surroundings.events;
        let intake = Intake::new(door.clone(), surroundings.records, key, answered);
        let running = Running {
            door,
            intake,
            kept,
            states: states.clone(),
            trust: Arc::new(surroundings.trust),
            random: RandomSource::from_seed(seed),
            mailboxes: BTreeMap::new(),
            lmtp: None,
        };
        let stop = Arc::new(Notify::new());
        let (alive, over) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(EmailError::Thread)?;
        let stopped = Arc::clone(&stop);
        std::thread::Builder::new()
            .name("email".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = running.run() => {}
                        () = sending.run(missed, events, reports) => {}
                        () = stopped.notified() => {}
                    }
                });
                runtime.shutdown_timeout(LAST_MAIL);
                drop(alive);
            })
            .map_err(EmailError::Thread)?;
        Ok(Email { states, stop, over })
    }

    /// How each way in stands.
    pub fn states(&self) -> &States {
        &self.states
    }
}

impl Email {
    /// Whether its thread runs still: it ends with this, or by a fault.
    pub fn is_running(&self) -> bool {
        self.over.try_recv() != Err(TryRecvError::Disconnected)
    }
}

impl Drop for Email {
    fn drop(&mut self) {
        self.stop.notify_one();
        // Ends by disconnection, when the thread does.
        let _ = self.over.recv_timeout(LAST_MAIL);
    }
}

/// A mailbox of a channel, and the task that reads it.
type Reading = ((ChannelName, Mailbox), JoinHandle<()>);

/// What runs on the thread.
struct Running {
    door: Door,
    intake: Intake,
    kept: Kept,
    states: States,
    trust: Arc<Trust>,
    random: RandomSource,
    mailboxes: BTreeMap<String, Reading>,
    lmtp: Option<(LmtpListen, JoinHandle<()>)>,
}

impl Running {
    async fn run(mut self) {
        let mut snapshots = self.door.snapshots();
        loop {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            self.follow(&snapshot);
            if snapshots.changed().await.is_err() {
                return;
            }
        }
    }

    /// Starts what was added and ends what was taken away; what stays goes on undisturbed.
    fn follow(&mut self, snapshot: &Snapshot) {
        let mut wanted = BTreeMap::new();
        for channel in snapshot.channels.iter() {
            for mailbox in channel.email().iter().flat_map(|it| &it.mailboxes) {
                let name = imap::name_of(mailbox);
                wanted.insert(name, (channel.name.clone(), mailbox.clone()));
            }
        }
        self.mailboxes.retain(|name, (reads, task)| {
            let stays = wanted.get(name) == Some(reads) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        let lmtp = snapshot.settings.email.lmtp.clone();
        let has_channels = snapshot.channels.iter().any(|it| it.email().is_some());
        let lmtp = lmtp.filter(|_| has_channels);
        let mut names: Vec<String> = wanted.keys().cloned().collect();
        names.extend(lmtp.is_some().then(|| "lmtp".to_owned()));
        self.states.retain(&names);
        for (name, (channel, mailbox)) in wanted {
            if self.mailboxes.contains_key(&name) {
                continue;
            }
            let reader = imap::Reader {
                channel: channel.clone(),
                mailbox: mailbox.clone(),
                intake: self.intake.clone(),
                kept: self.kept.clone(),
                states: self.states.clone(),
                trust: Arc::clone(&self.trust),
                random: self.random.fork(),
            };
            let task = tokio::spawn(reader.run());
            self.mailboxes.insert(name, ((channel, mailbox), task));
        }
        if self.lmtp.as_ref().map(|(listen, _)| listen) != lmtp.as_ref() {
            if let Some((_, task)) = self.lmtp.take() {
                task.abort();
            }
            self.lmtp = lmtp.map(|listen| {
                let serving = lmtp::serve(
                    listen.clone(),
                    self.intake.clone(),
                    self.door.clone(),
                    self.states.clone(),
                );
                (listen, tokio::spawn(serving))
            });
        }
    }
}

//! Replies on their way: what the engine says must be carried by mail is composed, queued, and reported
//! back as sent or failed. What was not queued when the daemon stopped is queued at the next start.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::automatic::AutomaticReplies;
use super::kept::Kept;
use super::letter::{self, FILES_OCTETS, LetterError, Reply, Sender};
use super::message::fields::{Fields, split};
use super::message::{Party, one_line};
use super::thread::ThreadKey;
use super::{ANSWERED, Found, Post, Records};
use crate::clock;
use crate::core::conversation::{
    Author, Command, ConversationRecord, Delivery, Event, Happening, MessageKind, MessageRecord,
    Outgoing,
};
use crate::core::letter::{Letter, Progress, Report};
use crate::core::name::{ChannelName, UserName};
use crate::core::snapshot::{Channel, Kind, Snapshot};
use crate::inbox::{Attachments, Door, Published};

/// Octets of the mail that is answered that are read: its header.
const HEADER_OCTETS: usize = 256 * 1024;

/// How long after it was asked for a mail is still sent, where the daemon was stopped just then.
const LATEST_MAIL: Duration = Duration::from_secs(24 * 60 * 60);

/// Sends replies.
pub(super) struct Sending {
    pub door: Door,
    pub records: Records,
    pub key: ThreadKey,
    pub kept: Kept,
    pub answered: Arc<Mutex<AutomaticReplies>>,
    pub post: Post,
}

impl Sending {
    /// Sends until the task is ended. `events` began before what is in the store was looked at;
    /// `missed` are those of before.
    pub async fn run(
        self,
        missed: Vec<Event>,
        mut events: tokio::sync::broadcast::Receiver<Published>,
        mut reports: mpsc::Receiver<Report>,
    ) {
        self.catch_up().await;
        for event in missed {
            // What was queued is known there for longer than that.
            let is_late = clock::wall().since(event.at) > LATEST_MAIL;
            if event.asks_for_a_mail() && !is_late {
                self.happened(&event.what).await;
            }
        }
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(published) => self.happened(&published.event.what).await,
                    Err(RecvError::Lagged(_)) => self.catch_up().await,
                    Err(RecvError::Closed) => return,
                },
                Some(report) = reports.recv() => self.reported(report).await,
            }
        }
    }

    /// Sends what should have been and was not.
    async fn catch_up(&self) {
        match (self.records.undelivered)().await {
            Ok(all) => {
                for it in all {
                    self.send(&it.conversation, &it.message).await;
                }
            }
            Err(error) => warn!("replies that were not sent cannot be looked for: {error}"),
        }
    }

    async fn happened(&self, what: &Happening) {
        match what {
            Happening::Message {
                conversation,
                message,
                outgoing: Some(Outgoing::Email),
            } => self.send(conversation, message).await,
            Happening::MailOwner {
                owner,
                conversation,
                message,
            } => self.mail_owner(owner, conversation, message).await,
            Happening::Message {
                outgoing: None | Some(Outgoing::Chat),
                ..
            }
            | Happening::Created(_)
            | Happening::Changed(_)
            | Happening::Assigned { .. }
            | Happening::MessageChanged { .. }
            | Happening::Deleted(_)
            | Happening::Seen { .. }
            | Happening::Typing { .. }
            | Happening::Presence(_)
            | Happening::Contact(_) => {}
        }
    }

    async fn send(&self, conversation: &ConversationRecord, message: &MessageRecord) {
        let snapshot = self.door.snapshot();
        let (channel, sender) = match sender_of(&snapshot, conversation) {
            Ok(found) => found,
            Err(words) => {
                self.deliver(conversation, message, Delivery::Failed(words))
                    .await;
                return;
            }
        };
        let letter = match self.compose(&sender, conversation, message).await {
            Ok(letter) => letter,
            Err(error) => {
                warn!(
                    "a reply of conversation {} cannot be sent: {error}",
                    conversation.id
                );
                let failed = Delivery::Failed(error.to_string());
                self.deliver(conversation, message, failed).await;
                return;
            }
        };
        if let Err(words) = self.may_send(conversation, message, &letter) {
            self.deliver(conversation, message, Delivery::Failed(words))
                .await;
            return;
        }
        let delivery = match self.queue(channel, letter).await {
            Ok(Progress::Waiting) => return,
            // It was queued before a stop, and the report of it was lost.
            Ok(Progress::Sent) => Delivery::Sent,
            Ok(Progress::Failed(words)) => Delivery::Failed(words),
            Err(words) => {
                warn!(
                    "a reply of conversation {} cannot be queued: {words}",
                    conversation.id
                );
                Delivery::Failed(words)
            }
        };
        self.deliver(conversation, message, delivery).await;
    }

    /// An automatic reply goes to nobody twice a day: neither for one sender, nor to one address, which
    /// many senders may ask for. Who gets one is on the disk before it is queued.
    fn may_send(
        &self,
        conversation: &ConversationRecord,
        message: &MessageRecord,
        letter: &Letter,
    ) -> Result<(), String> {
        if message.author != Author::Automatic {
            return Ok(());
        }
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = message.id.to_string();
        for address in letter.to.iter().chain(&conversation.contact_address) {
            if let Err(reason) = answered.note_once(address, &mark, clock::wall()) {
                info!(
                    "no automatic reply to {}: {}",
                    one_line(address, 320),
                    reason.words()
                );
                return Err(format!("no automatic reply: {}", reason.words()));
            }
        }
        match self.kept.write(ANSWERED, &*answered) {
            Ok(()) => Ok(()),
            Err(error) => Err(format!(
                "who had an automatic reply cannot be kept: {error}"
            )),
        }
    }

    async fn compose(
        &self,
        sender: &Sender,
        conversation: &ConversationRecord,
        message: &MessageRecord,
    ) -> Result<Letter, LetterError> {
        let answers = (self.records.last_received)(conversation.id).await;
        let answers = answers.ok().flatten().and_then(|it| it.raw);
        let files = self.door.attachments().clone();
        let (sender, key) = (sender.clone(), self.key.clone());
        let (conversation, message) = (conversation.clone(), message.clone());
        let composed = tokio::task::spawn_blocking(move || {
            let answers = answers.map(|path| header(&files, &path));
            let reply = Reply {
                sender: &sender,
                conversation: &conversation,
                message: &message,
                answers: answers.as_ref(),
                files: read_files(&files, &message)?,
            };
            letter::compose(reply, &key)
        });
        composed.await.unwrap_or(Err(LetterError::Nobody))
    }

    async fn mail_owner(
        &self,
        owner: &UserName,
        conversation: &ConversationRecord,
        message: &MessageRecord,
    ) {
        let snapshot = self.door.snapshot();
        let from = snapshot
            .settings
            .smtp
            .as_ref()
            .and_then(|it| party_of(&it.from));
        let user = snapshot.user(owner);
        let to = user.and_then(|it| Party::new(it.email.as_deref()?, &it.display_name));
        let (Some(from), Some(to)) = (from, to) else {
            warn!(
                "{owner} cannot be mailed a form submission: [smtp] or the owner's email is missing"
            );
            return;
        };
        let url = snapshot
            .settings
            .http
            .as_ref()
            .map(|it| it.public_url.as_str());
        let queued = match letter::for_owner(&from, &to, conversation, message, url) {
            Ok(letter) => self.queue(None, letter).await.map(|_| ()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(words) = queued {
            warn!("{owner} cannot be mailed a form submission: {words}");
        }
    }

    async fn queue(
        &self,
        channel: Option<ChannelName>,
        letter: Letter,
    ) -> Result<Progress, String> {
        let post = Arc::clone(&self.post);
        let queued = tokio::task::spawn_blocking(move || post(channel.as_ref(), letter));
        queued.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn reported(&self, report: Report) {
        let found: Result<_, String> =
            (self.records.message_of)(crate::core::id::MessageId(report.key)).await;
        let Ok(Some(Found {
            conversation,
            message,
        })) = found
        else {
            return;
        };
        if message.kind != MessageKind::Sent {
            return;
        }
        let delivery = match report.result {
            Ok(()) => Delivery::Sent,
            Err(words) => Delivery::Failed(words),
        };
        self.deliver(&conversation, &message, delivery).await;
    }

    async fn deliver(
        &self,
        conversation: &ConversationRecord,
        message: &MessageRecord,
        delivery: Delivery,
    ) {
        changed(&self.door, conversation, message, delivery).await;
    }
}

/// Tells the engine how far a message has come. It may have forgotten a closed conversation.
pub(super) async fn changed(
    door: &Door,
    conversation: &ConversationRecord,
    message: &MessageRecord,
    delivery: Delivery,
) {
    let recalled = Command::Recalled(Box::new(conversation.clone()));
    let changed = Command::DeliveryChanged {
        message: Box::new(message.clone()),
        delivery,
    };
    for command in [recalled, changed] {
        if let Err(refusal) = door.ask(command).await {
            warn!("what became of a mail could not be noted: {refusal}");
        }
    }
}

/// Who replies in a conversation: its own email channel; in others, the first email channel of the
/// same inbox, which takes in the answers; else `[smtp] from`.
fn sender_of(
    snapshot: &Snapshot,
    conversation: &ConversationRecord,
) -> Result<(Option<ChannelName>, Sender), String> {
    let own = match conversation.kind {
        Kind::Email => snapshot.channel(&conversation.channel),
        Kind::Call | Kind::Form | Kind::Chat => {
            let mut channels = snapshot.channels.iter();
            channels.find(|it| it.email().is_some() && it.inbox == conversation.inbox)
        }
    };
    let own = own.and_then(|channel: &Channel| Some((channel, channel.email()?)));
    if let Some((channel, email)) = own {
        let party = Party::new(&email.address, &email.sender_name);
        let party = party.ok_or_else(|| format!("{:?} is no mail address", email.address))?;
        let sender = Sender {
            party,
            answers_by_token: email.reply_token,
            signature: email.signature.clone(),
        };
        return Ok((Some(channel.name.clone()), sender));
    }
    let from = snapshot
        .settings
        .smtp
        .as_ref()
        .and_then(|it| party_of(&it.from));
    let party =
        from.ok_or("there is no [smtp] in the configuration, and no email channel in this inbox")?;
    let sender = Sender {
        party,
        answers_by_token: false,
        signature: None,
    };
    Ok((None, sender))
}

/// `Ringdesk <ringdesk@example.com>`, or the address alone.
fn party_of(text: &str) -> Option<Party> {
    match text.split_once('<') {
        Some((name, rest)) => {
            let (address, _) = rest.split_once('>')?;
            Party::new(address.trim(), name.trim().trim_matches('"'))
        }
        None => Party::new(text.trim(), ""),
    }
}

fn header(files: &Attachments, path: &Path) -> Fields {
    let octets = read_beginning(&files.directory().join(path)).unwrap_or_default();
    split(&octets).0
}

fn read_beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut octets = Vec::new();
    let limit = u64::try_from(HEADER_OCTETS).unwrap_or(u64::MAX);
    std::fs::File::open(path)?
        .take(limit)
        .read_to_end(&mut octets)?;
    Ok(octets)
}

fn read_files(
    files: &Attachments,
    message: &MessageRecord,
) -> Result<Vec<(String, String, Vec<u8>)>, LetterError> {
    let total = message
        .attachments
        .iter()
        .fold(0u64, |sum, it| sum.saturating_add(it.size));
    if total > FILES_OCTETS {
        return Err(LetterError::TooLarge(total / 1_000_000));
    }
    let read = message.attachments.iter().map(|it| {
        let octets = std::fs::read(files.path(it));
        let octets = octets.map_err(|error| LetterError::File(it.file_name.clone(), error))?;
        Ok((it.file_name.clone(), it.content_type.clone(), octets))
    });
    read.collect()
}

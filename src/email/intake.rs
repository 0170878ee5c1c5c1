//! A mail as it came becomes a message in a conversation: read, stored, threaded, handed to the engine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::automatic::{AutomaticReplies, Reason, may_be_answered};
use super::message::{self, Delivery as Reported, ReceivedMail, Remote, sanitise};
use super::sender::changed;
use super::thread::{ThreadKey, Trail, trails};
use super::verified::verified_sender;
use super::{Found, Records};
use crate::clock;
use crate::core::conversation::{
    Arrival, Attachment, Command, ContactHint, ConversationRecord, Delivery, Done, MessageKind,
    NewMessage, Origin, RefusalKind,
};
use crate::core::hex::hex;
use crate::core::name::ChannelName;
use crate::core::snapshot::{ChannelKind, Snapshot};
use crate::core::text::LARGEST_TEXT;
use crate::inbox::{AttachmentError, Door, LARGEST_ATTACHMENT};

/// Octets of the field that the envelope's sender is kept in.
const RETURN_PATH_OCTETS: usize = 400;

/// Octets of text that are handed on, with room below for what could not be read.
const SHOWN_OCTETS: usize = LARGEST_TEXT - 8 * 1024;

/// A mail, and how it came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    /// Whose it is.
    pub channel: ChannelName,
    /// The mail; its header alone where it was too large.
    pub raw: Vec<u8>,
    /// Octets of the whole, where that was too much.
    pub too_large: Option<usize>,
    /// The sender in the envelope, where there is one.
    pub return_path: Option<String>,
    /// The recipients in the envelope.
    pub recipients: Vec<String>,
    /// A name for the place it lay in, for mails that have no identifier of their own.
    pub place: Option<String>,
}

/// Why a mail was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It can be later.
    Later(String),
    /// It will not be.
    Refused(String),
}

/// Takes mail in. Clones are the same.
#[derive(Clone)]
pub(super) struct Intake(Arc<Shared>);

struct Shared {
    door: Door,
    records: Records,
    key: ThreadKey,
    answered: Arc<Mutex<AutomaticReplies>>,
}

/// A mail with its files on the disk.
struct Stored {
    mail: ReceivedMail,
    raw: Attachment,
    attachments: Vec<Attachment>,
}

impl Intake {
    pub fn new(
        door: Door,
        records: Records,
        key: ThreadKey,
        answered: Arc<Mutex<AutomaticReplies>>,
    ) -> Intake {
        Intake(Arc::new(Shared {
            door,
            records,
            key,
            answered,
        }))
    }

    /// The largest mail, in octets.
    pub fn largest(&self) -> usize {
        let configured = self.0.door.snapshot().settings.email.largest;
        // A file of that size can be kept.
        let kept = LARGEST_ATTACHMENT.saturating_sub(RETURN_PATH_OCTETS);
        match configured {
            0 => kept,
            octets => octets.min(kept),
        }
    }

    /// Takes a mail in; once this returns, nothing that stops loses it. One that was taken in before
    /// is passed over.
    ///
    /// # Errors
    /// It was not taken in, and nothing of it was kept.
    pub async fn take_in(&self, came: Came) -> Result<(), NotTaken> {
        let id = self.external_id(&came).await?;
        let Some(id) = id else {
            return Ok(());
        };
        let channel = came.channel.clone();
        let recipients = came.recipients.clone();
        let return_path = came.return_path.clone();
        let stored = self.store(came).await?;
        let snapshot = self.0.door.snapshot();
        let continues = self.conversation(&stored.mail, &recipients).await?;
        // What answers a form or a chat is kept in that channel, and was perhaps taken in there.
        if let Some(other) = continues.as_ref().filter(|it| it.channel != channel)
            && self.message(&other.channel, &id).await?.is_some()
        {
            self.discard(stored).await;
            return Ok(());
        }
        self.tell_of_bounce(&stored.mail).await;
        let arrival = self.arrival(
            &snapshot,
            channel,
            &stored,
            return_path.as_deref(),
            id,
            continues,
        );
        let done = self.0.door.ask(Command::Arrived(Box::new(arrival))).await;
        match done {
            Ok(Done::Conversation {
                repeated: false, ..
            }) => Ok(()),
            // It was taken in meanwhile: these files are nobody's.
            Ok(
                Done::Conversation { repeated: true, .. }
                | Done::Repeated(_)
                | Done::Contact(_)
                | Done::Nothing,
            ) => {
                self.discard(stored).await;
                Ok(())
            }
            Err(refusal) => {
                self.discard(stored).await;
                Err(match refusal.kind {
                    RefusalKind::Busy => NotTaken::Later(refusal.text),
                    RefusalKind::NotFound
                    | RefusalKind::Forbidden
                    | RefusalKind::Conflict
                    | RefusalKind::Invalid => NotTaken::Refused(refusal.text),
                })
            }
        }
    }

    /// The name under which the mail is taken in once: its identifier, unless another mail had that
    /// one before; without any, the place it lay in, or its octets. `None` if it was taken in.
    async fn external_id(&self, came: &Came) -> Result<Option<String>, NotTaken> {
        let (fields, _) = message::fields::split(&came.raw);
        let id = match fields.ids("message-id").into_iter().next() {
            Some(id) => id,
            None => match &came.place {
                Some(place) => place.clone(),
                None => format!("sha256:{}", hex(&Sha256::digest(&came.raw))),
            },
        };
        let Some(before) = self.message(&came.channel, &id).await? else {
            return Ok(Some(id));
        };
        let Some(path) = &before.message.raw else {
            return Ok(None);
        };
        let path = self.0.door.attachments().directory().join(path);
        let kept = tokio::fs::read(path).await.unwrap_or_default();
        if kept.is_empty() || fingerprint(&kept) == fingerprint(&came.raw) {
            return Ok(None);
        }
        // Whoever sends a mail under the name of another keeps that one from nobody.
        let id = format!("{id}#{}", fingerprint(&came.raw));
        let again = self.message(&came.channel, &id).await?;
        Ok(again.is_none().then_some(id))
    }

    async fn message(&self, channel: &ChannelName, id: &str) -> Result<Option<Found>, NotTaken> {
        let found = (self.0.records.message)(Some(channel.clone()), id.to_owned()).await;
        found.map_err(NotTaken::Later)
    }

    /// Reads the mail and stores it with its files. Nothing of it is trusted: a mail that brings the
    /// reader down is kept whole, and told of.
    async fn store(&self, came: Came) -> Result<Stored, NotTaken> {
        let files = self.0.door.attachments().clone();
        let stored = tokio::task::spawn_blocking(move || {
            let read = std::panic::catch_unwind(|| message::read(&came.raw));
            let mut mail = read.unwrap_or_else(|_| {
                let mut mail = message::read(b"");
                mail.problems = vec!["reading it failed".to_owned()];
                mail
            });
            if let Some(octets) = came.too_large {
                let megabytes = octets / 1_000_000;
                mail.problems = vec![format!(
                    "it has {megabytes} MB, which is too much; its header is here, and the whole \
                     of it is in the mailbox still"
                )];
                mail.text.clear();
            }
            let mut kept = Vec::new();
            let raw = match &came.return_path {
                Some(from) => {
                    let mut raw = format!("Return-Path: <{from}>\r\n").into_bytes();
                    raw.extend_from_slice(&came.raw);
                    raw
                }
                None => came.raw,
            };
            // Whatever fails takes back what was stored.
            let result = (|| {
                let whole = files.store("mail.eml", "message/rfc822", None, &raw)?;
                kept.push(whole.clone());
                for it in &mail.attachments {
                    let id = it.content_id.as_deref();
                    match files.store(&it.name, &it.content_type, id, &it.octets) {
                        Ok(file) => kept.push(file),
                        // Decoding made it larger than what the mail was; it is in there whole.
                        Err(AttachmentError::TooLarge { name, .. }) => {
                            let problem =
                                format!("the file {name} is too large to stand by itself");
                            mail.problems.push(problem);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok::<_, AttachmentError>(whole)
            })();
            match result {
                Ok(raw) => {
                    kept.remove(0);
                    // They are on the disk now.
                    for it in &mut mail.attachments {
                        it.octets = Vec::new();
                    }
                    Ok(Stored {
                        mail,
                        raw,
                        attachments: kept,
                    })
                }
                Err(error) => {
                    for file in &kept {
                        files.discard(file);
                    }
                    Err(error.to_string())
                }
            }
        });
        match stored.await {
            Ok(stored) => stored.map_err(NotTaken::Later),
            Err(error) => Err(NotTaken::Later(error.to_string())),
        }
    }

    async fn discard(&self, stored: Stored) {
        let files = self.0.door.attachments().clone();
        let discarded = tokio::task::spawn_blocking(move || {
            for file in stored.attachments.iter().chain([&stored.raw]) {
                files.discard(file);
            }
        });
        // What is left behind costs room and nothing else.
        let _ = discarded.await;
    }

    /// The conversation that a mail continues.
    async fn conversation(
        &self,
        mail: &ReceivedMail,
        recipients: &[String],
    ) -> Result<Option<Box<ConversationRecord>>, NotTaken> {
        for trail in trails(mail, recipients, &self.0.key) {
            let found = match trail {
                Trail::Conversation(id) => (self.0.records.conversation)(id).await,
                Trail::MessageId(id) => {
                    let found = (self.0.records.message)(None, id).await;
                    // Forms and chats name their messages too, and what they call them is no secret.
                    let by_mail = found.map(|it| it.filter(|it| it.message.raw.is_some()));
                    by_mail.map(|found| found.map(|it| it.conversation))
                }
            };
            // The channel may have left the configuration, and the mail has one of its own.
            let snapshot = self.0.door.snapshot();
            let found = found.map_err(NotTaken::Later)?;
            if let Some(found) = found.filter(|it| snapshot.channel(&it.channel).is_some()) {
                return Ok(Some(Box::new(found)));
            }
        }
        Ok(None)
    }

    /// A mail of ours that came back has failed.
    async fn tell_of_bounce(&self, mail: &ReceivedMail) {
        let Some(bounce) = &mail.bounce else {
            return;
        };
        let ours = bounce.message_id.as_ref();
        let ours = ours.and_then(|id| self.0.key.message_of(id));
        let Some((conversation, id)) = ours.filter(|_| bounce.delivery == Reported::Failed) else {
            return;
        };
        let Ok(Some(sent)) = (self.0.records.message_of)(id).await else {
            return;
        };
        // The token is of a conversation: who has one says nothing of the mails of others.
        if sent.message.kind != MessageKind::Sent || sent.conversation.id != conversation {
            return;
        }
        let words = bounce.sentence.clone().or_else(|| bounce.status.clone());
        let failed = Delivery::Failed(words.unwrap_or_else(|| "it came back".to_owned()));
        changed(&self.0.door, &sent.conversation, &sent.message, failed).await;
    }

    fn arrival(
        &self,
        snapshot: &Snapshot,
        channel: ChannelName,
        stored: &Stored,
        return_path: Option<&str>,
        external_id: String,
        continues: Option<Box<ConversationRecord>>,
    ) -> Arrival {
        let mail = &stored.mail;
        let verdict = may_be_answered(mail, return_path, &own_addresses(snapshot));
        let had_one = match mail.answer_to() {
            Some(party) => {
                let answered = self.0.answered.lock();
                let answered = answered.unwrap_or_else(PoisonError::into_inner);
                answered.may(&party.address, clock::wall())
            }
            None => Ok(()),
        };
        let servers = match snapshot.channel(&channel).map(|it| &it.kind) {
            Some(ChannelKind::Email(email)) => email.authentication_servers.clone(),
            Some(ChannelKind::Call(_) | ChannelKind::Form(_) | ChannelKind::Chat(_)) | None => {
                Vec::new()
            }
        };
        let sender = mail.sender();
        let contact = ContactHint {
            name: sender.and_then(|it| it.name.clone()),
            address: sender.map(|it| it.address.to_lowercase()),
            verified: verified_sender(mail, &servers).is_some(),
            ..ContactHint::default()
        };
        let origin = match verdict.and(had_one) {
            Ok(()) => Origin::Person,
            Err(_) => Origin::NoAutomaticReply,
        };
        // A conversation of another channel stays in that one.
        let channel = continues.as_ref().map_or(channel, |it| it.channel.clone());
        Arrival {
            channel,
            continues,
            contact,
            message: NewMessage {
                subject: mail.subject.clone(),
                text: text_of(mail),
                quoted: mail.quoted.clone(),
                html: safe_html(mail, &stored.attachments),
                fields: Vec::new(),
                attachments: stored.attachments.clone(),
                external_id: Some(external_id),
                raw: Some(stored.raw.path.clone()),
            },
            origin,
            automatic: verdict.is_err_and(is_automatic),
        }
    }
}

/// True if nobody waits for an answer.
fn is_automatic(reason: Reason) -> bool {
    match reason {
        Reason::OurOwn
        | Reason::AutoSubmitted
        | Reason::Precedence
        | Reason::List
        | Reason::EmptyReturnPath
        | Reason::Bounce => true,
        Reason::OwnAddress
        | Reason::Suppressed
        | Reason::Program
        | Reason::NoSender
        | Reason::HadOne
        | Reason::TooMany => false,
    }
}

/// Every address of every email channel.
pub(super) fn own_addresses(snapshot: &Snapshot) -> Vec<String> {
    let emails = snapshot.channels.iter().filter_map(|it| it.email());
    let addresses = emails.flat_map(|it| it.aliases.iter().chain([&it.address]));
    addresses.map(|it| it.to_lowercase()).collect()
}

/// What people read: the text, what was forwarded, what came of a mail of ours, and what could not be
/// read.
fn text_of(mail: &ReceivedMail) -> String {
    let mut text = mail.text.clone();
    if let Some(bounce) = &mail.bounce {
        let what = match bounce.delivery {
            Reported::Failed => "was not delivered",
            Reported::Delayed => "was not delivered yet; it is tried again",
            Reported::Arrived => "was delivered",
        };
        let whom = bounce.recipient.as_deref().unwrap_or("its receiver");
        let words = bounce.sentence.as_deref().or(bounce.status.as_deref());
        let words = words.map(|it| format!(": {it}")).unwrap_or_default();
        text = format!("[The mail to {whom} {what}{words}]\n\n{text}");
    }
    for forwarded in &mail.forwarded {
        text.push_str("\n\n---------- Forwarded message ----------\n");
        if let Some(from) = &forwarded.from {
            let name = from.name.as_deref().unwrap_or_default();
            let _ = writeln!(text, "From: {name} <{}>", from.address);
        }
        if let Some(date) = forwarded.date {
            let _ = writeln!(text, "Date: {}", date.to_utc().format("%Y-%m-%d %H:%M UTC"));
        }
        if let Some(subject) = &forwarded.subject {
            let _ = writeln!(text, "Subject: {subject}");
        }
        let _ = write!(text, "\n{}", forwarded.text);
    }
    let mut problems = mail.problems.clone();
    if text.len() > SHOWN_OCTETS {
        text = message::beginning(&text, SHOWN_OCTETS).to_owned();
        problems.push("all of its text is too long to be shown".to_owned());
    }
    if !problems.is_empty() {
        let problems = message::one_line(&problems.join("; "), 2_000);
        let _ = write!(
            text,
            "\n\n[This mail is not shown as its sender meant it: {problems}. It is kept as it came.]"
        );
    }
    text.trim().to_owned()
}

/// Images inside the mail are shown from where its files are read over the API.
fn safe_html(mail: &ReceivedMail, attachments: &[Attachment]) -> Option<String> {
    let images = attachments.iter().filter_map(|it| {
        let id = it.content_id.clone()?;
        Some((id, format!("/api/v1/attachments/{}", it.id)))
    });
    let images: BTreeMap<String, String> = images.collect();
    let html = sanitise(mail.html.as_deref()?, Remote::Blocked, &images);
    Some(html)
}

/// The same for the same mail, whichever way it came: what its sender wrote, without what servers
/// added.
fn fingerprint(raw: &[u8]) -> String {
    let (fields, body) = message::fields::split(raw);
    let mut hash = Sha256::new();
    for name in [
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "message-id",
        "content-type",
    ] {
        hash.update(fields.raw(name).unwrap_or_default());
        hash.update([0]);
    }
    let mut rest = body;
    while !rest.is_empty() {
        let (line, next) = message::fields::line(rest);
        hash.update(line.trim_ascii_end());
        hash.update(b"\n");
        rest = rest.get(next..).unwrap_or_default();
    }
    let hash = hash.finalize();
    hex(hash.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mail_is_known_again_however_it_came() {
        let mail = b"From: a@x.no\r\nMessage-ID: <1@x>\r\nSubject: x\r\n\r\nHello\r\nyou\r\n";
        let later =
            b"Return-Path: <a@x.no>\r\nReceived: by b\r\nFrom: a@x.no\r\nMessage-ID: <1@x>\r\n\
                      Subject: x\r\n\r\nHello \nyou\n";
        let other = b"From: a@x.no\r\nMessage-ID: <1@x>\r\nSubject: x\r\n\r\nHello\r\nyou all\r\n";
        assert_eq!(fingerprint(mail), fingerprint(later));
        assert_ne!(fingerprint(mail), fingerprint(other));
    }

    #[test]
    fn what_is_forwarded_and_what_went_wrong_can_be_read() {
        let mail = message::read(
            b"From: a@x.no\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee.\r\n--b\r\n\
              Content-Type: message/rfc822\r\n\r\nFrom: O <o@y.no>\r\nSubject: Offer\r\n\r\nOurs.\r\n--b\r\n\
              Content-Transfer-Encoding: strange\r\n\r\nx\r\n--b--\r\n",
        );
        let text = text_of(&mail);
        assert!(text.starts_with("See.\n"), "{text}");
        assert!(
            text.contains("From: O <o@y.no>\nSubject: Offer\n\nOurs."),
            "{text}"
        );
        assert!(
            text.ends_with("a transfer encoding that is not known. It is kept as it came.]"),
            "{text}"
        );
    }
}

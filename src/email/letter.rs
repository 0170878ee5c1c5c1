//! A reply as a mail: plain text, in the thread it belongs to, asking for answers where they find back.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Mailbox, Message, MultiPart, SinglePart};

use super::automatic::LOOP_FIELD;
use super::message::{Party, SUBJECT, fields::Fields, one_line};
use super::thread::ThreadKey;
use crate::core::conversation::{Author, ConversationRecord, MessageRecord};
use crate::core::letter::Letter;

/// Identifiers in References: the first, and the last of the others (RFC 5322 §3.6.4 has no limit,
/// mail servers have).
const REFERENCES: usize = 20;

/// Octets of all files of one mail: most servers take 25 MB with the third that encoding adds.
pub(super) const FILES_OCTETS: u64 = 18_000_000;

/// Beginnings of a subject that say that it is an answer, in the languages of mail programs.
const ANSWERS: &[&str] = &[
    "re:", "aw:", "sv:", "vs:", "antw:", "odp:", "ref:", "rv:", "r:",
];

/// Why no mail can be made of a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum LetterError {
    #[error("{0:?} is no mail address")]
    Address(String),
    #[error("the conversation has no address to answer to")]
    Nobody,
    #[error("its files have {0} MB together; 18 MB can be sent")]
    TooLarge(u64),
    #[error("the file {0:?} cannot be read: {1}")]
    File(String, std::io::Error),
    #[error("it cannot be composed: {0}")]
    Compose(#[from] lettre::error::Error),
}

/// Who a mail comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    /// Address and name.
    pub party: Party,
    /// Answers are asked to an address with a token.
    pub answers_by_token: bool,
    /// What stands below.
    pub signature: Option<String>,
}

/// What a reply is made of.
pub(super) struct Reply<'a> {
    /// Who it comes from.
    pub sender: &'a Sender,
    /// The conversation.
    pub conversation: &'a ConversationRecord,
    /// What is said.
    pub message: &'a MessageRecord,
    /// The header of the mail that it answers, if that is one.
    pub answers: Option<&'a Fields>,
    /// Its files: name, type, octets.
    pub files: Vec<(String, String, Vec<u8>)>,
}

/// The mail. Made twice it is the same, but for the boundary between its parts.
pub(super) fn compose(reply: Reply<'_>, key: &ThreadKey) -> Result<Letter, LetterError> {
    let Reply {
        sender,
        conversation,
        message,
        answers,
        files,
    } = reply;
    let from = &sender.party;
    let to = receiver(conversation, answers)?;
    let id = key.message_id(conversation.id, message.id, from.domain());
    let mut builder = Message::builder()
        .message_id(Some(format!("<{id}>")))
        .date(UNIX_EPOCH + Duration::from_millis(message.at.as_millis().max(0).unsigned_abs()))
        .from(mailbox(from)?)
        .to(mailbox(&to)?)
        .subject(subject(conversation, message, answers));
    let answer_address = key.answer_address(&from.address, conversation.id);
    if let Some(address) = answer_address.filter(|_| sender.answers_by_token) {
        builder = builder.reply_to(mailbox(&Party {
            address,
            name: from.name.clone(),
        })?);
    }
    if let Some((last, references)) = answers.and_then(references) {
        builder = builder.in_reply_to(format!("<{last}>"));
        let references: Vec<String> = references.iter().map(|id| format!("<{id}>")).collect();
        builder = builder.references(references.join(" "));
    }
    match message.author {
        // Programs do not answer it, so that two of them do not talk for ever.
        Author::Automatic | Author::CustomerAgent(_) => {
            builder = builder
                .raw_header(raw("Auto-Submitted", "auto-replied"))
                .raw_header(raw("X-Auto-Response-Suppress", "All"))
                .raw_header(raw(LOOP_FIELD, "1"));
        }
        Author::User(_) | Author::Contact => {}
    }
    let text = SinglePart::builder()
        .header(ContentType::TEXT_PLAIN)
        .body(body(message, sender.signature.as_deref()));
    let mail = if files.is_empty() {
        builder.singlepart(text)?
    } else {
        let parts = files.into_iter().fold(
            MultiPart::mixed().singlepart(text),
            |parts, (name, content_type, octets)| {
                let kind = ContentType::parse(&content_type);
                let kind = kind.or_else(|_| ContentType::parse("application/octet-stream"));
                let kind = kind.unwrap_or(ContentType::TEXT_PLAIN);
                parts.singlepart(Part::new(name).body(octets, kind))
            },
        );
        builder.multipart(parts)?
    };
    Ok(Letter {
        key: message.id.0,
        from: from.address.clone(),
        to: vec![to.address],
        octets: mail.formatted(),
    })
}

/// The submission of an offline owner's contact, for the owner.
pub(super) fn for_owner(
    from: &Party,
    owner: &Party,
    conversation: &ConversationRecord,
    message: &MessageRecord,
    url: Option<&str>,
) -> Result<Letter, LetterError> {
    let mut text = format!(
        "{} sent the form {} while you are not available:\n\n",
        one_line(&conversation.contact_name, 200),
        conversation.channel
    );
    for (name, value) in &message.fields {
        text.push_str(&format!("{}: {value}\n", one_line(name, 200)));
    }
    if !message.text.is_empty() {
        text.push_str(&format!("\n{}\n", message.text));
    }
    for file in &message.attachments {
        text.push_str(&format!("\n[file: {}]\n", one_line(&file.file_name, 200)));
    }
    if let Some(url) = url {
        text.push_str(&format!(
            "\nThe conversation: {url}/conversations/{}\n",
            conversation.id
        ));
    }
    let mut builder = Message::builder()
        .message_id(Some(format!("<{}.owner@{}>", message.id, from.domain())))
        .date(UNIX_EPOCH + Duration::from_millis(message.at.as_millis().max(0).unsigned_abs()))
        .from(mailbox(from)?)
        .to(mailbox(owner)?)
        .subject(one_line(
            &format!("Form: {}", conversation.subject),
            SUBJECT,
        ))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw(LOOP_FIELD, "1"));
    let contact = conversation.contact_address.as_deref();
    if let Some(contact) = contact.and_then(|it| Party::new(it, &conversation.contact_name)) {
        builder = builder.reply_to(mailbox(&contact)?);
    }
    let text = SinglePart::builder()
        .header(ContentType::TEXT_PLAIN)
        .body(text);
    Ok(Letter {
        key: message.id.0,
        from: from.address.clone(),
        to: vec![owner.address.clone()],
        octets: builder.singlepart(text)?.formatted(),
    })
}

/// Where an answer goes: where the last mail asked for it, if the conversation's person wrote that.
fn receiver(
    conversation: &ConversationRecord,
    answers: Option<&Fields>,
) -> Result<Party, LetterError> {
    let address = conversation.contact_address.as_deref();
    let address = address.ok_or(LetterError::Nobody)?;
    if let Some(fields) = answers {
        let from = fields.parties("from").into_iter().next();
        let theirs = from.is_some_and(|it| it.address.eq_ignore_ascii_case(address));
        let asked = fields.parties("reply-to").into_iter().next();
        if let Some(asked) = asked.filter(|_| theirs) {
            return Ok(asked);
        }
    }
    Party::new(address, &one_line(&conversation.contact_name, 120))
        .ok_or_else(|| LetterError::Address(address.to_owned()))
}

fn subject(
    conversation: &ConversationRecord,
    message: &MessageRecord,
    answers: Option<&Fields>,
) -> String {
    if let Some(subject) = &message.subject {
        return one_line(subject, SUBJECT);
    }
    let theirs = answers.and_then(|it| it.text("subject", SUBJECT));
    let subject = theirs.filter(|it| !it.is_empty());
    let subject = subject.unwrap_or_else(|| one_line(&conversation.subject, SUBJECT));
    let lowered = subject.to_lowercase();
    if ANSWERS.iter().any(|it| lowered.starts_with(it)) {
        return subject;
    }
    format!("Re: {subject}").trim_end().to_owned()
}

/// The identifier that is answered, and all that came before.
fn references(fields: &Fields) -> Option<(String, Vec<String>)> {
    let last = fields.ids("message-id").into_iter().next()?;
    let mut before = fields.ids("references");
    if before.is_empty() {
        before = fields.ids("in-reply-to");
        before.truncate(1);
    }
    before.retain(|id| *id != last);
    let surplus = before.len().saturating_sub(REFERENCES.saturating_sub(1));
    // The first one is what some programs know the thread by.
    let end = surplus.saturating_add(1).min(before.len());
    if surplus > 0 {
        before.drain(1..end);
    }
    before.push(last.clone());
    Some((last, before))
}

fn body(message: &MessageRecord, signature: Option<&str>) -> String {
    let mut text = message.text.trim_end().to_owned();
    text.push('\n');
    if let Some(signature) = signature {
        // RFC 3676 §4.3
        text.push_str(&format!("\n-- \n{}\n", signature.trim_end()));
    }
    text
}

fn mailbox(party: &Party) -> Result<Mailbox, LetterError> {
    let address: Address = party
        .address
        .parse()
        .map_err(|_| LetterError::Address(party.address.clone()))?;
    let name = party.name.as_deref().map(|name| one_line(name, 120));
    Ok(Mailbox::new(name.filter(|it| !it.is_empty()), address))
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

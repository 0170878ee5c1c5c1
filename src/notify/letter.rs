//! A notice as a mail, in plain words.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use lettre::address::AddressError;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::core::record::Notice;
use crate::core::time::Wall;

/// The longest recording that is attached, in octets: 21 minutes. Most servers take 25 MB with the
/// third that encoding adds.
const ATTACHED_OCTETS: u64 = 20_000_000;

/// Why no mail can be made of a notice.
#[derive(Debug, thiserror::Error)]
pub(super) enum LetterError {
    #[error("{0:?} is not a mail address: {1}")]
    Address(String, AddressError),
    #[error("the mail cannot be composed: {0}")]
    Compose(#[from] lettre::error::Error),
}

/// The mail. Made twice it is the same, but for the boundary between its parts.
pub(super) fn compose(notice: &Notice, queued: Wall, from: &str) -> Result<Message, LetterError> {
    let sender = mailbox(from)?;
    let since_1970 = Duration::from_millis(queued.as_millis().max(0).unsigned_abs());
    let mut builder = Message::builder()
        .message_id(Some(message_id(notice, &sender.email)))
        .date(UNIX_EPOCH + since_1970)
        .from(sender)
        .subject(subject(notice))
        .raw_header(automatic());
    for address in &notice.to {
        // One that is no address is refused when it is that one's turn.
        if let Ok(receiver) = mailbox(address) {
            builder = builder.to(receiver);
        }
    }
    let text = |text: String| {
        SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .body(text)
    };
    let message = match notice
        .voicemail
        .as_ref()
        .map(|(_, file)| (file, read(file)))
    {
        None => builder.singlepart(text(body(notice, "")))?,
        Some((_, Ok(audio))) => {
            let wav = ContentType::parse("audio/wav").unwrap_or(ContentType::TEXT_PLAIN);
            let attached = Attachment::new(file_name(notice)).body(audio, wav);
            let parts = MultiPart::mixed()
                .singlepart(text(body(notice, "It is attached.")))
                .singlepart(attached);
            builder.multipart(parts)?
        }
        Some((file, Err(error))) => {
            let why = format!("It is not attached: {}: {error}.", file.display());
            builder.singlepart(text(body(notice, &why)))?
        }
    };
    Ok(message)
}

/// Reads an address, with or without a name.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, LetterError> {
    text.parse()
        .map_err(|error| LetterError::Address(text.to_owned(), error))
}

/// The same for every attempt, so that a mail that comes twice is seen to be one.
fn message_id(notice: &Notice, sender: &Address) -> String {
    format!("<{}@{}>", notice.call, sender.domain())
}

/// RFC 3834 §5: out-of-office programs do not answer this.
fn automatic() -> HeaderValue {
    HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    )
}

fn subject(notice: &Notice) -> String {
    let from = caller(notice);
    let channel = &notice.channel;
    match &notice.voicemail {
        Some((seconds, _)) => {
            let length = length(*seconds);
            format!("Voicemail from {from} to {channel} ({length})")
        }
        None => format!("Missed call from {from} to {channel}"),
    }
}

fn body(notice: &Notice, attached: &str) -> String {
    let caller = caller(notice);
    let name = match notice.from_name.as_deref().map(one_line) {
        Some(name) if !name.is_empty() => format!(" ({name})"),
        Some(_) | None => String::new(),
    };
    let dialled = match one_line(&notice.dialled) {
        dialled if dialled.is_empty() => String::new(),
        dialled => format!(" ({dialled})"),
    };
    let mut text = format!(
        "{caller}{name} called {}{dialled}\non {}.\nNobody talked to the caller: {}.\n",
        notice.channel,
        notice.local,
        one_line(&notice.detail)
    );
    if let Some((seconds, _)) = &notice.voicemail {
        let length = length(*seconds);
        text.push_str(&format!(
            "There is a voicemail of {length} (minutes:seconds). {attached}\n"
        ));
    }
    match &notice.from {
        Some(number) => text.push_str(&format!("\nTo call back: tel:{number}\n")),
        None => text.push_str("\nThe caller showed no number, so there is none to call back.\n"),
    }
    text.push_str(&format!(
        "\nWhy the call went as it did:\nringdesk explain {}\n",
        notice.call
    ));
    text
}

fn caller(notice: &Notice) -> String {
    match &notice.from {
        Some(number) => number.to_string(),
        None => "an anonymous caller".to_owned(),
    }
}

/// `0:42`
fn length(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let seconds = seconds.saturating_add(Duration::from_millis(500)).as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// `voicemail-2026-12-02-1140.wav`: short enough to need no continuation (RFC 2231 §3), which some
/// programs cannot read.
fn file_name(notice: &Notice) -> String {
    let kept = |text: &str| -> String {
        text.chars()
            .filter(|it| it.is_ascii_alphanumeric() || *it == '-')
            .collect()
    };
    let mut words = notice.local.split_whitespace().skip(1);
    let date = kept(words.next().unwrap_or_default());
    let time = kept(words.next().and_then(|it| it.get(..5)).unwrap_or_default());
    format!("voicemail-{date}-{time}.wav")
}

/// Callers choose their names: no line of ours may begin in one.
fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect();
    text.trim().to_owned()
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut audio = Vec::new();
    File::open(file)?
        .take(ATTACHED_OCTETS.saturating_add(1))
        .read_to_end(&mut audio)?;
    if audio.len() as u64 > ATTACHED_OCTETS {
        return Err(io::Error::other("too long for a mail"));
    }
    Ok(audio)
}

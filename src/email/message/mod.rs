//! A mail as it came, read: octets in, what can be shown out. Pure.
//!
//! Reading never fails and never loses anything. What cannot be understood is told of in
//! [`ReceivedMail::problems`], and the mail as it came is kept beside whatever was read.

mod bounce;
mod decode;
pub(crate) mod fields;
mod html;
mod markup;
mod names;
mod quoted;
mod structure;
#[cfg(test)]
mod tests;

use crate::core::time::Wall;
use fields::Fields;

pub use html::{Remote, sanitise};
pub(crate) use names::beginning;
pub use names::{file_name, one_line};

/// Octets of a message's identifier: a line of mail holds 998.
pub const MESSAGE_ID_OCTETS: usize = 980;

/// Octets of a mail address (RFC 5321 §4.5.3.1: 64 and 255 around the @).
pub const ADDRESS_OCTETS: usize = 320;

/// Characters of a subject that are kept.
pub const SUBJECT: usize = 400;

/// Somebody at a mail address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party {
    /// The address, as written but for the domain, which is in small letters.
    pub address: String,
    /// The name beside it.
    pub name: Option<String>,
}

impl Party {
    /// `None` if that is no address that mail could be sent to.
    pub fn new(address: &str, name: &str) -> Option<Party> {
        let (local, domain) = address.rsplit_once('@')?;
        let is_bad = |c: char| c.is_control() || c.is_whitespace() || "<>()[],;:\\\"".contains(c);
        let is_good = !local.is_empty()
            && !domain.is_empty()
            && address.len() <= ADDRESS_OCTETS
            && !address.contains(is_bad)
            && !local.contains('@')
            && !domain.starts_with(['.', '-'])
            && !domain.ends_with('.')
            && !domain.contains("..");
        is_good.then(|| Party {
            address: format!("{local}@{}", domain.to_lowercase()),
            name: Some(name.to_owned()).filter(|it| !it.is_empty()),
        })
    }

    /// What follows the `@`.
    pub fn domain(&self) -> &str {
        self.address
            .rsplit_once('@')
            .map_or("", |(_, domain)| domain)
    }
}

/// A file that came with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Fit for a file: no path, no control characters.
    pub name: String,
    /// `image/png`; as its sender says, so it is not to be relied on.
    pub content_type: String,
    /// By which HTML beside it shows it, without angle brackets.
    pub content_id: Option<String>,
    /// Meant to be seen in the HTML rather than beside it.
    pub inline: bool,
    /// The file.
    pub octets: Vec<u8>,
}

/// A message that came inside another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Its subject.
    pub subject: Option<String>,
    /// Who wrote it, by its own words.
    pub from: Option<Party>,
    /// When, by its own words.
    pub date: Option<Wall>,
    /// What it says.
    pub text: String,
}

/// What became of a mail of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// It will not arrive.
    #[default]
    Failed,
    /// It has not yet.
    Delayed,
    /// It has.
    Arrived,
}

/// A report about a mail of ours (RFC 3464).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounce {
    /// What became of it.
    pub delivery: Delivery,
    /// Which mail it is about, without angle brackets.
    pub message_id: Option<String>,
    /// Who was to have it.
    pub recipient: Option<String>,
    /// `5.1.1` (RFC 3463).
    pub status: Option<String>,
    /// The other server's words.
    pub sentence: Option<String>,
}

/// A mail, read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedMail {
    /// Its identifier, without angle brackets.
    pub message_id: Option<String>,
    /// What it answers.
    pub in_reply_to: Vec<String>,
    /// What came before it, the nearest last.
    pub references: Vec<String>,
    /// Who wrote it, by its own words. More than one is rare and never verified.
    pub from: Vec<Party>,
    /// Where answers are to go instead.
    pub reply_to: Vec<Party>,
    /// To whom.
    pub to: Vec<Party>,
    /// And to whom else.
    pub cc: Vec<Party>,
    /// On one line.
    pub subject: Option<String>,
    /// When, by its own words.
    pub date: Option<Wall>,
    /// What was written now, as text.
    pub text: String,
    /// The history below it, if it could be told apart.
    pub quoted: Option<String>,
    /// As HTML, if it came as that: to be shown only after [`sanitise`].
    pub html: Option<String>,
    /// What came with it.
    pub attachments: Vec<Attachment>,
    /// Messages inside it; each is among the attachments as a file too.
    pub forwarded: Vec<Forwarded>,
    /// A report about a mail of ours.
    pub bounce: Option<Bounce>,
    /// What of it could not be read, in words that end the sentence "This mail is not shown as its
    /// sender meant it: …". Empty: all is well.
    pub problems: Vec<String>,
    fields: Fields,
}

impl ReceivedMail {
    /// Everything was understood.
    pub fn is_readable(&self) -> bool {
        self.problems.is_empty()
    }

    /// Who wrote it, if that is one person.
    pub fn sender(&self) -> Option<&Party> {
        self.from.first()
    }

    /// Where an answer goes.
    pub fn answer_to(&self) -> Option<&Party> {
        self.reply_to.first().or_else(|| self.from.first())
    }

    /// The fields of its header.
    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// Reads a mail. Octets that are no mail at all are shown as text.
pub fn read(raw: &[u8]) -> ReceivedMail {
    let (fields, body) = fields::split(raw);
    if fields.is_empty() {
        return no_mail(raw);
    }
    let found = structure::read(&fields, body);
    let (text, html) = found.text_and_html();
    let (text, quoted) = quoted::folded(&text);
    let reported = found.bounce.is_some();
    let bounce = match reported {
        true => found.bounce,
        false => bounce::in_plain_words(&fields, &text, raw),
    };
    ReceivedMail {
        message_id: fields.ids("message-id").into_iter().next(),
        in_reply_to: fields.ids("in-reply-to"),
        references: fields.ids("references"),
        from: fields.parties("from"),
        reply_to: fields.parties("reply-to"),
        to: fields.parties("to"),
        cc: fields.parties("cc"),
        subject: fields.text("subject", SUBJECT).filter(|it| !it.is_empty()),
        date: fields.date(),
        text,
        quoted,
        html,
        attachments: found.attachments,
        forwarded: found.forwarded,
        bounce,
        problems: found.problems,
        fields,
    }
}

/// Octets without a header.
fn no_mail(raw: &[u8]) -> ReceivedMail {
    /// Octets that are shown; the rest is in the file.
    const SHOWN: usize = 100_000;
    let shown = raw.get(..raw.len().min(SHOWN)).unwrap_or_default();
    ReceivedMail {
        message_id: None,
        in_reply_to: Vec::new(),
        references: Vec::new(),
        from: Vec::new(),
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        subject: None,
        date: None,
        text: decode::text(None, shown).trim().to_owned(),
        quoted: None,
        html: None,
        attachments: Vec::new(),
        forwarded: Vec::new(),
        bounce: None,
        problems: vec!["it has no header".to_owned()],
        fields: Fields::default(),
    }
}

//! What has been said in a conversation, as far as a customer agent is told of it: the newest
//! messages, up to a bound. Notes of colleagues and files are never in it.

use serde::Serialize;

use crate::core::conversation::{Author, MessageKind, MessageRecord};
use crate::core::id::MessageId;
use crate::core::time::Wall;

/// Messages that an agent is told, at most.
pub const LINES: usize = 40;

/// Characters of them together: some six thousand tokens, which every model bears.
const CHARACTERS: usize = 24_000;

/// Characters of one message.
const LINE_CHARACTERS: usize = 8_000;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// The person on the other side.
    Contact,
    /// A customer agent.
    Agent,
    /// A colleague.
    Person,
    /// Ringdesk itself.
    Automatic,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The message.
    pub id: MessageId,
    /// When.
    pub at: Wall,
    /// By whom.
    pub from: Speaker,
    /// The name of a colleague.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What.
    pub text: String,
}

/// The newest of what was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    lines: Vec<Line>,
}

impl Transcript {
    /// Adds a message, if it is something said to the other side or by it, and answers by whom it is.
    /// `None`: it is not, or it is there already.
    pub fn add(&mut self, message: &MessageRecord) -> Option<Speaker> {
        if self.lines.iter().any(|line| line.id == message.id) {
            return None;
        }
        let line = line(message)?;
        let from = line.from;
        let place = self
            .lines
            .partition_point(|one| (one.at, one.id) < (line.at, line.id));
        self.lines.insert(place, line);
        let too_many = self.lines.len().saturating_sub(LINES);
        self.lines.drain(..too_many);
        Some(from)
    }

    /// The newest lines within the bound, the oldest first.
    pub fn bounded(&self) -> Vec<Line> {
        let mut left = CHARACTERS;
        let mut lines: Vec<Line> = self
            .lines
            .iter()
            .rev()
            .map_while(|line| {
                let length = line.text.chars().count();
                left = left.checked_sub(length)?;
                Some(line.clone())
            })
            .collect();
        lines.reverse();
        lines
    }

    /// What the other side has said since it was last answered by somebody.
    pub fn unanswered(&self) -> impl Iterator<Item = &Line> {
        let answered = |line: &&Line| matches!(line.from, Speaker::Agent | Speaker::Person);
        let since = self
            .lines
            .iter()
            .rev()
            .take_while(move |line| !answered(line));
        since.filter(|line| line.from == Speaker::Contact)
    }

    /// How often agents have answered since then, within what is kept.
    pub fn answers_since(&self, since: Wall) -> u32 {
        let answers = self.lines.iter();
        let answers = answers.filter(|line| line.from == Speaker::Agent && line.at >= since);
        u32::try_from(answers.count()).unwrap_or(u32::MAX)
    }
}

fn line(message: &MessageRecord) -> Option<Line> {
    let (from, name) = match (&message.kind, &message.author) {
        (MessageKind::Received, Author::Contact) => (Speaker::Contact, None),
        (MessageKind::Sent, Author::CustomerAgent(_)) => (Speaker::Agent, None),
        (MessageKind::Sent, Author::User(name)) => (Speaker::Person, Some(name.to_string())),
        (MessageKind::Sent, Author::Automatic) => (Speaker::Automatic, None),
        (
            MessageKind::Received
            | MessageKind::Sent
            | MessageKind::Note
            | MessageKind::Call
            | MessageKind::MissedCall
            | MessageKind::Voicemail
            | MessageKind::Event,
            _,
        ) => return None,
    };
    Some(Line {
        id: message.id,
        at: message.at,
        from,
        name,
        text: text(message),
    })
}

/// Subject, text, answers of a form, and the names of files.
fn text(message: &MessageRecord) -> String {
    let subject = message.subject.iter().filter(|it| !it.trim().is_empty());
    let subject = subject.map(|subject| format!("Subject: {subject}"));
    let fields = message.fields.iter();
    let fields = fields.map(|(name, value)| format!("{name}: {value}"));
    let files = message.attachments.iter();
    let files = files.map(|file| format!("[file: {}]", file.file_name));
    let body = (!message.text.trim().is_empty()).then(|| message.text.clone());
    let parts: Vec<String> = subject.chain(fields).chain(body).chain(files).collect();
    cut(&parts.join("\n"), LINE_CHARACTERS)
}

/// At most so many characters of a text.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

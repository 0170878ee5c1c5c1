//! What goes over a chat's socket: JSON, one object a frame. `docs/chat.md` describes each of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::conversation::{Author, Delivery, MessageKind, MessageRecord};
use crate::core::id::MessageId;
use crate::core::snapshot::{ChatSide, FieldType, Snapshot};
use crate::core::time::Wall;

/// The version of what is spoken here.
pub const VERSION: u32 = 1;

/// The longest text of a message, in characters.
pub const LONGEST_TEXT: usize = 4_000;

/// The longest identifier that a client may give a message: a UUID and some more.
pub const LONGEST_CLIENT_ID: usize = 64;

/// What a visitor's page says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromVisitor {
    /// First of all.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The visitor's secret, where the page keeps it because cookies do not come through.
        #[serde(default)]
        visitor: Option<String>,
        /// The last message that the page shows.
        #[serde(default)]
        after: Option<MessageId>,
        /// Answers given before a reload.
        #[serde(default)]
        answers: BTreeMap<String, String>,
    },
    /// An answer to a question; empty: left out.
    Answer {
        /// Its name.
        question: String,
        /// What was answered.
        text: String,
    },
    /// A message.
    Send {
        /// The page's own name for it: said again, it is the same message.
        client_id: String,
        /// What is said.
        text: String,
    },
    /// The message form of closed hours.
    Leave {
        /// The page's own name for it.
        client_id: String,
        /// The visitor's name.
        #[serde(default)]
        name: String,
        /// The visitor's mail address, to which the answer goes.
        email: String,
        /// What is said.
        text: String,
    },
    /// The visitor writes just now.
    Typing,
    /// The page has this message of ours.
    Received {
        /// Which.
        id: MessageId,
    },
    /// The visitor has seen this message of ours.
    Seen {
        /// Which.
        id: MessageId,
    },
    /// The visitor ends the chat.
    End,
}

/// What a visitor's page is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToVisitor {
    /// The answer to hello.
    Welcome {
        /// [`VERSION`].
        version: u32,
        /// The visitor's secret, where no cookie came with the request.
        #[serde(skip_serializing_if = "Option::is_none")]
        visitor: Option<String>,
        /// Whether people may be reached now.
        open: bool,
        /// The plain word of closed hours.
        #[serde(skip_serializing_if = "Option::is_none")]
        closed: Option<String>,
        /// Whether a message may be left in closed hours.
        message_form: bool,
        /// What is said first.
        #[serde(skip_serializing_if = "Option::is_none")]
        greeting: Option<String>,
        /// Whether a conversation goes on.
        conversation: bool,
        /// What was said after the message that the page shows last; all of it, where the page shows nothing.
        messages: Vec<Said>,
        /// Whether the page shall forget what it shows, because more has been said than is sent.
        reset: bool,
    },
    /// The next question.
    Ask {
        /// Its name.
        name: String,
        /// What is asked.
        text: String,
        /// What it takes.
        answer: FieldType,
        /// What may be chosen, for `choice`.
        choices: Vec<String>,
        /// Whether it may be left out.
        optional: bool,
    },
    /// All is answered; the visitor may write.
    Ready,
    /// The answer does not fit, or a message could not be taken.
    Problem {
        /// What it is about, where it is one message.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
        /// A stable code: `answer`, `too-fast`, `too-long`, `busy`, `closed`, `malformed`.
        code: &'static str,
        /// The sentence for the visitor.
        text: String,
    },
    /// A message of the visitor is kept.
    Kept {
        /// The page's name for it.
        client_id: String,
        /// Ours.
        id: MessageId,
        /// When.
        at: Wall,
    },
    /// Something was said.
    Message(Said),
    /// Somebody writes just now.
    Typing {
        /// Who.
        name: String,
    },
    /// How far a message of the visitor has come.
    Read {
        /// Until which message the other side has read.
        id: MessageId,
    },
    /// The chat was closed; what is written next begins another.
    Closed,
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// Its key.
    pub id: MessageId,
    /// When.
    pub at: Wall,
    /// Who.
    pub from: Speaker,
    /// How the speaker is called.
    pub name: String,
    /// The text. Data, never markup.
    pub text: String,
    /// The page's own name for it, where the visitor said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The visitor.
    Visitor,
    /// A person.
    Person,
    /// A customer agent: a program, and marked as such.
    Program,
    /// Ringdesk itself.
    Automatic,
}

impl Said {
    /// What a visitor may see of a message: nothing of notes and of what happened inside.
    pub fn of(message: &MessageRecord, snapshot: &Snapshot) -> Option<Said> {
        let is_shown = match message.kind {
            MessageKind::Received | MessageKind::Sent => true,
            MessageKind::Note
            | MessageKind::Call
            | MessageKind::MissedCall
            | MessageKind::Voicemail
            | MessageKind::Event => false,
        };
        if !is_shown {
            return None;
        }
        let (from, name) = match &message.author {
            Author::Contact => (Speaker::Visitor, String::new()),
            Author::User(user) => (Speaker::Person, snapshot.name_of_user(user)),
            Author::CustomerAgent(agent) => {
                (Speaker::Program, snapshot.name_of_customer_agent(agent))
            }
            Author::Automatic => (Speaker::Automatic, String::new()),
        };
        let is_visitors = message.kind == MessageKind::Received;
        Some(Said {
            id: message.id,
            at: message.at,
            from,
            name,
            text: message.text.clone(),
            client_id: message.external_id.clone().filter(|_| is_visitors),
        })
    }
}

/// Whether the other side should still hear of a message.
pub fn is_on_its_way(message: &MessageRecord) -> bool {
    message.kind == MessageKind::Sent && matches!(message.delivery, Delivery::Pending)
}

/// What a page needs to know before anything is said: it is public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Appearance {
    /// What stands above the chat.
    pub title: String,
    /// `#1a73e8`
    pub colour: String,
    /// Where the button stands.
    pub side: ChatSide,
    /// What the button says.
    pub button: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_says_something_else_is_not_understood() {
        for (frame, is_good) in [
            (r#"{"type":"hello","version":1}"#, true),
            (
                r#"{"type":"hello","version":1,"answers":{"email":"a@b.no"}}"#,
                true,
            ),
            (r#"{"type":"send","client_id":"1","text":"hi"}"#, true),
            (
                r#"{"type":"send","client_id":"1","text":"hi","as":"anna"}"#,
                false,
            ),
            (r#"{"type":"send","text":"hi"}"#, false),
            (r#"{"type":"shout"}"#, false),
            (r#"[]"#, false),
            ("", false),
        ] {
            assert_eq!(
                serde_json::from_str::<FromVisitor>(frame).is_ok(),
                is_good,
                "{frame}"
            );
        }
    }
}

//! Channels: ways in, of four kinds, each with at most one rule for each of its times.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Rule, RuleName, Secret, SmtpSettings};
use crate::core::name::{ChannelName, InboxName, PromptName, ScheduleName};
use crate::core::number::PhoneNumber;
use crate::core::schedule::Openness;

/// A configured way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// The inbox it belongs to; `None`: everybody has access.
    pub inbox: Option<InboxName>,
    /// Business hours; `None`: always open.
    pub schedule: Option<ScheduleName>,
    /// In force while open: `[channel.working_hours]` of calls, `[channel.assign]` of the others.
    pub working_hours: Rule,
    /// In force in a break; `None`: `after_hours`.
    pub break_: Option<Rule>,
    /// In force while closed. Calls always have one; messages without one keep `[channel.assign]`.
    pub after_hours: Option<Rule>,
    /// What becomes of the user's conversations of this channel when the user goes away.
    pub when_away: WhenAway,
    /// What only its kind has.
    pub kind: ChannelKind,
}

/// What becomes of a user's unanswered conversations when the user goes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenAway {
    /// They stay.
    #[default]
    Keep,
    /// Those without a reply are given to somebody else after this time.
    TakeBack {
        /// How long the user may be away.
        grace: Duration,
    },
}

/// What only channels of one kind have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Calls to our numbers.
    Call(CallChannel),
    /// Mail to an address.
    Email(Box<EmailChannel>),
    /// Submissions of a web form.
    Form(Box<FormChannel>),
    /// Chats on a website.
    Chat(Box<ChatChannel>),
}

/// What only call channels have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallChannel {
    /// Dialled numbers that we own.
    pub numbers: Vec<PhoneNumber>,
    /// Addresses that get voicemails and missed calls by mail.
    pub notify: Vec<String>,
    /// Prompts in place of a special day's own, by the special day's name.
    pub special_prompts: BTreeMap<String, PromptName>,
    /// The longest voicemail.
    pub voicemail_limit: Duration,
}

/// What only email channels have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailChannel {
    /// The address that customers write to, and that replies come from.
    pub address: String,
    /// The name that stands beside the address in replies; the channel's own where none was given.
    pub sender_name: String,
    /// Other addresses whose mail belongs here (LMTP picks the channel by the recipient).
    pub aliases: Vec<String>,
    /// Mailboxes that are read over IMAP.
    pub mailboxes: Vec<Mailbox>,
    /// How replies are sent; `None`: by the `[smtp]` of all.
    pub smtp: Option<SmtpSettings>,
    /// The servers whose Authentication-Results are believed (RFC 8601 §2.2 authserv-id).
    pub authentication_servers: Vec<String>,
    /// What stands below each reply.
    pub signature: Option<String>,
    /// `reply_token`: whether answers are asked to `support+c.TOKEN@…`, which leads them to their
    /// conversation whatever else a mail program leaves out; off for providers that do not deliver
    /// such addresses to the mailbox before the plus.
    pub reply_token: bool,
}

/// A mailbox that is read over IMAP (RFC 3501, IDLE of RFC 2177).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The server's name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// Protection of the connection.
    pub security: ImapSecurity,
    /// User name.
    pub username: String,
    /// How the user proves to be that one.
    pub login: MailLogin,
    /// The folder, `INBOX` unless another was given.
    pub folder: String,
}

/// How a connection to an IMAP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImapSecurity {
    /// `imaps://`: TLS from the first octet.
    Tls,
    /// `imap://`: STARTTLS, without which nothing is sent.
    StartTls,
    /// `imap+plain://`: none; loopback only.
    None,
}

/// How a user proves to a mail server who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailLogin {
    /// A password.
    Password(Secret),
    /// XOAUTH2 with the access token that stands in this file, read anew at each connection.
    OAuth2(PathBuf),
}

impl MailLogin {
    /// Octets of a token file that are read: real tokens have some kilobytes.
    pub const TOKEN_OCTETS: usize = 64 * 1024;

    /// The access token in what a token file holds, if that is one token and nothing else.
    pub fn token_in(octets: &[u8]) -> Option<&str> {
        let token = std::str::from_utf8(octets).ok()?.trim();
        let is_one = !token.is_empty()
            && token.len() < MailLogin::TOKEN_OCTETS
            && token.bytes().all(|c| c.is_ascii_graphic());
        is_one.then_some(token)
    }
}

/// What only form channels have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormChannel {
    /// What stands above the hosted page.
    pub title: String,
    /// Its fields, in the order shown.
    pub fields: Vec<FormField>,
    /// What the visitor reads after sending.
    pub thanks: String,
    /// Where the visitor's browser goes after sending, in place of `thanks`.
    pub redirect: Option<String>,
    /// Origins of pages that may send it with a script, `https://example.com`. The hosted page always may.
    pub allowed_origins: Vec<String>,
    /// Sent sooner after it was shown than this, it comes from a program.
    pub minimum_fill: Duration,
    /// Submissions that one address may send in an hour.
    pub hourly_limit: u32,
    /// Where the submission of an owner's contact is also mailed to the owner while the owner is offline.
    pub mail_owner: bool,
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FormField {
    /// Its name in what is sent, `email`.
    pub name: String,
    /// What the visitor reads.
    pub label: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Whether it must be filled in.
    pub required: bool,
    /// The longest text, in characters; for files the largest size, in octets.
    pub max_length: usize,
    /// What may be chosen, for `choice`.
    pub choices: Vec<String>,
}

/// What a field of a form, or a question of a chat, takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// One line.
    #[default]
    Text,
    /// Many lines.
    Multiline,
    /// A mail address: the contact's.
    Email,
    /// A phone number: the contact's.
    Phone,
    /// The visitor's name: the contact's.
    Name,
    /// The subject of the conversation.
    Subject,
    /// A number.
    Number,
    /// A date, `2026-12-31`.
    Date,
    /// One of `choices`.
    Choice,
    /// Ticked or not.
    Checkbox,
    /// A file.
    File,
}

/// What only chat channels have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatChannel {
    /// What stands above the chat.
    pub title: String,
    /// The colour of button and header, `#1a73e8`.
    pub colour: String,
    /// Which side of the page the button stands on.
    pub side: ChatSide,
    /// What the button says to a screen reader, and beside it.
    pub button: String,
    /// Origins of pages that may show it, `https://example.com`; empty: any.
    pub allowed_origins: Vec<String>,
    /// What the visitor reads first.
    pub greeting: Option<String>,
    /// What is asked before people are sought.
    pub questions: Vec<ChatQuestion>,
    /// Outside hours: a message form in place of the chat; else the plain word of the rule's `reply`.
    pub offline_form: bool,
    /// A chat in which nobody writes for so long is closed.
    pub idle_close: Duration,
    /// Chats that one address may begin in an hour.
    pub hourly_limit: u32,
}

/// Where a chat's button stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatSide {
    /// Bottom left.
    Left,
    /// Bottom right.
    #[default]
    Right,
}

/// A question of a chatflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChatQuestion {
    /// The name under which the answer is kept.
    pub name: String,
    /// What the visitor is asked.
    pub text: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// What may be chosen, for `choice`.
    pub choices: Vec<String>,
    /// Whether the visitor may go on without an answer.
    pub optional: bool,
}

impl Channel {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match &self.kind {
            ChannelKind::Call(_) => Kind::Call,
            ChannelKind::Email(_) => Kind::Email,
            ChannelKind::Form(_) => Kind::Form,
            ChannelKind::Chat(_) => Kind::Chat,
        }
    }

    /// What only a call channel has.
    pub fn call(&self) -> Option<&CallChannel> {
        match &self.kind {
            ChannelKind::Call(call) => Some(call),
            ChannelKind::Email(_) | ChannelKind::Form(_) | ChannelKind::Chat(_) => None,
        }
    }

    /// What only an email channel has.
    pub fn email(&self) -> Option<&EmailChannel> {
        match &self.kind {
            ChannelKind::Email(email) => Some(email),
            ChannelKind::Call(_) | ChannelKind::Form(_) | ChannelKind::Chat(_) => None,
        }
    }

    /// What only a form channel has.
    pub fn form(&self) -> Option<&FormChannel> {
        match &self.kind {
            ChannelKind::Form(form) => Some(form),
            ChannelKind::Call(_) | ChannelKind::Email(_) | ChannelKind::Chat(_) => None,
        }
    }

    /// What only a chat channel has.
    pub fn chat(&self) -> Option<&ChatChannel> {
        match &self.kind {
            ChannelKind::Chat(chat) => Some(chat),
            ChannelKind::Call(_) | ChannelKind::Email(_) | ChannelKind::Form(_) => None,
        }
    }

    /// Dialled numbers that it owns; none unless it is a call channel.
    pub fn numbers(&self) -> &[PhoneNumber] {
        self.call().map_or(&[], |call| &call.numbers)
    }

    /// Which rule is in force in such hours: a break without a rule of its own has the one of closed
    /// hours, and messages without that one have `[channel.assign]` at all hours.
    pub fn rule_in_force(&self, openness: Openness) -> RuleName {
        let working = match self.kind() {
            Kind::Call => RuleName::WorkingHours,
            Kind::Email | Kind::Form | Kind::Chat => RuleName::Assign,
        };
        let closed = match (&self.after_hours, self.kind()) {
            (Some(_), _) | (None, Kind::Call) => RuleName::AfterHours,
            (None, Kind::Email | Kind::Form | Kind::Chat) => working,
        };
        match openness {
            Openness::Open => working,
            Openness::Break if self.break_.is_some() => RuleName::Break,
            Openness::Break | Openness::Closed => closed,
        }
    }

    /// The rule of that name. `break` falls back to `after_hours`, and that to the one of working
    /// hours.
    pub fn rule(&self, name: RuleName) -> &Rule {
        let after_hours = self.after_hours.as_ref();
        let fallback = || after_hours.unwrap_or(&self.working_hours);
        match name {
            RuleName::WorkingHours | RuleName::Assign => &self.working_hours,
            RuleName::Break => self.break_.as_ref().unwrap_or_else(fallback),
            RuleName::AfterHours => fallback(),
        }
    }
}

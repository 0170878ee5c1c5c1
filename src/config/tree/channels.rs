//! Channels and rules as they were written.

use std::time::Duration;

use super::{MailLoginEntry, Text};
use crate::config::diagnostic::Place;
use crate::config::section::Placed;
use crate::core::snapshot::{ChatSide, FieldType, Kind, RuleName, Strategy, Target, TieBreak};

/// `[[channel]]`
#[derive(Debug)]
pub(in crate::config) struct ChannelEntry {
    pub name: Text,
    pub inbox: Option<Text>,
    pub schedule: Option<Text>,
    /// `[channel.working_hours]` of calls, `[channel.assign]` of the others.
    pub open: Option<RuleEntry>,
    pub break_: Option<RuleEntry>,
    pub after_hours: Option<RuleEntry>,
    pub when_away: WhenAwayEntry,
    pub kind: KindEntry,
}

impl ChannelEntry {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match &self.kind {
            KindEntry::Call(_) => Kind::Call,
            KindEntry::Email(_) => Kind::Email,
            KindEntry::Form(_) => Kind::Form,
            KindEntry::Chat(_) => Kind::Chat,
        }
    }

    /// The rules that are written.
    pub fn rules(&self) -> impl Iterator<Item = &RuleEntry> {
        [&self.open, &self.break_, &self.after_hours]
            .into_iter()
            .flatten()
    }

    /// True when one of its rules seeks that.
    pub fn seeks(&self, target: Target) -> bool {
        let mut steps = self.rules().flat_map(|rule| &rule.steps);
        steps.any(|step| step.target == target)
    }
}

/// `when_away` and `take_back_after_minutes`
#[derive(Debug, Default)]
pub(in crate::config) struct WhenAwayEntry {
    pub take_back: bool,
    pub after: Option<Placed<Duration>>,
}

/// What only one kind has.
#[derive(Debug)]
pub(in crate::config) enum KindEntry {
    Call(CallEntry),
    Email(EmailEntry),
    Form(FormEntry),
    Chat(ChatEntry),
}

/// What only call channels have.
#[derive(Debug)]
pub(in crate::config) struct CallEntry {
    pub numbers: Vec<Text>,
    pub notify: Vec<Text>,
    pub voicemail_limit: Option<Duration>,
    pub special_prompts: Vec<(Text, Text)>,
}

/// What only email channels have.
#[derive(Debug)]
pub(in crate::config) struct EmailEntry {
    pub address: Option<Text>,
    pub sender_name: Option<Text>,
    pub aliases: Vec<Text>,
    pub mailboxes: Vec<MailboxEntry>,
    pub smtp: Option<(Option<Text>, MailLoginEntry)>,
    pub authentication_servers: Vec<Text>,
    pub signature: Option<Text>,
    pub reply_token: bool,
}

/// `[[channel.mailbox]]`
#[derive(Debug)]
pub(in crate::config) struct MailboxEntry {
    pub server: Text,
    pub username: Text,
    pub password_file: Option<Text>,
    pub oauth2_token_file: Option<Text>,
    pub folder: Option<Text>,
}

/// What only form channels have.
#[derive(Debug)]
pub(in crate::config) struct FormEntry {
    pub title: Option<Text>,
    pub fields: Vec<FieldEntry>,
    pub thanks: Option<Text>,
    pub redirect: Option<Text>,
    pub allowed_origins: Vec<Text>,
    pub minimum_fill: Option<Duration>,
    pub hourly_limit: Option<u32>,
    pub mail_owner: Option<Placed<bool>>,
}

/// `[[channel.field]]`
#[derive(Debug)]
pub(in crate::config) struct FieldEntry {
    pub name: Text,
    pub label: Option<Text>,
    pub field_type: Placed<FieldType>,
    pub required: bool,
    pub max_length: Option<Placed<i64>>,
    pub largest_megabytes: Option<Placed<i64>>,
    pub choices: Vec<Text>,
}

/// What only chat channels have.
#[derive(Debug)]
pub(in crate::config) struct ChatEntry {
    pub title: Option<Text>,
    pub colour: Option<Text>,
    pub side: ChatSide,
    pub button: Option<Text>,
    pub allowed_origins: Vec<Text>,
    pub chatflow: Option<ChatflowEntry>,
    pub offline_form: Option<bool>,
    pub idle_close: Option<Duration>,
    pub hourly_limit: Option<u32>,
}

/// `[channel.chatflow]`
#[derive(Debug)]
pub(in crate::config) struct ChatflowEntry {
    pub place: Place,
    pub greeting: Option<Text>,
    pub questions: Vec<QuestionEntry>,
    pub users: Vec<Text>,
    pub teams: Vec<Text>,
}

/// `[[channel.chatflow.question]]`
#[derive(Debug)]
pub(in crate::config) struct QuestionEntry {
    pub name: Text,
    pub text: Text,
    pub field_type: Placed<FieldType>,
    pub choices: Vec<Text>,
    pub optional: bool,
}

/// `[channel.assign]` and its like
#[derive(Debug)]
pub(in crate::config) struct RuleEntry {
    pub name: RuleName,
    pub place: Place,
    pub steps: Vec<StepEntry>,
    /// What the rule itself says, apart from `then`.
    pub own: StepEntry,
    /// Whether that names somebody, so that the first step is its own.
    pub names_somebody: bool,
    pub voicemail: Option<Text>,
    pub reply: Option<Text>,
    pub answer_within: Option<Duration>,
}

/// Whom to seek, in the rule itself or in a step of `then`
#[derive(Clone, Debug)]
pub(in crate::config) struct StepEntry {
    pub target: Target,
    pub users: Vec<Text>,
    pub teams: Vec<Text>,
    pub agent: Option<Text>,
    pub only_available: bool,
    pub strategy: Strategy,
    pub tie_break: TieBreak,
    pub ring: Duration,
    pub ring_each: Duration,
    pub max_ringing: usize,
}

impl StepEntry {
    /// False for one that says neither whom nor what to seek.
    pub fn names_somebody(&self) -> bool {
        let has_lists = !self.users.is_empty() || !self.teams.is_empty();
        has_lists || self.target != Target::Lists || self.agent.is_some()
    }
}

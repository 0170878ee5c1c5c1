//! One validated, immutable, versioned configuration. A call loads it once and keeps it.
//!
//! The loader (`config`) is the only maker. References are by name, and the loader has checked
//! that each of them resolves; looking one up still answers an `Option`, because state that
//! outlives a reload may hold a name that is gone.

mod channel;
mod kind;
mod listed;
mod people;
mod rule;
mod service;
mod settings;
mod trunk;

use std::collections::HashMap;
use std::sync::Arc;

pub use channel::{
    CallChannel, Channel, ChannelKind, ChatChannel, ChatQuestion, ChatSide, EmailChannel,
    FieldType, FormChannel, FormField, ImapSecurity, MailLogin, Mailbox, WhenAway,
};
pub use kind::{Kind, PerKind};
pub use listed::{Listed, Named};
pub use people::{Absence, External, Inbox, Role, Seat, Team, User};
pub use rule::{Rule, RuleEnd, RuleName, Step, Strategy, Target, TieBreak};
pub use service::{
    AgentProtocol, ContactLookup, CustomerAgent, EmailSettings, HttpSettings, LmtpListen,
    RoutingSettings, Scope, Token, Webhook,
};
pub use settings::{
    DigestOffer, Listen, MediaSettings, Protocol, Secret, Settings, SipSettings, SmtpSecurity,
    SmtpSettings, StoreSettings,
};
pub use trunk::{CallerFrom, CallerShown, NumberFrom, Outbound, Peer, Trunk};

use crate::core::name::{ChannelName, InboxName, PromptName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::prompt::{Audio, PromptFiles};
use crate::core::schedule::{HoursState, Schedule};
use crate::core::time::Wall;

/// Everything that the configuration says.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts up by one with each successful load.
    pub version: u64,
    /// When it was loaded.
    pub loaded_at: Wall,
    /// What is not about routing.
    pub settings: Settings,
    /// In the order written, as is every list here.
    pub trunks: Listed<Trunk>,
    /// People.
    pub users: Listed<User>,
    /// Groups of people.
    pub teams: Listed<Team>,
    /// Groups of channels.
    pub inboxes: Listed<Inbox>,
    /// Business hours.
    pub schedules: Listed<Arc<Schedule>>,
    /// Ways in.
    pub channels: Listed<Channel>,
    /// Programs that talk to customers.
    pub customer_agents: Listed<CustomerAgent>,
    /// Programs that may use the API.
    pub tokens: Vec<Token>,
    /// Whom events are sent to.
    pub webhooks: Vec<Webhook>,
    /// What a reload must satisfy.
    pub expectations: Vec<Expectation>,
    /// All prompts: those of the configuration and those that come with the program.
    pub prompts: HashMap<PromptName, Audio>,
    /// Where they were found.
    pub prompt_files: PromptFiles,
    /// Which channel owns a dialled number.
    pub numbers: HashMap<PhoneNumber, ChannelName>,
}

impl Snapshot {
    /// The trunk of that name.
    pub fn trunk(&self, name: &str) -> Option<&Trunk> {
        self.trunks.named(name)
    }

    /// The user of that name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.named(name)
    }

    /// The team of that name.
    pub fn team(&self, name: &str) -> Option<&Team> {
        self.teams.named(name)
    }

    /// The inbox of that name.
    pub fn inbox(&self, name: &str) -> Option<&Inbox> {
        self.inboxes.named(name)
    }

    /// The schedule of that name.
    pub fn schedule(&self, name: &str) -> Option<&Arc<Schedule>> {
        self.schedules.named(name)
    }

    /// The channel of that name.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.named(name)
    }

    /// The customer agent of that name.
    pub fn customer_agent(&self, name: &str) -> Option<&CustomerAgent> {
        self.customer_agents.named(name)
    }

    /// What people call a user: the display name, or the name of one who is in it no more.
    pub fn name_of_user(&self, name: &str) -> String {
        self.user(name)
            .map_or_else(|| name.to_owned(), |user| user.display_name.clone())
    }

    /// What people call a customer agent: the display name, or the name of one that is in it no more.
    pub fn name_of_customer_agent(&self, name: &str) -> String {
        self.customer_agent(name)
            .map_or_else(|| name.to_owned(), |agent| agent.display_name.clone())
    }

    /// Whether somebody may see what is in an inbox: everybody where it names no teams, else the main
    /// and extra members of its teams. What is in no inbox is everybody's; what is in an inbox that
    /// is gone is nobody's.
    pub fn has_access(&self, user: &str, inbox: Option<&InboxName>) -> bool {
        let Some(name) = inbox else {
            return true;
        };
        let Some(inbox) = self.inbox(name) else {
            return false;
        };
        let Some(teams) = &inbox.teams else {
            return true;
        };
        teams
            .iter()
            .filter_map(|name| self.team(name))
            .any(|team| team.includes(user))
    }

    /// The schedule that a channel goes by; without one it is always open.
    pub fn schedule_of(&self, channel: &Channel) -> Option<&Arc<Schedule>> {
        self.schedule(channel.schedule.as_ref()?)
    }

    /// Whether a channel is open at a moment, and why.
    pub fn hours_of(&self, channel: &Channel, at: Wall) -> HoursState {
        self.schedule_of(channel)
            .map_or_else(HoursState::always_open, |schedule| schedule.state_at(at))
    }

    /// The channel that owns a dialled number.
    pub fn channel_of_number(&self, number: &PhoneNumber) -> Option<&Channel> {
        self.numbers.get(number).and_then(|name| self.channel(name))
    }
}

/// What the admin expects of a channel at a moment; checked before every load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The moment.
    pub at: Wall,
    /// The channel that a call or message would come to.
    pub channel: ChannelName,
    /// What should happen.
    pub outcome: Expected,
    /// `channels.toml:12:1`, for the message when it does not.
    pub place: String,
}

/// What should happen to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This prompt, straight away.
    Voicemail(PromptName),
    /// These users ring (all of them, and no others, in any order).
    Rings(Vec<UserName>),
    /// Open, break or closed.
    Hours(crate::core::schedule::Openness),
    /// A message is assigned to one of these; empty: it stays unassigned.
    Assigned(Vec<UserName>),
}

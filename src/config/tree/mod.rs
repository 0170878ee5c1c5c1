//! The configuration as it was written: typed values with their places, names not yet resolved.

mod channels;
mod services;

use std::time::Duration;

pub(super) use channels::{
    CallEntry, ChannelEntry, ChatEntry, ChatflowEntry, EmailEntry, FieldEntry, FormEntry,
    KindEntry, MailboxEntry, QuestionEntry, RuleEntry, StepEntry, WhenAwayEntry,
};
pub(super) use services::{
    AgentEntry, AgentProtocolEntry, EmailSettingsEntry, HttpEntry, TokenEntry, WebhookEntry,
};

use super::diagnostic::Place;
use super::section::Placed;
use crate::core::schedule::{Observed, Openness, Overnight};
use crate::core::snapshot::{
    CallerFrom, CallerShown, ContactLookup, DigestOffer, NumberFrom, PerKind, Role,
    RoutingSettings, Seat,
};

pub(super) type Text = Placed<String>;

/// All files as one.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub drain: Option<Duration>,
    pub sip: SipEntry,
    pub media_ports: Option<Text>,
    pub store_url: Option<Text>,
    pub store_audio: Option<Text>,
    pub prompts_dir: Option<Text>,
    pub smtp: Option<SmtpEntry>,
    pub http: Option<HttpEntry>,
    pub email: EmailSettingsEntry,
    pub contacts: ContactLookup,
    pub routing: RoutingSettings,
    pub trunks: Vec<TrunkEntry>,
    pub users: Vec<UserEntry>,
    pub teams: Vec<TeamEntry>,
    pub inboxes: Vec<InboxEntry>,
    pub schedules: Vec<ScheduleEntry>,
    pub special_days: Vec<SpecialDaysEntry>,
    pub prompts: Vec<PromptEntry>,
    pub channels: Vec<ChannelEntry>,
    /// The names of channels of a kind that there is not.
    pub refused_channels: Vec<Text>,
    pub customer_agents: Vec<AgentEntry>,
    pub tokens: Vec<TokenEntry>,
    pub webhooks: Vec<WebhookEntry>,
    pub expectations: Vec<ExpectEntry>,
}

/// `[sip]`
#[derive(Debug, Default)]
pub(super) struct SipEntry {
    pub listen: Option<Vec<Text>>,
    pub public_address: Option<Text>,
    pub local_networks: Option<Vec<Text>>,
    pub digest: DigestOffer,
    pub realm: Option<Text>,
}

/// `[smtp]`
#[derive(Debug)]
pub(super) struct SmtpEntry {
    pub server: Option<Text>,
    pub from: Option<Text>,
    pub login: MailLoginEntry,
}

/// `username`, and `password_file` or `oauth2_token_file`
#[derive(Debug)]
pub(super) struct MailLoginEntry {
    pub login: LoginEntry,
    pub oauth2_token_file: Option<Text>,
}

/// `username` and `password_file`
#[derive(Debug)]
pub(super) struct LoginEntry {
    pub username: Option<Text>,
    pub password_file: Option<Text>,
}

/// `[[trunk]]`
#[derive(Debug)]
pub(super) struct TrunkEntry {
    pub name: Text,
    pub peers: Vec<Text>,
    pub country: Option<Text>,
    pub number_from: NumberFrom,
    pub caller_from: CallerFrom,
    pub caller: CallerShown,
    pub outbound: Option<Text>,
    pub login: LoginEntry,
    pub realm: Option<Text>,
}

/// `[[user]]`
#[derive(Debug)]
pub(super) struct UserEntry {
    pub name: Text,
    pub display_name: Option<Text>,
    pub email: Option<Text>,
    pub seat: Option<Seat>,
    pub sip_password_file: Option<Text>,
    pub sip_contacts: Vec<Text>,
    pub external_number: Option<Text>,
    pub external_trunk: Option<Text>,
    pub schedule: Option<Text>,
    pub timezone: Option<Text>,
    pub wrap_up: Option<Duration>,
    pub role: Role,
    pub password_file: Option<Text>,
    pub capacity: PerKind<Option<u32>>,
    pub capacity_on_call: PerKind<Option<u32>>,
    pub presence_by_hours: Option<Placed<bool>>,
    pub out_of_office: Vec<AbsenceEntry>,
}

/// An absence in `out_of_office`
#[derive(Debug)]
pub(super) struct AbsenceEntry {
    pub from: Text,
    pub to: Text,
}

/// `[[team]]`
#[derive(Debug)]
pub(super) struct TeamEntry {
    pub name: Text,
    pub members: Vec<Text>,
    pub extra_members: Vec<Text>,
}

/// `[[inbox]]`
#[derive(Debug)]
pub(super) struct InboxEntry {
    pub name: Text,
    pub teams: Option<Vec<Text>>,
}

/// `[[schedule]]`
#[derive(Debug)]
pub(super) struct ScheduleEntry {
    pub name: Text,
    pub timezone: Option<Text>,
    pub weekly: Vec<(Text, Vec<Text>)>,
    pub special_days: Vec<Text>,
    pub special: Vec<SpecialDayEntry>,
    pub overnight: Overnight,
}

/// `[[special_days]]`
#[derive(Debug)]
pub(super) struct SpecialDaysEntry {
    pub name: Text,
    pub days: Vec<SpecialDayEntry>,
}

/// One special day.
#[derive(Debug)]
pub(super) struct SpecialDayEntry {
    pub place: Place,
    pub date: Option<Text>,
    pub from: Option<Text>,
    pub to: Option<Text>,
    pub yearly: Option<Text>,
    pub weekday: Option<Text>,
    pub nth: Option<Placed<i64>>,
    pub month: Option<Placed<i64>>,
    pub easter: Option<Placed<i64>>,
    pub observed: Option<Observed>,
    pub overnight: Option<Overnight>,
    pub name: Option<Text>,
    pub hours: Vec<Text>,
    pub prompt: Option<Text>,
}

/// `[[prompt]]`
#[derive(Debug)]
pub(super) struct PromptEntry {
    pub name: Text,
    pub file: Option<Text>,
}

/// `[[expect]]`
#[derive(Debug)]
pub(super) struct ExpectEntry {
    pub place: Place,
    pub at: Text,
    pub channel: Text,
    pub voicemail: Option<Text>,
    pub rings: Option<Vec<Text>>,
    pub assigned: Option<Vec<Text>>,
    pub hours: Option<Placed<Openness>>,
    pub from: Option<Text>,
}

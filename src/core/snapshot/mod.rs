//! One validated, immutable, versioned configuration. A call loads it once and keeps it.
//!
//! The loader (`config`) is the only maker. References are by name, and the loader has checked
//! that each of them resolves; looking one up still answers an `Option`, because state that
//! outlives a reload may hold a name that is gone.

mod channel;
mod kind;
mod service;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, RangeInclusive};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use channel::{
    CallChannel, Channel, ChannelKind, ChatChannel, ChatQuestion, ChatSide, EmailChannel,
    FieldType, FormChannel, FormField, ImapSecurity, MailLogin, Mailbox, WhenAway,
};
pub use kind::{Kind, PerKind};
pub use service::{
    AgentProtocol, ContactLookup, CustomerAgent, EmailSettings, HttpSettings, LmtpListen,
    RoutingSettings, Scope, Token, Webhook,
};

use crate::core::name::{
    AgentName, ByName, ChannelName, InboxName, PromptName, ScheduleName, TeamName, TrunkName,
    UserName,
};
use crate::core::number::{Country, PhoneNumber};
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

/// What an admin gives a name to.
pub trait Named {
    /// The name.
    fn name(&self) -> &str;
}

macro_rules! named {
    ($($kind:ty),*) => {$(
        impl Named for $kind {
            fn name(&self) -> &str {
                &self.name
            }
        }
    )*};
}

named!(
    Trunk,
    User,
    Team,
    Inbox,
    Channel,
    CustomerAgent,
    Arc<Schedule>
);

/// Things in the order written, each found by its name without a search. Reads like a slice.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    items: Vec<T>,
    places: HashMap<Box<str>, usize, ByName>,
}

impl<T: Named> From<Vec<T>> for Listed<T> {
    /// Of several with one name the first is found by it.
    fn from(items: Vec<T>) -> Listed<T> {
        let mut places = HashMap::with_capacity_and_hasher(items.len(), ByName::default());
        for (place, item) in items.iter().enumerate() {
            places.entry(item.name().into()).or_insert(place);
        }
        Listed { items, places }
    }
}

impl<T: Named> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Listed<T> {
        items.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Listed<T> {
        Listed {
            items: Vec::new(),
            places: HashMap::default(),
        }
    }
}

impl<T> Listed<T> {
    /// The one of that name.
    pub fn named(&self, name: &str) -> Option<&T> {
        self.items.get(self.place(name)?)
    }

    /// The place of the one of that name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

impl<T> Deref for Listed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<'a, T> IntoIterator for &'a Listed<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// What is not about routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[sip]`
    pub sip: SipSettings,
    /// `[media]`
    pub media: MediaSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[smtp]`; without it no mail is sent.
    pub smtp: Option<SmtpSettings>,
    /// `[http]`; without it there is no API, no form and no chat.
    pub http: Option<HttpSettings>,
    /// `[email]`
    pub email: EmailSettings,
    /// `[contacts]`
    pub contacts: ContactLookup,
    /// `[routing]`
    pub routing: RoutingSettings,
    /// How long SIGTERM lets running calls go on.
    pub drain: Duration,
}

/// A SIP transport protocol (RFC 3261 §18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
}

/// A socket that SIP is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Address and port; an IPv6 one takes IPv6 only.
    pub address: SocketAddr,
}

/// Which digest algorithms phones are challenged with (RFC 8760).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestOffer {
    /// MD5 alone: what most phones know.
    #[default]
    Md5,
    /// SHA-256 alone.
    Sha256,
    /// SHA-256 first, then MD5.
    Both,
}

/// `[sip]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipSettings {
    /// Where SIP is taken.
    pub listen: Vec<Listen>,
    /// What the internet sees; `None`: the interface's own address.
    pub public_address: Option<IpAddr>,
    /// Destinations that see the interface's address instead. `None`: private ranges and attached networks.
    pub local_networks: Option<Vec<IpNet>>,
    /// Algorithms of our challenges.
    pub digest: DigestOffer,
    /// The realm of our challenges.
    pub realm: String,
}

/// `[media]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSettings {
    /// UDP ports for RTP (even) and RTCP (the next odd one).
    pub ports: RangeInclusive<u16>,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// The SQLite file.
    pub database: PathBuf,
    /// The directory of recorded audio.
    pub audio: PathBuf,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// `smtp://`: STARTTLS where the server offers it.
    Opportunistic,
    /// `submission://`: STARTTLS, without which nothing is sent.
    StartTls,
    /// `smtps://`: TLS from the first octet.
    Tls,
}

/// `[smtp]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSettings {
    /// The server's name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// Protection of the connection.
    pub security: SmtpSecurity,
    /// The sender's address.
    pub from: String,
    /// User name and how it is proved, where the server asks for them.
    pub credentials: Option<(String, MailLogin)>,
}

/// A password. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Who may send us calls: a network, and a port where one was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A single address is a network of one.
    pub network: IpNet,
    /// Only requests from this port, if given.
    pub port: Option<u16>,
}

/// Where a trunk puts the number that was dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFrom {
    /// The user part of the Request-URI.
    #[default]
    RequestUri,
    /// The user part of To.
    To,
    /// P-Called-Party-ID (RFC 7315 §4.2).
    PCalledPartyId,
    /// The topmost Diversion (RFC 5806).
    Diversion,
}

/// Where a trunk puts the caller's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerFrom {
    /// P-Asserted-Identity (RFC 3325) where present, else From.
    #[default]
    PAssertedIdentity,
    /// From, always.
    From,
}

/// Which caller a call to the phone network shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerShown {
    /// The channel's first number.
    #[default]
    Channel,
    /// The number of whoever calls us.
    Pass,
}

/// A SIP peering with a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name.
    pub name: TrunkName,
    /// Who may send us calls in its name.
    pub peers: Vec<Peer>,
    /// How national numbers are read.
    pub country: Option<Country>,
    /// Where the dialled number stands.
    pub number_from: NumberFrom,
    /// Where the caller's number stands.
    pub caller_from: CallerFrom,
    /// Which caller is shown on calls through `outbound`.
    pub caller: CallerShown,
    /// Where calls to the phone network go; such a trunk is pinged with OPTIONS.
    pub outbound: Option<Outbound>,
    /// Digest credentials, answered to this trunk alone.
    pub credentials: Option<(String, Secret)>,
    /// The only realm that they are answered to; `None`: whichever the trunk names.
    pub realm: Option<String>,
}

/// The far end of a trunk, or a fixed device: a SIP URI taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbound {
    /// The URI as written, `sip:sip.carrier.example;transport=tcp`.
    pub uri: String,
    /// The user part, if any.
    pub user: Option<String>,
    /// Host name, or address literal without brackets.
    pub host: String,
    /// The port; 5060 where none was written.
    pub port: u16,
    /// UDP unless the URI says `transport=tcp`.
    pub protocol: Protocol,
}

/// The licence without which no rule may name or reach a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seat {
    /// Sales.
    Sales,
    /// Service.
    Service,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name that rules and phones use.
    pub name: UserName,
    /// The name that people read; the user name where none was given.
    pub display_name: String,
    /// Mail address.
    pub email: Option<String>,
    /// No seat: no rule may name or reach this person.
    pub seat: Option<Seat>,
    /// The password that this user's phones register with.
    pub sip_password: Option<Secret>,
    /// Phones with a fixed address, which do not register.
    pub sip_contacts: Vec<Outbound>,
    /// A number in the phone network that rings too.
    pub external: Option<External>,
    /// Own working hours.
    pub schedule: Option<ScheduleName>,
    /// Time after a call in which no other is offered.
    pub wrap_up: Duration,
    /// What the person may do over the API beside the daily work.
    pub role: Role,
    /// The argon2id hash of the password for signing in, as a PHC string.
    pub password_hash: Option<Secret>,
    /// Open conversations of each kind beyond which none is assigned automatically; `None`: any number.
    pub capacity: PerKind<Option<u32>>,
    /// The same while the person is on a call; `None`: as `capacity`.
    pub capacity_on_call: PerKind<Option<u32>>,
    /// Whether own hours set presence: their start sets available, their end away.
    pub presence_by_hours: bool,
    /// Absences, `[from, until)`, in order.
    pub out_of_office: Vec<Absence>,
}

impl User {
    /// The absence that an instant lies in.
    pub fn absence_at(&self, at: Wall) -> Option<&Absence> {
        let mut absences = self.out_of_office.iter();
        absences.find(|absence| absence.from <= at && at < absence.until)
    }
}

/// What a person may do over the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Works in the inboxes that the person has access to.
    #[default]
    Agent,
    /// Sees all inboxes, reassigns all, changes rules and prompts.
    Admin,
}

/// A time in which a person is out of office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// Its first instant.
    pub from: Wall,
    /// The first instant after it.
    pub until: Wall,
}

/// A user's number in the phone network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The number to call.
    pub number: PhoneNumber,
    /// Through which trunk; `None`: the call's own.
    pub trunk: Option<TrunkName>,
}

/// Users that rules can name together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its name.
    pub name: TeamName,
    /// Main members: a rule that names the team reaches these.
    pub members: Vec<UserName>,
    /// Extra members: reached by hand only.
    pub extra_members: Vec<UserName>,
}

impl Team {
    /// Main and extra members.
    pub fn everybody(&self) -> impl Iterator<Item = &UserName> {
        self.members.iter().chain(&self.extra_members)
    }

    /// Whether somebody is a main or an extra member.
    pub fn includes(&self, user: &str) -> bool {
        self.everybody().any(|member| &**member == user)
    }
}

/// A group of channels, and who has access to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// Its name.
    pub name: InboxName,
    /// The teams with access; `None`: everybody.
    pub teams: Option<Vec<TeamName>>,
}

/// How candidates are chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// All at once.
    RingAll,
    /// One more every `ring_each`; the earlier ones go on ringing.
    Progressive,
    /// One at a time, in the order written.
    Sequential,
    /// One at a time, beginning after the one who was last assigned.
    RoundRobin,
    /// One at a time, fewest open conversations first.
    LeastBusy,
    /// One at a time, longest without a call first.
    LongestIdle,
    /// One at a time, in a random order.
    Random,
}

/// Which of two equal candidates comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TieBreak {
    /// The one assigned to latest.
    MostRecentlyAssigned,
    /// The one not assigned to for the longest.
    LeastRecentlyAssigned,
    /// The one written first.
    Listed,
    /// Either.
    Random,
}

/// Whom a step seeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The users and teams of its lists.
    Lists,
    /// The owner of the contact.
    ContactOwner,
    /// A customer agent; not for calls.
    CustomerAgent,
    /// Nobody; lists may stand beside and wait.
    Nobody,
}

/// One part of a rule: whom to offer to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whom it seeks.
    pub target: Target,
    /// Users by name, in the order written.
    pub users: Vec<UserName>,
    /// Teams, whose main members follow the users.
    pub teams: Vec<TeamName>,
    /// Which program, for [`Target::CustomerAgent`].
    pub agent: Option<AgentName>,
    /// Whether presence, own hours and capacity are asked; always true for calls.
    pub only_available: bool,
    /// How candidates are chosen from.
    pub strategy: Strategy,
    /// Which of two equal candidates comes first.
    pub tie_break: TieBreak,
    /// How long this step of a call may last; of no meaning for messages.
    pub ring: Duration,
    /// How long each candidate rings alone (or until one is added, with `progressive`).
    pub ring_each: Duration,
    /// How many users may ring at once.
    pub max_ringing: usize,
}

/// Which of a channel's rules is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    /// Calls: open.
    WorkingHours,
    /// Messages: open, and at all other hours without a rule of their own.
    Assign,
    /// Between two windows of one date.
    Break,
    /// Closed.
    AfterHours,
}

/// Whom to offer to, how, and what then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Tried in order. Empty: calls go straight to voicemail, messages stay unassigned.
    pub steps: Vec<Step>,
    /// What follows when no step finds anybody.
    pub end: RuleEnd,
    /// What a message is answered with automatically when it comes under this rule.
    pub reply: Option<String>,
    /// A message that its assignee has not answered within this time goes to the next.
    pub answer_within: Option<Duration>,
}

/// What follows when no step of a rule finds anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleEnd {
    /// Calls: what the caller hears. In `break` and `after_hours` a special day's own prompt takes
    /// its place.
    Voicemail(PromptName),
    /// Messages: the conversation waits, unassigned.
    Unassigned,
}

impl Rule {
    /// A rule that names nobody: what a message channel has where nothing is written.
    pub fn nobody() -> Rule {
        Rule {
            steps: Vec::new(),
            end: RuleEnd::Unassigned,
            reply: None,
            answer_within: None,
        }
    }

    /// What a caller hears when nobody answered.
    pub fn voicemail(&self) -> Option<&PromptName> {
        match &self.end {
            RuleEnd::Voicemail(prompt) => Some(prompt),
            RuleEnd::Unassigned => None,
        }
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

//! What a snapshot says of HTTP and of programs beside Ringdesk: tokens, webhooks, customer agents.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{PerKind, Secret};
use crate::core::name::{AgentName, InboxName, UserName};

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where HTTP is taken; a reverse proxy does TLS.
    pub listen: SocketAddr,
    /// How browsers and programs reach it, `https://desk.example.com`, without a slash at the end.
    pub public_url: String,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a sign-in lasts without being used.
    pub session: Duration,
}

/// `[email]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailSettings {
    /// Where mail is taken over LMTP (RFC 2033).
    pub lmtp: Option<LmtpListen>,
    /// The largest message, in octets.
    pub largest: usize,
}

impl Default for EmailSettings {
    /// Without LMTP; 25 MiB, which is what most mail servers take.
    fn default() -> EmailSettings {
        EmailSettings {
            lmtp: None,
            largest: 25 * 1024 * 1024,
        }
    }
}

/// Where mail is taken over LMTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LmtpListen {
    /// A Unix socket.
    Path(PathBuf),
    /// A TCP address.
    Address(SocketAddr),
}

impl LmtpListen {
    /// What the name of a socket ends with until it can be connected to.
    pub const UNREADY: &'static str = ".new";

    /// The longest path, in octets (unix(7): 108 with the zero at its end), which leaves room for
    /// [`LmtpListen::UNREADY`].
    pub const LONGEST_PATH: usize = 107 - LmtpListen::UNREADY.len();
}

/// `[contacts]`: by what a contact, and so the owner, is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactLookup {
    /// By the visitor cookie of form and chat.
    pub by_cookie: bool,
    /// By a verified sender address of email.
    pub by_sender: bool,
    /// By caller number of calls.
    pub by_number: bool,
}

impl Default for ContactLookup {
    fn default() -> ContactLookup {
        ContactLookup {
            by_cookie: true,
            by_sender: true,
            by_number: true,
        }
    }
}

/// `[routing]`: what concerns all channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutingSettings {
    /// What an open conversation of each kind adds to its assignee's load.
    pub weights: PerKind<u32>,
    /// Offers in a row that a user may miss before being set away; `None`: any number.
    pub away_after_missed: Option<u32>,
    /// Missed calls of one caller within this time are one item.
    pub missed_calls_together: Duration,
}

impl Default for RoutingSettings {
    fn default() -> RoutingSettings {
        RoutingSettings {
            weights: PerKind {
                call: 1,
                email: 1,
                form: 1,
                chat: 1,
            },
            away_after_missed: None,
            missed_calls_together: Duration::from_secs(1800),
        }
    }
}

/// A scope of a token: what a program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Read conversations, messages, voicemails, calls, events.
    ReadConversations,
    /// Reply, note, assign, close, delete.
    WriteConversations,
    /// Read contacts.
    ReadContacts,
    /// Create, change, merge, import contacts.
    WriteContacts,
    /// Read presence and users.
    ReadUsers,
    /// Set presence.
    WriteUsers,
    /// Read configuration: rules, hours, prompts, dry runs, traces.
    ReadConfiguration,
    /// Change rules and prompts, reload.
    WriteConfiguration,
    /// Read metrics.
    ReadMetrics,
    /// Read the audit log and dead letters of webhooks.
    ReadAudit,
}

/// `[[token]]`: a program that may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name, which the audit log shows.
    pub name: String,
    /// SHA-256 of the token, 32 octets.
    pub sha256: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The user in whose name it acts, with that user's access; `None`: with access to `inboxes`.
    pub user: Option<UserName>,
    /// Inboxes that it sees; `None`: all. Not asked where it acts for a user.
    pub inboxes: Option<Vec<InboxName>>,
}

/// `[[webhook]]`: whom events are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// Where events are posted.
    pub url: String,
    /// What each request is signed with.
    pub secret: Secret,
    /// Names of events, `conversation.assigned`; empty: all.
    pub events: Vec<String>,
    /// Inboxes whose events are sent; `None`: all.
    pub inboxes: Option<Vec<InboxName>>,
    /// Whether it may be at a private address.
    pub allow_private: bool,
}

/// `[[customer_agent]]`: a program that talks to customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerAgent {
    /// Its name.
    pub name: AgentName,
    /// The name that customers see.
    pub display_name: String,
    /// Where it is asked.
    pub endpoint: String,
    /// What is spoken there.
    pub protocol: AgentProtocol,
    /// What it proves itself with: the bearer of chat completions, the signing secret of a webhook.
    pub secret: Option<Secret>,
    /// How long one answer may take.
    pub timeout: Duration,
    /// Answers in one conversation before it is handed to people.
    pub max_turns: u32,
    /// Words by which a customer asks for a person, besides the built-in ones; matched without regard to case.
    pub person_words: Vec<String>,
    /// Whether it may be at a private address.
    pub allow_private: bool,
}

/// What a customer agent speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentProtocol {
    /// The widely used chat-completions form.
    ChatCompletions {
        /// The model to ask for.
        model: String,
        /// What the program is told about its task.
        instructions: String,
    },
    /// Our own: the conversation as JSON, signed.
    Webhook,
}

//! HTTP, mail, and programs beside Ringdesk as they were written.

use std::time::Duration;

use super::Text;
use crate::config::diagnostic::Place;
use crate::config::section::Placed;
use crate::core::snapshot::Scope;

/// `[http]`
#[derive(Debug)]
pub(in crate::config) struct HttpEntry {
    pub place: Place,
    pub listen: Option<Text>,
    pub public_url: Option<Text>,
    pub trusted_proxies: Option<Vec<Text>>,
    pub session: Option<Duration>,
}

/// `[email]`
#[derive(Debug, Default)]
pub(in crate::config) struct EmailSettingsEntry {
    pub lmtp: Option<Text>,
    pub largest: Option<usize>,
}

/// `[[customer_agent]]`
#[derive(Debug)]
pub(in crate::config) struct AgentEntry {
    pub name: Text,
    pub display_name: Option<Text>,
    pub endpoint: Text,
    pub protocol: AgentProtocolEntry,
    pub model: Option<Text>,
    pub instructions: Option<Text>,
    pub instructions_file: Option<Text>,
    pub secret_file: Option<Text>,
    pub timeout: Option<Duration>,
    pub max_turns: Option<u32>,
    pub person_words: Vec<Text>,
    pub allow_private: bool,
}

/// `protocol` of `[[customer_agent]]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::config) enum AgentProtocolEntry {
    #[default]
    ChatCompletions,
    Webhook,
}

/// `[[token]]`
#[derive(Debug)]
pub(in crate::config) struct TokenEntry {
    pub name: Text,
    pub sha256: Option<Text>,
    pub scopes: Vec<Placed<Scope>>,
    pub user: Option<Text>,
    pub inboxes: Option<Vec<Text>>,
}

/// `[[webhook]]`
#[derive(Debug)]
pub(in crate::config) struct WebhookEntry {
    pub name: Text,
    pub url: Text,
    pub secret_file: Option<Text>,
    pub events: Vec<Text>,
    pub inboxes: Option<Vec<Text>>,
    pub allow_private: bool,
}

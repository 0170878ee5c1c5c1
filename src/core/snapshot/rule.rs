//! Rules: whom a channel's calls and messages are offered to, how, and what then.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::name::{AgentName, PromptName, TeamName, UserName};

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

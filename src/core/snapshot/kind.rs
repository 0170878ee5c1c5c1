//! The four kinds of channels, and what is counted for each of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a channel, and of a conversation in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A phone call.
    Call,
    /// An email.
    Email,
    /// A submission of a web form.
    Form,
    /// A chat on a website.
    Chat,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Call, Kind::Email, Kind::Form, Kind::Chat];

    /// As it is written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Call => "call",
            Kind::Email => "email",
            Kind::Form => "form",
            Kind::Chat => "chat",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One value for each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct PerKind<T> {
    /// For calls.
    pub call: T,
    /// For emails.
    pub email: T,
    /// For forms.
    pub form: T,
    /// For chats.
    pub chat: T,
}

impl<T> PerKind<T> {
    /// The value for a kind.
    pub fn of(&self, kind: Kind) -> &T {
        match kind {
            Kind::Call => &self.call,
            Kind::Email => &self.email,
            Kind::Form => &self.form,
            Kind::Chat => &self.chat,
        }
    }

    /// The value for a kind, to change.
    pub fn of_mut(&mut self, kind: Kind) -> &mut T {
        match kind {
            Kind::Call => &mut self.call,
            Kind::Email => &mut self.email,
            Kind::Form => &mut self.form,
            Kind::Chat => &mut self.chat,
        }
    }
}

impl PerKind<u32> {
    /// How much these open conversations weigh together.
    pub fn weighed(&self, weights: &PerKind<u32>) -> u32 {
        Kind::ALL.iter().fold(0, |sum: u32, kind| {
            sum.saturating_add(self.of(*kind).saturating_mul(*weights.of(*kind)))
        })
    }
}

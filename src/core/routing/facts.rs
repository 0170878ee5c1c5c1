//! Everything that can differ between two requests to the same snapshot.

use std::collections::HashSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Decision, Known};
use crate::core::id::{CallId, ContactId};
use crate::core::name::UserName;
use crate::core::snapshot::PerKind;
use crate::core::time::Wall;

/// What routing knows of the moment, apart from the configuration and the time. A stored decision
/// carries the facts of those it considered, so that it can be replayed exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// By user. Who is missing counts as available with one registered device, free, without load.
    #[serde(default)]
    pub users: Known,
    /// Round robin: the user who was assigned last, by step of this channel's rule. A step beyond
    /// the end has had nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub round_robin_last: Vec<Option<UserName>>,
    /// The contact on the other side, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactFacts>,
    /// Messages: whether older conversations wait for the same people, who get those first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub older_waiting: bool,
    /// For `random`.
    #[serde(default)]
    pub seed: u64,
}

/// What is known of the contact on the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactFacts {
    /// Which.
    pub contact: ContactId,
    /// The user who owns that contact.
    pub owner: Option<UserName>,
    /// By what the contact was found.
    pub found_by: FoundBy,
}

/// By what a contact was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundBy {
    /// The tracking cookie of form or chat.
    Cookie,
    /// A mail address that Authentication-Results verify.
    VerifiedSender,
    /// A mail address that nothing verifies, or that a visitor typed: never for contact-owner routing.
    UnverifiedSender,
    /// The caller's number.
    CallerNumber,
}

impl Facts {
    /// Keeps what is known of those whom the decision considered: what is needed to replay it.
    pub fn keep_considered(&mut self, decision: &Decision) {
        let steps = decision.trace.steps.iter();
        let considered: HashSet<&UserName> = steps
            .flat_map(|step| &step.candidates)
            .map(|candidate| &candidate.user)
            .collect();
        self.users.retain(|user| considered.contains(user));
    }
}

/// What a user says. Own hours and absences are the configuration's and asked there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Ready.
    #[default]
    Available,
    /// Not now.
    Away,
}

/// Whether a user is engaged in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Busy {
    /// Neither.
    #[default]
    Free,
    /// Being rung by this call (which may be the one that asks).
    Ringing(CallId),
    /// Talking in this call.
    OnCall(CallId),
}

/// The phones of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// Registered and fixed devices that can be rung, and external numbers.
    pub reachable: u32,
    /// When the latest registration that is gone ran out or was removed, and where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<(Wall, SocketAddr)>,
    /// Wrong passwords since then (or since the daemon started).
    #[serde(default)]
    pub wrong_passwords: u32,
}

impl Default for DeviceFacts {
    fn default() -> DeviceFacts {
        DeviceFacts {
            reachable: 1,
            lost: None,
            wrong_passwords: 0,
        }
    }
}

/// What is known of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserFacts {
    /// What the user says.
    pub presence: Presence,
    /// The user's phones.
    pub devices: DeviceFacts,
    /// Engaged in a call or not.
    pub busy: Busy,
    /// Until when no call is offered after the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrap_up_until: Option<Wall>,
    /// Why the user is away where it was not the user who said so: `3 offers missed in a row`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub presence_detail: String,
    /// Until when a user who said to be available is so whatever the own hours are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_hand_until: Option<Wall>,
    /// Open conversations assigned to the user, by kind.
    pub open: PerKind<u32>,
    /// When something was last assigned to the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_assigned: Option<Wall>,
    /// When the user's last call ended; `None`: none since the daemon started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_call_ended: Option<Wall>,
}

//! The result of routing: an outcome, and the trace that explains it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::name::{AgentName, ChannelName, PromptName, TeamName, UserName};
use crate::core::schedule::HoursState;
use crate::core::snapshot::{RuleName, Strategy};

/// An outcome together with its trace; there is no outcome without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What is to happen.
    pub outcome: Outcome,
    /// Why.
    pub trace: Trace,
}

/// What is to happen to a call or a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Offer it to these users now.
    Ring(Ring),
    /// Nobody new is to ring now: whoever can be reached is being rung already, by this call or by
    /// others. The caller hears ringing, and what rings for this call goes on.
    Wait {
        /// The step it waits in.
        step: usize,
        /// How long that step may last from its beginning.
        #[serde(with = "millis")]
        ring: Duration,
    },
    /// Play this prompt, then record.
    Voicemail {
        /// What the caller hears.
        prompt: PromptName,
        /// Why nobody talks to the caller.
        reason: VoicemailReason,
    },
    /// Messages: assign it to this user.
    Assign {
        /// The step that found the user, counted from 0.
        step: usize,
        /// The assignee.
        user: UserName,
    },
    /// Messages: let this customer agent talk to the customer.
    CustomerAgent {
        /// The step that names it, counted from 0.
        step: usize,
        /// Which.
        agent: AgentName,
    },
    /// Messages: leave it unassigned.
    Unassigned {
        /// Why, which also decides whether it is given out later.
        reason: UnassignedReason,
    },
    /// Answer with this status and no more.
    Refuse {
        /// The SIP status, `404`.
        status: u16,
        /// A stable code, `unknown-number`.
        code: String,
        /// The sentence an admin reads.
        text: String,
    },
}

/// Whom to ring, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// The step, counted from 0.
    pub step: usize,
    /// Those to begin ringing now, besides any that this call already rings. Never empty.
    pub users: Vec<UserName>,
    /// How candidates were chosen from.
    pub strategy: Strategy,
    /// How long each rings: `None` until the step ends (`ring-all`); for `progressive` the time
    /// until one more is added, if there is `more`; for the others the time of each user's turn.
    #[serde(with = "optional_millis")]
    pub ring_each: Option<Duration>,
    /// How long the step may last from its beginning.
    #[serde(with = "millis")]
    pub ring: Duration,
    /// More candidates could follow in this step.
    pub more: bool,
}

/// Why a caller is sent to voicemail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoicemailReason {
    /// Rung, and nobody answered.
    Unanswered,
    /// Nobody could be rung.
    NobodyAvailable,
    /// The rule names nobody.
    NobodyNamed,
    /// Outside hours, with nobody to ring.
    Closed,
    /// In a break, with nobody to ring.
    Break,
}

/// Why a message stays unassigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnassignedReason {
    /// The channel has no rule for this time, or one that names nobody.
    NobodyNamed,
    /// The rule says so: `to = "nobody"`.
    Nobody,
    /// The rule sought somebody and found nobody: it is given out when somebody becomes available.
    NobodyAvailable,
}

/// Why a candidate was chosen or passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Rings, or gets the message.
    Chosen,
    /// Has no seat.
    NoSeat,
    /// Is in no team with access to the inbox.
    NoInboxAccess,
    /// Extra members are reached by hand only.
    ExtraMember,
    /// Says so, missed offers, or is out of office.
    Away,
    /// Own hours are closed.
    OutsideOwnHours,
    /// No phone registered, none fixed, no external number.
    NoDevice,
    /// Talks in another call.
    OnCall,
    /// Is being rung.
    Ringing,
    /// Has as much as allowed.
    AtCapacity,
    /// Finishing the last call.
    WrapUp,
    /// Declined this call.
    Declined,
    /// Did not pick up this call, or did not reply to this message in time.
    NoAnswer,
    /// No phone could be reached for this call.
    Unreachable,
    /// Beyond `max_ringing`.
    OverLimit,
    /// Equal, and another came first.
    LostTie,
    /// Another came first.
    NotNeeded,
}

/// How a candidate came into a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// By name.
    Named,
    /// As a member of this team.
    Team(TeamName),
    /// As the owner of the contact.
    Owner,
}

/// One candidate of a step, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who.
    pub user: UserName,
    /// By name or through a team.
    pub via: Via,
    /// The stable code.
    pub code: Code,
    /// What an admin wants to know beside it; empty where the code says all. Many share one.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub detail: Arc<str>,
}

/// What one step came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTrace {
    /// Counted from 0.
    pub step: usize,
    /// How candidates were chosen from.
    pub strategy: Strategy,
    /// In the order considered.
    pub candidates: Vec<Candidate>,
}

/// Why a decision came out as it did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The snapshot decided from.
    pub snapshot: u64,
    /// The channel, where the number has one.
    pub channel: Option<ChannelName>,
    /// The hours that were in force.
    pub hours: Option<HoursState>,
    /// The rule that they chose.
    pub rule: Option<RuleName>,
    /// Each step that was looked at.
    pub steps: Vec<StepTrace>,
    /// What else should be known, a sentence each: which prompt and why, what a number was read as.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// Optional durations as whole milliseconds.
mod optional_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value
            .map(|value| u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
            .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

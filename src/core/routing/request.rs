//! What routing is asked.

use serde::{Deserialize, Serialize};

use crate::core::name::{ChannelName, TrunkName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::schedule::HoursState;
use crate::core::snapshot::RuleName;
use crate::core::time::Wall;

/// The kind of a channel. This version has calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A phone call.
    Call,
}

/// What was addressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum To {
    /// A dialled number.
    Number(PhoneNumber),
    /// A channel by name (dry runs).
    Channel(ChannelName),
}

/// One question to [`route()`](super::route()).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Calls, today.
    pub kind: Kind,
    /// What was addressed.
    pub to: To,
    /// The caller's number; `None`: anonymous or unknown.
    pub from: Option<PhoneNumber>,
    /// The trunk that it came through; `None`: from one of our own phones, or a dry run.
    pub trunk: Option<TrunkName>,
    /// The first selection for this call, or a later one.
    pub selection: Selection,
}

/// The first selection for a call, or a later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// The call has just arrived: hours are evaluated.
    First,
    /// The call is under way: hours are those it arrived in.
    Next(Progress),
}

/// How far a call has come when it asks again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The hours that its first decision saw.
    pub hours: HoursState,
    /// The rule that its first decision took.
    pub rule: RuleName,
    /// The step it is in, counted from 0.
    pub step: usize,
    /// When that step began.
    pub step_began: Wall,
    /// Those already offered the call in this step who did not take it, in order.
    pub tried: Vec<(UserName, Attempt)>,
    /// Those whose phones this call rings at this moment.
    pub ringing: Vec<UserName>,
    /// Why it asks.
    pub cause: Cause,
}

/// How an offer ended without a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// The user declined (603, 600), or every device was busy.
    Declined,
    /// Nobody picked up in the time given.
    TimedOut,
    /// No device could be reached.
    Unreachable,
}

/// Why a call asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// An offer ended without a conversation (declined, unreachable, or `ring_each` is over).
    OfferEnded,
    /// `progressive`: `ring_each` is over, one more is added.
    AddOne,
    /// A candidate who was busy became free.
    BecameFree,
    /// The step's time is over; seek from `step` on, which is the next one.
    StepEnded,
}

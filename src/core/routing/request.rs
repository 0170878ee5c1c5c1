//! What routing is asked.

use serde::{Deserialize, Serialize};

use super::decision::{Decision, Outcome, Ring};
use crate::core::name::{ChannelName, TrunkName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::schedule::HoursState;
use crate::core::snapshot::{Kind, RuleName};
use crate::core::time::{Now, Wall};

/// What was addressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum To {
    /// A dialled number.
    Number(PhoneNumber),
    /// A channel by name (dry runs).
    Channel(ChannelName),
    /// What stood where the dialled number should, and cannot be read as one.
    Unread(String),
}

/// One question to [`route()`](super::route()).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Call, email, form or chat.
    pub kind: Kind,
    /// What was addressed.
    pub to: To,
    /// The caller's number; `None`: anonymous or unknown.
    pub from: Option<PhoneNumber>,
    /// Who sent a message, as an admin would write it: a mail address, a visitor's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
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
    Next(Box<Progress>),
}

/// How far a call has come when it asks again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The hours that its first decision saw.
    pub hours: HoursState,
    /// The rule that its first decision took.
    pub rule: RuleName,
    /// The step it is in, counted from 0. Messages: the first whose customer agent has not handed
    /// over yet; people are sought from the first step on.
    pub step: usize,
    /// When that step began.
    pub step_began: Wall,
    /// Those already offered the call in this step who did not take it, in order. Messages: those
    /// who had it and did not reply.
    pub tried: Vec<(UserName, Attempt)>,
    /// Those who did not take it in earlier steps, in order. Who declined there is not asked again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<(UserName, Attempt)>,
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
    /// Did not pick up, or reply to a message, in the time given.
    TimedOut,
    /// No device could be reached.
    Unreachable,
    /// Messages: went away before replying, and it was taken back.
    TakenBack,
}

/// Why a call asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// An offer ended without a conversation (declined, unreachable, or `ring_each` is over).
    OfferEnded,
    /// `progressive`: `ring_each` is over since the last decision to ring, one more is added.
    AddOne,
    /// A candidate who was busy became free.
    BecameFree,
    /// The last candidate who could be reached took another call, while nobody rings for this one.
    BecameBusy,
    /// The step's time is over and its offers have ended; seek from `step` on, which is the next one.
    StepEnded,
    /// Messages: a user became available, or has room again.
    BecameAvailable,
    /// Messages: the assignee went away and had not replied.
    TakenBack,
    /// Messages: the assignee did not reply within `answer_within`.
    NotAnswered,
    /// Messages: the customer agent handed over to people; seek from `step` on, which is the next one.
    HandedOver,
}

impl Request {
    /// A message that comes to a channel. `sender` as an admin would write it.
    pub fn message(kind: Kind, channel: &ChannelName, sender: Option<String>) -> Request {
        Request {
            kind,
            to: To::Channel(channel.clone()),
            from: None,
            sender,
            trunk: None,
            selection: Selection::First,
        }
    }
}

impl Progress {
    /// How far a call has come after its first decision: `None` unless that one rings or waits. Of
    /// a message `None` only where it was refused, which leaves nothing to go on with.
    pub fn begin(decision: &Decision, now: Now) -> Option<Progress> {
        let step = match decision.outcome {
            Outcome::Ring(Ring { step, .. })
            | Outcome::Wait { step, .. }
            | Outcome::CustomerAgent { step, .. } => step,
            Outcome::Assign { .. } | Outcome::Unassigned { .. } => 0,
            Outcome::Voicemail { .. } | Outcome::Refuse { .. } => return None,
        };
        let mut progress = Progress {
            hours: decision.trace.hours.clone()?,
            rule: decision.trace.rule?,
            step,
            step_began: now.wall,
            tried: Vec::new(),
            earlier: Vec::new(),
            ringing: Vec::new(),
            cause: Cause::OfferEnded,
        };
        progress.advance(decision, now);
        Some(progress)
    }

    /// Takes in a later decision: whom it rings, and the step it has come to. True where a step
    /// begins with it, whose time counts from now.
    pub fn advance(&mut self, decision: &Decision, now: Now) -> bool {
        let step = match &decision.outcome {
            Outcome::Ring(ring) => ring.step,
            Outcome::Wait { step, .. } | Outcome::CustomerAgent { step, .. } => *step,
            Outcome::Assign { .. }
            | Outcome::Voicemail { .. }
            | Outcome::Unassigned { .. }
            | Outcome::Refuse { .. } => {
                return false;
            }
        };
        let begins = step != self.step || self.cause == Cause::StepEnded;
        if begins {
            self.begin_step(step, now);
        }
        self.cause = Cause::OfferEnded;
        if let Outcome::Ring(ring) = &decision.outcome {
            self.ringing.extend(ring.users.iter().cloned());
        }
        begins
    }

    /// Messages: the assignee did not reply within `answer_within`. Ask again with what this makes
    /// of it: the next one is sought.
    pub fn not_answered(&mut self, user: &UserName) {
        self.given_up(user, Attempt::TimedOut);
        self.cause = Cause::NotAnswered;
    }

    /// Messages: the assignee went away before replying.
    pub fn taken_back(&mut self, user: &UserName) {
        self.given_up(user, Attempt::TakenBack);
        self.cause = Cause::TakenBack;
    }

    /// Messages: the customer agent of this step hands over to people.
    pub fn handed_over(&mut self, now: Now) {
        self.begin_step(self.step.saturating_add(1), now);
        self.cause = Cause::HandedOver;
    }

    /// Messages: somebody replied, or saw to it, so that nobody counts as having been asked in vain.
    pub fn answered(&mut self) {
        self.tried.clear();
        self.earlier.clear();
    }

    fn given_up(&mut self, user: &UserName, attempt: Attempt) {
        self.tried.retain(|(tried, _)| tried != user);
        self.tried.push((user.clone(), attempt));
    }

    /// An offer ended without a conversation.
    pub fn offer_ended(&mut self, user: &UserName, attempt: Attempt) {
        if let Some(place) = self.ringing.iter().position(|ringing| ringing == user) {
            let user = self.ringing.remove(place);
            self.tried.push((user, attempt));
        }
        self.cause = Cause::OfferEnded;
    }

    /// The step's time is over: every offer that still rings has timed out, and the next step is
    /// sought.
    pub fn step_ended(&mut self, now: Now) {
        let unanswered = std::mem::take(&mut self.ringing);
        self.tried
            .extend(unanswered.into_iter().map(|user| (user, Attempt::TimedOut)));
        self.begin_step(self.step.saturating_add(1), now);
        self.cause = Cause::StepEnded;
    }

    fn begin_step(&mut self, step: usize, now: Now) {
        self.earlier.append(&mut self.tried);
        self.step = step;
        self.step_began = now.wall;
    }
}

//! The part of a call in which the caller talks to a user: hold, silence, and how it ends.

use std::time::Duration;

use super::event::{Action, Side};
use super::{Call, State, Timer};
use crate::core::id::LegId;
use crate::core::name::UserName;
use crate::core::record::CallOutcome;
use crate::core::time::Now;

/// How often a side that is not heard is asked whether it still knows of the call: as often as the
/// silence itself is noticed.
const ASK_SILENT: Duration = Duration::from_secs(30);

/// How a conversation ends that nobody is heard in.
const NO_AUDIO: &str = "no audio from either side for 30 s";

/// A conversation between the caller and a user.
#[derive(Debug)]
pub(super) struct Talking {
    pub(super) leg: LegId,
    pub(super) user: UserName,
    caller: Party,
    callee: Party,
}

impl Talking {
    /// It begins: both are heard.
    pub(super) fn new(leg: LegId, user: UserName) -> Talking {
        Talking {
            leg,
            user,
            caller: Party::default(),
            callee: Party::default(),
        }
    }

    /// Nobody is heard any more, though nobody waits.
    fn is_dead(&self) -> bool {
        let on_hold = self.caller.holds || self.callee.holds;
        self.caller.silent && self.callee.silent && !on_hold
    }
}

/// What is known of one side of a conversation.
#[derive(Debug, Default)]
struct Party {
    /// Has put the other side on hold.
    holds: bool,
    /// Has not been heard for 30 s.
    silent: bool,
}

impl Call {
    fn party(&mut self, side: Side, change: impl FnOnce(&mut Party)) {
        if let State::Talking(talking) = &mut self.state {
            match side {
                Side::Caller => change(&mut talking.caller),
                Side::Leg(leg) if leg == talking.leg => change(&mut talking.callee),
                Side::Leg(_) => {}
            }
        }
    }

    pub(super) fn set_hold(&mut self, side: Side, holds: bool, now: Now) {
        let State::Talking(talking) = &mut self.state else {
            return;
        };
        let (party, other) = match side {
            Side::Caller => (&mut talking.caller, Side::Leg(talking.leg)),
            Side::Leg(leg) if leg == talking.leg => (&mut talking.callee, Side::Caller),
            Side::Leg(_) => return,
        };
        if party.holds != holds {
            party.holds = holds;
            self.timers.set(Timer::AskSilent, now.mono + ASK_SILENT);
            self.actions.push_back(if holds {
                Action::PlayHold(other)
            } else {
                Action::StopHold(other)
            });
        }
    }

    pub(super) fn fell_silent(&mut self, side: Side, now: Now) {
        self.party(side, |party| party.silent = true);
        let State::Talking(talking) = &self.state else {
            return;
        };
        if talking.is_dead() {
            return self.end_talk(NO_AUDIO);
        }
        self.actions.push_back(Action::Ping(side));
        self.timers.set(Timer::AskSilent, now.mono + ASK_SILENT);
    }

    pub(super) fn heard_again(&mut self, side: Side) {
        self.party(side, |party| party.silent = false);
    }

    /// A silence goes on: whoever is silent is asked again, since silence is told of once. So is
    /// whoever holds the other: nothing need be heard from there, and a phone may die meanwhile.
    pub(super) fn silence_goes_on(&mut self, now: Now) {
        let State::Talking(talking) = &self.state else {
            return;
        };
        if talking.is_dead() {
            return self.end_talk(NO_AUDIO);
        }
        let callee = Side::Leg(talking.leg);
        for (side, party) in [(Side::Caller, &talking.caller), (callee, &talking.callee)] {
            if party.silent || party.holds {
                self.actions.push_back(Action::Ping(side));
                self.timers.set(Timer::AskSilent, now.mono + ASK_SILENT);
            }
        }
    }

    pub(super) fn pinged(&mut self, side: Side, alive: bool) {
        if alive {
            return;
        }
        let State::Talking(talking) = &self.state else {
            return;
        };
        match side {
            Side::Caller => self.end_talk("the caller no longer answers"),
            Side::Leg(leg) if leg == talking.leg => {
                let detail = format!("{}'s phone no longer answers", talking.user);
                self.end_talk(&detail);
            }
            Side::Leg(_) => {}
        }
    }

    /// Ends a conversation from our side.
    pub(super) fn end_talk(&mut self, detail: &str) {
        let State::Talking(talking) = &self.state else {
            return;
        };
        let (leg, user) = (talking.leg, talking.user.clone());
        self.actions.push_back(Action::HangUpLeg {
            leg,
            elsewhere: false,
        });
        self.hang_up_caller(None);
        self.finish(CallOutcome::Answered, detail.to_owned(), Some(user));
    }
}

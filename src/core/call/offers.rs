//! What becomes of the offers of a call that rings: phones that answer, decline, or are told to stop.

use std::time::Duration;

use super::event::{Action, CancelReason, LegKind};
use super::ringing::LegState;
use super::talking::Talking;
use super::{Call, State, Timer};
use crate::core::desk::OfferEnd;
use crate::core::id::LegId;
use crate::core::name::UserName;
use crate::core::record::CallOutcome;
use crate::core::routing::{Attempt, Cause};
use crate::core::time::Now;

/// How long a device may take to its first provisional answer; a phone that is on answers within a
/// few hundred milliseconds, and 4 s are three retransmissions lost on the way.
const FIRST_ANSWER: Duration = Duration::from_secs(4);

impl Call {
    pub(super) fn offer_started(&mut self, user: &UserName, legs: Vec<(LegId, LegKind)>, now: Now) {
        let State::Ringing(ringing) = &mut self.state else {
            for (leg, _) in legs {
                self.actions.push_back(Action::CancelLeg {
                    leg,
                    reason: CancelReason::CallerLeft,
                });
            }
            return;
        };
        if legs.is_empty() {
            self.offer_ended(user, Attempt::Unreachable);
            return;
        }
        for (leg, _) in &legs {
            self.timers
                .set(Timer::GiveUpLeg(*leg), now.mono + FIRST_ANSWER);
        }
        ringing.legs_started(user, legs);
    }

    pub(super) fn leg_progressed(&mut self, leg: LegId) {
        self.timers.clear(Timer::GiveUpLeg(leg));
    }

    pub(super) fn leg_answered(&mut self, leg: LegId, digits: bool) {
        self.timers.clear(Timer::GiveUpLeg(leg));
        let State::Ringing(ringing) = &mut self.state else {
            self.actions.push_back(Action::HangUpLeg {
                leg,
                elsewhere: true,
            });
            return;
        };
        let Some((user, state)) = ringing.leg_mut(leg) else {
            self.actions.push_back(Action::HangUpLeg {
                leg,
                elsewhere: true,
            });
            return;
        };
        match state.kind {
            LegKind::Device => {
                let user = user.clone();
                self.connect(leg, user);
            }
            LegKind::External if digits => {
                state.asked_to_accept = true;
                self.actions.push_back(Action::AskToAccept { leg });
            }
            LegKind::External => {
                self.actions.push_back(Action::HangUpLeg {
                    leg,
                    elsewhere: false,
                });
                self.leg_rejected(leg, 488);
            }
        }
    }

    pub(super) fn digit_pressed(&mut self, leg: LegId, digit: char) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        let Some((user, state)) = ringing.leg_mut(leg) else {
            return;
        };
        if digit == '1' && state.asked_to_accept {
            let user = user.clone();
            self.connect(leg, user);
        }
    }

    /// `user` has taken the call on `leg`: everyone else is told so.
    fn connect(&mut self, leg: LegId, user: UserName) {
        let State::Ringing(ringing) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        self.timers.clear_all();
        self.actions.push_back(Action::Connect {
            leg,
            user: user.clone(),
        });
        for offer in ringing.into_offers() {
            for other in offer.legs.iter().filter(|other| other.leg != leg) {
                self.drop_leg(other, CancelReason::AnsweredElsewhere);
            }
            if offer.user != user {
                self.actions.push_back(Action::EndOffer {
                    user: offer.user,
                    how: OfferEnd::Withdrawn,
                });
            }
        }
        self.state = State::Talking(Talking::new(leg, user));
    }

    /// Ends a leg that rings, or one that waits for its key.
    fn drop_leg(&mut self, state: &LegState, reason: CancelReason) {
        self.timers.clear(Timer::GiveUpLeg(state.leg));
        let leg = state.leg;
        self.actions.push_back(if state.asked_to_accept {
            Action::HangUpLeg {
                leg,
                elsewhere: reason == CancelReason::AnsweredElsewhere,
            }
        } else {
            Action::CancelLeg { leg, reason }
        });
    }

    pub(super) fn leg_rejected(&mut self, leg: LegId, status: u16) {
        self.timers.clear(Timer::GiveUpLeg(leg));
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        let Some(user) = ringing.leg_rejected(leg, status) else {
            return;
        };
        let declined_for_user = matches!(status, 600 | 603);
        if declined_for_user {
            self.withdraw_legs(&user, CancelReason::Declined);
            self.offer_ended(&user, Attempt::Declined);
        } else if let State::Ringing(ringing) = &self.state
            && let Some(attempt) = ringing.offer_result(&user)
        {
            self.offer_ended(&user, attempt);
        }
    }

    /// Ends what still rings of `user`'s offer.
    fn withdraw_legs(&mut self, user: &UserName, reason: CancelReason) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        for leg in ringing.take_legs(user) {
            self.drop_leg(&leg, reason);
        }
    }

    /// An offer is over without a conversation: the desk is told, and asked what next.
    fn offer_ended(&mut self, user: &UserName, attempt: Attempt) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        if !ringing.end_offer(user, attempt) {
            return;
        }
        self.actions.push_back(Action::EndOffer {
            user: user.clone(),
            how: OfferEnd::Failed(attempt),
        });
        self.ask(Cause::OfferEnded);
    }

    /// `ring_each` is over: one more is added, or the next takes the turn.
    pub(super) fn turn_ended(&mut self) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        if ringing.is_progressive() {
            self.ask(Cause::AddOne);
            return;
        }
        for user in ringing.offered_users() {
            self.withdraw_legs(&user, CancelReason::TimedOut);
            self.offer_ended(&user, Attempt::TimedOut);
        }
    }

    pub(super) fn step_ended(&mut self, now: Now) {
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        let users = ringing.offered_users();
        self.timers.clear(Timer::EndTurn);
        for user in users {
            self.withdraw_legs(&user, CancelReason::TimedOut);
            let State::Ringing(ringing) = &mut self.state else {
                return;
            };
            if ringing.end_offer(&user, Attempt::TimedOut) {
                let how = OfferEnd::Failed(Attempt::TimedOut);
                self.actions.push_back(Action::EndOffer { user, how });
            }
        }
        let State::Ringing(ringing) = &mut self.state else {
            return;
        };
        ringing.end_step(now);
        // Until the desk has decided, the step has no end of its own.
        self.ask(Cause::StepEnded);
    }

    pub(super) fn caller_left_ringing(&mut self, detail: &str) {
        let State::Ringing(ringing) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        for offer in ringing.into_offers() {
            for leg in &offer.legs {
                self.drop_leg(leg, CancelReason::CallerLeft);
            }
            self.actions.push_back(Action::EndOffer {
                user: offer.user,
                how: OfferEnd::Withdrawn,
            });
        }
        self.finish(CallOutcome::Missed, format!("{detail} while ringing"), None);
    }
}

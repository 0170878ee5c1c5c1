//! The part of a call in which the caller hears ringing: whom it rings, and whom it has rung.

use std::time::Duration;

use super::event::LegKind;
use crate::core::id::LegId;
use crate::core::name::UserName;
use crate::core::routing::{Attempt, Cause, Progress, Ring, Trace};
use crate::core::schedule::HoursState;
use crate::core::snapshot::{RuleName, Strategy};
use crate::core::time::Wall;

/// A step under way.
#[derive(Debug)]
pub struct Ringing {
    hours: HoursState,
    rule: RuleName,
    step: usize,
    step_began: Wall,
    tried: Vec<(UserName, Attempt)>,
    offers: Vec<Offer>,
    turn: Option<(Strategy, Duration)>,
}

/// An offer to a user whose phones ring.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) user: UserName,
    pub(super) legs: Vec<LegState>,
    /// The strongest answer so far of legs that are gone.
    result: Option<Attempt>,
}

/// A leg of an offer.
#[derive(Clone, Debug)]
pub(super) struct LegState {
    pub(super) leg: LegId,
    pub(super) kind: LegKind,
    /// It was answered, and hears "press 1 to accept".
    pub(super) asked_to_accept: bool,
}

impl Ringing {
    /// Begins with what the first decision saw.
    pub(super) fn new(trace: &Trace, step: usize, now: Wall) -> Ringing {
        Ringing {
            hours: trace.hours.clone().unwrap_or_else(HoursState::always_open),
            rule: trace.rule.unwrap_or(RuleName::WorkingHours),
            step,
            step_began: now,
            tried: Vec::new(),
            offers: Vec::new(),
            turn: None,
        }
    }

    /// The turn that a decision sets: `None` where everyone rings until the step ends.
    pub(super) fn turn(ring: &Ring) -> Option<(Strategy, Duration)> {
        ring.ring_each.map(|each| (ring.strategy, each))
    }

    pub(super) fn set_turn(&mut self, turn: Option<(Strategy, Duration)>) {
        self.turn = turn;
    }

    pub(super) fn is_progressive(&self) -> bool {
        matches!(self.turn, Some((Strategy::Progressive, _)))
    }

    pub(super) fn step(&self) -> usize {
        self.step
    }

    pub(super) fn next_step(&mut self, step: usize, now: Wall) {
        self.step = step;
        self.step_began = now;
        self.tried.clear();
        self.turn = None;
    }

    pub(super) fn begin_offer(&mut self, user: UserName) {
        self.offers.push(Offer { user, legs: Vec::new(), result: None });
    }

    pub(super) fn legs_started(&mut self, user: &UserName, legs: Vec<(LegId, LegKind)>) {
        if let Some(offer) = self.offers.iter_mut().find(|offer| offer.user == *user) {
            offer.legs.extend(legs.into_iter().map(|(leg, kind)| LegState {
                leg,
                kind,
                asked_to_accept: false,
            }));
        }
    }

    pub(super) fn leg_mut(&mut self, leg: LegId) -> Option<(&UserName, &mut LegState)> {
        self.offers.iter_mut().find_map(|offer| {
            let user = &offer.user;
            offer.legs.iter_mut().find(|state| state.leg == leg).map(|state| (user, state))
        })
    }

    /// Takes a leg out of its offer; answers whose offer it was.
    pub(super) fn leg_rejected(&mut self, leg: LegId, status: u16) -> Option<UserName> {
        let offer =
            self.offers.iter_mut().find(|offer| offer.legs.iter().any(|one| one.leg == leg))?;
        offer.legs.retain(|one| one.leg != leg);
        let attempt = match status {
            // Busy, do-not-disturb and declined are a person's or a phone's word.
            480 | 486 | 600 | 603 => Attempt::Declined,
            _ => Attempt::Unreachable,
        };
        if offer.result != Some(Attempt::Declined) {
            offer.result = Some(attempt);
        }
        Some(offer.user.clone())
    }

    /// How the offer ended, once no leg of it is left.
    pub(super) fn offer_result(&self, user: &UserName) -> Option<Attempt> {
        let offer = self.offers.iter().find(|offer| offer.user == *user)?;
        offer.legs.is_empty().then(|| offer.result.unwrap_or(Attempt::Unreachable))
    }

    pub(super) fn take_legs(&mut self, user: &UserName) -> Vec<LegState> {
        self.offers
            .iter_mut()
            .find(|offer| offer.user == *user)
            .map(|offer| std::mem::take(&mut offer.legs))
            .unwrap_or_default()
    }

    /// Ends an offer; false if there was none.
    pub(super) fn end_offer(&mut self, user: &UserName, attempt: Attempt) -> bool {
        let before = self.offers.len();
        self.offers.retain(|offer| offer.user != *user);
        let ended = self.offers.len() < before;
        if ended {
            self.tried.push((user.clone(), attempt));
        }
        ended
    }

    pub(super) fn offered_users(&self) -> Vec<UserName> {
        self.offers.iter().map(|offer| offer.user.clone()).collect()
    }

    pub(super) fn into_offers(self) -> Vec<Offer> {
        self.offers
    }

    /// What routing needs to know to go on.
    pub(super) fn progress(&self, cause: Cause) -> Progress {
        Progress {
            hours: self.hours.clone(),
            rule: self.rule,
            step: self.step,
            step_began: self.step_began,
            tried: self.tried.clone(),
            ringing: self.offered_users(),
            cause,
        }
    }

    /// What routing needs to know to go on with the next step.
    pub(super) fn progress_after_step(&self) -> Progress {
        Progress {
            step: self.step.saturating_add(1),
            tried: Vec::new(),
            ..self.progress(Cause::StepEnded)
        }
    }

    pub(super) fn describe(&self) -> String {
        let users: Vec<&str> = self.offers.iter().map(|offer| &*offer.user).collect();
        if users.is_empty() {
            "waits for somebody to become free".to_owned()
        } else {
            format!("ringing {}", users.join(", "))
        }
    }
}

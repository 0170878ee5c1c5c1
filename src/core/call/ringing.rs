//! The part of a call in which the caller hears ringing: whom it rings, and whom it has rung.

use std::time::Duration;

use super::event::LegKind;
use crate::core::id::LegId;
use crate::core::name::UserName;
use crate::core::routing::{Attempt, Cause, Decision, Progress, Ring};
use crate::core::snapshot::Strategy;
use crate::core::time::Now;

/// A step under way.
#[derive(Debug)]
pub struct Ringing {
    progress: Progress,
    offers: Vec<Offer>,
    progressive: bool,
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
    /// Begins with a first decision to ring or to wait; `None` for any other.
    pub(super) fn new(decision: &Decision, now: Now) -> Option<Ringing> {
        let progress = Progress::begin(decision, now)?;
        Some(Ringing {
            progress,
            offers: Vec::new(),
            progressive: false,
        })
    }

    /// Takes in a later decision to ring or to wait; true if it begins another step.
    pub(super) fn advance(&mut self, decision: &Decision, now: Now) -> bool {
        self.progress.advance(decision, now)
    }

    /// After how long the turn of those who ring ends, or one more is added; `None` where nothing
    /// happens until the step ends.
    pub(super) fn begin_turn(&mut self, ring: &Ring) -> Option<Duration> {
        self.progressive = ring.strategy == Strategy::Progressive;
        ring.ring_each.filter(|_| ring.more || !self.progressive)
    }

    pub(super) fn is_progressive(&self) -> bool {
        self.progressive
    }

    pub(super) fn begin_offer(&mut self, user: UserName) {
        self.offers.push(Offer {
            user,
            legs: Vec::new(),
            result: None,
        });
    }

    pub(super) fn legs_started(&mut self, user: &UserName, legs: Vec<(LegId, LegKind)>) {
        if let Some(offer) = self.offers.iter_mut().find(|offer| offer.user == *user) {
            offer
                .legs
                .extend(legs.into_iter().map(|(leg, kind)| LegState {
                    leg,
                    kind,
                    asked_to_accept: false,
                }));
        }
    }

    pub(super) fn leg_mut(&mut self, leg: LegId) -> Option<(&UserName, &mut LegState)> {
        self.offers.iter_mut().find_map(|offer| {
            let user = &offer.user;
            offer
                .legs
                .iter_mut()
                .find(|state| state.leg == leg)
                .map(|state| (user, state))
        })
    }

    /// Takes a leg out of its offer; answers whose offer it was.
    pub(super) fn leg_rejected(&mut self, leg: LegId, status: u16) -> Option<UserName> {
        let offer = self
            .offers
            .iter_mut()
            .find(|offer| offer.legs.iter().any(|one| one.leg == leg))?;
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
        offer
            .legs
            .is_empty()
            .then(|| offer.result.unwrap_or(Attempt::Unreachable))
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
        self.progress.offer_ended(user, attempt);
        self.offers.len() < before
    }

    pub(super) fn offered_users(&self) -> Vec<UserName> {
        self.offers.iter().map(|offer| offer.user.clone()).collect()
    }

    pub(super) fn into_offers(self) -> Vec<Offer> {
        self.offers
    }

    /// What routing needs to know to go on.
    pub(super) fn progress(&self, cause: Cause) -> Box<Progress> {
        Box::new(Progress {
            cause,
            ..self.progress.clone()
        })
    }

    /// The step's time is over: the next one is sought.
    pub(super) fn end_step(&mut self, now: Now) {
        self.progress.step_ended(now);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::routing::{Facts, Selection, route};
    use crate::core::sample::{at, call_to, channel, snapshot, step, user};

    #[test]
    fn the_time_of_each_step_counts_from_its_own_beginning() {
        let steps = ["anna", "bjorn"].map(|name| step(Strategy::RingAll, &[name], &[]));
        let people = vec![user("anna"), user("bjorn")];
        let snapshot = snapshot(people, vec![], vec![channel(steps.to_vec())]);
        let now = at("2026-12-02T09:00:00Z");
        let decide = |selection| {
            let request = call_to("main-line".into(), selection);
            route(&snapshot, &Facts::default(), &request, now)
        };
        let mut ringing = Ringing::new(&decide(Selection::First), now).unwrap();
        let waits = decide(Selection::Next(ringing.progress(Cause::BecameFree)));
        assert!(!ringing.advance(&waits, now), "goes on in its step");
        ringing.end_offer(&"anna".into(), Attempt::TimedOut);
        ringing.end_step(now);
        let next = decide(Selection::Next(ringing.progress(Cause::StepEnded)));
        assert!(ringing.advance(&next, now), "the second step begins");
        let waits = decide(Selection::Next(ringing.progress(Cause::BecameFree)));
        assert!(!ringing.advance(&waits, now), "and goes on");
    }
}

//! What a call waits for.

use std::collections::BTreeMap;

use crate::core::id::LegId;
use crate::core::time::Mono;

/// When to do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// When to cancel a leg that has not answered provisionally.
    GiveUpLeg(LegId),
    /// When to end the turn of the user who rings, or to add one.
    EndTurn,
    /// When to end the step.
    EndStep,
    /// When to send 180 again.
    RepeatRinging,
    /// When to ask again whether a side that is not heard still knows of the call.
    AskSilent,
    /// When to stop waiting for the voicemail's record.
    GiveUpPreparing,
    /// When to stop waiting for the recording's file.
    GiveUpCompleting,
}

/// The timers of one call; a handful at a time.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeMap<Timer, Mono>);

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Mono) {
        self.0.insert(timer, at);
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    pub(super) fn clear_all(&mut self) {
        self.0.clear();
    }

    /// The earliest; of two at the same instant the one named first.
    pub(super) fn next(&self) -> Option<(Timer, Mono)> {
        self.0
            .iter()
            .min_by_key(|(timer, at)| (**at, **timer))
            .map(|(timer, at)| (*timer, *at))
    }

    pub(super) fn take_due(&mut self, now: Mono) -> Option<Timer> {
        let (timer, at) = self.next()?;
        (at <= now).then(|| {
            self.0.remove(&timer);
            timer
        })
    }
}

//! The deliveries of one webhook: what waits, what is due, what is under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::{Action, Burial, Key, Name, Policy};
use crate::core::time::{Mono, Wall};

/// One webhook's deliveries.
#[derive(Default)]
pub(super) struct Line {
    pub configured: bool,
    pub stopped: bool,
    pub waiting: BTreeMap<u64, Waiting>,
    /// Those that are not under way, by when they are due.
    pub due: BTreeSet<(Mono, u64)>,
    pub octets: u64,
    pub under_way: usize,
    /// In a row, of the endpoint and not of one delivery.
    pub failures: u32,
    pub pause_until: Mono,
    pub last_turn: u64,
}

pub(super) struct Waiting {
    pub octets: u64,
    pub queued: Wall,
    pub attempts: u32,
    /// When it may be tried; `None`: it is under way.
    pub due: Option<Mono>,
}

impl Line {
    /// When it has something to send; `None`: not before something else happens.
    pub fn ready_at(&self, policy: &Policy) -> Option<Mono> {
        let most = if self.failures > 0 { 1 } else { policy.each };
        if self.stopped || !self.configured || self.under_way >= most {
            return None;
        }
        let (due, _) = self.due.first()?;
        Some((*due).max(self.pause_until))
    }

    pub fn begin(&mut self, turn: u64) -> Option<u64> {
        let (_, sequence) = self.due.pop_first()?;
        self.waiting.get_mut(&sequence)?.due = None;
        self.under_way = self.under_way.saturating_add(1);
        self.last_turn = turn;
        Some(sequence)
    }

    pub fn take_under_way(&mut self, sequence: u64) -> Option<Waiting> {
        if self.waiting.get(&sequence)?.due.is_some() {
            return None;
        }
        let waiting = self.waiting.remove(&sequence)?;
        self.octets = self.octets.saturating_sub(waiting.octets);
        self.under_way = self.under_way.saturating_sub(1);
        Some(waiting)
    }

    pub fn bring_forward(&mut self, now: Mono) {
        self.due.clear();
        for (sequence, waiting) in &mut self.waiting {
            if waiting.due.is_some() {
                waiting.due = Some(now);
                self.due.insert((now, *sequence));
            }
        }
    }

    /// Buries all that is not under way.
    pub fn bury_resting(&mut self, name: &Name, burial: Burial, actions: &mut VecDeque<Action>) {
        self.bury(name, burial, actions, |_| true);
    }

    /// Buries what has waited for too long behind others.
    pub fn bury_old(
        &mut self,
        name: &Name,
        give_up: Duration,
        now: Wall,
        actions: &mut VecDeque<Action>,
    ) {
        self.bury(name, Burial::GivenUp, actions, |waiting| {
            now.since(waiting.queued) >= give_up
        });
    }

    fn bury(
        &mut self,
        name: &Name,
        burial: Burial,
        actions: &mut VecDeque<Action>,
        which: impl Fn(&Waiting) -> bool,
    ) {
        let chosen: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.due.is_some() && which(waiting))
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in chosen {
            let Some(waiting) = self.waiting.remove(&sequence) else {
                continue;
            };
            self.octets = self.octets.saturating_sub(waiting.octets);
            if let Some(due) = waiting.due {
                self.due.remove(&(due, sequence));
            }
            actions.push_back(Action::Bury {
                key: Key {
                    webhook: name.clone(),
                    sequence,
                },
                attempts: waiting.attempts,
                burial,
            });
        }
    }
}

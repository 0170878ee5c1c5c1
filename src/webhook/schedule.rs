//! What is sent when: one machine over all webhooks. It knows deliveries by webhook and sequence
//! number and nothing of their contents.
//!
//! An endpoint that fails is left alone for a while, and then asked with one delivery alone: what
//! waits behind it costs nothing meanwhile, and one delivery that the endpoint cannot bear holds up
//! no other. Endpoints share the requests that may be under way fairly: whoever has the fewest goes
//! first.

mod line;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::core::id::RandomSource;
use crate::core::time::{Mono, Now, Wall};
use line::{Line, Waiting};

/// The name of a webhook.
pub type Name = Arc<str>;

/// When what, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The wait after the first failure; doubled by each further one in a row.
    pub first: Duration,
    /// At most, also where an endpoint asks for longer.
    pub longest: Duration,
    /// How long after it was queued a delivery is given up.
    pub give_up: Duration,
    /// Requests under way to one endpoint.
    pub each: usize,
    /// Requests under way in all.
    pub at_once: usize,
    /// Deliveries that wait for one endpoint.
    pub waiting: usize,
    /// Octets of them.
    pub octets: u64,
}

impl Default for Policy {
    /// Five seconds to an hour, for a day. Two requests at a time to one endpoint, so that sixteen
    /// slow ones leave room for others. 10,000 deliveries and 64 MiB waiting: a day of a busy house.
    fn default() -> Policy {
        Policy {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(60 * 60),
            give_up: Duration::from_secs(24 * 60 * 60),
            each: 2,
            at_once: 32,
            waiting: 10_000,
            octets: 64 * 1024 * 1024,
        }
    }
}

/// A delivery: the nth event for that webhook.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// For whom.
    pub webhook: Name,
    /// Counts from 1 for each webhook.
    pub sequence: u64,
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Taken (2xx).
    Accepted,
    /// The endpoint wants nothing any more (410).
    Gone,
    /// Anything else.
    Failed {
        /// The wait that the endpoint asks for.
        retry_after: Option<Duration>,
    },
}

/// Why a delivery is tried no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burial {
    /// It was tried for a day.
    GivenUp,
    /// The endpoint answered 410.
    Gone,
    /// The webhook is not in the configuration any more.
    Removed,
}

/// Why an event is not taken in for a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too much waits already.
    Full,
    /// The endpoint answered 410.
    Stopped,
    /// The configuration has no such webhook.
    Unknown,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make one attempt.
    Send(Key),
    /// It arrived: forget it.
    Forget(Key),
    /// It failed: note that on the disk.
    Note {
        /// The delivery.
        key: Key,
        /// Attempts so far.
        attempts: u32,
    },
    /// Put it with the dead letters.
    Bury {
        /// The delivery.
        key: Key,
        /// Attempts that were made.
        attempts: u32,
        /// Why.
        burial: Burial,
    },
    /// The endpoint began to fail.
    TellTrouble {
        /// Whose.
        webhook: Name,
        /// Until the next attempt.
        wait: Duration,
        /// Deliveries that wait.
        waiting: usize,
    },
    /// It works again.
    TellWorking(Name),
    /// It answered 410: nothing more is sent to it.
    TellStopped(Name),
}

/// The machine.
pub struct Schedule {
    policy: Policy,
    random: RandomSource,
    lines: BTreeMap<Name, Line>,
    under_way: usize,
    /// Rises with each attempt, so that endpoints take turns.
    turn: u64,
    actions: VecDeque<Action>,
}

/// How a webhook stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Deliveries that wait or are under way.
    pub waiting: usize,
    /// Failures in a row.
    pub failures: u32,
    /// It answered 410.
    pub stopped: bool,
}

/// How a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingStanding {
    /// Which.
    pub key: Key,
    /// Since when it has been tried.
    pub queued: Wall,
    /// Attempts so far.
    pub attempts: u32,
    /// Whether it is being sent now.
    pub under_way: bool,
}

impl Schedule {
    /// A machine without webhooks.
    pub fn new(policy: Policy, random: RandomSource) -> Schedule {
        Schedule {
            policy,
            random,
            lines: BTreeMap::new(),
            under_way: 0,
            turn: 0,
            actions: VecDeque::new(),
        }
    }

    /// These webhooks are configured from now on. Each is tried at once, whatever it did before; what
    /// waits for others is buried.
    pub fn handle_configured(&mut self, webhooks: &BTreeSet<Name>, now: Now) {
        for name in webhooks {
            self.lines.entry(name.clone()).or_default();
        }
        for (name, line) in &mut self.lines {
            line.configured = webhooks.contains(name);
            line.stopped = false;
            line.failures = 0;
            line.pause_until = Mono::ZERO;
            if line.configured {
                line.bring_forward(now.mono);
            } else {
                line.bury_resting(name, Burial::Removed, &mut self.actions);
            }
        }
        self.tidy();
        self.settle(now);
    }

    /// Whether another delivery of that size may wait.
    ///
    /// # Errors
    /// It may not.
    pub fn admits(&self, webhook: &Name, octets: u64) -> Result<(), Refusal> {
        let line = self.lines.get(webhook).filter(|line| line.configured);
        let line = line.ok_or(Refusal::Unknown)?;
        let full = line.waiting.len() >= self.policy.waiting
            || line.octets.saturating_add(octets) > self.policy.octets;
        match (line.stopped, full) {
            (true, _) => Err(Refusal::Stopped),
            (false, true) => Err(Refusal::Full),
            (false, false) => Ok(()),
        }
    }

    /// A delivery stands on the disk. One for a webhook that is not configured is buried.
    pub fn handle_queued(&mut self, key: Key, octets: u64, queued: Wall, attempts: u32, now: Now) {
        let line = self.lines.entry(key.webhook.clone()).or_default();
        if !line.configured {
            self.actions.push_back(Action::Bury {
                key: key.clone(),
                attempts,
                burial: Burial::Removed,
            });
            self.tidy();
            return;
        }
        let waiting = Waiting {
            octets,
            queued,
            attempts,
            due: Some(now.mono),
        };
        if line.waiting.insert(key.sequence, waiting).is_none() {
            line.octets = line.octets.saturating_add(octets);
            line.due.insert((now.mono, key.sequence));
        }
        self.settle(now);
    }

    /// An attempt is over.
    pub fn handle_attempted(&mut self, key: &Key, outcome: &Outcome, now: Now) {
        let Some(line) = self.lines.get_mut(&key.webhook) else {
            return;
        };
        let Some(mut waiting) = line.take_under_way(key.sequence) else {
            return;
        };
        self.under_way = self.under_way.saturating_sub(1);
        waiting.attempts = waiting.attempts.saturating_add(1);
        match outcome {
            Outcome::Accepted => self.accepted(key),
            Outcome::Gone => self.gone(key, waiting.attempts),
            Outcome::Failed { retry_after } => self.failed(key, waiting, *retry_after, now),
        }
        self.tidy();
        self.settle(now);
    }

    /// The endpoint is tried again although it answered 410 or is being left alone.
    pub fn handle_resumed(&mut self, webhook: &Name, now: Now) {
        if let Some(line) = self.lines.get_mut(webhook) {
            line.stopped = false;
            line.pause_until = Mono::ZERO;
        }
        self.settle(now);
    }

    /// Time came.
    pub fn handle_timeout(&mut self, now: Now) {
        self.settle(now);
    }

    /// What is to be done next; drain it until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When there is something to send, if nothing happens before.
    pub fn next_timeout(&self) -> Option<Mono> {
        if self.under_way >= self.policy.at_once {
            return None;
        }
        let lines = self.lines.values();
        lines.filter_map(|line| line.ready_at(&self.policy)).min()
    }

    /// How each webhook stands.
    pub fn standing(&self) -> BTreeMap<Name, Standing> {
        let lines = self.lines.iter().filter(|(_, line)| line.configured);
        lines
            .map(|(name, line)| {
                let standing = Standing {
                    waiting: line.waiting.len(),
                    failures: line.failures,
                    stopped: line.stopped,
                };
                (name.clone(), standing)
            })
            .collect()
    }

    /// Forgets webhooks that are not configured and have nothing under way.
    fn tidy(&mut self) {
        self.lines
            .retain(|_, line| line.configured || line.under_way > 0);
    }

    /// What waits or is under way, by webhook and sequence number.
    pub fn waiting(&self) -> Vec<WaitingStanding> {
        let lines = self.lines.iter();
        lines
            .flat_map(|(name, line)| {
                line.waiting.iter().map(|(sequence, one)| WaitingStanding {
                    key: Key {
                        webhook: name.clone(),
                        sequence: *sequence,
                    },
                    queued: one.queued,
                    attempts: one.attempts,
                    under_way: one.due.is_none(),
                })
            })
            .collect()
    }

    fn accepted(&mut self, key: &Key) {
        self.actions.push_back(Action::Forget(key.clone()));
        let Some(line) = self.lines.get_mut(&key.webhook) else {
            return;
        };
        line.pause_until = Mono::ZERO;
        if std::mem::take(&mut line.failures) > 0 && line.configured {
            self.actions
                .push_back(Action::TellWorking(key.webhook.clone()));
        }
    }

    fn gone(&mut self, key: &Key, attempts: u32) {
        self.actions.push_back(Action::Bury {
            key: key.clone(),
            attempts,
            burial: Burial::Gone,
        });
        let Some(line) = self.lines.get_mut(&key.webhook) else {
            return;
        };
        if !line.stopped && line.configured {
            self.actions
                .push_back(Action::TellStopped(key.webhook.clone()));
        }
        line.stopped = true;
        line.bury_resting(&key.webhook, Burial::Gone, &mut self.actions);
    }

    fn failed(&mut self, key: &Key, mut waiting: Waiting, asked: Option<Duration>, now: Now) {
        let attempts = waiting.attempts;
        let wait = self.wait(attempts, asked);
        let Some(line) = self.lines.get_mut(&key.webhook) else {
            return;
        };
        let give_up = self.policy.give_up;
        let burial = match () {
            () if !line.configured => Some(Burial::Removed),
            () if line.stopped => Some(Burial::Gone),
            () if now.wall.since(waiting.queued) >= give_up => Some(Burial::GivenUp),
            () => None,
        };
        let key = key.clone();
        if let Some(burial) = burial {
            self.actions.push_back(Action::Bury {
                key: key.clone(),
                attempts,
                burial,
            });
        } else {
            let due = now.mono + wait;
            waiting.due = Some(due);
            line.octets = line.octets.saturating_add(waiting.octets);
            line.due.insert((due, key.sequence));
            line.waiting.insert(key.sequence, waiting);
            let key = key.clone();
            self.actions.push_back(Action::Note { key, attempts });
        }
        line.bury_old(&key.webhook, give_up, now.wall, &mut self.actions);
        // What was under way together failed together: that is one failure of the endpoint.
        if now.mono >= line.pause_until && line.configured && !line.stopped {
            self.pause(&key.webhook, asked, now);
        }
    }

    fn pause(&mut self, webhook: &Name, asked: Option<Duration>, now: Now) {
        let Some(failures) = self.lines.get(webhook).map(|line| line.failures) else {
            return;
        };
        let failures = failures.saturating_add(1);
        let wait = self.wait(failures, asked);
        let Some(line) = self.lines.get_mut(webhook) else {
            return;
        };
        line.failures = failures;
        line.pause_until = now.mono + wait;
        if failures == 1 {
            self.actions.push_back(Action::TellTrouble {
                webhook: webhook.clone(),
                wait,
                waiting: line.waiting.len(),
            });
        }
    }

    /// Between half and all of the doubled time, so that what failed together does not come back
    /// together; never sooner than was asked for, up to the longest.
    fn wait(&mut self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        let whole = self.policy.first.saturating_mul(doubled);
        let half = whole.min(self.policy.longest) / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        let part = self.random.next_u64() % nanos.saturating_add(1);
        let wait = half + Duration::from_nanos(part);
        wait.max(asked.unwrap_or_default()).min(self.policy.longest)
    }

    /// Sends what may be sent.
    fn settle(&mut self, now: Now) {
        while self.under_way < self.policy.at_once {
            let ready = self.lines.iter().filter(|(_, line)| {
                let at = line.ready_at(&self.policy);
                at.is_some_and(|at| at <= now.mono)
            });
            let next = ready.min_by_key(|(_, line)| (line.under_way, line.last_turn));
            let Some(name) = next.map(|(name, _)| name.clone()) else {
                break;
            };
            self.turn = self.turn.saturating_add(1);
            let Some(line) = self.lines.get_mut(&name) else {
                break;
            };
            let Some(sequence) = line.begin(self.turn) else {
                break;
            };
            self.under_way = self.under_way.saturating_add(1);
            self.actions.push_back(Action::Send(Key {
                webhook: name,
                sequence,
            }));
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

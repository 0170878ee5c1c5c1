//! The timers of RFC 3261 (table 4) and RFC 6026 §8.

use std::time::Duration;

use crate::core::time::Mono;

/// The base values that all timers are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The estimated round-trip time.
    pub t1: Duration,
    /// The longest interval between retransmissions of non-INVITE requests and INVITE responses.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
}

impl Default for Timers {
    /// The RFC's: 500 ms, 4 s and 5 s.
    fn default() -> Timers {
        Timers {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl Timers {
    /// 64×T1: when every exchange is given up (timers B, F, H, J, L and M).
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// T1, or nothing to wait for where the transport is reliable.
    pub(super) fn retransmission(&self, reliable: bool, now: Mono) -> Option<Retransmission> {
        (!reliable).then(|| Retransmission {
            at: now + self.t1,
            interval: self.t1,
        })
    }
}

/// Why a transaction waits: the RFC's letter, and when to do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// When to send an INVITE again.
    A,
    /// When to give up an INVITE that nobody answered.
    B,
    /// When to forget an INVITE that was refused.
    D,
    /// When to send another request again.
    E,
    /// When to give up another request.
    F,
    /// When to send the refusal of an INVITE again.
    G,
    /// When to give up waiting for the ACK to a refusal.
    H,
    /// When to forget an INVITE whose refusal was acknowledged.
    I,
    /// When to forget another request that we answered.
    J,
    /// When to forget another request of ours that was answered.
    K,
    /// When to forget an INVITE that we accepted.
    L,
    /// When to forget an INVITE of ours that was accepted.
    M,
    /// When to give up an INVITE that we cancelled (RFC 3261 §9.1; it has no letter).
    Cancelled,
    /// When to forget another request that nobody here answered (RFC 4320 §4.2; it has no letter).
    Unanswered,
}

/// A message that is sent again and again: when next, and the interval that led there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retransmission {
    pub at: Mono,
    pub interval: Duration,
}

impl Retransmission {
    /// After a retransmission at `now`: twice the interval, at most `longest`.
    pub fn next(self, now: Mono, longest: Duration) -> Retransmission {
        let interval = self.interval.saturating_mul(2).min(longest);
        Retransmission {
            at: now + interval,
            interval,
        }
    }
}

/// The earlier of a retransmission and a deadline; the deadline where both are due at once.
pub(super) fn earlier(
    retransmit: Timer,
    retransmission: Option<Retransmission>,
    last: Timer,
    deadline: Mono,
) -> (Timer, Mono) {
    match retransmission {
        Some(again) if again.at < deadline => (retransmit, again.at),
        _ => (last, deadline),
    }
}

//! The non-INVITE server transaction: RFC 3261 §17.2.2.

use bytes::Bytes;

use super::output::ServerOutput;
use super::timers::{Timer, Timers};
use crate::core::time::Mono;

/// One request of theirs that is neither INVITE, ACK nor CANCEL.
#[derive(Debug)]
pub(super) struct ServerNonInvite {
    reliable: bool,
    timers: Timers,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No response yet: retransmissions are absorbed.
    Trying {
        give_up: Mono,
    },

    /// A provisional response went out; a retransmission gets it again.
    Proceeding {
        last: Bytes,
        give_up: Mono,
    },
    /// The final response went out; a retransmission gets it again.
    Completed {
        response: Bytes,
        until: Mono,
    },
    Terminated,
}

impl ServerNonInvite {
    /// A request that nobody has answered. Its sender gives up after 64×T1, and so does this side, in
    /// silence (RFC 4320 §4.2).
    pub fn new(reliable: bool, timers: Timers, now: Mono) -> ServerNonInvite {
        let give_up = now + timers.give_up();
        ServerNonInvite {
            reliable,
            timers,
            state: State::Trying { give_up },
        }
    }

    /// The request has come again.
    pub fn handle_retransmission(&self, out: &mut ServerOutput<'_>) {
        match &self.state {
            State::Proceeding { last: bytes, .. }
            | State::Completed {
                response: bytes, ..
            } => {
                out.transmit(bytes.clone());
            }
            State::Trying { .. } | State::Terminated => {}
        }
    }

    /// The transaction user answers with `bytes`, a response of this status.
    pub fn respond(&mut self, status: u16, bytes: Bytes, now: Mono, out: &mut ServerOutput<'_>) {
        match self.state {
            State::Trying { give_up } | State::Proceeding { give_up, .. } => {
                out.transmit(bytes.clone());
                self.state = if status < 200 {
                    State::Proceeding {
                        last: bytes,
                        give_up,
                    }
                } else if self.reliable {
                    State::Terminated
                } else {
                    State::Completed {
                        response: bytes,
                        until: now + self.timers.give_up(),
                    }
                };
            }
            State::Completed { .. } | State::Terminated => {}
        }
    }

    pub fn next_timeout(&self) -> Option<(Timer, Mono)> {
        match &self.state {
            State::Trying { give_up } | State::Proceeding { give_up, .. } => {
                Some((Timer::Unanswered, *give_up))
            }
            State::Completed { until, .. } => Some((Timer::J, *until)),
            State::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self) {
        self.state = State::Terminated;
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

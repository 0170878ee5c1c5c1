//! The INVITE server transaction: RFC 3261 §17.2.1 as changed by RFC 6026 §7.1 (Accepted).

use bytes::Bytes;

use super::output::ServerOutput;
use super::timers::{Retransmission, Timer, Timers, earlier};
use crate::core::time::Mono;

/// One INVITE of theirs.
#[derive(Debug)]
pub(super) struct ServerInvite {
    reliable: bool,
    timers: Timers,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No final response yet; a retransmitted INVITE gets the last provisional one again.
    Proceeding {
        last: Option<Bytes>,
        is_cancelled: bool,
    },
    /// Refused; the refusal is sent again until its ACK comes.
    Completed {
        response: Bytes,
        retransmission: Option<Retransmission>,
        give_up: Mono,
    },
    /// The refusal was acknowledged; further ACKs are absorbed.
    Confirmed {
        until: Mono,
    },
    /// Accepted; retransmitted INVITEs are absorbed, ACKs and further 2xx passed on.
    Accepted {
        until: Mono,
    },
    Terminated,
}

/// Whose an ACK is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AckFor {
    /// It acknowledges a refusal, or nothing at all: absorbed.
    Layer,
    /// It acknowledges a 2xx: the transaction user's.
    User,
}

impl ServerInvite {
    /// An INVITE that nobody has answered.
    pub fn new(reliable: bool, timers: Timers) -> ServerInvite {
        ServerInvite {
            reliable,
            timers,
            state: State::Proceeding {
                last: None,
                is_cancelled: false,
            },
        }
    }

    /// The INVITE has come again.
    pub fn handle_retransmission(&self, out: &mut ServerOutput<'_>) {
        match &self.state {
            State::Proceeding {
                last: Some(bytes), ..
            }
            | State::Completed {
                response: bytes, ..
            } => {
                out.transmit(bytes.clone());
            }
            State::Proceeding { last: None, .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// The transaction user answers with `bytes`, a response of this status.
    pub fn respond(&mut self, status: u16, bytes: Bytes, now: Mono, out: &mut ServerOutput<'_>) {
        match &mut self.state {
            State::Proceeding { last, .. } if status < 200 => {
                out.transmit(bytes.clone());
                *last = Some(bytes);
            }
            State::Proceeding { .. } if status < 300 => {
                out.transmit(bytes);
                self.state = State::Accepted {
                    until: now + self.timers.give_up(),
                };
            }
            State::Proceeding { .. } => {
                out.transmit(bytes.clone());
                self.state = State::Completed {
                    response: bytes,
                    retransmission: self.timers.retransmission(self.reliable, now),
                    give_up: now + self.timers.give_up(),
                };
            }
            State::Accepted { .. } if (200..300).contains(&status) => out.transmit(bytes),
            State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated => {}
        }
    }

    /// An ACK for this INVITE has come.
    pub fn handle_ack(&mut self, now: Mono) -> AckFor {
        match self.state {
            State::Completed { .. } => {
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Confirmed {
                        until: now + self.timers.t4,
                    }
                };
                AckFor::Layer
            }
            State::Accepted { .. } => AckFor::User,
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated => AckFor::Layer,
        }
    }

    /// The connection of the INVITE has closed and responses go elsewhere from now on.
    pub fn handle_rerouting(&self, out: &mut ServerOutput<'_>) {
        if let State::Completed { response, .. } = &self.state {
            out.transmit(response.clone());
        }
    }

    /// A CANCEL has come. True for the first one, if it is in time: before a final response.
    pub fn handle_cancel(&mut self) -> bool {
        match &mut self.state {
            State::Proceeding { is_cancelled, .. } => !std::mem::replace(is_cancelled, true),
            State::Completed { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => false,
        }
    }

    pub fn next_timeout(&self) -> Option<(Timer, Mono)> {
        match &self.state {
            State::Proceeding { .. } | State::Terminated => None,
            State::Completed {
                retransmission,
                give_up,
                ..
            } => Some(earlier(Timer::G, *retransmission, Timer::H, *give_up)),
            State::Confirmed { until } => Some((Timer::I, *until)),
            State::Accepted { until } => Some((Timer::L, *until)),
        }
    }

    pub fn handle_timeout(&mut self, timer: Timer, now: Mono, out: &mut ServerOutput<'_>) {
        match &mut self.state {
            State::Completed {
                response,
                retransmission,
                ..
            } if timer == Timer::G => {
                out.transmit(response.clone());
                *retransmission = retransmission.map(|again| again.next(now, self.timers.t2));
            }
            State::Completed { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => self.state = State::Terminated,
            State::Proceeding { .. } => {}
        }
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

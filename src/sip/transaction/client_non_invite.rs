//! The non-INVITE client transaction: RFC 3261 §17.1.2.

use bytes::Bytes;

use super::output::ClientOutput;
use super::timers::{Retransmission, Timer, Timers, earlier};
use crate::core::time::Mono;
use crate::sip::flow::Flow;
use crate::sip::message::Response;

/// One request of ours that is not an INVITE.
#[derive(Debug)]
pub(super) struct ClientNonInvite {
    reliable: bool,
    timers: Timers,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Sent; nothing has come back.
    Trying {
        bytes: Bytes,
        retransmission: Option<Retransmission>,
        give_up: Mono,
    },
    /// A provisional response has come.
    Proceeding {
        bytes: Bytes,
        retransmission: Option<Retransmission>,
        give_up: Mono,
    },
    /// The final response has come; its retransmissions are absorbed.
    Completed {
        until: Mono,
    },
    Terminated,
}

impl ClientNonInvite {
    /// Sends the request. Timers E (UDP only) and F start.
    pub fn start(
        bytes: Bytes,
        reliable: bool,
        timers: Timers,
        now: Mono,
        out: &mut ClientOutput<'_>,
    ) -> ClientNonInvite {
        out.transmit(bytes.clone());
        let retransmission = timers.retransmission(reliable, now);
        let give_up = now + timers.give_up();
        let state = State::Trying {
            bytes,
            retransmission,
            give_up,
        };
        ClientNonInvite {
            reliable,
            timers,
            state,
        }
    }

    /// A response that matches this transaction has come.
    pub fn handle_response(
        &mut self,
        response: Response,
        flow: Flow,
        now: Mono,
        out: &mut ClientOutput<'_>,
    ) {
        match std::mem::replace(&mut self.state, State::Terminated) {
            State::Trying {
                bytes,
                retransmission,
                give_up,
            }
            | State::Proceeding {
                bytes,
                retransmission,
                give_up,
            } => {
                self.state = if response.status < 200 {
                    State::Proceeding {
                        bytes,
                        retransmission,
                        give_up,
                    }
                } else if self.reliable {
                    State::Terminated
                } else {
                    State::Completed {
                        until: now + self.timers.t4,
                    }
                };
                out.deliver(response, flow);
            }
            absorbing @ (State::Completed { .. } | State::Terminated) => self.state = absorbing,
        }
    }

    /// The request could not be sent, or its connection has closed.
    pub fn handle_transport_error(&mut self, out: &mut ClientOutput<'_>) {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                self.state = State::Terminated;
                out.transport_failed();
            }
            State::Completed { .. } | State::Terminated => {}
        }
    }

    pub fn next_timeout(&self) -> Option<(Timer, Mono)> {
        match &self.state {
            State::Trying {
                retransmission,
                give_up,
                ..
            }
            | State::Proceeding {
                retransmission,
                give_up,
                ..
            } => Some(earlier(Timer::E, *retransmission, Timer::F, *give_up)),
            State::Completed { until } => Some((Timer::K, *until)),
            State::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, timer: Timer, now: Mono, out: &mut ClientOutput<'_>) {
        match &mut self.state {
            State::Trying {
                bytes,
                retransmission,
                ..
            } if timer == Timer::E => {
                out.transmit(bytes.clone());
                *retransmission = retransmission.map(|again| again.next(now, self.timers.t2));
            }
            State::Proceeding {
                bytes,
                retransmission,
                ..
            } if timer == Timer::E => {
                out.transmit(bytes.clone());
                let interval = self.timers.t2;
                *retransmission = Some(Retransmission {
                    at: now + interval,
                    interval,
                });
            }
            State::Trying { .. } | State::Proceeding { .. } => {
                self.state = State::Terminated;
                out.timed_out();
            }
            State::Completed { .. } | State::Terminated => self.state = State::Terminated,
        }
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

//! The INVITE client transaction: RFC 3261 §17.1.1 as changed by RFC 6026 §7.2 (Accepted), and the
//! CANCEL of §9.1.

use std::time::Duration;

use bytes::Bytes;

use super::output::ClientOutput;
use super::timers::{Retransmission, Timer, Timers, earlier};
use crate::core::time::Mono;
use crate::sip::flow::Flow;
use crate::sip::message::{Headers, Method, Request, Response};

/// Timer D over UDP: more than 32 s whatever T1 is (RFC 3261 §17.1.1.2), so that every
/// retransmission of the refusal still finds its ACK.
const TIMER_D: Duration = Duration::from_secs(32);

/// Max-Forwards of an ACK or a CANCEL made here (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: &str = "70";

/// One INVITE of ours.
#[derive(Debug)]
pub(super) struct ClientInvite {
    /// As sent: ACK and CANCEL repeat parts of it.
    request: Request,
    reliable: bool,
    timers: Timers,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Sent; nothing has come back.
    Calling {
        bytes: Bytes,
        retransmission: Option<Retransmission>,
        give_up: Mono,
        cancel: Cancel,
    },
    /// A provisional response has come.
    Proceeding {
        cancel: Cancel,
    },
    /// Refused; answers retransmissions of the refusal with the ACK.
    Completed {
        ack: Bytes,
        until: Mono,
    },
    /// Accepted; every further 2xx belongs to the transaction user.
    Accepted {
        until: Mono,
    },
    Terminated,
}

#[derive(Debug)]
enum Cancel {
    /// Nobody asked for it.
    No,
    /// Asked for, but no CANCEL may be sent yet, or it is just about to be taken.
    Wanted { reason: Option<String> },
    /// Sent. Without a final response by then, the INVITE is given up.
    Sent { give_up: Mono },
}

impl ClientInvite {
    /// Sends the INVITE. Timers A (UDP only) and B start.
    pub fn start(
        request: Request,
        bytes: Bytes,
        reliable: bool,
        timers: Timers,
        now: Mono,
        out: &mut ClientOutput<'_>,
    ) -> ClientInvite {
        out.transmit(bytes.clone());
        let state = State::Calling {
            bytes,
            retransmission: timers.retransmission(reliable, now),
            give_up: now + timers.give_up(),
            cancel: Cancel::No,
        };
        ClientInvite {
            request,
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
        match response.status {
            ..200 => self.handle_provisional(response, flow, out),
            200..300 => self.handle_success(response, flow, now, out),
            300.. => self.handle_refusal(response, flow, now, out),
        }
    }

    fn handle_provisional(&mut self, response: Response, flow: Flow, out: &mut ClientOutput<'_>) {
        match &mut self.state {
            State::Calling { cancel, .. } => {
                let cancel = std::mem::replace(cancel, Cancel::No);
                self.state = State::Proceeding { cancel };
                out.deliver(response, flow);
            }
            State::Proceeding { .. } => out.deliver(response, flow),
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    fn handle_success(
        &mut self,
        response: Response,
        flow: Flow,
        now: Mono,
        out: &mut ClientOutput<'_>,
    ) {
        match self.state {
            State::Calling { .. } | State::Proceeding { .. } => {
                self.state = State::Accepted {
                    until: now + self.timers.give_up(),
                };
                out.deliver(response, flow);
            }
            State::Accepted { .. } => out.deliver(response, flow),
            State::Completed { .. } | State::Terminated => {}
        }
    }

    fn handle_refusal(
        &mut self,
        response: Response,
        flow: Flow,
        now: Mono,
        out: &mut ClientOutput<'_>,
    ) {
        match &self.state {
            State::Calling { .. } | State::Proceeding { .. } => {
                let ack = self.ack(&response).to_bytes();
                out.transmit(ack.clone());
                out.deliver(response, flow);
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Completed {
                        ack,
                        until: now + TIMER_D,
                    }
                };
            }
            State::Completed { ack, .. } => out.transmit(ack.clone()),
            State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// Whoever sent the INVITE wants it no more. Does nothing after a final response.
    pub fn cancel(&mut self, reason: Option<&str>) {
        match &mut self.state {
            State::Calling {
                cancel: cancel @ Cancel::No,
                ..
            }
            | State::Proceeding {
                cancel: cancel @ Cancel::No,
            } => {
                *cancel = Cancel::Wanted {
                    reason: reason.map(str::to_owned),
                };
            }
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => {}
        }
    }

    /// The CANCEL, once, if one is wanted and may be sent now: after the first provisional response
    /// and before a final one.
    pub fn take_cancel(&mut self, now: Mono) -> Option<Request> {
        let State::Proceeding { cancel } = &mut self.state else {
            return None;
        };
        if !matches!(cancel, Cancel::Wanted { .. }) {
            return None;
        }
        let sent = Cancel::Sent {
            give_up: now + self.timers.give_up(),
        };
        let Cancel::Wanted { reason } = std::mem::replace(cancel, sent) else {
            return None;
        };
        let mut cancel = self.companion(Method::Cancel, &self.request.headers);
        if let Some(reason) = reason {
            cancel.headers.push("Reason", reason);
        }
        Some(cancel)
    }

    /// The INVITE could not be sent, or its connection has closed.
    pub fn handle_transport_error(&mut self, out: &mut ClientOutput<'_>) {
        match self.state {
            State::Calling { .. } => {
                self.state = State::Terminated;
                out.transport_failed();
            }
            // A final response may still come, over a connection that the other side opens.
            State::Proceeding { .. } | State::Accepted { .. } => {}
            State::Completed { .. } | State::Terminated => self.state = State::Terminated,
        }
    }

    pub fn next_timeout(&self) -> Option<(Timer, Mono)> {
        match &self.state {
            State::Calling {
                retransmission,
                give_up,
                ..
            } => Some(earlier(Timer::A, *retransmission, Timer::B, *give_up)),
            State::Proceeding {
                cancel: Cancel::Sent { give_up },
            } => Some((Timer::Cancelled, *give_up)),
            State::Proceeding {
                cancel: Cancel::No | Cancel::Wanted { .. },
            } => None,
            State::Completed { until, .. } => Some((Timer::D, *until)),
            State::Accepted { until } => Some((Timer::M, *until)),
            State::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, timer: Timer, now: Mono, out: &mut ClientOutput<'_>) {
        match &mut self.state {
            State::Calling {
                bytes,
                retransmission,
                ..
            } if timer == Timer::A => {
                out.transmit(bytes.clone());
                *retransmission = retransmission.map(|again| again.next(now, Duration::MAX));
            }
            State::Calling { .. } | State::Proceeding { .. } => {
                self.state = State::Terminated;
                out.timed_out();
            }
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => {
                self.state = State::Terminated;
            }
        }
    }

    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// The ACK to a refusal (RFC 3261 §17.1.1.3).
    fn ack(&self, refusal: &Response) -> Request {
        self.companion(Method::Ack, &refusal.headers)
    }

    /// A request that travels with the INVITE: same Request-URI, Via, From, Call-ID, number and Route.
    fn companion(&self, method: Method, with_to: &Headers) -> Request {
        let invite = &self.request.headers;
        let mut headers = Headers::default();
        if let Some(via) = invite.values("Via").next() {
            headers.push("Via", via);
        }
        headers.copy(invite, "Route");
        headers.push("Max-Forwards", MAX_FORWARDS);
        headers.copy(invite, "From");
        headers.copy(with_to, "To");
        headers.copy(invite, "Call-ID");
        let number = invite.cseq().map_or(0, |cseq| cseq.number);
        headers.push("CSeq", format_args!("{number} {method}"));
        Request {
            method,
            uri: self.request.uri.clone(),
            headers,
            body: Bytes::new(),
        }
    }
}

//! Legs that call us (RFC 3261 §13.3).

use std::net::SocketAddr;

use crate::core::id::LegId;
use crate::core::snapshot::Protocol;
use crate::core::time::Mono;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::message::{Host, Request, Response};
use crate::sip::transaction::{ServerKey, Timers};
use crate::sip::user_agent::event::{Body, EndReason, Event, NextHop};
use crate::sip::user_agent::leg::{
    Abandoned, Called, Established, Exchange, Leg, Phase, Unacknowledged,
};
use crate::sip::user_agent::line::Line;
use crate::sip::user_agent::stack::{Stack, push_capabilities};
use crate::sip::user_agent::{UserAgent, content};

/// An INVITE that was reported and is no leg yet.
pub(super) struct Incoming {
    invite: Request,
    dialog: Dialog,
    flow: Flow,
    has_offer: bool,
    is_cancelled: bool,
}

impl UserAgent {
    /// Makes a leg of an INVITE that was reported as `Incoming`. `sent_by` is our address as the
    /// caller sees it; with `contact_user` it makes our Contact.
    pub fn accept_leg(
        &mut self,
        key: ServerKey,
        leg: LegId,
        sent_by: SocketAddr,
        contact_user: &str,
        now: Mono,
    ) {
        let Some(incoming) = self.incoming.remove(&key) else {
            return;
        };
        let next_hop = next_hop_to(&incoming.invite, incoming.flow);
        let line = Line::new(incoming.flow, sent_by, contact_user, next_hop);
        let tag = incoming.dialog.id().local_tag.clone();
        let called = Called {
            key,
            invite: incoming.invite,
            dialog: incoming.dialog,
            has_offer: incoming.has_offer,
        };
        let mut new = Leg::new(leg, tag, line, Phase::Called(Box::new(called)));
        self.stack.servers.insert(key, leg);
        if incoming.is_cancelled {
            new.handle_cancelled(&mut self.stack, key, now);
        }
        self.insert(new, now);
    }

    /// Answers an INVITE that was reported as `Incoming` and shall be no leg.
    pub fn refuse(&mut self, key: ServerKey, status: u16, headers: &[(String, String)], now: Mono) {
        if let Some(incoming) = self.incoming.remove(&key) {
            let status = if incoming.is_cancelled { 487 } else { status };
            let response = refusal(&incoming.invite, &incoming.dialog, status, headers);
            self.stack.respond(key, response, now);
            self.drain(now);
        }
    }

    /// Sends a provisional response with this status, 101 to 199, without a body.
    pub fn provisional(&mut self, leg: LegId, status: u16, now: Mono) {
        self.with_leg(leg, now, |leg, stack| {
            if let Phase::Called(called) = &leg.phase {
                let mut response = answer_to(&called.invite, &called.dialog, status);
                response.headers.push("Contact", &leg.line.contact);
                stack.respond(called.key, response, now);
            }
        });
    }

    /// Answers the call with 200, sent again until its ACK comes: `Acknowledged`. Without an ACK in
    /// 64×T1: BYE and `Ended`.
    ///
    /// `body` is the answer to the INVITE's offer, or the offer where it had none.
    pub fn answer(&mut self, leg: LegId, headers: &[(String, String)], body: &Body, now: Mono) {
        self.with_leg(leg, now, |leg, stack| {
            leg.answer(stack, headers, body, now);
        });
    }

    /// Refuses the call. Leads to `Ended` at once.
    pub fn reject(&mut self, leg: LegId, status: u16, headers: &[(String, String)], now: Mono) {
        self.with_leg(leg, now, |leg, stack| {
            leg.reject(stack, status, headers, now);
        });
    }

    /// An INVITE outside dialogs has come.
    pub(super) fn handle_invite(
        &mut self,
        key: ServerKey,
        request: Request,
        flow: Flow,
        now: Mono,
    ) {
        let offer = match content::of_request(&request) {
            Ok(offer) => offer,
            Err(refusal) => return self.stack.respond(key, *refusal, now),
        };
        let dialog = match Dialog::of_callee(&request, self.stack.random.token()) {
            Ok(dialog) => dialog,
            Err(problem) => {
                let refusal = request.response(400).with_reason(&problem.to_string());
                return self.stack.respond(key, refusal, now);
            }
        };
        let incoming = Incoming {
            invite: request.clone(),
            dialog,
            flow,
            has_offer: offer.is_some(),
            is_cancelled: false,
        };
        self.incoming.insert(key, incoming);
        self.stack.events.push_back(Event::Incoming {
            key,
            request,
            offer,
            flow,
        });
    }

    /// CANCEL came for this INVITE, and has been answered.
    pub(super) fn handle_cancelled(&mut self, key: ServerKey, now: Mono) {
        if let Some(incoming) = self.incoming.get_mut(&key) {
            incoming.is_cancelled = true;
        } else if let Some(leg) = self.stack.servers.get(&key).copied() {
            self.in_leg(leg, |leg, stack| leg.handle_cancelled(stack, key, now));
        }
    }
}

impl Leg {
    /// Refuses an INVITE that nobody has answered.
    pub fn reject(
        &mut self,
        stack: &mut Stack,
        status: u16,
        headers: &[(String, String)],
        now: Mono,
    ) {
        if let Phase::Called(called) = &self.phase {
            let response = refusal(&called.invite, &called.dialog, status, headers);
            stack.respond(called.key, response, now);
            self.phase = Phase::Over;
            self.tell_ended_here(stack);
        }
    }

    fn answer(&mut self, stack: &mut Stack, headers: &[(String, String)], body: &Body, now: Mono) {
        let called = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Called(called) => *called,
            phase => return self.phase = phase,
        };
        let mut response = answer_to(&called.invite, &called.dialog, 200);
        response.headers.push("Contact", &self.line.contact);
        push_capabilities(&mut response.headers);
        for (name, value) in headers {
            response.headers.push(name, value);
        }
        stack.sign(&mut response);
        let response = response.with_body(&body.content_type, body.bytes.clone());
        let cseq = called.invite.headers.cseq().map_or(0, |cseq| cseq.number);
        let timers = stack.config.timers;
        let mut established = Established::new(called.dialog, false);
        established.unacknowledged = Some(Unacknowledged {
            is_first: true,
            ..Unacknowledged::new(
                called.key,
                cseq,
                response.clone(),
                !called.has_offer,
                timers,
                now,
            )
        });
        self.phase = Phase::Established(Box::new(established));
        stack.deliver(called.key, response, now);
    }

    /// CANCEL came for an INVITE that has no final response.
    pub fn handle_cancelled(&mut self, stack: &mut Stack, key: ServerKey, now: Mono) {
        match &mut self.phase {
            Phase::Called(_) => self.end_called(stack, None, now),
            Phase::Established(established) => {
                if let Exchange::Theirs(theirs) = &established.exchange
                    && theirs.key == key
                {
                    stack.reply(key, &theirs.request, 487, now);
                    established.exchange = Exchange::Nobody;
                }
            }
            Phase::Calling(_) | Phase::Leaving(_) | Phase::Over => {}
        }
    }

    /// The caller gave up: by CANCEL, or by BYE in the early dialog.
    pub fn end_called(&mut self, stack: &mut Stack, reason: Option<String>, now: Mono) {
        if let Phase::Called(called) = &self.phase {
            let response = answer_to(&called.invite, &called.dialog, 487);
            stack.respond(called.key, response, now);
            self.phase = Phase::Over;
            let leg = self.id;
            self.tell_last(stack, Event::Cancelled { leg, reason });
        }
    }

    /// An ACK came that is for a 2xx.
    pub fn handle_ack(&mut self, stack: &mut Stack, ack: &Request, now: Mono) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        let tag = ack.headers.from_tag().unwrap_or_default();
        let call_id = ack.headers.call_id().unwrap_or_default();
        let is_awaited = established.unacknowledged.as_ref().is_some_and(|answer| {
            ack.headers
                .cseq()
                .is_ok_and(|cseq| cseq.number == answer.cseq)
        });
        if !is_awaited || !established.dialog.is(call_id, tag) {
            return;
        }
        let Some(answer) = established.unacknowledged.take() else {
            return;
        };
        if let Some(Abandoned { reason }) = established.leaving.take() {
            return self.leave(stack, reason, now);
        }
        let body = content::of_message(&ack.headers, &ack.body).filter(|_| answer.holds_offer);
        let leg = self.id;
        self.tell(stack, Event::Acknowledged { leg, body });
        self.offer_next(stack, now);
    }

    /// Sends a 2xx again whose ACK has not come, or gives it up.
    pub fn repeat_answer(&mut self, stack: &mut Stack, now: Mono) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        let Some(answer) = &mut established.unacknowledged else {
            return;
        };
        if answer.give_up_at <= now {
            let reason = established
                .leaving
                .take()
                .and_then(|leaving| leaving.reason);
            let leg = self.id;
            let why = EndReason::NoAck;
            self.tell_last(stack, Event::Ended { leg, why });
            return self.leave(stack, reason, now);
        }
        if answer.resend_at <= now {
            answer.interval = answer
                .interval
                .saturating_mul(2)
                .min(stack.config.timers.t2);
            answer.resend_at = now + answer.interval;
            let (key, response) = (answer.key, answer.response.clone());
            stack.transactions.respond(&key, response, now);
        }
    }
}

impl Unacknowledged {
    pub fn new(
        key: ServerKey,
        cseq: u32,
        response: Response,
        holds_offer: bool,
        timers: Timers,
        now: Mono,
    ) -> Unacknowledged {
        Unacknowledged {
            key,
            cseq,
            response,
            holds_offer,
            is_first: false,
            interval: timers.t1,
            resend_at: now + timers.t1,
            give_up_at: now + timers.give_up(),
        }
    }
}

/// A response that makes or ends the dialog: with our tag and, where it makes one, Record-Route
/// (RFC 3261 §12.1.1).
fn answer_to(invite: &Request, dialog: &Dialog, status: u16) -> Response {
    let mut response = invite.response(status);
    response.headers.replace("To", dialog.identities().0);
    if status < 300 {
        response.headers.copy(&invite.headers, "Record-Route");
    }
    response
}

fn refusal(
    invite: &Request,
    dialog: &Dialog,
    status: u16,
    headers: &[(String, String)],
) -> Response {
    let mut response = answer_to(invite, dialog, status);
    for (name, value) in headers {
        response.headers.push(name, value);
    }
    response
}

/// A caller whose Via does not name the address that it calls from sits behind a NAT, and is
/// reached over the flow alone.
fn next_hop_to(invite: &Request, flow: Flow) -> NextHop {
    let Ok(via) = invite.headers.top_via() else {
        return NextHop::Flow;
    };
    let port = via.port.unwrap_or(5060);
    let is_direct = via.host == Host::Ip(flow.remote.ip())
        && (flow.protocol == Protocol::Tcp || port == flow.remote.port());
    if is_direct {
        NextHop::Target
    } else {
        NextHop::Flow
    }
}

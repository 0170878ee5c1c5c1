//! Requests inside dialogs, in both directions (RFC 3261 §12.2), and the end of a dialog (§15).

use crate::core::id::LegId;
use crate::core::time::Mono;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Flow;
use crate::sip::message::{ACCEPT, Method, Request};
use crate::sip::transaction::ServerKey;
use crate::sip::user_agent::UserAgent;
use crate::sip::user_agent::challenge::Answers;
use crate::sip::user_agent::event::{EndReason, Event};
use crate::sip::user_agent::leg::{Abandoned, Exchange, Leaving, Leg, Outcome, Phase};
use crate::sip::user_agent::stack::{Purpose, Stack, push_capabilities};

impl UserAgent {
    /// Ends a leg, whatever its state: BYE where it was answered (after the ACK to our 200 or its
    /// timeout, RFC 3261 §15), CANCEL where our INVITE is under way, 480 where theirs is. `reason` is
    /// a value of Reason (RFC 3326). Leads to `Ended` at once; what is left to do is done unseen.
    pub fn hang_up(&mut self, leg: LegId, reason: Option<&str>, now: Mono) {
        self.with_leg(leg, now, |leg, stack| leg.hang_up(stack, reason, now));
    }

    /// Asks with OPTIONS inside the dialog whether the other side still has it: `Pinged`.
    pub fn ping(&mut self, leg: LegId, now: Mono) {
        self.with_leg(leg, now, |leg, stack| leg.ping(stack, now));
    }
}

impl Leg {
    fn hang_up(&mut self, stack: &mut Stack, reason: Option<&str>, now: Mono) {
        let abandoned = Abandoned {
            reason: reason.map(str::to_owned),
        };
        match &mut self.phase {
            Phase::Calling(_) => self.abandon(stack, reason, now),
            Phase::Called(_) => {
                let headers: Vec<(String, String)> = reason
                    .iter()
                    .map(|reason| ("Reason".to_owned(), (*reason).to_owned()))
                    .collect();
                self.reject(stack, 480, &headers, now);
            }
            Phase::Established(established) => {
                let waits_for_ack = established
                    .unacknowledged
                    .as_ref()
                    .is_some_and(|answer| answer.is_first);
                if !waits_for_ack {
                    self.leave(stack, abandoned.reason, now);
                } else if established.leaving.is_none() {
                    established.leaving = Some(abandoned);
                }
                self.tell_ended_here(stack);
            }
            Phase::Leaving(_) | Phase::Over => {}
        }
    }

    /// Sends BYE in the dialog that the leg is, and drops what else went on there.
    pub fn leave(&mut self, stack: &mut Stack, reason: Option<String>, now: Mono) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Established(established) => {
                drop_exchange(stack, &established.exchange, now);
                self.say_bye(stack, established.dialog, reason, now);
            }
            phase => self.phase = phase,
        }
    }

    /// Sends BYE in `dialog`, which becomes the leg's last.
    pub fn say_bye(
        &mut self,
        stack: &mut Stack,
        dialog: Dialog,
        reason: Option<String>,
        now: Mono,
    ) {
        let mut leaving = Leaving {
            dialog,
            reason,
            answers: Answers::default(),
        };
        let bye = leaving.bye();
        let key = self.line.send(stack, bye, &leaving.dialog, now);
        self.phase = Phase::Leaving(Box::new(leaving));
        self.expect(stack, key, Purpose::Bye);
    }

    pub fn handle_bye_outcome(&mut self, stack: &mut Stack, outcome: &Outcome, now: Mono) {
        let Phase::Leaving(leaving) = &mut self.phase else {
            return;
        };
        if outcome.is_provisional() {
            return;
        }
        if let Outcome::Response(response) = outcome {
            let mut bye = leaving.bye();
            let credentials = self.line.credentials.as_ref();
            if leaving
                .answers
                .add(response, credentials, &bye, &mut stack.random)
            {
                leaving.answers.push_to(&mut bye.headers);
                let key = self.line.send(stack, bye, &leaving.dialog, now);
                return self.expect(stack, key, Purpose::Bye);
            }
        }
        self.end_dialog();
    }

    /// The dialog is over; it is known until the 2xx to its INVITE cannot come again.
    fn end_dialog(&mut self) {
        let dialog = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Established(established) => established.dialog,
            Phase::Leaving(leaving) => leaving.dialog,
            phase @ (Phase::Calling(_) | Phase::Called(_) | Phase::Over) => {
                self.phase = phase;
                return;
            }
        };
        if !self.owed.is_empty() {
            self.ended.push(dialog);
        }
    }

    /// The other side answered a request inside the dialog in a way that ends it.
    pub fn fail(&mut self, stack: &mut Stack, status: u16, now: Mono) {
        let leg = self.id;
        let why = EndReason::Failed { status };
        self.tell_last(stack, Event::Ended { leg, why });
        self.leave(stack, None, now);
    }

    fn ping(&mut self, stack: &mut Stack, now: Mono) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        if established.pinging || established.leaving.is_some() {
            return;
        }
        established.pinging = true;
        let mut request = established.dialog.request(Method::Options);
        request.headers.push("Accept", ACCEPT);
        let key = self.line.send(stack, request, &established.dialog, now);
        self.expect(stack, key, Purpose::Ping);
    }

    pub fn handle_ping_outcome(&mut self, stack: &mut Stack, outcome: &Outcome) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        if outcome.is_provisional() {
            return;
        }
        established.pinging = false;
        let alive = match outcome {
            Outcome::Response(response) => !matches!(response.status, 408 | 481),
            Outcome::TimedOut | Outcome::TransportFailed => false,
        };
        let leg = self.id;
        self.tell(stack, Event::Pinged { leg, alive });
    }

    /// A request with our tag in To has come.
    pub fn handle_request(
        &mut self,
        stack: &mut Stack,
        key: ServerKey,
        request: Request,
        flow: Flow,
        now: Mono,
    ) {
        let Some(dialog) = self.dialog_of(&request) else {
            return stack.reply(key, &request, 481, now);
        };
        let in_order = request
            .headers
            .cseq()
            .is_ok_and(|cseq| dialog.receive(cseq.number).is_ok());
        if !in_order {
            return stack.reply(key, &request, 500, now);
        }
        self.line.follow(flow);
        match request.method {
            Method::Bye => self.handle_bye(stack, key, &request, now),
            Method::Invite | Method::Update => self.handle_offer(stack, key, request, now),
            Method::Options => self.handle_options(stack, key, &request, now),
            Method::Info => self.handle_info(stack, key, &request, now),
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Prack
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish
            | Method::Other(_) => stack.reply(key, &request, 481, now),
        }
    }

    /// The dialog that a request belongs to, among those that the leg knows.
    pub fn dialog_of(&mut self, request: &Request) -> Option<&mut Dialog> {
        let tag = request.headers.from_tag().unwrap_or_default();
        let call_id = request.headers.call_id().ok()?;
        let early: &mut [Dialog] = match &mut self.phase {
            Phase::Calling(calling) => &mut calling.early,
            Phase::Called(called) => std::slice::from_mut(&mut called.dialog),
            Phase::Established(established) => std::slice::from_mut(&mut established.dialog),
            Phase::Leaving(leaving) => std::slice::from_mut(&mut leaving.dialog),
            Phase::Over => &mut [],
        };
        early
            .iter_mut()
            .chain(&mut self.ended)
            .find(|dialog| dialog.is(call_id, tag))
    }

    /// BYE is answered with 200 whatever was going on; requests of theirs that wait for us get 487
    /// (RFC 3261 §15.1.2).
    fn handle_bye(&mut self, stack: &mut Stack, key: ServerKey, bye: &Request, now: Mono) {
        stack.reply(key, bye, 200, now);
        let reason = bye.headers.value("Reason").map(str::to_owned);
        let tag = bye.headers.from_tag().unwrap_or_default();
        match &mut self.phase {
            Phase::Calling(calling) => {
                calling.early.retain(|dialog| dialog.id().remote_tag != tag);
            }
            Phase::Called(_) => self.end_called(stack, reason, now),
            Phase::Established(established) if established.dialog.id().remote_tag == tag => {
                drop_exchange(stack, &established.exchange, now);
                self.end_dialog();
                let leg = self.id;
                let why = EndReason::HungUpThere { reason };
                self.tell_last(stack, Event::Ended { leg, why });
            }
            Phase::Established(_) | Phase::Leaving(_) | Phase::Over => {}
        }
    }

    fn handle_options(&self, stack: &mut Stack, key: ServerKey, request: &Request, now: Mono) {
        let mut response = request.response(200);
        response.headers.push("Contact", &self.line.contact);
        push_capabilities(&mut response.headers);
        stack.respond(key, response, now);
    }

    /// No info package is known (RFC 6086 §4.2.2), and no body of one: an empty INFO asks whether
    /// the dialog lives.
    fn handle_info(&self, stack: &mut Stack, key: ServerKey, request: &Request, now: Mono) {
        let response = if request.headers.contains("Info-Package") {
            request.response(469).with_header("Recv-Info", "")
        } else if !request.body.is_empty() {
            request.response(415).with_header("Accept", ACCEPT)
        } else {
            request.response(200)
        };
        stack.respond(key, response, now);
    }
}

impl Leaving {
    fn bye(&mut self) -> Request {
        let mut bye = self.dialog.request(Method::Bye);
        if let Some(reason) = &self.reason {
            bye.headers.push("Reason", reason);
        }
        bye
    }
}

/// The dialog ends while a session was being offered.
fn drop_exchange(stack: &mut Stack, exchange: &Exchange, now: Mono) {
    match exchange {
        Exchange::Nobody => {}
        Exchange::Theirs(theirs) => stack.reply(theirs.key, &theirs.request, 487, now),
        Exchange::Ours(ours) => stack.transactions.cancel(&ours.key, None, now),
    }
}

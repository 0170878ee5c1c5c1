//! Offers inside a dialog: re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311).

use std::time::Duration;

use crate::core::id::{LegId, RandomSource};
use crate::core::time::Mono;
use crate::sip::dialog::Dialog;
use crate::sip::message::{Method, Request, Response};
use crate::sip::transaction::{ClientKey, ServerKey};
use crate::sip::user_agent::challenge::Answers;
use crate::sip::user_agent::event::{Body, Event};
use crate::sip::user_agent::leg::{
    Established, Exchange, Leg, Ours, Outcome, Phase, Queued, Theirs, Unacknowledged,
};
use crate::sip::user_agent::stack::{Purpose, Stack, push_capabilities};
use crate::sip::user_agent::{UserAgent, content};

/// An offer of ours that met one of theirs this often is given up: two sides that keep colliding
/// for half a minute do so for another reason than chance.
const MAX_COLLISIONS: u32 = 10;

impl UserAgent {
    /// Offers another session with a re-INVITE; leads to `OfferAnswered` or `OfferRejected`. Where an
    /// exchange is under way, or one crosses it (491), the offer waits for its turn; a second one
    /// that comes meanwhile takes the place of the first.
    pub fn offer(&mut self, leg: LegId, body: Body, now: Mono) {
        self.with_leg(leg, now, |leg, stack| {
            if let Phase::Established(established) = &mut leg.phase {
                established.queued = Some(Queued {
                    body,
                    collisions: 0,
                    at: now,
                });
                leg.offer_next(stack, now);
            }
        });
    }

    /// Answers what `Offered` reported: with our answer (our offer, where theirs was `None`), or with
    /// a refusal such as 488.
    pub fn answer_offer(&mut self, leg: LegId, result: Result<Body, u16>, now: Mono) {
        self.with_leg(leg, now, |leg, stack| {
            leg.answer_offer(stack, result, now);
            leg.offer_next(stack, now);
        });
    }
}

impl Leg {
    /// Sends the re-INVITE that waits, once nothing else is under way.
    pub fn offer_next(&mut self, stack: &mut Stack, now: Mono) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        if !established.may_offer() {
            return;
        }
        let Some(queued) = established.queued.take_if(|queued| queued.at <= now) else {
            return;
        };
        self.send_offer(stack, queued.body, queued.collisions, now);
    }

    fn send_offer(&mut self, stack: &mut Stack, body: Body, collisions: u32, now: Mono) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        let request = offer_request(&mut established.dialog, &self.line.contact, &body);
        let cseq = established.dialog.local_cseq();
        let key = self.line.send(stack, request, &established.dialog, now);
        established.exchange = Exchange::Ours(Ours {
            key,
            cseq,
            body,
            collisions,
            answers: Answers::default(),
        });
        self.expect(stack, key, Purpose::Offer);
    }

    pub fn handle_offer_outcome(
        &mut self,
        stack: &mut Stack,
        key: ClientKey,
        outcome: Outcome,
        now: Mono,
    ) {
        match outcome {
            outcome if outcome.is_provisional() => {}
            Outcome::Response(response) if response.is_success() => {
                self.handle_offer_success(stack, key, &response, now);
            }
            outcome => self.handle_offer_failure(stack, key, &outcome, now),
        }
    }

    fn handle_offer_success(
        &mut self,
        stack: &mut Stack,
        key: ClientKey,
        response: &Response,
        now: Mono,
    ) {
        if let Some(owed) = self.owed.iter().find(|owed| owed.key == key) {
            if let Some(dialog) = self.dialog().or(self.ended.last()) {
                self.line
                    .acknowledge(stack, dialog, owed.cseq, &owed.answers);
            }
            return;
        }
        match &mut self.phase {
            Phase::Established(established) => {
                let exchange = std::mem::replace(&mut established.exchange, Exchange::Nobody);
                let ours = match exchange {
                    Exchange::Ours(ours) if ours.key == key => ours,
                    exchange => return established.exchange = exchange,
                };
                established.dialog.refresh_target(&response.headers);
                self.line
                    .acknowledge(stack, &established.dialog, ours.cseq, &ours.answers);
                self.owe(stack, key, ours.cseq, ours.answers, now);
                let leg = self.id;
                let body = content::of_message(&response.headers, &response.body);
                self.tell(stack, Event::OfferAnswered { leg, body });
                self.offer_next(stack, now);
            }
            Phase::Leaving(leaving) => {
                let cseq = response.headers.cseq().map_or(0, |cseq| cseq.number);
                self.line
                    .acknowledge(stack, &leaving.dialog, cseq, &Answers::default());
                self.owe(stack, key, cseq, Answers::default(), now);
            }
            Phase::Calling(_) | Phase::Called(_) | Phase::Over => {}
        }
    }

    fn handle_offer_failure(
        &mut self,
        stack: &mut Stack,
        key: ClientKey,
        outcome: &Outcome,
        now: Mono,
    ) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        if !matches!(&established.exchange, Exchange::Ours(ours) if ours.key == key)
            || self.offer_again(stack, outcome, now)
        {
            return;
        }
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        let exchange = std::mem::replace(&mut established.exchange, Exchange::Nobody);
        let Exchange::Ours(ours) = exchange else {
            return;
        };
        match outcome.status() {
            491 if ours.collisions + 1 < MAX_COLLISIONS => {
                let wait = glare_pause(&mut stack.random, established.is_caller);
                let newer = established.queued.take().map(|queued| queued.body);
                established.queued = Some(Queued {
                    body: newer.unwrap_or(ours.body),
                    collisions: ours.collisions + 1,
                    at: now + wait,
                });
            }
            status @ (408 | 481) => self.fail(stack, status, now),
            status => {
                let leg = self.id;
                self.tell(stack, Event::OfferRejected { leg, status });
                self.offer_next(stack, now);
            }
        }
    }

    /// Sends the re-INVITE once more with the answer to its challenge.
    fn offer_again(&mut self, stack: &mut Stack, outcome: &Outcome, now: Mono) -> bool {
        let (Phase::Established(established), Outcome::Response(response)) =
            (&mut self.phase, outcome)
        else {
            return false;
        };
        let Exchange::Ours(ours) = &mut established.exchange else {
            return false;
        };
        if !matches!(response.status, 401 | 407) {
            return false;
        }
        let mut request = offer_request(&mut established.dialog, &self.line.contact, &ours.body);
        let credentials = self.line.credentials.as_ref();
        if !ours
            .answers
            .add(response, credentials, &request, &mut stack.random)
        {
            return false;
        }
        ours.answers.push_to(&mut request.headers);
        ours.cseq = established.dialog.local_cseq();
        ours.key = self.line.send(stack, request, &established.dialog, now);
        let key = ours.key;
        self.expect(stack, key, Purpose::Offer);
        true
    }

    /// A re-INVITE or UPDATE has come (RFC 3261 §14.2, RFC 3311 §5.2).
    pub fn handle_offer(&mut self, stack: &mut Stack, key: ServerKey, request: Request, now: Mono) {
        let body = match content::of_request(&request) {
            Ok(body) => body,
            Err(refusal) => return stack.respond(key, *refusal, now),
        };
        let is_invite = request.method == Method::Invite;
        let negotiates = is_invite || body.is_some();
        match &self.phase {
            Phase::Leaving(_) | Phase::Over => stack.reply(key, &request, 481, now),
            Phase::Established(established) if established.leaving.is_some() => {
                stack.reply(key, &request, 481, now);
            }
            Phase::Calling(_) | Phase::Called(_) | Phase::Established(_) if !negotiates => {
                self.handle_target_refresh(stack, key, &request, now);
            }
            Phase::Calling(_) => stack.reply(key, &request, 491, now),
            Phase::Called(_) => stack.reply_later(key, &request, now),
            Phase::Established(established) => match &established.exchange {
                Exchange::Ours(_) => stack.reply(key, &request, 491, now),
                Exchange::Theirs(_) => stack.reply_later(key, &request, now),
                Exchange::Nobody if established.waits_for_answer() => {
                    stack.reply(key, &request, 491, now);
                }
                Exchange::Nobody => self.take_offer(stack, key, request, body),
            },
        }
    }

    fn handle_target_refresh(
        &mut self,
        stack: &mut Stack,
        key: ServerKey,
        update: &Request,
        now: Mono,
    ) {
        if let Some(dialog) = self.dialog_of(update) {
            dialog.refresh_target(&update.headers);
        }
        let mut response = update.response(200);
        response.headers.push("Contact", &self.line.contact);
        stack.respond(key, response, now);
    }

    fn take_offer(
        &mut self,
        stack: &mut Stack,
        key: ServerKey,
        request: Request,
        body: Option<Body>,
    ) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        let leg = self.id;
        let method = request.method.clone();
        if method == Method::Invite {
            stack.servers.insert(key, leg);
        }
        established.exchange = Exchange::Theirs(Theirs {
            key,
            request,
            has_offer: body.is_some(),
        });
        // Who offers again has our last 2xx, whatever became of its ACK (RFC 5407 §3.1.5).
        if established.unacknowledged.take().is_some() {
            self.tell(stack, Event::Acknowledged { leg, body: None });
        }
        self.tell(stack, Event::Offered { leg, body, method });
    }

    fn answer_offer(&mut self, stack: &mut Stack, result: Result<Body, u16>, now: Mono) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        let exchange = std::mem::replace(&mut established.exchange, Exchange::Nobody);
        let theirs = match exchange {
            Exchange::Theirs(theirs) => theirs,
            exchange => return established.exchange = exchange,
        };
        let body = match result {
            Ok(body) => body,
            Err(status) => return stack.reply(theirs.key, &theirs.request, status, now),
        };
        established.dialog.refresh_target(&theirs.request.headers);
        let mut response = theirs.request.response(200);
        response.headers.push("Contact", &self.line.contact);
        push_capabilities(&mut response.headers);
        stack.sign(&mut response);
        let response = response.with_body(&body.content_type, body.bytes);
        if theirs.request.method == Method::Invite {
            let cseq = theirs.request.headers.cseq().map_or(0, |cseq| cseq.number);
            established.unacknowledged = Some(Unacknowledged::new(
                theirs.key,
                cseq,
                response.clone(),
                !theirs.has_offer,
                stack.config.timers,
                now,
            ));
        }
        stack.deliver(theirs.key, response, now);
    }
}

impl Established {
    /// Our 2xx held an offer, whose answer the ACK will bring.
    fn waits_for_answer(&self) -> bool {
        self.unacknowledged
            .as_ref()
            .is_some_and(|answer| answer.holds_offer)
    }
}

fn offer_request(dialog: &mut Dialog, contact: &str, body: &Body) -> Request {
    let mut request = dialog.request(Method::Invite);
    request.headers.push("Contact", contact);
    push_capabilities(&mut request.headers);
    request.with_body(&body.content_type, body.bytes.clone())
}

/// How long to wait after 491: the side that made the Call-ID 2.1 to 4 s, the other up to 2 s, both
/// in steps of 10 ms (RFC 3261 §14.1).
fn glare_pause(random: &mut RandomSource, is_caller: bool) -> Duration {
    let steps = if is_caller {
        210 + random.next_u64() % 191
    } else {
        random.next_u64() % 201
    };
    Duration::from_millis(steps * 10)
}

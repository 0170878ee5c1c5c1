//! Legs that we call (RFC 3261 §13.2).

use crate::core::id::LegId;
use crate::core::time::Mono;
use crate::sip::dialog::{Dialog, Origin, Route, push_routes};
use crate::sip::message::{Headers, Method, Request, Response, reason_phrase};
use crate::sip::transaction::ClientKey;
use crate::sip::user_agent::UserAgent;
use crate::sip::user_agent::content;
use crate::sip::user_agent::event::{Event, OutgoingInvite};
use crate::sip::user_agent::leg::{
    Abandoned, Calling, Established, Leg, MAX_FORKS, Outcome, Phase,
};
use crate::sip::user_agent::line::Line;
use crate::sip::user_agent::stack::{Purpose, Stack, push_capabilities};

impl UserAgent {
    /// Calls somebody. Leads to any number of `Progressed`, then `Answered` or `Rejected`.
    ///
    /// `leg` must be new; for one that exists already, nothing happens.
    pub fn invite(&mut self, leg: LegId, invite: OutgoingInvite, now: Mono) {
        if self.legs.contains_key(&leg) {
            return;
        }
        let tag = self.stack.random.token();
        let mut line = Line::new(
            invite.flow,
            invite.sent_by,
            &invite.contact_user,
            invite.next_hop,
        );
        line.credentials = invite.credentials.clone();
        let origin = Origin {
            call_id: self.stack.random.token(),
            from: invite.from.clone().with_tag(&tag).to_string(),
            local_tag: tag.clone(),
            to: invite.to.to_string(),
            target: invite.target_uri.clone(),
            cseq: 1,
        };
        let request = invite_request(&self.stack, &line, &origin, &invite);
        let key = line.send_new(&mut self.stack, request, now);
        let calling = Calling {
            key,
            invite,
            early: Vec::new(),
            abandoned: None,
        };
        let mut new = Leg::new(leg, tag, line, Phase::Calling(Box::new(calling)));
        new.origin = Some(origin);
        new.expect(&mut self.stack, key, Purpose::Invite);
        self.insert(new, now);
    }

    /// Gives up a call that has no answer; a leg in any other state is hung up. CANCEL goes out at
    /// once if a provisional response has come, else at the first; a late 2xx gets ACK, then BYE.
    /// Both carry `reason`, a value of Reason (RFC 3326). Leads to `Ended` at once.
    pub fn cancel(&mut self, leg: LegId, reason: Option<&str>, now: Mono) {
        self.hang_up(leg, reason, now);
    }
}

impl Leg {
    /// The engine wants no answer to our INVITE any more.
    pub fn abandon(&mut self, stack: &mut Stack, reason: Option<&str>, now: Mono) {
        let Phase::Calling(calling) = &mut self.phase else {
            return;
        };
        if calling.abandoned.is_none() {
            calling.abandoned = Some(Abandoned {
                reason: reason.map(str::to_owned),
            });
            stack.transactions.cancel(&calling.key, reason, now);
        }
        self.tell_ended_here(stack);
    }

    pub fn handle_invite_outcome(
        &mut self,
        stack: &mut Stack,
        key: ClientKey,
        outcome: Outcome,
        now: Mono,
    ) {
        match outcome {
            Outcome::Response(response) if response.is_provisional() => {
                self.handle_provisional(stack, &response);
            }
            Outcome::Response(response) if response.is_success() => {
                self.handle_invite_success(stack, key, response, now);
            }
            outcome => self.handle_invite_failure(stack, outcome, now),
        }
    }

    fn handle_provisional(&mut self, stack: &mut Stack, response: &Response) {
        let (Phase::Calling(calling), Some(origin)) = (&mut self.phase, &self.origin) else {
            return;
        };
        if response.status > 100
            && let Some(tag) = response.headers.to_tag()
        {
            let known = calling
                .early
                .iter()
                .any(|dialog| dialog.id().remote_tag == tag);
            if !known && calling.early.len() < MAX_FORKS {
                calling.early.push(Dialog::of_caller(origin, response));
            }
        }
        let (leg, status) = (self.id, response.status);
        self.tell(stack, Event::Progressed { leg, status });
    }

    /// The first 2xx is the answer. Any other one is a copy of it, or comes from another fork, which
    /// we have no use for: ACK and BYE (RFC 3261 §13.2.2.4).
    fn handle_invite_success(
        &mut self,
        stack: &mut Stack,
        key: ClientKey,
        response: Response,
        now: Mono,
    ) {
        let Some(origin) = &self.origin else {
            return;
        };
        let cseq = origin.cseq;
        let mut dialog = Dialog::of_caller(origin, &response);
        self.owe(stack, key, cseq, self.answers.clone(), now);
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Calling(calling) => {
                let early = calling.early.iter().find(|early| early.id() == dialog.id());
                if let Some(early) = early {
                    dialog.continue_from(early);
                }
                self.line.acknowledge(stack, &dialog, cseq, &self.answers);
                match calling.abandoned {
                    Some(Abandoned { reason }) => self.say_bye(stack, dialog, reason, now),
                    None => {
                        self.phase = Phase::Established(Box::new(Established::new(dialog, true)));
                        let body = content::of_message(&response.headers, &response.body);
                        let event = Event::Answered {
                            leg: self.id,
                            body,
                            response: Box::new(response),
                        };
                        self.tell(stack, event);
                    }
                }
            }
            phase => {
                self.phase = phase;
                self.handle_further_success(stack, dialog, cseq, now);
            }
        }
    }

    fn handle_further_success(
        &mut self,
        stack: &mut Stack,
        mut dialog: Dialog,
        cseq: u32,
        now: Mono,
    ) {
        let known = self
            .dialog()
            .into_iter()
            .chain(&self.ended)
            .find(|known| known.id() == dialog.id());
        if let Some(known) = known {
            return self.line.acknowledge(stack, known, cseq, &self.answers);
        }
        if self.ended.len() < MAX_FORKS {
            self.line.acknowledge(stack, &dialog, cseq, &self.answers);
            let bye = dialog.request(Method::Bye);
            self.line.send(stack, bye, &dialog, now);
            self.ended.push(dialog);
        }
    }

    fn handle_invite_failure(&mut self, stack: &mut Stack, outcome: Outcome, now: Mono) {
        if self.call_again(stack, &outcome, now) {
            return;
        }
        self.phase = Phase::Over;
        let status = outcome.status();
        let (phrase, retry_after, local) = match outcome {
            Outcome::Response(response) => {
                let retry_after = response.headers.retry_after();
                (response.reason, retry_after, false)
            }
            Outcome::TimedOut | Outcome::TransportFailed => {
                (reason_phrase(status).to_owned(), None, true)
            }
        };
        let event = Event::Rejected {
            leg: self.id,
            status,
            phrase,
            retry_after,
            local,
        };
        self.tell_last(stack, event);
    }

    /// Sends the INVITE once more with the answer to its challenge (RFC 3261 §22.2).
    fn call_again(&mut self, stack: &mut Stack, outcome: &Outcome, now: Mono) -> bool {
        let (Phase::Calling(calling), Some(origin)) = (&mut self.phase, &mut self.origin) else {
            return false;
        };
        let Outcome::Response(response) = outcome else {
            return false;
        };
        origin.cseq += 1;
        let mut request = invite_request(stack, &self.line, origin, &calling.invite);
        let credentials = calling.invite.credentials.as_ref();
        if calling.abandoned.is_some()
            || !self
                .answers
                .add(response, credentials, &request, &mut stack.random)
        {
            return false;
        }
        self.answers.push_to(&mut request.headers);
        calling.early.clear();
        let key = self.line.send_new(stack, request, now);
        calling.key = key;
        self.expect(stack, key, Purpose::Invite);
        true
    }
}

fn invite_request(stack: &Stack, line: &Line, origin: &Origin, invite: &OutgoingInvite) -> Request {
    let mut headers = Headers::new();
    let routes: Vec<Route> = invite.route.iter().map(Route::from).collect();
    let uri = push_routes(&mut headers, &routes, &invite.target_uri);
    headers.push("Max-Forwards", "70");
    headers.push("From", &origin.from);
    headers.push("To", &origin.to);
    headers.push("Call-ID", &origin.call_id);
    headers.push("CSeq", format_args!("{} INVITE", origin.cseq));
    headers.push("Contact", &line.contact);
    push_capabilities(&mut headers);
    stack.introduce(&mut headers);
    for (name, value) in &invite.headers {
        if name.eq_ignore_ascii_case("Max-Forwards") {
            headers.replace(name, value);
        } else {
            headers.push(name, value);
        }
    }
    let mut request = Request::new(Method::Invite, uri);
    request.headers = headers;
    match &invite.body {
        Some(body) => request.with_body(&body.content_type, body.bytes.clone()),
        None => request,
    }
}

//! A leg: the dialogs of one INVITE, from the INVITE until nothing of it can come back.

use std::time::Duration;

use crate::core::id::LegId;
use crate::core::time::Mono;
use crate::sip::dialog::{Dialog, Origin};
use crate::sip::flow::Flow;
use crate::sip::message::{Request, Response};
use crate::sip::transaction::{ClientKey, ServerKey};
use crate::sip::user_agent::challenge::Answers;
use crate::sip::user_agent::event::{Body, EndReason, Event, OutgoingInvite};
use crate::sip::user_agent::line::Line;
use crate::sip::user_agent::stack::{Client, Purpose, Stack};

/// Dialogs of one INVITE that are kept apart, early ones and forked ones each; a 2xx of a further
/// fork is left unanswered. More phones than this behind one address are not heard of.
pub(super) const MAX_FORKS: usize = 16;

/// One side of a call.
pub(super) struct Leg {
    pub id: LegId,
    /// Our tag, of which every dialog of the leg has the same.
    pub tag: String,
    pub line: Line,
    pub phase: Phase,
    /// The INVITE as we sent it; `None` where they called.
    pub origin: Option<Origin>,
    /// The answers to the challenges of that INVITE.
    pub answers: Answers,
    /// INVITEs of ours whose 2xx may come again.
    pub owed: Vec<Owed>,
    /// Dialogs that got or sent BYE, while their 2xx may come again.
    pub ended: Vec<Dialog>,
    /// The engine has been told the end and hears nothing more.
    pub told: bool,
    /// When it is in the table of timers.
    pub scheduled: Option<Mono>,
}

/// How far a leg is.
pub(super) enum Phase {
    /// Our INVITE has no final response.
    Calling(Box<Calling>),
    /// Their INVITE has no final response.
    Called(Box<Called>),
    /// A 2xx was sent or received.
    Established(Box<Established>),
    /// BYE was sent.
    Leaving(Box<Leaving>),
    /// Nothing is left but 2xx that may come again.
    Over,
}

/// Our INVITE, under way.
pub(super) struct Calling {
    pub key: ClientKey,
    pub invite: OutgoingInvite,
    /// Early dialogs, one for each fork that rings.
    pub early: Vec<Dialog>,
    /// The engine wants no answer any more; the reason is for the BYE after a late 2xx.
    pub abandoned: Option<Abandoned>,
}

/// What a late 2xx is told.
pub(super) struct Abandoned {
    pub reason: Option<String>,
}

/// Their INVITE, under way.
pub(super) struct Called {
    pub key: ServerKey,
    pub invite: Request,
    pub dialog: Dialog,
    pub has_offer: bool,
}

/// A confirmed dialog.
pub(super) struct Established {
    pub dialog: Dialog,
    /// We sent the INVITE, and so made the Call-ID (RFC 3261 §14.1).
    pub is_caller: bool,
    /// A 2xx of ours that waits for its ACK.
    pub unacknowledged: Option<Unacknowledged>,
    pub exchange: Exchange,
    /// An offer of ours that waits for its turn.
    pub queued: Option<Queued>,
    pub pinging: bool,
    /// BYE follows the ACK to our first 2xx, or its timeout (RFC 3261 §15).
    pub leaving: Option<Abandoned>,
}

/// Who offers another session now.
pub(super) enum Exchange {
    Nobody,
    Theirs(Theirs),
    Ours(Ours),
}

/// A re-INVITE or UPDATE that waits for our answer.
pub(super) struct Theirs {
    pub key: ServerKey,
    pub request: Request,
    pub has_offer: bool,
}

/// A re-INVITE that waits for their answer.
pub(super) struct Ours {
    pub key: ClientKey,
    pub cseq: u32,
    pub body: Body,
    /// How often the other side answered 491.
    pub collisions: u32,
    pub answers: Answers,
}

/// A re-INVITE to be sent when no other exchange is going on, and not before `at`.
pub(super) struct Queued {
    pub body: Body,
    pub collisions: u32,
    pub at: Mono,
}

/// A 2xx to an INVITE, repeated until its ACK comes, over reliable transports too
/// (RFC 3261 §13.3.1.4).
pub(super) struct Unacknowledged {
    pub key: ServerKey,
    pub cseq: u32,
    pub response: Response,
    pub holds_offer: bool,
    /// It answered the INVITE that began the dialog.
    pub is_first: bool,
    pub interval: Duration,
    pub resend_at: Mono,
    pub give_up_at: Mono,
}

/// BYE, under way.
pub(super) struct Leaving {
    pub dialog: Dialog,
    pub reason: Option<String>,
    pub answers: Answers,
}

/// An INVITE of ours that got a 2xx: each copy of it gets the ACK again (RFC 3261 §13.2.2.4).
pub(super) struct Owed {
    pub key: ClientKey,
    pub cseq: u32,
    pub answers: Answers,
    pub until: Mono,
}

/// How a request of ours ended.
pub(super) enum Outcome {
    Response(Response),
    TimedOut,
    TransportFailed,
}

impl Outcome {
    pub fn is_provisional(&self) -> bool {
        matches!(self, Outcome::Response(response) if response.is_provisional())
    }

    /// The status, or the one that stands for none (RFC 3261 §8.1.3.1).
    pub fn status(&self) -> u16 {
        match self {
            Outcome::Response(response) => response.status,
            Outcome::TimedOut => 408,
            Outcome::TransportFailed => 503,
        }
    }
}

impl Leg {
    pub fn new(id: LegId, tag: String, line: Line, phase: Phase) -> Leg {
        Leg {
            id,
            tag,
            line,
            phase,
            origin: None,
            answers: Answers::default(),
            owed: Vec::new(),
            ended: Vec::new(),
            told: false,
            scheduled: None,
        }
    }

    /// Whether nothing of it can come back.
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Over) && self.owed.is_empty()
    }

    /// The dialog that is the leg, once there is one.
    pub fn dialog(&self) -> Option<&Dialog> {
        match &self.phase {
            Phase::Called(called) => Some(&called.dialog),
            Phase::Established(established) => Some(&established.dialog),
            Phase::Leaving(leaving) => Some(&leaving.dialog),
            Phase::Calling(calling) => calling.early.first(),
            Phase::Over => None,
        }
    }

    /// Reports what happened, unless the engine is through with the leg.
    pub fn tell(&self, stack: &mut Stack, event: Event) {
        if !self.told {
            stack.events.push_back(event);
        }
    }

    /// Reports the last that happened.
    pub fn tell_last(&mut self, stack: &mut Stack, event: Event) {
        self.tell(stack, event);
        self.told = true;
    }

    /// The engine ended the leg: nothing that it has not read yet matters any more.
    pub fn tell_ended_here(&mut self, stack: &mut Stack) {
        if self.told {
            return;
        }
        let id = self.id;
        stack.events.retain(|event| event.leg() != Some(id));
        let why = EndReason::HungUpHere;
        self.tell_last(stack, Event::Ended { leg: id, why });
    }

    /// When the leg next has something to do by itself.
    pub fn next_timeout(&self) -> Option<Mono> {
        let owed = self.owed.iter().map(|owed| owed.until).min();
        let phase = match &self.phase {
            Phase::Established(established) => established.next_timeout(),
            Phase::Calling(_) | Phase::Called(_) | Phase::Leaving(_) | Phase::Over => None,
        };
        [owed, phase].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, stack: &mut Stack, now: Mono) {
        self.owed.retain(|owed| {
            if owed.until <= now {
                stack.clients.remove(&owed.key);
            }
            owed.until > now
        });
        if self.owed.is_empty() {
            self.ended.clear();
        }
        self.repeat_answer(stack, now);
        self.offer_next(stack, now);
    }

    /// Takes note that a 2xx to an INVITE of ours may come again.
    pub fn owe(&mut self, stack: &Stack, key: ClientKey, cseq: u32, answers: Answers, now: Mono) {
        if self.owed.iter().all(|owed| owed.key != key) {
            let until = now + stack.config.timers.give_up();
            self.owed.push(Owed {
                key,
                cseq,
                answers,
                until,
            });
        }
    }

    /// A request of ours has ended, or got a provisional response.
    pub fn handle_outcome(
        &mut self,
        stack: &mut Stack,
        (key, purpose): (ClientKey, Purpose),
        outcome: Outcome,
        now: Mono,
    ) {
        match purpose {
            Purpose::Invite => self.handle_invite_outcome(stack, key, outcome, now),
            Purpose::Offer => self.handle_offer_outcome(stack, key, outcome, now),
            Purpose::Bye => self.handle_bye_outcome(stack, &outcome, now),
            Purpose::Ping => self.handle_ping_outcome(stack, &outcome),
        }
    }

    /// The outcome of that request of ours comes back to this leg.
    pub fn expect(&self, stack: &mut Stack, key: ClientKey, purpose: Purpose) {
        stack.clients.insert(key, Client::Leg(self.id, purpose));
    }

    /// The connection has closed: what follows goes over another one.
    pub fn handle_transport_error(&mut self, flow: Flow) {
        if flow.connection.is_some() && self.line.flow.connection == flow.connection {
            self.line.flow.connection = None;
            let target = self.dialog().map(|dialog| dialog.next_hop());
            let address = target.and_then(|target| target.socket_address());
            if let Some(address) = address.filter(|to| to.ip() == flow.remote.ip()) {
                self.line.flow.remote = address;
            }
        }
    }
}

impl Established {
    pub fn new(dialog: Dialog, is_caller: bool) -> Established {
        Established {
            dialog,
            is_caller,
            unacknowledged: None,
            exchange: Exchange::Nobody,
            queued: None,
            pinging: false,
            leaving: None,
        }
    }

    fn next_timeout(&self) -> Option<Mono> {
        let answer = self
            .unacknowledged
            .as_ref()
            .map(|answer| answer.resend_at.min(answer.give_up_at));
        let queued = self.queued.as_ref().filter(|_| self.may_offer());
        [answer, queued.map(|queued| queued.at)]
            .into_iter()
            .flatten()
            .min()
    }

    /// No INVITE or UPDATE is under way in either direction (RFC 3261 §14.1).
    pub fn may_offer(&self) -> bool {
        matches!(self.exchange, Exchange::Nobody)
            && self.unacknowledged.is_none()
            && self.leaving.is_none()
    }
}

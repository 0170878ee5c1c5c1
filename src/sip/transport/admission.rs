//! Which messages are taken when the engine does not keep up. New calls are refused first; ACK and
//! responses, which somebody already waits for, are shed last.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::sip::message::{Message, Method, Request};

/// Branches of INVITEs that are remembered: at 1,000 calls a second, those of the last 8 s, in which
/// all but the last retransmissions of an INVITE come.
const REMEMBERED_INVITES: usize = 8_192;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes to the engine.
    Take,
    /// It is answered with 503 on the spot.
    Refuse,
    /// It is dropped; whoever sent it will send it again.
    Drop,
}

/// How full the queue to the engine is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Places that are free.
    pub free: usize,
    /// Places there are.
    pub places: usize,
}

/// The INVITEs that were let in lately.
#[derive(Debug, Default)]
pub(super) struct Admission {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Room {
    /// Less than half is free: requests that begin something are refused.
    fn is_short(self) -> bool {
        self.free < self.places / 2
    }

    /// Less than an eighth is free: what is left is for ACK and responses.
    fn is_reserved(self) -> bool {
        self.free < self.places / 8
    }
}

impl Admission {
    /// What becomes of this message. A retransmission of an INVITE that was let in is never refused:
    /// a 503 would end a call that is being set up.
    pub fn judge(&mut self, message: &Message, room: Room) -> Verdict {
        let Message::Request(request) = message else {
            return last_to_go(room);
        };
        if request.method == Method::Invite && begins_something(request) {
            let branch = branch_of(request);
            if !room.is_short() {
                self.remember(branch);
                return Verdict::Take;
            }
            return if self.known.contains(&branch) {
                Verdict::Drop
            } else {
                Verdict::Refuse
            };
        }
        judge_other(request, room)
    }

    fn remember(&mut self, branch: u64) {
        if !self.known.insert(branch) {
            return;
        }
        self.order.push_back(branch);
        if self.order.len() > REMEMBERED_INVITES {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

/// The same for a transport that repeats nothing.
pub(super) fn judge_reliable(message: &Message, room: Room) -> Verdict {
    match message {
        Message::Response(_) => last_to_go(room),
        Message::Request(request) => judge_other(request, room),
    }
}

fn judge_other(request: &Request, room: Room) -> Verdict {
    if request.method == Method::Ack {
        return last_to_go(room);
    }
    if !room.is_short() {
        return Verdict::Take;
    }
    if begins_something(request) {
        return Verdict::Refuse;
    }
    if room.is_reserved() {
        Verdict::Drop
    } else {
        Verdict::Take
    }
}

fn last_to_go(room: Room) -> Verdict {
    if room.free == 0 {
        Verdict::Drop
    } else {
        Verdict::Take
    }
}

/// Whether a request stands outside a dialog and ends nothing.
fn begins_something(request: &Request) -> bool {
    request.method != Method::Cancel && request.headers.to_tag().is_none()
}

fn branch_of(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.headers.list("Via").next().hash(&mut hasher);
    hasher.finish()
}

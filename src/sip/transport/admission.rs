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
    /// Seven eighths are free: there is room for what only some like to know.
    pub fn is_wide(self) -> bool {
        self.free > self.places - self.places / 8
    }

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
        if self.order.len() > REMEMBERED_INVITES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
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

#[cfg(test)]
mod tests {
    use super::*;

    use Verdict::{Drop, Refuse, Take};

    const PLENTY: Room = Room {
        free: 60,
        places: 100,
    };
    const SHORT: Room = Room {
        free: 49,
        places: 100,
    };
    const RESERVED: Room = Room {
        free: 11,
        places: 100,
    };
    const FULL: Room = Room {
        free: 0,
        places: 100,
    };

    fn message(first_line: &str, method: &str, branch: &str, to_tag: &str) -> Message {
        let text = format!(
            "{first_line}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\n\
             From: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:b@192.0.2.2>{to_tag}\r\n\
             Call-ID: c\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n\r\n"
        );
        Message::parse(text.as_bytes()).expect("a message")
    }

    fn request(method: &str, to_tag: &str) -> Message {
        message(
            &format!("{method} sip:b@192.0.2.2 SIP/2.0"),
            method,
            "1",
            to_tag,
        )
    }

    #[test]
    fn new_calls_are_refused_first_and_ack_and_responses_dropped_last() {
        let table = [
            (request("INVITE", ""), [Take, Refuse, Refuse, Refuse]),
            (request("REGISTER", ""), [Take, Refuse, Refuse, Refuse]),
            (request("OPTIONS", ""), [Take, Refuse, Refuse, Refuse]),
            (request("INVITE", ";tag=b"), [Take, Take, Drop, Drop]),
            (request("BYE", ";tag=b"), [Take, Take, Drop, Drop]),
            (request("CANCEL", ""), [Take, Take, Drop, Drop]),
            (request("ACK", ";tag=b"), [Take, Take, Take, Drop]),
            (
                message("SIP/2.0 200 OK", "INVITE", "1", ";tag=b"),
                [Take, Take, Take, Drop],
            ),
        ];
        for (message, expected) in table {
            for (room, expected) in [PLENTY, SHORT, RESERVED, FULL].into_iter().zip(expected) {
                assert_eq!(
                    Admission::default().judge(&message, room),
                    expected,
                    "{message:?}"
                );
                assert_eq!(judge_reliable(&message, room), expected, "{message:?}");
            }
        }
    }

    #[test]
    fn an_invite_that_was_let_in_is_not_refused_when_it_comes_again() {
        let mut admission = Admission::default();
        assert_eq!(admission.judge(&request("INVITE", ""), PLENTY), Take);
        assert_eq!(admission.judge(&request("INVITE", ""), SHORT), Drop);
        let other = message("INVITE sip:b@192.0.2.2 SIP/2.0", "INVITE", "2", "");
        assert_eq!(admission.judge(&other, SHORT), Refuse);
        assert_eq!(admission.judge(&other, SHORT), Refuse, "each time");
    }

    #[test]
    fn only_so_many_invites_are_remembered() {
        let mut admission = Admission::default();
        for branch in 0..REMEMBERED_INVITES as u64 + 1 {
            admission.remember(branch);
            admission.remember(branch);
        }
        assert_eq!(admission.order.len(), REMEMBERED_INVITES);
        assert_eq!(admission.known.len(), REMEMBERED_INVITES);
        assert!(!admission.known.contains(&0) && admission.known.contains(&1));
    }
}

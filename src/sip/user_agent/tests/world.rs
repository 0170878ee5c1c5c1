//! A simulated world: user agents and one scripted peer on an in-memory network, under a virtual
//! clock that jumps to whatever happens next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::core::id::{LegId, RandomSource};
use crate::core::snapshot::Protocol;
use crate::core::time::Mono;
use crate::sip::flow::{ConnectionId, Flow};
use crate::sip::message::{Message, NameAddr, Request, Response, Uri};
use crate::sip::transaction::{ServerKey, Timers};
use crate::sip::user_agent::*;

/// A caller, in most flows.
pub const ANNA: usize = 0;
/// A called side, in most flows.
pub const BJORN: usize = 1;

const NAMES: [&str; 3] = ["anna", "bjorn", "peer"];
const PEER: usize = 2;

/// Steps of one flow; a flow that needs more does not end.
const MAX_STEPS: usize = 50_000;

/// How long a flow may take before it counts as stuck.
const MAX_TIME: Duration = Duration::from_secs(3600);

/// What the network does to datagrams.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Of 100 datagrams, how many are lost.
    pub lost: u64,
    /// Of 100 datagrams, how many come twice.
    pub doubled: u64,
    /// Milliseconds that a datagram may come later than the fastest.
    pub jitter: u64,
}

#[derive(Clone)]
struct Datagram {
    from: usize,
    to: usize,
    bytes: Bytes,
}

struct End {
    agent: UserAgent,
    events: VecDeque<Event>,
}

/// Which messages the network drops: the sender's name and the message.
type Filter = Box<dyn FnMut(&'static str, &Message) -> bool>;

pub struct World {
    pub now: Mono,
    ends: [End; 2],
    inbox: VecDeque<Message>,
    wire: BTreeMap<(Mono, u64), Datagram>,
    sent: u64,
    steps: usize,
    random: RandomSource,
    pub faults: Faults,
    pub protocol: Protocol,
    /// The connection that TCP messages travel over.
    pub connection: u64,
    filter: Option<Filter>,
    finished: BTreeSet<(usize, LegId)>,
    begun: BTreeSet<(usize, LegId)>,
    ladder: Vec<String>,
    /// The last datagrams between the user agents.
    past: VecDeque<Datagram>,
    /// Who was sent what, lost messages included.
    addressed: Vec<(&'static str, String)>,
}

pub fn address(end: usize) -> SocketAddr {
    format!("10.0.0.{}:5060", end + 1).parse().unwrap()
}

pub fn leg(number: u128) -> LegId {
    LegId(Uuid::from_u128(number))
}

pub fn offer() -> Body {
    Body::sdp("v=0 offer")
}

pub fn answer() -> Body {
    Body::sdp("v=0 answer")
}

impl World {
    pub fn new() -> World {
        World::seeded(0)
    }

    pub fn seeded(seed: u8) -> World {
        let agent = |number: u8| End {
            agent: UserAgent::new(
                UserAgentConfig {
                    user_agent_header: "ringdesk".to_owned(),
                    timers: Timers::default(),
                },
                RandomSource::from_seed([seed.wrapping_mul(2).wrapping_add(number); 32]),
            ),
            events: VecDeque::new(),
        };
        World {
            now: Mono::from_millis(1_000_000),
            ends: [agent(0), agent(1)],
            inbox: VecDeque::new(),
            wire: BTreeMap::new(),
            sent: 0,
            steps: 0,
            random: RandomSource::from_seed([seed; 32]),
            faults: Faults::default(),
            protocol: Protocol::Udp,
            connection: 1,
            filter: None,
            finished: BTreeSet::new(),
            begun: BTreeSet::new(),
            ladder: Vec::new(),
            past: VecDeque::new(),
            addressed: Vec::new(),
        }
    }

    /// From now on the network drops the messages for which `filter` is true.
    pub fn drop_if(&mut self, filter: impl FnMut(&'static str, &Message) -> bool + 'static) {
        self.filter = Some(Box::new(filter));
    }

    /// From now on nothing is dropped by intent.
    pub fn drop_nothing(&mut self) {
        self.filter = None;
    }

    /// Notes in the ladder what the flow is about to do.
    pub fn note(&mut self, text: &str) {
        let line = format!("{:>9.3}  -- {text}", self.seconds());
        self.ladder.push(line);
    }

    /// Gives a command to a user agent.
    pub fn command<T>(
        &mut self,
        end: usize,
        what: &str,
        command: impl FnOnce(&mut UserAgent, Mono) -> T,
    ) -> T {
        self.note(&format!("{} {what}", NAMES[end]));
        let result = command(&mut self.ends[end].agent, self.now);
        self.collect(end);
        result
    }

    /// `end` calls the address of `to`.
    pub fn invite(&mut self, end: usize, leg: LegId, to: usize) {
        let invite = self.outgoing(end, to);
        self.invite_with(end, leg, invite);
    }

    pub fn invite_with(&mut self, end: usize, leg: LegId, invite: OutgoingInvite) {
        self.begun.insert((end, leg));
        self.command(end, "invites", |agent, now| agent.invite(leg, invite, now));
    }

    pub fn outgoing(&self, end: usize, to: usize) -> OutgoingInvite {
        let uri = |end: usize| Uri::of_address(Some(NAMES[end]), address(end));
        OutgoingInvite {
            target_uri: uri(to),
            flow: self.flow(end, to),
            sent_by: address(end),
            contact_user: NAMES[end].to_owned(),
            from: NameAddr::new(uri(end)),
            to: NameAddr::new(uri(to)),
            headers: vec![("X-Test".to_owned(), "1".to_owned())],
            body: Some(offer()),
            route: Vec::new(),
            next_hop: NextHop::Target,
            credentials: None,
        }
    }

    /// The flow from `end` to the address of `to`.
    pub fn flow(&self, end: usize, to: usize) -> Flow {
        Flow {
            protocol: self.protocol,
            local: address(end),
            remote: address(to),
            connection: (self.protocol == Protocol::Tcp).then_some(ConnectionId(self.connection)),
        }
    }

    /// Makes a leg of an INVITE.
    pub fn accept(&mut self, end: usize, key: ServerKey, leg: LegId) {
        self.begun.insert((end, leg));
        self.command(end, "accepts", |agent, now| {
            agent.accept_leg(key, leg, address(end), NAMES[end], now);
        });
    }

    /// Waits for the INVITE to come and makes a leg of it.
    pub fn take_call(&mut self, end: usize, leg: LegId) -> Request {
        let event = self.wait(end, "Incoming");
        let Event::Incoming { key, request, .. } = event else {
            unreachable!()
        };
        self.accept(end, key, leg);
        request
    }

    /// Anna calls Björn, who answers; both know it.
    pub fn establish(&mut self, caller: LegId, callee: LegId) {
        self.invite(ANNA, caller, BJORN);
        self.take_call(BJORN, callee);
        self.provisional(BJORN, callee);
        self.answer(BJORN, callee);
        self.wait(ANNA, "Answered");
        self.wait(BJORN, "Acknowledged");
    }

    pub fn provisional(&mut self, end: usize, leg: LegId) {
        self.command(end, "rings", |agent, now| agent.provisional(leg, 180, now));
    }

    pub fn answer(&mut self, end: usize, leg: LegId) {
        self.command(end, "answers", |agent, now| {
            agent.answer(leg, &[], &answer(), now);
        });
    }

    pub fn hang_up(&mut self, end: usize, leg: LegId) {
        self.command(end, "hangs up", |agent, now| agent.hang_up(leg, None, now));
    }

    /// The next event of `end`, letting time pass until there is one.
    pub fn next(&mut self, end: usize) -> Event {
        loop {
            if let Some(event) = self.ends[end].events.pop_front() {
                return event;
            }
            assert!(self.step(), "{} hears of nothing any more", NAMES[end]);
        }
    }

    /// The next event of `end` with that name; others before it are passed over.
    pub fn wait(&mut self, end: usize, name: &str) -> Event {
        let until = self.now + MAX_TIME;
        loop {
            while let Some(event) = self.ends[end].events.pop_front() {
                if name_of(&event) == name {
                    return event;
                }
            }
            assert!(
                self.now < until && self.step(),
                "{} never hears of {name}",
                NAMES[end]
            );
        }
    }

    /// The events of `end` so far that nobody has looked at.
    pub fn heard(&mut self, end: usize) -> Vec<Event> {
        self.ends[end].events.drain(..).collect()
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.next_instant().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = until;
    }

    /// Lets time pass until nothing is on its way and nobody waits for anything. Then nothing may be
    /// left, and every leg must have had its last event.
    pub fn finish(&mut self) {
        let until = self.now + MAX_TIME;
        while self.step() {
            assert!(self.now < until, "the flow does not end");
        }
        for end in [ANNA, BJORN] {
            assert!(
                self.ends[end].agent.is_idle(),
                "{} still keeps something",
                NAMES[end]
            );
        }
        assert_eq!(self.begun, self.finished, "legs begun and legs ended");
    }

    pub fn agent(&self, end: usize) -> &UserAgent {
        &self.ends[end].agent
    }

    /// The next message that the scripted peer gets and that fits; others before it are dropped.
    pub fn peer_gets(&mut self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        loop {
            while let Some(message) = self.inbox.pop_front() {
                if fits(&message) {
                    return message;
                }
            }
            assert!(self.step(), "the peer never gets {what}");
        }
    }

    /// The next request of that method.
    pub fn peer_gets_request(&mut self, method: &str) -> Request {
        let message = self.peer_gets(method, |message| {
            matches!(message, Message::Request(request) if request.method.as_str() == method)
        });
        let Message::Request(request) = message else {
            unreachable!()
        };
        request
    }

    /// The next response of that status to a request of that method.
    pub fn peer_gets_response(&mut self, status: u16, method: &str) -> Response {
        let what = format!("{status} to {method}");
        let message = self.peer_gets(&what, |message| {
            matches!(message, Message::Response(response) if response.status == status
                && response.headers.cseq().unwrap().method.as_str() == method)
        });
        let Message::Response(response) = message else {
            unreachable!()
        };
        response
    }

    /// What the peer has got and not looked at, as first lines with CSeq.
    pub fn peer_inbox(&mut self) -> Vec<String> {
        self.inbox
            .drain(..)
            .map(|message| title(&message))
            .collect()
    }

    /// One of the last datagrams comes once more, perhaps with some of its octets changed.
    pub fn replay(&mut self, random: &mut RandomSource) {
        if self.past.is_empty() {
            return;
        }
        let index = random.next_u64() as usize % self.past.len();
        let mut datagram = self.past[index].clone();
        let mut octets = datagram.bytes.to_vec();
        for _ in 0..random.next_u64() % 4 {
            let at = random.next_u64() as usize % octets.len();
            octets[at] = b' ' + (random.next_u64() % 95) as u8;
        }
        if Message::parse(&octets).is_ok() {
            datagram.bytes = octets.into();
            self.note("an old datagram comes again");
            self.arrive(datagram);
        }
    }

    /// How often that message was sent to the one of that name.
    pub fn count(&self, to: &str, title: &str) -> usize {
        let matching = self
            .addressed
            .iter()
            .filter(|(name, sent)| *name == to && sent == title);
        matching.count()
    }

    /// The scripted peer sends a message to a user agent.
    pub fn peer_sends(&mut self, to: usize, message: impl Into<Message>) {
        let bytes = message.into().to_bytes();
        self.send(PEER, to, bytes);
    }

    fn seconds(&self) -> f64 {
        self.now.since(Mono::from_millis(1_000_000)).as_secs_f64()
    }

    fn next_instant(&self) -> Option<Mono> {
        let datagram = self.wire.first_key_value().map(|((at, _), _)| *at);
        let timeouts = self.ends.iter().filter_map(|end| end.agent.next_timeout());
        timeouts.chain(datagram).min()
    }

    /// Goes on to whatever happens next; false if nothing ever does.
    fn step(&mut self) -> bool {
        let Some(at) = self.next_instant() else {
            return false;
        };
        self.steps += 1;
        assert!(self.steps < MAX_STEPS, "the flow does not come to rest");
        self.now = self.now.max(at);
        let due = self.wire.first_entry().filter(|entry| entry.key().0 <= at);
        if let Some(entry) = due {
            let datagram = entry.remove();
            self.arrive(datagram);
            return true;
        }
        for end in [ANNA, BJORN] {
            let agent = &mut self.ends[end].agent;
            if agent.next_timeout().is_some_and(|due| due <= at) {
                agent.handle_timeout(self.now);
                let next = agent.next_timeout();
                assert!(
                    next.is_none_or(|next| next > self.now),
                    "{} has a timeout that does not pass",
                    NAMES[end]
                );
                self.collect(end);
            }
        }
        true
    }

    fn arrive(&mut self, datagram: Datagram) {
        let message = Message::parse(&datagram.bytes).expect("what we send can be read");
        if datagram.to == PEER {
            return self.inbox.push_back(message);
        }
        let flow = self.flow(datagram.to, datagram.from);
        self.ends[datagram.to]
            .agent
            .handle_message(message, flow, self.now);
        self.collect(datagram.to);
    }

    /// Takes the events of a user agent: octets onto the wire, the others for the flow to see.
    fn collect(&mut self, end: usize) {
        while let Some(event) = self.ends[end].agent.poll_event() {
            if let Event::Transmit { flow, bytes } = event {
                match (0..3).find(|to| address(*to) == flow.remote) {
                    Some(to) => self.send(end, to, bytes),
                    None => self.note(&format!("nobody lives at {}", flow.remote)),
                }
                continue;
            }
            self.observe(end, &event);
            self.ends[end].events.push_back(event);
        }
    }

    /// Every leg has one last event, and none after it.
    fn observe(&mut self, end: usize, event: &Event) {
        let name = name_of(event);
        self.note(&format!("{} hears {name}", NAMES[end]));
        let Some(leg) = event.leg() else {
            return;
        };
        assert!(
            !self.finished.contains(&(end, leg)),
            "{name} after the last event of the leg"
        );
        if matches!(
            event,
            Event::Ended { .. } | Event::Rejected { .. } | Event::Cancelled { .. }
        ) {
            self.finished.insert((end, leg));
        }
    }

    fn send(&mut self, from: usize, to: usize, bytes: Bytes) {
        let message = Message::parse(&bytes).expect("what is sent can be read");
        let filtered = self
            .filter
            .as_mut()
            .is_some_and(|filter| filter(NAMES[from], &message));
        let lost = filtered || self.chance(self.faults.lost);
        let line = format!(
            "{:>9.3}  {:>5} {} {:<5}  {}{}",
            self.seconds(),
            NAMES[from],
            "->",
            NAMES[to],
            title(&message),
            if lost { "  (lost)" } else { "" }
        );
        self.ladder.push(line);
        self.addressed.push((NAMES[to], title(&message)));
        if lost {
            return;
        }
        if to != PEER {
            let bytes = bytes.clone();
            self.past.push_back(Datagram { from, to, bytes });
            if self.past.len() > 100 {
                self.past.pop_front();
            }
        }
        let copies = if self.chance(self.faults.doubled) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let jitter = match self.faults.jitter {
                0 => 0,
                jitter => self.random.next_u64() % jitter,
            };
            self.sent += 1;
            let at = self.now + Duration::from_millis(10 + jitter);
            let bytes = bytes.clone();
            self.wire
                .insert((at, self.sent), Datagram { from, to, bytes });
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.random.next_u64() % 100 < percent
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.ladder.join("\n"));
        }
    }
}

/// `Answered`, `Offered`.
fn name_of(event: &Event) -> String {
    let text = format!("{event:?}");
    text.chars()
        .take_while(|character| *character != ' ')
        .collect()
}

/// `INVITE (1 INVITE)`, `200 (1 INVITE)`.
pub fn title(message: &Message) -> String {
    let cseq = message.headers().value("CSeq").unwrap_or_default();
    match message {
        Message::Request(request) => format!("{} ({cseq})", request.method),
        Message::Response(response) => format!("{} ({cseq})", response.status),
    }
}

/// Whether it is a request of that method.
pub fn is_request(message: &Message, method: &str) -> bool {
    matches!(message, Message::Request(request) if request.method.as_str() == method)
}

/// Whether it is a response of that status to a request of that method.
pub fn is_response(message: &Message, status: u16, method: &str) -> bool {
    matches!(message, Message::Response(response) if response.status == status
        && response.headers.cseq().is_ok_and(|cseq| cseq.method.as_str() == method))
}

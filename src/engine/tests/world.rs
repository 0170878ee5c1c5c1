//! The world around one engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::party::{Manner, Party, PartyLeg, Standing};
use crate::core::conversation::{ConversationRecord, Done, Event as InboxEvent, Refusal};
use crate::core::id::{CallId, LegId, RandomSource, VoicemailId};
use crate::core::name::UserName;
use crate::core::record::{CallOutcome, CallRecord, LegRecord, Notice, Record, VoicemailRecord};
use crate::core::routing::Busy;
use crate::core::sample;
use crate::core::snapshot::{Protocol, Secret, Snapshot, Strategy, User};
use crate::core::time::{Mono, Now};
use crate::engine::{Engine, Environment, Input, Output, Status};
use crate::media::command::{
    Direction, MediaCommand, MediaCounters, MediaEvent, MediaId, RecordingEnd,
};
use crate::sip::digest::Challenge;
use crate::sip::flow::{ConnectionId, Flow};
use crate::sip::message::{Message, Method, NameAddr, Request, Response, Uri};
use crate::sip::user_agent::{Body, Event, NextHop, OutgoingInvite, RequestId};

/// The place of the carrier among the parties.
pub const CARRIER: usize = 0;

/// Where the daemon listens.
pub const DAEMON: &str = "10.0.0.5:5060";

/// A number that somebody calls from.
pub const CALLER: &str = "+4790000001";

/// Steps of one flow; a flow that needs more does not come to rest.
const MAX_STEPS: usize = 400_000;

/// How long a flow may take to come to rest once nobody does anything any more: 64×T1 for a
/// transaction, and as much again for what it leads to.
const MAX_REST: Duration = Duration::from_secs(400);

/// How long a phone rings until it stops by itself: it may not have heard that it should.
const RINGS: Duration = Duration::from_secs(240);

/// How long a datagram is on its way at least.
const LATENCY: Duration = Duration::from_millis(5);

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

/// What the disk does when a voicemail's record is to be written.
#[derive(Clone, Copy)]
pub enum Disk {
    Writes(Duration),
    Fails,
    Hangs,
}

/// What the caller does at the beep.
#[derive(Clone, Copy)]
pub enum AtBeep {
    /// Says something for so long; this ends the recording.
    Leaves(Duration, RecordingEnd),
    /// Talks until hanging up.
    Talks,
}

/// A message that was sent.
#[derive(Clone)]
pub struct Sent {
    pub at: Mono,
    pub from: String,
    pub to: String,
    pub message: Message,
}

enum Happening {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Bytes,
    },
    Media(MediaEvent, u64),
    Tell(Box<Input>),
    Act(usize, LegId, Act),
    Script(Box<dyn FnOnce(&mut World)>),
}

#[derive(Clone, Copy)]
enum Act {
    Answer(Option<Duration>),
    Reject(u16),
    HangUp,
}

/// A media leg as the simulated threads see it.
#[derive(Default)]
struct Player {
    agreed: bool,
    closed: bool,
    /// Counts what was played; an end that comes for an older one is void.
    playing: u64,
    recording: Option<(VoicemailId, Mono)>,
}

type Filter = Box<dyn FnMut(&str, &str, &Message) -> bool>;

pub struct World {
    pub engine: Engine,
    pub snapshot: Arc<Snapshot>,
    pub now: Now,
    start: Now,
    pub parties: Vec<Party>,
    agenda: BTreeMap<(Mono, u64), Happening>,
    counted: u64,
    steps: usize,
    pub random: RandomSource,
    pub faults: Faults,
    filter: Option<Filter>,
    pub disk: Disk,
    pub says: AtBeep,
    players: BTreeMap<MediaId, Player>,
    /// Media ports that cannot be bound.
    pub ports_taken: usize,
    pub sent: Vec<Sent>,
    pub media: Vec<(Mono, MediaCommand)>,
    pub records: Vec<Record>,
    pub prepared: Vec<(Mono, VoicemailRecord)>,
    pub kept: Vec<VoicemailRecord>,
    pub discarded: Vec<VoicemailRecord>,
    pub notices: Vec<Notice>,
    pub told: Vec<String>,
    pub drained: bool,
    pub statuses: Vec<Status>,
    pub answers: Vec<(u64, Result<Done, Refusal>)>,
    pub published: Vec<InboxEvent>,
    /// What was stored, published and answered, in order.
    pub order: Vec<&'static str>,
    registering: BTreeMap<(usize, RequestId), bool>,
    ladder: Vec<String>,
    next_leg: u128,
    checking: bool,
}

/// A configuration: channel `main-line` rings these users in this way.
pub fn ringing(strategy: Strategy, users: &[&str]) -> Snapshot {
    let step = sample::step(strategy, users, &[]);
    sample::snapshot(people(users), vec![], vec![sample::channel(vec![step])])
}

/// Users whose phones can register.
pub fn people(names: &[&str]) -> Vec<User> {
    names
        .iter()
        .map(|name| User {
            sip_password: Some(Secret(format!("{name}-secret"))),
            ..sample::user(name)
        })
        .collect()
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl World {
    /// A world with a carrier and no phones.
    pub fn new(snapshot: Snapshot) -> World {
        World::seeded(snapshot, 0)
    }

    pub fn seeded(snapshot: Snapshot, seed: u8) -> World {
        World::at(snapshot, seed, "2026-12-02T09:00:00Z")
    }

    pub fn at(snapshot: Snapshot, seed: u8, moment: &str) -> World {
        let now = sample::at(moment);
        let snapshot = Arc::new(snapshot);
        let mut random = RandomSource::from_seed([seed; 32]);
        let engine = Engine::new(
            Arc::clone(&snapshot),
            Environment::default(),
            [seed.wrapping_add(100); 32],
            now,
        );
        let carrier = Party::new(
            "carrier",
            "198.51.100.1:5060".parse().unwrap(),
            random.fork(),
        );
        let mut world = World {
            engine,
            snapshot,
            now,
            start: now,
            parties: vec![carrier],
            agenda: BTreeMap::new(),
            counted: 0,
            steps: 0,
            random,
            faults: Faults::default(),
            filter: None,
            disk: Disk::Writes(millis(10)),
            says: AtBeep::Leaves(seconds(5), RecordingEnd::Silence),
            players: BTreeMap::new(),
            ports_taken: 0,
            sent: Vec::new(),
            media: Vec::new(),
            records: Vec::new(),
            prepared: Vec::new(),
            kept: Vec::new(),
            discarded: Vec::new(),
            notices: Vec::new(),
            told: Vec::new(),
            drained: false,
            statuses: Vec::new(),
            answers: Vec::new(),
            published: Vec::new(),
            order: Vec::new(),
            registering: BTreeMap::new(),
            ladder: Vec::new(),
            next_leg: 1,
            checking: true,
        };
        world.take_outputs();
        world
    }

    /// `main-line` rings these users, each of whom has one registered phone.
    pub fn with_phones(strategy: Strategy, users: &[&str]) -> World {
        let mut world = World::new(ringing(strategy, users));
        for user in users {
            world.register(user);
        }
        world
    }

    // ---- parties ----

    /// One more phone of that user; it registers. Names are `anna`, `anna-2`, …
    pub fn register(&mut self, user: &str) -> usize {
        let phone = self.add_phone(user);
        self.send_register(phone, user);
        self.run_until("a registration", |world| world.parties[phone].registered);
        phone
    }

    /// A phone that does not register.
    pub fn add_phone(&mut self, user: &str) -> usize {
        let count = self.parties.len();
        let same = self
            .parties
            .iter()
            .filter(|party| party.name.split('-').next() == Some(user))
            .count();
        let name = match same {
            0 => user.to_owned(),
            more => format!("{user}-{}", more + 1),
        };
        let address = format!("10.0.1.{count}:5060").parse().unwrap();
        let random = self.random.fork();
        self.parties.push(Party::new(&name, address, random));
        count
    }

    /// Somebody at an address, played by hand: see `inbox`, `type_in`.
    pub fn stranger(&mut self, name: &str, address: &str) -> usize {
        let random = self.random.fork();
        let mut party = Party::new(name, address.parse().unwrap(), random);
        party.inbox = Some(VecDeque::new());
        self.parties.push(party);
        self.parties.len() - 1
    }

    fn send_register(&mut self, phone: usize, user: &str) {
        let address = self.parties[phone].address;
        let uri: Uri = "sip:10.0.0.5".parse().unwrap();
        let aor = format!("<sip:{user}@10.0.0.5>");
        let request = Request::new(Method::Register, &uri)
            .with_header("From", &aor)
            .with_header("To", &aor)
            .with_header("Call-ID", format!("register-{phone}"))
            .with_header("CSeq", "1 REGISTER")
            .with_header("Contact", format!("<sip:{user}@{address}>"))
            .with_header("Expires", 3600);
        self.send_request(phone, request);
    }

    fn send_request(&mut self, phone: usize, request: Request) {
        let flow = self.flow_of(phone);
        let party = &mut self.parties[phone];
        let id = party
            .agent
            .send(request, flow, party.address, self.now.mono);
        self.registering.insert((phone, id), true);
        self.take_events(phone);
    }

    pub fn flow_of(&self, party: usize) -> Flow {
        let connection = self.parties[party].connection;
        Flow {
            protocol: protocol(connection),
            local: self.parties[party].address,
            remote: DAEMON.parse().unwrap(),
            connection,
        }
    }

    /// One more phone of that user; it registers over TCP.
    pub fn register_over_tcp(&mut self, user: &str) -> usize {
        let phone = self.add_phone(user);
        self.parties[phone].connection = Some(ConnectionId(phone as u64));
        self.send_register(phone, user);
        self.run_until("a registration", |world| world.parties[phone].registered);
        phone
    }

    /// The TCP connection of a phone closes, and the phone is gone.
    pub fn disconnect(&mut self, name: &str) {
        self.unplug(name);
        let phone = self.party(name);
        let flow = Flow {
            local: DAEMON.parse().unwrap(),
            remote: self.parties[phone].address,
            ..self.flow_of(phone)
        };
        self.tell(Input::FlowFailed { flow });
    }

    pub fn party(&self, name: &str) -> usize {
        let place = self.parties.iter().position(|party| party.name == name);
        place.unwrap_or_else(|| panic!("nobody is named {name}"))
    }

    pub fn manner(&mut self, name: &str, manner: Manner) {
        let party = self.party(name);
        self.parties[party].manner = manner;
    }

    pub fn unplug(&mut self, name: &str) {
        let party = self.party(name);
        self.note(&format!("{name} is unplugged"));
        self.parties[party].unplugged = true;
    }

    pub fn plug_in(&mut self, name: &str) {
        let party = self.party(name);
        self.note(&format!("{name} is plugged in again"));
        self.parties[party].unplugged = false;
    }

    /// The only open leg of a party.
    pub fn leg_of(&self, name: &str) -> LegId {
        let open = self.parties[self.party(name)].open_legs();
        assert_eq!(open.len(), 1, "open legs of {name}");
        open[0]
    }

    pub fn caller(&self, leg: LegId) -> &Standing {
        &self.parties[CARRIER].legs[&leg].standing
    }

    pub fn is_over(&self, leg: LegId) -> bool {
        matches!(self.caller(leg), Standing::Over(_))
    }

    pub fn is_ringing(&self, name: &str) -> bool {
        let party = &self.parties[self.party(name)];
        party.legs.values().any(|leg| {
            !matches!(leg.standing, Standing::Over(_)) && leg.standing != Standing::Talking
        })
    }

    pub fn is_talking(&self, name: &str) -> bool {
        let party = &self.parties[self.party(name)];
        party
            .legs
            .values()
            .any(|leg| leg.standing == Standing::Talking)
    }

    /// Who rings now, by name.
    pub fn who_rings(&self) -> Vec<String> {
        let names = self.parties.iter().skip(1).map(|party| party.name.clone());
        names.filter(|name| self.is_ringing(name)).collect()
    }

    // ---- what parties do ----

    /// Somebody calls `+4722334455` through the carrier.
    pub fn call(&mut self) -> LegId {
        self.call_with(|_| {})
    }

    pub fn call_with(&mut self, change: impl FnOnce(&mut OutgoingInvite)) -> LegId {
        self.place_call(CARRIER, change)
    }

    pub fn place_call(&mut self, from: usize, change: impl FnOnce(&mut OutgoingInvite)) -> LegId {
        let leg = self.new_leg_id();
        let flow = self.flow_of(from);
        let address = self.parties[from].address;
        let offer = self.parties[from]
            .add_leg(leg, None)
            .session
            .offer(Direction::SendRecv);
        let daemon: SocketAddr = DAEMON.parse().unwrap();
        let target = Uri::of_address(Some("+4722334455"), daemon);
        let mut invite = OutgoingInvite {
            target_uri: target.clone(),
            flow,
            sent_by: address,
            contact_user: "caller".to_owned(),
            from: NameAddr::new(Uri::of_address(Some(CALLER), address)),
            to: NameAddr::new(target),
            headers: Vec::new(),
            body: Some(Body::sdp(offer)),
            route: Vec::new(),
            next_hop: NextHop::Flow,
            credentials: None,
        };
        change(&mut invite);
        let name = self.parties[from].name.clone();
        self.note(&format!("{name} calls"));
        self.parties[from].agent.invite(leg, invite, self.now.mono);
        self.take_events(from);
        leg
    }

    /// The caller gives up or hangs up.
    pub fn caller_hangs_up(&mut self, leg: LegId) {
        self.hang_up_at(CARRIER, leg);
    }

    pub fn hang_up(&mut self, name: &str) {
        let party = self.party(name);
        let leg = self.leg_of(name);
        self.hang_up_at(party, leg);
    }

    pub fn hang_up_at(&mut self, party: usize, leg: LegId) {
        self.note(&format!("{} hangs up", self.parties[party].name));
        self.parties[party].agent.hang_up(leg, None, self.now.mono);
        self.take_events(party);
    }

    pub fn answer(&mut self, name: &str) {
        let party = self.party(name);
        let leg = self.leg_of(name);
        self.act(party, leg, Act::Answer(None));
    }

    pub fn reject(&mut self, name: &str, status: u16) {
        let party = self.party(name);
        let leg = self.leg_of(name);
        self.act(party, leg, Act::Reject(status));
    }

    /// A side that talks offers another direction (seen from there): hold and resume.
    pub fn offers(&mut self, party: usize, leg: LegId, direction: Direction) {
        let name = self.parties[party].name.clone();
        self.note(&format!("{name} offers {}", direction.as_str()));
        let this = &mut self.parties[party];
        let body = this
            .legs
            .get_mut(&leg)
            .expect("a leg")
            .session
            .offer(direction);
        this.agent.offer(leg, Body::sdp(body), self.now.mono);
        self.take_events(party);
    }

    fn act(&mut self, party: usize, leg: LegId, act: Act) {
        let now = self.now.mono;
        let this = &mut self.parties[party];
        let Some(state) = this.legs.get_mut(&leg) else {
            return;
        };
        if matches!(state.standing, Standing::Over(_)) {
            return;
        }
        match act {
            Act::Answer(talks) => {
                if state.standing == Standing::Talking {
                    return;
                }
                let body = match &state.offer {
                    Some(offer) => {
                        state
                            .session
                            .answer(offer, None, Direction::SendRecv)
                            .expect("an offer that can be answered")
                            .0
                    }
                    None => state.session.offer(Direction::SendRecv),
                };
                state.standing = Standing::Talking;
                this.agent.answer(leg, &[], &Body::sdp(body), now);
                if let Some(talks) = talks {
                    self.schedule(talks, Happening::Act(party, leg, Act::HangUp));
                }
            }
            Act::Reject(_) if state.standing == Standing::Talking => return,
            Act::Reject(status) => this.agent.reject(leg, status, &[], now),
            Act::HangUp => this.agent.hang_up(leg, None, now),
        }
        let name = &self.parties[party].name;
        let text = match act {
            Act::Answer(_) => format!("{name} answers"),
            Act::Reject(status) => format!("{name} rejects with {status}"),
            Act::HangUp => format!("{name} hangs up"),
        };
        self.note(&text);
        self.take_events(party);
    }

    fn new_leg_id(&mut self) -> LegId {
        self.next_leg += 1;
        LegId(Uuid::from_u128(self.next_leg))
    }

    // ---- by hand ----

    /// The next message that a stranger got and that fits; others before it are passed over.
    pub fn gets(
        &mut self,
        stranger: usize,
        what: &str,
        fits: impl Fn(&Message) -> bool,
    ) -> Message {
        for _ in 0..MAX_STEPS {
            let inbox = self.parties[stranger].inbox.as_mut().expect("a stranger");
            while let Some(message) = inbox.pop_front() {
                if fits(&message) {
                    return message;
                }
            }
            assert!(self.step(), "never gets {what}");
        }
        panic!("never gets {what}");
    }

    pub fn gets_request(&mut self, stranger: usize, method: &str) -> Request {
        let fits = |message: &Message| matches!(message, Message::Request(request) if request.method.as_str() == method);
        match self.gets(stranger, method, fits) {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!(),
        }
    }

    pub fn gets_response(&mut self, stranger: usize, status: u16) -> Response {
        let fits = |message: &Message| matches!(message, Message::Response(response) if response.status == status);
        match self.gets(stranger, &status.to_string(), fits) {
            Message::Response(response) => response,
            Message::Request(_) => unreachable!(),
        }
    }

    pub fn sends(&mut self, stranger: usize, message: impl Into<Message>) {
        let bytes = message.into().to_bytes();
        let from = self.parties[stranger].address;
        self.transmit(from, DAEMON.parse().unwrap(), bytes);
    }

    /// An INVITE written by hand, with an offer or without.
    pub fn invite_text(&self, stranger: usize, call_id: &str, with_offer: bool) -> Request {
        let address = self.parties[stranger].address;
        let request = Request::new(
            Method::Invite,
            "sip:+4722334455@10.0.0.5".parse::<Uri>().unwrap(),
        )
        .with_header(
            "Via",
            format!("SIP/2.0/UDP {address};branch=z9hG4bK{call_id};rport"),
        )
        .with_header("Max-Forwards", 70)
        .with_header("From", format!("<sip:{CALLER}@{address}>;tag=t{call_id}"))
        .with_header("To", "<sip:+4722334455@10.0.0.5>")
        .with_header("Call-ID", call_id)
        .with_header("CSeq", "1 INVITE")
        .with_header("Contact", format!("<sip:caller@{address}>"));
        if with_offer {
            request.with_body("application/sdp", sdp_text(address))
        } else {
            request
        }
    }

    /// Acknowledges a final response to an INVITE written by hand: a 2xx with an ACK of its own, any
    /// other within the transaction.
    pub fn acknowledge(
        &mut self,
        stranger: usize,
        invite: &Request,
        response: &Response,
        answer: Option<&str>,
    ) {
        let mut ack = Request::new(Method::Ack, invite.uri.clone());
        if response.status < 300 {
            let branch = "z9hG4bKack";
            let address = self.parties[stranger].address;
            ack.headers.push(
                "Via",
                format!("SIP/2.0/UDP {address};branch={branch};rport"),
            );
        } else {
            ack.headers.copy(&invite.headers, "Via");
        }
        ack.headers.copy(&invite.headers, "From");
        ack.headers.copy(&response.headers, "To");
        ack.headers.copy(&invite.headers, "Call-ID");
        ack.headers.push("Max-Forwards", 70);
        let number = invite.headers.cseq().unwrap().number;
        ack.headers.push("CSeq", format!("{number} ACK"));
        let ack = match answer {
            Some(sdp) => ack.with_body("application/sdp", sdp.to_owned()),
            None => ack,
        };
        self.sends(stranger, ack);
    }

    /// Gives up an INVITE written by hand, in whatever state it is.
    pub fn stop_by_hand(&mut self, stranger: usize, invite: &Request) {
        let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
        for name in ["Via", "From", "To", "Call-ID", "Max-Forwards"] {
            cancel.headers.copy(&invite.headers, name);
        }
        let number = invite.headers.cseq().unwrap().number;
        self.sends(
            stranger,
            cancel.with_header("CSeq", format!("{number} CANCEL")),
        );
        let message = self.gets(stranger, "a final response", |message| {
            matches!(message, Message::Response(response) if response.status >= 200
                && response.headers.cseq().unwrap().method == Method::Invite)
        });
        let Message::Response(response) = message else {
            unreachable!()
        };
        self.acknowledge(stranger, invite, &response, None);
        if response.status < 300 {
            let bye = self.gets_request(stranger, "BYE");
            self.sends(stranger, bye.response(200));
        }
    }

    /// A stranger's address becomes that user's phone.
    pub fn register_by_hand(&mut self, stranger: usize, user: &str) {
        let address = self.parties[stranger].address;
        self.register_as(stranger, user, &format!("sip:{user}@{address}"));
    }

    /// A stranger registers with this Contact.
    pub fn register_as(&mut self, stranger: usize, user: &str, contact: &str) {
        let address = self.parties[stranger].address;
        let uri: Uri = "sip:10.0.0.5".parse().unwrap();
        let request = |number: u32| {
            let branch = format!("z9hG4bKreg{number}{user}");
            Request::new(Method::Register, &uri)
                .with_header(
                    "Via",
                    format!("SIP/2.0/UDP {address};branch={branch};rport"),
                )
                .with_header("Max-Forwards", 70)
                .with_header("From", format!("<sip:{user}@10.0.0.5>;tag=r"))
                .with_header("To", format!("<sip:{user}@10.0.0.5>"))
                .with_header("Call-ID", format!("register-{user}"))
                .with_header("CSeq", format!("{number} REGISTER"))
                .with_header("Contact", format!("<{contact}>"))
                .with_header("Expires", 3600)
        };
        self.sends(stranger, request(1));
        let challenged = self.gets_response(stranger, 401);
        let values = challenged.headers.values("WWW-Authenticate");
        let challenge = Challenge::choose(values, None).expect("a challenge");
        let password = format!("{user}-secret");
        let value = challenge.answer(
            (user, &password),
            (&Method::Register, "sip:10.0.0.5"),
            1,
            &mut self.random,
        );
        self.sends(stranger, request(2).with_header("Authorization", value));
        self.gets_response(stranger, 200);
    }

    /// A phone starts anew and knows nothing of before.
    pub fn forget(&mut self, place: usize) {
        let random = self.random.fork();
        let old = &self.parties[place];
        let mut new = Party::new(&old.name, old.address, random);
        new.registered = true;
        self.note(&format!("{} starts anew", new.name));
        self.parties[place] = new;
    }

    // ---- network ----

    /// From now on the network drops messages for which `filter(from, to, message)` is true.
    pub fn drop_if(&mut self, filter: impl FnMut(&str, &str, &Message) -> bool + 'static) {
        self.filter = Some(Box::new(filter));
    }

    pub fn drop_nothing(&mut self) {
        self.filter = None;
    }

    fn name_at(&self, address: SocketAddr) -> String {
        if address == DAEMON.parse().unwrap() {
            return "daemon".to_owned();
        }
        let party = self.parties.iter().find(|party| party.address == address);
        party.map_or_else(|| address.to_string(), |party| party.name.clone())
    }

    fn transmit(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        let message = Message::parse(&bytes).expect("what is sent can be read");
        let (sender, receiver) = (self.name_at(from), self.name_at(to));
        let cut = self
            .parties
            .iter()
            .any(|party| party.unplugged && (party.address == from || party.address == to));
        let filtered = self
            .filter
            .as_mut()
            .is_some_and(|filter| filter(&sender, &receiver, &message));
        let reliable = self.is_over_tcp(from) || self.is_over_tcp(to);
        let lost = cut || filtered || !reliable && self.chance(self.faults.lost);
        let mark = if lost { "  (lost)" } else { "" };
        self.ladder_line(&format!(
            "{sender:>9} -> {receiver:<9} {}{mark}",
            title(&message)
        ));
        self.sent.push(Sent {
            at: self.now.mono,
            from: sender,
            to: receiver,
            message,
        });
        if lost {
            return;
        }
        let copies = 1 + u64::from(!reliable && self.chance(self.faults.doubled));
        for _ in 0..copies {
            let jitter = match self.faults.jitter {
                0 => 0,
                _ if reliable => 0,
                jitter => self.random.next_u64() % jitter,
            };
            let bytes = bytes.clone();
            self.schedule(
                LATENCY + millis(jitter),
                Happening::Datagram { from, to, bytes },
            );
        }
    }

    fn is_over_tcp(&self, address: SocketAddr) -> bool {
        let party = self.parties.iter().find(|party| party.address == address);
        party.is_some_and(|party| party.connection.is_some())
    }

    fn chance(&mut self, of_100: u64) -> bool {
        of_100 > 0 && self.random.next_u64() % 100 < of_100
    }

    /// Messages from one to the other whose title begins so (`INVITE`, `180`): when each was sent.
    pub fn messages(&self, from: &str, to: &str, beginning: &str) -> Vec<Sent> {
        self.sent
            .iter()
            .filter(|sent| sent.from == from && sent.to == to)
            .filter(|sent| title(&sent.message).starts_with(beginning))
            .cloned()
            .collect()
    }

    /// When the first of these messages was sent.
    pub fn first(&self, from: &str, to: &str, beginning: &str) -> Option<Sent> {
        self.messages(from, to, beginning).into_iter().next()
    }

    // ---- time ----

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.counted += 1;
        let at = self.now.mono + after;
        self.agenda.insert((at, self.counted), happening);
    }

    /// Something that is to happen later.
    pub fn later(&mut self, after: Duration, script: impl FnOnce(&mut World) + 'static) {
        self.schedule(after, Happening::Script(Box::new(script)));
    }

    fn next_instant(&self) -> Option<Mono> {
        let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let parties = self
            .parties
            .iter()
            .filter_map(|party| party.agent.next_timeout());
        parties
            .chain(agenda)
            .chain(self.engine.next_timeout())
            .min()
    }

    fn set_time(&mut self, at: Mono) {
        let mono = self.now.mono.max(at);
        self.now = Now::new(mono, self.start.wall + mono.since(self.start.mono));
    }

    /// Goes on to whatever happens next; false if nothing ever does.
    fn step(&mut self) -> bool {
        let Some(at) = self.next_instant() else {
            return false;
        };
        self.steps += 1;
        assert!(self.steps < MAX_STEPS, "the flow does not come to rest");
        self.set_time(at);
        let due = self
            .agenda
            .first_entry()
            .filter(|entry| entry.key().0 <= at);
        if let Some(entry) = due {
            let happening = entry.remove();
            self.happen(happening);
            return true;
        }
        if self.engine.next_timeout().is_some_and(|due| due <= at) {
            self.tell(Input::TimeCame);
            let next = self.engine.next_timeout();
            assert!(
                next.is_none_or(|next| next > self.now.mono),
                "the engine has a timeout that does not pass"
            );
        }
        for place in 0..self.parties.len() {
            let agent = &mut self.parties[place].agent;
            if agent.next_timeout().is_some_and(|due| due <= at) {
                agent.handle_timeout(self.now.mono);
                self.take_events(place);
            }
        }
        true
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now.mono + duration;
        while self.next_instant().is_some_and(|at| at <= until) {
            self.step();
        }
        self.set_time(until);
    }

    /// Lets time pass until something is so.
    pub fn run_until(&mut self, what: &str, is_so: impl Fn(&World) -> bool) {
        let until = self.now.mono + MAX_REST;
        while !is_so(self) {
            assert!(
                self.now.mono < until && self.step(),
                "it never comes to {what}"
            );
        }
    }

    /// Lets time pass until everything has come to rest. Then nothing may be left anywhere, and every
    /// call must have had one end.
    pub fn finish(&mut self) {
        self.note("(until everything is at rest)");
        let until = self.now.mono + MAX_REST;
        while !self.is_at_rest() {
            if self.now.mono >= until || !self.step() {
                panic!("it does not come to rest: {}", self.what_is_left());
            }
        }
        self.check_desk();
        assert_eq!(self.engine.desk.calls(), 0, "calls at the desk");
        for user in &self.snapshot.users {
            let busy = self.engine.desk.busy(&user.name);
            assert_eq!(busy, Busy::Free, "{} after the last call", user.name);
        }
        assert_eq!(self.engine.ports.in_use(), 0, "ports in use");
        assert!(self.engine.pending.is_empty(), "requests without an answer");
        assert!(self.engine.voicemails.is_empty(), "voicemails under way");
        let hangs = matches!(self.disk, Disk::Hangs);
        assert!(hangs || self.engine.unprepared.is_empty());
        for party in &self.parties {
            assert!(
                party.unplugged || party.open_legs().is_empty(),
                "{} still has a leg",
                party.name
            );
        }
        self.check_records();
    }

    fn is_at_rest(&self) -> bool {
        let parties = self.parties.iter();
        let at_rest = |party: &Party| party.unplugged || party.agent.is_idle();
        self.engine.in_use() == (0, 0, 0)
            && self.engine.user_agent.is_idle()
            && self.agenda.is_empty()
            && parties.clone().all(at_rest)
    }

    fn what_is_left(&self) -> String {
        let busy: Vec<&str> = self
            .parties
            .iter()
            .filter(|party| !party.unplugged && !party.agent.is_idle())
            .map(|party| party.name.as_str())
            .collect();
        format!(
            "engine {:?}, its user agent idle: {}, {} things to come, not idle: {busy:?}",
            self.engine.in_use(),
            self.engine.user_agent.is_idle(),
            self.agenda.len(),
        )
    }

    fn check_records(&self) {
        let mut ends: BTreeMap<CallId, Vec<&CallRecord>> = BTreeMap::new();
        let mut begun: BTreeSet<CallId> = BTreeSet::new();
        for record in &self.records {
            if let Record::Call(call) = record {
                begun.insert(call.id);
                if call.ended.is_some() {
                    ends.entry(call.id).or_default().push(call);
                }
            }
        }
        for id in &begun {
            let ends = ends.get(id).map_or(&[][..], Vec::as_slice);
            assert_eq!(ends.len(), 1, "ends of call {id}");
            assert!(ends[0].outcome.is_some(), "call {id} has no outcome");
        }
        let open: BTreeSet<LegId> = self
            .leg_rows()
            .into_values()
            .filter(|leg| leg.ended.is_none())
            .map(|leg| leg.id)
            .collect();
        assert!(open.is_empty(), "legs whose rows have no end: {open:?}");
        let pending = self.prepared.len();
        let settled = self.kept.len() + self.discarded.len();
        let hangs = matches!(self.disk, Disk::Hangs);
        let may_be_open = hangs || self.records.iter().any(is_failed_call);
        assert!(
            settled == pending || may_be_open && settled < pending,
            "{settled} voicemails settled of {pending}"
        );
    }

    /// Nobody is rung by two calls at once, and nobody rings without a leg.
    fn check_desk(&self) {
        let mut rung: BTreeMap<&UserName, BTreeSet<CallId>> = BTreeMap::new();
        for leg in self.engine.legs.values() {
            if let Some(user) = &leg.user
                && !leg.ending
            {
                rung.entry(user).or_default().insert(leg.call);
            }
        }
        for (user, calls) in &rung {
            assert_eq!(calls.len(), 1, "{user} is rung by {calls:?}");
        }
        for user in &self.snapshot.users {
            let busy = self.engine.desk.busy(&user.name);
            let rings = rung.get(&user.name);
            match busy {
                Busy::Free => assert!(rings.is_none(), "{} is free, but rings", user.name),
                Busy::Ringing(call) | Busy::OnCall(call) => {
                    let has_leg = rings.is_some_and(|calls| calls.contains(&call));
                    let calls_herself = self.engine.calls.contains_key(&call)
                        && matches!(busy, Busy::OnCall(_))
                        && rings.is_none();
                    assert!(
                        has_leg || calls_herself,
                        "{} is {busy:?} without a leg",
                        user.name
                    );
                }
            }
        }
    }

    // ---- what comes of it ----

    /// The last state of each call's row.
    pub fn call_rows(&self) -> Vec<CallRecord> {
        let mut rows: BTreeMap<CallId, CallRecord> = BTreeMap::new();
        for record in &self.records {
            if let Record::Call(call) = record {
                rows.insert(call.id, call.clone());
            }
        }
        rows.into_values().collect()
    }

    /// The row of the only call.
    pub fn call_row(&self) -> CallRecord {
        let rows = self.call_rows();
        assert_eq!(rows.len(), 1, "calls");
        rows.into_iter().next().unwrap()
    }

    pub fn leg_rows(&self) -> BTreeMap<LegId, LegRecord> {
        let mut rows = BTreeMap::new();
        for record in &self.records {
            if let Record::Leg(leg) = record {
                rows.insert(leg.id, leg.clone());
            }
        }
        rows
    }

    pub fn item(&self) -> ConversationRecord {
        let mut items = self.records.iter().filter_map(|record| match record {
            Record::Item(item) => Some((**item).clone()),
            _ => None,
        });
        items.next_back().expect("an item")
    }

    /// Comes to rest, and says how the only call ended.
    pub fn outcome(&mut self) -> CallOutcome {
        self.finish();
        self.call_row().outcome.expect("an outcome")
    }

    /// Whether a line that holds these words was told.
    pub fn was_told(&self, words: &str) -> bool {
        self.told.iter().any(|line| line.contains(words))
    }

    /// The media commands that fit.
    pub fn commands<T>(&self, pick: impl Fn(&MediaCommand) -> Option<T>) -> Vec<T> {
        self.media
            .iter()
            .filter_map(|(_, command)| pick(command))
            .collect()
    }

    /// The media legs that are bridged: the caller's and the other.
    pub fn bridged(&self) -> (MediaId, MediaId) {
        let bridges = self.commands(|command| match command {
            MediaCommand::Bridge { a, b } => Some((*a, *b)),
            _ => None,
        });
        *bridges.last().expect("a bridge")
    }

    /// One of the media legs that are open.
    pub fn a_media_leg(&self, number: usize) -> Option<MediaId> {
        let open = self.players.iter().filter(|(_, player)| !player.closed);
        let open: Vec<MediaId> = open.map(|(media, _)| *media).collect();
        (!open.is_empty()).then(|| open[number % open.len()])
    }

    /// Whoever talks on a phone puts the caller on hold, and takes the caller back after a while.
    pub fn somebody_holds(&mut self) {
        for place in 1..self.parties.len() {
            for leg in self.parties[place].open_legs() {
                if self.parties[place].legs[&leg].standing == Standing::Talking {
                    self.offers(place, leg, Direction::SendOnly);
                    self.later(seconds(4), move |world| {
                        let open = world.parties[place].legs.get(&leg);
                        if open.is_some_and(|leg| leg.standing == Standing::Talking) {
                            world.offers(place, leg, Direction::SendRecv);
                        }
                    });
                    return;
                }
            }
        }
    }

    /// How many media legs were opened.
    pub fn opened(&self) -> usize {
        self.commands(|command| matches!(command, MediaCommand::Open { .. }).then_some(()))
            .len()
    }

    // ---- the engine ----

    /// Gives the engine an input, and does what it asks.
    pub fn tell(&mut self, input: Input) {
        self.engine.handle(input, self.now);
        self.take_outputs();
        if self.checking {
            self.check_desk();
        }
    }

    /// A media thread reports something.
    pub fn media_says(&mut self, event: MediaEvent) {
        self.note(&format!("media: {event:?}"));
        self.tell(Input::Media(event));
    }

    pub fn take_outputs(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send { flow, bytes } => self.transmit(flow.local, flow.remote, bytes),
                Output::Media(command) => self.media_command(command),
                Output::Store(record) => {
                    self.order.push("stored");
                    self.records.push(*record);
                }
                Output::PrepareVoicemail { record, .. } => self.prepare(*record),
                Output::KeepVoicemail(record, notice) => {
                    self.note("keep the voicemail");
                    self.kept.push(*record);
                    self.notices.extend(notice.map(|notice| *notice));
                }
                Output::DiscardVoicemail(record) => {
                    self.note("discard the voicemail");
                    self.discarded.push(*record);
                }
                Output::Notify(notice) => self.notices.push(*notice),
                Output::Resolve(target) => {
                    let flow = target
                        .host
                        .parse()
                        .map(|ip| Flow {
                            protocol: target.protocol,
                            local: DAEMON.parse().unwrap(),
                            remote: SocketAddr::new(ip, target.port),
                            connection: None,
                        })
                        .map_err(|_| format!("{} has no address", target.host));
                    let input = Box::new(Input::Resolved { target, flow });
                    self.schedule(millis(10), Happening::Tell(input));
                }
                Output::Tell { text, .. } => {
                    self.ladder_line(&format!("          | {text}"));
                    self.told.push(text);
                }
                Output::Status { status, .. } => self.statuses.push(*status),
                Output::Answered { number, result } => {
                    self.order.push("answered");
                    self.answers.push((number, *result));
                }
                Output::Published(event) => {
                    self.order.push("published");
                    self.published.push(*event);
                }
                Output::Drained => self.drained = true,
            }
        }
    }

    fn prepare(&mut self, record: VoicemailRecord) {
        self.note("prepare a voicemail");
        let id = record.id;
        self.prepared.push((self.now.mono, record));
        let (after, result) = match self.disk {
            Disk::Writes(after) => (after, Ok(())),
            Disk::Fails => (millis(10), Err("no space left on device".to_owned())),
            Disk::Hangs => return,
        };
        let input = Box::new(Input::VoicemailPrepared { id, result });
        self.schedule(after, Happening::Tell(input));
    }

    fn media_command(&mut self, command: MediaCommand) {
        let short: String = match &command {
            MediaCommand::Play {
                media,
                repeat,
                audio,
            } => {
                format!("Play {} {:?} repeat {repeat}", media.0, audio.duration())
            }
            MediaCommand::Agree { media, agreement } => {
                format!("Agree {} {:?}", media.0, agreement.direction)
            }
            other => format!("{other:?}"),
        };
        self.ladder_line(&format!("          * {short}"));
        self.media.push((self.now.mono, command.clone()));
        match command {
            MediaCommand::Open { media, .. } => {
                self.players.insert(media, Player::default());
                if self.ports_taken > 0 {
                    self.ports_taken -= 1;
                    let error = "Address already in use".to_owned();
                    self.reports(millis(1), MediaEvent::OpenFailed { media, error });
                }
            }
            MediaCommand::Agree { media, .. } => self.player(media).agreed = true,
            MediaCommand::Play {
                media,
                audio,
                repeat,
            } => {
                let player = self.player(media);
                assert!(player.agreed, "nobody knows where to play to");
                player.playing += 1;
                let number = player.playing;
                if !repeat {
                    let event = MediaEvent::PlayingEnded { media };
                    self.schedule(audio.duration(), Happening::Media(event, number));
                }
            }
            MediaCommand::StopPlaying { media } => self.player(media).playing += 1,
            MediaCommand::Record { media, recording } => {
                let now = self.now.mono;
                self.player(media).recording = Some((recording.id, now));
                if let AtBeep::Leaves(length, why) = self.says {
                    let length = length.min(recording.limit);
                    let ends = match why {
                        RecordingEnd::Silence => length + seconds(10),
                        _ => length,
                    };
                    self.later(ends, move |world| {
                        world.end_recording(media, why, Some(length))
                    });
                }
            }
            MediaCommand::StopRecording { media } => {
                self.end_recording(media, RecordingEnd::Stopped, None);
            }
            MediaCommand::Bridge { a, b } => {
                assert!(self.player(a).agreed || self.player(b).agreed);
            }
            MediaCommand::Unbridge { .. } => {}
            MediaCommand::Close { media } => {
                self.end_recording(media, RecordingEnd::Stopped, None);
                let player = self.player(media);
                assert!(!player.closed, "closed twice");
                player.closed = true;
                let counters = MediaCounters::default();
                self.reports(millis(1), MediaEvent::Closed { media, counters });
            }
        }
    }

    fn player(&mut self, media: MediaId) -> &mut Player {
        self.players.get_mut(&media).expect("a media leg")
    }

    fn end_recording(&mut self, media: MediaId, why: RecordingEnd, length: Option<Duration>) {
        let now = self.now.mono;
        let Some((id, began)) = self.player(media).recording.take() else {
            return;
        };
        let said = length.unwrap_or_else(|| now.since(began));
        let event = MediaEvent::RecordingEnded {
            media,
            id,
            why,
            length: said,
        };
        self.reports(millis(20), event);
    }

    fn reports(&mut self, after: Duration, event: MediaEvent) {
        self.schedule(after, Happening::Media(event, 0));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Datagram { from, to, bytes } => self.arrive(from, to, &bytes),
            Happening::Media(event, number) => {
                if let MediaEvent::PlayingEnded { media } = &event {
                    let player = self.player(*media);
                    if player.playing != number || player.closed {
                        return;
                    }
                }
                self.media_says(event);
            }
            Happening::Tell(input) => self.tell(*input),
            Happening::Act(party, leg, act) => self.act(party, leg, act),
            Happening::Script(script) => script(self),
        }
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        let message = Message::parse(bytes).expect("what is sent can be read");
        let mut ends = self.parties.iter();
        let connection = ends
            .find(|party| party.address == from || party.address == to)
            .and_then(|party| party.connection);
        let flow = Flow {
            protocol: protocol(connection),
            local: to,
            remote: from,
            connection,
        };
        if to == DAEMON.parse().unwrap() {
            return self.tell(Input::Received { message, flow });
        }
        let place = self.parties.iter().position(|party| party.address == to);
        let Some(place) = place else {
            return self.note(&format!("nobody lives at {to}"));
        };
        let party = &mut self.parties[place];
        if party.unplugged {
            return;
        }
        if let Some(inbox) = &mut party.inbox {
            inbox.push_back(message);
            return;
        }
        party.agent.handle_message(message, flow, self.now.mono);
        self.take_events(place);
    }

    fn take_events(&mut self, place: usize) {
        while let Some(event) = self.parties[place].agent.poll_event() {
            if let Event::Transmit { flow, bytes } = event {
                self.transmit(flow.local, flow.remote, bytes);
            } else {
                self.party_event(place, event);
            }
        }
    }

    fn party_event(&mut self, place: usize, event: Event) {
        let now = self.now.mono;
        match event {
            Event::Transmit { .. } => {}
            Event::Incoming { key, offer, .. } => {
                let leg = self.new_leg_id();
                let offer = offer.map(|offer| offer.bytes);
                let party = &mut self.parties[place];
                party.add_leg(leg, offer).standing = Standing::Ringing;
                let (address, name) = (party.address, party.name.clone());
                party.agent.accept_leg(key, leg, address, &name, now);
                let manner = party.manner.clone();
                self.ring(place, leg, manner);
            }
            Event::Progressed { leg, status } if status > 100 => {
                self.set_standing(place, leg, Standing::Ringing);
            }
            Event::Progressed { .. } => {}
            Event::Answered { leg, body, .. } => {
                let state = self.leg_mut(place, leg);
                if let Some(body) = body {
                    let agreed = state.session.accept(&body.bytes).expect("an answer");
                    state.direction = Some(agreed.direction);
                }
                self.set_standing(place, leg, Standing::Talking);
            }
            Event::Acknowledged { .. } => {}
            Event::Offered { leg, body, .. } => {
                let state = self.leg_mut(place, leg);
                let answer = match body {
                    Some(body) => {
                        let (answer, agreed) = state
                            .session
                            .answer(&body.bytes, None, Direction::SendRecv)
                            .expect("an offer that can be answered");
                        state.direction = Some(agreed.direction);
                        answer
                    }
                    None => state.session.offer(Direction::SendRecv),
                };
                let agent = &mut self.parties[place].agent;
                agent.answer_offer(leg, Ok(Body::sdp(answer)), now);
            }
            Event::OfferAnswered { leg, body } => {
                let state = self.leg_mut(place, leg);
                if let Some(body) = body {
                    let agreed = state.session.accept(&body.bytes).expect("an answer");
                    state.direction = Some(agreed.direction);
                }
            }
            Event::OfferRejected { leg, status } => {
                let name = self.parties[place].name.clone();
                self.note(&format!("{name}'s offer on {leg} was refused: {status}"));
            }
            Event::Pinged { .. } => {}
            Event::Cancelled { leg, .. } => {
                self.set_standing(place, leg, Standing::Over("cancelled".to_owned()));
            }
            Event::Rejected { leg, status, .. } => {
                self.set_standing(place, leg, Standing::Over(status.to_string()));
            }
            Event::Ended { leg, why } => {
                self.set_standing(place, leg, Standing::Over(format!("{why:?}")));
            }
            Event::Request { key, request, .. } => {
                let agent = &mut self.parties[place].agent;
                agent.respond(key, request.response(200), now);
            }
            Event::Response { id, response } => self.registered(place, id, response),
        }
    }

    fn ring(&mut self, place: usize, leg: LegId, manner: Manner) {
        let manner = match manner {
            Manner::Whims => {
                let throw = self.random.next_u64() % 10;
                let after = millis(self.random.next_u64() % 20_000);
                match throw {
                    0..=4 => {
                        let talks = millis(self.random.next_u64() % 60_000);
                        let act = Act::Answer(Some(talks));
                        self.schedule(after, Happening::Act(place, leg, act));
                        Manner::Rings
                    }
                    5 => Manner::Rejects(486, after),
                    6 => Manner::Rejects(603, after),
                    7 => Manner::Rejects(503, after),
                    _ => Manner::Rings,
                }
            }
            other => other,
        };
        let now = self.now.mono;
        self.parties[place].agent.provisional(leg, 180, now);
        self.take_events(place);
        self.schedule(RINGS, Happening::Act(place, leg, Act::Reject(480)));
        match manner {
            Manner::Rings | Manner::Whims => {}
            Manner::Answers(after) => {
                self.schedule(after, Happening::Act(place, leg, Act::Answer(None)));
            }
            Manner::Rejects(status, after) => {
                self.schedule(after, Happening::Act(place, leg, Act::Reject(status)));
            }
        }
    }

    /// A phone's REGISTER was answered: a challenge is met, once.
    fn registered(&mut self, place: usize, id: RequestId, response: Option<Box<Response>>) {
        let may_answer = self.registering.remove(&(place, id)).unwrap_or_default();
        let Some(response) = response else {
            return;
        };
        match response.status {
            200 => self.parties[place].registered = true,
            401 if may_answer => {
                let values = response.headers.values("WWW-Authenticate");
                let challenge = Challenge::choose(values, None).expect("a challenge");
                let user = response.headers.to().unwrap().uri.user.unwrap();
                let password = format!("{user}-secret");
                let value = challenge.answer(
                    (&user, &password),
                    (&Method::Register, "sip:10.0.0.5"),
                    1,
                    &mut self.random,
                );
                let address = self.parties[place].address;
                let uri: Uri = "sip:10.0.0.5".parse().unwrap();
                let aor = format!("<sip:{user}@10.0.0.5>");
                let request = Request::new(Method::Register, &uri)
                    .with_header("From", &aor)
                    .with_header("To", &aor)
                    .with_header("Call-ID", format!("register-{place}"))
                    .with_header("CSeq", "2 REGISTER")
                    .with_header("Contact", format!("<sip:{user}@{address}>"))
                    .with_header("Expires", 3600)
                    .with_header("Authorization", value);
                self.send_request(place, request);
            }
            other => panic!("REGISTER was answered with {other}"),
        }
    }

    fn leg_mut(&mut self, place: usize, leg: LegId) -> &mut PartyLeg {
        self.parties[place].legs.get_mut(&leg).expect("a leg")
    }

    fn set_standing(&mut self, place: usize, leg: LegId, standing: Standing) {
        let name = self.parties[place].name.clone();
        let state = self.leg_mut(place, leg);
        assert!(
            !matches!(state.standing, Standing::Over(_)),
            "{name}: {standing:?} after its end"
        );
        state.standing = standing;
    }

    // ---- the ladder ----

    pub fn note(&mut self, text: &str) {
        self.ladder_line(&format!("          - {text}"));
    }

    fn ladder_line(&mut self, text: &str) {
        let time = self.now.mono.since(self.start.mono).as_secs_f64();
        self.ladder.push(format!("{time:>9.3} {text}"));
    }
}

/// How much of the ladder of a failed flow is printed: its end tells most.
const LADDER_LINES: usize = 200;

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.ladder.len().saturating_sub(LADDER_LINES);
            for line in &self.ladder[from..] {
                eprintln!("{line}");
            }
        }
    }
}

fn is_failed_call(record: &Record) -> bool {
    matches!(record, Record::Call(call) if call.outcome == Some(CallOutcome::Failed))
}

/// `INVITE 1`, `180 INVITE 1`.
pub fn title(message: &Message) -> String {
    let cseq = message.headers().cseq().expect("CSeq");
    match message {
        Message::Request(request) => format!("{} {}", request.method.as_str(), cseq.number),
        Message::Response(response) => {
            format!(
                "{} {} {}",
                response.status,
                cseq.method.as_str(),
                cseq.number
            )
        }
    }
}

fn protocol(connection: Option<ConnectionId>) -> Protocol {
    match connection {
        Some(_) => Protocol::Tcp,
        None => Protocol::Udp,
    }
}

/// The response with a tag in To.
pub fn tagged(mut response: Response, tag: &str) -> Response {
    let to = response.headers.to().unwrap().with_tag(tag);
    response.headers.replace("To", to);
    response
}

/// A session description at an address.
pub fn sdp_text(address: SocketAddr) -> String {
    let ip = address.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 50000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
}

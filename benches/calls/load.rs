//! The carrier and the phones: one thread, one socket for each of the two, a call's messages written
//! by hand and everything that comes back looked at.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use ringdesk::clock;
use ringdesk::core::id::RandomSource;
use ringdesk::core::time::Mono;
use ringdesk::sip::digest::Challenge;
use ringdesk::sip::message::Method;

use crate::daemon::PASSWORD;
use crate::text::{Text, sdp};
use crate::{Failure, USERS, carrier_ip, number, phones_ip, user};

const CARRIER: Token = Token(0);
const PHONES: Token = Token(1);

/// After this long without an answer a message is sent again (T1 of RFC 3261).
const REPEAT: Duration = Duration::from_millis(500);

/// How long a phone rings.
const RING: Duration = Duration::from_millis(50);

/// A call that is not over so long after it should be has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Faults that are told in words.
const MAX_FAULTS: usize = 20;

/// What is to be done later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Place(usize),
    HangUp(usize),
    RepeatCall(usize),
    Answer(usize),
    RepeatAnswer(usize),
}

/// A call as the carrier has it.
struct Call {
    state: CallState,
    number: usize,
    placed: Mono,
    /// INVITE to the first 180.
    rang_after: Option<Duration>,
    last_request: String,
    /// The parts of the dialog that later requests need.
    contact: String,
    to: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallState {
    Waiting,
    Inviting { heard_of: bool },
    Talking,
    HangingUp,
    Done,
    Failed,
}

/// A call as the phone has it.
struct Incoming {
    state: IncomingState,
    invite: Vec<u8>,
    cseq: u32,
    phone: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IncomingState {
    Ringing,
    Answered,
    Talking,
    Ended,
}

/// How many calls to make, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub calls: usize,
    /// Calls a second.
    pub rate: f64,
    /// How long each call talks.
    pub talk: Duration,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    pub failed: usize,
    pub repeated: usize,
    pub faults: Vec<String>,
    /// INVITE to 180, sorted.
    pub rang_after: Vec<Duration>,
}

pub struct Load {
    poll: Poll,
    events: Events,
    carrier: UdpSocket,
    phones: UdpSocket,
    carrier_at: SocketAddr,
    phones_at: SocketAddr,
    server: SocketAddr,
    random: RandomSource,
    run: u32,
    talk: Duration,
    calls: Vec<Call>,
    incoming: Vec<Incoming>,
    incoming_by_call_id: HashMap<String, usize>,
    tasks: BinaryHeap<Reverse<(Mono, Task)>>,
    byes_sent: usize,
    byes_heard: usize,
    repeated: usize,
    faults: Vec<String>,
    /// Where the audio of each call is, on our side and on the daemon's.
    pub carrier_audio: Vec<(SocketAddr, Option<SocketAddr>)>,
    pub phone_audio: Vec<(SocketAddr, Option<SocketAddr>)>,
}

impl Load {
    /// `audio`: for each user, the carrier's address for RTP and the phone's.
    pub fn new(server: SocketAddr, audio: &[(SocketAddr, SocketAddr)]) -> Result<Load, Failure> {
        let poll = Poll::new()?;
        let mut carrier = UdpSocket::bind(SocketAddr::new(carrier_ip(), 0))?;
        let mut phones = UdpSocket::bind(SocketAddr::new(phones_ip(), 0))?;
        let registry = poll.registry();
        registry.register(&mut carrier, CARRIER, Interest::READABLE)?;
        registry.register(&mut phones, PHONES, Interest::READABLE)?;
        let (carrier_at, phones_at) = (carrier.local_addr()?, phones.local_addr()?);
        Ok(Load {
            poll,
            events: Events::with_capacity(8),
            carrier,
            phones,
            carrier_at,
            phones_at,
            server,
            random: RandomSource::from_seed([7; 32]),
            run: 0,
            talk: Duration::ZERO,
            calls: Vec::new(),
            incoming: Vec::new(),
            incoming_by_call_id: HashMap::new(),
            tasks: BinaryHeap::new(),
            byes_sent: 0,
            byes_heard: 0,
            repeated: 0,
            faults: Vec::new(),
            carrier_audio: audio.iter().map(|(carrier, _)| (*carrier, None)).collect(),
            phone_audio: audio.iter().map(|(_, phone)| (*phone, None)).collect(),
        })
    }

    /// Registers every phone, one after the other.
    pub fn register(&mut self) -> Result<(), Failure> {
        for phone in 0..USERS {
            let first = self.ask(&self.register_request(phone, 1, ""))?;
            let first = Text::read(&first).ok_or("an unreadable answer to REGISTER")?;
            let asked = first.value("WWW-Authenticate").into_iter();
            let challenge = Challenge::choose(asked, None)
                .ok_or_else(|| format!("REGISTER was not challenged: {}", first.first))?;
            let uri = format!("sip:{}", self.server);
            let shown = challenge.answer(
                (&user(phone), PASSWORD),
                (&Method::Register, &uri),
                1,
                &mut self.random,
            );
            let shown = format!("Authorization: {shown}\r\n");
            let second = self.ask(&self.register_request(phone, 2, &shown))?;
            let second = Text::read(&second).ok_or("an unreadable answer to REGISTER")?;
            if second.status() != Some(200) {
                return Err(format!("{} was not registered: {}", user(phone), second.first).into());
            }
        }
        Ok(())
    }

    fn register_request(&self, phone: usize, cseq: u32, further: &str) -> String {
        let (server, at, user) = (self.server, self.phones_at, user(phone));
        format!(
            "REGISTER sip:{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {at};branch=z9hG4bK-r{phone}-{cseq};rport\r\n\
             From: <sip:{user}@{server}>;tag=r{phone}\r\nTo: <sip:{user}@{server}>\r\n\
             Call-ID: register-{phone}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{at}>\r\n\
             Max-Forwards: 70\r\nExpires: 3600\r\n{further}Content-Length: 0\r\n\r\n"
        )
    }

    /// Sends a phone's request until it is answered.
    fn ask(&self, request: &str) -> Result<Vec<u8>, Failure> {
        let mut buffer = [0; 4096];
        let end = clock::mono() + PATIENCE;
        while clock::mono() < end {
            self.phones.send_to(request.as_bytes(), self.server)?;
            let repeat = clock::mono() + REPEAT;
            while clock::mono() < repeat {
                match self.phones.recv(&mut buffer) {
                    Ok(length) => return Ok(buffer[..length].to_vec()),
                    Err(_) => std::thread::park_timeout(Duration::from_micros(200)),
                }
            }
        }
        Err("the daemon does not answer".into())
    }

    /// Makes the calls of a plan, until all are over or have failed.
    pub fn run(&mut self, plan: Plan) -> Result<Outcome, Failure> {
        self.begin(plan);
        let last = clock::mono() + Duration::from_secs_f64(plan.calls as f64 / plan.rate);
        let end = last + plan.talk + PATIENCE;
        while !self.is_over() && clock::mono() < end {
            self.turn(Duration::from_millis(100))?;
        }
        Ok(self.finish())
    }

    /// Begins with the calls of a plan; `turn` is to be called from now on.
    pub fn begin(&mut self, plan: Plan) {
        self.run += 1;
        self.talk = plan.talk;
        let now = clock::mono();
        self.calls = (0..plan.calls)
            .map(|index| Call {
                state: CallState::Waiting,
                number: index % USERS,
                placed: now,
                rang_after: None,
                last_request: String::new(),
                contact: String::new(),
                to: String::new(),
            })
            .collect();
        for index in 0..plan.calls {
            let at = now + Duration::from_secs_f64(index as f64 / plan.rate);
            self.tasks.push(Reverse((at, Task::Place(index))));
        }
    }

    /// True once every call has been answered, or has failed.
    pub fn all_talk(&self) -> bool {
        self.all(|state| matches!(state, CallState::Talking | CallState::Failed))
    }

    fn all(&self, is: impl Fn(CallState) -> bool) -> bool {
        // The last ones are over last.
        self.calls.iter().rev().all(|call| is(call.state))
    }

    /// True once every call has ended on both sides, or has failed: the carrier hears of the end
    /// before the phone does.
    fn is_over(&self) -> bool {
        let mut phones = self.incoming.iter().rev();
        self.all(|state| matches!(state, CallState::Done | CallState::Failed))
            && phones.all(|incoming| incoming.state == IncomingState::Ended)
    }

    /// Ends all calls now.
    pub fn hang_up(&mut self) -> Result<Outcome, Failure> {
        let now = clock::mono();
        for index in 0..self.calls.len() {
            self.tasks.push(Reverse((now, Task::HangUp(index))));
        }
        let end = now + PATIENCE;
        while !self.is_over() && clock::mono() < end {
            self.turn(Duration::from_millis(100))?;
        }
        Ok(self.finish())
    }

    /// What came of the plan.
    fn finish(&mut self) -> Outcome {
        let mut result = Outcome {
            repeated: std::mem::take(&mut self.repeated),
            ..Outcome::default()
        };
        for (index, call) in self.calls.iter().enumerate() {
            if call.state != CallState::Done {
                result.failed += 1;
                self.faults
                    .push(format!("call {index} ended as {:?}", call.state));
            }
            result.rang_after.extend(call.rang_after);
        }
        let not_ended = self.incoming.iter();
        let not_ended = not_ended.filter(|incoming| incoming.state != IncomingState::Ended);
        if not_ended.count() > 0 || self.byes_sent != self.byes_heard {
            self.faults.push(format!(
                "{} BYE sent by the carrier, {} heard by phones",
                self.byes_sent, self.byes_heard
            ));
            result.failed = result.failed.max(self.byes_sent.abs_diff(self.byes_heard));
        }
        result.rang_after.sort_unstable();
        result.faults = std::mem::take(&mut self.faults);
        result.faults.truncate(MAX_FAULTS);
        self.tasks.clear();
        self.incoming.clear();
        self.incoming_by_call_id.clear();
        (self.byes_sent, self.byes_heard) = (0, 0);
        result
    }

    /// Does what is due, waits for at most `patience`, takes what came.
    pub fn turn(&mut self, patience: Duration) -> Result<(), Failure> {
        let now = clock::mono();
        while let Some(Reverse((at, task))) = self.tasks.peek().copied()
            && at <= now
        {
            self.tasks.pop();
            self.perform(task)?;
        }
        let next = self.tasks.peek().map(|Reverse((at, _))| *at);
        let wait = next.map_or(patience, |at| at.since(clock::mono()).min(patience));
        if !wait.is_zero() && wait < Duration::from_millis(1) {
            std::thread::park_timeout(wait);
        }
        let wait = Duration::from_millis(wait.as_millis() as u64);
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let mut buffer = [0; 4096];
        while let Ok(length) = self.carrier.recv(&mut buffer) {
            self.carrier_heard(&buffer[..length])?;
        }
        while let Ok(length) = self.phones.recv(&mut buffer) {
            self.phone_heard(&buffer[..length])?;
        }
        Ok(())
    }

    fn perform(&mut self, task: Task) -> Result<(), Failure> {
        match task {
            Task::Place(index) => self.place(index),
            Task::HangUp(index) => self.send_bye(index),
            Task::RepeatCall(index) => {
                let call = &self.calls[index];
                let waits = matches!(
                    call.state,
                    CallState::Inviting { heard_of: false } | CallState::HangingUp
                );
                if waits {
                    self.repeated += 1;
                    self.carrier
                        .send_to(call.last_request.as_bytes(), self.server)?;
                    self.later(REPEAT, task);
                }
                Ok(())
            }
            Task::Answer(index) => self.answer(index),
            Task::RepeatAnswer(index) => {
                if self.incoming[index].state == IncomingState::Answered {
                    self.repeated += 1;
                    self.answer(index)?;
                }
                Ok(())
            }
        }
    }

    fn later(&mut self, after: Duration, task: Task) {
        self.tasks.push(Reverse((clock::mono() + after, task)));
    }

    fn fault(&mut self, what: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(what);
        }
    }

    fn place(&mut self, index: usize) -> Result<(), Failure> {
        let (server, at, run) = (self.server, self.carrier_at, self.run);
        let call = &mut self.calls[index];
        let offer = sdp(self.carrier_audio[call.number].0, "0 8 101");
        let dialled = number(call.number);
        call.last_request = format!(
            "INVITE sip:{dialled}@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {at};branch=z9hG4bK-{run}-{index}-1;rport\r\nMax-Forwards: 68\r\n\
             From: \"Kari Nordmann\" <sip:+4798765432@{at}>;tag=c{run}-{index}\r\n\
             To: <sip:{dialled}@{server}>\r\nCall-ID: {index}-{run}@carrier.example\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:+4798765432@{at}>\r\n\
             Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, PRACK, INFO\r\n\
             P-Asserted-Identity: <sip:+4798765432@{at}>\r\nUser-Agent: carrier/1.0\r\n\
             Supported: timer, 100rel\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        call.state = CallState::Inviting { heard_of: false };
        call.placed = clock::mono();
        self.carrier
            .send_to(call.last_request.as_bytes(), self.server)?;
        self.later(REPEAT, Task::RepeatCall(index));
        Ok(())
    }

    /// An ACK or a BYE of the carrier's.
    fn in_dialog(&self, index: usize, method: &str, cseq: u32) -> String {
        let (at, run, call) = (self.carrier_at, self.run, &self.calls[index]);
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-{run}-{index}-{method};rport\r\n\
             Max-Forwards: 68\r\nFrom: \"Kari Nordmann\" <sip:+4798765432@{at}>;tag=c{run}-{index}\r\n\
             To: {}\r\nCall-ID: {index}-{run}@carrier.example\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            call.contact, call.to
        )
    }

    fn send_bye(&mut self, index: usize) -> Result<(), Failure> {
        if self.calls[index].state != CallState::Talking {
            return Ok(());
        }
        let bye = self.in_dialog(index, "BYE", 2);
        self.carrier.send_to(bye.as_bytes(), self.server)?;
        self.byes_sent += 1;
        self.calls[index].last_request = bye;
        self.calls[index].state = CallState::HangingUp;
        self.later(REPEAT, Task::RepeatCall(index));
        Ok(())
    }

    fn carrier_heard(&mut self, datagram: &[u8]) -> Result<(), Failure> {
        let Some(text) = Text::read(datagram) else {
            self.fault("the carrier heard something unreadable".to_owned());
            return Ok(());
        };
        let Some(status) = text.status() else {
            if text.method() == "OPTIONS" {
                let answer = text.answer("200 OK", "options", "", "");
                self.carrier.send_to(answer.as_bytes(), self.server)?;
            } else {
                self.fault(format!("the carrier heard {}", text.first));
            }
            return Ok(());
        };
        let now = clock::mono();
        let mut parts = text.value("Call-ID").unwrap_or_default().split(['-', '@']);
        let index = parts.next().and_then(|index| index.parse::<usize>().ok());
        let run = parts.next().and_then(|run| run.parse::<u32>().ok());
        let Some(index) = index.filter(|index| *index < self.calls.len() && run == Some(self.run))
        else {
            self.fault(format!(
                "the carrier heard of no call of its: {}",
                text.first
            ));
            return Ok(());
        };
        let call = &mut self.calls[index];
        match (status, text.cseq(), call.state) {
            (100, Some((1, "INVITE")), CallState::Inviting { .. }) => {
                call.state = CallState::Inviting { heard_of: true };
            }
            (180, Some((1, "INVITE")), CallState::Inviting { .. }) => {
                call.state = CallState::Inviting { heard_of: true };
                call.rang_after.get_or_insert(now.since(call.placed));
            }
            (200, Some((1, "INVITE")), CallState::Inviting { .. } | CallState::Talking) => {
                let first = matches!(call.state, CallState::Inviting { .. });
                call.state = CallState::Talking;
                call.contact = text.contact().unwrap_or_default().to_owned();
                call.to = text.value("To").unwrap_or_default().to_owned();
                self.carrier_audio[call.number].1 = text.audio_address();
                if call.rang_after.is_none() {
                    self.fault(format!("call {index} was answered before it rang"));
                }
                let ack = self.in_dialog(index, "ACK", 1);
                self.carrier.send_to(ack.as_bytes(), self.server)?;
                if first {
                    self.later(self.talk, Task::HangUp(index));
                }
            }
            (200, Some((2, "BYE")), CallState::HangingUp) => call.state = CallState::Done,
            (200, Some((2, "BYE")), CallState::Done) => {}
            (_, cseq, state) => {
                call.state = CallState::Failed;
                self.fault(format!(
                    "call {index}, {state:?}: {} for CSeq {cseq:?}",
                    text.first
                ));
            }
        }
        Ok(())
    }

    fn phone_heard(&mut self, datagram: &[u8]) -> Result<(), Failure> {
        let Some(text) = Text::read(datagram) else {
            self.fault("a phone heard something unreadable".to_owned());
            return Ok(());
        };
        let call_id = text.value("Call-ID").unwrap_or_default();
        let known = self.incoming_by_call_id.get(call_id).copied();
        match (text.method(), text.cseq(), known) {
            ("INVITE", Some((_, "INVITE")), Some(index)) => {
                // It comes again where the 180 was late.
                if self.incoming[index].state == IncomingState::Ringing {
                    self.ring(index)?;
                }
            }
            ("INVITE", Some((cseq, "INVITE")), None) => {
                let phone = text.user().trim_start_matches("user-").parse::<usize>();
                let Some(phone) = phone.ok().filter(|phone| *phone < USERS) else {
                    self.fault(format!("no such phone: {}", text.first));
                    return Ok(());
                };
                self.phone_audio[phone].1 = text.audio_address();
                let index = self.incoming.len();
                self.incoming.push(Incoming {
                    state: IncomingState::Ringing,
                    invite: datagram.to_vec(),
                    cseq,
                    phone,
                });
                self.incoming_by_call_id.insert(call_id.to_owned(), index);
                self.ring(index)?;
                self.later(RING, Task::Answer(index));
            }
            ("ACK", Some((cseq, "ACK")), Some(index))
                if self.incoming[index].cseq == cseq
                    && self.incoming[index].state != IncomingState::Ringing =>
            {
                if self.incoming[index].state == IncomingState::Answered {
                    self.incoming[index].state = IncomingState::Talking;
                }
            }
            ("BYE", Some((cseq, "BYE")), Some(index)) if cseq > self.incoming[index].cseq => {
                if self.incoming[index].state != IncomingState::Ended {
                    self.byes_heard += 1;
                    self.incoming[index].state = IncomingState::Ended;
                }
                self.reply(&text.answer("200 OK", "", "", ""))?;
            }
            ("OPTIONS", Some((_, "OPTIONS")), _) => {
                self.reply(&text.answer("200 OK", "options", "", ""))?;
            }
            (_, cseq, known) => {
                self.fault(format!(
                    "a phone heard {} with CSeq {cseq:?} in {known:?}",
                    text.first
                ));
            }
        }
        Ok(())
    }

    fn reply(&self, message: &str) -> Result<(), Failure> {
        self.phones.send_to(message.as_bytes(), self.server)?;
        Ok(())
    }

    fn ring(&self, index: usize) -> Result<(), Failure> {
        self.reply(&self.response(index, "180 Ringing", "")?)
    }

    fn answer(&mut self, index: usize) -> Result<(), Failure> {
        self.incoming[index].state = IncomingState::Answered;
        let answer = sdp(self.phone_audio[self.incoming[index].phone].0, "0 101");
        self.reply(&self.response(index, "200 OK", &answer)?)?;
        self.later(REPEAT, Task::RepeatAnswer(index));
        Ok(())
    }

    fn response(&self, index: usize, status: &str, body: &str) -> Result<String, Failure> {
        let incoming = &self.incoming[index];
        let invite = Text::read(&incoming.invite).ok_or("an unreadable INVITE")?;
        let mut further = format!(
            "Contact: <sip:{}@{}>\r\nUser-Agent: phone/1.0\r\n\
             Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, INFO\r\n",
            user(incoming.phone),
            self.phones_at
        );
        if !body.is_empty() {
            let _ = write!(further, "Content-Type: application/sdp\r\n");
        }
        Ok(invite.answer(status, &format!("p{}-{index}", self.run), &further, body))
    }
}

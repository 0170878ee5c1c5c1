//! A network in memory with a virtual clock: two transaction layers, and between them whatever a test
//! wants to go wrong.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{Action, ClientKey, Timers, Transactions};
use crate::core::id::RandomSource;
use crate::core::snapshot::Protocol;
use crate::core::time::Mono;
use crate::sip::flow::Flow;
use crate::sip::message::{Message, Request};

/// How long a message takes when nothing goes wrong.
pub const DELAY: Duration = Duration::from_millis(10);

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Caller,
    Called,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Caller => Side::Called,
            Side::Called => Side::Caller,
        }
    }

    pub fn address(self) -> SocketAddr {
        match self {
            Side::Caller => SocketAddr::from(([192, 0, 2, 1], 5060)),
            Side::Called => SocketAddr::from(([192, 0, 2, 2], 5060)),
        }
    }

    pub fn flow(self, protocol: Protocol) -> Flow {
        let (local, remote) = (self.address(), self.other().address());
        Flow {
            protocol,
            local,
            remote,
            connection: None,
        }
    }
}

/// Decides what becomes of the nth message: when its copies arrive. None: it is lost.
pub type Fate = Box<dyn FnMut(usize, Side, &Message) -> Vec<Duration>>;

pub struct Network {
    pub now: Mono,
    pub protocol: Protocol,
    caller: Transactions,
    called: Transactions,
    random: RandomSource,
    fate: Fate,
    under_way: BTreeMap<(Mono, usize), (Side, Bytes)>,
    sent: usize,
    /// What was sent: when, by whom, the first line's first words and CSeq's method.
    pub log: Vec<(Mono, Side, String)>,
    /// What the layers asked of their users.
    pub actions: Vec<(Mono, Side, Action)>,
}

impl Network {
    pub fn new(protocol: Protocol) -> Network {
        Network {
            now: Mono::from_millis(1_000),
            protocol,
            caller: Transactions::new(Timers::default()),
            called: Transactions::new(Timers::default()),
            random: RandomSource::from_seed([7; 32]),
            fate: Box::new(|_, _, _| vec![DELAY]),
            under_way: BTreeMap::new(),
            sent: 0,
            log: Vec::new(),
            actions: Vec::new(),
        }
    }

    pub fn with_fate(mut self, fate: Fate) -> Network {
        self.fate = fate;
        self
    }

    pub fn layer(&mut self, side: Side) -> &mut Transactions {
        match side {
            Side::Caller => &mut self.caller,
            Side::Called => &mut self.called,
        }
    }

    /// The caller sends a request.
    pub fn send(&mut self, request: Request) -> ClientKey {
        let (now, flow) = (self.now, Side::Caller.flow(self.protocol));
        let sent_by = Side::Caller.address();
        let key = self
            .caller
            .send_request(request, flow, sent_by, &mut self.random, now);
        self.collect();
        key
    }

    /// The caller sends an ACK to a 2xx.
    pub fn send_ack(&mut self, ack: Request) -> Bytes {
        let flow = Side::Caller.flow(self.protocol);
        let bytes = self
            .caller
            .send_ack(ack, flow, Side::Caller.address(), &mut self.random);
        self.collect();
        bytes
    }

    /// A message from somewhere else, or one that a layer would not send.
    pub fn inject(&mut self, to: Side, octets: &[u8]) {
        let message = Message::parse(octets).expect("a message");
        let (now, flow) = (self.now, to.flow(self.protocol));
        self.layer(to).handle_message(message, flow, now);
        self.collect();
    }

    /// Does something at one side, and sends what comes of it.
    pub fn at(&mut self, side: Side, action: impl FnOnce(&mut Transactions, Mono)) {
        let now = self.now;
        action(self.layer(side), now);
        self.collect();
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Mono> {
        let arrival = self.under_way.keys().next().map(|(at, _)| *at);
        [
            arrival,
            self.caller.next_timeout(),
            self.called.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Lets the next thing happen. False where nothing will.
    pub fn step(&mut self) -> bool {
        let Some(at) = self.next() else { return false };
        assert!(at >= self.now, "time runs forwards");
        self.now = at;
        match self.under_way.first_entry() {
            Some(first) if first.key().0 == at => {
                let (to, octets) = first.remove();
                self.inject(to, &octets);
            }
            _ => {
                self.caller.handle_timeout(at);
                self.called.handle_timeout(at);
                self.collect();
            }
        }
        true
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Lets everything happen that will.
    pub fn run_out(&mut self) {
        while self.step() {}
    }

    /// What a user was told since the last time, as short texts.
    pub fn told(&mut self, side: Side) -> Vec<String> {
        let (told, rest) = std::mem::take(&mut self.actions)
            .into_iter()
            .partition(|(_, of, _)| *of == side);
        self.actions = rest;
        let told: Vec<(Mono, Side, Action)> = told;
        told.iter().map(|(_, _, action)| describe(action)).collect()
    }

    /// The milliseconds since the start at which `side` sent what `describe_message` calls `what`.
    pub fn times(&self, side: Side, what: &str) -> Vec<u64> {
        let sent = self
            .log
            .iter()
            .filter(|(_, by, text)| *by == side && text == what);
        sent.map(|(at, _, _)| at.as_nanos() / 1_000_000 - 1_000)
            .collect()
    }

    fn collect(&mut self) {
        for side in [Side::Caller, Side::Called] {
            while let Some(action) = self.layer(side).poll_action() {
                match action {
                    Action::Transmit { flow, bytes } => self.transmit(side, flow, bytes),
                    other => self.actions.push((self.now, side, other)),
                }
            }
        }
    }

    fn transmit(&mut self, from: Side, flow: Flow, bytes: Bytes) {
        assert_eq!(
            flow.remote,
            from.other().address(),
            "sent to the other side"
        );
        let message = Message::parse(&bytes).expect("what a layer sends is a message");
        self.log.push((self.now, from, describe_message(&message)));
        for delay in (self.fate)(self.sent, from, &message) {
            self.sent += 1;
            self.under_way
                .insert((self.now + delay, self.sent), (from.other(), bytes.clone()));
        }
        self.sent += 1;
    }
}

/// `INVITE`, `200 INVITE`, `TimedOut` …
pub fn describe(action: &Action) -> String {
    match action {
        Action::Transmit { .. } => "Transmit".to_owned(),
        Action::Request { request, .. } => request.method.to_string(),
        Action::Ack { .. } => "ACK".to_owned(),
        Action::Cancelled { .. } => "Cancelled".to_owned(),
        Action::Response { response, .. } => describe_message(&Message::Response(response.clone())),
        Action::TimedOut { .. } => "TimedOut".to_owned(),
        Action::TransportFailed { .. } => "TransportFailed".to_owned(),
    }
}

/// `INVITE`, `200 INVITE` …
pub fn describe_message(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => {
            let method = response.headers.cseq().expect("CSeq").method;
            format!("{} {method}", response.status)
        }
    }
}

/// A request of the caller's, without Via.
pub fn request(method: &str, call_id: &str) -> Request {
    let text = format!(
        "{method} sip:anna@192.0.2.2 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:bjorn@192.0.2.1>;tag=from-{call_id}\r\n\
         To: <sip:anna@192.0.2.2>\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 {method}\r\n\
         Route: <sip:192.0.2.2;lr>\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let Ok(Message::Request(mut request)) = Message::parse(text.as_bytes()) else {
        panic!("a request")
    };
    request.headers.remove("Via");
    request
}

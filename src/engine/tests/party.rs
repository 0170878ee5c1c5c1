//! Those on the other side: the carrier and the phones, each a user agent with a session per leg.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::core::id::{LegId, RandomSource};
use crate::media::command::Direction;
use crate::media::sdp::{CODECS, LocalMedia, SdpSession};
use crate::sip::flow::ConnectionId;
use crate::sip::message::Message;
use crate::sip::transaction::Timers;
use crate::sip::user_agent::{UserAgent, UserAgentConfig};

/// What a phone does when it is called.
#[derive(Clone, Debug)]
pub enum Manner {
    /// 180, and nobody picks up.
    Rings,
    /// 180, then 200 after so long.
    Answers(Duration),
    /// 180, then this status after so long.
    Rejects(u16, Duration),
    /// One of the above, by the throw of a die; who answers hangs up some time later.
    Whims,
}

/// How one leg of a party stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Calls or is called.
    Begun,
    /// Has heard of the other side's ringing.
    Ringing,
    /// Talks.
    Talking,
    /// Over: why.
    Over(String),
}

/// One leg of a party.
#[derive(Debug)]
pub struct PartyLeg {
    pub session: SdpSession,
    /// The offer of the INVITE that came.
    pub offer: Option<Bytes>,
    pub standing: Standing,
    /// Has been put on hold by the other side's offer.
    pub direction: Option<Direction>,
}

/// A carrier or a phone.
pub struct Party {
    pub name: String,
    pub address: SocketAddr,
    pub agent: UserAgent,
    pub legs: BTreeMap<LegId, PartyLeg>,
    pub manner: Manner,
    /// Its power is off or its cable out.
    pub unplugged: bool,
    /// Plays the other side by hand: messages are kept here, and nothing answers.
    pub inbox: Option<VecDeque<Message>>,
    pub registered: bool,
    pub port: u16,
    /// The TCP connection that it holds to the daemon; none: it speaks UDP.
    pub connection: Option<ConnectionId>,
}

impl Party {
    pub fn new(name: &str, address: SocketAddr, random: RandomSource) -> Party {
        Party {
            name: name.to_owned(),
            address,
            agent: UserAgent::new(
                UserAgentConfig {
                    user_agent_header: name.to_owned(),
                    timers: Timers::default(),
                },
                random,
            ),
            legs: BTreeMap::new(),
            manner: Manner::Rings,
            unplugged: false,
            inbox: None,
            registered: false,
            port: 40_000,
            connection: None,
        }
    }

    /// A leg with a session of its own.
    pub fn add_leg(&mut self, leg: LegId, offer: Option<Bytes>) -> &mut PartyLeg {
        self.port += 2;
        let local = LocalMedia {
            address: self.address.ip(),
            port: self.port,
            codecs: CODECS.to_vec(),
            signalling: self.address.ip(),
        };
        self.legs.entry(leg).or_insert(PartyLeg {
            session: SdpSession::new(local, u64::from(self.port)),
            offer,
            standing: Standing::Begun,
            direction: None,
        })
    }

    /// The legs that are not over.
    pub fn open_legs(&self) -> Vec<LegId> {
        let open = self
            .legs
            .iter()
            .filter(|(_, leg)| !matches!(leg.standing, Standing::Over(_)));
        open.map(|(leg, _)| *leg).collect()
    }
}

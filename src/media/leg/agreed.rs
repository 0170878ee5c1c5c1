//! What offer and answer agreed on.

use std::net::SocketAddr;

use super::source::SourceLock;
use crate::media::command::{Agreement, Codec, Direction};

/// The static payload type of comfort noise (RFC 3389 §4).
const COMFORT_NOISE: u8 = 13;

/// Samples in a millisecond.
const SAMPLES_PER_MILLI: u128 = 8;

/// Samples of the longest frame, 60 ms.
pub(super) const MAX_FRAME: usize = 480;

/// What offer and answer agreed on, as each packet needs it.
#[derive(Debug)]
pub(super) struct Agreed {
    pub codec: Codec,
    pub send_payload_type: u8,
    pub send_event_type: Option<u8>,
    pub receive: [Meaning; 128],
    /// Samples in a packet of ours.
    pub frame: usize,
    pub direction: Direction,
    pub remote_rtcp: SocketAddr,
    pub source: SourceLock,
}

/// What a payload type means in packets that we receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    NotAgreed,
    Audio(Codec),
    Event,
    ComfortNoise,
}

impl Agreed {
    pub fn new(agreement: &Agreement, source: SourceLock) -> Agreed {
        let mut receive = [Meaning::NotAgreed; 128];
        receive[usize::from(COMFORT_NOISE)] = Meaning::ComfortNoise;
        let audio = agreement.receive_payload_types.iter();
        let audio = audio.map(|&(payload_type, codec)| (payload_type, Meaning::Audio(codec)));
        let events = agreement.events.map(|(_, ours)| (ours, Meaning::Event));
        for (payload_type, meaning) in audio.chain(events) {
            if let Some(slot) = receive.get_mut(usize::from(payload_type)) {
                *slot = meaning;
            }
        }
        let frame = (agreement.ptime.as_millis() * SAMPLES_PER_MILLI) as usize;
        Agreed {
            codec: agreement.codec,
            send_payload_type: agreement.send_payload_type,
            send_event_type: agreement.events.map(|(theirs, _)| theirs),
            receive,
            frame: frame.clamp(MAX_FRAME / 6, MAX_FRAME),
            direction: agreement.direction,
            remote_rtcp: agreement.remote_rtcp,
            source,
        }
    }

    pub fn receives(&self) -> bool {
        match self.direction {
            Direction::SendRecv | Direction::RecvOnly => true,
            Direction::SendOnly | Direction::Inactive => false,
        }
    }

    /// Where RTP goes; `None`: nowhere.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self.direction {
            Direction::SendRecv | Direction::SendOnly => sendable(self.source.destination()),
            Direction::RecvOnly | Direction::Inactive => None,
        }
    }
}

/// The address, unless it means "nowhere" (`0.0.0.0`, `::` or port 0, as held calls have).
pub(super) fn sendable(to: SocketAddr) -> Option<SocketAddr> {
    (!to.ip().is_unspecified() && to.port() != 0).then_some(to)
}

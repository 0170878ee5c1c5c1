//! What the engine asks of the media threads, and what they tell it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::core::id::{CallId, VoicemailId};
use crate::core::prompt::Audio;

/// A media leg: one RTP socket with its RTCP socket. Numbered by the engine; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaId(pub u64);

/// G.711 in one of its two laws (RFC 3551 §4.5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// µ-law, static payload type 0.
    Pcmu,
    /// A-law, static payload type 8.
    Pcma,
}

/// Which way media flows, seen from us (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// We send only.
    SendOnly,
    /// We receive only.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// What one offer/answer exchange agreed on for one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The codec.
    pub codec: Codec,
    /// Payload type of the codec in packets that we send (the other side's number).
    pub send_payload_type: u8,
    /// Payload types of codecs in packets that we receive (our numbers), with their codec.
    pub receive_payload_types: Vec<(u8, Codec)>,
    /// telephone-event (RFC 4733): payload types in packets that we send and that we receive.
    pub events: Option<(u8, u8)>,
    /// Audio per packet that we send, 10 to 60 ms.
    pub ptime: Duration,
    /// Which way media flows.
    pub direction: Direction,
    /// Where the other side takes RTP.
    pub remote: SocketAddr,
    /// Where the other side takes RTCP.
    pub remote_rtcp: SocketAddr,
    /// The source address of the signalling, from which RTP may come too (NAT).
    pub signalling: IpAddr,
    /// The SDP's address is a private one: packets from elsewhere may be locked on to.
    pub remote_is_private: bool,
}

/// A recording to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The voicemail that it is.
    pub id: VoicemailId,
    /// The WAV file to write, absolute; its directory exists or is made.
    pub path: PathBuf,
    /// The longest length.
    pub limit: Duration,
}

/// What the engine asks.
#[derive(Clone, Debug)]
pub enum MediaCommand {
    /// Bind the sockets: RTP on `port`, RTCP on `port + 1`.
    Open {
        /// The leg.
        media: MediaId,
        /// All legs of a call live on one thread.
        call: CallId,
        /// The local address.
        address: IpAddr,
        /// The even port.
        port: u16,
        /// For SSRC, first sequence number and first timestamp.
        seed: u64,
    },
    /// Use what offer and answer agreed on, now.
    Agree {
        /// The leg.
        media: MediaId,
        /// What was agreed.
        agreement: Agreement,
    },
    /// Play to this leg, in place of whatever was playing; the bridge, if any, is not heard meanwhile.
    Play {
        /// The leg.
        media: MediaId,
        /// The audio.
        audio: Audio,
        /// Again and again, until stopped.
        repeat: bool,
    },
    /// Stop playing; a bridge is heard again.
    StopPlaying {
        /// The leg.
        media: MediaId,
    },
    /// Record what comes from this leg.
    Record {
        /// The leg.
        media: MediaId,
        /// Where and how long.
        recording: Recording,
    },
    /// End the recording; `RecordingEnded` follows.
    StopRecording {
        /// The leg.
        media: MediaId,
    },
    /// Let two legs of one call hear each other.
    Bridge {
        /// One.
        a: MediaId,
        /// The other.
        b: MediaId,
    },
    /// Undo the bridge of this leg.
    Unbridge {
        /// Either of the two.
        media: MediaId,
    },
    /// Close the sockets; `Closed` follows.
    Close {
        /// The leg.
        media: MediaId,
    },
}

impl MediaCommand {
    /// The leg that the command is for.
    pub fn media(&self) -> MediaId {
        match self {
            MediaCommand::Open { media, .. }
            | MediaCommand::Agree { media, .. }
            | MediaCommand::Play { media, .. }
            | MediaCommand::StopPlaying { media }
            | MediaCommand::Record { media, .. }
            | MediaCommand::StopRecording { media }
            | MediaCommand::Bridge { a: media, .. }
            | MediaCommand::Unbridge { media }
            | MediaCommand::Close { media } => *media,
        }
    }
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordingEnd {
    /// `StopRecording` or `Close`: the caller hung up.
    Stopped,
    /// The caller pressed `#`.
    Pound,
    /// The longest length was reached.
    Limit,
    /// 10 s of silence, or of no packets.
    Silence,
    /// The disk failed or the writer fell behind; what is written stays.
    Failed,
}

/// What a media thread tells the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// The sockets could not be bound, or the leg broke: it is gone.
    OpenFailed {
        /// The leg.
        media: MediaId,
        /// The system's words.
        error: String,
    },
    /// The audio of `Play` without `repeat` was sent to its end.
    PlayingEnded {
        /// The leg.
        media: MediaId,
    },
    /// A key was pressed (once per press): `0`–`9`, `*`, `#`, `A`–`D`.
    Digit {
        /// The leg.
        media: MediaId,
        /// The key.
        digit: char,
    },
    /// A recording ended and its file is complete.
    RecordingEnded {
        /// The leg.
        media: MediaId,
        /// Which.
        id: VoicemailId,
        /// Why.
        why: RecordingEnd,
        /// Its length after trailing silence was cut off.
        length: Duration,
    },
    /// Neither RTP nor RTCP came for 30 s. Told once per silence.
    Silent {
        /// The leg.
        media: MediaId,
        /// True if nothing has ever come.
        ever_heard: bool,
    },
    /// Something came again after `Silent`.
    HeardAgain {
        /// The leg.
        media: MediaId,
    },
    /// The sockets are closed.
    Closed {
        /// The leg.
        media: MediaId,
        /// What was counted.
        counters: MediaCounters,
    },
}

/// What a leg counted over its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaCounters {
    /// RTP packets taken.
    pub received: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets lost on the way to us (RFC 3550 §A.3).
    pub lost: u64,
    /// Packets dropped because of where they came from.
    pub foreign: u64,
    /// Packets dropped because they were no RTP that was agreed on.
    pub malformed: u64,
    /// The jitter of what came last (RFC 3550 §A.8), in units of 1/8000 s.
    pub jitter: u32,
}

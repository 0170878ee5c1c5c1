//! Offer and answer (RFC 3264) in SDP (RFC 8866) for G.711 and telephone-event (RFC 4733).
//!
//! [`SdpSession`] is our side of one leg: it makes offers, answers them and reads answers, first
//! ones and later ones alike. [`codecs_offered`] is the question that comes before: can this call
//! have audio at all, and which codec would the caller like?
//!
//! Of an offer with several media lines the first audio that we can take is taken; all others are
//! refused with port 0 in their places. Lines that say nothing about that (`b=`, `t=`, ICE, BUNDLE,
//! unknown attributes) are not read, so that a mistake in them costs nothing.

mod read;
mod session;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::media::command::{Agreement, Codec, Direction};

pub use read::codecs_offered;
pub use session::{LocalMedia, SdpSession};

/// The codecs that we speak, in the order in which we offer them to somebody of whom nothing is
/// known.
pub const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// The MIME type of a body in SDP.
pub const CONTENT_TYPE: &str = "application/sdp";

/// Why an SDP body leads to no audio.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// More octets than any real offer has.
    #[error("the SDP has {octets} octets, more than {MOST_OCTETS}")]
    TooLong {
        /// How many it has.
        octets: usize,
    },
    /// Not SDP.
    #[error("the SDP cannot be read: {0}")]
    Malformed(String),
    /// No line of audio, or only disabled ones.
    #[error("the SDP has no audio (media lines: {offered})")]
    NoAudio {
        /// Its media lines in short.
        offered: String,
    },
    /// Audio over something other than plain RTP.
    #[error(
        "the SDP has audio over {protocol} only; this version speaks RTP/AVP: turn SRTP off, or to optional"
    )]
    Transport {
        /// The protocol of the media line.
        protocol: String,
    },
    /// Audio in codecs that we do not speak.
    #[error("no codec in common: they have {theirs}; we have PCMU and PCMA")]
    Codecs {
        /// Their codecs.
        theirs: String,
    },
    /// Media to an address that we cannot send to.
    #[error("media address {address} is {what}")]
    Address {
        /// What stands in `c=`.
        address: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An answer that does not belong to our offer.
    #[error("the answer has no media line {} as our offer has", line.saturating_add(1))]
    NotAnAnswer {
        /// The line, counted from 0.
        line: usize,
    },
}

/// The most octets of a body that are read: a browser's offer of audio and video with all its ICE
/// candidates has some 10,000.
pub const MOST_OCTETS: usize = 65_536;

/// The most media lines of a body: each costs a line in every later answer.
pub const MOST_MEDIA: usize = 32;

impl SdpError {
    /// The SIP status that refuses such an offer (RFC 3261 §13.3.1, §21.4).
    pub fn status(&self) -> u16 {
        match self {
            SdpError::TooLong { .. } => 413,
            SdpError::Malformed(_) => 400,
            SdpError::NoAudio { .. }
            | SdpError::Transport { .. }
            | SdpError::Codecs { .. }
            | SdpError::Address { .. }
            | SdpError::NotAnAnswer { .. } => 488,
        }
    }
}

impl Codec {
    /// The encoding name in `a=rtpmap` (RFC 3551 §6).
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }

    /// The static payload type (RFC 3551 §6).
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }
}

impl Direction {
    /// The direction in which we do what is said.
    pub const fn new(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// True if we send.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// True if we receive.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same seen from the other side.
    pub const fn reversed(self) -> Direction {
        Direction::new(self.receives(), self.sends())
    }

    /// What is left when another side, whose wish is seen from ours, agrees only to its own.
    pub const fn and(self, other: Direction) -> Direction {
        Direction::new(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

impl Agreement {
    /// True if the other side has put us on hold: it does not want to hear us.
    pub fn is_held(&self) -> bool {
        !self.direction.sends()
    }
}

/// True if an address is not one of the public internet: it may not be where packets come from, as
/// the other side sees it from behind a NAT.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private(IpAddr::V4(v4)),
            None => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            }
        },
    }
}

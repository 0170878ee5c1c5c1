//! What a leg sends: one source (SSRC) with sequence numbers and timestamps that go on over prompt,
//! beep and bridge.

use std::time::Duration;

use crate::core::time::Mono;
use crate::media::rtp::rtcp::SenderInfo;
use crate::media::rtp::{
    CLOCK_RATE, Header, MAX_DROPOUT, MAX_MISORDER, sequence_distance, ticks, timestamp_distance,
};

/// A pause up to this long between the end of one thing and the start of the next is the time that
/// a command takes, not silence: timestamps go on without a gap, so that a receiver's playout does
/// not stumble.
const SEAMLESS: Duration = Duration::from_millis(100);

/// How far a forwarded stream's timestamps may stray from our clock, 10 s in ticks, before they
/// count as a new start: longer than a key is held and than a sender's clock drifts in a day.
const MAX_STRAY: i32 = 10 * CLOCK_RATE as i32;

/// The state of the stream that we send.
#[derive(Debug)]
pub(super) struct Outgoing {
    ssrc: u32,
    /// Of the next packet.
    sequence: u16,
    /// Where the audio sent so far ends.
    timestamp: u32,
    /// When that audio ends.
    ends_at: Mono,
    /// The next packet is the first of something.
    switched: bool,
    forwarded: Option<Forwarded>,
    packets: u64,
    octets: u64,
    packets_at_report: u64,
}

/// How a forwarded stream's numbers become ours.
#[derive(Clone, Copy, Debug)]
struct Forwarded {
    ssrc: u32,
    newest_sequence: u16,
    newest_timestamp: u32,
    newest_at: Mono,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// The first sequence number that `sequence_offset` is for; older ones would collide with
    /// numbers already used.
    valid_from: u16,
}

/// What a stream that is forwarded brings.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried {
    /// Audio of so many samples.
    Audio(u32),
    /// A telephone-event: lies on the time line and does not move its end.
    Event,
    /// Something that the other side does not get: no gap is left for it.
    Nothing,
}

impl Outgoing {
    /// A stream with numbers from `seed` (RFC 3550 §5.1 wants them unpredictable).
    pub(super) fn new(seed: u64, now: Mono) -> Outgoing {
        let mut random = Mixer(seed);
        Outgoing {
            ssrc: random.next() as u32,
            sequence: random.next() as u16,
            timestamp: random.next() as u32,
            ends_at: now,
            switched: true,
            forwarded: None,
            packets: 0,
            octets: 0,
            packets_at_report: 0,
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// When the audio sent so far ends: the next may start.
    pub(super) fn ends_at(&self) -> Mono {
        self.ends_at
    }

    /// Something else is sent from now on.
    pub(super) fn switch(&mut self) {
        self.switched = true;
        self.forwarded = None;
    }

    /// The header of a packet of our own with `samples` samples, sent at `now`.
    pub(super) fn next(&mut self, payload_type: u8, samples: u32, now: Mono) -> Header {
        let (sequence, timestamp) = (self.sequence, self.next_timestamp(now));
        let header = self.header(payload_type, sequence, timestamp, false);
        self.sent(&header, Some(samples), now);
        header
    }

    /// The header for a packet of another leg that is passed on at `now`; `None`: it is not.
    pub(super) fn carry(
        &mut self,
        heard: &Header,
        carried: Carried,
        payload_type: u8,
        now: Mono,
    ) -> Option<Header> {
        if !self.is_forwarding(heard, now) {
            if matches!(carried, Carried::Nothing) {
                return None;
            }
            self.begin(heard, now);
        }
        let stream = self.forwarded.as_mut()?;
        let is_newer = sequence_distance(stream.newest_sequence, heard.sequence) > 0;
        if is_newer {
            stream.newest_sequence = heard.sequence;
            stream.newest_timestamp = heard.timestamp;
            stream.newest_at = now;
        }
        let samples = match carried {
            Carried::Audio(samples) => Some(samples),
            Carried::Event => None,
            Carried::Nothing => {
                if is_newer {
                    stream.sequence_offset = stream.sequence_offset.wrapping_sub(1);
                    stream.valid_from = heard.sequence.wrapping_add(1);
                }
                return None;
            }
        };
        if sequence_distance(stream.valid_from, heard.sequence) < 0 {
            return None;
        }
        let sequence = heard.sequence.wrapping_add(stream.sequence_offset);
        let timestamp = heard.timestamp.wrapping_add(stream.timestamp_offset);
        let header = self.header(payload_type, sequence, timestamp, heard.marker);
        self.sent(&header, samples, now);
        Some(header)
    }

    /// Counts the payload of a packet that was sent.
    pub(super) fn count(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    /// What a sender report says; `None` if nothing was sent since the last one.
    pub(super) fn report(&mut self, ntp: u64, now: Mono) -> Option<SenderInfo> {
        if self.packets == self.packets_at_report {
            return None;
        }
        self.packets_at_report = self.packets;
        let ahead = ticks(self.ends_at.since(now));
        let behind = ticks(now.since(self.ends_at));
        Some(SenderInfo {
            ntp,
            timestamp: self.timestamp.wrapping_sub(ahead).wrapping_add(behind),
            packets: (self.packets & 0xffff_ffff) as u32,
            octets: (self.octets & 0xffff_ffff) as u32,
        })
    }

    /// True if the packet goes on with the stream that is being forwarded.
    fn is_forwarding(&self, heard: &Header, now: Mono) -> bool {
        let Some(stream) = self.forwarded.filter(|stream| stream.ssrc == heard.ssrc) else {
            return false;
        };
        let steps = sequence_distance(stream.newest_sequence, heard.sequence);
        let expected = stream
            .newest_timestamp
            .wrapping_add(ticks(now.since(stream.newest_at)));
        let stray = timestamp_distance(expected, heard.timestamp);
        (-MAX_MISORDER..=MAX_DROPOUT).contains(&steps) && (-MAX_STRAY..=MAX_STRAY).contains(&stray)
    }

    fn begin(&mut self, heard: &Header, now: Mono) {
        self.switched = true;
        self.forwarded = Some(Forwarded {
            ssrc: heard.ssrc,
            newest_sequence: heard.sequence.wrapping_sub(1),
            newest_timestamp: heard.timestamp,
            newest_at: now,
            sequence_offset: self.sequence.wrapping_sub(heard.sequence),
            timestamp_offset: self.next_timestamp(now).wrapping_sub(heard.timestamp),
            valid_from: heard.sequence,
        });
    }

    fn next_timestamp(&self, now: Mono) -> u32 {
        let pause = now.since(self.ends_at);
        if pause <= SEAMLESS {
            self.timestamp
        } else {
            self.timestamp.wrapping_add(ticks(pause))
        }
    }

    fn header(&mut self, payload_type: u8, sequence: u16, timestamp: u32, marker: bool) -> Header {
        let switched = std::mem::take(&mut self.switched);
        Header {
            payload_type,
            marker: marker || switched,
            sequence,
            timestamp,
            ssrc: self.ssrc,
        }
    }

    /// Moves the ends of what was sent.
    fn sent(&mut self, header: &Header, samples: Option<u32>, now: Mono) {
        let next = header.sequence.wrapping_add(1);
        if sequence_distance(self.sequence, next) > 0 {
            self.sequence = next;
        }
        let end = header.timestamp.wrapping_add(samples.unwrap_or(0));
        if timestamp_distance(self.timestamp, end) >= 0 {
            self.timestamp = end;
            let micros = u64::from(samples.unwrap_or(0)) * 125;
            self.ends_at = now + Duration::from_micros(micros);
        }
    }
}

/// SplitMix64: spreads a seed over several numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mixer(pub(super) u64);

impl Mixer {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

//! RTP packets (RFC 3550 §5): telling datagrams apart, reading and writing headers, and counting
//! what arrives.

mod reception;
pub mod rtcp;

use std::ops::Range;

use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

pub use reception::Reception;

/// Octets of a header without contributing sources or extension (RFC 3550 §5.1).
pub const HEADER_LENGTH: usize = 12;

/// Octets of the largest datagram that is read: one Ethernet frame. Longer ones are cut and then
/// dropped as malformed or played in part; G.711 never needs as much.
pub const MAX_DATAGRAM: usize = 1500;

/// Timestamp ticks, and samples of G.711, in a second.
pub const CLOCK_RATE: u32 = 8000;

/// How many packets a sequence number may run ahead before it counts as a new start
/// (RFC 3550 §A.1).
pub const MAX_DROPOUT: i16 = 3000;

/// How many packets a sequence number may run behind before it counts as a new start
/// (RFC 3550 §A.1).
pub const MAX_MISORDER: i16 = 100;

/// What a datagram on a media socket is (RFC 7983 §7 and RFC 5761 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// An RTP packet whose header, extension and padding fit.
    Rtp(Packet),
    /// RTCP by its first two octets; not yet checked.
    Rtcp,
    /// STUN.
    Stun,
    /// DTLS.
    Dtls,
    /// TURN channel data.
    Turn,
    /// ZRTP.
    Zrtp,
    /// None of these, or RTP that is cut short.
    Unknown,
}

/// An RTP packet: its header, and where in the datagram its payload lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The header's fields.
    pub header: Header,
    /// The payload without padding; starts at [`HEADER_LENGTH`] or later.
    pub payload: Range<usize>,
}

/// The fields of an RTP header that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the payload is, 0 to 127.
    pub payload_type: u8,
    /// Set on the first packet of something.
    pub marker: bool,
    /// Counts packets, modulo 2^16.
    pub sequence: u16,
    /// Counts samples, modulo 2^32.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

/// Tells what a datagram is and reads it if it is RTP.
pub fn demultiplex(datagram: &[u8]) -> Datagram {
    match datagram {
        [0..=3, ..] => Datagram::Stun,
        [16..=19, ..] => Datagram::Zrtp,
        [20..=63, ..] => Datagram::Dtls,
        [64..=79, ..] => Datagram::Turn,
        [128..=191, 192..=223, ..] => Datagram::Rtcp,
        [128..=191, ..] => read(datagram).map_or(Datagram::Unknown, Datagram::Rtp),
        _ => Datagram::Unknown,
    }
}

fn read(datagram: &[u8]) -> Option<Packet> {
    let reader = RtpReader::new(datagram).ok()?;
    let start = reader.payload_offset();
    let header = Header {
        payload_type: reader.payload_type(),
        marker: reader.mark(),
        sequence: reader.sequence_number().into(),
        timestamp: reader.timestamp(),
        ssrc: reader.ssrc(),
    };
    Some(Packet {
        header,
        payload: start..start + reader.payload().len(),
    })
}

impl Header {
    /// Writes the header into the first [`HEADER_LENGTH`] octets of `target`. False, and nothing
    /// written, if `target` is shorter or the payload type is above 127.
    pub fn write(&self, target: &mut [u8]) -> bool {
        RtpPacketBuilder::new()
            .payload_type(self.payload_type)
            .marked(self.marker)
            .sequence(Seq::from(self.sequence))
            .timestamp(self.timestamp)
            .ssrc(self.ssrc)
            .build_into(target)
            .is_ok()
    }
}

/// How far `later` is ahead of `earlier` in sequence, modulo 2^16; negative: behind.
pub fn sequence_distance(earlier: u16, later: u16) -> i16 {
    later.wrapping_sub(earlier) as i16
}

/// How far `later` is ahead of `earlier` in samples, modulo 2^32; negative: behind.
pub fn timestamp_distance(earlier: u32, later: u32) -> i32 {
    later.wrapping_sub(earlier) as i32
}

/// How many samples pass in `time`, modulo 2^32.
pub fn ticks(time: std::time::Duration) -> u32 {
    let ticks = time.as_nanos() * u128::from(CLOCK_RATE) / 1_000_000_000;
    ticks as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(header: &Header, payload: &[u8]) -> Vec<u8> {
        let mut octets = vec![0; HEADER_LENGTH];
        assert!(header.write(&mut octets));
        octets.extend_from_slice(payload);
        octets
    }

    const HEADER: Header = Header {
        payload_type: 8,
        marker: true,
        sequence: 0xfffe,
        timestamp: 0x0102_0304,
        ssrc: 0xa0b0_c0d0,
    };

    #[test]
    fn a_written_header_has_the_octets_of_rfc_3550() {
        assert_eq!(
            packet(&HEADER, &[]),
            [0x80, 0x88, 0xff, 0xfe, 1, 2, 3, 4, 0xa0, 0xb0, 0xc0, 0xd0]
        );
    }

    #[test]
    fn datagrams_are_told_apart_by_their_first_octets() {
        let rtp = packet(&HEADER, &[1, 2, 3]);
        let table: &[(&[u8], Datagram)] = &[
            (&[], Datagram::Unknown),
            (&[0, 1, 0, 0], Datagram::Stun),
            (&[3], Datagram::Stun),
            (&[4, 9], Datagram::Unknown),
            (&[16, 0], Datagram::Zrtp),
            (&[22, 254, 253], Datagram::Dtls),
            (&[63], Datagram::Dtls),
            (&[64], Datagram::Turn),
            (&[80], Datagram::Unknown),
            (&[0x80, 200, 0, 6], Datagram::Rtcp),
            (&[0x80, 223], Datagram::Rtcp),
            (&[0x80, 0], Datagram::Unknown),
            (&[192, 0], Datagram::Unknown),
            (
                &rtp,
                Datagram::Rtp(Packet {
                    header: HEADER,
                    payload: 12..15,
                }),
            ),
        ];
        for (octets, expected) in table {
            assert_eq!(demultiplex(octets), *expected, "{octets:02x?}");
        }
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_no_payload() {
        let mut octets = packet(&HEADER, &[]);
        octets[0] = 0xb2;
        octets.extend_from_slice(&[1; 8]);
        octets.extend_from_slice(&[0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        octets.extend_from_slice(&[7, 8, 0, 0, 3]);
        let Datagram::Rtp(packet) = demultiplex(&octets) else {
            panic!("not read");
        };
        assert_eq!(octets[packet.payload], [7, 8]);
    }

    #[test]
    fn padding_longer_than_the_packet_is_refused() {
        let mut octets = packet(&HEADER, &[1, 2, 200]);
        octets[0] |= 0x20;
        assert_eq!(demultiplex(&octets), Datagram::Unknown);
        octets[14] = 0;
        assert_eq!(demultiplex(&octets), Datagram::Unknown);
    }

    #[test]
    fn distances_wrap() {
        assert_eq!(sequence_distance(0xffff, 1), 2);
        assert_eq!(sequence_distance(1, 0xffff), -2);
        assert_eq!(timestamp_distance(u32::MAX, 159), 160);
        assert_eq!(ticks(std::time::Duration::from_millis(20)), 160);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Datagram::Rtp(packet) = demultiplex(&octets) {
                prop_assert!(packet.payload.start >= HEADER_LENGTH);
                prop_assert!(octets.get(packet.payload).is_some());
            }
        }

        #[test]
        fn a_header_reads_back_as_written(
            payload_type in 0u8..64, marker: bool, sequence: u16, timestamp: u32, ssrc: u32,
        ) {
            let header = Header { payload_type, marker, sequence, timestamp, ssrc };
            let read = demultiplex(&packet(&header, &[5; 10]));
            prop_assert_eq!(read, Datagram::Rtp(Packet { header, payload: 12..22 }));
        }
    }
}

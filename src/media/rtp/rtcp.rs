//! RTCP (RFC 3550 §6): sender and receiver reports with SDES CNAME and BYE; reading what comes.

/// Octets that a report of ours needs at most: SR with one block, SDES with a CNAME of
/// [`MAX_CNAME`], BYE.
pub const MAX_REPORT: usize = 28 + 24 + 8 + 2 + MAX_CNAME + 4 + 8;

/// Octets of the longest CNAME that is written.
pub const MAX_CNAME: usize = 64;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const CNAME: u8 = 1;

/// A compound packet that we send.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Our source.
    pub ssrc: u32,
    /// What we sent; `None`: nothing since the last report, a receiver report is written.
    pub sender: Option<SenderInfo>,
    /// What we heard.
    pub block: Option<ReportBlock>,
    /// Our canonical name (RFC 7022); cut at [`MAX_CNAME`] octets.
    pub cname: &'a str,
    /// True when we leave.
    pub goodbye: bool,
}

/// What a sender says about itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// When, as an NTP timestamp: seconds since 1900 in 32.32 bits.
    pub ntp: u64,
    /// The same instant in RTP timestamp units.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Octets of payload sent.
    pub octets: u32,
}

/// What a receiver says about one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost altogether, 24 bits.
    pub lost: u32,
    /// Highest sequence number with its count of wraps.
    pub highest: u32,
    /// Interarrival jitter in timestamp ticks.
    pub jitter: u32,
    /// Middle 32 bits of the NTP timestamp of the last sender report; 0: none came.
    pub last_sender_report: u32,
    /// Time since then in 1/65,536 s.
    pub since_sender_report: u32,
}

/// One thing that a compound packet said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A source told what it sent.
    Sender(u32, SenderInfo),
    /// Somebody told how it hears a source.
    Block(ReportBlock),
    /// A source leaves.
    Goodbye(u32),
}

/// The datagram is no compound packet as RFC 3550 §A.2 checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Checks a compound packet (RFC 3550 §A.2) and hands each part that we know to `told`.
pub fn read(datagram: &[u8], mut told: impl FnMut(Part)) -> Result<(), Malformed> {
    check(datagram)?;
    let mut rest = datagram;
    while let Some((packet, after)) = split(rest) {
        read_packet(packet, &mut told);
        rest = after;
    }
    Ok(())
}

impl Report<'_> {
    /// Writes the compound packet and returns its length; 0 if `target` is shorter than
    /// [`MAX_REPORT`].
    pub fn write(&self, target: &mut [u8]) -> usize {
        if target.len() < MAX_REPORT {
            return 0;
        }
        let mut writer = Writer { target, at: 0 };
        self.write_report(&mut writer);
        self.write_description(&mut writer);
        if self.goodbye {
            writer.packet(1, GOODBYE, |writer| writer.u32(self.ssrc));
        }
        writer.at
    }

    fn write_report(&self, writer: &mut Writer) {
        let blocks = u8::from(self.block.is_some());
        let kind = match self.sender {
            Some(_) => SENDER_REPORT,
            None => RECEIVER_REPORT,
        };
        writer.packet(blocks, kind, |writer| {
            writer.u32(self.ssrc);
            if let Some(sender) = self.sender {
                writer.u32((sender.ntp >> 32) as u32);
                writer.u32((sender.ntp & 0xffff_ffff) as u32);
                writer.u32(sender.timestamp);
                writer.u32(sender.packets);
                writer.u32(sender.octets);
            }
            if let Some(block) = self.block {
                writer.u32(block.ssrc);
                writer.u32((u32::from(block.fraction_lost) << 24) | (block.lost & 0xff_ffff));
                writer.u32(block.highest);
                writer.u32(block.jitter);
                writer.u32(block.last_sender_report);
                writer.u32(block.since_sender_report);
            }
        });
    }

    fn write_description(&self, writer: &mut Writer) {
        let name = self.cname.as_bytes();
        let name = &name[..name.len().min(MAX_CNAME)];
        writer.packet(1, SOURCE_DESCRIPTION, |writer| {
            writer.u32(self.ssrc);
            writer.octets(&[CNAME, name.len() as u8]);
            writer.octets(name);
            // A list of items ends with a zero octet and is padded to 32 bits (§6.5).
            writer.octets(&[0]);
            while writer.at % 4 != 0 {
                writer.octets(&[0]);
            }
        });
    }
}

/// Writes within `target`; the caller has made sure that everything fits.
struct Writer<'a> {
    target: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn packet(&mut self, count: u8, kind: u8, body: impl FnOnce(&mut Self)) {
        let start = self.at;
        self.octets(&[0x80 | count, kind, 0, 0]);
        body(self);
        let words = ((self.at - start) / 4 - 1) as u16;
        self.target[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.octets(&value.to_be_bytes());
    }

    fn octets(&mut self, octets: &[u8]) {
        self.target[self.at..self.at + octets.len()].copy_from_slice(octets);
        self.at += octets.len();
    }
}

fn check(datagram: &[u8]) -> Result<(), Malformed> {
    let &[first, kind, ..] = datagram else {
        return Err(Malformed);
    };
    let padded = first & 0x20 != 0;
    if padded || !matches!(kind, SENDER_REPORT | RECEIVER_REPORT) {
        return Err(Malformed);
    }
    let mut rest = datagram;
    let mut padded = false;
    while !rest.is_empty() {
        // Only the last packet of a compound may be padded.
        if padded || rest[0] >> 6 != 2 {
            return Err(Malformed);
        }
        padded = rest[0] & 0x20 != 0;
        let (_, after) = split(rest).ok_or(Malformed)?;
        rest = after;
    }
    Ok(())
}

/// The first packet of a compound, and the rest; `None` if its length does not fit.
fn split(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[_, _, high, low, ..] = octets else {
        return None;
    };
    let words = usize::from(u16::from_be_bytes([high, low]));
    octets.split_at_checked((words + 1) * 4)
}

fn read_packet(packet: &[u8], told: &mut impl FnMut(Part)) {
    let [first, kind, _, _, body @ ..] = packet else {
        return;
    };
    let count = usize::from(first & 0x1f);
    match *kind {
        SENDER_REPORT => {
            if let Some((ssrc, info, blocks)) = read_sender(body) {
                told(Part::Sender(ssrc, info));
                read_blocks(blocks, count, told);
            }
        }
        RECEIVER_REPORT => read_blocks(body.get(4..).unwrap_or_default(), count, told),
        GOODBYE => {
            for source in body.chunks_exact(4).take(count) {
                told(Part::Goodbye(word(source, 0)));
            }
        }
        _ => {}
    }
}

fn read_sender(body: &[u8]) -> Option<(u32, SenderInfo, &[u8])> {
    let (sender, blocks) = body.split_at_checked(24)?;
    let info = SenderInfo {
        ntp: (u64::from(word(sender, 1)) << 32) | u64::from(word(sender, 2)),
        timestamp: word(sender, 3),
        packets: word(sender, 4),
        octets: word(sender, 5),
    };
    Some((word(sender, 0), info, blocks))
}

fn read_blocks(octets: &[u8], count: usize, told: &mut impl FnMut(Part)) {
    for block in octets.chunks_exact(24).take(count) {
        told(Part::Block(ReportBlock {
            ssrc: word(block, 0),
            fraction_lost: (word(block, 1) >> 24) as u8,
            lost: word(block, 1) & 0xff_ffff,
            highest: word(block, 2),
            jitter: word(block, 3),
            last_sender_report: word(block, 4),
            since_sender_report: word(block, 5),
        }));
    }
}

/// The big-endian 32-bit word at `index`; 0 beyond the end.
fn word(octets: &[u8], index: usize) -> u32 {
    let word = octets.get(index * 4..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 9,
        fraction_lost: 64,
        lost: 3,
        highest: 0x1_0005,
        jitter: 17,
        last_sender_report: 0x1234_5678,
        since_sender_report: 65_536,
    };

    const INFO: SenderInfo = SenderInfo {
        ntp: 0x0123_4567_89ab_cdef,
        timestamp: 42,
        packets: 100,
        octets: 16_000,
    };

    fn written(report: &Report) -> Vec<u8> {
        let mut octets = vec![0; 1500];
        let length = report.write(&mut octets);
        octets.truncate(length);
        octets
    }

    fn parts(octets: &[u8]) -> Result<Vec<Part>, Malformed> {
        let mut parts = Vec::new();
        read(octets, |part| parts.push(part))?;
        Ok(parts)
    }

    fn report(sender: Option<SenderInfo>, block: Option<ReportBlock>, goodbye: bool) -> Vec<u8> {
        written(&Report {
            ssrc: 5,
            sender,
            block,
            cname: "ringdesk",
            goodbye,
        })
    }

    #[test]
    fn a_report_reads_back_as_written() {
        assert_eq!(
            parts(&report(Some(INFO), Some(BLOCK), true)),
            Ok(vec![
                Part::Sender(5, INFO),
                Part::Block(BLOCK),
                Part::Goodbye(5)
            ])
        );
        assert_eq!(
            parts(&report(None, Some(BLOCK), false)),
            Ok(vec![Part::Block(BLOCK)])
        );
        assert_eq!(parts(&report(None, None, false)), Ok(vec![]));
    }

    #[test]
    fn an_empty_receiver_report_has_the_octets_of_rfc_3550() {
        assert_eq!(
            report(None, None, false),
            [
                &[0x80, 201, 0, 1, 0, 0, 0, 5][..],
                &[0x81, 202, 0, 4, 0, 0, 0, 5, 1, 8],
                b"ringdesk",
                &[0, 0],
            ]
            .concat()
        );
    }

    #[test]
    fn the_longest_report_fits() {
        let cname = "x".repeat(300);
        let octets = written(&Report {
            ssrc: 5,
            sender: Some(INFO),
            block: Some(BLOCK),
            cname: &cname,
            goodbye: true,
        });
        assert!(octets.len() <= MAX_REPORT);
        assert_eq!(parts(&octets).map(|parts| parts.len()), Ok(3));
    }

    #[test]
    fn what_is_no_compound_packet_is_refused() {
        let good = report(None, None, true);
        let mut padded_first = good.clone();
        padded_first[0] |= 0x20;
        let mut other_version = good.clone();
        other_version[8] = 0x41;
        let goodbye_first = good[good.len() - 8..].to_vec();
        let cut = good[..good.len() - 1].to_vec();
        for octets in [padded_first, other_version, goodbye_first, cut, vec![]] {
            assert_eq!(parts(&octets), Err(Malformed), "{octets:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(
            start in prop::sample::select(vec![vec![], vec![0x80, 200], vec![0x9f, 201, 0, 1]]),
            octets in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = parts(&[start, octets].concat());
        }

        #[test]
        fn a_damaged_report_is_read_without_harm(at in 0usize..80, octet: u8) {
            let mut octets = report(Some(INFO), Some(BLOCK), true);
            let at = at % octets.len();
            octets[at] = octet;
            let _ = parts(&octets);
        }
    }
}

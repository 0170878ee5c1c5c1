//! Counting what one source sends us (RFC 3550 §A.1, §A.3, §A.8).

use crate::core::time::Mono;
use crate::media::rtp::rtcp::ReportBlock;
use crate::media::rtp::{Header, MAX_DROPOUT, MAX_MISORDER, sequence_distance, ticks};

/// What is known about one source (SSRC) from its packets.
#[derive(Clone, Debug)]
pub struct Reception {
    ssrc: u32,
    base: u64,
    highest: u64,
    received: u64,
    lost_before_restart: u64,
    expected_at_report: u64,
    received_at_report: u64,
    transit: u32,
    /// In timestamp ticks times 16, as §A.8 keeps it.
    jitter: u32,
}

impl Reception {
    /// Begins with a source's first packet.
    pub fn new(first: &Header, now: Mono) -> Reception {
        Reception {
            ssrc: first.ssrc,
            base: u64::from(first.sequence),
            highest: u64::from(first.sequence),
            received: 1,
            lost_before_restart: 0,
            expected_at_report: 0,
            received_at_report: 0,
            transit: transit(first, now),
            jitter: 0,
        }
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Counts a further packet of the same source.
    pub fn count(&mut self, header: &Header, now: Mono) {
        let distance = sequence_distance(self.highest as u16, header.sequence);
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&distance) {
            self.restart(header, now);
            return;
        }
        if distance > 0 {
            self.highest += u64::from(distance.unsigned_abs());
        }
        self.received += 1;
        let transit = transit(header, now);
        let change = transit.wrapping_sub(self.transit) as i32;
        self.transit = transit;
        let decay = (self.jitter + 8) >> 4;
        self.jitter = self
            .jitter
            .saturating_add(change.unsigned_abs())
            .saturating_sub(decay);
    }

    /// Packets that were expected and never came, over the life of the source.
    pub fn lost(&self) -> u64 {
        self.lost_before_restart + self.expected().saturating_sub(self.received)
    }

    /// A report block on the source, and a new interval for its fraction lost.
    pub fn report(&mut self) -> ReportBlock {
        let expected = self.expected() - self.expected_at_report;
        let received = self.received - self.received_at_report;
        self.expected_at_report = self.expected();
        self.received_at_report = self.received;
        let lost = expected.saturating_sub(received);
        let fraction = (lost << 8).checked_div(expected).unwrap_or(0);
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction.min(255) as u8,
            lost: self.lost().min(0x7f_ffff) as u32,
            highest: (self.highest & 0xffff_ffff) as u32,
            jitter: self.jitter(),
            last_sender_report: 0,
            since_sender_report: 0,
        }
    }

    /// The jitter at this moment (RFC 3550 §A.8), in units of the clock of timestamps.
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    fn restart(&mut self, header: &Header, now: Mono) {
        let lost = self.lost();
        *self = Reception::new(header, now);
        self.lost_before_restart = lost;
    }
}

/// Arrival minus timestamp, in ticks modulo 2^32; only its changes mean something.
fn transit(header: &Header, now: Mono) -> u32 {
    ticks(now.since(Mono::ZERO)).wrapping_sub(header.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u16, timestamp: u32) -> Header {
        Header {
            payload_type: 0,
            marker: false,
            sequence,
            timestamp,
            ssrc: 7,
        }
    }

    fn heard(sequences: &[u16]) -> Reception {
        let mut reception = Reception::new(&header(sequences[0], 0), Mono::ZERO);
        for &sequence in &sequences[1..] {
            let index = u32::from(sequence.wrapping_sub(sequences[0]));
            let at = Mono::from_millis(u64::from(index) * 20);
            reception.count(&header(sequence, index * 160), at);
        }
        reception
    }

    #[test]
    fn lost_packets_are_counted_over_the_wrap() {
        let table: &[(&[u16], u64)] = &[
            (&[1, 2, 3], 0),
            (&[65534, 65535, 0, 1], 0),
            (&[65534, 1], 2),
            (&[10, 12, 11], 0),
            (&[10, 11, 11, 12], 0),
            (&[10, 13], 2),
        ];
        for (sequences, lost) in table {
            assert_eq!(heard(sequences).lost(), *lost, "{sequences:?}");
        }
    }

    #[test]
    fn a_leap_is_a_new_start_and_keeps_what_was_lost() {
        let mut reception = heard(&[1, 3]);
        reception.count(&header(30_000, 0), Mono::ZERO);
        reception.count(&header(30_001, 160), Mono::ZERO);
        assert_eq!(reception.lost(), 1);
    }

    #[test]
    fn the_fraction_lost_is_that_of_the_interval() {
        let mut reception = heard(&[1, 2, 4]);
        assert_eq!(reception.report().fraction_lost, 64);
        reception.count(&header(5, 640), Mono::from_millis(80));
        let block = reception.report();
        assert_eq!((block.fraction_lost, block.lost, block.highest), (0, 1, 5));
    }

    #[test]
    fn packets_on_time_have_no_jitter_and_late_ones_have() {
        let mut reception = heard(&[1, 2, 3, 4, 5]);
        assert_eq!(reception.report().jitter, 0);
        reception.count(&header(6, 800), Mono::from_millis(120));
        assert_eq!(reception.report().jitter, 10);
    }
}

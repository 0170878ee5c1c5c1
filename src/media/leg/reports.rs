//! When a leg sends RTCP, and what it has heard by RTCP.

use std::time::Duration;

use crate::core::time::{Mono, Now};
use crate::media::leg::outgoing::Mixer;
use crate::media::rtp::rtcp::{Malformed, Part, ReportBlock, read};

/// The mean time between reports (RFC 3550 §6.2), of which each is 0.5 to 1.5 times that long.
const INTERVAL: Duration = Duration::from_secs(5);

/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// The schedule of a leg's reports and what they carry over from the other side's.
#[derive(Debug)]
pub(super) struct Reports {
    random: Mixer,
    cname: String,
    opened: Now,
    due: Option<Mono>,
    sender_report: Option<SenderReport>,
}

#[derive(Clone, Copy, Debug)]
struct SenderReport {
    ssrc: u32,
    ntp_middle: u32,
    arrived: Mono,
}

impl Reports {
    pub(super) fn new(seed: u64, now: Now) -> Reports {
        let mut random = Mixer(seed ^ 0x5241_4e44);
        Reports {
            // 96 random bits, the same for as long as the leg lives (RFC 7022 §5).
            cname: format!("{:016x}{:08x}", random.next(), random.next() as u32),
            random,
            opened: now,
            due: None,
            sender_report: None,
        }
    }

    pub(super) fn cname(&self) -> &str {
        &self.cname
    }

    pub(super) fn due(&self) -> Option<Mono> {
        self.due
    }

    /// Begins to report, if it has not.
    pub(super) fn start(&mut self, now: Mono) {
        if self.due.is_none() {
            self.schedule(now);
        }
    }

    /// Sets the time of the next report.
    pub(super) fn schedule(&mut self, now: Mono) {
        let half = INTERVAL.as_nanos() as u64 / 2;
        let wait = half + self.random.next() % (2 * half);
        self.due = Some(now + Duration::from_nanos(wait));
    }

    /// Takes the other side's reports.
    pub(super) fn handle(&mut self, datagram: &[u8], now: Mono) -> Result<(), Malformed> {
        let mut last = self.sender_report;
        read(datagram, |part| match part {
            Part::Sender(ssrc, info) => {
                last = Some(SenderReport {
                    ssrc,
                    ntp_middle: ((info.ntp >> 16) & 0xffff_ffff) as u32,
                    arrived: now,
                });
            }
            Part::Block(_) | Part::Goodbye(_) => {}
        })?;
        self.sender_report = last;
        Ok(())
    }

    /// Adds when the source's last sender report came (LSR and DLSR, RFC 3550 §6.4.1).
    pub(super) fn complete(&self, block: &mut ReportBlock, now: Mono) {
        let Some(last) = self.sender_report.filter(|last| last.ssrc == block.ssrc) else {
            return;
        };
        block.last_sender_report = last.ntp_middle;
        let units = now.since(last.arrived).as_micros() * 65_536 / 1_000_000;
        block.since_sender_report = u32::try_from(units).unwrap_or(u32::MAX);
    }

    /// The instant as an NTP timestamp. Counts from when the leg was opened, so that it never
    /// jumps when the machine's time is set.
    pub(super) fn ntp(&self, now: Mono) -> u64 {
        let opened = self.opened.wall.as_millis().max(0).unsigned_abs();
        let since = now.since(self.opened.mono);
        let seconds = NTP_EPOCH + opened / 1000 + since.as_secs();
        let nanos = opened % 1000 * 1_000_000 + u64::from(since.subsec_nanos());
        (seconds << 32) + (nanos << 32) / 1_000_000_000
    }
}

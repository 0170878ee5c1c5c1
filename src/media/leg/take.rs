//! A recording that is being made of a leg.

use std::time::Duration;

use crate::core::time::Mono;
use crate::media::command::{Codec, RecordingEnd};
use crate::media::jitter::JitterBuffer;
use crate::media::rtp::{CLOCK_RATE, Header, ticks};

/// Silence that ends a recording.
const SILENCE_ENDS: Duration = Duration::from_secs(10);

/// Samples over which loudness is measured: 20 ms.
const BLOCK: u32 = CLOCK_RATE / 50;

/// At 8 kHz.
const MICROS_PER_SAMPLE: u64 = 125;

/// −45 dBFS as the mean square of a block: (32,768 × 10^(−45/20))².
const QUIET_MEAN_SQUARE: u64 = 33_954;

/// Samples that may wait to be taken away, 4 s: more than one packet or timeout brings.
const MAX_PENDING: usize = 4 * CLOCK_RATE as usize;

/// A recording from its start until the leg's owner has taken its last sample.
#[derive(Debug)]
pub(super) struct Take {
    jitter: JitterBuffer,
    kept: Kept,
}

/// What has come through the jitter buffer.
#[derive(Debug)]
struct Kept {
    pending: Vec<i16>,
    heard: Loudness,
    left: u64,
    end: Option<RecordingEnd>,
}

/// Measures how long it has been quiet.
#[derive(Debug, Default)]
struct Loudness {
    squares: u64,
    samples: u32,
    quiet: u64,
}

impl Take {
    pub(super) fn new(limit: Duration, now: Mono) -> Take {
        Take {
            jitter: JitterBuffer::new(now),
            kept: Kept {
                pending: Vec::with_capacity(MAX_PENDING),
                heard: Loudness::default(),
                left: limit.as_micros().min(u128::from(u64::MAX)) as u64 / MICROS_PER_SAMPLE,
                end: None,
            },
        }
    }

    pub(super) fn hear(&mut self, header: &Header, codec: Codec, payload: &[u8], now: Mono) {
        if self.kept.end.is_none() {
            self.jitter.insert(header, codec, payload, now);
            self.pull(now);
        }
    }

    pub(super) fn pull(&mut self, now: Mono) {
        if self.kept.end.is_none() {
            self.jitter.pull(now, |samples| self.kept.add(samples));
        }
    }

    pub(super) fn stop(&mut self, why: RecordingEnd) {
        if self.kept.end.is_none() {
            self.jitter.flush(|samples| self.kept.add(samples));
            self.kept.end.get_or_insert(why);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Mono> {
        let is_running = self.kept.end.is_none();
        is_running.then(|| self.jitter.next_timeout())
    }

    /// What was recorded since the last call; empty if nothing.
    pub(super) fn drain(&mut self, mut out: impl FnMut(&[i16])) {
        let pending = &mut self.kept.pending;
        if !pending.is_empty() {
            out(pending);
            pending.clear();
        }
    }

    pub(super) fn end(&self) -> Option<RecordingEnd> {
        self.kept.end
    }
}

impl Kept {
    /// Adds samples up to the limit, and ends the take at the limit, after silence, or if nobody
    /// takes the samples away.
    fn add(&mut self, samples: &[i16]) {
        if self.end.is_some() {
            return;
        }
        let count = (samples.len() as u64).min(self.left) as usize;
        if self.pending.len() + count > MAX_PENDING {
            self.end = Some(RecordingEnd::Failed);
            return;
        }
        let samples = &samples[..count];
        self.pending.extend_from_slice(samples);
        self.left -= count as u64;
        if self.heard.quiet_after(samples) >= u64::from(ticks(SILENCE_ENDS)) {
            self.end = Some(RecordingEnd::Silence);
        } else if self.left == 0 {
            self.end = Some(RecordingEnd::Limit);
        }
    }
}

impl Loudness {
    /// Samples since it was last loud, in whole blocks.
    fn quiet_after(&mut self, samples: &[i16]) -> u64 {
        for &sample in samples {
            let level = u64::from(sample.unsigned_abs());
            self.squares += level * level;
            self.samples += 1;
            if self.samples == BLOCK {
                let is_quiet = self.squares < QUIET_MEAN_SQUARE * u64::from(BLOCK);
                self.quiet = if is_quiet {
                    self.quiet + u64::from(BLOCK)
                } else {
                    0
                };
                self.squares = 0;
                self.samples = 0;
            }
        }
        self.quiet
    }
}

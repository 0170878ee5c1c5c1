//! Audio that is being played to a leg, one frame at a time.

use std::time::Duration;

use crate::core::prompt::Audio;
use crate::core::time::Mono;
use crate::media::command::Codec;
use crate::media::rtp::CLOCK_RATE;

/// Frames start at multiples of this, so that a thread with many legs wakes once for all that are
/// due. Divides every packet time that is agreed on.
const GRID: Duration = Duration::from_millis(2);

/// How late a frame may be and the rest still keep their times; beyond it (a machine that slept)
/// the rest is moved instead of sent in a burst.
const MAX_LATE: Duration = Duration::from_millis(200);

/// A prompt on its way.
#[derive(Debug)]
pub(super) struct Playing {
    audio: Audio,
    repeat: bool,
    position: usize,
    /// When the next frame is due, or the end is reached.
    due: Mono,
}

impl Playing {
    /// From its first sample, not before `at`.
    pub(super) fn new(audio: Audio, repeat: bool, at: Mono) -> Playing {
        Playing {
            audio,
            repeat,
            position: 0,
            due: align(at),
        }
    }

    /// Moves the start, before which nothing could be sent.
    pub(super) fn start(&mut self, at: Mono) {
        self.due = self.due.max(align(at));
    }

    /// When something is to be done; `None`: never (nothing to repeat).
    pub(super) fn due(&self) -> Option<Mono> {
        let never = self.repeat && self.audio.pcmu.is_empty();
        (!never).then_some(self.due)
    }

    /// True once every sample has been sent and has had its time.
    pub(super) fn is_over(&self, now: Mono) -> bool {
        !self.repeat && self.position >= self.audio.pcmu.len() && now >= self.due
    }

    /// True if a frame is due.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        let more = self.position < self.audio.pcmu.len();
        more && now >= self.due
    }

    /// Copies the next frame into `frame`, the last one padded with silence, and returns when it
    /// was due.
    pub(super) fn next_frame(&mut self, codec: Codec, frame: &mut [u8], now: Mono) -> Mono {
        let audio = match codec {
            Codec::Pcmu => &self.audio.pcmu,
            Codec::Pcma => &self.audio.pcma,
        };
        let mut filled = 0;
        while filled < frame.len() {
            let rest = audio.get(self.position..).unwrap_or_default();
            let length = rest.len().min(frame.len() - filled);
            frame[filled..filled + length].copy_from_slice(&rest[..length]);
            filled += length;
            self.position += length;
            if self.position >= audio.len() {
                if !self.repeat || audio.is_empty() {
                    break;
                }
                self.position = 0;
            }
        }
        frame[filled..].fill(codec.silence());
        if now.since(self.due) > MAX_LATE {
            self.due = align(now);
        }
        let due = self.due;
        self.due = due + frame_time(frame.len());
        due
    }
}

fn frame_time(samples: usize) -> Duration {
    Duration::from_secs(1) * samples as u32 / CLOCK_RATE
}

fn align(at: Mono) -> Mono {
    let grid = GRID.as_nanos() as u64;
    Mono::from_nanos(at.as_nanos().div_ceil(grid).saturating_mul(grid))
}

//! The bounded way from a media thread to a writer: one side pushes, the other takes, neither
//! waits for the other, allocates or locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU64, Ordering};
use std::thread::Thread;

/// Samples that may wait for the writer: 8.192 s at 8 kHz. A disk that hesitates for longer loses
/// audio.
pub(super) const RING_SAMPLES: usize = 65_536;

/// What became of pushed samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// All taken.
    Taken,
    /// Taken up to the recording's longest length, which is now reached.
    LimitReached,
    /// None taken: the ring is full, because the writer is behind. They are counted.
    Lost,
    /// None taken: the writer is gone.
    Failed,
}

/// The media thread's end. Dropping it ends the recording.
#[derive(Debug)]
pub struct RecordingRing {
    shared: Arc<Shared>,
    pushed: u64,
    limit: u64,
    writer: Thread,
}

/// The writer's end. Dropping it tells the other end, where it still pushes.
#[derive(Debug)]
pub(super) struct RingTail {
    shared: Arc<Shared>,
    taken: u64,
}

#[derive(Debug)]
struct Shared {
    samples: Box<[AtomicI16]>,
    pushed: AtomicU64,
    taken: AtomicU64,
    lost: AtomicU64,
    ended: AtomicBool,
    abandoned: AtomicBool,
}

/// A ring for at most `limit` samples in all, whose end wakes `writer`.
pub(super) fn ring(limit: u64, writer: Thread) -> (RecordingRing, RingTail) {
    let shared = Arc::new(Shared {
        samples: (0..RING_SAMPLES).map(|_| AtomicI16::new(0)).collect(),
        pushed: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        lost: AtomicU64::new(0),
        ended: AtomicBool::new(false),
        abandoned: AtomicBool::new(false),
    });
    let head = RecordingRing {
        shared: Arc::clone(&shared),
        pushed: 0,
        limit,
        writer,
    };
    (head, RingTail { shared, taken: 0 })
}

impl RecordingRing {
    /// Adds linear 8 kHz samples to the recording. Never waits and never allocates.
    pub fn push(&mut self, samples: &[i16]) -> Pushed {
        if self.shared.abandoned.load(Ordering::Relaxed) {
            return Pushed::Failed;
        }
        let wanted = (samples.len() as u64).min(self.limit - self.pushed);
        let waiting = self.pushed - self.shared.taken.load(Ordering::Acquire);
        if waiting + wanted > RING_SAMPLES as u64 {
            self.shared.lost.fetch_add(wanted, Ordering::Relaxed);
            return Pushed::Lost;
        }
        for &sample in samples.iter().take(wanted as usize) {
            self.shared
                .slot(self.pushed)
                .store(sample, Ordering::Relaxed);
            self.pushed += 1;
        }
        self.shared.pushed.store(self.pushed, Ordering::Release);
        if self.pushed == self.limit {
            Pushed::LimitReached
        } else {
            Pushed::Taken
        }
    }

    /// Samples taken so far.
    pub fn samples(&self) -> u64 {
        self.pushed
    }

    /// Ends the recording: the writer takes the rest, completes the file and reports. The same as
    /// dropping it.
    pub fn finish(self) {}
}

impl Drop for RecordingRing {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.writer.unpark();
    }
}

impl RingTail {
    /// Copies what waits, at most `most` samples, into `buffer` in place of its contents. They stay
    /// in the ring until [`RingTail::advance`].
    pub(super) fn peek(&self, buffer: &mut Vec<i16>, most: usize) {
        let pushed = self.shared.pushed.load(Ordering::Acquire);
        let until = pushed.min(self.taken + most as u64);
        buffer.clear();
        buffer.extend(
            (self.taken..until).map(|index| self.shared.slot(index).load(Ordering::Relaxed)),
        );
    }

    /// Frees the first `samples` samples that wait.
    pub(super) fn advance(&mut self, samples: usize) {
        self.taken += samples as u64;
        self.shared.taken.store(self.taken, Ordering::Release);
    }

    /// True once the other end is dropped: no sample will be added.
    pub(super) fn is_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Samples that found no room.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for RingTail {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn slot(&self, index: u64) -> &AtomicI16 {
        &self.samples[(index % RING_SAMPLES as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(limit: u64) -> (RecordingRing, RingTail) {
        ring(limit, std::thread::current())
    }

    fn take_all(tail: &mut RingTail) -> Vec<i16> {
        let mut buffer = Vec::new();
        tail.peek(&mut buffer, usize::MAX >> 1);
        tail.advance(buffer.len());
        buffer
    }

    #[test]
    fn samples_come_out_in_order_and_once() {
        let (mut head, mut tail) = pair(1_000_000);
        let mut next = 0i16;
        let mut expected = 0i16;
        for length in [160usize, 80, 1, 479, 0, 160]
            .into_iter()
            .cycle()
            .take(3_000)
        {
            let packet: Vec<i16> = (0..length)
                .map(|_| {
                    next = next.wrapping_add(1);
                    next
                })
                .collect();
            assert_eq!(head.push(&packet), Pushed::Taken);
            for sample in take_all(&mut tail) {
                expected = expected.wrapping_add(1);
                assert_eq!(sample, expected);
            }
        }
        assert_eq!(next, expected);
    }

    #[test]
    fn what_is_only_looked_at_stays() {
        let (mut head, mut tail) = pair(100);
        let _ = head.push(&[1, 2, 3]);
        let mut buffer = vec![9];
        tail.peek(&mut buffer, 2);
        assert_eq!(buffer, [1, 2]);
        tail.peek(&mut buffer, 9);
        assert_eq!(buffer, [1, 2, 3]);
        tail.advance(1);
        assert_eq!(take_all(&mut tail), [2, 3]);
    }

    #[test]
    fn a_full_ring_loses_the_newest_and_counts_them() {
        let (mut head, mut tail) = pair(1_000_000);
        let full = vec![5i16; RING_SAMPLES - 1];
        assert_eq!(head.push(&full), Pushed::Taken);
        assert_eq!(head.push(&[6; 160]), Pushed::Lost);
        assert_eq!(tail.lost(), 160);
        assert_eq!(head.push(&[7]), Pushed::Taken);
        assert_eq!(take_all(&mut tail).last(), Some(&7));
        assert_eq!(head.push(&[8; 160]), Pushed::Taken);
        assert_eq!(head.samples(), RING_SAMPLES as u64 + 160);
    }

    #[test]
    fn a_recording_is_exactly_as_long_as_its_limit() {
        let (mut head, mut tail) = pair(400);
        assert_eq!(head.push(&[1; 160]), Pushed::Taken);
        assert_eq!(head.push(&[2; 160]), Pushed::Taken);
        assert_eq!(head.push(&[3; 160]), Pushed::LimitReached);
        assert_eq!(head.push(&[4; 160]), Pushed::LimitReached);
        let taken = take_all(&mut tail);
        assert_eq!(taken.len(), 400);
        assert_eq!(taken[320..], [3; 80]);
    }

    #[test]
    fn each_end_learns_that_the_other_is_gone() {
        let (head, tail) = pair(400);
        assert!(!tail.is_ended());
        drop(head);
        assert!(tail.is_ended());

        let (mut head, tail) = pair(400);
        drop(tail);
        assert_eq!(head.push(&[1]), Pushed::Failed);
    }

    #[test]
    fn two_threads_agree_on_every_sample() {
        const TOTAL: u64 = 400_000;
        let (mut head, mut tail) = pair(TOTAL + 1);
        let pushing = std::thread::spawn(move || {
            let mut next = 0u64;
            while next < TOTAL {
                let packet: Vec<i16> = (next..next + 160).map(|index| index as i16).collect();
                if head.push(&packet) == Pushed::Taken {
                    next += 160;
                }
            }
        });
        let mut seen = 0u64;
        while seen < TOTAL {
            for sample in take_all(&mut tail) {
                assert_eq!(sample, seen as i16);
                seen += 1;
            }
        }
        pushing.join().unwrap();
    }
}

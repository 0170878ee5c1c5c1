//! From packets to a continuous run of samples, for recordings.
//!
//! Time is the sender's: each packet lies where its timestamp says, so a sender whose clock runs a
//! little fast or slow is recorded sample by sample. Our own clock decides two things only: when to
//! stop waiting for a packet that is missing, and when to write silence because nothing comes.

use std::time::Duration;

use crate::core::time::Mono;
use crate::media::command::Codec;
use crate::media::rtp::{
    CLOCK_RATE, Header, MAX_DROPOUT, MAX_MISORDER, sequence_distance, ticks, timestamp_distance,
};

/// How long a packet waits for one before it that is missing. Longer than a network reorders;
/// short enough that a recording is on disk soon after it was spoken.
pub const REORDER_WAIT: Duration = Duration::from_millis(60);

/// How long nothing may come before silence is written in its place. Longer than a wireless phone's
/// usual hiccup, after which all that was spoken comes at once.
pub const STALL: Duration = Duration::from_millis(200);

/// How often silence is written while nothing comes.
const SILENCE_EVERY: Duration = Duration::from_millis(200);

/// Samples that can wait, about 2 s: more than [`PLAUSIBLE_LEAP`], [`STALL`] and one packet.
const WINDOW: usize = 16_384;

/// Samples that a timestamp may run ahead of our clock, 1 s, before it is taken as a new start.
const PLAUSIBLE_LEAP: u32 = CLOCK_RATE;

/// Runs of packets that can wait, each after a gap: far more than arrive in [`REORDER_WAIT`].
const MAX_SPANS: usize = 32;

/// Puts packets in order and turns them into samples at 8 kHz without holes.
#[derive(Debug)]
pub struct JitterBuffer {
    /// Samples at their position modulo [`WINDOW`]; silence wherever no packet has been.
    samples: Box<[i16]>,
    /// What waits in `samples`, in order, apart from each other.
    spans: Vec<Span>,
    /// The position up to which samples have left.
    emitted: u64,
    stream: Option<Stream>,
    /// When the audio up to `heard_to` had arrived.
    heard_at: Mono,
    heard_to: u64,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u64,
    end: u64,
    arrived: Mono,
}

/// Where the newest packet lies.
#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    start: u64,
    end: u64,
}

impl JitterBuffer {
    /// Empty; silence counts from `now`.
    pub fn new(now: Mono) -> JitterBuffer {
        JitterBuffer {
            samples: vec![0; WINDOW].into_boxed_slice(),
            spans: Vec::with_capacity(MAX_SPANS),
            emitted: 0,
            stream: None,
            heard_at: now,
            heard_to: 0,
        }
    }

    /// Takes a packet of audio. One that is too late, doubled, empty or too long is dropped.
    pub fn insert(&mut self, header: &Header, codec: Codec, payload: &[u8], now: Mono) {
        let length = payload.len() as u64;
        let Some(start) = self.place(header, length, now) else {
            return;
        };
        let end = start + length;
        let fits = end <= self.emitted + WINDOW as u64;
        if length == 0 || start < self.emitted || !fits || !self.add_span(start, end, now) {
            return;
        }
        for (position, &octet) in (start..).zip(payload) {
            self.samples[index(position)] = codec.decode(octet);
        }
    }

    /// Hands on what is ready, in order. Call it after [`insert`](Self::insert) and when
    /// [`next_timeout`](Self::next_timeout) is reached.
    pub fn pull(&mut self, now: Mono, mut out: impl FnMut(&[i16])) {
        while let Some(&span) = self.spans.first() {
            if span.start > self.emitted && now < span.arrived + REORDER_WAIT {
                return;
            }
            self.emit_to(span.end, &mut out);
            self.spans.remove(0);
        }
        if now >= self.heard_at + STALL {
            let missing = now.since(self.heard_at + STALL);
            let silence_to = self.heard_to + u64::from(ticks(missing));
            self.emit_to(silence_to, &mut out);
        }
    }

    /// Hands on everything that waits, with silence in the gaps: the recording ends.
    pub fn flush(&mut self, mut out: impl FnMut(&[i16])) {
        if let Some(&span) = self.spans.last() {
            self.emit_to(span.end, &mut out);
        }
        self.spans.clear();
    }

    /// When to pull again even if no packet comes.
    pub fn next_timeout(&self) -> Mono {
        match self.spans.first() {
            Some(span) => span.arrived + REORDER_WAIT,
            None => {
                let silence = self.emitted.saturating_sub(self.heard_to);
                let written = Duration::from_micros(silence.saturating_mul(125));
                self.heard_at + STALL + written + SILENCE_EVERY
            }
        }
    }

    /// The position of a packet; `None`: it is older than what counts as the stream.
    fn place(&mut self, header: &Header, length: u64, now: Mono) -> Option<u64> {
        let Some(stream) = self.stream.filter(|stream| stream.ssrc == header.ssrc) else {
            return Some(self.restart(header, length, now));
        };
        let distance = sequence_distance(stream.sequence, header.sequence);
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&distance) {
            return Some(self.restart(header, length, now));
        }
        let moved = timestamp_distance(stream.timestamp, header.timestamp);
        let start = stream.start.checked_add_signed(i64::from(moved));
        if distance <= 0 {
            return start;
        }
        let reach = u64::from(ticks(now.since(self.heard_at))) + u64::from(PLAUSIBLE_LEAP);
        let plausible = start.filter(|&start| start >= stream.end && start <= stream.end + reach);
        match plausible {
            // Silence has been written where this packet belongs: it follows, so that nothing
            // that was spoken is lost.
            Some(start) if start >= self.emitted => {
                self.advance(header, start, length, now);
                Some(start)
            }
            Some(_) | None => Some(self.restart(header, length, now)),
        }
    }

    /// Begins anew right after everything that came before.
    fn restart(&mut self, header: &Header, length: u64, now: Mono) -> u64 {
        let end = self.stream.map_or(0, |stream| stream.end);
        let start = end.max(self.emitted);
        self.advance(header, start, length, now);
        start
    }

    fn advance(&mut self, header: &Header, start: u64, length: u64, now: Mono) {
        let end = start + length;
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            start,
            end,
        });
        self.heard_at = now;
        self.heard_to = end;
    }

    /// Notes a run of samples; false if it overlaps another (a double) or there are too many.
    fn add_span(&mut self, start: u64, end: u64, arrived: Mono) -> bool {
        let at = self.spans.partition_point(|span| span.end <= start);
        if self.spans.get(at).is_some_and(|next| next.start < end) {
            return false;
        }
        if let Some(before) = at.checked_sub(1).and_then(|at| self.spans.get_mut(at))
            && before.end == start
        {
            before.end = end;
            self.join(at - 1);
            return true;
        }
        if self.spans.len() == MAX_SPANS {
            return false;
        }
        self.spans.insert(
            at,
            Span {
                start,
                end,
                arrived,
            },
        );
        self.join(at);
        true
    }

    /// Joins the run at `at` with the next one if nothing lies between.
    fn join(&mut self, at: usize) {
        let (Some(&this), Some(&next)) = (self.spans.get(at), self.spans.get(at + 1)) else {
            return;
        };
        if this.end == next.start {
            self.spans[at].end = next.end;
            self.spans[at].arrived = this.arrived.min(next.arrived);
            self.spans.remove(at + 1);
        }
    }

    fn emit_to(&mut self, end: u64, out: &mut impl FnMut(&[i16])) {
        while self.emitted < end {
            let from = index(self.emitted);
            let length = (end - self.emitted).min((WINDOW - from) as u64);
            let run = &mut self.samples[from..from + length as usize];
            out(run);
            run.fill(0);
            self.emitted += length;
        }
    }
}

fn index(position: u64) -> usize {
    (position % WINDOW as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: usize = 160;

    /// A sender of a numbered ramp that is never silent, and the buffer that hears it.
    struct World {
        buffer: JitterBuffer,
        heard: Vec<i16>,
    }

    impl World {
        fn new() -> World {
            World {
                buffer: JitterBuffer::new(Mono::ZERO),
                heard: Vec::new(),
            }
        }

        /// Lets time pass with every timeout that falls into it.
        fn wait(&mut self, until: Mono) {
            while self.buffer.next_timeout() <= until {
                let at = self.buffer.next_timeout();
                self.pull(at);
            }
        }

        fn pull(&mut self, at: Mono) {
            let heard = &mut self.heard;
            self.buffer
                .pull(at, |samples| heard.extend_from_slice(samples));
        }

        /// Packet `number` of a stream that began at `start` (sequence number and timestamp).
        fn hear_from(&mut self, ssrc: u32, number: u32, at: Mono) {
            self.wait(at);
            let header = Header {
                payload_type: 0,
                marker: false,
                sequence: 65_530u16.wrapping_add(number as u16),
                timestamp: (u32::MAX - 500).wrapping_add(number.wrapping_mul(FRAME as u32)),
                ssrc,
            };
            self.buffer.insert(&header, Codec::Pcmu, &frame(number), at);
            self.pull(at);
        }

        fn hear(&mut self, number: u32, millis: u64) {
            self.hear_from(1, number, Mono::from_millis(millis));
        }

        fn end(mut self) -> Vec<i16> {
            let heard = &mut self.heard;
            self.buffer
                .flush(|samples| heard.extend_from_slice(samples));
            self.heard
        }
    }

    fn frame(number: u32) -> Vec<u8> {
        (0..FRAME as u32)
            .map(|sample| ((number * 31 + sample) % 120) as u8)
            .collect()
    }

    /// What a recording holds: the numbers of the packets, `None` for a packet's length of silence.
    fn samples(numbers: impl IntoIterator<Item = Option<u32>>) -> Vec<i16> {
        let mut samples = Vec::new();
        for number in numbers {
            match number {
                Some(number) => {
                    samples.extend(frame(number).iter().map(|&octet| Codec::Pcmu.decode(octet)));
                }
                None => samples.extend_from_slice(&[0; FRAME]),
            }
        }
        samples
    }

    fn recorded(arrivals: &[(u32, u64)]) -> Vec<i16> {
        let mut world = World::new();
        for &(number, millis) in arrivals {
            world.hear(number, millis);
        }
        world.end()
    }

    #[test]
    fn packets_are_recorded_in_their_order_with_silence_for_the_missing() {
        let all = [Some(0), Some(1), Some(2), Some(3)];
        let hole = [Some(0), None, Some(2), Some(3)];
        type Row<'a> = (&'a str, &'a [(u32, u64)], &'a [Option<u32>]);
        let table: &[Row] = &[
            ("in order", &[(0, 0), (1, 20), (2, 40), (3, 60)], &all),
            ("swapped", &[(0, 0), (2, 40), (1, 45), (3, 60)], &all),
            ("late by 50 ms", &[(0, 0), (2, 40), (3, 60), (1, 70)], &all),
            (
                "doubled",
                &[(0, 0), (1, 20), (1, 21), (2, 40), (3, 60), (2, 70)],
                &all,
            ),
            ("lost", &[(0, 0), (2, 40), (3, 60)], &hole),
            (
                "later than can be waited for",
                &[(0, 0), (2, 40), (3, 60), (1, 101)],
                &hole,
            ),
            (
                "delayed, then all at once",
                &[(0, 0), (1, 190), (2, 190), (3, 190)],
                &all,
            ),
        ];
        for (name, arrivals, expected) in table {
            let recorded = recorded(arrivals);
            assert!(recorded == samples(expected.iter().copied()), "{name}");
        }
    }

    #[test]
    fn what_is_in_order_is_not_delayed() {
        let mut world = World::new();
        world.hear(0, 0);
        assert_eq!(world.heard.len(), FRAME);
    }

    #[test]
    fn a_pause_is_silence_of_its_length() {
        let mut world = World::new();
        world.hear(0, 0);
        world.hear(250, 5000);
        let expected = [Some(0)].into_iter().chain([None; 249]).chain([Some(250)]);
        assert!(world.end() == samples(expected));
    }

    #[test]
    fn nothing_spoken_is_lost_after_a_long_stall() {
        let mut world = World::new();
        world.hear(0, 0);
        for number in 1..50 {
            world.hear(number, 1000);
        }
        let recorded = world.end();
        let spoken = samples((1..50).map(Some));
        assert!(recorded.ends_with(&spoken));
        assert_eq!(recorded.len(), FRAME + 800 * 8 + spoken.len());
    }

    #[test]
    fn silence_is_written_while_nothing_comes() {
        let mut world = World::new();
        world.wait(Mono::from_millis(10_000));
        assert!(world.heard.len() >= 8 * (10_000 - 400));
        assert!(world.heard.len() <= 8 * 10_000);
    }

    #[test]
    fn another_source_goes_on_where_the_last_one_ended() {
        let mut world = World::new();
        world.hear(0, 0);
        world.hear_from(2, 7000, Mono::from_millis(20));
        world.hear_from(2, 7001, Mono::from_millis(40));
        assert!(world.end() == samples([Some(0), Some(7000), Some(7001)]));
    }

    #[test]
    fn a_timestamp_that_leaps_is_a_new_start() {
        let mut world = World::new();
        world.hear(0, 0);
        let mut header = Header {
            payload_type: 0,
            marker: false,
            sequence: 65_531,
            timestamp: 0x7000_0000,
            ssrc: 1,
        };
        world
            .buffer
            .insert(&header, Codec::Pcmu, &frame(1), Mono::from_millis(20));
        header.sequence = 65_532;
        header.timestamp = 5;
        world
            .buffer
            .insert(&header, Codec::Pcmu, &frame(2), Mono::from_millis(40));
        assert!(world.end() == samples([Some(0), Some(1), Some(2)]));
    }

    /// Ten minutes at a clock that is off by `parts_per_million`, with an arrival jitter of up to
    /// 40 ms.
    fn ten_minutes(parts_per_million: i64) -> Vec<i16> {
        let mut world = World::new();
        let mut last = Mono::ZERO;
        for number in 0..30_000u32 {
            let sent = i64::from(number) * (20_000_000 + 20 * parts_per_million);
            let jitter = u64::from(number.wrapping_mul(2_654_435_761) >> 8) % 40_000_000;
            let arrives = Mono::from_nanos(sent.unsigned_abs() + jitter).max(last);
            last = arrives;
            world.hear_from(1, number, arrives);
        }
        world.end()
    }

    #[test]
    fn a_clock_that_is_off_by_200_ppm_is_recorded_sample_by_sample() {
        for parts_per_million in [-200, 0, 200] {
            let recorded = ten_minutes(parts_per_million);
            assert_eq!(recorded.len(), 30_000 * FRAME, "{parts_per_million} ppm");
            assert!(recorded == samples((0..30_000).map(Some)));
        }
    }

    proptest! {
        /// Each packet is delayed by up to 55 ms, doubled or lost: the recording has exactly the
        /// rest in its place.
        #[test]
        fn a_bad_network_is_recorded_right(
            fates in prop::collection::vec((0u64..55, 0u8..10), 1..200),
        ) {
            let last = fates.len() - 1;
            let mut arrivals = Vec::new();
            let mut expected = Vec::new();
            for (number, &(delay, fate)) in fates.iter().enumerate() {
                let certain = number == 0 || number == last;
                let sent = number as u64 * 20;
                let at = if certain { sent } else { sent + delay };
                expected.push((fate > 0 || certain).then_some(number as u32));
                if fate > 0 || certain {
                    arrivals.push((at, number as u32));
                }
                if fate == 9 {
                    arrivals.push((at + 30, number as u32));
                }
            }
            arrivals.sort_by_key(|&(at, _)| at);
            let mut world = World::new();
            for (at, number) in arrivals {
                world.hear(number, at);
            }
            prop_assert!(world.end() == samples(expected));
        }

        #[test]
        fn any_packets_leave_it_bounded(
            packets in prop::collection::vec(
                (any::<u16>(), any::<u32>(), 0u32..3, 0usize..1500, 0u64..400), 1..200),
        ) {
            let mut world = World::new();
            let mut at = 0;
            for (sequence, timestamp, ssrc, length, pause) in packets {
                at += pause;
                let header = Header { payload_type: 0, marker: false, sequence, timestamp, ssrc };
                world.wait(Mono::from_millis(at));
                let payload = vec![1; length];
                world.buffer.insert(&header, Codec::Pcma, &payload, Mono::from_millis(at));
                world.pull(Mono::from_millis(at));
                prop_assert!(world.buffer.spans.len() <= MAX_SPANS);
            }
            prop_assert!(world.heard.len() as u64 <= (at + 1000) * 8 + 200 * 1500);
        }
    }
}

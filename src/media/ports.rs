//! The UDP ports of media legs: RTP on an even port, RTCP on the next odd one (RFC 3550 §11).

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::core::id::RandomSource;
use crate::core::time::Mono;

/// How long a port rests after use. A phone keeps sending until it has taken our BYE, which may be
/// repeated for a few seconds; what it sends then must not be heard in the next call.
pub const QUARANTINE: Duration = Duration::from_secs(5);

/// How long a port that could not be bound is left alone: another program has it, and most hold
/// theirs for a call's length.
pub const UNBINDABLE: Duration = Duration::from_secs(60);

/// Which pairs of ports are free, in use, or resting.
///
/// The order is shuffled once and then by longest rest, so that a port is hard to guess and comes
/// back as late as possible.
#[derive(Debug)]
pub struct PortPool {
    free: VecDeque<u16>,
    used: BTreeSet<u16>,
    resting: BTreeSet<(Mono, u16)>,
}

impl PortPool {
    /// The pairs that lie wholly in `range`: its first even port to its last odd one.
    pub fn new(range: RangeInclusive<u16>, random: &mut RandomSource) -> PortPool {
        let mut ports: Vec<u16> = range
            .clone()
            .filter(|port| *port > 0 && port % 2 == 0 && port.saturating_add(1) <= *range.end())
            .collect();
        shuffle(&mut ports, random);
        PortPool {
            free: ports.into(),
            used: BTreeSet::new(),
            resting: BTreeSet::new(),
        }
    }

    /// The even port of a pair that nobody has, or `None` if there is none at `now`.
    pub fn take(&mut self, now: Mono) -> Option<u16> {
        self.wake(now);
        let port = self.free.pop_front()?;
        self.used.insert(port);
        Some(port)
    }

    /// The leg is closed: the port may be taken again after [`QUARANTINE`]. A port that is not in
    /// use stays as it is.
    pub fn release(&mut self, port: u16, now: Mono) {
        self.rest(port, now + QUARANTINE);
    }

    /// The port could not be bound: it may be tried again after [`UNBINDABLE`].
    pub fn forget(&mut self, port: u16, now: Mono) {
        self.rest(port, now + UNBINDABLE);
    }

    /// Another program holds this pair of ports, or one of it: it is never given out.
    pub fn exclude(&mut self, port: u16) {
        let even = port & !1;
        self.free.retain(|free| *free != even);
    }

    /// How many pairs legs have now.
    pub fn in_use(&self) -> usize {
        self.used.len()
    }

    /// How many pairs there are, in whatever state.
    pub fn capacity(&self) -> usize {
        self.free.len() + self.used.len() + self.resting.len()
    }

    fn rest(&mut self, port: u16, until: Mono) {
        if self.used.remove(&port) {
            self.resting.insert((until, port));
        }
    }

    fn wake(&mut self, now: Mono) {
        while let Some(&(until, port)) = self.resting.first() {
            if until > now {
                break;
            }
            self.resting.pop_first();
            self.free.push_back(port);
        }
    }
}

/// Fisher and Yates.
fn shuffle(ports: &mut [u16], random: &mut RandomSource) {
    for last in (1..ports.len()).rev() {
        let other = random.next_u64() % (last as u64 + 1);
        ports.swap(last, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pool(range: RangeInclusive<u16>) -> PortPool {
        PortPool::new(range, &mut RandomSource::from_seed([7; 32]))
    }

    fn all(pool: &mut PortPool, now: Mono) -> Vec<u16> {
        let mut ports: Vec<u16> = std::iter::from_fn(|| pool.take(now)).collect();
        ports.sort_unstable();
        ports
    }

    #[test]
    fn only_whole_pairs_are_used() {
        let cases: [(RangeInclusive<u16>, &[u16]); 8] = [
            (16_384..=16_389, &[16_384, 16_386, 16_388]),
            (16_384..=16_388, &[16_384, 16_386]),
            (16_385..=16_389, &[16_386, 16_388]),
            (16_385..=16_388, &[16_386]),
            (16_384..=16_384, &[]),
            (0..=3, &[2]),
            (65_533..=65_535, &[65_534]),
            (65_534..=65_534, &[]),
        ];
        for (range, expected) in cases {
            let mut pool = pool(range.clone());
            assert_eq!(pool.capacity(), expected.len(), "{range:?}");
            assert_eq!(all(&mut pool, Mono::ZERO), expected, "{range:?}");
        }
    }

    #[test]
    fn a_range_from_end_to_start_holds_nothing() {
        let (start, end) = (20_000, 10_000);
        assert_eq!(pool(start..=end).capacity(), 0);
    }

    #[test]
    fn the_order_is_not_the_order_of_the_numbers_and_follows_the_seed() {
        let order = |seed| {
            let mut random = RandomSource::from_seed([seed; 32]);
            let mut pool = PortPool::new(16_384..=17_383, &mut random);
            std::iter::from_fn(move || pool.take(Mono::ZERO)).collect::<Vec<u16>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert!(!order(1).is_sorted());
        assert_eq!(order(1).len(), 500);
    }

    #[test]
    fn a_port_rests_after_use() {
        let mut pool = pool(20_000..=20_001);
        let at = Mono::from_millis;
        assert_eq!(pool.take(at(0)), Some(20_000));
        assert_eq!(pool.take(at(0)), None);
        pool.release(20_000, at(1_000));
        assert_eq!(pool.in_use(), 0);
        assert_eq!(pool.take(at(5_999)), None);
        assert_eq!(pool.take(at(6_000)), Some(20_000));
    }

    #[test]
    fn a_port_that_cannot_be_bound_is_left_alone_for_longer() {
        let mut pool = pool(20_000..=20_001);
        let at = Mono::from_millis;
        assert_eq!(pool.take(at(0)), Some(20_000));
        pool.forget(20_000, at(0));
        assert_eq!(pool.take(at(59_999)), None);
        assert_eq!(pool.take(at(60_000)), Some(20_000));
    }

    #[test]
    fn the_longest_rested_port_comes_first() {
        let mut pool = pool(20_000..=20_005);
        let at = Mono::from_millis;
        let first = pool.take(at(0)).unwrap();
        let second = pool.take(at(0)).unwrap();
        pool.release(second, at(0));
        pool.release(first, at(1));
        let third = pool.take(at(10_000)).unwrap();
        assert_eq!(pool.take(at(10_000)), Some(second));
        assert_eq!(pool.take(at(10_000)), Some(first));
        assert!(third != first && third != second);
    }

    proptest! {
        #[test]
        fn no_pair_is_ever_given_out_twice_or_lost(
            steps in prop::collection::vec((0u8..4, 0u16..20, 0u64..8_000), 0..300),
        ) {
            let mut pool = pool(30_000..=30_019);
            let mut held = BTreeSet::new();
            let mut now = Mono::ZERO;
            for (step, port, millis) in steps {
                now = now + Duration::from_millis(millis);
                match step {
                    0 | 1 => {
                        if let Some(port) = pool.take(now) {
                            prop_assert!(held.insert(port));
                        }
                    }
                    2 => {
                        pool.release(30_000 + port, now);
                        held.remove(&(30_000 + port));
                    }
                    _ => {
                        pool.forget(30_000 + port, now);
                        held.remove(&(30_000 + port));
                    }
                }
                prop_assert_eq!(pool.in_use(), held.len());
                prop_assert_eq!(pool.capacity(), 10);
            }
        }
    }
}

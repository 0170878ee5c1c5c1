//! How often one address may send.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::core::name::ChannelName;

/// Requests to send something, good or bad, that one address may make in a minute.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(60).expect("sixty is not zero");

/// Addresses that are remembered; beyond it those are forgotten that have been quiet, and if all are
/// busy, new ones are turned away.
const ADDRESSES: usize = 100_000;

/// Submissions that are read and stored at the same time: each may hold its files in memory.
const READING: usize = 32;

/// Submissions of one address that are read at the same time, so that one that sends slowly keeps
/// nobody out.
const READING_OF_ADDRESS: usize = 4;

/// Keys of submissions that were taken in, which are remembered: a repeat does not count as another.
const KEYS: usize = 10_000;

/// The other numbers of submissions an hour that channels may have had, before old ones are forgotten.
const QUOTAS: usize = 1_000;

type Submissions = DefaultKeyedRateLimiter<(ChannelName, IpAddr)>;

/// What is counted.
pub(super) struct Limits {
    attempts: DefaultKeyedRateLimiter<IpAddr>,
    /// One for each number an hour that channels allow.
    submissions: Mutex<HashMap<u32, Arc<Submissions>>>,
    /// Automatic replies by mail address.
    replies: DefaultKeyedRateLimiter<String>,
    /// Addresses whose submissions are being read, and how many.
    reading: Mutex<HashMap<IpAddr, usize>>,
    keys: Mutex<VecDeque<Known>>,
}

/// A hash of what was sent.
pub(super) type Fingerprint = [u8; 32];

struct Known {
    channel: ChannelName,
    key: String,
    contents: Fingerprint,
}

/// The right to send a body; it ends with this.
pub(super) struct Reading<'a> {
    limits: &'a Limits,
    address: IpAddr,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut reading = lock(&self.limits.reading);
        if let Some(count) = reading.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                reading.remove(&self.address);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            attempts: RateLimiter::keyed(Quota::per_minute(ATTEMPTS)),
            submissions: Mutex::default(),
            replies: RateLimiter::keyed(reply_quota()),
            reading: Mutex::default(),
            keys: Mutex::default(),
        }
    }
}

impl Limits {
    /// Counts a request; the error is how long to wait.
    pub fn attempt(&self, address: IpAddr) -> Result<(), Duration> {
        check(&self.attempts, &network(address))
    }

    /// Lets one more body be read, unless too many are.
    pub fn read(&self, address: IpAddr) -> Option<Reading<'_>> {
        let address = network(address);
        let mut reading = lock(&self.reading);
        if reading.values().sum::<usize>() >= READING {
            return None;
        }
        let count = reading.entry(address).or_default();
        if *count >= READING_OF_ADDRESS {
            return None;
        }
        *count += 1;
        let limits = self;
        Some(Reading { limits, address })
    }

    /// What was taken in with this key before, by its fingerprint.
    pub fn known(&self, channel: &ChannelName, key: &str) -> Option<Fingerprint> {
        let keys = lock(&self.keys);
        let mut keys = keys.iter();
        keys.find(|known| known.channel == *channel && known.key == key)
            .map(|known| known.contents)
    }

    /// Remembers the key of one that was taken in, and its contents.
    pub fn remember(&self, channel: ChannelName, key: String, contents: Fingerprint) {
        let mut keys = lock(&self.keys);
        if keys.iter().any(|it| it.channel == channel && it.key == key) {
            return;
        }
        if keys.len() >= KEYS {
            keys.pop_front();
        }
        keys.push_back(Known {
            channel,
            key,
            contents,
        });
    }

    /// Whether this address may get an automatic reply: once a day, since anybody can write anybody's
    /// address into a form.
    pub fn may_reply(&self, address: &str) -> bool {
        check(&self.replies, &address.to_owned()).is_ok()
    }

    /// Counts a submission to a channel that takes `hourly` an hour from one address; the error is how
    /// long to wait.
    pub fn submit(
        &self,
        channel: &ChannelName,
        address: IpAddr,
        hourly: u32,
    ) -> Result<(), Duration> {
        let quota = NonZeroU32::new(hourly).ok_or(Duration::from_secs(3600))?;
        let limiter = {
            let mut submissions = lock(&self.submissions);
            if submissions.len() >= QUOTAS {
                submissions.retain(|known, _| *known == hourly);
            }
            let made = || Arc::new(RateLimiter::keyed(Quota::per_hour(quota)));
            Arc::clone(submissions.entry(hourly).or_insert_with(made))
        };
        check(&*limiter, &(channel.clone(), network(address)))
    }
}

fn reply_quota() -> Quota {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    // Of a period that is not zero there is always a quota.
    Quota::with_period(DAY).unwrap_or(Quota::per_hour(NonZeroU32::MIN))
}

fn check<K: Clone + std::hash::Hash + Eq>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
) -> Result<(), Duration> {
    if limiter.len() >= ADDRESSES {
        limiter.retain_recent();
        if limiter.len() >= ADDRESSES {
            return Err(Duration::from_secs(60));
        }
    }
    limiter
        .check_key(key)
        .map_err(|until| until.wait_time_from(DefaultClock::default().now()))
}

/// IPv6 by its first half, which is what one household has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_may_send_so_many_to_one_form_and_others_are_not_held_back() {
        let limits = Limits::default();
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let (contact, support) = ("contact".into(), "support".into());
        for _ in 0..3 {
            limits.submit(&contact, here, 3).unwrap();
        }
        let wait = limits.submit(&contact, here, 3).unwrap_err();
        assert!(wait > Duration::from_secs(600) && wait <= Duration::from_secs(1_200));
        limits.submit(&contact, there, 3).unwrap();
        limits.submit(&support, here, 3).unwrap();
        assert!(limits.submit(&contact, there, 0).is_err());
    }

    #[test]
    fn one_that_sends_slowly_keeps_nobody_out() {
        let limits = Limits::default();
        let slow = "192.0.2.1".parse().unwrap();
        let mut held: Vec<Reading<'_>> = (0..4).map(|_| limits.read(slow).unwrap()).collect();
        assert!(limits.read(slow).is_none());
        for host in 1..=28u8 {
            held.push(limits.read([198, 51, 100, host].into()).unwrap());
        }
        let another = "203.0.113.1".parse().unwrap();
        assert!(limits.read(another).is_none(), "enough for one machine");
        held.pop();
        assert!(limits.read(another).is_some());
        held.clear();
        assert!(lock(&limits.reading).is_empty());
    }

    #[test]
    fn keys_are_remembered_by_form_and_forgotten_in_order() {
        let limits = Limits::default();
        for index in 0..=KEYS {
            limits.remember("contact".into(), index.to_string(), [7; 32]);
        }
        assert_eq!(limits.known(&"contact".into(), "1"), Some([7; 32]));
        assert_eq!(limits.known(&"contact".into(), "0"), None);
        assert_eq!(limits.known(&"support".into(), "1"), None);
    }

    #[test]
    fn an_address_gets_one_automatic_reply_a_day() {
        let limits = Limits::default();
        assert!(limits.may_reply("kari@example.com"));
        assert!(!limits.may_reply("kari@example.com"));
        assert!(limits.may_reply("ola@example.com"));
    }

    #[test]
    fn the_addresses_of_one_household_are_one() {
        let limits = Limits::default();
        for host in 0..60 {
            let address = format!("2001:db8::{host:x}").parse().unwrap();
            limits.attempt(address).unwrap();
        }
        assert!(limits.attempt("2001:db8::ffff".parse().unwrap()).is_err());
        limits.attempt("2001:db8:0:1::1".parse().unwrap()).unwrap();
    }
}

//! How often one address may send.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::Quota;

use crate::core::name::ChannelName;
use crate::inbox::{ClientAddress, HourlyRates, KeyedRate, at_least_one};

/// Requests to send something, good or bad, that one address may make in a minute.
const ATTEMPTS: u32 = 60;

/// Addresses that are remembered.
const ADDRESSES: usize = 100_000;

/// Submissions that are read and stored at the same time: each may hold its files in memory.
const READING: usize = 32;

/// Submissions of one address that are read at the same time, so that one that sends slowly keeps
/// nobody out.
const READING_OF_ADDRESS: usize = 4;

/// Keys of submissions that were taken in, which are remembered: a repeat does not count as another.
const KEYS: usize = 10_000;

/// What is counted.
pub(super) struct Limits {
    attempts: KeyedRate<IpAddr>,
    submissions: HourlyRates,
    /// Automatic replies by mail address.
    replies: KeyedRate<String>,
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
            attempts: KeyedRate::new(Quota::per_minute(at_least_one(ATTEMPTS)), ADDRESSES),
            submissions: HourlyRates::new(ADDRESSES),
            replies: KeyedRate::new(reply_quota(), ADDRESSES),
            reading: Mutex::default(),
            keys: Mutex::default(),
        }
    }
}

impl Limits {
    /// Counts a request; the error is how long to wait.
    pub fn attempt(&self, address: IpAddr) -> Result<(), Duration> {
        self.attempts.check(&ClientAddress(address).network())
    }

    /// Lets one more body be read, unless too many are.
    pub fn read(&self, address: IpAddr) -> Option<Reading<'_>> {
        let address = ClientAddress(address).network();
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
        self.replies.check(&address.to_owned()).is_ok()
    }

    /// Counts a submission to a channel that takes `hourly` an hour from one address; the error is how
    /// long to wait.
    pub fn submit(
        &self,
        channel: &ChannelName,
        address: IpAddr,
        hourly: u32,
    ) -> Result<(), Duration> {
        self.submissions.check(channel, address, hourly)
    }
}

fn reply_quota() -> Quota {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    // Of a period that is not zero there is always a quota.
    Quota::with_period(DAY).unwrap_or(Quota::per_hour(NonZeroU32::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

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

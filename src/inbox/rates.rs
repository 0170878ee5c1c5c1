//! How often one address, one person or one token may do something.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::ClientAddress;
use crate::core::name::ChannelName;

/// Different hourly limits that are remembered; channels have had more of them only where somebody
/// changed their limits a thousand times.
const HOURLY: usize = 1_000;

/// How often each key may. The table is bounded: while it is full of keys that were used just now,
/// all share what a single one has.
#[derive(Debug)]
pub struct KeyedRate<K: Hash + Eq + Clone> {
    each: DefaultKeyedRateLimiter<K>,
    rest: DefaultDirectRateLimiter,
    keys: usize,
}

impl<K: Hash + Eq + Clone> KeyedRate<K> {
    /// So often for each, in a table of so many keys, each of which takes some 100 octets.
    pub fn new(quota: Quota, keys: usize) -> KeyedRate<K> {
        KeyedRate {
            each: RateLimiter::keyed(quota),
            rest: RateLimiter::direct(quota),
            keys,
        }
    }

    /// Counts one more of this key.
    ///
    /// # Errors
    /// It has done so too often: how long to wait.
    pub fn check(&self, key: &K) -> Result<(), Duration> {
        if self.each.len() >= self.keys {
            self.each.retain_recent();
        }
        let checked = if self.each.len() >= self.keys {
            self.rest.check()
        } else {
            self.each.check_key(key)
        };
        checked.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

/// How often one address may begin something in a channel, each of which allows so many an hour.
#[derive(Debug)]
pub struct HourlyRates {
    by_number: Mutex<HashMap<u32, Arc<ChannelRate>>>,
    keys: usize,
}

type ChannelRate = KeyedRate<(ChannelName, IpAddr)>;

impl HourlyRates {
    /// So many addresses are remembered for each number an hour.
    pub fn new(keys: usize) -> HourlyRates {
        HourlyRates {
            by_number: Mutex::default(),
            keys,
        }
    }

    /// Counts one more of this address, in a channel that allows `hourly`.
    ///
    /// # Errors
    /// It has begun too many: how long to wait.
    pub fn check(
        &self,
        channel: &ChannelName,
        address: IpAddr,
        hourly: u32,
    ) -> Result<(), Duration> {
        let quota = NonZeroU32::new(hourly).ok_or(Duration::from_secs(3600))?;
        let rate = {
            let by_number = self.by_number.lock();
            let mut by_number = by_number.unwrap_or_else(PoisonError::into_inner);
            if by_number.len() >= HOURLY {
                by_number.retain(|known, _| *known == hourly);
            }
            let made = || Arc::new(KeyedRate::new(Quota::per_hour(quota), self.keys));
            Arc::clone(by_number.entry(hourly).or_insert_with(made))
        };
        rate.check(&(channel.clone(), ClientAddress(address).network()))
    }
}

/// A number for a quota, which is never 0.
pub const fn at_least_one(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_shares_what_a_single_key_has() {
        let rate: KeyedRate<u32> = KeyedRate::new(Quota::per_hour(at_least_one(2)), 3);
        for key in 0..3 {
            rate.check(&key).unwrap();
        }
        assert!(rate.check(&3).is_ok() && rate.check(&4).is_ok());
        assert!(rate.check(&5).is_err());
        assert_eq!(rate.each.len(), 3);
    }

    #[test]
    fn one_address_may_begin_so_many_in_one_channel_and_others_are_not_held_back() {
        let rates = HourlyRates::new(100);
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let (contact, support) = ("contact".into(), "support".into());
        for _ in 0..3 {
            rates.check(&contact, here, 3).unwrap();
        }
        let wait = rates.check(&contact, here, 3).unwrap_err();
        assert!(wait > Duration::from_secs(600) && wait <= Duration::from_secs(1_200));
        rates.check(&contact, there, 3).unwrap();
        rates.check(&support, here, 3).unwrap();
        assert!(rates.check(&contact, there, 0).is_err());
    }

    #[test]
    fn numbers_an_hour_that_no_channel_has_any_more_are_forgotten() {
        let rates = HourlyRates::new(100);
        let (channel, address) = ("contact".into(), "192.0.2.1".parse().unwrap());
        for hourly in (1..).take(HOURLY + 1) {
            rates.check(&channel, address, hourly).unwrap();
        }
        assert_eq!(rates.by_number.lock().unwrap().len(), 1);
    }
}

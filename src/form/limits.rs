//! How often one address may send.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::core::name::ChannelName;

/// Requests to send something, good or bad, that one address may make in a minute.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(60).expect("sixty is not zero");

/// Addresses that are remembered; beyond it those are forgotten that have been quiet, and if all are
/// busy, new ones are turned away.
const ADDRESSES: usize = 100_000;

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
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            attempts: RateLimiter::keyed(Quota::per_minute(ATTEMPTS)),
            submissions: Mutex::default(),
            replies: RateLimiter::keyed(reply_quota()),
        }
    }
}

impl Limits {
    /// Counts a request; the error is how long to wait.
    pub fn attempt(&self, address: IpAddr) -> Result<(), Duration> {
        check(&self.attempts, &network(address))
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
            let submissions = self.submissions.lock();
            let mut submissions = submissions.unwrap_or_else(PoisonError::into_inner);
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

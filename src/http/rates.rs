//! How often one address, one token and one user may ask. The tables are bounded: where one is full
//! of keys that were used just now, new ones share what a single one has.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::HttpError;

/// Keys of one table: some 100 octets each.
const KEYS: usize = 50_000;

/// So many requests at once, refilled at so many a second.
#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: u32,
    per_second: u32,
}

/// Requests of one address: an office behind one address, with every desk's window reloading.
const PER_ADDRESS: Rate = Rate {
    burst: 4_000,
    per_second: 200,
};

/// Requests of one token or one person.
const PER_ASKER: Rate = Rate {
    burst: 1_000,
    per_second: 50,
};

/// Wrong tokens of one address: nobody types 256 random bits, but a program may keep an old token.
const WRONG_TOKENS: Rate = Rate {
    burst: 60,
    per_second: 1,
};

/// Sign-ins of one address and of one user: as many at once, then one in so long.
const SIGN_INS_PER_ADDRESS: (u32, Duration) = (20, Duration::from_secs(6));
const SIGN_INS_PER_USER: (u32, Duration) = (10, Duration::from_secs(12));

/// All of them.
#[derive(Debug)]
pub struct Rates {
    addresses: Keyed<IpAddr>,
    askers: Keyed<String>,
    wrong: Keyed<IpAddr>,
    sign_ins: Keyed<IpAddr>,
    sign_ins_of_user: Keyed<String>,
}

impl Default for Rates {
    fn default() -> Rates {
        let quota = |rate: Rate| {
            Quota::per_second(at_least_one(rate.per_second)).allow_burst(at_least_one(rate.burst))
        };
        let slow = |(burst, every): (u32, Duration)| {
            Quota::with_period(every)
                .unwrap_or(Quota::per_minute(NonZeroU32::MIN))
                .allow_burst(at_least_one(burst))
        };
        Rates {
            addresses: Keyed::new(quota(PER_ADDRESS)),
            askers: Keyed::new(quota(PER_ASKER)),
            wrong: Keyed::new(quota(WRONG_TOKENS)),
            sign_ins: Keyed::new(slow(SIGN_INS_PER_ADDRESS)),
            sign_ins_of_user: Keyed::new(slow(SIGN_INS_PER_USER)),
        }
    }
}

impl Rates {
    /// A request of this address.
    ///
    /// # Errors
    /// It has sent too many.
    pub fn request(&self, address: IpAddr) -> Result<(), HttpError> {
        let text = "Too many requests come from your address.";
        self.addresses.check(block_of(address), text)
    }

    /// A request of this token or person.
    ///
    /// # Errors
    /// It has sent too many.
    pub fn asker(&self, name: String) -> Result<(), HttpError> {
        self.askers.check(name, "You send too many requests.")
    }

    /// A wrong token or session of this address.
    ///
    /// # Errors
    /// It has sent too many.
    pub fn wrong_token(&self, address: IpAddr) -> Result<(), HttpError> {
        let text = "Too many wrong tokens come from your address.";
        self.wrong.check(block_of(address), text)
    }

    /// Somebody tries to sign in.
    ///
    /// # Errors
    /// The address, or the user, has tried too often.
    pub fn sign_in(&self, address: IpAddr, user: &str) -> Result<(), HttpError> {
        let text = "Too many people try to sign in from your address.";
        self.sign_ins.check(block_of(address), text)?;
        let text = "This user was tried too often.";
        self.sign_ins_of_user.check(user.to_owned(), text)
    }
}

/// One client's addresses: in IPv6 everybody has a /64 of them.
pub fn block_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let bits = u128::from(v6) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(bits))
            }
        },
    }
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

#[derive(Debug)]
struct Keyed<K: Hash + Eq + Clone> {
    each: DefaultKeyedRateLimiter<K>,
    rest: DefaultDirectRateLimiter,
    keys: usize,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(quota: Quota) -> Keyed<K> {
        Keyed {
            each: RateLimiter::keyed(quota),
            rest: RateLimiter::direct(quota),
            keys: KEYS,
        }
    }

    fn check(&self, key: K, text: &'static str) -> Result<(), HttpError> {
        if self.each.len() >= self.keys {
            self.each.retain_recent();
        }
        let checked = if self.each.len() >= self.keys {
            self.rest.check()
        } else {
            self.each.check_key(&key)
        };
        checked.map_err(|until| HttpError::TooMany {
            text,
            seconds: until
                .wait_time_from(DefaultClock::default().now())
                .as_secs()
                .saturating_add(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_is_tried_from_everywhere_is_tried_ten_times() {
        let rates = Rates::default();
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        for n in 0..10 {
            rates.sign_in(address(n), "anna").unwrap();
        }
        let refused = rates.sign_in(address(11), "anna").unwrap_err();
        assert_eq!(refused.status().0, 429);
        rates.sign_in(address(11), "bjorn").unwrap();
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_client() {
        let one = block_of("2001:db8::1".parse().unwrap());
        assert_eq!(one, block_of("2001:db8::ffff:1".parse().unwrap()));
        assert_ne!(one, block_of("2001:db8:0:1::1".parse().unwrap()));
        let mapped = block_of("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(mapped, IpAddr::from([192, 0, 2, 1]));
    }

    #[test]
    fn a_full_table_shares_what_is_left_among_new_keys() {
        let mut keyed: Keyed<u32> = Keyed::new(Quota::per_hour(NonZeroU32::new(2).unwrap()));
        keyed.keys = 3;
        for key in 0..3 {
            keyed.check(key, "").unwrap();
        }
        assert!(keyed.check(3, "").is_ok() && keyed.check(4, "").is_ok());
        assert!(keyed.check(5, "").is_err());
        assert_eq!(keyed.each.len(), 3);
    }
}

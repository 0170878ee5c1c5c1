//! How often one address, one token and one user may ask.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::Quota;

use super::HttpError;
use crate::inbox::{ClientAddress, KeyedRate, at_least_one};

/// Keys of one table: some 100 octets each.
const KEYS: usize = 50_000;

/// Characters of a name that somebody signs in with that are looked at: longer ones are nobody's.
const LONGEST_USER: usize = 100;

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

/// Networks that are remembered of one user: the office, the home, the phone and what changes of
/// them.
const FAMILIAR_NETWORKS: usize = 8;

/// All of them.
#[derive(Debug)]
pub struct Rates {
    addresses: KeyedRate<IpAddr>,
    askers: KeyedRate<String>,
    wrong: KeyedRate<IpAddr>,
    sign_ins: KeyedRate<IpAddr>,
    sign_ins_of_user: KeyedRate<String>,
    sign_ins_from_familiar: KeyedRate<(String, IpAddr)>,
    /// Where each user has signed in from, the latest last. Those who try the user's passwords
    /// elsewhere do not keep the user out there.
    familiar: Mutex<HashMap<String, VecDeque<IpAddr>>>,
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
            addresses: KeyedRate::new(quota(PER_ADDRESS), KEYS),
            askers: KeyedRate::new(quota(PER_ASKER), KEYS),
            wrong: KeyedRate::new(quota(WRONG_TOKENS), KEYS),
            sign_ins: KeyedRate::new(slow(SIGN_INS_PER_ADDRESS), KEYS),
            sign_ins_of_user: KeyedRate::new(slow(SIGN_INS_PER_USER), KEYS),
            sign_ins_from_familiar: KeyedRate::new(slow(SIGN_INS_PER_USER), KEYS),
            familiar: Mutex::default(),
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
        check(&self.addresses, &ClientAddress(address).network(), text)
    }

    /// A request of this token or person.
    ///
    /// # Errors
    /// It has sent too many.
    pub fn asker(&self, name: String) -> Result<(), HttpError> {
        check(&self.askers, &name, "You send too many requests.")
    }

    /// A wrong token or session of this address.
    ///
    /// # Errors
    /// It has sent too many.
    pub fn wrong_token(&self, address: IpAddr) -> Result<(), HttpError> {
        let text = "Too many wrong tokens come from your address.";
        check(&self.wrong, &ClientAddress(address).network(), text)
    }

    /// Somebody tries to sign in.
    ///
    /// # Errors
    /// The address, or the user, has tried too often.
    pub fn sign_in(&self, address: IpAddr, user: &str) -> Result<(), HttpError> {
        let network = ClientAddress(address).network();
        let text = "Too many people try to sign in from your address.";
        check(&self.sign_ins, &network, text)?;
        let text = "This user was tried too often.";
        let user: String = user.chars().take(LONGEST_USER).collect();
        let is_familiar =
            (self.familiar().get(&user)).is_some_and(|networks| networks.contains(&network));
        match is_familiar {
            true => check(&self.sign_ins_from_familiar, &(user, network), text),
            false => check(&self.sign_ins_of_user, &user, text),
        }
    }

    /// A user has signed in from there.
    pub fn signed_in(&self, address: IpAddr, user: &str) {
        let network = ClientAddress(address).network();
        let mut familiar = self.familiar();
        let networks = familiar.entry(user.to_owned()).or_default();
        networks.retain(|other| *other != network);
        networks.push_back(network);
        if networks.len() > FAMILIAR_NETWORKS {
            networks.pop_front();
        }
    }

    fn familiar(&self) -> MutexGuard<'_, HashMap<String, VecDeque<IpAddr>>> {
        self.familiar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check<K: Hash + Eq + Clone>(
    rate: &KeyedRate<K>,
    key: &K,
    text: &'static str,
) -> Result<(), HttpError> {
    rate.check(key).map_err(|wait| HttpError::TooMany {
        text,
        seconds: wait.as_secs().saturating_add(1),
    })
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
    fn who_tries_a_users_passwords_does_not_keep_the_user_out_of_the_office() {
        let rates = Rates::default();
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let office = IpAddr::from([198, 51, 100, 1]);
        rates.sign_in(office, "anna").unwrap();
        rates.signed_in(office, "anna");
        for n in 0..9 {
            rates.sign_in(address(n), "anna").unwrap();
        }
        assert!(rates.sign_in(address(10), "anna").is_err());
        for _ in 0..10 {
            rates.sign_in(office, "anna").unwrap();
        }
        assert!(rates.sign_in(office, "anna").is_err());
    }

    #[test]
    fn of_the_networks_that_a_user_signs_in_from_the_latest_are_remembered() {
        let rates = Rates::default();
        for n in 0..=FAMILIAR_NETWORKS {
            rates.signed_in(IpAddr::from([192, 0, 2, n as u8]), "anna");
        }
        let familiar = rates.familiar();
        assert_eq!(familiar["anna"].len(), FAMILIAR_NETWORKS);
        assert!(!familiar["anna"].contains(&IpAddr::from([192, 0, 2, 0])));
    }
}

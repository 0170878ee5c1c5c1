//! How much one visitor, one address and all together may do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::core::name::ChannelName;
use crate::inbox::{ClientAddress, HourlyRates, at_least_one};

/// Sockets in all: each takes some kilobytes and a descriptor.
const SOCKETS: usize = 10_000;

/// Sockets of one address: an office behind one address, with a few tabs each.
const SOCKETS_OF_ADDRESS: usize = 200;

/// Frames that a page may send at once, and then so many a second: faster than anybody types.
const BURST: u32 = 30;
const FRAMES_A_SECOND: u32 = 2;

/// Addresses that beginnings are counted for.
const ADDRESSES: usize = 100_000;

/// The rate of one socket.
pub type SocketRate = DefaultDirectRateLimiter;

/// What is counted.
pub struct Limits {
    open: Mutex<Open>,
    beginnings: HourlyRates,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            open: Mutex::default(),
            beginnings: HourlyRates::new(ADDRESSES),
        }
    }
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to have a socket; it ends with this.
pub struct Admission {
    limits: Arc<Limits>,
    address: IpAddr,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = lock(&self.limits.open);
        open.all = open.all.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

impl Limits {
    /// Admits one more socket, or `None` where there are enough.
    pub fn admit(self: &Arc<Limits>, address: IpAddr) -> Option<Admission> {
        let address = ClientAddress(address).network();
        let mut open = lock(&self.open);
        if open.all >= SOCKETS {
            return None;
        }
        let count = open.by_address.entry(address).or_default();
        if *count >= SOCKETS_OF_ADDRESS {
            return None;
        }
        *count += 1;
        open.all += 1;
        Some(Admission {
            limits: Arc::clone(self),
            address,
        })
    }

    /// Whether an address may begin one more chat in a channel that allows `hourly`.
    pub fn may_begin(&self, channel: &ChannelName, address: IpAddr, hourly: u32) -> bool {
        self.beginnings.check(channel, address, hourly).is_ok()
    }

    /// The rate of a new socket.
    pub fn socket_rate() -> SocketRate {
        RateLimiter::direct(
            Quota::per_second(at_least_one(FRAMES_A_SECOND)).allow_burst(at_least_one(BURST)),
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn one_address_cannot_take_all_sockets_and_gives_back_what_it_had() {
        let limits = Arc::new(Limits::default());
        let address: IpAddr = "203.0.113.7".parse().unwrap();
        let mut held: Vec<_> = (0..SOCKETS_OF_ADDRESS)
            .map(|_| limits.admit(address).unwrap())
            .collect();
        assert!(limits.admit(address).is_none());
        assert!(limits.admit("203.0.113.8".parse().unwrap()).is_some());
        held.pop();
        assert!(limits.admit(address).is_some());
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one() {
        let limits = Limits::default();
        let channel = ChannelName::from("website-chat");
        let address = |last: &str| format!("2001:db8::{last}").parse().unwrap();
        assert!(limits.may_begin(&channel, address("1"), 1));
        assert!(!limits.may_begin(&channel, address("2"), 1));
        assert!(limits.may_begin(&channel, "2001:db8:1::1".parse().unwrap(), 1));
        assert!(!limits.may_begin(&channel, address("3"), 0));
    }

    #[test]
    fn while_too_many_addresses_are_remembered_new_ones_share_the_chats_of_one() {
        let limits = Limits::default();
        let channel = ChannelName::from("website-chat");
        let begin = |network: usize| {
            let bits = (0x2001_0db8_u128 << 96) | (network as u128) << 64;
            limits.may_begin(&channel, Ipv6Addr::from(bits).into(), 1)
        };
        assert!((0..ADDRESSES).all(begin));
        assert!(begin(ADDRESSES));
        assert!(!begin(ADDRESSES + 1));
    }
}

//! How much one visitor, one address and all together may do.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::core::name::ChannelName;

/// Sockets in all: each takes some kilobytes and a descriptor.
const SOCKETS: usize = 10_000;

/// Sockets of one address: an office behind one address, with a few tabs each.
const SOCKETS_OF_ADDRESS: usize = 200;

/// Frames that a page may send at once, and then one every half a second: faster than anybody types.
const BURST: NonZeroU32 = NonZeroU32::new(30).expect("thirty is not zero");

/// Addresses that beginnings are counted for; beyond it those are forgotten that are idle.
const ADDRESSES: usize = 100_000;

type Beginnings = DefaultKeyedRateLimiter<(ChannelName, IpAddr)>;

/// The rate of one socket.
pub type SocketRate = DefaultDirectRateLimiter;

/// What is counted.
#[derive(Default)]
pub struct Limits {
    open: Mutex<Open>,
    /// Chats begun by address, one limiter for each hourly limit that channels have.
    beginnings: Mutex<HashMap<u32, Arc<Beginnings>>>,
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
        let address = network(address);
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
        let Some(hourly) = NonZeroU32::new(hourly) else {
            return false;
        };
        let limiter = {
            let mut limiters = lock(&self.beginnings);
            let made = || Arc::new(RateLimiter::keyed(Quota::per_hour(hourly)));
            Arc::clone(limiters.entry(hourly.get()).or_insert_with(made))
        };
        if limiter.len() > ADDRESSES {
            limiter.retain_recent();
        }
        limiter
            .check_key(&(channel.clone(), network(address)))
            .is_ok()
    }

    /// The rate of a new socket.
    pub fn socket_rate() -> SocketRate {
        RateLimiter::direct(Quota::per_second(TWO).allow_burst(BURST))
    }
}

const TWO: NonZeroU32 = NonZeroU32::new(2).expect("two is not zero");

/// Whoever has an IPv6 address has its whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
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
}

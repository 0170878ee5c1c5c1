//! The names that an admin gives to things. A name stays the same over reloads, so state that
//! outlives a snapshot is keyed by it; the loader has checked that each one refers to something.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Hashes names of the configuration: quick, and alike in each run. What strangers choose is hashed by
/// the standard library's own.
pub type ByName = BuildHasherDefault<NameHasher>;

/// Takes eight octets at a time. Both halves of each product count, so that every octet reaches all
/// bits.
#[derive(Clone, Copy, Debug)]
pub struct NameHasher(u64);

impl NameHasher {
    #[inline]
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Default for NameHasher {
    fn default() -> NameHasher {
        NameHasher(0x243f_6a88_85a3_08d3)
    }
}

impl Hasher for NameHasher {
    #[inline]
    fn write(&mut self, octets: &[u8]) {
        let mut words = octets.chunks_exact(8);
        for word in &mut words {
            self.fold(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let left = words.remainder();
        if !left.is_empty() {
            let shifted = left.iter().rev();
            self.fold(shifted.fold(0, |word, octet| word << 8 | u64::from(*octet)));
        }
    }

    #[inline]
    fn write_u8(&mut self, octet: u8) {
        self.fold(u64::from(octet));
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> $name {
                $name(Arc::from(text))
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

names! {
    /// The name of a [`CustomerAgent`](crate::core::snapshot::CustomerAgent).
    AgentName;
    /// The name of a [`Trunk`](crate::core::snapshot::Trunk).
    TrunkName;
    /// The name of a [`User`](crate::core::snapshot::User).
    UserName;
    /// The name of a [`Team`](crate::core::snapshot::Team).
    TeamName;
    /// The name of an [`Inbox`](crate::core::snapshot::Inbox).
    InboxName;
    /// The name of a [`Schedule`](crate::core::schedule::Schedule).
    ScheduleName;
    /// The name of a prompt.
    PromptName;
    /// The name of a [`Channel`](crate::core::snapshot::Channel).
    ChannelName;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn names_that_differ_little_are_spread_evenly() {
        let hasher = ByName::default();
        let names = (0..10_000).map(|number| UserName::from(format!("user-{number}")));
        let hashes: HashSet<u64> = names.map(|name| hasher.hash_one(&name)).collect();
        assert_eq!(hashes.len(), 10_000);
        // Tables look at the lowest bits, and at the highest seven.
        let mut lowest = vec![0; 1024];
        let mut highest = vec![0; 128];
        for hash in hashes {
            lowest[usize::try_from(hash % 1024).unwrap()] += 1;
            highest[usize::try_from(hash >> 57).unwrap()] += 1;
        }
        assert!(lowest.iter().all(|count| *count < 40), "10 on average");
        assert!(highest.iter().all(|count| *count < 160), "78 on average");
        let borrowed: &str = "anna";
        assert_eq!(
            hasher.hash_one(borrowed),
            hasher.hash_one(UserName::from("anna")),
            "what is looked up as text"
        );
    }
}

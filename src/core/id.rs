//! Identifiers of what happens: calls, legs, conversations, decisions. Time-ordered (UUID version 7,
//! RFC 9562 §5.7) and made from a seed, so that a simulated run makes the same ones again.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::core::time::Wall;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<$name, uuid::Error> {
                text.parse().map($name)
            }
        }
    )*};
}

ids! {
    /// All of one phone conversation.
    CallId;
    /// One side of a call.
    LegId;
    /// An item in an inbox.
    ConversationId;
    /// A recorded message.
    VoicemailId;
    /// One result of routing, with its trace.
    DecisionId;
    /// Something in a conversation.
    MessageId;
    /// A file that came with a message.
    AttachmentId;
    /// A person on the other side.
    ContactId;
    /// Something that has happened, as it is told outside.
    EventId;
    /// One event on its way to one webhook.
    DeliveryId;
}

/// The source of identifiers, tags, branches and seeds: a cipher stream from one seed.
///
/// Its output cannot be predicted from outside (RFC 3261 §19.3 asks that of tags), and a test that
/// gives the same seed gets the same stream.
pub struct RandomSource(ChaCha12Rng);

impl RandomSource {
    /// A stream that is determined by `seed`.
    pub fn from_seed(seed: [u8; 32]) -> RandomSource {
        RandomSource(ChaCha12Rng::from_seed(seed))
    }

    /// A stream of its own for a part that draws in its own order.
    pub fn fork(&mut self) -> RandomSource {
        let mut seed = [0u8; 32];
        self.0.fill_bytes(&mut seed);
        RandomSource::from_seed(seed)
    }

    /// Sixty-four random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A random token of 26 lower-case letters and digits (128 bits): fit for a tag, a branch, a
    /// Call-ID or a nonce.
    pub fn token(&mut self) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bits = (u128::from(self.0.next_u64()) << 64) | u128::from(self.0.next_u64());
        let mut text = String::with_capacity(26);
        for _ in 0..26 {
            text.push(char::from(ALPHABET[(bits & 31) as usize]));
            bits >>= 5;
        }
        text
    }

    /// A time-ordered identifier for something that begins at `wall`.
    pub fn uuid(&mut self, wall: Wall) -> Uuid {
        let mut random = [0u8; 10];
        self.0.fill_bytes(&mut random);
        let millis = wall.as_millis().max(0).unsigned_abs();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

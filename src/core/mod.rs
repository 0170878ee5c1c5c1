//! The pure core: what things are and how is decided. No IO, no tokio, no clock, no randomness of
//! its own, no logging. Every state machine here and in the pure halves of `sip` and `media` has
//! three doors: **handle one event, drain the actions, then wait** until `next_timeout`.

pub mod call;
pub mod contact;
pub mod conversation;
pub mod desk;
pub mod hex;
pub mod id;
pub mod letter;
pub mod name;
pub mod number;
pub mod prompt;
pub mod record;
pub mod routing;
#[cfg(test)]
pub mod sample;
pub mod schedule;
pub mod snapshot;
pub mod text;
pub mod time;
pub mod zone;

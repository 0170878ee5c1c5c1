//! The one place that reads a clock. Edges ask it and hand [`Now`] down.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::time::{Mono, Now, Wall};

/// The instant that monotonic time is counted from: the first time anyone asked.
static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// What time it is.
pub fn now() -> Now {
    Now::new(mono(), wall())
}

/// Monotonic time since the program's first look at the clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn mono() -> Mono {
    let elapsed = ORIGIN.get_or_init(Instant::now).elapsed();
    Mono::ZERO + elapsed
}

/// Time of day in UTC, to the millisecond.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn wall() -> Wall {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Wall::from_millis(millis)
}

/// The `Instant` at which monotonic time is `at`, for timers of the runtime.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn instant(at: Mono) -> Instant {
    *ORIGIN.get_or_init(Instant::now) + at.since(Mono::ZERO)
}

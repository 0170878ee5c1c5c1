//! `Retry-After` (RFC 9110 §10.2.3).

use std::time::Duration;

use chrono::DateTime;

use crate::core::time::Wall;

/// The time to wait that a `Retry-After` names, as seconds or as a date; `None`: it cannot be read.
/// A date that has passed asks for no wait.
pub fn read(value: &str, now: Wall) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit()) {
        // More digits than fit ask for longer than anybody waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    Some(Wall::from_utc(at.to_utc()).since(now))
}

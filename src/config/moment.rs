//! A moment as an admin writes it.

use chrono::{DateTime, Datelike, NaiveDateTime};

use crate::core::time::Wall;
use crate::core::zone::{LocalInstants, Zone};

/// Reads RFC 3339 (`2026-12-24T12:30:00+01:00`), or a local time of `zone` (`2026-12-24T12:30`),
/// which must exist; one that occurs twice is the first of the two. The error says what to write.
pub fn parse(text: &str, zone: Option<&Zone>) -> Result<Wall, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Wall::from_utc(at.to_utc()));
    }
    let local = [
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
    ]
    .iter()
    .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    .filter(|local| (1..=9999).contains(&local.year()))
    .ok_or_else(|| {
        format!("\"{text}\" is not a time, like 2026-12-24T12:30 or 2026-12-24T12:30:00+01:00.")
    })?;
    let Some(zone) = zone else {
        return Err(format!(
            "\"{text}\" could be in any time zone, for the channel has no schedule. Write it like 2026-12-24T12:30:00Z."
        ));
    };
    match zone.instants(local) {
        LocalInstants::One(at) | LocalInstants::Two(at, _) => Ok(at),
        LocalInstants::None => Err(format!(
            "\"{text}\" does not exist in {}: clocks skip it. Write an earlier or a later time.",
            zone.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::zone::zone;

    #[test]
    fn a_local_time_in_a_gap_is_refused_and_in_an_overlap_the_first() {
        let oslo = zone("Europe/Oslo").unwrap();
        let utc = |text: &str| parse(text, None);
        for (text, expected) in [
            ("2026-12-24T12:30", utc("2026-12-24T11:30:00Z")),
            ("2026-12-24 12:30:15", utc("2026-12-24T11:30:15Z")),
            ("2026-12-24T12:30:00+09:00", utc("2026-12-24T03:30:00Z")),
            ("2026-10-25T02:30", utc("2026-10-25T00:30:00Z")),
            ("2026-03-29T02:30", Err("\"2026-03-29T02:30\" does not exist in Europe/Oslo: clocks skip it. Write an earlier or a later time.".to_owned())),
            ("+262142-12-31T23:59", Err("\"+262142-12-31T23:59\" is not a time, like 2026-12-24T12:30 or 2026-12-24T12:30:00+01:00.".to_owned())),
            ("24.12.2026", Err("\"24.12.2026\" is not a time, like 2026-12-24T12:30 or 2026-12-24T12:30:00+01:00.".to_owned())),
        ] {
            assert_eq!(parse(text, Some(&oslo)), expected, "{text}");
        }
        assert!(
            parse("2026-12-24T12:30", None)
                .unwrap_err()
                .contains("any time zone")
        );
    }
}

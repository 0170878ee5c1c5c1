//! Zones from chrono-tz's compiled-in copy of the IANA time zone database. No other module names
//! chrono-tz.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Timelike, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::core::zone::{YearlyChange, Zone};

/// Before this UTC second no zone of the database changes: its first entry is of 1844.
const FIRST_PROBE: i64 = -4_102_444_800; // 1840-01-01T00:00:00Z

/// Seconds between two probes, three days. The shortest stretch in the database (2025b) is 6.9
/// days long, so none is missed.
const PROBE_STEP: i64 = 3 * 86_400;

/// The last year for which chrono-tz lists the changes of zones whose rule goes on for ever.
const LAST_TABLE_YEAR: i32 = 2099;

/// The end of the table, `LAST_TABLE_YEAR` over everywhere on earth.
const LAST_PROBE: i64 = 4_102_531_200; // 2100-01-02T00:00:00Z

/// The years that the yearly changes of the tail are read from: the longest stretch for which all
/// zones keep to one rule (Gaza's and Hebron's changes follow Ramadan until 2086).
const RULE_YEARS: i32 = 13;

/// The zone of that IANA name, or `None` if the database has no such name.
///
/// The table agrees with chrono-tz at every instant up to the end of 2099, where chrono-tz ends.
/// A zone that changes its clocks by the same rule every year until then goes on doing so.
pub fn zone(name: &str) -> Option<Zone> {
    let tz: Tz = name.parse().ok()?;
    let (first, transitions) = transitions(tz);
    let tail = tail(first, &transitions);
    Some(Zone::new(tz.name(), first, transitions, tail))
}

/// All names that [`zone`] knows, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    TZ_VARIANTS.iter().map(|tz| tz.name())
}

/// The first offset, and each change with the offset that it leads to.
fn transitions(tz: Tz) -> (i32, Vec<(i64, i32)>) {
    let first = offset(tz, FIRST_PROBE);
    let mut transitions = Vec::new();
    let (mut at, mut before) = (FIRST_PROBE, first);
    while at < LAST_PROBE {
        let next = at + PROBE_STEP;
        let after = offset(tz, next);
        if after != before {
            transitions.push((change_between(tz, at, next), after));
            before = after;
        }
        at = next;
    }
    (first, transitions)
}

/// The second at which the offset changes, which lies in `(before, after]`.
fn change_between(tz: Tz, mut before: i64, mut after: i64) -> i64 {
    let old = offset(tz, before);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if offset(tz, middle) == old {
            before = middle;
        } else {
            after = middle;
        }
    }
    after
}

/// Seconds east of UTC.
fn offset(tz: Tz, at: i64) -> i32 {
    let at = DateTime::from_timestamp(at, 0).unwrap_or_default();
    tz.offset_from_utc_datetime(&at.naive_utc())
        .fix()
        .local_minus_utc()
}

/// The rule that the last years of the table follow; empty where they have no changes, or none
/// that come back.
fn tail(first: i32, transitions: &[(i64, i32)]) -> Vec<YearlyChange> {
    let mut years: Vec<Vec<Change>> = vec![Vec::new(); RULE_YEARS as usize];
    let mut before = first;
    for &(at, offset) in transitions {
        let change = Change::new(at, before, offset);
        before = offset;
        let age = usize::try_from(LAST_TABLE_YEAR - change.date.year()).ok();
        if let Some(year) = age.and_then(|age| years.get_mut(age)) {
            year.push(change);
        }
    }
    let count = years.first().map_or(0, Vec::len);
    if years.iter().any(|year| year.len() != count) {
        return Vec::new();
    }
    let rules = (0..count).map(|index| {
        let each: Vec<Change> = years
            .iter()
            .filter_map(|year| year.get(index).copied())
            .collect();
        yearly(&each)
    });
    rules.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// One change of offset, as the clock shows it that goes before it.
#[derive(Clone, Copy)]
struct Change {
    date: NaiveDate,
    seconds: i32,
    offset: i32,
}

impl Change {
    /// A change at midnight counts as the end of the day before: rules say "Thursday, 24:00".
    fn new(at: i64, before: i32, offset: i32) -> Change {
        let last_second = DateTime::from_timestamp(at + i64::from(before) - 1, 0)
            .unwrap_or_default()
            .naive_utc();
        Change {
            date: last_second.date(),
            seconds: i32::try_from(last_second.num_seconds_from_midnight()).unwrap_or(0) + 1,
            offset,
        }
    }
}

/// The rule behind the same change in different years.
fn yearly(changes: &[Change]) -> Option<YearlyChange> {
    let one = changes.first()?;
    let same = |change: &Change| {
        change.date.month() == one.date.month()
            && change.seconds == one.seconds
            && change.offset == one.offset
    };
    if !changes.iter().all(same) {
        return None;
    }
    let weekdays_agree = |change: &Change| change.date.weekday() == one.date.weekday();
    let earliest = changes.iter().map(|change| change.date.day()).min()?;
    let latest = changes.iter().map(|change| change.date.day()).max()?;
    let weekday: Option<Weekday> = if changes.iter().all(weekdays_agree) && latest - earliest == 6 {
        Some(one.date.weekday())
    } else if earliest == latest {
        None
    } else {
        return None;
    };
    Some(YearlyChange {
        month: one.date.month(),
        day: earliest,
        weekday,
        seconds: one.seconds,
        offset: one.offset,
    })
}

#[cfg(test)]
mod tests {
    use chrono::{LocalResult, NaiveDateTime};
    use proptest::prelude::*;

    use super::*;
    use crate::core::time::Wall;
    use crate::core::zone::LocalInstants;

    const DAY: i64 = 86_400;
    const YEAR_1970: i64 = 0;
    const YEAR_2100: i64 = 4_102_444_800;

    fn known(name: &str) -> Zone {
        zone(name).unwrap_or_else(|| panic!("no zone {name}"))
    }

    fn utc(text: &str) -> Wall {
        let at = DateTime::parse_from_rfc3339(text).unwrap();
        Wall::from_utc(at.to_utc())
    }

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    /// Every zone of the database, at and one second before each of its changes and every seven
    /// weeks or so between them, from before the first change to the end of chrono-tz's table.
    #[test]
    fn every_zone_agrees_with_chrono_tz_around_each_change() {
        for tz in TZ_VARIANTS {
            let zone = known(tz.name());
            let mut at = FIRST_PROBE;
            while at < YEAR_2100 {
                let span = zone.span_at(at);
                let end = span.end.unwrap_or(YEAR_2100).min(YEAR_2100);
                let between = std::iter::successors(Some(at), |at| Some(at + 4_321_987));
                for probe in between.take_while(|at| *at < end).chain([end - 1]) {
                    assert_eq!(span.offset, offset(tz, probe), "{tz} at {probe}");
                }
                at = end;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn any_zone_agrees_with_chrono_tz_at_any_instant(
            tz in prop::sample::select(&TZ_VARIANTS[..]),
            instants in prop::collection::vec(YEAR_1970..YEAR_2100, 500),
        ) {
            let zone = known(tz.name());
            for at in instants {
                let expected = DateTime::from_timestamp(at, 0).unwrap().with_timezone(&tz);
                let at = Wall::from_seconds(at);
                prop_assert_eq!(zone.offset_at(at), expected.offset().fix().local_minus_utc());
                prop_assert_eq!(zone.local(at), expected.naive_local());
            }
        }

        /// Local times near a change, where there may be none, one or two instants.
        #[test]
        fn any_local_time_has_the_instants_that_chrono_tz_finds(
            tz in prop::sample::select(&TZ_VARIANTS[..]),
            near in YEAR_1970..YEAR_2100 - 400 * DAY,
            distances in prop::collection::vec(-9_000_i64..9_000, 100),
        ) {
            let zone = known(tz.name());
            let change = zone.span_at(near).end.filter(|end| *end < YEAR_2100 - DAY);
            for distance in distances {
                let second = change.unwrap_or(near) + i64::from(offset(tz, near)) + distance;
                let local = DateTime::from_timestamp(second, 0).unwrap().naive_utc();
                let wall = |at: DateTime<Tz>| Wall::from_utc(at.to_utc());
                let expected = match tz.from_local_datetime(&local) {
                    LocalResult::None => LocalInstants::None,
                    LocalResult::Single(at) => LocalInstants::One(wall(at)),
                    LocalResult::Ambiguous(first, second) => {
                        LocalInstants::Two(wall(first), wall(second))
                    }
                };
                prop_assert_eq!(zone.instants(local), expected);
            }
        }
    }

    #[test]
    fn an_offset_of_the_past_may_have_seconds() {
        let monrovia = known("Africa/Monrovia");
        // Liberia kept −00:44:30 until 1972-01-07.
        let before = utc("1972-01-07T00:44:29Z");
        assert_eq!(monrovia.offset_at(before), -(44 * 60 + 30));
        assert_eq!(monrovia.local(before), local("1972-01-06T23:59:59"));
        assert_eq!(
            monrovia.format_rfc3339(before),
            "1972-01-06T23:59:59-00:44:30"
        );
        assert_eq!(monrovia.offset_at(utc("1972-01-07T00:44:30Z")), 0);
        assert_eq!(
            monrovia.instants(local("1972-01-07T00:30:00")),
            LocalInstants::None
        );
    }

    #[test]
    fn a_local_time_may_have_no_instant_or_two() {
        let oslo = known("Europe/Oslo");
        assert_eq!(
            oslo.instants(local("2026-03-29T02:30:00")),
            LocalInstants::None
        );
        assert_eq!(
            oslo.instants(local("2026-10-25T02:30:00")),
            LocalInstants::Two(utc("2026-10-25T00:30:00Z"), utc("2026-10-25T01:30:00Z"))
        );
        assert_eq!(
            oslo.instants(local("2026-10-25T03:00:00")),
            LocalInstants::One(utc("2026-10-25T02:00:00Z"))
        );
    }

    /// The tail is read from the last years of the table. Put in place of the table, it must give
    /// the same changes again.
    #[test]
    fn the_tail_of_every_zone_repeats_the_end_of_its_table() {
        let first = utc("2088-01-01T00:00:00Z").as_seconds();
        let mut with_tail = 0;
        for tz in TZ_VARIANTS {
            let months_of_2099 = (0..12).map(|month| YEAR_2100 - DAY - month * 30 * DAY);
            let changes_in_2099 = months_of_2099
                .map(|at| offset(tz, at))
                .any(|offset_then| offset_then != offset(tz, YEAR_2100));
            if !changes_in_2099 {
                continue;
            }
            with_tail += 1;
            let (before, changes) = transitions(tz);
            let rules = tail(before, &changes);
            assert!(!rules.is_empty(), "{tz} has no tail");
            let zone = Zone::new(tz.name(), offset(tz, first), [], rules);
            let mut at = first;
            while at < YEAR_2100 {
                let span = zone.span_at(at);
                let end = span.end.expect("a tail never ends").min(YEAR_2100);
                assert_eq!(span.offset, offset(tz, at), "{tz} at {at}");
                assert_eq!(span.offset, offset(tz, end - 1), "{tz} at {end}");
                at = end;
            }
        }
        assert!(with_tail > 100, "{with_tail} zones with a tail");
    }

    /// Worked out from the rules by hand: the second Sunday of March 2150 is the 8th (1 March 2150
    /// is a Sunday), the first of November the 1st; the last Sundays of March and October are the
    /// 29th and the 25th. Egypt: the last Thursday of October 2150 is the 29th, at its end.
    #[test]
    fn clocks_go_on_changing_after_the_end_of_the_table() {
        let changes = [
            ("America/New_York", "2150-03-08T07:00:00Z", -5, -4),
            ("America/New_York", "2150-11-01T06:00:00Z", -4, -5),
            ("Europe/Oslo", "2150-03-29T01:00:00Z", 1, 2),
            ("Europe/Oslo", "2150-10-25T01:00:00Z", 2, 1),
            ("Africa/Cairo", "2150-10-29T21:00:00Z", 3, 2),
        ];
        for (name, at, before, after) in changes {
            let (zone, at) = (known(name), utc(at));
            let just_before = Wall::from_seconds(at.as_seconds() - 1);
            assert_eq!(zone.offset_at(just_before), before * 3600, "{name} {at}");
            assert_eq!(zone.offset_at(at), after * 3600, "{name} {at}");
        }
        let tokyo = known("Asia/Tokyo");
        assert_eq!(tokyo.offset_at(utc("2150-07-01T00:00:00Z")), 9 * 3600);
    }

    #[test]
    fn the_first_instant_of_a_date() {
        let cases = [
            // The usual case.
            ("Europe/Oslo", "2026-12-02", "2026-12-01T23:00:00Z"),
            // 00:00 is skipped: the date begins at 01:00.
            ("America/Havana", "2026-03-08", "2026-03-08T05:00:00Z"),
            ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z"),
            // 00:00 to 01:00 comes twice: the date begins with the first time.
            ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"),
            // At 00:00 clocks go back to 23:00 of the day before: the date begins an hour later.
            ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00Z"),
            // At 00:01 clocks go back to 23:01 of the day before: its first minute comes twice.
            ("America/St_Johns", "2006-10-29", "2006-10-29T02:30:00Z"),
            // The date never existed: the next one that did.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
        ];
        for (name, date, expected) in cases {
            let at = known(name).first_instant_of(date.parse().unwrap());
            assert_eq!(at, utc(expected), "{name} {date}");
        }
    }

    #[test]
    fn only_names_of_the_database_are_zones() {
        assert_eq!(zone("Europe/Atlantis"), None);
        assert_eq!(zone(""), None);
        assert!(names().any(|name| name == "Europe/Oslo"));
    }
}

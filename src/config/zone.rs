//! Zones from chrono-tz's compiled-in copy of the IANA time zone database. No other module names
//! chrono-tz.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Timelike, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::core::zone::{YearlyChange, Zone};

/// Before this UTC second no zone of the database changes: its first entry is of 1844.
const FIRST_PROBE: i64 = -5_364_662_400; // 1800-01-01T00:00:00Z

/// Seconds between two probes. The shortest stretch in the database (2025b) is 6.9 days, so a
/// probe a day misses none.
const PROBE_STEP: i64 = 86_400;

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

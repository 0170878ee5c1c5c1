//! A time zone as the snapshot holds it: a table of transitions and a rule for what comes after.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Weekday};

use crate::core::time::Wall;

/// Seconds in a civil day.
const DAY: i64 = 86_400;

/// No offset from UTC was ever larger than this, in seconds: Manila was at −15:56:08 before 1845.
const LARGEST_OFFSET: i64 = DAY;

/// A time zone: which offset from UTC is in force at which instant.
///
/// Built by the loader (`config::zone`), from whichever zone database it was given. Up to and
/// including its last transition the table decides. After it the yearly changes of the tail go on
/// for ever; a zone without them keeps its last offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The IANA name, `Europe/Oslo`.
    pub name: String,
    /// Seconds east of UTC before the first transition.
    first: i32,
    /// UTC seconds and the offset in force from then on, in order; neighbours differ in offset.
    transitions: Vec<(i64, i32)>,
    /// The changes of every year after the last transition, in the order of the year.
    tail: Vec<YearlyChange>,
}

/// A change of offset that comes back every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YearlyChange {
    /// The month, from 1.
    pub month: u32,
    /// The day of the month, from 1; with a `weekday`, the earliest day it may be.
    pub day: u32,
    /// The first such weekday on or after `day`; `None`: `day` itself.
    pub weekday: Option<Weekday>,
    /// Seconds after that day's midnight, on the clock as it goes before the change. May be
    /// 86,400 (the end of the day).
    pub seconds: i32,
    /// Seconds east of UTC from then on.
    pub offset: i32,
}

/// A stretch of time with one offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The UTC second it begins at; `None`: it has no beginning.
    pub begin: Option<i64>,
    /// The UTC second it ends at, itself not included; `None`: it has no end.
    pub end: Option<i64>,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// The instants at which clocks show a given local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalInstants {
    /// A change of offset skips it.
    None,
    /// The usual case.
    One(Wall),
    /// It occurs twice: the first and the second time.
    Two(Wall, Wall),
}

impl Zone {
    /// A zone from its parts. `transitions` are (UTC second, seconds east of UTC from then on) in
    /// ascending order; those that change nothing are dropped. `tail` is in the order of the year.
    pub fn new(
        name: impl Into<String>,
        first: i32,
        transitions: impl IntoIterator<Item = (i64, i32)>,
        tail: Vec<YearlyChange>,
    ) -> Zone {
        let mut kept: Vec<(i64, i32)> = Vec::new();
        for (at, offset) in transitions {
            if offset != kept.last().map_or(first, |&(_, before)| before) {
                kept.push((at, offset));
            }
        }
        Zone {
            name: name.into(),
            first,
            transitions: kept,
            tail,
        }
    }

    /// Coordinated Universal Time.
    pub fn utc() -> Zone {
        Zone::new("UTC", 0, [], Vec::new())
    }

    /// Seconds east of UTC at `at`.
    pub fn offset_at(&self, at: Wall) -> i32 {
        self.span_at(at.as_seconds()).offset
    }

    /// What clocks show at `at`, to the second.
    pub fn local(&self, at: Wall) -> NaiveDateTime {
        let seconds = at.as_seconds();
        let offset = self.span_at(seconds).offset;
        naive(seconds.saturating_add(i64::from(offset)))
    }

    /// `at` as clocks show it with their offset, `2026-03-08T03:00:00-04:00` (RFC 3339, but for
    /// offsets of long ago that have seconds: those are written too, `+00:19:32`).
    pub fn format_rfc3339(&self, at: Wall) -> String {
        self.format(at, "%Y-%m-%dT%H:%M:%S")
    }

    /// `at` in the `chrono` form given, followed by the offset.
    pub(crate) fn format(&self, at: Wall, form: &str) -> String {
        let local = self.local(at).format(form);
        format!("{local}{}", format_offset(self.offset_at(at)))
    }

    /// When clocks show `local` (fractions of a second are dropped).
    pub fn instants(&self, local: NaiveDateTime) -> LocalInstants {
        let local = local.and_utc().timestamp();
        let mut found = LocalInstants::None;
        let mut span = self.span_at(local - LARGEST_OFFSET);
        loop {
            let at = local - i64::from(span.offset);
            if span.contains(at) {
                let at = Wall::from_seconds(at);
                found = match found {
                    LocalInstants::None => LocalInstants::One(at),
                    LocalInstants::One(first) | LocalInstants::Two(first, _) => {
                        LocalInstants::Two(first, at)
                    }
                };
            }
            match span.end {
                Some(end) if end <= local + LARGEST_OFFSET => span = self.span_at(end),
                _ => return found,
            }
        }
    }

    /// The first instant at which clocks show `date` at any time of day. Where the date never
    /// existed: the first instant of the next one that did.
    ///
    /// Where midnight is skipped this is the end of the gap; where it occurs twice, the first.
    pub fn first_instant_of(&self, date: NaiveDate) -> Wall {
        let midnight = day_number(date) * DAY;
        let mut span = self.span_at(midnight - LARGEST_OFFSET);
        loop {
            let reached = midnight - i64::from(span.offset);
            let at = span.begin.map_or(reached, |begin| reached.max(begin));
            match span.end {
                Some(end) if end <= at => span = self.span_at(end),
                _ => return Wall::from_seconds(at),
            }
        }
    }

    /// The stretch of constant offset that holds the UTC second `at`.
    pub fn span_at(&self, at: i64) -> Span {
        let next = self.transitions.partition_point(|&(begin, _)| begin <= at);
        let last = next
            .checked_sub(1)
            .and_then(|index| self.transitions.get(index));
        let span = Span {
            begin: last.map(|&(begin, _)| begin),
            end: self.transitions.get(next).map(|&(begin, _)| begin),
            offset: last.map_or(self.first, |&(_, offset)| offset),
        };
        if span.end.is_some() || self.tail.is_empty() {
            return span;
        }
        self.tail_span(span, at)
    }

    /// The stretch that holds `at`, which lies after the table's last transition. `table` is the
    /// last stretch of the table, without an end.
    fn tail_span(&self, table: Span, at: i64) -> Span {
        let mut span = table;
        let year = naive(at).year();
        for year in year.saturating_sub(1)..=year.saturating_add(1) {
            for (index, change) in self.tail.iter().enumerate() {
                let before = match index.checked_sub(1) {
                    Some(before) => self.tail.get(before),
                    None => self.tail.last(),
                };
                let before = before.map_or(0, |before| before.offset);
                let Some(begin) = change.utc_second(year, before) else {
                    continue;
                };
                if table.begin.is_some_and(|last| begin <= last) {
                    continue;
                }
                if begin > at {
                    span.end = Some(begin);
                    return span;
                }
                span.begin = Some(begin);
                span.offset = change.offset;
            }
        }
        span
    }
}

impl YearlyChange {
    /// The UTC second of this change in `year`, if `before` is the offset in force until then.
    fn utc_second(&self, year: i32, before: i32) -> Option<i64> {
        let earliest = NaiveDate::from_ymd_opt(year, self.month, self.day)?;
        let wait = self
            .weekday
            .map_or(0, |weekday| weekday.days_since(earliest.weekday()));
        let midnight = (day_number(earliest) + i64::from(wait)) * DAY;
        Some(midnight + i64::from(self.seconds) - i64::from(before))
    }
}

impl Span {
    fn contains(&self, at: i64) -> bool {
        self.begin.is_none_or(|begin| begin <= at) && self.end.is_none_or(|end| at < end)
    }
}

/// Days from 1970-01-01 to `date`.
pub(crate) fn day_number(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - 719_163
}

/// The date and time `seconds` seconds after 1970-01-01T00:00:00, or the end of the calendar that
/// lies on that side.
pub(crate) fn naive(seconds: i64) -> NaiveDateTime {
    match DateTime::from_timestamp(seconds, 0) {
        Some(at) => at.naive_utc(),
        None if seconds < 0 => NaiveDateTime::MIN,
        None => NaiveDateTime::MAX,
    }
}

/// `+01:00`, or `+00:19:32` where an offset of long ago has seconds.
fn format_offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let all = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    match seconds {
        0 => format!("{sign}{hours:02}:{minutes:02}"),
        seconds => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One hour back at 1,000,000, half an hour on at 2,000,000; then by rule, on the first Sunday
    /// of April at 03:00 and at the end of 31 October.
    fn zone() -> Zone {
        let spring = YearlyChange {
            month: 4,
            day: 1,
            weekday: Some(Weekday::Sun),
            seconds: 3 * 3600,
            offset: 7200,
        };
        let autumn = YearlyChange {
            month: 10,
            day: 31,
            weekday: None,
            seconds: 86_400,
            offset: 3600,
        };
        let transitions = [(1_000_000, 1800), (1_500_000, 1800), (2_000_000, 3600)];
        Zone::new("Test/Zone", 5400, transitions, vec![spring, autumn])
    }

    fn span(begin: Option<i64>, end: Option<i64>, offset: i32) -> Span {
        Span { begin, end, offset }
    }

    fn seconds(text: &str) -> i64 {
        text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp()
    }

    #[test]
    fn the_table_decides_up_to_its_last_transition() {
        let zone = zone();
        assert_eq!(zone.span_at(i64::MIN), span(None, Some(1_000_000), 5400));
        assert_eq!(zone.span_at(999_999), span(None, Some(1_000_000), 5400));
        let second = span(Some(1_000_000), Some(2_000_000), 1800);
        assert_eq!(zone.span_at(1_000_000), second);
        assert_eq!(zone.span_at(1_999_999), second);
    }

    #[test]
    fn after_the_table_the_yearly_changes_go_on() {
        let zone = zone();
        // The first Sunday of April 1970 is the 5th: 03:00 +01 is 02:00Z.
        let spring = seconds("1970-04-05T02:00:00Z");
        assert_eq!(
            zone.span_at(2_000_000),
            span(Some(2_000_000), Some(spring), 3600)
        );
        // 24:00 +02 of 31 October is 22:00Z.
        let autumn = seconds("2500-10-31T22:00:00Z");
        let next_spring = seconds("2501-04-03T02:00:00Z");
        assert_eq!(
            zone.span_at(autumn),
            span(Some(autumn), Some(next_spring), 3600)
        );
        let spring = seconds("2500-04-04T02:00:00Z");
        assert_eq!(
            zone.span_at(autumn - 1),
            span(Some(spring), Some(autumn), 7200)
        );
    }

    #[test]
    fn instants_beyond_any_calendar_have_an_offset() {
        let zone = zone();
        for seconds in [i64::MIN, i64::MIN / 1000, i64::MAX / 1000, i64::MAX] {
            assert!(zone.offset_at(Wall::from_seconds(seconds)) >= 1800);
            zone.local(Wall::from_seconds(seconds));
        }
        for date in [NaiveDate::MIN, NaiveDate::MAX] {
            zone.first_instant_of(date);
            zone.instants(date.and_time(chrono::NaiveTime::MIN));
        }
        assert_eq!(Zone::utc().span_at(i64::MAX), span(None, None, 0));
    }

    #[test]
    fn offsets_are_written_as_in_rfc_3339() {
        assert_eq!(format_offset(0), "+00:00");
        assert_eq!(format_offset(5 * 3600 + 45 * 60), "+05:45");
        assert_eq!(format_offset(-(3 * 3600 + 30 * 60)), "-03:30");
        assert_eq!(format_offset(1172), "+00:19:32");
    }
}

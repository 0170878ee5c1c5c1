//! Dated exceptions to the weekly hours: on which dates they fall, and which of several wins.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use thiserror::Error;

use crate::core::name::PromptName;
use crate::core::schedule::window::{Window, parse_weekday};
use crate::core::zone::day_number;

/// The years of the calendar that configuration can name.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// The largest distance from Easter Sunday that a special day may have, in days: a year.
const EASTER_REACH: i64 = 366;

/// The years whose special days are looked up in a table; the dates of other years are worked out
/// when asked for.
const TABLE_YEARS: RangeInclusive<i32> = 1970..=2199;

/// A date, or many, with hours of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialDay {
    when: When,
    observed: Option<Observed>,
    /// `Constitution Day`; `None`: known by its date.
    pub name: Option<String>,
    /// The windows that start on it, in place of all others; empty: closed.
    pub windows: Vec<Window>,
    /// Whether a shift of the day before runs on into it; `None`: as the schedule says.
    pub overnight: Option<Overnight>,
    /// What callers hear outside its windows.
    pub prompt: Option<PromptName>,
}

/// On which dates a special day falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// One date.
    Date(NaiveDate),
    /// All dates from the first to the last, both included.
    Range(NaiveDate, NaiveDate),
    /// The same date every year; 29 February in leap years only.
    Yearly {
        /// 1 to 12.
        month: u32,
        /// From 1.
        day: u32,
    },
    /// The nth such weekday of a month.
    Nth {
        /// Which day of the week.
        weekday: Weekday,
        /// 1 to 5, or −1 (the last) to −5. A fifth one exists in some years only.
        nth: i8,
        /// 1 to 12.
        month: u32,
    },
    /// So many days after Easter Sunday (Gregorian).
    Easter(i64),
}

/// Where a special day goes that falls on a weekend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Observed {
    /// Saturday to the Friday before, Sunday to the Monday after.
    NearestWeekday,
    /// To the Monday after.
    NextMonday,
    /// To the Tuesday after. For the first of two holidays in a row, whose substitute goes past
    /// the Monday that the other one takes: Christmas Day and Boxing Day, 1 and 2 January.
    NextTuesday,
}

/// What becomes of a shift that started the day before a special day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overnight {
    /// It runs on.
    #[default]
    RunOn,
    /// It ends at midnight.
    Cut,
}

/// Why a special day cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecialDayError {
    /// Not a date.
    #[error("\"{0}\" is not a date of the calendar; expected YYYY-MM-DD, such as \"2026-12-24\"")]
    Date(String),
    /// A range that ends before it begins.
    #[error("the range ends on {to}, before it begins on {from}; both days are included")]
    Range {
        /// Its first date.
        from: NaiveDate,
        /// Its last date.
        to: NaiveDate,
    },
    /// Not a day of the year.
    #[error("\"{0}\" is not a day of the year; expected MM-DD, such as \"05-17\"")]
    Yearly(String),
    /// Not a day of the week.
    #[error("\"{0}\" is not a day of the week; expected mon, tue, wed, thu, fri, sat or sun")]
    Weekday(String),
    /// No such weekday in a month.
    #[error("nth = {0} is out of range; expected 1 to 5, or -1 (the last) to -5")]
    Nth(i64),
    /// No such month.
    #[error("month = {0} is out of range; expected 1 to 12")]
    Month(i64),
    /// Too far from Easter.
    #[error("easter = {0} is out of range; expected days from Easter Sunday, -366 to 366")]
    Easter(i64),
    /// No such way to observe.
    #[error(
        "\"{0}\" is no way to observe a day; expected nearest-weekday, next-monday or next-tuesday"
    )]
    Observed(String),
    /// A range that would be shifted.
    #[error("a range of days cannot be observed on another day; remove observed")]
    ObservedRange,
    /// No such way to treat shifts.
    #[error("\"{0}\" is no way to treat a shift of the day before; expected run-on or cut")]
    Overnight(String),
}

impl SpecialDay {
    /// A nameless special day that is closed all day.
    pub fn new(when: When, observed: Option<Observed>) -> Result<SpecialDay, SpecialDayError> {
        if observed.is_some() && matches!(when, When::Range(..)) {
            return Err(SpecialDayError::ObservedRange);
        }
        Ok(SpecialDay {
            when,
            observed,
            name: None,
            windows: Vec::new(),
            overnight: None,
            prompt: None,
        })
    }

    /// Its dates that come from `year`. The date of another year may be among them, where it is
    /// far from Easter or observed over the turn of the year.
    pub fn dates(&self, year: i32) -> Vec<NaiveDate> {
        let dates = self.when.dates(year).into_iter();
        match self.observed {
            None => dates.collect(),
            Some(observed) => dates.filter_map(|date| observed.shift(date)).collect(),
        }
    }

    /// Several special days on one date: the lowest wins.
    fn rank(&self) -> u8 {
        match self.when {
            When::Date(_) => 0,
            When::Range(..) => 1,
            When::Yearly { .. } | When::Nth { .. } | When::Easter(_) => 2,
        }
    }
}

impl When {
    /// `date = "2026-12-24"`
    pub fn date(text: &str) -> Result<When, SpecialDayError> {
        parse_date(text).map(When::Date)
    }

    /// `from = "2026-07-01"`, `to = "2026-07-31"`
    pub fn range(from: &str, to: &str) -> Result<When, SpecialDayError> {
        let (from, to) = (parse_date(from)?, parse_date(to)?);
        if to < from {
            return Err(SpecialDayError::Range { from, to });
        }
        Ok(When::Range(from, to))
    }

    /// `yearly = "05-17"`
    pub fn yearly(text: &str) -> Result<When, SpecialDayError> {
        // Any leap year: the texts that are a day of some year are days of a leap year.
        let date = parse_date(&format!("2000-{text}"))
            .map_err(|_| SpecialDayError::Yearly(text.to_owned()))?;
        Ok(When::Yearly {
            month: date.month(),
            day: date.day(),
        })
    }

    /// `weekday = "mon"`, `nth = -1`, `month = 5`
    pub fn nth(weekday: &str, nth: i64, month: i64) -> Result<When, SpecialDayError> {
        let weekday =
            parse_weekday(weekday).map_err(|_| SpecialDayError::Weekday(weekday.to_owned()))?;
        let nth = i8::try_from(nth)
            .ok()
            .filter(|nth| matches!(nth, -5..=-1 | 1..=5))
            .ok_or(SpecialDayError::Nth(nth))?;
        let month = u32::try_from(month)
            .ok()
            .filter(|month| (1..=12).contains(month))
            .ok_or(SpecialDayError::Month(month))?;
        Ok(When::Nth {
            weekday,
            nth,
            month,
        })
    }

    /// `easter = -2`
    pub fn easter(days: i64) -> Result<When, SpecialDayError> {
        if !(-EASTER_REACH..=EASTER_REACH).contains(&days) {
            return Err(SpecialDayError::Easter(days));
        }
        Ok(When::Easter(days))
    }

    fn dates(&self, year: i32) -> Vec<NaiveDate> {
        match *self {
            When::Date(date) => Vec::from_iter((date.year() == year).then_some(date)),
            When::Range(from, to) => {
                let first = NaiveDate::from_ymd_opt(year, 1, 1).map(|first| first.max(from));
                let until = NaiveDate::from_ymd_opt(year, 12, 31).map(|last| last.min(to));
                first
                    .zip(until)
                    .map(|(first, until)| first.iter_days().take_while(move |day| *day <= until))
                    .into_iter()
                    .flatten()
                    .collect()
            }
            When::Yearly { month, day } => {
                Vec::from_iter(NaiveDate::from_ymd_opt(year, month, day))
            }
            When::Nth {
                weekday,
                nth,
                month,
            } => Vec::from_iter(nth_weekday(year, month, weekday, nth)),
            When::Easter(days) => {
                Vec::from_iter(easter_sunday(year).and_then(|easter| {
                    easter.checked_add_signed(chrono::TimeDelta::try_days(days)?)
                }))
            }
        }
    }
}

/// The nth (or, counted from the end with a negative `nth`, last) such weekday of a month.
fn nth_weekday(year: i32, month: u32, weekday: Weekday, nth: i8) -> Option<NaiveDate> {
    if let Ok(nth) = u8::try_from(nth) {
        return NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth);
    }
    let count = (4..=5)
        .rev()
        .find(|&nth| NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth).is_some())?;
    let nth = (count + 1).checked_sub(nth.unsigned_abs())?;
    NaiveDate::from_weekday_of_month_opt(year, month, weekday, nth)
}

/// Easter Sunday of the Gregorian calendar in `year` (the anonymous algorithm, as in Meeus,
/// *Astronomical Algorithms*, chapter 8). `None` outside the years 1 to 9999.
pub fn easter_sunday(year: i32) -> Option<NaiveDate> {
    if !YEARS.contains(&year) {
        return None;
    }
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let f = (b + 8) / 25;
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    let (month, day) = (n / 31, n % 31 + 1);
    NaiveDate::from_ymd_opt(year, month.unsigned_abs(), day.unsigned_abs())
}

impl Observed {
    /// Where a special day goes that falls on `date`.
    fn shift(self, date: NaiveDate) -> Option<NaiveDate> {
        let later = |days| date.checked_add_days(Days::new(days));
        match (self, date.weekday()) {
            (Observed::NearestWeekday, Weekday::Sat) => date.pred_opt(),
            (Observed::NearestWeekday | Observed::NextMonday, Weekday::Sun) => later(1),
            (Observed::NextMonday, Weekday::Sat) | (Observed::NextTuesday, Weekday::Sun) => {
                later(2)
            }
            (Observed::NextTuesday, Weekday::Sat) => later(3),
            (_, Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu | Weekday::Fri) => {
                Some(date)
            }
        }
    }
}

impl FromStr for Observed {
    type Err = SpecialDayError;

    fn from_str(text: &str) -> Result<Observed, SpecialDayError> {
        match text {
            "nearest-weekday" => Ok(Observed::NearestWeekday),
            "next-monday" => Ok(Observed::NextMonday),
            "next-tuesday" => Ok(Observed::NextTuesday),
            _ => Err(SpecialDayError::Observed(text.to_owned())),
        }
    }
}

impl FromStr for Overnight {
    type Err = SpecialDayError;

    fn from_str(text: &str) -> Result<Overnight, SpecialDayError> {
        match text {
            "run-on" => Ok(Overnight::RunOn),
            "cut" => Ok(Overnight::Cut),
            _ => Err(SpecialDayError::Overnight(text.to_owned())),
        }
    }
}

/// `YYYY-MM-DD`, all digits written.
fn parse_date(text: &str) -> Result<NaiveDate, SpecialDayError> {
    let form = text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    form.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
        .flatten()
        .filter(|date| YEARS.contains(&date.year()))
        .ok_or_else(|| SpecialDayError::Date(text.to_owned()))
}

/// The special days of a schedule by date.
#[derive(Clone)]
pub(super) struct SpecialDays {
    days: Vec<SpecialDay>,
    /// The day number of each special date of `TABLE_YEARS` in order, and which of `days` it is.
    table: Vec<(i64, usize)>,
}

impl SpecialDays {
    /// All of them.
    pub(super) fn listed(&self) -> &[SpecialDay] {
        &self.days
    }

    /// `days` in the order in which the first of equals wins.
    pub(super) fn new(mut days: Vec<SpecialDay>) -> SpecialDays {
        for day in &mut days {
            day.windows = Window::merge(&day.windows);
        }
        let mut special_days = SpecialDays {
            days,
            table: Vec::new(),
        };
        let mut table: BTreeMap<i64, usize> = BTreeMap::new();
        for year in TABLE_YEARS.start() - 1..=TABLE_YEARS.end() + 1 {
            for (date, index) in special_days.of_year(year) {
                if TABLE_YEARS.contains(&date.year()) {
                    let winner = table.entry(day_number(date)).or_insert(index);
                    *winner = special_days.winner(*winner, index);
                }
            }
        }
        special_days.table = table.into_iter().collect();
        special_days
    }

    /// The special day that is in force on the date with this day number.
    pub(super) fn on(&self, day: i64) -> Option<&SpecialDay> {
        let index = if table_days().contains(&day) {
            let place = self
                .table
                .binary_search_by_key(&day, |&(day, _)| day)
                .ok()?;
            self.table.get(place)?.1
        } else {
            self.work_out(day)?
        };
        self.days.get(index)
    }

    /// The first day from `day` on that may be a special one.
    pub(super) fn next_from(&self, day: i64) -> i64 {
        if self.days.is_empty() {
            return i64::MAX;
        }
        if !table_days().contains(&day) {
            return day;
        }
        let place = self.table.partition_point(|&(special, _)| special < day);
        self.table
            .get(place)
            .map_or(*table_days().end() + 1, |&(special, _)| special)
    }

    /// The special day of a date that the table does not cover.
    fn work_out(&self, day: i64) -> Option<usize> {
        let date = NaiveDate::from_num_days_from_ce_opt(i32::try_from(day + 719_163).ok()?)?;
        let year = date.year();
        (year - 1..=year + 1)
            .flat_map(|year| self.of_year(year))
            .filter(|&(candidate, _)| candidate == date)
            .map(|(_, index)| index)
            .reduce(|first, second| self.winner(first, second))
    }

    fn of_year(&self, year: i32) -> impl Iterator<Item = (NaiveDate, usize)> + '_ {
        self.days.iter().enumerate().flat_map(move |(index, day)| {
            let dates = day.dates(year).into_iter();
            dates.map(move |date| (date, index))
        })
    }

    /// Which of two special days on one date is in force.
    fn winner(&self, one: usize, other: usize) -> usize {
        let rank = |index: usize| (self.days.get(index).map(SpecialDay::rank), index);
        if rank(one) <= rank(other) { one } else { other }
    }
}

impl fmt::Debug for SpecialDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.days).finish()
    }
}

/// The day numbers of `TABLE_YEARS`.
fn table_days() -> RangeInclusive<i64> {
    const FIRST: i64 = 0; // 1970-01-01
    const LAST: i64 = 84_005; // 2199-12-31
    FIRST..=LAST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn dates(when: When, observed: Option<Observed>, years: RangeInclusive<i32>) -> Vec<String> {
        let day = SpecialDay::new(when, observed).unwrap();
        let dates = years.flat_map(|year| day.dates(year));
        dates
            .map(|date| date.format("%a %Y-%m-%d").to_string())
            .collect()
    }

    /// From published tables; among them the earliest and the latest day possible, and the two
    /// exceptions of the Gregorian reckoning (1954, 1981, 2049, 2076).
    #[test]
    fn easter_falls_where_published_tables_have_it() {
        let sundays = [
            "1818-03-22",
            "1954-04-18",
            "1961-04-02",
            "1981-04-19",
            "2000-04-23",
            "2008-03-23",
            "2019-04-21",
            "2024-03-31",
            "2025-04-20",
            "2026-04-05",
            "2027-03-28",
            "2028-04-16",
            "2038-04-25",
            "2049-04-18",
            "2076-04-19",
            "2285-03-22",
        ];
        for sunday in sundays {
            let sunday = date(sunday);
            assert_eq!(easter_sunday(sunday.year()), Some(sunday));
        }
        assert_eq!(easter_sunday(0), None);
        assert_eq!(easter_sunday(10_000), None);
    }

    #[test]
    fn the_29th_of_february_comes_in_leap_years_only() {
        let found = dates(When::yearly("02-29").unwrap(), None, 2096..=2104);
        assert_eq!(found, ["Wed 2096-02-29", "Fri 2104-02-29"]);
    }

    #[test]
    fn the_nth_weekday_is_counted_from_either_end() {
        let of_2026 =
            |weekday, nth, month| dates(When::nth(weekday, nth, month).unwrap(), None, 2026..=2026);
        assert_eq!(of_2026("mon", 1, 9), ["Mon 2026-09-07"]);
        assert_eq!(of_2026("thu", 4, 11), ["Thu 2026-11-26"]);
        assert_eq!(of_2026("mon", -1, 5), ["Mon 2026-05-25"]);
        assert_eq!(of_2026("mon", -2, 5), ["Mon 2026-05-18"]);
        // August 2026 has five Mondays, September four.
        assert_eq!(of_2026("mon", 5, 8), ["Mon 2026-08-31"]);
        assert_eq!(of_2026("mon", -5, 8), ["Mon 2026-08-03"]);
        assert!(of_2026("mon", 5, 9).is_empty());
        assert!(of_2026("mon", -5, 9).is_empty());
    }

    #[test]
    fn a_day_on_a_weekend_is_observed_on_a_weekday() {
        let christmas = || When::yearly("12-25").unwrap();
        let observed = |text: &str| dates(christmas(), Some(text.parse().unwrap()), 2026..=2028);
        // 2026: a Friday. 2027: a Saturday. 2028: a Monday.
        assert_eq!(
            observed("nearest-weekday"),
            ["Fri 2026-12-25", "Fri 2027-12-24", "Mon 2028-12-25"]
        );
        assert_eq!(
            observed("next-monday"),
            ["Fri 2026-12-25", "Mon 2027-12-27", "Mon 2028-12-25"]
        );
        assert_eq!(
            observed("next-tuesday"),
            ["Fri 2026-12-25", "Tue 2027-12-28", "Mon 2028-12-25"]
        );
        // 2033: a Sunday.
        let sunday = |text: &str| dates(christmas(), Some(text.parse().unwrap()), 2033..=2033);
        assert_eq!(sunday("nearest-weekday"), ["Mon 2033-12-26"]);
        assert_eq!(sunday("next-monday"), ["Mon 2033-12-26"]);
        assert_eq!(sunday("next-tuesday"), ["Tue 2033-12-27"]);
    }

    fn named(name: &str, when: When, observed: Option<Observed>) -> SpecialDay {
        SpecialDay {
            name: Some(name.to_owned()),
            ..SpecialDay::new(when, observed).unwrap()
        }
    }

    fn on<'a>(days: &'a SpecialDays, text: &str) -> Option<&'a str> {
        days.on(day_number(date(text)))
            .and_then(|day| day.name.as_deref())
    }

    #[test]
    fn of_several_on_one_date_the_most_particular_wins_then_the_first() {
        let days = SpecialDays::new(vec![
            named("yearly", When::yearly("07-10").unwrap(), None),
            named("second yearly", When::yearly("07-10").unwrap(), None),
            named(
                "range",
                When::range("2026-07-01", "2026-07-31").unwrap(),
                None,
            ),
            named(
                "second range",
                When::range("2026-07-31", "2026-08-02").unwrap(),
                None,
            ),
            named("date", When::date("2026-07-10").unwrap(), None),
        ]);
        assert_eq!(on(&days, "2026-06-30"), None);
        assert_eq!(on(&days, "2026-07-01"), Some("range"));
        assert_eq!(on(&days, "2026-07-10"), Some("date"));
        assert_eq!(on(&days, "2026-07-31"), Some("range"));
        assert_eq!(on(&days, "2026-08-02"), Some("second range"));
        assert_eq!(on(&days, "2026-08-03"), None);
        assert_eq!(on(&days, "2027-07-10"), Some("yearly"));
    }

    #[test]
    fn a_day_may_be_observed_in_the_year_before() {
        let new_year = named(
            "new year",
            When::yearly("01-01").unwrap(),
            Some(Observed::NearestWeekday),
        );
        let days = SpecialDays::new(vec![new_year]);
        assert_eq!(on(&days, "2027-12-31"), Some("new year"));
        assert_eq!(on(&days, "2028-01-01"), None);
    }

    /// Dates beyond the table are worked out one by one: both ways must agree.
    #[test]
    fn the_table_holds_what_is_worked_out() {
        let days = SpecialDays::new(vec![
            named("easter", When::easter(-2).unwrap(), None),
            named("far from easter", When::easter(300).unwrap(), None),
            named("leap", When::yearly("02-29").unwrap(), None),
            named(
                "new year",
                When::yearly("01-01").unwrap(),
                Some(Observed::NearestWeekday),
            ),
            named(
                "range",
                When::range("1969-12-30", "1970-01-02").unwrap(),
                None,
            ),
        ]);
        for day in (0..1_500).chain(82_000..84_006) {
            let worked_out = days.work_out(day).and_then(|index| days.days.get(index));
            assert_eq!(days.on(day), worked_out, "day {day}");
        }
        assert_eq!(on(&days, "1969-12-31"), Some("range"));
        assert_eq!(on(&days, "2200-02-28"), None);
        assert_eq!(on(&days, "2204-02-29"), Some("leap"));
        assert_eq!(on(&days, "9999-12-30"), None);
        let bounds = (
            day_number(date("1970-01-01")),
            day_number(date("2199-12-31")),
        );
        assert_eq!(bounds, (*table_days().start(), *table_days().end()));
    }

    #[test]
    fn what_is_wrong_with_a_special_day_is_said() {
        let error = |result: Result<When, SpecialDayError>| result.unwrap_err().to_string();
        insta::assert_snapshot!(error(When::date("2026-02-29")), @r#""2026-02-29" is not a date of the calendar; expected YYYY-MM-DD, such as "2026-12-24""#);
        insta::assert_snapshot!(error(When::date("24.12.2026")), @r#""24.12.2026" is not a date of the calendar; expected YYYY-MM-DD, such as "2026-12-24""#);
        insta::assert_snapshot!(error(When::range("2026-07-31", "2026-07-01")), @"the range ends on 2026-07-01, before it begins on 2026-07-31; both days are included");
        insta::assert_snapshot!(error(When::yearly("02-30")), @r#""02-30" is not a day of the year; expected MM-DD, such as "05-17""#);
        insta::assert_snapshot!(error(When::nth("mo", 1, 1)), @r#""mo" is not a day of the week; expected mon, tue, wed, thu, fri, sat or sun"#);
        insta::assert_snapshot!(error(When::nth("mon", 0, 1)), @"nth = 0 is out of range; expected 1 to 5, or -1 (the last) to -5");
        insta::assert_snapshot!(error(When::nth("mon", 1, 13)), @"month = 13 is out of range; expected 1 to 12");
        insta::assert_snapshot!(error(When::easter(400)), @"easter = 400 is out of range; expected days from Easter Sunday, -366 to 366");
        let observed = "monday".parse::<Observed>().unwrap_err();
        insta::assert_snapshot!(observed, @r#""monday" is no way to observe a day; expected nearest-weekday, next-monday or next-tuesday"#);
        let overnight = "stop".parse::<Overnight>().unwrap_err();
        insta::assert_snapshot!(overnight, @r#""stop" is no way to treat a shift of the day before; expected run-on or cut"#);
        let range = When::range("2026-07-01", "2026-07-31").unwrap();
        let range = SpecialDay::new(range, Some(Observed::NextMonday)).unwrap_err();
        insta::assert_snapshot!(range, @"a range of days cannot be observed on another day; remove observed");
    }
}

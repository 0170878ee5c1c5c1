//! A schedule: open or closed at an instant, and when that changes.

use std::sync::Arc;

use chrono::{NaiveDate, Weekday};

use crate::core::name::ScheduleName;
use crate::core::schedule::special_day::{Overnight, SpecialDay, SpecialDays};
use crate::core::schedule::state::{Because, HoursState, Openness, Transition};
use crate::core::schedule::window::{Weekly, Window};
use crate::core::time::Wall;
use crate::core::zone::{Span, Zone, naive};

/// Seconds in a civil day.
const DAY: i64 = 86_400;

/// How far ahead a change is looked for, in seconds: 10 years, in which every special day but a
/// 29 February over a turn of century comes round.
const SEARCH: i64 = 3_653 * DAY;

/// Instants before the year 1 or after 9999 are taken for the nearest that a calendar date can
/// name.
const EARLIEST: i64 = -62_135_596_800;
const LATEST: i64 = 253_402_300_799;

/// What a schedule is made from.
#[derive(Clone, Debug)]
pub struct ScheduleParts {
    /// Its name in the configuration.
    pub name: ScheduleName,
    /// Where its clocks hang.
    pub zone: Arc<Zone>,
    /// Its windows on each day of the week.
    pub weekly: Weekly,
    /// Its special days. On one date a `date` comes before a range, a range before the rest, and
    /// among equals the first of this list: the schedule's own, then those of its shared lists.
    pub special_days: Vec<SpecialDay>,
    /// For special days that do not say it themselves.
    pub overnight: Overnight,
}

/// Weekly hours with dated exceptions, in one time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its name in the configuration.
    pub name: ScheduleName,
    zone: Arc<Zone>,
    weekly: Weekly,
    special_days: SpecialDays,
    overnight: Overnight,
    /// What the weekly hours are if they never change.
    constant: Option<bool>,
}

impl Schedule {
    /// A schedule from its parts.
    pub fn new(parts: ScheduleParts) -> Schedule {
        let mut schedule = Schedule {
            name: parts.name,
            zone: parts.zone,
            weekly: parts.weekly,
            special_days: SpecialDays::new(Vec::new()),
            overnight: parts.overnight,
            constant: None,
        };
        schedule.constant = schedule.constant_week();
        schedule.special_days = SpecialDays::new(parts.special_days);
        schedule
    }

    /// The zone of its clocks.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The state at `at`.
    pub fn state_at(&self, at: Wall) -> HoursState {
        let second = in_calendar(at);
        let local = self.local_second(second);
        let (openness, decided) = self.decide(local);
        let today = local.div_euclid(DAY);
        let windows = self.source(today).windows;
        let next = self.next_change_after(second);
        HoursState {
            schedule: Some(self.name.clone()),
            openness,
            because: decided.because(),
            local: self.format_local(Wall::from_seconds(second)),
            windows: windows.iter().map(Window::to_string).collect(),
            next_change: next.map(Wall::from_seconds),
            next_change_local: next.map(|next| self.format_change(next, today)),
            special_prompt: decided.special.and_then(|special| special.prompt.clone()),
        }
    }

    /// True when `at` lies in a window; cheaper than [`Schedule::state_at`].
    pub fn is_open(&self, at: Wall) -> bool {
        self.is_open_locally(self.local_second(in_calendar(at)))
    }

    /// The first instant after `at` at which the schedule opens or closes; `None` if there is none
    /// within 10 years.
    pub fn next_change(&self, at: Wall) -> Option<Transition> {
        let second = self.next_change_after(in_calendar(at))?;
        let (openness, decided) = self.decide(self.local_second(second));
        Some(Transition {
            at: Wall::from_seconds(second),
            open: openness == Openness::Open,
            because: decided.because(),
        })
    }

    /// Each opening and closing after `at`, in order. Ends where 10 years pass without one.
    pub fn transitions_from(&self, at: Wall) -> Transitions<'_> {
        Transitions { schedule: self, at }
    }

    /// Open, break or closed at `at`, and what decides it.
    pub fn openness_at(&self, at: Wall) -> (Openness, Because) {
        let (openness, decided) = self.decide(self.local_second(in_calendar(at)));
        (openness, decided.because())
    }

    /// `at` as clocks show it, `Wed 2026-12-02 11:40+01:00`.
    pub fn format_local(&self, at: Wall) -> String {
        self.zone.format(at, "%a %Y-%m-%d %H:%M")
    }

    /// Open, break or closed at a local second, and the date whose hours decide it.
    fn decide(&self, local: i64) -> (Openness, Source<'_>) {
        self.day(local.div_euclid(DAY))
            .decide(local.rem_euclid(DAY))
    }

    /// What clocks show at a UTC second, as seconds after 1970-01-01T00:00 of that clock.
    fn local_second(&self, second: i64) -> i64 {
        second + i64::from(self.zone.span_at(second).offset)
    }

    /// `12:00` on the local date with number `today`, otherwise `Thu 2026-12-03 08:00`.
    fn format_change(&self, at: i64, today: i64) -> String {
        let local = self.zone.local(Wall::from_seconds(at));
        let same_date = local.and_utc().timestamp().div_euclid(DAY) == today;
        let form = if same_date {
            "%H:%M"
        } else {
            "%a %Y-%m-%d %H:%M"
        };
        local.format(form).to_string()
    }

    /// The UTC second of the first change after the UTC second `from`.
    ///
    /// Within one span of the zone, local time runs as fast as UTC, so the edges of the windows
    /// are the changes; where a span ends, the clock jumps, and open may become closed or the
    /// other way round.
    fn next_change_after(&self, from: i64) -> Option<i64> {
        let limit = from.saturating_add(SEARCH).min(LATEST);
        let mut span = self.zone.span_at(from);
        let mut at = from;
        let open = self.is_open_locally(at + i64::from(span.offset));
        loop {
            let offset = i64::from(span.offset);
            let Span { end, .. } = span;
            let until = end.map_or(limit, |end| end.min(limit));
            if let Some(edge) = self.next_edge(at + offset, until + offset, open) {
                return Some(edge - offset);
            }
            at = end.filter(|&end| end < limit)?;
            span = self.zone.span_at(at);
            if self.is_open_locally(at + i64::from(span.offset)) != open {
                return Some(at);
            }
        }
    }

    /// The first local second in `(from, until)` that is not `open`, given that `from` is.
    fn next_edge(&self, from: i64, until: i64, open: bool) -> Option<i64> {
        let mut number = from.div_euclid(DAY);
        let mut time = from.rem_euclid(DAY);
        loop {
            let day = self.day(number);
            let edge = match open {
                true => Some(day.open_until(time)),
                false => day.opens_after(time),
            };
            if let Some(edge) = edge.filter(|&edge| edge < DAY) {
                return Some(number * DAY + edge).filter(|&edge| edge < until);
            }
            number = self.next_day(number, open);
            if number.saturating_mul(DAY) >= until {
                return None;
            }
            time = 0;
            if self.day(number).is_open(time) != open {
                return Some(number * DAY);
            }
        }
    }

    /// The next day after `number` that can be anything else than `open` throughout.
    fn next_day(&self, number: i64, open: bool) -> i64 {
        let shift_may_run_on = self.special_days.on(number).is_some();
        if self.constant == Some(open) && !shift_may_run_on {
            self.special_days.next_from(number + 1)
        } else {
            number + 1
        }
    }

    /// True or false if the weekly hours are always open or always closed.
    fn constant_week(&self) -> Option<bool> {
        if (0..7).all(|number| self.day(number).open_all_day()) {
            return Some(true);
        }
        (0..7)
            .all(|number| self.weekly_windows(number).is_empty())
            .then_some(false)
    }

    fn is_open_locally(&self, local: i64) -> bool {
        self.day(local.div_euclid(DAY))
            .is_open(local.rem_euclid(DAY))
    }

    /// The calendar date with this day number, as far as its hours go.
    fn day(&self, number: i64) -> Day<'_> {
        let own = self.source(number);
        let before = self.source(number - 1);
        let overnight = match own.special {
            Some(special) => special.overnight.unwrap_or(self.overnight),
            None => Overnight::RunOn,
        };
        Day {
            own,
            before: match overnight {
                Overnight::RunOn => before,
                Overnight::Cut => Source {
                    windows: &[],
                    ..before
                },
            },
        }
    }

    /// The windows that start on a date, and where they come from.
    fn source(&self, number: i64) -> Source<'_> {
        let special = self.special_days.on(number);
        Source {
            number,
            special,
            windows: match special {
                Some(special) => &special.windows,
                None => self.weekly_windows(number),
            },
        }
    }

    fn weekly_windows(&self, number: i64) -> &[Window] {
        self.weekly.windows(weekday(number))
    }
}

/// Openings and closings in order; see [`Schedule::transitions_from`].
#[derive(Clone, Debug)]
pub struct Transitions<'a> {
    schedule: &'a Schedule,
    at: Wall,
}

impl Iterator for Transitions<'_> {
    type Item = Transition;

    fn next(&mut self) -> Option<Transition> {
        let next = self.schedule.next_change(self.at)?;
        self.at = next.at;
        Some(next)
    }
}

/// A date's windows, and the special day that they come from, if any.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// The date's day number.
    number: i64,
    special: Option<&'a SpecialDay>,
    windows: &'a [Window],
}

impl Source<'_> {
    /// True if a window holds the second `time` of the date `days_later` days later.
    fn holds(&self, time: i64, days_later: i64) -> bool {
        self.windows.iter().any(|window| {
            let (start, end) = window.seconds(days_later);
            start <= time && time < end
        })
    }

    /// True if the second `time` of this date lies between two of its windows, given that it lies
    /// in none.
    fn pauses_at(&self, time: i64) -> bool {
        let edges = || self.windows.iter().map(|window| window.seconds(0));
        edges().any(|(_, end)| end <= time) && edges().any(|(start, _)| start > time)
    }

    fn because(&self) -> Because {
        match self.special {
            None => Because::Weekly,
            Some(special) => Because::Special(match &special.name {
                Some(name) => name.clone(),
                None => date(self.number).to_string(),
            }),
        }
    }
}

/// One calendar date: its own windows, and those of the day before that may run on into it.
struct Day<'a> {
    own: Source<'a>,
    before: Source<'a>,
}

impl<'a> Day<'a> {
    fn is_open(&self, time: i64) -> bool {
        self.own.holds(time, 0) || self.before.holds(time, 1)
    }

    /// Open, break or closed, and the date whose hours decide it (see [`Because`]).
    fn decide(&self, time: i64) -> (Openness, Source<'a>) {
        match (self.own.holds(time, 0), self.before.holds(time, 1)) {
            (true, true) if self.own.special.is_none() && self.before.special.is_some() => {
                (Openness::Open, self.before)
            }
            (true, _) => (Openness::Open, self.own),
            (false, true) => (Openness::Open, self.before),
            (false, false) if self.own.pauses_at(time) => (Openness::Break, self.own),
            (false, false) => (Openness::Closed, self.own),
        }
    }

    /// Until when it is open without a pause from `time` on: `time` itself if it is closed then,
    /// at least 86,400 if until the end of the day.
    fn open_until(&self, time: i64) -> i64 {
        let own = self.own.windows.iter().map(|window| window.seconds(0));
        let before = self.before.windows.iter().map(|window| window.seconds(1));
        let edges = own.chain(before);
        let mut until = time;
        loop {
            let holding = edges
                .clone()
                .filter(|&(start, end)| start <= until && until < end);
            match holding.map(|(_, end)| end).max() {
                Some(end) if end < DAY => until = end,
                Some(end) => return end,
                None => return until,
            }
        }
    }

    /// When it next opens after `time`, at which it is closed.
    fn opens_after(&self, time: i64) -> Option<i64> {
        let starts = self.own.windows.iter().map(|window| window.seconds(0).0);
        starts.filter(|&start| start > time).min()
    }

    fn open_all_day(&self) -> bool {
        self.open_until(0) >= DAY
    }
}

/// The whole UTC second of `at`, within the calendar.
fn in_calendar(at: Wall) -> i64 {
    at.as_seconds().clamp(EARLIEST, LATEST)
}

fn date(number: i64) -> NaiveDate {
    naive(number.saturating_mul(DAY)).date()
}

fn weekday(number: i64) -> Weekday {
    const DAYS: [Weekday; 7] = [
        // 1970-01-01 was a Thursday.
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
    ];
    DAYS[number.rem_euclid(7) as usize]
}

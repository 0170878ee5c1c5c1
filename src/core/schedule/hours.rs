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

    /// Its special days, in the order in which the first of equals wins.
    pub fn special_days(&self) -> &[SpecialDay] {
        self.special_days.listed()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::schedule::special_day::When;

    /// A zone that keeps +01:00, so that a test can say where it is without a zone database.
    fn plain(days: &[(&str, &[&str])], special_days: Vec<SpecialDay>) -> ScheduleParts {
        let mut weekly = Weekly::new();
        for (day, windows) in days {
            weekly.set(day, &parse(windows)).unwrap();
        }
        ScheduleParts {
            name: "oslo".into(),
            zone: Arc::new(Zone::new("Test/Plus_One", 3600, [], Vec::new())),
            weekly,
            special_days,
            overnight: Overnight::RunOn,
        }
    }

    fn parse(windows: &[&str]) -> Vec<Window> {
        windows
            .iter()
            .map(|window| window.parse().unwrap())
            .collect()
    }

    fn special(date: &str, name: &str, windows: &[&str]) -> SpecialDay {
        let mut day = SpecialDay::new(When::date(date).unwrap(), None).unwrap();
        day.name = (!name.is_empty()).then(|| name.to_owned());
        day.windows = parse(windows);
        day
    }

    fn office(special_days: Vec<SpecialDay>) -> Schedule {
        let mon_to_thu: &[&str] = &["08:00-11:30", "12:00-16:00"];
        let days = [("mon-thu", mon_to_thu), ("fri", &["08:00-15:00"])];
        Schedule::new(plain(&days, special_days))
    }

    fn nights(special_days: Vec<SpecialDay>, overnight: Overnight) -> Schedule {
        let mut parts = plain(&[("mon-sun", &["22:00-06:00"])], special_days);
        parts.overnight = overnight;
        Schedule::new(parts)
    }

    fn wall(local: &str) -> Wall {
        let local: chrono::NaiveDateTime = local.parse().unwrap();
        Wall::from_seconds(local.and_utc().timestamp() - 3600)
    }

    /// `open weekly` and so on at each local time.
    fn states(schedule: &Schedule, date: &str, times: &[&str]) -> Vec<String> {
        let state = |time: &&str| {
            let (openness, because) = schedule.openness_at(wall(&format!("{date}T{time}:00")));
            format!("{time} {openness} {because}")
        };
        times.iter().map(state).collect()
    }

    #[test]
    fn a_trace_says_what_a_person_wants_to_know() {
        let state = office(Vec::new()).state_at(wall("2026-12-02T11:40:00"));
        insta::assert_snapshot!(serde_json::to_string_pretty(&state).unwrap(), @r#"
        {
          "schedule": "oslo",
          "openness": "break",
          "because": "weekly",
          "local": "Wed 2026-12-02 11:40+01:00",
          "windows": [
            "08:00-11:30",
            "12:00-16:00"
          ],
          "next_change": "2026-12-02T11:00:00.000Z",
          "next_change_local": "12:00",
          "special_prompt": null
        }
        "#);
        let evening = office(Vec::new()).state_at(wall("2026-12-04T15:00:00"));
        assert_eq!(evening.openness, Openness::Closed);
        assert_eq!(evening.local, "Fri 2026-12-04 15:00+01:00");
        assert_eq!(evening.windows, ["08:00-15:00"]);
        let opens = evening.next_change_local.as_deref();
        assert_eq!(opens, Some("Mon 2026-12-07 08:00"));
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let schedule = office(Vec::new());
        assert!(!schedule.is_open(Wall::from_millis(
            wall("2026-12-02T08:00:00").as_millis() - 1
        )));
        assert!(schedule.is_open(wall("2026-12-02T08:00:00")));
        assert!(schedule.is_open(Wall::from_millis(
            wall("2026-12-02T11:30:00").as_millis() - 1
        )));
        assert!(!schedule.is_open(wall("2026-12-02T11:30:00")));
    }

    #[test]
    fn a_gap_between_two_windows_of_one_date_is_a_break() {
        let found = states(
            &office(Vec::new()),
            "2026-12-02",
            &["07:59", "11:30", "11:59", "12:00", "16:00"],
        );
        assert_eq!(
            found,
            [
                "07:59 closed weekly",
                "11:30 break weekly",
                "11:59 break weekly",
                "12:00 open weekly",
                "16:00 closed weekly",
            ]
        );
    }

    #[test]
    fn the_time_between_a_night_shift_and_the_next_is_no_break() {
        let found = states(
            &nights(Vec::new(), Overnight::RunOn),
            "2026-12-02",
            &["05:59", "06:00", "21:59", "22:00"],
        );
        assert_eq!(
            found,
            [
                "05:59 open weekly",
                "06:00 closed weekly",
                "21:59 closed weekly",
                "22:00 open weekly",
            ]
        );
    }

    #[test]
    fn a_special_day_takes_the_place_of_all_windows_of_its_date() {
        let mut eve = special("2026-12-24", "Christmas Eve", &["09:00-12:00"]);
        eve.prompt = Some("christmas".into());
        let nameless = special("2026-12-25", "", &[]);
        let saturday = special("2026-12-26", "Sale", &["10:00-14:00"]);
        let schedule = office(vec![eve, nameless, saturday]);
        assert_eq!(
            states(&schedule, "2026-12-24", &["08:30", "09:00", "12:00"]),
            [
                "08:30 closed special:Christmas Eve",
                "09:00 open special:Christmas Eve",
                "12:00 closed special:Christmas Eve",
            ]
        );
        assert_eq!(
            states(&schedule, "2026-12-25", &["10:00"]),
            ["10:00 closed special:2026-12-25"]
        );
        assert_eq!(
            states(&schedule, "2026-12-26", &["09:59", "10:00"]),
            ["09:59 closed special:Sale", "10:00 open special:Sale"]
        );
        let prompt = |at: &str| schedule.state_at(wall(at)).special_prompt;
        assert_eq!(prompt("2026-12-24T12:30:00").as_deref(), Some("christmas"));
        assert_eq!(prompt("2026-12-25T12:30:00"), None);
        assert_eq!(prompt("2026-12-23T20:00:00"), None);
    }

    /// The shift of Wednesday 23 December runs into the 24th, which is closed; that of the 24th
    /// does not begin.
    #[test]
    fn a_shift_runs_on_into_a_special_day_or_is_cut_at_its_midnight() {
        let closed = || special("2026-12-24", "Christmas Eve", &[]);
        let times = ["00:00", "05:59", "06:00", "22:00"];
        assert_eq!(
            states(
                &nights(vec![closed()], Overnight::RunOn),
                "2026-12-24",
                &times
            ),
            [
                "00:00 open weekly",
                "05:59 open weekly",
                "06:00 closed special:Christmas Eve",
                "22:00 closed special:Christmas Eve",
            ]
        );
        let cut = [
            "00:00 closed special:Christmas Eve",
            "05:59 closed special:Christmas Eve",
            "06:00 closed special:Christmas Eve",
            "22:00 closed special:Christmas Eve",
        ];
        let by_schedule = nights(vec![closed()], Overnight::Cut);
        assert_eq!(states(&by_schedule, "2026-12-24", &times), cut);
        let mut own = closed();
        own.overnight = Some(Overnight::Cut);
        let by_day = nights(vec![own], Overnight::RunOn);
        assert_eq!(states(&by_day, "2026-12-24", &times), cut);
        // Neither touches a shift that runs into an ordinary day.
        assert_eq!(
            states(&by_schedule, "2026-12-23", &["05:59"]),
            ["05:59 open weekly"]
        );
        let mut own = closed();
        own.overnight = Some(Overnight::RunOn);
        let exempt = nights(vec![own], Overnight::Cut);
        assert_eq!(
            states(&exempt, "2026-12-24", &["05:59"]),
            ["05:59 open weekly"]
        );
    }

    /// A window of a special day may run over midnight too; the ordinary day after it is open
    /// because of it, and closes for its own reason.
    #[test]
    fn a_shift_of_a_special_day_belongs_to_it_after_midnight() {
        let late = special("2026-12-04", "Late opening", &["20:00-02:00"]);
        assert_eq!(
            states(&office(vec![late]), "2026-12-05", &["01:59", "02:00"]),
            ["01:59 open special:Late opening", "02:00 closed weekly"]
        );
    }

    fn changes(schedule: &Schedule, from: &str) -> Vec<String> {
        schedule
            .transitions_from(wall(from))
            .take(4)
            .map(|change| {
                let local = schedule.format_local(change.at);
                let open = if change.open { "open" } else { "closed" };
                format!("{local} {open} {}", change.because)
            })
            .collect()
    }

    #[test]
    fn the_next_change_lies_after_the_instant_itself() {
        assert_eq!(
            changes(&office(Vec::new()), "2026-12-04T08:00:00"),
            [
                "Fri 2026-12-04 15:00+01:00 closed weekly",
                "Mon 2026-12-07 08:00+01:00 open weekly",
                "Mon 2026-12-07 11:30+01:00 closed weekly",
                "Mon 2026-12-07 12:00+01:00 open weekly",
            ]
        );
    }

    #[test]
    fn windows_that_meet_at_midnight_are_one() {
        let days: [(&str, &[&str]); 2] = [("mon", &["20:00-24:00"]), ("tue", &["00:00-02:00"])];
        let schedule = Schedule::new(plain(&days, Vec::new()));
        assert_eq!(
            changes(&schedule, "2026-11-30T00:00:00")[..2],
            [
                "Mon 2026-11-30 20:00+01:00 open weekly",
                "Tue 2026-12-01 02:00+01:00 closed weekly",
            ]
        );
    }

    #[test]
    fn a_schedule_that_never_changes_says_so() {
        for windows in [&[][..], &["00:00-24:00"][..], &["06:00-06:00"][..]] {
            let schedule = Schedule::new(plain(&[("mon-sun", windows)], Vec::new()));
            let state = schedule.state_at(wall("2026-12-02T12:00:00"));
            assert_eq!((state.next_change, state.next_change_local), (None, None));
            assert_eq!(state.openness == Openness::Open, !windows.is_empty());
        }
    }

    /// Over the days in which nothing happens the search goes from one special day to the next.
    #[test]
    fn a_change_years_ahead_is_found_unless_it_is_over_ten() {
        let always =
            |special_days| Schedule::new(plain(&[("mon-sun", &["00:00-24:00"])], special_days));
        let closed = special("2035-05-17", "Centenary", &[]);
        assert_eq!(
            changes(&always(vec![closed.clone()]), "2026-12-02T12:00:00"),
            [
                "Thu 2035-05-17 00:00+01:00 closed special:Centenary",
                "Fri 2035-05-18 00:00+01:00 open weekly",
            ]
        );
        assert!(changes(&always(vec![closed]), "2025-05-10T12:00:00").is_empty());
        let mut night = special("2035-05-17", "Night of museums", &["22:00-02:00"]);
        let never = Schedule::new(plain(&[], vec![night.clone()]));
        assert_eq!(
            changes(&never, "2026-12-02T12:00:00"),
            [
                "Thu 2035-05-17 22:00+01:00 open special:Night of museums",
                "Fri 2035-05-18 02:00+01:00 closed weekly",
            ]
        );
        // A special day that is like any other changes nothing.
        night.windows = parse(&["00:00-24:00"]);
        assert!(changes(&always(vec![night]), "2026-12-02T12:00:00").is_empty());
    }

    #[test]
    fn no_instant_is_too_far_away_to_be_asked_about() {
        let schedule = office(vec![special("2026-12-24", "", &[])]);
        for millis in [i64::MIN, -62_200_000_000_000, 253_402_300_800_000, i64::MAX] {
            let at = Wall::from_millis(millis);
            let state = schedule.state_at(at);
            assert_eq!(state.openness == Openness::Open, schedule.is_open(at));
            schedule.next_change(at);
        }
    }
}

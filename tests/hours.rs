//! Two independent proofs of the business hours: random schedules against a minute-by-minute scan
//! that shares no code with them, and daylight-saving traps worked out by hand.

use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeZone, Timelike, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use ringdesk::config::zone::zone;
use ringdesk::core::schedule::{
    Because, Observed, Openness, Overnight, Schedule, ScheduleParts, SpecialDay, Weekly, When,
    Window, easter_sunday,
};
use ringdesk::core::time::Wall;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A schedule as plain data, from which both the real one and the scan are made.
#[derive(Clone, Debug)]
struct Plan {
    tz: Tz,
    weekly: Vec<Vec<Hours>>,
    special: Vec<Special>,
    cut_by_default: bool,
}

/// Start and end as minutes of the day; the end may be 1440, or not after the start.
type Hours = (u32, u32);

#[derive(Clone, Debug)]
struct Special {
    on: On,
    observed: Option<Observed>,
    hours: Vec<Hours>,
    overnight: Option<Overnight>,
}

#[derive(Clone, Debug)]
enum On {
    Date(NaiveDate),
    Range(NaiveDate, NaiveDate),
    Yearly(u32, u32),
    Nth(Weekday, i64, u32),
    Easter(i64),
}

impl Plan {
    fn schedule(&self) -> Schedule {
        let mut weekly = Weekly::new();
        for (day, hours) in WEEKDAYS.iter().zip(&self.weekly) {
            weekly.set(day, &windows(hours)).unwrap();
        }
        let special_days = self.special.iter().enumerate().map(|(index, special)| {
            let when = match special.on {
                On::Date(date) => When::date(&date.to_string()),
                On::Range(from, to) => When::range(&from.to_string(), &to.to_string()),
                On::Yearly(month, day) => When::yearly(&format!("{month:02}-{day:02}")),
                On::Nth(weekday, nth, month) => When::nth(&weekday.to_string(), nth, month.into()),
                On::Easter(days) => When::easter(days),
            };
            let mut day = SpecialDay::new(when.unwrap(), special.observed).unwrap();
            // Every second one is known by its date.
            day.name = (index % 2 == 0).then(|| index.to_string());
            day.windows = windows(&special.hours);
            day.overnight = special.overnight;
            day
        });
        Schedule::new(ScheduleParts {
            name: "random".into(),
            zone: Arc::new(zone(self.tz.name()).unwrap()),
            weekly,
            special_days: special_days.collect(),
            overnight: match self.cut_by_default {
                true => Overnight::Cut,
                false => Overnight::RunOn,
            },
        })
    }

    /// What the rules of the design say of one minute, read off the wall clock.
    fn scan(&self, at: i64) -> (Openness, Because) {
        let local = DateTime::from_timestamp(at, 0)
            .unwrap()
            .with_timezone(&self.tz)
            .naive_local();
        let today = local.date();
        let yesterday = today.pred_opt().unwrap();
        let minute = local.hour() * 60 + local.minute();
        let (own, before) = (self.hours_on(today), self.hours_on(yesterday));
        let cut = match self.special_on(today) {
            None => false,
            Some((_, special)) => match special.overnight {
                None => self.cut_by_default,
                Some(overnight) => overnight == Overnight::Cut,
            },
        };
        let in_own = own
            .iter()
            .any(|&(start, end)| minute >= start && (minute < end || end <= start));
        let in_before = !cut
            && before
                .iter()
                .any(|&(start, end)| end <= start && minute < end);
        let own_because = self.because(today);
        let before_because = self.because(yesterday);
        match (in_own, in_before) {
            (true, true) if own_because == Because::Weekly => (Openness::Open, before_because),
            (true, _) => (Openness::Open, own_because),
            (false, true) => (Openness::Open, before_because),
            (false, false) => {
                let ended = own.iter().any(|&(start, end)| end > start && end <= minute);
                let begins = own.iter().any(|&(start, _)| start > minute);
                match ended && begins {
                    true => (Openness::Break, own_because),
                    false => (Openness::Closed, own_because),
                }
            }
        }
    }

    fn hours_on(&self, date: NaiveDate) -> &[Hours] {
        match self.special_on(date) {
            Some((_, special)) => &special.hours,
            None => &self.weekly[date.weekday().num_days_from_monday() as usize],
        }
    }

    fn because(&self, date: NaiveDate) -> Because {
        match self.special_on(date) {
            None => Because::Weekly,
            Some((index, _)) if index % 2 == 0 => Because::Special(index.to_string()),
            Some(_) => Because::Special(date.to_string()),
        }
    }

    fn special_on(&self, date: NaiveDate) -> Option<(usize, &Special)> {
        let rank = |special: &Special| match special.on {
            On::Date(_) => 0,
            On::Range(..) => 1,
            On::Yearly(..) | On::Nth(..) | On::Easter(_) => 2,
        };
        self.special
            .iter()
            .enumerate()
            .filter(|(_, special)| special.falls_on(date))
            .min_by_key(|(index, special)| (rank(special), *index))
    }
}

impl Special {
    /// Asks of each date that could be shifted to `date`.
    fn falls_on(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday();
        let weekend = matches!(weekday, Weekday::Sat | Weekday::Sun);
        let days_before = |days| self.on.is(date - Days::new(days));
        match self.observed {
            None => self.on.is(date),
            Some(_) if weekend => false,
            Some(Observed::NearestWeekday) => {
                self.on.is(date)
                    || weekday == Weekday::Mon && days_before(1)
                    || weekday == Weekday::Fri && self.on.is(date + Days::new(1))
            }
            Some(Observed::NextMonday) => {
                self.on.is(date) || weekday == Weekday::Mon && (days_before(1) || days_before(2))
            }
            Some(Observed::NextTuesday) => {
                self.on.is(date) || weekday == Weekday::Tue && (days_before(2) || days_before(3))
            }
        }
    }
}

impl On {
    fn is(&self, date: NaiveDate) -> bool {
        match *self {
            On::Date(this) => date == this,
            On::Range(from, to) => from <= date && date <= to,
            On::Yearly(month, day) => (date.month(), date.day()) == (month, day),
            On::Nth(weekday, nth, month) => {
                let from_start = i64::from(date.day() - 1) / 7 + 1;
                let days = i64::from(date.num_days_in_month());
                let from_end = -((days - i64::from(date.day())) / 7 + 1);
                date.weekday() == weekday
                    && date.month() == month
                    && (nth == from_start || nth == from_end)
            }
            On::Easter(days) => (date.year() - 1..=date.year() + 1)
                .filter_map(easter_sunday)
                .any(|easter| (date - easter).num_days() == days),
        }
    }
}

fn windows(hours: &[Hours]) -> Vec<Window> {
    hours
        .iter()
        .map(|(start, end)| {
            let (h, m, until_h, until_m) = (start / 60, start % 60, end / 60, end % 60);
            let text = format!("{h:02}:{m:02}-{until_h:02}:{until_m:02}");
            text.parse().unwrap()
        })
        .collect()
}

/// Compares everything that the schedule says of the days around `around` with the scan.
fn check(plan: &Plan, around: i64) -> Result<(), TestCaseError> {
    let schedule = plan.schedule();
    let first = (around - 3 * DAY).div_euclid(MINUTE) * MINUTE;
    let last = first + 6 * DAY;
    let mut scanned = Vec::new();
    let mut before = plan.scan(first).0 == Openness::Open;
    for at in (first..=last).step_by(60) {
        let (openness, because) = plan.scan(at);
        let open = openness == Openness::Open;
        prop_assert_eq!(
            schedule.is_open(Wall::from_seconds(at)),
            open,
            "open at {}",
            at
        );
        if open != before {
            prop_assert_eq!(
                schedule.openness_at(Wall::from_seconds(at)),
                (openness, because.clone())
            );
            scanned.push((at, open, because));
            before = open;
        }
    }
    let found: Vec<(i64, bool, Because)> = schedule
        .transitions_from(Wall::from_seconds(first))
        .map(|change| (change.at.as_seconds(), change.open, change.because))
        .take_while(|(at, _, _)| *at <= last)
        .collect();
    prop_assert_eq!(&found, &scanned);
    // Between the edges too: what a caller is told at any minute, and in the midst of one.
    for at in (first..last).step_by(37 * 60) {
        let at = Wall::from_millis(at * 1000 + 59_999);
        let (openness, because) = plan.scan(at.as_seconds());
        let state = schedule.state_at(at);
        prop_assert_eq!((state.openness, state.because), (openness, because));
        let next = scanned
            .iter()
            .find(|(change, _, _)| *change > at.as_seconds());
        if let Some((change, _, _)) = next {
            prop_assert_eq!(state.next_change, Some(Wall::from_seconds(*change)));
        }
    }
    Ok(())
}

fn hours() -> impl Strategy<Value = Hours> {
    // Mostly around midnight and in the night, which is where clocks change.
    let minute = prop_oneof![
        3 => (0_u32..10).prop_map(|half| half * 30),
        2 => (44_u32..48).prop_map(|half| half * 30),
        2 => 0_u32..1440,
    ];
    let end = prop_oneof![4 => minute.clone(), 1 => Just(1440)];
    (minute, end)
}

fn day_hours() -> impl Strategy<Value = Vec<Hours>> {
    prop_oneof![
        1 => Just(Vec::new()),
        1 => Just(vec![(0, 1440)]),
        6 => prop::collection::vec(hours(), 0..4),
    ]
}

fn week() -> impl Strategy<Value = Vec<Vec<Hours>>> {
    prop_oneof![
        1 => Just(vec![Vec::new(); 7]),
        1 => Just(vec![vec![(360, 360)]; 7]),
        8 => prop::collection::vec(day_hours(), 7),
    ]
}

fn special(near: NaiveDate) -> impl Strategy<Value = Special> {
    let day = (-3_i64..4).prop_map(move |days| near + chrono::TimeDelta::days(days));
    let on = prop_oneof![
        4 => day.clone().prop_map(On::Date),
        2 => (day.clone(), 0_u64..3).prop_map(|(from, days)| On::Range(from, from + Days::new(days))),
        2 => day.clone().prop_map(|day| On::Yearly(day.month(), day.day())),
        1 => day.clone().prop_map(|day| {
            On::Nth(day.weekday(), i64::from((day.day() - 1) / 7 + 1), day.month())
        }),
        1 => day.clone().prop_map(|day| {
            let left = i64::from(day.num_days_in_month()) - i64::from(day.day());
            On::Nth(day.weekday(), -(left / 7 + 1), day.month())
        }),
        2 => day.prop_map(|day| {
            On::Easter((day - easter_sunday(day.year()).unwrap()).num_days())
        }),
    ];
    let observed = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Observed::NearestWeekday)),
        1 => Just(Some(Observed::NextMonday)),
        1 => Just(Some(Observed::NextTuesday)),
    ];
    let overnight = prop_oneof![
        Just(None),
        Just(Some(Overnight::Cut)),
        Just(Some(Overnight::RunOn))
    ];
    (on, observed, day_hours(), overnight).prop_map(|(on, observed, hours, overnight)| {
        let range = matches!(on, On::Range(..));
        Special {
            on,
            observed: observed.filter(|_| !range),
            hours,
            overnight,
        }
    })
}

fn plan(tz: Tz, around: i64) -> impl Strategy<Value = Plan> {
    let near = DateTime::from_timestamp(around, 0)
        .unwrap()
        .with_timezone(&tz)
        .date_naive();
    let special = prop::collection::vec(special(near), 0..4);
    (week(), special, any::<bool>()).prop_map(move |(weekly, special, cut_by_default)| Plan {
        tz,
        weekly,
        special,
        cut_by_default,
    })
}

/// A zone, and an instant at which its clocks change, or any instant where they don't any more.
fn zone_and_instant() -> impl Strategy<Value = (Tz, i64)> {
    let years_1980_to_2105 = 315_532_800_i64..4_260_000_000;
    (prop::sample::select(&TZ_VARIANTS[..]), years_1980_to_2105).prop_map(|(tz, at)| {
        let change = zone(tz.name()).unwrap().span_at(at).end;
        // The scan reads chrono-tz, whose table ends with 2099.
        let end_of_table = 4_102_444_800 - 10 * DAY;
        (tz, change.unwrap_or(at).min(end_of_table))
    })
}

/// Changes of every kind: gaps and overlaps at midnight, of 30 minutes and of 2 hours, dates that
/// never existed, clocks that go back for summer time's negative counterpart or for Ramadan.
const TRAPS: &[(&str, &str)] = &[
    ("Europe/Oslo", "2026-03-29T01:00:00Z"),
    ("Europe/Oslo", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
    ("Antarctica/Troll", "2026-10-25T01:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Pacific/Kwajalein", "1993-08-21T12:00:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    ("Africa/Cairo", "2026-10-29T21:00:00Z"),
    ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("Asia/Beirut", "2026-03-28T22:00:00Z"),
    ("Asia/Beirut", "2026-10-24T21:00:00Z"),
    ("America/Havana", "2026-03-08T05:00:00Z"),
    ("America/Havana", "2026-11-01T05:00:00Z"),
    ("America/St_Johns", "2006-10-29T02:31:00Z"),
    ("Europe/Dublin", "2026-03-29T01:00:00Z"),
    ("Europe/Dublin", "2026-10-25T01:00:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00:00Z"),
    ("America/Caracas", "2016-05-01T07:00:00Z"),
    ("Asia/Pyongyang", "2018-05-04T15:00:00Z"),
];

fn trap() -> impl Strategy<Value = (Tz, i64)> {
    prop::sample::select(TRAPS).prop_map(|(name, at)| (Tz::from_str(name).unwrap(), seconds(at)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_in_any_zone_opens_and_closes_as_a_scan_finds(
        (around, plan) in zone_and_instant()
            .prop_flat_map(|(tz, around)| (Just(around), plan(tz, around)))
    ) {
        check(&plan, around)?;
    }

    #[test]
    fn any_schedule_over_a_trap_opens_and_closes_as_a_scan_finds(
        (around, plan) in trap().prop_flat_map(|(tz, around)| (Just(around), plan(tz, around)))
    ) {
        check(&plan, around)?;
    }
}

#[test]
fn each_trap_is_a_change_of_clocks() {
    for (name, at) in TRAPS {
        let tz = Tz::from_str(name).unwrap();
        let offset = |at| tz.timestamp_opt(at, 0).unwrap().naive_local();
        let at = seconds(at);
        let step = offset(at) - offset(at - 1);
        assert_ne!(step.num_seconds(), 1, "{name}: clocks do not change then");
    }
}

fn seconds(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp()
}

/// Windows of some weekdays in a zone.
fn weekly(zone_name: &str, days: &[(&str, &str)]) -> ScheduleParts {
    let mut weekly = Weekly::new();
    for (day, hours) in days {
        let windows: Vec<Window> = hours
            .split_whitespace()
            .map(|window| window.parse().unwrap())
            .collect();
        weekly.set(day, &windows).unwrap();
    }
    ScheduleParts {
        name: "trap".into(),
        zone: Arc::new(zone(zone_name).unwrap()),
        weekly,
        special_days: Vec::new(),
        overnight: Overnight::RunOn,
    }
}

/// Each opening and closing in `[from, until)`, as `+07:00 -08:00` (UTC), with the date where it
/// changes: `03-08 +07:00 -08:00`.
fn changes(parts: ScheduleParts, from: &str, until: &str) -> String {
    let schedule = Schedule::new(parts);
    let (from, until) = (seconds(from), seconds(until));
    let mut text = String::new();
    let mut date = String::new();
    for change in schedule.transitions_from(Wall::from_seconds(from - 1)) {
        if change.at >= Wall::from_seconds(until) {
            break;
        }
        let at = change.at.to_utc();
        let this_date = at.format("%m-%d").to_string();
        if this_date != date {
            text.push_str(&format!(" {this_date}"));
            date = this_date;
        }
        let sign = if change.open { '+' } else { '-' };
        text.push_str(&format!(" {sign}{}", at.format("%H:%M")));
    }
    text.trim_start().to_owned()
}

/// One week of a schedule in `zone`, from Sunday evening (UTC) on or before the trap.
struct Trap {
    zone: &'static str,
    weekly: &'static [(&'static str, &'static str)],
    from: &'static str,
    until: &'static str,
    expected: &'static str,
}

/// Worked out by hand from the rules of each zone. `+` opens, `-` closes, all in UTC.
#[test]
fn traps_of_daylight_saving_time_worked_out_by_hand() {
    let traps = [
        // New York, 8 March 2026: at 02:00 EST (07:00Z) clocks go to 03:00 EDT. The first hour of
        // 02:00-04:00 is skipped; it opens when clocks show 03:00 (07:00Z) and closes at
        // 04:00 EDT = 08:00Z.
        Trap {
            zone: "America/New_York",
            weekly: &[("sun", "02:00-04:00")],
            from: "2026-03-08T00:00:00Z",
            until: "2026-03-09T00:00:00Z",
            expected: "03-08 +07:00 -08:00",
        },
        // New York, 1 November 2026: at 02:00 EDT (06:00Z) back to 01:00 EST. 01:00-01:30 comes
        // twice: 05:00Z to 05:30Z in EDT, 06:00Z to 06:30Z in EST.
        Trap {
            zone: "America/New_York",
            weekly: &[("sun", "01:00-01:30")],
            from: "2026-11-01T00:00:00Z",
            until: "2026-11-02T00:00:00Z",
            expected: "11-01 +05:00 -05:30 +06:00 -06:30",
        },
        // The same night, 00:30-01:30: 00:30 EDT = 04:30Z, 01:30 EDT = 05:30Z; clocks back at
        // 06:00Z show 01:00, which is open again, until 01:30 EST = 06:30Z.
        Trap {
            zone: "America/New_York",
            weekly: &[("sun", "00:30-01:30")],
            from: "2026-11-01T00:00:00Z",
            until: "2026-11-02T00:00:00Z",
            expected: "11-01 +04:30 -05:30 +06:00 -06:30",
        },
        // The same night, 01:30-03:00: open at 01:30 EDT = 05:30Z; at 06:00Z clocks show 01:00,
        // closed; 01:30 EST = 06:30Z open; 03:00 EST = 08:00Z closed.
        Trap {
            zone: "America/New_York",
            weekly: &[("sun", "01:30-03:00")],
            from: "2026-11-01T00:00:00Z",
            until: "2026-11-02T00:00:00Z",
            expected: "11-01 +05:30 -06:00 +06:30 -08:00",
        },
        // Oslo, 29 March 2026: 02:00 CET (01:00Z) to 03:00 CEST. A window inside the gap never
        // opens; the next Sunday it does: 02:15 CEST = 00:15Z.
        Trap {
            zone: "Europe/Oslo",
            weekly: &[("sun", "02:15-02:45")],
            from: "2026-03-28T00:00:00Z",
            until: "2026-04-06T00:00:00Z",
            expected: "04-05 +00:15 -00:45",
        },
        // One that ends inside the gap closes when the gap begins: 01:00 CET = 00:00Z to 01:00Z.
        Trap {
            zone: "Europe/Oslo",
            weekly: &[("sun", "01:00-02:30")],
            from: "2026-03-28T00:00:00Z",
            until: "2026-03-30T00:00:00Z",
            expected: "03-29 +00:00 -01:00",
        },
        // One on either side of the gap: 01:00-02:00 and 03:00-04:00 meet where the hour between
        // them is missing: one stretch from 00:00Z to 04:00 CEST = 02:00Z.
        Trap {
            zone: "Europe/Oslo",
            weekly: &[("sun", "01:00-02:00 03:00-04:00")],
            from: "2026-03-28T00:00:00Z",
            until: "2026-03-30T00:00:00Z",
            expected: "03-29 +00:00 -02:00",
        },
        // Oslo, 25 October 2026: 03:00 CEST (01:00Z) back to 02:00 CET. 24 hours from Saturday
        // 06:00 CEST = 04:00Z to Sunday 06:00 CET = 05:00Z are 25.
        Trap {
            zone: "Europe/Oslo",
            weekly: &[("sat", "06:00-06:00")],
            from: "2026-10-24T00:00:00Z",
            until: "2026-10-26T00:00:00Z",
            expected: "10-24 +04:00 10-25 -05:00",
        },
        // And a day of 23 hours in March, 28 March 06:00 CET = 05:00Z to 06:00 CEST = 04:00Z.
        Trap {
            zone: "Europe/Oslo",
            weekly: &[("sat", "06:00-06:00")],
            from: "2026-03-28T00:00:00Z",
            until: "2026-03-30T00:00:00Z",
            expected: "03-28 +05:00 03-29 -04:00",
        },
        // Lord Howe, 4 October 2026: 02:00 +10:30 (3 October 15:30Z) to 02:30 +11:00. 02:15-02:45
        // opens at 02:30 = 15:30Z, closes at 02:45 +11:00 = 15:45Z.
        Trap {
            zone: "Australia/Lord_Howe",
            weekly: &[("sun", "02:15-02:45")],
            from: "2026-10-03T00:00:00Z",
            until: "2026-10-05T00:00:00Z",
            expected: "10-03 +15:30 -15:45",
        },
        // Lord Howe, 5 April 2026: 02:00 +11:00 (4 April 15:00Z) back to 01:30 +10:30.
        // 01:30-02:00 opens at 01:30 +11:00 = 14:30Z; at 02:00 it is 01:30 again, so it stays
        // open until 02:00 +10:30 = 15:30Z.
        Trap {
            zone: "Australia/Lord_Howe",
            weekly: &[("sun", "01:30-02:00")],
            from: "2026-04-04T00:00:00Z",
            until: "2026-04-06T00:00:00Z",
            expected: "04-04 +14:30 -15:30",
        },
        // The same night, 01:00-01:45: 01:00 +11:00 = 14:00Z, closed at 01:45 +11:00 = 14:45Z,
        // open again at 15:00Z (01:30 +10:30), closed at 01:45 +10:30 = 15:15Z.
        Trap {
            zone: "Australia/Lord_Howe",
            weekly: &[("sun", "01:00-01:45")],
            from: "2026-04-04T00:00:00Z",
            until: "2026-04-06T00:00:00Z",
            expected: "04-04 +14:00 -14:45 +15:00 -15:15",
        },
        // Troll, 29 March 2026: 01:00 +00 (01:00Z) to 03:00 +02: two hours are missing, and a
        // window that fills them never opens, while one until 04:00 has one hour left.
        Trap {
            zone: "Antarctica/Troll",
            weekly: &[("sun", "01:00-03:00")],
            from: "2026-03-28T00:00:00Z",
            until: "2026-03-30T00:00:00Z",
            expected: "",
        },
        Trap {
            zone: "Antarctica/Troll",
            weekly: &[("sun", "02:00-04:00")],
            from: "2026-03-28T00:00:00Z",
            until: "2026-03-30T00:00:00Z",
            expected: "03-29 +01:00 -02:00",
        },
        // Troll, 25 October 2026: 03:00 +02 (01:00Z) back to 01:00 +00. 01:00-03:00 begins at
        // 01:00 +02 = 24 October 23:00Z, begins anew at 01:00Z without a pause, and ends at
        // 03:00 +00 = 03:00Z.
        Trap {
            zone: "Antarctica/Troll",
            weekly: &[("sun", "01:00-03:00")],
            from: "2026-10-24T00:00:00Z",
            until: "2026-10-26T00:00:00Z",
            expected: "10-24 +23:00 10-25 -03:00",
        },
        // Samoa went from −10 to +14 at the end of Thursday 29 December 2011 (30 December
        // 10:00Z); Friday the 30th never existed. Thursday's shift, 22:00 −10 = 08:00Z, ends with
        // Thursday, because its second part lies on the Friday. Friday's own hours never were.
        // Saturday 09:00 +14 = 30 December 19:00Z to 10:00 = 20:00Z.
        Trap {
            zone: "Pacific/Apia",
            weekly: &[
                ("thu", "22:00-06:00"),
                ("fri", "08:00-17:00"),
                ("sat", "09:00-10:00"),
            ],
            from: "2011-12-29T20:00:00Z",
            until: "2012-01-01T00:00:00Z",
            expected: "12-30 +08:00 -10:00 +19:00 -20:00",
        },
        // A Friday shift that would run into Saturday 06:00: its second part lies on the Saturday,
        // which did exist, so it is open from Saturday's beginning (10:00Z) to 06:00 +14 = 16:00Z.
        Trap {
            zone: "Pacific/Apia",
            weekly: &[("fri", "22:00-06:00")],
            from: "2011-12-29T20:00:00Z",
            until: "2012-01-01T00:00:00Z",
            expected: "12-30 +10:00 -16:00",
        },
        // Kwajalein went from −12 to +12 at the end of Friday 20 August 1993 (21 August 12:00Z);
        // Saturday the 21st never existed. Sunday begins at that instant, and ends 24 hours later.
        Trap {
            zone: "Pacific/Kwajalein",
            weekly: &[("sat", "08:00-17:00"), ("sun", "00:00-24:00")],
            from: "1993-08-20T00:00:00Z",
            until: "1993-08-23T00:00:00Z",
            expected: "08-21 +12:00 08-22 -12:00",
        },
        // Cairo, Friday 24 April 2026: 00:00 +02 (23 April 22:00Z) to 01:00 +03. Hours from
        // midnight begin at 01:00, 22:00Z; 08:00 +03 = 05:00Z.
        Trap {
            zone: "Africa/Cairo",
            weekly: &[("fri", "00:00-08:00")],
            from: "2026-04-23T00:00:00Z",
            until: "2026-04-25T00:00:00Z",
            expected: "04-23 +22:00 04-24 -05:00",
        },
        // Cairo, Thursday 29 October 2026: 24:00 +03 (21:00Z) back to 23:00 +02. The last hour of
        // Thursday comes twice: 23:00 +03 = 20:00Z to 24:00 +02 = 22:00Z.
        Trap {
            zone: "Africa/Cairo",
            weekly: &[("thu", "23:00-24:00")],
            from: "2026-10-29T00:00:00Z",
            until: "2026-10-31T00:00:00Z",
            expected: "10-29 +20:00 -22:00",
        },
        // São Paulo, Sunday 4 November 2018: 00:00 −03 (03:00Z) to 01:00 −02. A night shift from
        // Saturday 20:00 −03 = 23:00Z runs over the missing midnight to 02:00 −02 = 04:00Z.
        Trap {
            zone: "America/Sao_Paulo",
            weekly: &[("sat", "20:00-02:00")],
            from: "2018-11-03T12:00:00Z",
            until: "2018-11-05T00:00:00Z",
            expected: "11-03 +23:00 11-04 -04:00",
        },
        // And one to 00:30, which is missing, ends when Saturday does: 03:00Z.
        Trap {
            zone: "America/Sao_Paulo",
            weekly: &[("sat", "20:00-00:30")],
            from: "2018-11-03T12:00:00Z",
            until: "2018-11-05T00:00:00Z",
            expected: "11-03 +23:00 11-04 -03:00",
        },
        // São Paulo, Sunday 18 February 2018: 00:00 −02 (02:00Z) back to Saturday 23:00 −03.
        // Saturday 22:00 −02 = 00:00Z to 24:00, which is reached at 03:00Z.
        Trap {
            zone: "America/Sao_Paulo",
            weekly: &[("sat", "22:00-24:00")],
            from: "2018-02-17T20:00:00Z",
            until: "2018-02-19T00:00:00Z",
            expected: "02-18 +00:00 -03:00",
        },
        // The same night, hours on Sunday from 00:00: that midnight comes once, at 03:00Z, because
        // at 02:00Z clocks were back before they showed it. 01:00 −03 = 04:00Z.
        Trap {
            zone: "America/Sao_Paulo",
            weekly: &[("sun", "00:00-01:00")],
            from: "2018-02-17T20:00:00Z",
            until: "2018-02-19T00:00:00Z",
            expected: "02-18 +03:00 -04:00",
        },
        // Havana, Sunday 1 November 2026: 01:00 CDT (05:00Z) back to 00:00 CST: midnight comes
        // twice, 04:00Z and 05:00Z, and 00:30 at 04:30Z and 05:30Z.
        Trap {
            zone: "America/Havana",
            weekly: &[("sun", "00:00-00:30")],
            from: "2026-10-31T12:00:00Z",
            until: "2026-11-02T00:00:00Z",
            expected: "11-01 +04:00 -04:30 +05:00 -05:30",
        },
        // A Saturday shift to 00:30 of that Sunday: 23:00 CDT = 03:00Z, closed at 04:30Z; its
        // second part comes again with the second midnight, 05:00Z to 05:30Z.
        Trap {
            zone: "America/Havana",
            weekly: &[("sat", "23:00-00:30")],
            from: "2026-10-31T12:00:00Z",
            until: "2026-11-02T00:00:00Z",
            expected: "11-01 +03:00 -04:30 +05:00 -05:30",
        },
        // Havana, Sunday 8 March 2026: 00:00 CST (05:00Z) to 01:00 CDT. Saturday's last hour ends
        // where Sunday's second begins: 23:00 CST = 04:00Z to 02:00 CDT = 06:00Z without a pause.
        Trap {
            zone: "America/Havana",
            weekly: &[("sat", "23:00-24:00"), ("sun", "01:00-02:00")],
            from: "2026-03-07T12:00:00Z",
            until: "2026-03-09T00:00:00Z",
            expected: "03-08 +04:00 -06:00",
        },
        // Beirut, Sunday 29 March 2026: 00:00 +02 (28 March 22:00Z) to 01:00 +03.
        Trap {
            zone: "Asia/Beirut",
            weekly: &[("sun", "00:00-00:45 01:30-02:00")],
            from: "2026-03-28T00:00:00Z",
            until: "2026-03-30T00:00:00Z",
            expected: "03-28 +22:30 -23:00",
        },
        // Beirut, Sunday 25 October 2026: 00:00 +03 (24 October 21:00Z) back to Saturday 23:00 +02.
        // 23:30-00:15 from Saturday: 23:30 +03 = 20:30Z; at 21:00Z it is 23:00, closed; 23:30 +02
        // = 21:30Z; 00:15 +02 = 22:15Z.
        Trap {
            zone: "Asia/Beirut",
            weekly: &[("sat", "23:30-00:15")],
            from: "2026-10-24T00:00:00Z",
            until: "2026-10-26T00:00:00Z",
            expected: "10-24 +20:30 -21:00 +21:30 -22:15",
        },
        // St. John's, Sunday 29 October 2006: 00:01 −02:30 (02:31Z) back to Saturday 23:01 −03:30.
        // Sunday's first minute, 02:30Z to 02:31Z, is open; then it is Saturday again, closed;
        // Sunday's midnight comes again at 03:30Z, and 00:30 −03:30 = 04:00Z.
        Trap {
            zone: "America/St_Johns",
            weekly: &[("sun", "00:00-00:30")],
            from: "2006-10-28T12:00:00Z",
            until: "2006-10-30T00:00:00Z",
            expected: "10-29 +02:30 -02:31 +03:30 -04:00",
        },
        // Dublin counts winter as the exception, but clocks do as in London. 25 October 2026:
        // 02:00 +01 (01:00Z) back to 01:00 +00. 01:00-02:00: 00:00Z to 02:00Z without a pause.
        Trap {
            zone: "Europe/Dublin",
            weekly: &[("sun", "01:00-02:00")],
            from: "2026-10-24T00:00:00Z",
            until: "2026-10-26T00:00:00Z",
            expected: "10-25 +00:00 -02:00",
        },
        // Casablanca leaves +01 for Ramadan: Sunday 22 March 2026, 02:00 +00 (02:00Z) to 03:00
        // +01. 02:30-03:30 opens at 03:00 = 02:00Z and closes at 03:30 +01 = 02:30Z.
        Trap {
            zone: "Africa/Casablanca",
            weekly: &[("sun", "02:30-03:30")],
            from: "2026-03-21T12:00:00Z",
            until: "2026-03-23T00:00:00Z",
            expected: "03-22 +02:00 -02:30",
        },
        // And Sunday 15 February 2026, 03:00 +01 (02:00Z) back to 02:00 +00: 02:30-03:30 opens at
        // 02:30 +01 = 01:30Z, closes when it is 02:00 again (02:00Z), opens at 02:30Z, closes at
        // 03:30Z.
        Trap {
            zone: "Africa/Casablanca",
            weekly: &[("sun", "02:30-03:30")],
            from: "2026-02-14T12:00:00Z",
            until: "2026-02-16T00:00:00Z",
            expected: "02-15 +01:30 -02:00 +02:30 -03:30",
        },
        // Pyongyang moved from +08:30 to +09 at 23:30 of 4 May 2018 (15:00Z), to midnight: the
        // last half hour of that Friday is missing. 22:00 +08:30 = 13:30Z to 15:00Z.
        Trap {
            zone: "Asia/Pyongyang",
            weekly: &[("fri", "22:00-24:00")],
            from: "2018-05-04T00:00:00Z",
            until: "2018-05-06T00:00:00Z",
            expected: "05-04 +13:30 -15:00",
        },
    ];
    for trap in &traps {
        let found = changes(weekly(trap.zone, trap.weekly), trap.from, trap.until);
        assert_eq!(
            found, trap.expected,
            "{} {:?} from {}",
            trap.zone, trap.weekly, trap.from
        );
    }
}

/// A special day on a date that never existed changes nothing, and is looked at by nobody.
#[test]
fn a_special_day_on_a_date_that_never_existed_opens_nothing() {
    let mut parts = weekly("Pacific/Apia", &[]);
    let mut day = SpecialDay::new(When::date("2011-12-30").unwrap(), None).unwrap();
    day.windows = vec!["00:00-24:00".parse().unwrap()];
    parts.special_days = vec![day];
    let found = changes(parts, "2011-12-01T00:00:00Z", "2012-02-01T00:00:00Z");
    assert_eq!(found, "");
}

/// Cutting at a midnight that does not exist: Beirut, Sunday 29 March 2026 begins at 01:00 +03
/// (28 March 22:00Z). The shift of Saturday 20:00 +02 = 18:00Z ends there, or runs on to
/// 02:00 +03 = 23:00Z.
#[test]
fn a_shift_is_cut_where_the_special_day_begins_even_without_a_midnight() {
    let shift = |overnight: Option<Overnight>| {
        let mut parts = weekly("Asia/Beirut", &[("sat", "20:00-02:00")]);
        let mut day = SpecialDay::new(When::date("2026-03-29").unwrap(), None).unwrap();
        day.overnight = overnight;
        parts.special_days = vec![day];
        changes(parts, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z")
    };
    assert_eq!(shift(Some(Overnight::Cut)), "03-28 +18:00 -22:00");
    assert_eq!(shift(Some(Overnight::RunOn)), "03-28 +18:00 -23:00");
    assert_eq!(shift(None), "03-28 +18:00 -23:00");
}

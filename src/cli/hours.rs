//! `ringdesk hours`: when a schedule opens and closes.

use std::io::{self, Write};
use std::process::ExitCode;

use chrono::{Days, NaiveDate};
use clap::Args;
use serde::Serialize;

use super::ConfigDirectory;
use crate::clock;
use crate::config::suggestion;
use crate::core::schedule::{Because, Openness, Schedule};
use crate::core::time::Wall;

/// The last date that is looked at: four digits are all that a year has in RFC 3339.
const LAST_DATE: NaiveDate = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(date) => date,
    None => NaiveDate::MAX,
};

/// When a schedule opens and closes.
#[derive(Args, Debug)]
pub struct Hours {
    /// The schedule, by its name in the configuration.
    schedule: String,
    /// The first local date, as 2026-12-24; without it, today.
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// How many local dates.
    #[arg(long, value_name = "N", default_value_t = 7)]
    days: u32,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    directory: ConfigDirectory,
}

/// Prints the hours of a schedule.
///
/// # Errors
/// The configuration cannot be used, or there is no such schedule.
pub fn run(arguments: &Hours) -> anyhow::Result<ExitCode> {
    let snapshot = arguments.directory.load()?.snapshot;
    let name = arguments.schedule.as_str();
    let Some(schedule) = snapshot.schedule(name) else {
        let names = snapshot.schedules.iter().map(|it| &*it.name);
        anyhow::bail!(
            "there is no schedule \"{name}\".{}",
            suggestion(name, names)
        );
    };
    let printed = print(
        schedule,
        arguments.from,
        arguments.days,
        arguments.json,
        clock::wall(),
        &mut io::stdout().lock(),
    );
    match printed {
        // Whoever reads has read enough: `ringdesk hours oslo | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        printed => Ok(printed.map(|()| ExitCode::SUCCESS)?),
    }
}

/// Writes the state at the first instant of local date `from` (without it: today's, as `now` has
/// it), then each opening and closing before the first instant of the date `days` days later. With
/// `json` one object a line, otherwise a table.
///
/// Where the midnight of a date is skipped, its first instant is the end of the gap; where it
/// occurs twice, the first time; where the whole date never existed, the first instant after it.
/// So `days` dates may be fewer days on the wall, and the end of one run is the start of the next.
pub fn print(
    schedule: &Schedule,
    from: Option<NaiveDate>,
    days: u32,
    json: bool,
    now: Wall,
    out: &mut impl Write,
) -> io::Result<()> {
    let zone = schedule.zone();
    let first = from
        .unwrap_or_else(|| zone.local(now).date())
        .min(LAST_DATE);
    let until = first
        .checked_add_days(Days::new(days.into()))
        .map_or(LAST_DATE, |until| until.min(LAST_DATE));
    let start = zone.first_instant_of(first);
    let end = zone.first_instant_of(until);
    if !json {
        let plural = if days == 1 { "day" } else { "days" };
        let (name, zone) = (&schedule.name, &zone.name);
        let first = first.format("%a %Y-%m-%d");
        writeln!(out, "{name} ({zone}), {days} {plural} from {first}")?;
    }
    let changes = schedule
        .transitions_from(start)
        .map(|change| change.at)
        .take_while(|at| *at < end);
    for at in std::iter::once(start).chain(changes) {
        let (openness, because) = schedule.openness_at(at);
        if json {
            write_json(schedule, at, openness, &because, out)?;
        } else {
            let local = schedule.format_local(at);
            let openness = openness.to_string();
            writeln!(out, "{local}  {openness:<6}  {because}")?;
        }
    }
    Ok(())
}

fn write_json(
    schedule: &Schedule,
    at: Wall,
    openness: Openness,
    because: &Because,
    out: &mut impl Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line {
        at: String,
        local: String,
        state: &'static str,
        because: String,
    }
    let line = Line {
        at: at.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        local: schedule.zone().format_rfc3339(at),
        state: match openness {
            Openness::Open => "open",
            Openness::Break | Openness::Closed => "closed",
        },
        because: because.to_string(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::zone::zone;
    use crate::core::schedule::{Overnight, ScheduleParts, SpecialDay, Weekly, When, Window};

    fn schedule(
        zone_name: &str,
        days: &[(&str, &[&str])],
        special: &[(&str, Option<&str>, &[&str])],
    ) -> Schedule {
        let windows = |texts: &[&str]| -> Vec<Window> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mut weekly = Weekly::new();
        for (day, texts) in days {
            weekly.set(day, &windows(texts)).unwrap();
        }
        let special_days = special.iter().map(|(date, name, texts)| {
            let mut day = SpecialDay::new(When::date(date).unwrap(), None).unwrap();
            day.name = name.map(str::to_owned);
            day.windows = windows(texts);
            day
        });
        Schedule::new(ScheduleParts {
            name: "oslo".into(),
            zone: Arc::new(zone(zone_name).unwrap()),
            weekly,
            special_days: special_days.collect(),
            overnight: Overnight::RunOn,
        })
    }

    fn printed(schedule: &Schedule, from: Option<&str>, days: u32, json: bool) -> String {
        let now = Wall::from_utc("2026-12-24T12:30:00Z".parse().unwrap());
        let from = from.map(|date| date.parse().unwrap());
        let mut out = Vec::new();
        print(schedule, from, days, json, now, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const OFFICE: &[(&str, &[&str])] = &[
        ("mon-thu", &["08:00-11:30", "12:00-16:00"]),
        ("fri", &["08:00-15:00"]),
    ];

    #[test]
    fn a_person_reads_a_table() {
        let special: &[(&str, Option<&str>, &[&str])] = &[
            ("2026-12-24", Some("Christmas Eve"), &["08:00-12:00"]),
            ("2026-12-25", None, &[]),
        ];
        let oslo = schedule("Europe/Oslo", OFFICE, special);
        insta::assert_snapshot!(printed(&oslo, Some("2026-12-23"), 6, false), @r"
        oslo (Europe/Oslo), 6 days from Wed 2026-12-23
        Wed 2026-12-23 00:00+01:00  closed  weekly
        Wed 2026-12-23 08:00+01:00  open    weekly
        Wed 2026-12-23 11:30+01:00  break   weekly
        Wed 2026-12-23 12:00+01:00  open    weekly
        Wed 2026-12-23 16:00+01:00  closed  weekly
        Thu 2026-12-24 08:00+01:00  open    special:Christmas Eve
        Thu 2026-12-24 12:00+01:00  closed  special:Christmas Eve
        Mon 2026-12-28 08:00+01:00  open    weekly
        Mon 2026-12-28 11:30+01:00  break   weekly
        Mon 2026-12-28 12:00+01:00  open    weekly
        Mon 2026-12-28 16:00+01:00  closed  weekly
        ");
        insta::assert_snapshot!(printed(&oslo, None, 1, false), @r"
        oslo (Europe/Oslo), 1 day from Thu 2026-12-24
        Thu 2026-12-24 00:00+01:00  closed  special:Christmas Eve
        Thu 2026-12-24 08:00+01:00  open    special:Christmas Eve
        Thu 2026-12-24 12:00+01:00  closed  special:Christmas Eve
        ");
    }

    #[test]
    fn a_program_reads_one_object_a_line() {
        let new_york = schedule("America/New_York", &[("sun", &["02:00-04:00"])], &[]);
        insta::assert_snapshot!(printed(&new_york, Some("2026-03-08"), 1, true), @r#"
        {"at":"2026-03-08T05:00:00Z","local":"2026-03-08T00:00:00-05:00","state":"closed","because":"weekly"}
        {"at":"2026-03-08T07:00:00Z","local":"2026-03-08T03:00:00-04:00","state":"open","because":"weekly"}
        {"at":"2026-03-08T08:00:00Z","local":"2026-03-08T04:00:00-04:00","state":"closed","because":"weekly"}
        "#);
        let oslo = schedule("Europe/Oslo", OFFICE, &[("2026-12-25", None, &[])]);
        insta::assert_snapshot!(printed(&oslo, Some("2026-12-24"), 2, true), @r#"
        {"at":"2026-12-23T23:00:00Z","local":"2026-12-24T00:00:00+01:00","state":"closed","because":"weekly"}
        {"at":"2026-12-24T07:00:00Z","local":"2026-12-24T08:00:00+01:00","state":"open","because":"weekly"}
        {"at":"2026-12-24T10:30:00Z","local":"2026-12-24T11:30:00+01:00","state":"closed","because":"weekly"}
        {"at":"2026-12-24T11:00:00Z","local":"2026-12-24T12:00:00+01:00","state":"open","because":"weekly"}
        {"at":"2026-12-24T15:00:00Z","local":"2026-12-24T16:00:00+01:00","state":"closed","because":"weekly"}
        "#);
    }

    #[test]
    fn a_schedule_that_opens_at_the_first_instant_says_so_once() {
        let utc = schedule("UTC", &[("mon", &["00:00-01:00"])], &[]);
        insta::assert_snapshot!(printed(&utc, Some("2026-11-30"), 7, true), @r#"
        {"at":"2026-11-30T00:00:00Z","local":"2026-11-30T00:00:00+00:00","state":"open","because":"weekly"}
        {"at":"2026-11-30T01:00:00Z","local":"2026-11-30T01:00:00+00:00","state":"closed","because":"weekly"}
        "#);
    }

    /// Havana's 8 March 2026 begins at 01:00; the first midnight of 1 November is the one that
    /// counts, as a beginning and as an end. In Samoa, Saturday follows upon Thursday.
    #[test]
    fn a_date_begins_with_its_first_instant() {
        let always: &[(&str, &[&str])] = &[("mon-sun", &["00:00-00:30"])];
        let havana = schedule("America/Havana", always, &[]);
        insta::assert_snapshot!(printed(&havana, Some("2026-03-08"), 1, true), @r#"{"at":"2026-03-08T05:00:00Z","local":"2026-03-08T01:00:00-04:00","state":"closed","because":"weekly"}"#);
        insta::assert_snapshot!(printed(&havana, Some("2026-10-31"), 1, true), @r#"
        {"at":"2026-10-31T04:00:00Z","local":"2026-10-31T00:00:00-04:00","state":"open","because":"weekly"}
        {"at":"2026-10-31T04:30:00Z","local":"2026-10-31T00:30:00-04:00","state":"closed","because":"weekly"}
        "#);
        insta::assert_snapshot!(printed(&havana, Some("2026-11-01"), 1, true), @r#"
        {"at":"2026-11-01T04:00:00Z","local":"2026-11-01T00:00:00-04:00","state":"open","because":"weekly"}
        {"at":"2026-11-01T04:30:00Z","local":"2026-11-01T00:30:00-04:00","state":"closed","because":"weekly"}
        {"at":"2026-11-01T05:00:00Z","local":"2026-11-01T00:00:00-05:00","state":"open","because":"weekly"}
        {"at":"2026-11-01T05:30:00Z","local":"2026-11-01T00:30:00-05:00","state":"closed","because":"weekly"}
        "#);
        let apia = schedule("Pacific/Apia", always, &[]);
        insta::assert_snapshot!(printed(&apia, Some("2011-12-30"), 1, true), @r#"{"at":"2011-12-30T10:00:00Z","local":"2011-12-31T00:00:00+14:00","state":"open","because":"weekly"}"#);
        insta::assert_snapshot!(printed(&apia, Some("2011-12-29"), 2, true), @r#"
        {"at":"2011-12-29T10:00:00Z","local":"2011-12-29T00:00:00-10:00","state":"open","because":"weekly"}
        {"at":"2011-12-29T10:30:00Z","local":"2011-12-29T00:30:00-10:00","state":"closed","because":"weekly"}
        "#);
    }

    #[test]
    fn the_end_of_the_calendar_is_the_end() {
        let oslo = schedule("Europe/Oslo", OFFICE, &[]);
        let text = printed(&oslo, Some("9999-12-30"), u32::MAX, true);
        assert_eq!(text.lines().count(), 5, "{text}");
    }
}

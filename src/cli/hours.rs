//! `ringdesk hours`: when a schedule opens and closes.

use std::io::{self, Write};

use chrono::{Days, NaiveDate};
use serde::Serialize;

use crate::core::schedule::{Because, Openness, Schedule};
use crate::core::time::Wall;

/// The last date that is looked at: four digits are all that a year has in RFC 3339.
const LAST_DATE: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap();

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

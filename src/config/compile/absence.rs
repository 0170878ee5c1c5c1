//! `out_of_office` of `[[user]]`: local dates to instants

use chrono::{Datelike, NaiveDate};

use super::schedules::Zones;
use crate::config::diagnostic::Findings;
use crate::config::section::Placed;
use crate::config::tree::{Text, Tree, UserEntry};
use crate::core::snapshot::Absence;
use crate::core::zone::Zone;

/// The absences of a user in their order, those that touch or overlap as one. Dates are local to
/// the user's schedule, else to the user's `timezone`.
pub(super) fn absences(
    entry: &UserEntry,
    tree: &Tree,
    zones: &mut Zones,
    findings: &mut Findings,
) -> Vec<Absence> {
    if let (Some(zone), Some(schedule)) = (&entry.timezone, &entry.schedule) {
        let message = format!(
            "`timezone` is for users without a schedule; this one has \"{}\", with a time zone of its own. Remove it.",
            schedule.value
        );
        findings.error(&zone.place, message);
    }
    if entry.out_of_office.is_empty() {
        return Vec::new();
    }
    let Some(zone) = zone_name(entry, tree) else {
        if let (Some(first), None) = (entry.out_of_office.first(), &entry.schedule) {
            let message = "a date begins at another moment in each time zone: write `schedule` or timezone = \"Europe/Oslo\" beside `out_of_office`.";
            findings.error(&first.from.place, message);
        }
        return Vec::new();
    };
    let zone = zones.find(Some(zone), findings);
    let mut absences: Vec<Absence> = Vec::with_capacity(entry.out_of_office.len());
    for written in &entry.out_of_office {
        let from = date(&written.from, findings);
        let to = date(&written.to, findings);
        let (Some(from), Some(to)) = (from, to) else {
            continue;
        };
        match absence(from, to, &zone) {
            Some(absence) => absences.push(absence),
            None => findings.error(
                &written.to.place,
                format!("{to} is before {from}. An absence ends on its first day or later."),
            ),
        }
    }
    absences.sort_by_key(|absence| absence.from);
    merge(absences)
}

fn zone_name<'a>(entry: &'a UserEntry, tree: &'a Tree) -> Option<&'a Text> {
    let Some(schedule) = &entry.schedule else {
        return entry.timezone.as_ref();
    };
    let mut schedules = tree.schedules.iter();
    let schedule = schedules.find(|it| it.name.value == schedule.value)?;
    schedule.timezone.as_ref()
}

fn date(written: &Placed<String>, findings: &mut Findings) -> Option<NaiveDate> {
    let read = NaiveDate::parse_from_str(&written.value, "%Y-%m-%d").ok();
    let read = read.filter(|date| (1970..=9998).contains(&date.year()));
    if read.is_none() {
        let message = format!("\"{}\" is not a date, like 2026-12-21.", written.value);
        findings.error(&written.place, message);
    }
    read
}

fn absence(from: NaiveDate, to: NaiveDate, zone: &Zone) -> Option<Absence> {
    let after = to.succ_opt().filter(|_| from <= to)?;
    Some(Absence {
        from: zone.first_instant_of(from),
        until: zone.first_instant_of(after),
    })
}

fn merge(sorted: Vec<Absence>) -> Vec<Absence> {
    let mut merged: Vec<Absence> = Vec::with_capacity(sorted.len());
    for absence in sorted {
        match merged.last_mut() {
            Some(last) if absence.from <= last.until => last.until = last.until.max(absence.until),
            Some(_) | None => merged.push(absence),
        }
    }
    merged
}

//! `[[schedule]]` and `[[special_days]]`

use crate::config::diagnostic::Findings;
use crate::config::schema;
use crate::config::section::Section;
use crate::config::tree::{ScheduleEntry, SpecialDayEntry, SpecialDaysEntry};
use crate::core::schedule::{Observed, Overnight};

const OVERNIGHT: [(&str, Overnight); 2] = [("run-on", Overnight::RunOn), ("cut", Overnight::Cut)];

const OBSERVED: [(&str, Observed); 3] = [
    ("nearest-weekday", Observed::NearestWeekday),
    ("next-monday", Observed::NextMonday),
    ("next-tuesday", Observed::NextTuesday),
];

pub(super) fn schedule(section: &Section<'_>, findings: &mut Findings) -> Option<ScheduleEntry> {
    let name = section.required_text("name", findings);
    let timezone = section.required_text("timezone", findings);
    let weekly = section.lists_by_name("weekly", findings);
    let lists = section.texts("special_days", findings).unwrap_or_default();
    let special = section
        .sections("special", &schema::SPECIAL_DAY, findings)
        .iter()
        .map(|day| special_day_entry(day, findings))
        .collect();
    let overnight = section.choice("overnight", &OVERNIGHT, findings);
    Some(ScheduleEntry {
        name: name?,
        timezone,
        weekly,
        special_days: lists,
        special,
        overnight: overnight.map(|it| it.value).unwrap_or_default(),
    })
}

pub(super) fn special_days(
    section: &Section<'_>,
    findings: &mut Findings,
) -> Option<SpecialDaysEntry> {
    let name = section.required_text("name", findings);
    let days = section
        .sections("days", &schema::SPECIAL_DAY, findings)
        .iter()
        .map(|day| special_day_entry(day, findings))
        .collect();
    Some(SpecialDaysEntry { name: name?, days })
}

fn special_day_entry(section: &Section<'_>, findings: &mut Findings) -> SpecialDayEntry {
    if !section.has("hours") {
        let message = "a special day needs `hours`: hours = [] for closed, hours = [\"08:00-12:00\"] for other hours.";
        findings.error(&section.place(), message);
    }
    SpecialDayEntry {
        place: section.place(),
        date: section.text("date", findings),
        from: section.text("from", findings),
        to: section.text("to", findings),
        yearly: section.text("yearly", findings),
        weekday: section.text("weekday", findings),
        nth: section.whole("nth", -5..=5, findings),
        month: section.whole("month", 1..=12, findings),
        easter: section.whole("easter", -366..=366, findings),
        observed: section
            .choice("observed", &OBSERVED, findings)
            .map(|it| it.value),
        overnight: section
            .choice("overnight", &OVERNIGHT, findings)
            .map(|it| it.value),
        name: section.text("name", findings),
        hours: section.texts("hours", findings).unwrap_or_default(),
        prompt: section.text("prompt", findings),
    }
}

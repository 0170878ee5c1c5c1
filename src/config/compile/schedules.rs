//! `[[schedule]]` and `[[special_days]]`

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use super::Directory;
use super::prompts::Prompts;
use crate::config::diagnostic::{Findings, suggestion};
use crate::config::section::Placed;
use crate::config::tree::{ScheduleEntry, SpecialDayEntry, Tree};
use crate::config::zone;
use crate::core::name::ScheduleName;
use crate::core::schedule::{
    Schedule, ScheduleParts, SpecialDay, SpecialDayError, Weekly, When, Window,
};
use crate::core::zone::Zone;

pub(super) fn compile(
    tree: &Tree,
    directory: &Directory<'_>,
    prompts: &mut Prompts<'_>,
    zones: &mut Zones,
    findings: &mut Findings,
) -> Vec<Schedule> {
    let mut lists: HashMap<&str, Vec<SpecialDay>> = HashMap::new();
    for entry in &tree.special_days {
        let days = special_days(&entry.days, prompts, findings);
        lists.entry(&entry.name.value).or_insert(days);
    }
    tree.schedules
        .iter()
        .map(|entry| {
            for list in &entry.special_days {
                directory
                    .special_days
                    .check(list, directory.unread, findings);
            }
            let own = special_days(&entry.special, prompts, findings);
            let shared = entry.special_days.iter();
            let shared = shared
                .filter_map(|list| lists.get(list.value.as_str()))
                .flatten();
            Schedule::new(ScheduleParts {
                name: ScheduleName::from(entry.name.value.as_str()),
                zone: zones.find(entry.timezone.as_ref(), findings),
                weekly: weekly(entry, findings),
                special_days: own.into_iter().chain(shared.cloned()).collect(),
                overnight: entry.overnight,
            })
        })
        .collect()
}

/// Zones that were looked up already: making one reads a few hundred years of its changes.
#[derive(Default)]
pub(super) struct Zones {
    known: HashMap<String, Arc<Zone>>,
}

impl Zones {
    /// The zone of that name, or UTC where there is none, which is a finding.
    pub fn find(&mut self, name: Option<&Placed<String>>, findings: &mut Findings) -> Arc<Zone> {
        let Some(name) = name else {
            return Arc::new(Zone::utc());
        };
        if let Some(zone) = self.known.get(&name.value) {
            return zone.clone();
        }
        let Some(zone) = zone::zone(&name.value) else {
            findings.error(&name.place, unknown_zone(&name.value));
            return Arc::new(Zone::utc());
        };
        let zone = Arc::new(zone);
        self.known.insert(name.value.clone(), zone.clone());
        zone
    }
}

/// The shortest name that is compared with those of zones: `CST` and `CET` are alike, and six hours apart.
const SHORTEST_ZONE: usize = 6;

fn unknown_zone(written: &str) -> String {
    let city = format!("/{}", written.replace(' ', "_").to_lowercase());
    let same_city = zone::names().find(|name| name.to_lowercase().ends_with(&city));
    let meant = match same_city {
        Some(name) => format!(" Did you mean \"{name}\"?"),
        // A name that is alike at a distance lies on another continent.
        None if written.len() >= SHORTEST_ZONE => {
            let near = |name: &&str| {
                strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase()) <= 2
            };
            let names: Vec<&str> = zone::names().filter(near).collect();
            suggestion(written, names)
        }
        None => String::new(),
    };
    let meant = match meant.starts_with(" Did") {
        true => meant,
        false => " Write area and city, like timezone = \"Europe/Oslo\" or \"America/Chicago\"."
            .to_owned(),
    };
    format!("there is no time zone \"{written}\".{meant}")
}

fn weekly(entry: &ScheduleEntry, findings: &mut Findings) -> Weekly {
    let mut weekly = Weekly::new();
    for (days, hours) in &entry.weekly {
        let windows = windows(hours, findings);
        if let Err(problem) = weekly.set(&days.value, &windows) {
            findings.error(&days.place, sentence(&problem.to_string()));
        }
    }
    weekly
}

fn windows(written: &[Placed<String>], findings: &mut Findings) -> Vec<Window> {
    written
        .iter()
        .filter_map(|text| match Window::from_str(&text.value) {
            Ok(window) => Some(window),
            Err(problem) => {
                findings.error(&text.place, sentence(&problem.to_string()));
                None
            }
        })
        .collect()
}

fn sentence(words: &str) -> String {
    if words.ends_with('.') {
        words.to_owned()
    } else {
        format!("{words}.")
    }
}

fn special_days(
    entries: &[SpecialDayEntry],
    prompts: &mut Prompts<'_>,
    findings: &mut Findings,
) -> Vec<SpecialDay> {
    entries
        .iter()
        .filter_map(|entry| special_day(entry, prompts, findings))
        .collect()
}

fn special_day(
    entry: &SpecialDayEntry,
    prompts: &mut Prompts<'_>,
    findings: &mut Findings,
) -> Option<SpecialDay> {
    let windows = windows(&entry.hours, findings);
    let prompt = entry
        .prompt
        .as_ref()
        .map(|prompt| prompts.resolve(prompt, findings));
    let made = when(entry, findings)?.and_then(|when| SpecialDay::new(when, entry.observed));
    match made {
        Ok(mut day) => {
            day.name = entry.name.as_ref().map(|name| name.value.clone());
            day.windows = windows;
            day.overnight = entry.overnight;
            day.prompt = prompt;
            Some(day)
        }
        Err(problem) => {
            findings.error(&entry.place, sentence(&problem.to_string()));
            None
        }
    }
}

/// The one way in which a special day says when it is.
fn when(entry: &SpecialDayEntry, findings: &mut Findings) -> Option<Result<When, SpecialDayError>> {
    let ways = [
        entry.date.is_some(),
        entry.from.is_some() || entry.to.is_some(),
        entry.yearly.is_some(),
        entry.weekday.is_some() || entry.nth.is_some() || entry.month.is_some(),
        entry.easter.is_some(),
    ];
    let said = ways.iter().filter(|said| **said).count();
    let complaint = match entry {
        _ if said == 0 => {
            "a special day says when it is: `date`, `from` and `to`, `yearly`, `weekday` with `nth` and `month`, or `easter`."
        }
        _ if said > 1 => {
            "a special day says when it is in one way: `date`, or `from` and `to`, or `yearly`, or `weekday` with `nth` and `month`, or `easter`. Write two special days."
        }
        SpecialDayEntry {
            date: Some(date), ..
        } => return Some(When::date(&date.value)),
        SpecialDayEntry {
            from: Some(from),
            to: Some(to),
            ..
        } => return Some(When::range(&from.value, &to.value)),
        SpecialDayEntry {
            yearly: Some(yearly),
            ..
        } => return Some(When::yearly(&yearly.value)),
        SpecialDayEntry {
            weekday: Some(weekday),
            nth: Some(nth),
            month: Some(month),
            ..
        } => return Some(When::nth(&weekday.value, nth.value, month.value)),
        SpecialDayEntry {
            easter: Some(easter),
            ..
        } => return Some(When::easter(easter.value)),
        SpecialDayEntry { from: Some(_), .. } | SpecialDayEntry { to: Some(_), .. } => {
            "`from` and `to` go together, both days included."
        }
        _ => {
            "`weekday`, `nth` and `month` go together, as in weekday = \"mon\", nth = 1, month = 5."
        }
    };
    findings.error(&entry.place, complaint);
    None
}

//! What an admin expects of a channel at a moment, held against what routing decides.

use std::str::FromStr;

use crate::core::name::{ChannelName, PromptName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::routing::{Facts, Outcome, Request, Selection, To, route, words};
use crate::core::snapshot::{Expectation, Expected, Kind, Snapshot};
use crate::core::time::{Mono, Now, Wall};

use super::diagnostic::{Findings, Place};
use super::moment;
use super::section::Placed;
use super::tree::{ExpectEntry, Tree};

/// Decides each expectation's call or message as a dry run, with everybody available, and reports what came
/// out differently. The snapshot must be one in which nothing was found to be wrong.
pub(super) fn check(tree: &Tree, snapshot: &Snapshot, findings: &mut Findings) -> Vec<Expectation> {
    let mut expectations = Vec::with_capacity(tree.expectations.len());
    for entry in &tree.expectations {
        let Some(at) = at(entry, snapshot, findings) else {
            continue;
        };
        let channel = snapshot.channel(&entry.channel.value);
        if channel.is_some_and(|channel| !fits_kind(entry, channel.kind(), findings)) {
            continue;
        }
        let from = entry.from.as_ref().map(|from| from.value.as_str());
        for outcome in expected(entry) {
            let expectation = Expectation {
                at,
                channel: ChannelName::from(entry.channel.value.as_str()),
                outcome,
                place: entry.place.to_string(),
            };
            if let Some(difference) = difference(&expectation, &entry.at.value, from, snapshot) {
                findings.error(&entry.place, difference);
            }
            expectations.push(expectation);
        }
    }
    expectations
}

/// Calls ring and end in voicemails; messages are assigned.
fn fits_kind(entry: &ExpectEntry, kind: Kind, findings: &mut Findings) -> bool {
    let channel = &entry.channel.value;
    let mut fits = true;
    let mut refuse = |place: &Place, key: &str, instead: &str, findings: &mut Findings| {
        let message = format!(
            "`{key}` cannot be expected of channel \"{channel}\", which is of kind {kind}. Write {instead}."
        );
        findings.error(place, message);
        fits = false;
    };
    match kind {
        Kind::Call => {
            let from = entry.from.as_ref();
            if let Some(from) = from.filter(|it| PhoneNumber::from_str(&it.value).is_err()) {
                let message = format!(
                    "\"{}\" is not a number in international form, like +4722334455.",
                    from.value
                );
                findings.error(&from.place, message);
            }
            if entry.assigned.is_some() {
                refuse(&entry.place, "assigned", "`rings` or `voicemail`", findings);
            }
        }
        Kind::Email | Kind::Form | Kind::Chat => {
            if entry.rings.is_some() {
                refuse(&entry.place, "rings", "`assigned`", findings);
            }
            if let Some(prompt) = &entry.voicemail {
                refuse(&prompt.place, "voicemail", "`assigned`", findings);
            }
        }
    }
    fits
}

fn at(entry: &ExpectEntry, snapshot: &Snapshot, findings: &mut Findings) -> Option<Wall> {
    let channel = snapshot.channel(&entry.channel.value)?;
    let schedule = snapshot.schedule_of(channel);
    moment::parse(&entry.at.value, schedule.map(|schedule| schedule.zone()))
        .map_err(|problem| findings.error(&entry.at.place, problem))
        .ok()
}

fn expected(entry: &ExpectEntry) -> Vec<Expected> {
    let voicemail = entry.voicemail.as_ref();
    let rings = entry.rings.as_ref();
    let assigned = entry.assigned.as_ref();
    let hours = entry.hours.as_ref();
    [
        voicemail.map(|prompt| Expected::Voicemail(PromptName::from(prompt.value.as_str()))),
        rings.map(|users| Expected::Rings(names(users))),
        assigned.map(|users| Expected::Assigned(names(users))),
        hours.map(|hours| Expected::Hours(hours.value)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn names(users: &[Placed<String>]) -> Vec<UserName> {
    users
        .iter()
        .map(|user| UserName::from(user.value.as_str()))
        .collect()
}

/// What came out instead, as an error says it; `None` where it is as expected.
fn difference(
    expectation: &Expectation,
    at: &str,
    from: Option<&str>,
    snapshot: &Snapshot,
) -> Option<String> {
    let kind = snapshot.channel(&expectation.channel)?.kind();
    let request = Request {
        kind,
        to: To::Channel(expectation.channel.clone()),
        from: from.and_then(|from| PhoneNumber::from_str(from).ok()),
        sender: from.filter(|_| kind != Kind::Call).map(str::to_owned),
        trunk: None,
        selection: Selection::First,
    };
    let now = Now::new(Mono::ZERO, expectation.at);
    let decision = route(snapshot, &Facts::default(), &request, now);
    let openness = decision.trace.hours.as_ref().map(|hours| hours.openness);
    let is_met = match &expectation.outcome {
        Expected::Hours(hours) => openness == Some(*hours),
        Expected::Voicemail(prompt) => {
            matches!(&decision.outcome, Outcome::Voicemail { prompt: actual, .. } if actual == prompt)
        }
        Expected::Rings(users) => {
            let ringing = match &decision.outcome {
                Outcome::Ring(ring) => ring.users.as_slice(),
                Outcome::Wait { .. }
                | Outcome::Voicemail { .. }
                | Outcome::Assign { .. }
                | Outcome::CustomerAgent { .. }
                | Outcome::Unassigned { .. }
                | Outcome::Refuse { .. } => &[],
            };
            same_users(ringing, users)
        }
        Expected::Assigned(users) => match &decision.outcome {
            Outcome::Assign { user, .. } => users.contains(user),
            Outcome::Unassigned { .. } => users.is_empty(),
            Outcome::CustomerAgent { .. }
            | Outcome::Ring(_)
            | Outcome::Wait { .. }
            | Outcome::Voicemail { .. }
            | Outcome::Refuse { .. } => false,
        },
    };
    (!is_met).then(|| {
        format!(
            "expected {} at {at} on channel \"{}\", but: {}",
            in_words(&expectation.outcome),
            expectation.channel,
            words::line(&request, &decision)
        )
    })
}

fn same_users(actual: &[UserName], expected: &[UserName]) -> bool {
    let sorted = |users: &[UserName]| {
        let mut users = users.to_vec();
        users.sort();
        users
    };
    sorted(actual) == sorted(expected)
}

fn in_words(expected: &Expected) -> String {
    match expected {
        Expected::Voicemail(prompt) => format!("voicemail \"{prompt}\""),
        Expected::Rings(users) => rings(users),
        Expected::Hours(hours) => format!("hours \"{hours}\""),
        Expected::Assigned(users) if users.is_empty() => "that it stays unassigned".to_owned(),
        Expected::Assigned(users) => {
            let users: Vec<&str> = users.iter().map(|user| &**user).collect();
            format!("that it is assigned to {}", users.join(" or "))
        }
    }
}

fn rings(users: &[UserName]) -> String {
    let users: Vec<&str> = users.iter().map(|user| &**user).collect();
    if users.is_empty() {
        "that nobody rings".to_owned()
    } else {
        format!("that {} ring", users.join(", "))
    }
}

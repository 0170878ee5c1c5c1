//! Decisions in words. `route`, `explain` and `tail` print these and no others.

use std::fmt::Write;
use std::time::Duration;

use super::way::rule_key;
use super::{
    Candidate, Cause, Code, Decision, DeviceFacts, Kind, Outcome, Request, Ring, Selection, To,
    UnassignedReason, Via, VoicemailReason,
};
use crate::core::name::{ScheduleName, UserName};
use crate::core::schedule::{Because, HoursState, Openness};
use crate::core::snapshot::{RuleName, Snapshot, Strategy};
use crate::core::time::Wall;

/// The whole decision, several lines, for `route` and `explain`. Without a final newline.
pub fn paragraph(request: &Request, decision: &Decision) -> String {
    let trace = &decision.trace;
    let mut text = headline(request, decision);
    if let Some(state) = &trace.hours {
        text.push_str("\n  ");
        text.push_str(&hours(state, trace.snapshot));
    }
    if let Some(rule) = trace.rule {
        let _ = write!(text, "\n  rule {}", rule_key(rule));
    }
    for step in &trace.steps {
        let _ = write!(
            text,
            "\n  step {} ({}):",
            step.step + 1,
            strategy(step.strategy)
        );
        if step.candidates.is_empty() {
            text.push_str(" nobody");
        }
        for candidate in &step.candidates {
            text.push_str("\n    ");
            text.push_str(&person(candidate));
        }
    }
    for note in &trace.notes {
        text.push_str("\n  ");
        text.push_str(note);
    }
    if trace.hours.is_none() {
        let _ = write!(text, "\n  snapshot {}", trace.snapshot);
    }
    text
}

/// The decision on one line, for `tail` and the log.
pub fn line(request: &Request, decision: &Decision) -> String {
    let trace = &decision.trace;
    let mut text = headline(request, decision);
    let passed: Vec<String> = trace
        .steps
        .iter()
        .flat_map(|step| &step.candidates)
        .filter(|candidate| {
            !matches!(
                candidate.code,
                Code::Chosen | Code::ExtraMember | Code::NotNeeded
            )
        })
        .map(|candidate| format!("{} {}", candidate.user, code(candidate.code)))
        .collect();
    if !passed.is_empty() {
        text.push_str("; ");
        text.push_str(&passed.join(", "));
    }
    match (&request.selection, &trace.hours) {
        (Selection::First, Some(state)) => {
            text.push_str(". ");
            text.push_str(&hours(state, trace.snapshot));
        }
        (Selection::First, None) | (Selection::Next(_), _) => {}
    }
    text
}

/// What the hours were and which snapshot said so: `closed (break): oslo, Wed 2026-12-02
/// 11:40+01:00, between 08:00-11:30 and 12:00-16:00; opens 12:00. Snapshot 41`.
pub fn hours(state: &HoursState, snapshot: u64) -> String {
    let because = match (&state.openness, &state.because) {
        (Openness::Break, Because::Weekly) => " (break)".to_owned(),
        (Openness::Break, Because::Special(day)) => format!(" (break, special day {day})"),
        (Openness::Break, Because::Override) => " (break, override)".to_owned(),
        (Openness::Open | Openness::Closed, Because::Weekly) => String::new(),
        (Openness::Open | Openness::Closed, Because::Special(day)) => {
            format!(" (special day {day})")
        }
        (Openness::Open | Openness::Closed, Because::Override) => " (override)".to_owned(),
    };
    let (word, next) = match state.openness {
        Openness::Open => ("open", "closes"),
        Openness::Break | Openness::Closed => ("closed", "opens"),
    };
    let Some(schedule) = &state.schedule else {
        return format!("{word}{because}: no schedule. Snapshot {snapshot}");
    };
    let change = match &state.next_change_local {
        Some(at) => format!("{next} {at}"),
        None => "never changes".to_owned(),
    };
    let windows = windows(state);
    let local = &state.local;
    format!("{word}{because}: {schedule}, {local}, {windows}; {change}. Snapshot {snapshot}")
}

/// What becomes of the call: `rings anna, bjorn for up to 25 s (ring-all)`.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ring(ring) => rings(ring),
        Outcome::Wait { ring, .. } => {
            format!("nobody new rings, for up to {}", seconds(*ring))
        }
        Outcome::Voicemail { prompt, reason } => {
            format!("voicemail {:?} ({})", &**prompt, voicemail(*reason))
        }
        Outcome::Assign { user, .. } => format!("assigned to {user}"),
        Outcome::CustomerAgent { agent, .. } => format!("customer agent {agent} takes it"),
        Outcome::Unassigned { reason } => format!("stays unassigned ({})", unassigned(*reason)),
        Outcome::Refuse { status, code, text } => format!("{status} {code}: {text}"),
    }
}

/// The rule by its key in the configuration, `after_hours`.
pub fn rule(name: RuleName) -> &'static str {
    rule_key(name)
}

/// The stable code as it is written everywhere, `no-device`.
pub fn code(code: Code) -> &'static str {
    match code {
        Code::Chosen => "chosen",
        Code::NoSeat => "no-seat",
        Code::NoInboxAccess => "no-inbox-access",
        Code::ExtraMember => "extra-member",
        Code::Away => "away",
        Code::OutsideOwnHours => "outside-own-hours",
        Code::NoDevice => "no-device",
        Code::OnCall => "on-call",
        Code::Ringing => "ringing",
        Code::AtCapacity => "at-capacity",
        Code::WrapUp => "wrap-up",
        Code::Declined => "declined",
        Code::NoAnswer => "no-answer",
        Code::Unreachable => "unreachable",
        Code::OverLimit => "over-limit",
        Code::LostTie => "lost-tie",
        Code::NotNeeded => "not-needed",
    }
}

/// The strategy as the configuration writes it.
pub fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::RingAll => "ring-all",
        Strategy::Progressive => "progressive",
        Strategy::Sequential => "sequential",
        Strategy::RoundRobin => "round-robin",
        Strategy::LeastBusy => "least-busy",
        Strategy::LongestIdle => "longest-idle",
        Strategy::Random => "random",
    }
}

/// Several of a kind, `4 of 4 chats`.
pub fn many(kind: Kind) -> &'static str {
    match kind {
        Kind::Call => "calls",
        Kind::Email => "emails",
        Kind::Form => "forms",
        Kind::Chat => "chats",
    }
}

/// Why a user has no phone to ring: `registration ran out 09:12, 58 min ago, from 10.0.3.4; 6 wrong
/// passwords since`. `clock` writes an instant as the time of day.
pub fn no_device(devices: &DeviceFacts, now: Wall, clock: impl Fn(Wall) -> String) -> String {
    let told = match devices.lost {
        Some((at, from)) => format!(
            "registration ran out {}, {} ago, from {}",
            clock(at),
            span(now.since(at)),
            from.ip().to_canonical()
        ),
        None => "no phone has registered".to_owned(),
    };
    match devices.wrong_passwords {
        0 => told,
        1 => format!("{told}; 1 wrong password since"),
        wrong => format!("{told}; {wrong} wrong passwords since"),
    }
}

/// The time of day in a schedule's zone, `09:12`; `09:12 UTC` without one. Another date than
/// today's is told as well: `Tue 2026-12-01 09:12`.
pub fn clock(snapshot: &Snapshot, schedule: Option<&ScheduleName>, at: Wall, now: Wall) -> String {
    let zone = schedule.and_then(|name| snapshot.schedule(name));
    let local =
        |at: Wall| zone.map_or_else(|| at.to_utc().naive_utc(), |zone| zone.zone().local(at));
    let suffix = if zone.is_some() { "" } else { " UTC" };
    let (at, now) = (local(at), local(now));
    let format = if at.date() == now.date() {
        "%H:%M"
    } else {
        "%a %Y-%m-%d %H:%M"
    };
    format!("{}{suffix}", at.format(format))
}

/// A time span in its two largest units, rounded down: `58 min`, `3 h 5 min`, `2 days`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) if minutes % 60 == 0 => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (1, _, _) => "1 day".to_owned(),
        _ => format!("{days} days"),
    }
}

/// Characters of a foreign text that are shown: no number or user name is longer, and lines stay
/// lines.
const SHOWN: usize = 64;

/// What somebody sent, in quotes, with everything unprintable escaped, and cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// What somebody sent, without quotes where it is short and plain.
fn shown(text: &str) -> String {
    let told = quoted(text);
    if told
        .strip_prefix('"')
        .and_then(|told| told.strip_suffix('"'))
        == Some(text)
    {
        text.to_owned()
    } else {
        told
    }
}

/// Who writes to or calls what, and what becomes of it.
fn headline(request: &Request, decision: &Decision) -> String {
    let mut text = String::new();
    match (&request.to, &decision.trace.channel) {
        (To::Number(number), Some(channel)) => {
            let _ = write!(text, "{number} ({channel})");
        }
        (To::Number(number), None) => {
            let _ = write!(text, "{number}");
        }
        (To::Channel(channel), _) => {
            let _ = write!(text, "{channel}");
        }
        (To::Unread(dialled), _) => {
            text.push_str(&quoted(dialled));
        }
    }
    match (&request.from, &request.sender) {
        (Some(from), _) => {
            let _ = write!(text, " from {from}");
        }
        (None, Some(sender)) => {
            let _ = write!(text, " from {}", shown(sender));
        }
        (None, None) if request.kind == Kind::Call => text.push_str(" from anonymous"),
        (None, None) => {}
    }
    if let Selection::Next(progress) = &request.selection {
        let _ = write!(text, ", {}", cause(progress.cause));
    }
    let _ = write!(text, ": {}", fate(request, &decision.outcome));
    text
}

/// The outcome, told with what the call already rings.
fn fate(request: &Request, result: &Outcome) -> String {
    match (&request.selection, result) {
        (Selection::Next(progress), Outcome::Wait { ring, .. }) if !progress.ringing.is_empty() => {
            let ringing = names(&progress.ringing);
            format!("{ringing} still ringing, for up to {}", seconds(*ring))
        }
        (Selection::First | Selection::Next(_), Outcome::Wait { ring, .. }) => {
            let limit = seconds(*ring);
            format!("waits up to {limit}: others are ringing everybody who can be reached")
        }
        (Selection::First | Selection::Next(_), result) => outcome(result),
    }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::OfferEnded => "an offer ended",
        Cause::AddOne => "time for one more",
        Cause::BecameFree => "somebody became free",
        Cause::BecameBusy => "the last one took another call",
        Cause::StepEnded => "the step ended",
        Cause::BecameAvailable => "somebody became available",
        Cause::TakenBack => "taken back: the assignee went away",
        Cause::NotAnswered => "not answered in time",
        Cause::HandedOver => "the customer agent handed over",
    }
}

fn unassigned(reason: UnassignedReason) -> &'static str {
    match reason {
        UnassignedReason::NobodyNamed => "the rule names nobody",
        UnassignedReason::Nobody => "to = \"nobody\"",
        UnassignedReason::NobodyAvailable => "nobody is available; it waits",
    }
}

fn rings(ring: &Ring) -> String {
    let users = names(&ring.users);
    let limit = seconds(ring.ring);
    let strategy = strategy(ring.strategy);
    match (ring.strategy, ring.ring_each, ring.more) {
        (Strategy::RingAll, _, _) | (_, None, _) | (Strategy::Progressive, _, false) => {
            format!("rings {users} for up to {limit} ({strategy})")
        }
        (Strategy::Progressive, Some(each), true) => {
            let each = seconds(each);
            format!("rings {users}, one more after {each} ({strategy}, up to {limit})")
        }
        (_, Some(each), more) => {
            let each = seconds(each);
            let then = if more { ", then the next" } else { "" };
            format!("rings {users} for {each}{then} ({strategy}, up to {limit})")
        }
    }
}

fn names(users: &[UserName]) -> String {
    let names: Vec<&str> = users.iter().map(|user| &**user).collect();
    names.join(", ")
}

fn person(candidate: &Candidate) -> String {
    let mut text = candidate.user.to_string();
    match &candidate.via {
        Via::Named => {}
        Via::Team(team) => {
            let _ = write!(text, " (team {team})");
        }
        Via::Owner => text.push_str(" (owner)"),
    }
    let _ = write!(text, ": {}", code(candidate.code));
    if !candidate.detail.is_empty() {
        let _ = write!(text, ": {}", candidate.detail);
    }
    text
}

fn voicemail(reason: VoicemailReason) -> &'static str {
    match reason {
        VoicemailReason::Unanswered => "unanswered",
        VoicemailReason::NobodyAvailable => "nobody available",
        VoicemailReason::NobodyNamed => "nobody named",
        VoicemailReason::Closed => "closed",
        VoicemailReason::Break => "break",
    }
}

/// The windows of the day; in a break the two that it lies between.
fn windows(state: &HoursState) -> String {
    let all = match state.windows.as_slice() {
        [] => return "no hours that day".to_owned(),
        windows => windows.join(" and "),
    };
    let around = match state.openness {
        Openness::Break => around(state),
        Openness::Open | Openness::Closed => None,
    };
    around.map_or_else(
        || format!("hours {all}"),
        |(before, after)| format!("between {before} and {after}"),
    )
}

fn around(state: &HoursState) -> Option<(&str, &str)> {
    let time = state.local.split(' ').next_back()?.get(..5)?;
    let next = state
        .windows
        .iter()
        .position(|window| window.get(..5).is_some_and(|begin| begin > time))?;
    let before = state.windows.get(next.checked_sub(1)?)?;
    Some((before, state.windows.get(next)?))
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

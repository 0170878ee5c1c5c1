//! Rules and their steps.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::diagnostic::{Findings, suggestion};
use crate::config::schema::{self, Table};
use crate::config::section::Section;
use crate::config::tree::{RuleEntry, StepEntry, Text};
use crate::core::snapshot::{Kind, RuleName, Strategy, Target, TieBreak};

/// Longest waits that make sense: a caller who has heard ringing for ten minutes is gone.
const RING_SECONDS: RangeInclusive<i64> = 1..=600;

/// How many users may ring at once at most: each has a few devices, each device a leg.
const MAX_RINGING: RangeInclusive<i64> = 1..=100;

/// How many users ring at once where nothing is said.
const DEFAULT_MAX_RINGING: usize = 20;

/// Up to a week for an answer: what may wait longer needs nobody else.
const ANSWER_MINUTES: RangeInclusive<i64> = 1..=10_080;

const STRATEGIES: [(&str, Strategy); 7] = [
    ("ring-all", Strategy::RingAll),
    ("progressive", Strategy::Progressive),
    ("sequential", Strategy::Sequential),
    ("round-robin", Strategy::RoundRobin),
    ("least-busy", Strategy::LeastBusy),
    ("longest-idle", Strategy::LongestIdle),
    ("random", Strategy::Random),
];

const TIE_BREAKS: [(&str, TieBreak); 4] = [
    ("most-recently-assigned", TieBreak::MostRecentlyAssigned),
    ("least-recently-assigned", TieBreak::LeastRecentlyAssigned),
    ("listed", TieBreak::Listed),
    ("random", TieBreak::Random),
];

const TARGETS: [(&str, Target); 3] = [
    ("contact-owner", Target::ContactOwner),
    ("customer-agent", Target::CustomerAgent),
    ("nobody", Target::Nobody),
];

/// The rule at `key` of a channel of that kind.
pub(super) fn rule(
    channel: &Section<'_>,
    key: &'static str,
    name: RuleName,
    kind: Kind,
    findings: &mut Findings,
) -> Option<RuleEntry> {
    let (rule, then) = tables(kind);
    let section = channel.section(key, rule, findings)?;
    let mut voicemail = is_call(kind)
        .then(|| section.text("voicemail", findings))
        .flatten();
    let own = step(&section, kind, findings);
    let names_somebody = own.names_somebody();
    let mut steps: Vec<StepEntry> = names_somebody.then(|| own.clone()).into_iter().collect();
    let then = section.sections("then", then, findings);
    let last = then.len().checked_sub(1);
    for (index, written) in then.iter().enumerate() {
        if let Some(prompt) = step_voicemail(written, kind, findings) {
            if Some(index) != last {
                let message = "a voicemail ends a rule: it can only be the last step of `then`.";
                findings.error(&prompt.place, message);
            } else if let Some(first) = &voicemail {
                let message = format!(
                    "the rule says its voicemail in {} already. Keep one.",
                    first.place
                );
                findings.error(&prompt.place, message);
            } else {
                voicemail = Some(prompt);
            }
        }
        let step = step(written, kind, findings);
        if step.names_somebody() {
            steps.push(step);
        } else if !is_call(kind) || !written.has("voicemail") {
            findings.error(&written.place(), names_nobody(kind));
        }
    }
    let (reply, answer_within) = if is_call(kind) {
        (None, None)
    } else {
        let answer_within = section.minutes("answer_within_minutes", ANSWER_MINUTES, findings);
        (
            section.text("reply", findings),
            answer_within.map(|it| it.value),
        )
    };
    Some(RuleEntry {
        name,
        place: section.place(),
        steps,
        own,
        names_somebody,
        voicemail,
        reply,
        answer_within,
    })
}

fn tables(kind: Kind) -> (&'static Table, &'static Table) {
    match kind {
        Kind::Call => (&schema::CALL_RULE, &schema::CALL_STEP),
        Kind::Email | Kind::Form | Kind::Chat => (&schema::MESSAGE_RULE, &schema::MESSAGE_STEP),
    }
}

fn is_call(kind: Kind) -> bool {
    kind == Kind::Call
}

fn step_voicemail(section: &Section<'_>, kind: Kind, findings: &mut Findings) -> Option<Text> {
    is_call(kind)
        .then(|| section.text("voicemail", findings))
        .flatten()
}

fn names_nobody(kind: Kind) -> &'static str {
    match kind {
        Kind::Call => {
            "this step names nobody. Give it `users`, `teams` or, as the last one, `voicemail`."
        }
        Kind::Email | Kind::Form | Kind::Chat => {
            "this step names nobody. Give it `users`, `teams` or `to`."
        }
    }
}

fn step(section: &Section<'_>, kind: Kind, findings: &mut Findings) -> StepEntry {
    let users = section.texts("users", findings).unwrap_or_default();
    let teams = section.texts("teams", findings).unwrap_or_default();
    let target = target(section, kind, findings);
    let agent = agent(section, kind, target, findings);
    let only_available = only_available(section, kind, findings);
    let strategy = strategy(section, kind, findings);
    let tie_break = section
        .choice("tie_break", &TIE_BREAKS, findings)
        .map_or(default_tie_break(kind), |tie_break| tie_break.value);
    let ringing = is_call(kind).then(|| Ringing::read(section, findings));
    let ringing = ringing.unwrap_or_default();
    let has_lists = !users.is_empty() || !teams.is_empty();
    if has_lists && matches!(target, Target::ContactOwner | Target::CustomerAgent) {
        findings.error(
            &section.place(),
            "`users` and `teams` beside this `to` would never be asked. Put them into `then`, for when it finds nobody.",
        );
    }
    StepEntry {
        target,
        users,
        teams,
        agent,
        only_available,
        strategy,
        tie_break,
        ring: ringing.ring.unwrap_or(default_ring(strategy)),
        ring_each: ringing.ring_each.unwrap_or(default_ring_each(strategy)),
        max_ringing: ringing.max_ringing.unwrap_or(DEFAULT_MAX_RINGING),
    }
}

/// A step of which nothing is written.
pub(super) fn unwritten_step(kind: Kind) -> StepEntry {
    let strategy = default_strategy(kind);
    StepEntry {
        target: Target::Lists,
        users: Vec::new(),
        teams: Vec::new(),
        agent: None,
        only_available: true,
        strategy,
        tie_break: default_tie_break(kind),
        ring: default_ring(strategy),
        ring_each: default_ring_each(strategy),
        max_ringing: DEFAULT_MAX_RINGING,
    }
}

/// How long and how many phones ring, where it is said.
#[derive(Default)]
struct Ringing {
    ring: Option<Duration>,
    ring_each: Option<Duration>,
    max_ringing: Option<usize>,
}

impl Ringing {
    fn read(section: &Section<'_>, findings: &mut Findings) -> Ringing {
        let max_ringing = section.whole("max_ringing", MAX_RINGING, findings);
        Ringing {
            ring: section.seconds("ring_seconds", RING_SECONDS, findings),
            ring_each: section.seconds("ring_each", RING_SECONDS, findings),
            max_ringing: max_ringing.and_then(|number| usize::try_from(number.value).ok()),
        }
    }
}

fn target(section: &Section<'_>, kind: Kind, findings: &mut Findings) -> Target {
    let Some(to) = section.text("to", findings) else {
        return Target::Lists;
    };
    let written = to.value.as_str();
    match TARGETS.iter().find(|(word, _)| *word == written) {
        Some((_, Target::CustomerAgent)) if is_call(kind) => findings.error(
            &to.place,
            "`to = \"customer-agent\"` is for messages, not for calls. Name `users` or `teams`.",
        ),
        Some((_, target)) => return *target,
        None => {
            let words = TARGETS.iter().map(|(word, _)| *word);
            let words = words.filter(|word| !is_call(kind) || *word != "customer-agent");
            let message = format!(
                "`to` cannot be \"{written}\".{} Without `to`, the `users` and `teams` are asked.",
                suggestion(written, words)
            );
            findings.error(&to.place, message);
        }
    }
    Target::Lists
}

fn agent(
    section: &Section<'_>,
    kind: Kind,
    target: Target,
    findings: &mut Findings,
) -> Option<Text> {
    if is_call(kind) {
        return None;
    }
    let agent = section.text("agent", findings);
    match (&agent, target) {
        (None, Target::CustomerAgent) => findings.error(
            &section.place(),
            "`to = \"customer-agent\"` needs `agent` beside it, the name of a [[customer_agent]].",
        ),
        (Some(agent), Target::Lists | Target::ContactOwner | Target::Nobody) => findings.error(
            &agent.place,
            "`agent` needs `to = \"customer-agent\"` beside it.",
        ),
        (None, Target::Lists | Target::ContactOwner | Target::Nobody)
        | (Some(_), Target::CustomerAgent) => {}
    }
    agent
}

fn only_available(section: &Section<'_>, kind: Kind, findings: &mut Findings) -> bool {
    let Some(written) = section.truth("only_available", findings) else {
        return true;
    };
    if is_call(kind) && !written.value {
        let message = "`only_available = false` is for messages: a call rings only those who are available. Remove it.";
        findings.error(&written.place, message);
    }
    written.value || is_call(kind)
}

fn strategy(section: &Section<'_>, kind: Kind, findings: &mut Findings) -> Strategy {
    let Some(written) = section.choice("strategy", &STRATEGIES, findings) else {
        return default_strategy(kind);
    };
    let rings = matches!(written.value, Strategy::RingAll | Strategy::Progressive);
    if rings && !is_call(kind) {
        let message = "`ring-all` and `progressive` are for calls: a message goes to one person. Write least-busy, round-robin, longest-idle, sequential or random.";
        findings.error(&written.place, message);
        return default_strategy(kind);
    }
    written.value
}

fn default_strategy(kind: Kind) -> Strategy {
    match kind {
        Kind::Call => Strategy::RingAll,
        Kind::Email | Kind::Form | Kind::Chat => Strategy::LeastBusy,
    }
}

fn default_tie_break(kind: Kind) -> TieBreak {
    match kind {
        Kind::Chat => TieBreak::MostRecentlyAssigned,
        Kind::Call | Kind::Email | Kind::Form => TieBreak::LeastRecentlyAssigned,
    }
}

fn default_ring(strategy: Strategy) -> Duration {
    match strategy {
        Strategy::RingAll | Strategy::Progressive => Duration::from_secs(25),
        Strategy::Sequential
        | Strategy::RoundRobin
        | Strategy::LeastBusy
        | Strategy::LongestIdle
        | Strategy::Random => Duration::from_secs(60),
    }
}

fn default_ring_each(strategy: Strategy) -> Duration {
    match strategy {
        Strategy::Progressive => Duration::from_secs(10),
        Strategy::RingAll
        | Strategy::Sequential
        | Strategy::RoundRobin
        | Strategy::LeastBusy
        | Strategy::LongestIdle
        | Strategy::Random => Duration::from_secs(15),
    }
}

//! The way of a request through the configuration: number → channel → hours → rule → steps.

use std::time::Duration;

use super::candidates::{self, Course};
use super::refusal;
use super::strategy;
use super::words;
use super::{
    Attempt, Cause, Decision, Facts, Outcome, Progress, Request, Selection, To, Trace,
    VoicemailReason,
};
use crate::core::name::{PromptName, UserName};
use crate::core::schedule::{Because, HoursState, Openness};
use crate::core::snapshot::{Channel, Rule, RuleName, Snapshot, Step};
use crate::core::time::Now;

/// Where a request leads, as far as the configuration and the hours decide: the channel, its hours
/// and the rule that these choose. Who is free is not asked yet.
#[derive(Debug)]
pub struct Way<'a> {
    snapshot: &'a Snapshot,
    channel: &'a Channel,
    hours: HoursState,
    rule_name: RuleName,
    rule: &'a Rule,
    progress: Option<&'a Progress>,
}

/// What a step came to.
enum StepEnd {
    /// The call is in it.
    Stays(Outcome),
    /// Nobody in it can be reached.
    Passed,
}

impl<'a> Way<'a> {
    /// Finds the way. What leads nowhere is refused: an unknown number with 404.
    pub fn find(
        snapshot: &'a Snapshot,
        request: &'a Request,
        now: Now,
    ) -> Result<Way<'a>, Box<Decision>> {
        let channel = channel(snapshot, &request.to)?;
        let progress = match &request.selection {
            Selection::First => None,
            Selection::Next(progress) => Some(progress.as_ref()),
        };
        let (hours, rule_name) = match progress {
            Some(progress) => (progress.hours.clone(), progress.rule),
            None => {
                let hours = hours(snapshot, channel, now);
                let rule = rule_in_force(channel, hours.openness);
                (hours, rule)
            }
        };
        Ok(Way {
            snapshot,
            channel,
            hours,
            rule_name,
            rule: channel.rule(rule_name),
            progress,
        })
    }

    /// The channel it leads to.
    pub fn channel(&self) -> &'a Channel {
        self.channel
    }

    /// The rule in force.
    pub fn rule_name(&self) -> RuleName {
        self.rule_name
    }

    /// How many steps that rule has.
    pub fn steps(&self) -> usize {
        self.rule.steps.len()
    }

    /// Everybody whose facts can matter, in no particular order and perhaps more than once.
    pub fn people(&self) -> impl Iterator<Item = &'a UserName> {
        let snapshot = self.snapshot;
        let begin = self.progress.map_or(0, |progress| progress.step);
        self.rule
            .steps
            .iter()
            .skip(begin)
            .flat_map(move |step| candidates::reached(snapshot, step).map(|(user, _)| user))
    }

    /// Decides: the first step that reaches somebody, else the voicemail.
    pub fn decide(self, facts: &Facts, now: Now) -> Decision {
        let mut trace = Trace {
            snapshot: self.snapshot.version,
            channel: Some(self.channel.name.clone()),
            hours: None,
            rule: Some(self.rule_name),
            steps: Vec::new(),
            notes: Vec::new(),
        };
        let outcome = self.outcome(facts, now, &mut trace);
        trace.hours = Some(self.hours);
        Decision { outcome, trace }
    }

    fn outcome(&self, facts: &Facts, now: Now, trace: &mut Trace) -> Outcome {
        let begin = match self.begin(now, trace) {
            Ok(begin) => begin,
            Err(wait) => return wait,
        };
        for (number, step) in self.rule.steps.iter().enumerate().skip(begin) {
            if let StepEnd::Stays(outcome) = self.step(number, step, facts, now, trace) {
                return outcome;
            }
        }
        self.voicemail(trace)
    }

    /// The step to begin at. A step whose time is over is not begun again; as long as a phone rings
    /// in it, its end is left to the call's own timer.
    fn begin(&self, now: Now, trace: &mut Trace) -> Result<usize, Outcome> {
        let Some(progress) = self.progress else {
            return Ok(0);
        };
        let Some(step) = self.rule.steps.get(progress.step) else {
            return Ok(progress.step);
        };
        let over = now.wall.since(progress.step_began) >= step.ring;
        if progress.cause == Cause::StepEnded || !over {
            return Ok(progress.step);
        }
        trace
            .notes
            .push(format!("the time of step {} is over", progress.step + 1));
        if progress.ringing.is_empty() {
            Ok(progress.step.saturating_add(1))
        } else {
            Err(wait(progress.step, step.ring))
        }
    }

    fn step(
        &self,
        number: usize,
        step: &Step,
        facts: &Facts,
        now: Now,
        trace: &mut Trace,
    ) -> StepEnd {
        trace.notes.extend(candidates::unsought(number, step));
        let course = Course::new(self.progress, number);
        let standings = candidates::standings(self, step, &course, facts, now);
        let choice = strategy::choose(number, step, standings, &course, facts);
        trace.steps.push(choice.trace);
        match choice.ring {
            Some(ring) => StepEnd::Stays(Outcome::Ring(ring)),
            None if choice.reachable => StepEnd::Stays(wait(number, step.ring)),
            None => StepEnd::Passed,
        }
    }

    fn voicemail(&self, trace: &mut Trace) -> Outcome {
        let (prompt, note) = self.prompt();
        trace.notes.push(note);
        Outcome::Voicemail {
            prompt,
            reason: self.reason(),
        }
    }

    /// What the caller hears, and why that.
    fn prompt(&self) -> (PromptName, String) {
        let special = match &self.hours.because {
            Because::Special(name) if self.hours.openness != Openness::Open => Some(name),
            Because::Special(_) | Because::Weekly | Because::Override => None,
        };
        let rule = rule_key(self.rule_name);
        let Some(day) = special else {
            let prompt = self.voicemail_prompt();
            let note = format!("prompt {:?}: voicemail of {rule}", &*prompt);
            return (prompt, note);
        };
        if let Some(prompt) = self
            .channel
            .call()
            .and_then(|call| call.special_prompts.get(day))
        {
            let note = format!("prompt {:?}: special_prompts for {day}", &**prompt);
            return (prompt.clone(), note);
        }
        if let Some(prompt) = &self.hours.special_prompt {
            let note = format!("prompt {:?}: special day {day}", &**prompt);
            return (prompt.clone(), note);
        }
        let prompt = self.voicemail_prompt();
        let note = format!(
            "prompt {:?}: voicemail of {rule}; special day {day} has none",
            &*prompt
        );
        (prompt, note)
    }

    /// The rule's own prompt. Only message rules have none, and those never end here.
    fn voicemail_prompt(&self) -> PromptName {
        let prompt = self.rule.voicemail().cloned();
        prompt.unwrap_or_else(|| PromptName::from(rule_key(self.rule_name)))
    }

    fn reason(&self) -> VoicemailReason {
        if self.has_rung() {
            return VoicemailReason::Unanswered;
        }
        match self.hours.openness {
            Openness::Closed => VoicemailReason::Closed,
            Openness::Break => VoicemailReason::Break,
            Openness::Open if self.people_are_named() => VoicemailReason::NobodyAvailable,
            Openness::Open => VoicemailReason::NobodyNamed,
        }
    }

    fn has_rung(&self) -> bool {
        self.progress.is_some_and(|progress| {
            let attempts = progress.earlier.iter().chain(&progress.tried);
            !progress.ringing.is_empty()
                || attempts
                    .into_iter()
                    .any(|(_, attempt)| *attempt != Attempt::Unreachable)
        })
    }

    fn people_are_named(&self) -> bool {
        self.rule
            .steps
            .iter()
            .any(|step| candidates::reached(self.snapshot, step).next().is_some())
    }

    pub(super) fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }
}

fn wait(step: usize, ring: Duration) -> Outcome {
    Outcome::Wait { step, ring }
}

fn channel<'a>(snapshot: &'a Snapshot, to: &To) -> Result<&'a Channel, Box<Decision>> {
    let (found, code, text) = match to {
        To::Number(number) => (
            snapshot.channel_of_number(number),
            "unknown-number",
            format!("{number} is not a number of any channel"),
        ),
        To::Channel(name) => (
            snapshot.channel(name),
            "unknown-channel",
            format!("there is no channel {:?}", &**name),
        ),
        To::Unread(text) => (
            None,
            "unknown-number",
            format!("{} cannot be read as a phone number", words::quoted(text)),
        ),
    };
    found.ok_or_else(|| Box::new(refusal::refuse(snapshot, 404, code, text)))
}

fn hours(snapshot: &Snapshot, channel: &Channel, now: Now) -> HoursState {
    channel
        .schedule
        .as_ref()
        .and_then(|name| snapshot.schedule(name))
        .map_or_else(HoursState::always_open, |schedule| {
            schedule.state_at(now.wall)
        })
}

/// A break without a rule of its own has the one of closed hours.
fn rule_in_force(channel: &Channel, openness: Openness) -> RuleName {
    match openness {
        Openness::Open => RuleName::WorkingHours,
        Openness::Break if channel.break_.is_some() => RuleName::Break,
        Openness::Break | Openness::Closed => RuleName::AfterHours,
    }
}

/// The rule's key in the configuration.
pub(super) fn rule_key(rule: RuleName) -> &'static str {
    match rule {
        RuleName::WorkingHours => "working_hours",
        RuleName::Assign => "assign",
        RuleName::Break => "break",
        RuleName::AfterHours => "after_hours",
    }
}

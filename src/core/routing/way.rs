//! The way of a request through the configuration: number → channel → hours → rule → steps.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::time::Duration;

use super::candidates::{self, Course, Member};
use super::refusal;
use super::strategy::Choosing;
use super::words;
use super::{
    Attempt, Cause, ContactFacts, Decision, Facts, FoundBy, Outcome, Progress, Request, Ring,
    Selection, To, Trace, UnassignedReason, VoicemailReason,
};
use crate::core::name::{PromptName, UserName};
use crate::core::schedule::{Because, HoursState, Openness};
use crate::core::snapshot::{
    Channel, Kind, Rule, RuleName, Snapshot, Step, Strategy, Target, User,
};
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
    /// Who is in the lists of each step, once it is asked for.
    lists: Vec<OnceCell<Vec<Member<'a>>>>,
}

/// What a step came to.
enum StepEnd {
    /// It found somebody, or ends the rule.
    Stays(Outcome),
    /// It found nobody.
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
                let hours = snapshot.hours_of(channel, now.wall);
                let rule = channel.rule_in_force(hours.openness);
                (hours, rule)
            }
        };
        let rule = channel.rule(rule_name);
        Ok(Way {
            snapshot,
            channel,
            hours,
            rule_name,
            rule,
            progress,
            lists: rule.steps.iter().map(|_| OnceCell::new()).collect(),
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

    /// Everybody whose facts can matter, once each, in the order in which they are looked at.
    pub fn people(&self, contact: Option<&ContactFacts>) -> Vec<&'a User> {
        let owner = self.owner(contact).ok();
        let mut seen = vec![false; self.snapshot.users.len()];
        let mut people = Vec::new();
        let steps = self.rule.steps.iter().enumerate().skip(self.passed());
        for (number, step) in steps {
            let members = self.members(number, step, owner);
            people.reserve(members.len());
            for member in members.iter().filter(|member| member.is_reached()) {
                let seen = member.place().and_then(|place| seen.get_mut(place));
                let first = seen.is_some_and(|seen| !std::mem::replace(seen, true));
                people.extend(member.user().filter(|_| first));
            }
        }
        people
    }

    /// Steps that a call has behind it. A message looks at all of them each time.
    fn passed(&self) -> usize {
        match self.channel.kind() {
            Kind::Call => self.progress.map_or(0, |progress| progress.step),
            Kind::Email | Kind::Form | Kind::Chat => 0,
        }
    }

    /// Everybody in a step, once each.
    fn members(
        &self,
        number: usize,
        step: &'a Step,
        owner: Option<&'a UserName>,
    ) -> Cow<'_, [Member<'a>]> {
        let find = || candidates::members(self.snapshot, step, owner);
        match (step.target, self.lists.get(number)) {
            (Target::Lists, Some(found)) => Cow::Borrowed(found.get_or_init(find)),
            _ => Cow::Owned(find()),
        }
    }

    /// Forgets what is known of those whom the decision did not consider: what is left replays it.
    pub fn keep_considered(&self, facts: &mut Facts, decision: &Decision) {
        let left = self.rule.steps.len().saturating_sub(self.passed());
        // Where all steps were looked at, everybody was.
        if decision.trace.steps.len() != left {
            facts.keep_considered(decision);
        }
    }

    /// The contact's owner, as far as the configuration lets one be asked for and knows the person;
    /// else why not.
    pub fn owner(&self, contact: Option<&ContactFacts>) -> Result<&'a UserName, String> {
        let contact = contact.ok_or("the contact is not known")?;
        let by = &self.snapshot.settings.contacts;
        let asked = match contact.found_by {
            FoundBy::Cookie if by.by_cookie => Ok(()),
            FoundBy::VerifiedSender if by.by_sender => Ok(()),
            FoundBy::CallerNumber if by.by_number => Ok(()),
            FoundBy::Cookie => Err("by_cookie is off in [contacts]"),
            FoundBy::VerifiedSender => Err("by_sender is off in [contacts]"),
            FoundBy::CallerNumber => Err("by_number is off in [contacts]"),
            FoundBy::UnverifiedSender => Err("the sender's address is not verified"),
        };
        asked?;
        let owner = contact.owner.as_ref().ok_or("the contact has no owner")?;
        match self.snapshot.user(owner) {
            Some(user) => Ok(&user.name),
            None => Err(format!("the contact's owner {owner} is no user")),
        }
    }

    /// Decides: the first step that finds somebody, else what the rule ends with.
    pub fn decide(&self, facts: &Facts, now: Now) -> Decision {
        let mut trace = Trace {
            snapshot: self.snapshot.version,
            channel: Some(self.channel.name.clone()),
            hours: Some(self.hours.clone()),
            rule: Some(self.rule_name),
            steps: Vec::new(),
            notes: Vec::new(),
        };
        let outcome = self.outcome(facts, now, &mut trace);
        trace.notes.extend(self.reply());
        Decision { outcome, trace }
    }

    fn outcome(&self, facts: &Facts, now: Now, trace: &mut Trace) -> Outcome {
        let begin = match self.channel.kind() {
            Kind::Call => self.begin(now, trace),
            Kind::Email | Kind::Form | Kind::Chat => Ok(self.begin_message()),
        };
        let begin = match begin {
            Ok(begin) => begin,
            Err(wait) => return wait,
        };
        for (number, step) in self.rule.steps.iter().enumerate().skip(begin) {
            if let StepEnd::Stays(outcome) = self.step(number, step, facts, now, trace) {
                return outcome;
            }
        }
        match self.channel.kind() {
            Kind::Call => self.voicemail(trace),
            Kind::Email | Kind::Form | Kind::Chat => self.unassigned(),
        }
    }

    /// The step of a call to begin at. A step whose time is over is not begun again; as long as a
    /// phone rings in it, its end is left to the call's own timer.
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

    /// A message seeks from the first step each time, but what a customer agent handed over goes
    /// on with the step after the agent's.
    fn begin_message(&self) -> usize {
        self.progress
            .filter(|progress| progress.cause == Cause::HandedOver)
            .map_or(0, |progress| progress.step)
    }

    fn step(
        &self,
        number: usize,
        step: &'a Step,
        facts: &Facts,
        now: Now,
        trace: &mut Trace,
    ) -> StepEnd {
        let mut note = |text: &str| trace.notes.push(format!("step {}: {text}", number + 1));
        let kind = self.channel.kind();
        let mut owner = None;
        match (step.target, kind) {
            (Target::Lists, _) => {}
            (Target::ContactOwner, _) => match self.owner(facts.contact.as_ref()) {
                Ok(found) => owner = Some(found),
                Err(why) => note(&why),
            },
            (Target::CustomerAgent, Kind::Call) => note("no customer agent takes calls"),
            (Target::CustomerAgent, _) => match self.agent(number, step) {
                Ok(outcome) => return StepEnd::Stays(outcome),
                Err(why) => {
                    note(&why);
                    return StepEnd::Passed;
                }
            },
            (Target::Nobody, Kind::Call) => note("to = \"nobody\", its lists wait"),
            (Target::Nobody, _) => {
                note("to = \"nobody\", its lists wait");
                let reason = UnassignedReason::Nobody;
                return StepEnd::Stays(Outcome::Unassigned { reason });
            }
        }
        let course = Course::new(self.progress, number, kind);
        let members = self.members(number, step, owner);
        let standings = candidates::standings(self, step, &members, &course, facts, now);
        let choosing = Choosing {
            number,
            step,
            kind,
            weights: &self.snapshot.settings.routing.weights,
            course: &course,
            facts,
        };
        let choice = choosing.choose(standings);
        trace.steps.push(choice.trace);
        if kind != Kind::Call {
            let first = choice.chosen.into_iter().next();
            return first.map_or(StepEnd::Passed, |user| {
                StepEnd::Stays(Outcome::Assign { step: number, user })
            });
        }
        if !choice.chosen.is_empty() {
            return StepEnd::Stays(Outcome::Ring(Ring {
                step: number,
                users: choice.chosen,
                strategy: step.strategy,
                ring_each: (step.strategy != Strategy::RingAll).then_some(step.ring_each),
                ring: step.ring,
                more: choice.more,
            }));
        }
        if choice.reachable {
            StepEnd::Stays(wait(number, step.ring))
        } else {
            StepEnd::Passed
        }
    }

    /// The customer agent of a step; none that has handed over already.
    fn agent(&self, number: usize, step: &Step) -> Result<Outcome, String> {
        if self.progress.is_some_and(|progress| number < progress.step) {
            return Err("the customer agent has handed over".to_owned());
        }
        let Some(agent) = &step.agent else {
            return Err("it names no customer agent".to_owned());
        };
        if self.snapshot.customer_agent(agent).is_none() {
            return Err(format!("there is no customer agent {:?}", &**agent));
        }
        Ok(Outcome::CustomerAgent {
            step: number,
            agent: agent.clone(),
        })
    }

    /// No step found anybody: whether the rule sought somebody decides whether the message waits.
    fn unassigned(&self) -> Outcome {
        let seeks = self.rule.steps.iter().any(|step| match step.target {
            Target::Lists => !step.users.is_empty() || !step.teams.is_empty(),
            Target::ContactOwner => true,
            Target::CustomerAgent | Target::Nobody => false,
        });
        let reason = if seeks {
            UnassignedReason::NobodyAvailable
        } else {
            UnassignedReason::NobodyNamed
        };
        Outcome::Unassigned { reason }
    }

    /// What the first message is answered with automatically, and which rule says so.
    fn reply(&self) -> Option<String> {
        let reply = self.rule.reply.as_ref()?;
        let rule = rule_key(self.rule_name);
        let quoted = words::quoted(reply);
        let applies = self.channel.kind() != Kind::Call && self.progress.is_none();
        applies.then(|| format!("automatic reply {quoted}: reply of {rule}"))
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
        let mut steps = self.rule.steps.iter();
        steps.any(|step| {
            let mut reached = candidates::reached(self.snapshot, step, None);
            reached.next().is_some()
        })
    }

    pub(super) fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }
}

/// Everybody whom a channel's rule may find, with the owner of a contact.
pub fn sought(
    snapshot: &Snapshot,
    channel: &str,
    rule: RuleName,
    owner: Option<&UserName>,
) -> BTreeSet<UserName> {
    let Some(channel) = snapshot.channel(channel) else {
        return BTreeSet::new();
    };
    let steps = channel.rule(rule).steps.iter();
    let reached = steps.flat_map(|step| candidates::reached(snapshot, step, owner));
    reached.map(|(user, _)| user.clone()).collect()
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

/// The rule's key in the configuration.
pub(super) fn rule_key(rule: RuleName) -> &'static str {
    match rule {
        RuleName::WorkingHours => "working_hours",
        RuleName::Assign => "assign",
        RuleName::Break => "break",
        RuleName::AfterHours => "after_hours",
    }
}

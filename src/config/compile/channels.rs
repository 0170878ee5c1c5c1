//! `[[channel]]` and its rules

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Directory;
use super::people::{Access, check_address, number};
use super::prompts::Prompts;
use crate::config::diagnostic::{Findings, Place, suggestion};
use crate::config::section::Placed;
use crate::config::tree::{ChannelEntry, RuleEntry, StepEntry, Tree};
use crate::core::name::{ChannelName, InboxName, PromptName, ScheduleName, TeamName, UserName};
use crate::core::number::PhoneNumber;
use crate::core::snapshot::{
    CallChannel, Channel, ChannelKind, Rule, RuleEnd, RuleName, Step, WhenAway,
};

/// The longest voicemail where nothing is said.
const DEFAULT_VOICEMAIL: Duration = Duration::from_secs(180);

pub(super) struct Channels {
    pub channels: Vec<Channel>,
    pub numbers: HashMap<PhoneNumber, ChannelName>,
}

pub(super) fn compile(
    tree: &Tree,
    directory: &Directory<'_>,
    prompts: &mut Prompts<'_>,
    findings: &mut Findings,
) -> Channels {
    let mut numbers = Numbers::default();
    let channels = tree
        .channels
        .iter()
        .map(|entry| channel(entry, tree, directory, prompts, &mut numbers, findings))
        .collect();
    numbers.check_external(tree, findings);
    Channels {
        channels,
        numbers: numbers
            .owners
            .into_iter()
            .map(|(number, (channel, _))| (number, ChannelName::from(channel)))
            .collect(),
    }
}

fn channel(
    entry: &ChannelEntry,
    tree: &Tree,
    directory: &Directory<'_>,
    prompts: &mut Prompts<'_>,
    numbers: &mut Numbers,
    findings: &mut Findings,
) -> Channel {
    if let Some(inbox) = &entry.inbox {
        directory.inboxes.check(inbox, directory.unread, findings);
    }
    if let Some(schedule) = &entry.schedule {
        directory
            .schedules
            .check(schedule, directory.unread, findings);
    }
    for address in &entry.notify {
        check_address("notify", address, findings);
    }
    warn(entry, tree, findings);
    let inbox = entry.inbox.as_ref().map(|inbox| inbox.value.as_str());
    let access = Access::to(tree, directory, inbox);
    let mut rule = |written: &Option<RuleEntry>, name, findings: &mut Findings| {
        written
            .as_ref()
            .map(|written| self::rule(written, &access, prompts, findings))
            .unwrap_or_else(|| voicemail_only(name))
    };
    let working_hours = rule(&entry.working_hours, RuleName::WorkingHours, findings);
    let after_hours = rule(&entry.after_hours, RuleName::AfterHours, findings);
    let break_ = entry
        .break_
        .is_some()
        .then(|| rule(&entry.break_, RuleName::Break, findings));
    Channel {
        name: ChannelName::from(entry.name.value.as_str()),
        inbox: inbox.map(InboxName::from),
        schedule: entry
            .schedule
            .as_ref()
            .map(|schedule| ScheduleName::from(schedule.value.as_str())),
        working_hours,
        break_,
        after_hours: Some(after_hours),
        when_away: WhenAway::Keep,
        kind: ChannelKind::Call(CallChannel {
            numbers: entry
                .numbers
                .iter()
                .filter_map(|written| numbers.add(&entry.name.value, written, findings))
                .collect(),
            notify: entry.notify.iter().map(|it| it.value.clone()).collect(),
            special_prompts: special_prompts(entry, tree, directory, prompts, findings),
            voicemail_limit: entry.voicemail_limit.unwrap_or(DEFAULT_VOICEMAIL),
        }),
    }
}

fn warn(entry: &ChannelEntry, tree: &Tree, findings: &mut Findings) {
    let name = &entry.name.value;
    let place = &entry.name.place;
    if entry.numbers.is_empty() {
        let message = format!("channel \"{name}\" has no `numbers`: no call can reach it.");
        findings.warning(place, message);
    }
    if entry.working_hours.is_none() {
        let message = format!(
            "channel \"{name}\" has no [channel.working_hours]: its callers go straight to voicemail."
        );
        findings.warning(place, message);
    }
    if let (Some(address), None) = (entry.notify.first(), &tree.smtp) {
        let message = format!(
            "channel \"{name}\" notifies by mail, and there is no [smtp]: no mail is sent."
        );
        findings.warning(&address.place, message);
    }
    if entry.schedule.is_none() {
        for rule in [&entry.break_, &entry.after_hours].into_iter().flatten() {
            let message = format!(
                "channel \"{name}\" has no `schedule`: it is always open, and this rule is never used."
            );
            findings.warning(&rule.place, message);
        }
    }
}

/// All numbers so far: each has one owner.
#[derive(Default)]
struct Numbers {
    owners: HashMap<PhoneNumber, (String, Place)>,
}

impl Numbers {
    fn add(
        &mut self,
        channel: &str,
        written: &Placed<String>,
        findings: &mut Findings,
    ) -> Option<PhoneNumber> {
        let number = number(written, findings)?;
        if let Some((owner, place)) = self.owners.get(&number) {
            let message = if owner == channel {
                format!("{number} stands in {place} already. Remove one.")
            } else {
                format!(
                    "{number} belongs to channel \"{owner}\" already ({place}). A number has one channel: remove one."
                )
            };
            findings.error(&written.place, message);
            return None;
        }
        self.owners
            .insert(number.clone(), (channel.to_owned(), written.place.clone()));
        Some(number)
    }

    /// A user's external number that is one of our own would ring us, which would ring it again.
    fn check_external(&self, tree: &Tree, findings: &mut Findings) {
        for written in tree
            .users
            .iter()
            .filter_map(|user| user.external_number.as_ref())
        {
            let Ok(number) = written.value.parse::<PhoneNumber>() else {
                continue;
            };
            if let Some((channel, place)) = self.owners.get(&number) {
                let message = format!(
                    "{number} is a number of channel \"{channel}\" ({place}): a call to it would come back for ever. Write a number elsewhere."
                );
                findings.error(&written.place, message);
            }
        }
    }
}

/// What happens where nothing is written: straight to voicemail, with the prompt that comes with
/// the program.
fn voicemail_only(name: RuleName) -> Rule {
    Rule {
        steps: Vec::new(),
        end: RuleEnd::Voicemail(shipped_prompt(name)),
        reply: None,
        answer_within: None,
    }
}

fn shipped_prompt(name: RuleName) -> PromptName {
    PromptName::from(match name {
        RuleName::WorkingHours | RuleName::Assign => "working_hours",
        RuleName::Break => "break",
        RuleName::AfterHours => "after_hours",
    })
}

fn rule(
    entry: &RuleEntry,
    access: &Access<'_>,
    prompts: &mut Prompts<'_>,
    findings: &mut Findings,
) -> Rule {
    Rule {
        steps: entry
            .steps
            .iter()
            .map(|written| step(written, access, findings))
            .collect(),
        end: RuleEnd::Voicemail(match &entry.voicemail {
            Some(prompt) => prompts.resolve(prompt, findings),
            None => shipped_prompt(entry.name),
        }),
        reply: None,
        answer_within: None,
    }
}

fn step(entry: &StepEntry, access: &Access<'_>, findings: &mut Findings) -> Step {
    for user in &entry.users {
        access.check_user(user, findings);
    }
    for team in &entry.teams {
        access.check_team(team, findings);
    }
    Step {
        target: entry.target,
        users: entry
            .users
            .iter()
            .map(|user| UserName::from(user.value.as_str()))
            .collect(),
        teams: entry
            .teams
            .iter()
            .map(|team| TeamName::from(team.value.as_str()))
            .collect(),
        agent: None,
        only_available: true,
        strategy: entry.strategy,
        tie_break: entry.tie_break,
        ring: entry.ring,
        ring_each: entry.ring_each,
        max_ringing: entry.max_ringing,
    }
}

fn special_prompts(
    entry: &ChannelEntry,
    tree: &Tree,
    directory: &Directory<'_>,
    prompts: &mut Prompts<'_>,
    findings: &mut Findings,
) -> BTreeMap<String, PromptName> {
    let days = special_day_names(entry, tree);
    let mut map = BTreeMap::new();
    for (day, prompt) in &entry.special_prompts {
        let is_known = days.contains(&day.value.as_str());
        if !is_known && !directory.unread.is_any() && lists_exist(entry, tree) {
            let message = match &entry.schedule {
                Some(schedule) => format!(
                    "schedule \"{}\" has no special day \"{}\".{}",
                    schedule.value,
                    day.value,
                    suggestion(&day.value, days.iter().copied())
                ),
                None => {
                    "a channel without `schedule` has no special days. Give it one, or remove this."
                        .to_owned()
                }
            };
            findings.error(&day.place, message);
        }
        map.insert(day.value.clone(), prompts.resolve(prompt, findings));
    }
    map
}

/// False when the schedule, or a list that it names, is missing: that is one error, and the special
/// days in it are no others.
fn lists_exist(entry: &ChannelEntry, tree: &Tree) -> bool {
    let Some(name) = &entry.schedule else {
        return true;
    };
    let schedule = tree.schedules.iter().find(|it| it.name.value == name.value);
    schedule.is_some_and(|schedule| {
        schedule.special_days.iter().all(|name| {
            tree.special_days
                .iter()
                .any(|list| list.name.value == name.value)
        })
    })
}

fn special_day_names<'a>(entry: &ChannelEntry, tree: &'a Tree) -> Vec<&'a str> {
    let schedule = entry
        .schedule
        .as_ref()
        .and_then(|name| tree.schedules.iter().find(|it| it.name.value == name.value));
    let Some(schedule) = schedule else {
        return Vec::new();
    };
    let lists = schedule
        .special_days
        .iter()
        .filter_map(|name| {
            tree.special_days
                .iter()
                .find(|it| it.name.value == name.value)
        })
        .flat_map(|list| &list.days);
    schedule
        .special
        .iter()
        .chain(lists)
        .filter_map(|day| day.name.as_ref())
        .map(|name| name.value.as_str())
        .collect()
}

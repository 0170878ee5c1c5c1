//! `[[channel]]` and its rules

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::email::{self, Addresses};
use super::people::{Access, check_address, number};
use super::prompts::Prompts;
use super::rules::{Rules, voicemail_only};
use super::{Directory, chat, form};
use crate::config::diagnostic::{Findings, Place, suggestion};
use crate::config::files::Files;
use crate::config::section::Placed;
use crate::config::tree::{CallEntry, ChannelEntry, KindEntry, RuleEntry, Tree};
use crate::core::name::{ChannelName, InboxName, PromptName, ScheduleName};
use crate::core::number::PhoneNumber;
use crate::core::snapshot::{CallChannel, Channel, ChannelKind, Kind, Rule, RuleName, WhenAway};

/// How long somebody may be away where nothing is said, before the unanswered is taken back.
const DEFAULT_GRACE: Duration = Duration::from_secs(15 * 60);

/// The longest voicemail where nothing is said.
const DEFAULT_VOICEMAIL: Duration = Duration::from_secs(180);

pub(super) struct Channels {
    pub channels: Vec<Channel>,
    pub numbers: HashMap<PhoneNumber, ChannelName>,
}

/// What belongs to one channel alone.
#[derive(Default)]
struct Owned {
    numbers: Numbers,
    addresses: Addresses,
}

pub(super) fn compile(
    tree: &Tree,
    directory: &Directory<'_>,
    files: &Files,
    prompts: &mut Prompts<'_>,
    findings: &mut Findings,
) -> Channels {
    let mut owned = Owned::default();
    let channels = tree
        .channels
        .iter()
        .map(|entry| channel(entry, tree, directory, files, prompts, &mut owned, findings))
        .collect();
    owned.numbers.check_external(tree, findings);
    Channels {
        channels,
        numbers: owned
            .numbers
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
    files: &Files,
    prompts: &mut Prompts<'_>,
    owned: &mut Owned,
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
    warn_unused_rules(entry, findings);
    let inbox = entry.inbox.as_ref().map(|inbox| inbox.value.as_str());
    let kind = entry.kind();
    let mut rules = Rules {
        kind,
        access: Access::to(tree, directory, inbox),
        directory,
        prompts,
    };
    let mut rule = |written: &Option<RuleEntry>| {
        let written = written.as_ref()?;
        Some(rules.compile(written, findings))
    };
    let open = rule(&entry.open);
    let break_ = rule(&entry.break_);
    let after_hours = rule(&entry.after_hours);
    let is_call = kind == Kind::Call;
    let name = &entry.name.value;
    let own = match &entry.kind {
        KindEntry::Call(call) => ChannelKind::Call(self::call(
            entry,
            call,
            tree,
            directory,
            prompts,
            &mut owned.numbers,
            findings,
        )),
        KindEntry::Email(email) => {
            owned.addresses.add(name, email, findings);
            ChannelKind::Email(Box::new(email::email(entry, email, tree, files, findings)))
        }
        KindEntry::Form(form) => {
            check_path(&entry.name, kind, findings);
            let access = Access::to(tree, directory, inbox);
            ChannelKind::Form(Box::new(form::form(entry, form, tree, &access, findings)))
        }
        KindEntry::Chat(chat) => {
            check_path(&entry.name, kind, findings);
            ChannelKind::Chat(Box::new(chat::chat(entry, chat, findings)))
        }
    };
    Channel {
        name: ChannelName::from(name.as_str()),
        inbox: inbox.map(InboxName::from),
        schedule: entry
            .schedule
            .as_ref()
            .map(|schedule| ScheduleName::from(schedule.value.as_str())),
        working_hours: open.unwrap_or_else(|| match is_call {
            true => voicemail_only(RuleName::WorkingHours),
            false => Rule::nobody(),
        }),
        break_,
        after_hours: after_hours.or(is_call.then(|| voicemail_only(RuleName::AfterHours))),
        when_away: if entry.when_away.take_back {
            let grace = entry.when_away.after.as_ref().map(|after| after.value);
            WhenAway::TakeBack {
                grace: grace.unwrap_or(DEFAULT_GRACE),
            }
        } else {
            WhenAway::Keep
        },
        kind: own,
    }
}

/// Forms and chats have addresses that end with their names.
fn check_path(name: &Placed<String>, kind: Kind, findings: &mut Findings) {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.value.chars().all(fits) || name.value.starts_with('.') {
        let message = format!(
            "\"{}\" cannot name a {kind}, whose address ends with its name: use letters a to z, digits, `-`, `_` and `.`.",
            name.value.escape_debug()
        );
        findings.error(&name.place, message);
    }
}

fn call(
    entry: &ChannelEntry,
    call: &CallEntry,
    tree: &Tree,
    directory: &Directory<'_>,
    prompts: &mut Prompts<'_>,
    numbers: &mut Numbers,
    findings: &mut Findings,
) -> CallChannel {
    for address in &call.notify {
        check_address("notify", address, findings);
    }
    warn(entry, call, tree, findings);
    CallChannel {
        numbers: call
            .numbers
            .iter()
            .filter_map(|written| numbers.add(&entry.name.value, written, findings))
            .collect(),
        notify: call.notify.iter().map(|it| it.value.clone()).collect(),
        special_prompts: special_prompts(entry, call, tree, directory, prompts, findings),
        voicemail_limit: call.voicemail_limit.unwrap_or(DEFAULT_VOICEMAIL),
    }
}

fn warn(entry: &ChannelEntry, call: &CallEntry, tree: &Tree, findings: &mut Findings) {
    let name = &entry.name.value;
    let place = &entry.name.place;
    if call.numbers.is_empty() {
        let message = format!("channel \"{name}\" has no `numbers`: no call can reach it.");
        findings.warning(place, message);
    }
    if entry.open.is_none() {
        let message = format!(
            "channel \"{name}\" has no [channel.working_hours]: its callers go straight to voicemail."
        );
        findings.warning(place, message);
    }
    if let (Some(address), None) = (call.notify.first(), &tree.smtp) {
        let message = format!(
            "channel \"{name}\" notifies by mail, and there is no [smtp]: no mail is sent."
        );
        findings.warning(&address.place, message);
    }
}

fn warn_unused_rules(entry: &ChannelEntry, findings: &mut Findings) {
    if entry.schedule.is_some() {
        return;
    }
    for rule in [&entry.break_, &entry.after_hours].into_iter().flatten() {
        let message = format!(
            "channel \"{}\" has no `schedule`: it is always open, and this rule is never used.",
            entry.name.value
        );
        findings.warning(&rule.place, message);
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

fn special_prompts(
    entry: &ChannelEntry,
    call: &CallEntry,
    tree: &Tree,
    directory: &Directory<'_>,
    prompts: &mut Prompts<'_>,
    findings: &mut Findings,
) -> BTreeMap<String, PromptName> {
    let days = special_day_names(entry, tree);
    let mut map = BTreeMap::new();
    for (day, prompt) in &call.special_prompts {
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

//! Who plays a prompt, so that none is taken away from under a rule.

use std::path::Path;

use crate::core::snapshot::{Channel, Expected, Rule, Snapshot};

/// What in `snapshot` plays the prompt `name` or reads its file, in words: `channel "office",
/// after_hours`. Empty where it is in nobody's way.
pub fn uses(snapshot: &Snapshot, name: &str) -> Vec<String> {
    let file = snapshot.prompt_files.directory.join(format!("{name}.wav"));
    let mut uses = playing(snapshot, name);
    for (other, path) in &snapshot.prompt_files.named {
        if path == &file && **other != *name {
            uses.push(format!("[[prompt]] \"{other}\", which has the same file"));
        }
    }
    let is_shipped = super::SHIPPED.iter().any(|(shipped, _)| *shipped == name);
    if uses.is_empty() && !is_shipped && is_named(snapshot, name, &file) {
        uses.push(format!("[[prompt]] \"{name}\""));
    }
    uses
}

fn is_named(snapshot: &Snapshot, name: &str, file: &Path) -> bool {
    let named = snapshot.prompt_files.named.get(name);
    named.is_some_and(|path| path == file)
}

fn playing(snapshot: &Snapshot, name: &str) -> Vec<String> {
    let mut playing = Vec::new();
    for channel in &snapshot.channels {
        playing.extend(of_channel(channel, name));
    }
    for schedule in &snapshot.schedules {
        for day in schedule.special_days() {
            if day.prompt.as_deref() == Some(name) {
                let day = day.name.as_deref().unwrap_or("one known by its date");
                playing.push(format!(
                    "schedule \"{}\", special day \"{day}\"",
                    schedule.name
                ));
            }
        }
    }
    for expectation in &snapshot.expectations {
        if matches!(&expectation.outcome, Expected::Voicemail(prompt) if &**prompt == name) {
            playing.push(format!("the expectation in {}", expectation.place));
        }
    }
    playing
}

fn of_channel(channel: &Channel, name: &str) -> Vec<String> {
    let mut uses = Vec::new();
    let rules = [
        ("working_hours", Some(&channel.working_hours)),
        ("break", channel.break_.as_ref()),
        ("after_hours", channel.after_hours.as_ref()),
    ];
    for (time, rule) in rules {
        if rule.is_some_and(|rule| plays(rule, name)) {
            uses.push(format!("channel \"{}\", {time}", channel.name));
        }
    }
    for (day, played) in channel.call().iter().flat_map(|call| &call.special_prompts) {
        if &**played == name {
            uses.push(format!("channel \"{}\", on \"{day}\"", channel.name));
        }
    }
    uses
}

fn plays(rule: &Rule, name: &str) -> bool {
    rule.voicemail().is_some_and(|played| &**played == name)
}

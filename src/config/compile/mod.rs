//! Tree to snapshot: names are resolved; addresses, numbers, prompts, seats and access are checked.

mod absence;
mod channels;
mod chat;
mod email;
mod form;
mod http;
mod names;
mod people;
mod programs;
mod prompts;
mod rules;
mod schedules;
mod settings;
mod text;
mod trunks;
mod uri;

use std::sync::Arc;

pub(super) use names::Unread;
pub use prompts::{PromptFile, SHIPPED_PROMPTS, directory as prompt_directory};
pub use settings::store as store_settings;

use super::diagnostic::Findings;
use super::files::Files;
use super::tree::Tree;
use crate::core::prompt::PromptAudio;
use crate::core::snapshot::Snapshot;
use crate::core::time::Wall;
use names::Names;
use prompts::Prompts;
use schedules::Zones;

/// What compiling needs beside the tree.
pub(super) struct Surroundings<'a> {
    pub version: u64,
    pub at: Wall,
    pub files: &'a Files,
    pub unread: &'a Unread<'a>,
    pub load_prompt: &'a dyn Fn(PromptFile<'_>) -> Result<PromptAudio, String>,
}

/// The names of everything that is referred to.
struct Directory<'a> {
    unread: &'a Unread<'a>,
    trunks: Names<'a>,
    users: Names<'a>,
    teams: Names<'a>,
    inboxes: Names<'a>,
    schedules: Names<'a>,
    special_days: Names<'a>,
    channels: Names<'a>,
    customer_agents: Names<'a>,
}

/// Makes a snapshot without its expectations. It may be used only if nothing was found to be wrong.
pub(super) fn compile(
    tree: &Tree,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Snapshot {
    let directory = Directory::new(tree, surroundings.unread, findings);
    let mut prompts = Prompts::new(tree, surroundings, findings);
    let settings = settings::compile(tree, surroundings.files, findings);
    let trunks = trunks::compile(tree, surroundings.files, findings);
    let files = surroundings.files;
    let mut zones = Zones::default();
    let people = people::compile(tree, &directory, files, &mut zones, findings);
    let schedules = schedules::compile(tree, &directory, &mut prompts, &mut zones, findings);
    let channels = channels::compile(tree, &directory, files, &mut prompts, findings);
    http::check_needed(tree, surroundings.unread.is_any(), findings);
    check_expectations(tree, &directory, &mut prompts, findings);
    let (prompts, prompt_files) = prompts.into_loaded();
    Snapshot {
        version: surroundings.version,
        loaded_at: surroundings.at,
        settings,
        trunks: trunks.into(),
        users: people.users.into(),
        teams: people.teams.into(),
        inboxes: people.inboxes.into(),
        schedules: schedules.into_iter().map(Arc::new).collect(),
        channels: channels.channels.into(),
        customer_agents: programs::agents(tree, files, findings).into(),
        tokens: programs::tokens(tree, &directory, findings),
        webhooks: programs::webhooks(tree, &directory, files, findings),
        expectations: Vec::new(),
        prompts,
        prompt_files,
        numbers: channels.numbers,
    }
}

/// What expectations name must exist; whether they are met is for later.
fn check_expectations(
    tree: &Tree,
    directory: &Directory<'_>,
    prompts: &mut Prompts<'_>,
    findings: &mut Findings,
) {
    for entry in &tree.expectations {
        directory
            .channels
            .check(&entry.channel, directory.unread, findings);
        let users = entry.rings.iter().chain(&entry.assigned).flatten();
        for user in users {
            directory.users.check(user, directory.unread, findings);
        }
        if let Some(prompt) = &entry.voicemail {
            prompts.resolve(prompt, findings);
        }
    }
}

impl<'a> Directory<'a> {
    fn new(tree: &'a Tree, unread: &'a Unread<'a>, findings: &mut Findings) -> Directory<'a> {
        let mut names = |kind, written: Vec<&'a super::section::Placed<String>>| {
            Names::new(kind, written, findings)
        };
        names("token", tree.tokens.iter().map(|it| &it.name).collect());
        names("webhook", tree.webhooks.iter().map(|it| &it.name).collect());
        Directory {
            unread,
            trunks: names("trunk", tree.trunks.iter().map(|it| &it.name).collect()),
            users: names("user", tree.users.iter().map(|it| &it.name).collect()),
            teams: names("team", tree.teams.iter().map(|it| &it.name).collect()),
            inboxes: names("inbox", tree.inboxes.iter().map(|it| &it.name).collect()),
            schedules: names(
                "schedule",
                tree.schedules.iter().map(|it| &it.name).collect(),
            ),
            special_days: names(
                "list of special days",
                tree.special_days.iter().map(|it| &it.name).collect(),
            ),
            channels: names(
                "channel",
                tree.channels
                    .iter()
                    .map(|it| &it.name)
                    .chain(&tree.refused_channels)
                    .collect(),
            ),
            customer_agents: names(
                "customer agent",
                tree.customer_agents.iter().map(|it| &it.name).collect(),
            ),
        }
    }
}

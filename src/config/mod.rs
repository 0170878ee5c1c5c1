//! The configuration: a directory of TOML files, read as one and turned into a [`Snapshot`].
//!
//! Parse (every value, with its place) → compile (names, addresses, numbers, prompts, seats and
//! access are checked) → expectations (held against routing). What is wrong anywhere is reported
//! at once, and nothing is used of a configuration in which something is wrong.

mod compile;
mod diagnostic;
pub mod edit;
mod expectations;
mod files;
pub mod moment;
mod parse;
pub mod schema;
mod section;
mod source;
pub mod special_days;
#[cfg(test)]
mod tests;
mod tree;
pub mod zone;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use compile::{PromptFile, SHIPPED_PROMPTS};
pub use diagnostic::{Diagnostic, Diagnostics, Place, suggestion};

use crate::core::name::UserName;
use crate::core::prompt::PromptAudio;
use crate::core::snapshot::{Snapshot, StoreSettings};
use crate::core::time::Wall;
use compile::{Surroundings, Unread};
use diagnostic::Findings;
use files::Files;
use source::Source;
use tree::{Text, Tree, UserEntry};

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub snapshot: Snapshot,
    /// What an admin should know about it, sorted by file and line.
    pub warnings: Vec<Diagnostic>,
    /// The file of each user's phone password, whether it is there yet or not.
    pub password_files: BTreeMap<UserName, PathBuf>,
    /// The file of each user's password for signing in, whether it is there yet or not.
    pub sign_in_files: BTreeMap<UserName, PathBuf>,
}

/// Reads the configuration in `dir` as snapshot number `version`, loaded at `at`. `load_prompt`
/// decodes an audio file, or says what is wrong with it in words that follow the file's name.
///
/// # Errors
/// Everything that is wrong, with its place.
pub fn load(
    dir: &Path,
    version: u64,
    at: Wall,
    load_prompt: &dyn Fn(PromptFile<'_>) -> Result<PromptAudio, String>,
) -> Result<Loaded, Diagnostics> {
    let mut findings = Findings::default();
    let sources = source::read_directory(dir, &mut findings);
    assemble(&sources, dir, version, at, load_prompt, findings)
}

/// The directory of prompts that the configuration in `dir` names, whatever else is wrong with it: a
/// prompt that is missing can be put there only if that is known.
///
/// # Errors
/// There is no configuration, or a file of it is not TOML.
pub fn prompt_directory(dir: &Path) -> Result<PathBuf, Diagnostics> {
    let mut findings = Findings::default();
    let sources = source::read_directory(dir, &mut findings);
    let (tree, broken) = parse::parse(&sources, &mut findings);
    if sources.is_empty() || !broken.is_empty() {
        findings.into_result()?;
    }
    Ok(compile::prompt_directory(&tree, &Files::new(dir)))
}

/// Where the configuration in `dir` keeps what has happened, whatever else is wrong with it: what was
/// decided can be looked up also while a mistake is being looked for.
///
/// # Errors
/// There is no configuration, or a file of it is not TOML, or `[store]` itself is wrong.
pub fn store_settings(dir: &Path) -> Result<StoreSettings, Diagnostics> {
    let mut findings = Findings::default();
    let sources = source::read_directory(dir, &mut findings);
    let (tree, broken) = parse::parse(&sources, &mut findings);
    if sources.is_empty() || !broken.is_empty() {
        findings.into_result()?;
    }
    let mut findings = Findings::default();
    let store = compile::store_settings(&tree, &Files::new(dir), &mut findings);
    findings.into_result().map(|_| store)
}

fn assemble(
    sources: &[Source],
    dir: &Path,
    version: u64,
    at: Wall,
    load_prompt: &dyn Fn(PromptFile<'_>) -> Result<PromptAudio, String>,
    mut findings: Findings,
) -> Result<Loaded, Diagnostics> {
    let (mut tree, broken) = parse::parse(sources, &mut findings);
    parse::add_shipped_special_days(&mut tree, &mut findings);
    let unread = Unread { sources: broken };
    let surroundings = Surroundings {
        version,
        at,
        files: &Files::new(dir),
        unread: &unread,
        load_prompt,
    };
    let mut snapshot = compile::compile(&tree, &surroundings, &mut findings);
    if findings.is_usable() {
        snapshot.expectations = expectations::check(&tree, &snapshot, &mut findings);
    }
    let warnings = findings.into_result()?;
    Ok(Loaded {
        snapshot,
        warnings,
        password_files: files_of(&tree, surroundings.files, |user| &user.sip_password_file),
        sign_in_files: files_of(&tree, surroundings.files, |user| &user.password_file),
    })
}

fn files_of(
    tree: &Tree,
    files: &Files,
    file: impl Fn(&UserEntry) -> &Option<Text>,
) -> BTreeMap<UserName, PathBuf> {
    let users = tree.users.iter().filter_map(|user| {
        let file = file(user).as_ref()?;
        let name = UserName::from(user.name.value.as_str());
        Some((name, files.path(&file.value)))
    });
    users.collect()
}

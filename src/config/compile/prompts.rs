//! Prompts: those of `[[prompt]]`, those that are files of the prompt directory by name alone, and
//! those that come with the program.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Surroundings;
use super::names::{Names, Unread, check_prompt_name};
use crate::config::diagnostic::{Findings, suggestion};
use crate::config::files::{Files, beside};
use crate::config::section::Placed;
use crate::config::tree::Tree;
use crate::core::name::PromptName;
use crate::core::prompt::{Audio, PromptAudio, PromptFiles};

/// The prompts that come with the program: one for each rule that has none of its own, music for
/// whoever is held, and the question to an external number.
pub const SHIPPED_PROMPTS: [&str; 5] = ["working_hours", "break", "after_hours", "hold", "accept"];

/// Where the directory of prompts is where nothing is said.
const DEFAULT_DIR: &str = "../prompts";

/// More files than this in the directory of prompts are not looked at for suggestions.
const MAX_SUGGESTED_FILES: usize = 1000;

/// A prompt to be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptFile<'a> {
    /// An audio file.
    At(&'a Path),
    /// One of those that come with the program, by name.
    Shipped(&'a str),
}

/// The directory of prompts.
pub fn directory(tree: &Tree, files: &Files) -> PathBuf {
    let written = tree.prompts_dir.as_ref();
    files.path(written.map_or(DEFAULT_DIR, |dir| &dir.value))
}

/// The prompts found so far.
pub(super) struct Prompts<'a> {
    dir: PathBuf,
    load: &'a dyn Fn(PromptFile<'_>) -> Result<PromptAudio, String>,
    unread: &'a Unread<'a>,
    found: HashMap<String, Found>,
}

/// What became of looking for a prompt.
enum Found {
    Loaded(Audio, Option<PathBuf>),
    /// It is there and cannot be used, which has been said once.
    Broken,
    /// It is not there, which is said at each place that names it.
    Missing,
}

impl<'a> Prompts<'a> {
    /// Loads the prompts of `[[prompt]]` and those that come with the program.
    pub fn new(
        tree: &Tree,
        surroundings: &Surroundings<'a>,
        findings: &mut Findings,
    ) -> Prompts<'a> {
        let written = tree.prompts_dir.as_ref();
        let dir = directory(tree, surroundings.files);
        if let Some(written) = written.filter(|_| !dir.is_dir()) {
            let message = format!(
                "there is no directory {}. Make it, or correct `dir`.",
                dir.display()
            );
            findings.error(&written.place, message);
        }
        Names::new(
            "prompt",
            tree.prompts.iter().map(|it| &it.name).collect(),
            findings,
        );
        let mut prompts = Prompts {
            dir,
            load: surroundings.load_prompt,
            unread: surroundings.unread,
            found: HashMap::new(),
        };
        for entry in &tree.prompts {
            let default = entry.name.with(format!("{}.wav", entry.name.value));
            let file = entry.file.as_ref().unwrap_or(&default);
            let path = beside(&prompts.dir, &file.value);
            let found = prompts.load(&entry.name.value, &path, file, findings);
            prompts
                .found
                .entry(entry.name.value.clone())
                .or_insert(found);
        }
        for name in SHIPPED_PROMPTS {
            prompts.find_shipped(name, findings);
        }
        prompts
    }

    /// The prompt that `reference` names, which must exist.
    pub fn resolve(&mut self, reference: &Placed<String>, findings: &mut Findings) -> PromptName {
        let name = reference.value.as_str();
        let path = self.file_of(name);
        if !self.found.contains_key(name) {
            let found = if path.is_file() {
                check_prompt_name(reference, findings);
                self.load(name, &path, reference, findings)
            } else {
                Found::Missing
            };
            self.found.insert(name.to_owned(), found);
        }
        let is_missing = matches!(self.found.get(name), Some(Found::Missing));
        if is_missing && !self.unread.may_define(name) {
            self.report_missing(reference, &path, findings);
        }
        PromptName::from(name)
    }

    /// What was loaded, and the files it was loaded from.
    pub fn into_loaded(self) -> (HashMap<PromptName, Audio>, PromptFiles) {
        let mut prompts = HashMap::with_capacity(self.found.len());
        let mut files = BTreeMap::new();
        for (name, found) in self.found {
            let Found::Loaded(audio, file) = found else {
                continue;
            };
            let name = PromptName::from(name);
            files.extend(file.map(|file| (name.clone(), file)));
            prompts.insert(name, audio);
        }
        let files = PromptFiles {
            directory: self.dir,
            named: files,
        };
        (prompts, files)
    }

    fn file_of(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.wav"))
    }

    fn load(
        &self,
        name: &str,
        path: &Path,
        reference: &Placed<String>,
        findings: &mut Findings,
    ) -> Found {
        match (self.load)(PromptFile::At(path)) {
            Ok(audio) => Found::Loaded(Arc::new(audio), Some(path.to_owned())),
            Err(problem) => {
                let message = format!("prompt \"{name}\": {} {problem}.", path.display());
                findings.error(&reference.place, message);
                Found::Broken
            }
        }
    }

    /// A file of the directory takes the place of a prompt that comes with the program.
    fn find_shipped(&mut self, name: &'static str, findings: &mut Findings) {
        if self.found.contains_key(name) {
            return;
        }
        let path = self.file_of(name);
        let path = path.is_file().then_some(path);
        let source = path
            .as_deref()
            .map_or(PromptFile::Shipped(name), PromptFile::At);
        let loaded = (self.load)(source);
        let found = match loaded {
            Ok(audio) => Found::Loaded(Arc::new(audio), path),
            Err(problem) => {
                let file = path.map(|path| format!(": {}", path.display()));
                let file = file.unwrap_or_default();
                findings.error_nowhere(format!("prompt \"{name}\"{file} {problem}."));
                Found::Broken
            }
        };
        self.found.insert(name.to_owned(), found);
    }

    fn report_missing(&self, reference: &Placed<String>, path: &Path, findings: &mut Findings) {
        let name = reference.value.as_str();
        let names = self.names();
        let meant = suggestion(name, names.iter().map(String::as_str));
        let make = match meant.starts_with(" Did") {
            true => String::new(),
            false => format!(" Make it: `ringdesk prompts add RECORDING --name {name}`."),
        };
        let message = format!(
            "there is no prompt \"{name}\": no [[prompt]] of that name, and no file {}.{meant}{make}",
            path.display(),
        );
        findings.error(&reference.place, message);
    }

    /// Every name that a rule could use.
    fn names(&self) -> BTreeSet<String> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        files
            .take(MAX_SUGGESTED_FILES)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
            .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
            .chain(
                self.found
                    .iter()
                    .filter(|(_, found)| matches!(found, Found::Loaded(..)))
                    .map(|(name, _)| name.clone()),
            )
            .collect()
    }
}

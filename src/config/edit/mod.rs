//! Rules read and changed in the files of the configuration, in place: what is not asked for stays as
//! it is written, comments, order and white space included.
//!
//! A change is checked as the whole configuration would be with it, before anything is written; it is
//! refused with everything that is wrong, and where somebody has changed the file in the meantime.

mod file;
mod place;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml::{Table, Value};
use utoipa::ToSchema;

pub use rule::{RuleText, StepText};

use super::diagnostic::{Diagnostic, Diagnostics, Findings, suggestion};
use super::source::{self, Source};
use super::{PromptFile, assemble};
use crate::core::hex::hex;
use crate::core::prompt::PromptAudio;
use crate::core::snapshot::{Kind, RuleName};
use crate::core::time::Wall;

/// One change at a time: two would each write the file without the other's.
static WRITING: Mutex<()> = Mutex::new(());

/// The rules of a channel as they are written.
///
/// ```json
/// {"channel": "support", "kind": "email", "file": "channels.toml", "version": "5f1d…",
///  "rules": {"assign": {"teams": ["support"]}, "after_hours": {"to": "nobody", "reply": "We open at 8."}}}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelRules {
    /// The channel.
    pub channel: String,
    /// Its kind: `call`, `email`, `form`, `chat`.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// The file that it stands in, without the directory.
    pub file: String,
    /// The state of that file, to be handed in with a change.
    pub version: String,
    /// The rules that are written, by name: `working_hours` (calls) or `assign`, `break`, `after_hours`.
    #[schema(value_type = BTreeMap<String, RuleText>)]
    pub rules: BTreeMap<RuleName, RuleText>,
}

/// A rule as it shall be.
///
/// ```json
/// {"version": "5f1d…", "rule": {"teams": ["support"], "strategy": "round-robin"}}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleChange {
    /// What was read with the rule; a file that has changed since is a conflict. Absent: whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The whole rule; `null`: none of its own.
    pub rule: Option<RuleText>,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The file, without the directory.
    pub file: String,
    /// The state of that file now.
    pub version: String,
    /// False where the rule was written so already: then no file was touched.
    pub is_changed: bool,
    /// What an admin should know about the configuration as it is now.
    pub warnings: Vec<Diagnostic>,
}

/// Why a rule cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no such channel.
    #[error("there is no channel \"{name}\".{suggestion}")]
    NoChannel {
        /// The name asked for.
        name: String,
        /// ` Did you mean "main-line"?`
        suggestion: String,
    },
    /// Channels of this kind do not have that rule.
    #[error("{} {kind} channel has no `{rule}`: its rules are {rules}", article(*kind))]
    NoSuchRule {
        /// The channel's kind.
        kind: Kind,
        /// The rule asked for.
        rule: &'static str,
        /// Those it can have.
        rules: &'static str,
    },
    /// The file has changed since it was read.
    #[error("{file} has changed since the rule was read. Read it again, and repeat the change")]
    Conflict {
        /// The file, without the directory.
        file: String,
    },
    /// The configuration would be wrong with the change, or is without it: everything that is wrong.
    #[error("{0}")]
    Refused(Diagnostics),
    /// The rule stands there in a form that is not understood well enough to change it.
    #[error("{file}: {why}. Change it there by hand, as [channel.{rule}]")]
    Unusual {
        /// The file, without the directory.
        file: String,
        /// The rule.
        rule: &'static str,
        /// What is unusual.
        why: String,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {error}. The daemon needs to write the file and its directory, and to keep the file's owner", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What checking a change needs beside the files.
#[derive(Clone, Copy)]
pub struct Checking<'a> {
    /// When it is.
    pub at: Wall,
    /// Decodes an audio file, or says what is wrong with it.
    pub load_prompt: &'a dyn Fn(PromptFile<'_>) -> Result<PromptAudio, String>,
}

/// The rules of a channel of the configuration in `dir`, as they are written.
///
/// # Errors
/// There is no such channel, or the configuration cannot be read.
pub fn rules(dir: &Path, channel: &str) -> Result<ChannelRules, EditError> {
    let sources = read(dir)?;
    Found::find(&sources, channel)?.rules()
}

/// Changes one rule of a channel of the configuration in `dir`: writes it into the file that the
/// channel stands in. The running configuration is as it was; a reload brings the change into force.
///
/// # Errors
/// Nothing is written then: there is no such channel or rule, the file has changed since it was read,
/// or the configuration would be wrong.
pub fn change(
    dir: &Path,
    channel: &str,
    rule: RuleName,
    change: &RuleChange,
    checking: Checking<'_>,
) -> Result<Changed, EditError> {
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sources = read(dir)?;
    let found = Found::find(&sources, channel)?;
    found.check_rule(rule)?;
    let file = found.source.name.to_string();
    if change
        .version
        .as_ref()
        .is_some_and(|it| *it != version(&found.source.text))
    {
        return Err(EditError::Conflict { file });
    }
    let text = found.changed(rule, change.rule.as_ref())?;
    let place = found.place;
    let old = replace_source(&mut sources, place, &text);
    let findings = Findings::default();
    let at = checking.at;
    let loaded = assemble(&sources, dir, 0, at, checking.load_prompt, findings)
        .map_err(EditError::Refused)?;
    let is_changed = text != old;
    if is_changed {
        write(&dir.join(&file), &file, &old, &text)?;
    }
    Ok(Changed {
        file,
        version: version(&text),
        is_changed,
        warnings: loaded.warnings,
    })
}

/// Writes the file, if it still holds what was read.
fn write(path: &Path, file: &str, old: &str, new: &str) -> Result<(), EditError> {
    let unwritable = |error| EditError::Unwritable {
        path: path.to_owned(),
        error,
    };
    let present = fs::read(path).map_err(unwritable)?;
    if present != old.as_bytes() {
        return Err(EditError::Conflict {
            file: file.to_owned(),
        });
    }
    file::replace(path, new).map_err(unwritable)
}

fn read(dir: &Path) -> Result<Vec<Source>, EditError> {
    let mut findings = Findings::default();
    let sources = source::read_directory(dir, &mut findings);
    match findings.into_result() {
        Ok(_) => Ok(sources),
        Err(diagnostics) => Err(EditError::Refused(diagnostics)),
    }
}

fn replace_source(sources: &mut [Source], place: usize, text: &str) -> String {
    let Some(source) = sources.get_mut(place) else {
        return String::new();
    };
    let new = Source::new(&source.name, text.to_owned());
    std::mem::replace(source, new).text
}

/// The state of a file, in a few characters.
fn version(text: &str) -> String {
    hex(Sha256::digest(text).get(..16).unwrap_or_default())
}

/// A channel where it stands.
struct Found<'a> {
    source: &'a Source,
    /// Which of the sources.
    place: usize,
    /// All of that file.
    table: Table,
    /// Which of the file's channels.
    index: usize,
    kind: Kind,
}

impl<'a> Found<'a> {
    fn find(sources: &'a [Source], name: &str) -> Result<Found<'a>, EditError> {
        let mut names: Vec<String> = Vec::new();
        for (place, source) in sources.iter().enumerate() {
            let table = parse(source)?;
            let channels = table.get("channel").and_then(Value::as_array);
            let written = channels.into_iter().flatten();
            let written: Vec<&str> = written.map(|channel| text_of(channel, "name")).collect();
            if let Some(index) = written.iter().position(|written| *written == name) {
                let channel = channels.and_then(|channels| channels.get(index));
                let kind = channel.map_or("", |channel| text_of(channel, "kind"));
                let kind = Kind::ALL.into_iter().find(|it| it.as_str() == kind);
                return Ok(Found {
                    source,
                    place,
                    index,
                    kind: kind.unwrap_or(Kind::Call),
                    table,
                });
            }
            names.extend(written.into_iter().map(str::to_owned));
        }
        Err(EditError::NoChannel {
            name: name.to_owned(),
            suggestion: suggestion(name, names.iter().map(String::as_str)),
        })
    }

    fn check_rule(&self, rule: RuleName) -> Result<(), EditError> {
        let (other, rules) = match self.kind {
            Kind::Call => (RuleName::Assign, "working_hours, break, after_hours"),
            Kind::Email | Kind::Form | Kind::Chat => {
                (RuleName::WorkingHours, "assign, break, after_hours")
            }
        };
        if rule == other {
            return Err(EditError::NoSuchRule {
                kind: self.kind,
                rule: key(rule),
                rules,
            });
        }
        Ok(())
    }

    fn channel(&self) -> Option<&Table> {
        let channels = self.table.get("channel")?.as_array()?;
        channels.get(self.index)?.as_table()
    }

    fn rules(&self) -> Result<ChannelRules, EditError> {
        let names = [
            RuleName::WorkingHours,
            RuleName::Assign,
            RuleName::Break,
            RuleName::AfterHours,
        ];
        let mut rules = BTreeMap::new();
        for name in names {
            if let Some(rule) = self.rule(name)? {
                rules.insert(name, rule);
            }
        }
        let channel = self.channel().and_then(|channel| channel.get("name"));
        Ok(ChannelRules {
            channel: channel
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            kind: self.kind,
            file: self.source.name.to_string(),
            version: version(&self.source.text),
            rules,
        })
    }

    fn rule(&self, name: RuleName) -> Result<Option<RuleText>, EditError> {
        let Some(rule) = self.channel().and_then(|channel| channel.get(key(name))) else {
            return Ok(None);
        };
        let read = rule.clone().try_into();
        read.map(Some)
            .map_err(|error: toml::de::Error| self.unusual(name, error.message().to_owned()))
    }

    /// The file's text with another rule in it, which is then read as asked, and everything else as before.
    fn changed(&self, name: RuleName, new: Option<&RuleText>) -> Result<String, EditError> {
        let old = self.rule(name)?;
        let text = &self.source.text;
        if old.as_ref() == new {
            return Ok(text.clone());
        }
        let text = place::change(text, self.index, key(name), old.as_ref(), new)
            .map_err(|why| self.unusual(name, why))?;
        if self.is_as_asked(&text, name, new) {
            Ok(text)
        } else {
            Err(self.unusual(name, place::UNUSUAL.to_owned()))
        }
    }

    fn is_as_asked(&self, text: &str, name: RuleName, new: Option<&RuleText>) -> bool {
        let Ok(written) = text.parse::<Table>() else {
            return false;
        };
        let mut expected = self.table.clone();
        let channels = expected.get_mut("channel").and_then(Value::as_array_mut);
        let channel = channels.and_then(|channels| channels.get_mut(self.index));
        let Some(channel) = channel.and_then(Value::as_table_mut) else {
            return false;
        };
        match new.map(Value::try_from) {
            Some(Ok(rule)) => {
                channel.insert(key(name).to_owned(), rule);
            }
            Some(Err(_)) => return false,
            None => {
                channel.remove(key(name));
            }
        }
        written == expected
    }

    fn unusual(&self, rule: RuleName, why: String) -> EditError {
        EditError::Unusual {
            file: self.source.name.to_string(),
            rule: key(rule),
            why,
        }
    }
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Email => "an",
        Kind::Call | Kind::Form | Kind::Chat => "a",
    }
}

fn parse(source: &Source) -> Result<Table, EditError> {
    source.text.parse().map_err(|error: toml::de::Error| {
        let octet = error.span().map_or(0, |span| span.start);
        EditError::Refused(Diagnostics {
            errors: vec![Diagnostic {
                place: Some(source.place(octet)),
                message: format!("is not TOML: {}.", error.message()),
            }],
            warnings: Vec::new(),
        })
    })
}

fn text_of<'a>(channel: &'a Value, key: &str) -> &'a str {
    channel.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// As it is written.
fn key(rule: RuleName) -> &'static str {
    match rule {
        RuleName::WorkingHours => "working_hours",
        RuleName::Assign => "assign",
        RuleName::Break => "break",
        RuleName::AfterHours => "after_hours",
    }
}

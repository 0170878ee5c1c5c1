//! Names of one kind: each stands for one thing, and a reference names one that exists.

use std::collections::BTreeMap;

use crate::config::diagnostic::{Findings, Place, nearest, suggestion};
use crate::config::section::Placed;
use crate::config::source::Source;

/// The longest name, in characters: it stands in traces and on the displays of phones.
const MAX_NAME_CHARACTERS: usize = 64;

/// The files that are broken somewhere: what they name cannot be called missing.
#[derive(Debug, Default)]
pub(in crate::config) struct Unread<'a> {
    /// They.
    pub sources: Vec<&'a Source>,
}

impl Unread<'_> {
    /// True when a broken file may define `name`.
    pub fn may_define(&self, name: &str) -> bool {
        self.sources
            .iter()
            .any(|source| !source.is_whole || source.text.contains(name))
    }

    /// True when some file is broken, so that conclusions over several things are not to be drawn.
    pub fn is_any(&self) -> bool {
        !self.sources.is_empty()
    }
}

/// All names of one kind.
pub(super) struct Names<'a> {
    kind: &'static str,
    places: BTreeMap<&'a str, &'a Place>,
}

impl<'a> Names<'a> {
    /// Takes the names where they are given; two of the same are a finding.
    pub fn new(
        kind: &'static str,
        written: Vec<&'a Placed<String>>,
        findings: &mut Findings,
    ) -> Names<'a> {
        let mut places: BTreeMap<&str, &Place> = BTreeMap::new();
        for name in written {
            check_spelling(kind, name, findings);
            if let Some(first) = places.get(name.value.as_str()) {
                let message = format!(
                    "there is a {kind} \"{}\" in {first} already. Give this one another name.",
                    name.value
                );
                findings.error(&name.place, message);
            } else {
                places.insert(&name.value, &name.place);
            }
        }
        Names { kind, places }
    }

    /// True when there is one of that name; otherwise a finding.
    pub fn check(
        &self,
        reference: &Placed<String>,
        unread: &Unread<'_>,
        findings: &mut Findings,
    ) -> bool {
        let name = reference.value.as_str();
        if self.places.contains_key(name) {
            return true;
        }
        if !unread.may_define(name) {
            let message = format!(
                "there is no {} \"{name}\".{}",
                self.kind,
                suggestion(name, self.places.keys().copied())
            );
            findings.error(&reference.place, message);
        }
        false
    }

    /// The one that `written` names, or was probably meant to.
    pub fn meant<'b>(&'b self, written: &'b str) -> &'b str {
        if self.places.contains_key(written) {
            written
        } else {
            nearest(written, self.places.keys().copied()).unwrap_or(written)
        }
    }

    /// Where the one of that name is given.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.places.get(name).copied()
    }
}

/// Names of users and trunks are typed into phones, and names of prompts are names of files, so
/// these take fewer characters than the names that only people read.
fn check_spelling(kind: &'static str, name: &Placed<String>, findings: &mut Findings) {
    let plain = matches!(kind, "user" | "trunk" | "prompt");
    let fits = if plain {
        name.value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && !name.value.starts_with('.')
    } else {
        !name
            .value
            .chars()
            .any(|c| c.is_control() || matches!(c, '"' | '\\' | '/'))
            && name.value.trim() == name.value
    };
    let length = name.value.chars().count();
    if length == 0 || length > MAX_NAME_CHARACTERS {
        let message = format!(
            "the name of a {kind} has 1 to {MAX_NAME_CHARACTERS} characters; this has {length}."
        );
        findings.error(&name.place, message);
    } else if !fits {
        let allowed = if plain {
            "letters a to z, digits, `-`, `_` and `.`"
        } else {
            "no quotes, slashes, or spaces at its ends"
        };
        let message = format!(
            "\"{}\" cannot name a {kind}: use {allowed}.",
            name.value.escape_debug()
        );
        findings.error(&name.place, message);
    }
}

/// Checks the names of prompts, which may be given in a table or be files alone.
pub(super) fn check_prompt_name(name: &Placed<String>, findings: &mut Findings) {
    check_spelling("prompt", name, findings);
}

//! Headings that do not fit together. The parser calls all that follows a duplicate key; one heading is
//! wrong, and which one stands above.

use crate::config::diagnostic::Findings;
use crate::config::schema;
use crate::config::section::unknown_key;
use crate::config::source::Source;

/// `[channel.assign]` or `[[channel]]`, as it stands in a line.
struct Heading<'a> {
    octet: usize,
    /// All of it.
    text: &'a str,
    /// What stands before the first dot.
    first: &'a str,
    is_double: bool,
    is_whole_path: bool,
}

/// Says what is wrong with the headings of a file in which something stands twice. True where that
/// explains what stands twice.
pub(super) fn explain(source: &Source, findings: &mut Findings) -> bool {
    let headings = headings(&source.text);
    let mut is_explained = false;
    let unknown = |heading: &&Heading<'_>| schema::ROOT.key(heading.first).is_none();
    for heading in headings.iter().filter(unknown) {
        let place = source.place(heading.octet);
        findings.error(&place, unknown_key(heading.first, &schema::ROOT));
        is_explained = true;
    }
    if is_explained {
        // What should stand below it was read as a part of what is above.
        return true;
    }
    for (index, heading) in headings.iter().enumerate() {
        let mut earlier = headings.iter().take(index);
        let begins = !heading.is_double && earlier.all(|it| it.first != heading.first);
        let mut later = headings.iter().skip(index);
        let is_many = later.any(|it| it.first == heading.first && it.is_double);
        if begins && is_many {
            let place = source.place(heading.octet);
            findings.error(&place, sentence(heading));
            is_explained = true;
        }
    }
    is_explained
}

fn sentence(heading: &Heading<'_>) -> String {
    let (text, first) = (heading.text, heading.first);
    if heading.is_whole_path {
        format!(
            "{text} has single brackets, and [[{first}]] stands below it. Write [[{first}]] here too."
        )
    } else {
        format!(
            "{text} stands above the first [[{first}]] of this file. Is the heading above it missing, or misspelt?"
        )
    }
}

fn headings(text: &str) -> Vec<Heading<'_>> {
    let mut octet = 0usize;
    let mut headings = Vec::new();
    for line in text.split_inclusive('\n') {
        headings.extend(heading(line, octet));
        octet = octet.saturating_add(line.len());
    }
    headings
}

fn heading(line: &str, octet: usize) -> Option<Heading<'_>> {
    let trimmed = line.trim_start();
    let inner = trimmed.strip_prefix('[')?;
    let (inner, is_double) = match inner.strip_prefix('[') {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    let (path, _) = inner.split_once(']')?;
    let first = path.split('.').next().unwrap_or_default().trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if first.is_empty() || !first.chars().all(is_name) {
        return None;
    }
    let brackets = if is_double { 2 } else { 1 };
    let length = path.len().saturating_add(2 * brackets).min(trimmed.len());
    Some(Heading {
        octet: octet.saturating_add(line.len().saturating_sub(trimmed.len())),
        text: trimmed.get(..length).unwrap_or(trimmed).trim_end(),
        first,
        is_double: is_double && !path.contains('.'),
        is_whole_path: !path.contains('.'),
    })
}

//! Where a rule stands in the text of a file, and the text with another rule in its place. Only the
//! octets of what changes are touched; comments stay, those within a value that goes move above it.

use std::ops::Range;

use toml_edit::{ArrayOfTables, Document, InlineTable, Item, Key, Table, Value};

use super::rule::RuleText;

/// Why a rule cannot be changed where it stands.
pub(super) const UNUSUAL: &str =
    "the channel or its rule is written in a form that only a hand can change";

/// The text with the rule of the channel that stands `index`th in it changed from `old` to `new`;
/// `None` is no rule.
pub(super) fn change(
    text: &str,
    index: usize,
    rule: &str,
    old: Option<&RuleText>,
    new: Option<&RuleText>,
) -> Result<String, String> {
    let document = Document::parse(text).map_err(|error| error.message().to_owned())?;
    let mut edits = Edits::new(text);
    let channels = document.as_table().get("channel");
    let placed = match channels {
        Some(Item::ArrayOfTables(tables)) => tables
            .get(index)
            .and_then(|channel| edits.in_table(channel, rule, old, new)),
        Some(Item::Value(Value::Array(array))) => {
            let above = document.as_table().key("channel").and_then(Key::span);
            let channel = array.get(index).and_then(Value::as_inline_table);
            above
                .zip(channel)
                .and_then(|(above, channel)| edits.in_inline(channel, above.start, rule, new))
        }
        Some(Item::None | Item::Value(_) | Item::Table(_)) | None => None,
    };
    placed.ok_or_else(|| UNUSUAL.to_owned())?;
    Ok(edits.apply())
}

struct Edits<'a> {
    text: &'a str,
    newline: &'static str,
    /// What takes the place of what, not overlapping.
    replaced: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    fn new(text: &'a str) -> Edits<'a> {
        Edits {
            text,
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
            replaced: Vec::new(),
        }
    }

    fn apply(mut self) -> String {
        self.replaced
            .sort_by_key(|(range, _)| (range.start, range.end));
        let mut text = String::with_capacity(self.text.len());
        let mut at = 0;
        for (range, new) in &self.replaced {
            text.push_str(self.text.get(at..range.start).unwrap_or_default());
            text.push_str(new);
            at = at.max(range.end);
        }
        text.push_str(self.text.get(at..).unwrap_or_default());
        text
    }

    /// The rule of a channel that is a table of its own, `[[channel]]`.
    fn in_table(
        &mut self,
        channel: &Table,
        rule: &str,
        old: Option<&RuleText>,
        new: Option<&RuleText>,
    ) -> Option<()> {
        match (channel.get_key_value(rule), new) {
            (None, None) => {}
            (None, Some(new)) => self.add_table(channel, rule, new)?,
            (Some((key, Item::Value(value))), Some(new)) => {
                let value = value.span()?;
                self.keep_comments(self.line_start(key.span()?.start), &value);
                self.replaced.push((value, new.inline()));
            }
            (Some((key, Item::Value(value))), None) => {
                self.remove_statement(key.span()?, value.span()?);
            }
            (Some((_, Item::Table(table))), Some(new))
                if !table.is_implicit() || table.is_dotted() =>
            {
                let prefix = match table.is_dotted() {
                    true => format!("{rule}."),
                    false => String::new(),
                };
                self.change_keys(table, &prefix, old?, new)?;
            }
            (Some((_, item)), Some(new)) => {
                self.remove_item(item)?;
                self.add_table(channel, rule, new)?;
            }
            (Some((_, item)), None) => self.remove_item(item)?,
        }
        Some(())
    }

    /// The rule of a channel that is an inline table. Comments move to the line of `above`.
    fn in_inline(
        &mut self,
        channel: &InlineTable,
        above: usize,
        rule: &str,
        new: Option<&RuleText>,
    ) -> Option<()> {
        let written = channel.get(rule);
        if written
            .and_then(Value::as_inline_table)
            .is_some_and(InlineTable::is_dotted)
        {
            return None;
        }
        match (written, new) {
            (None, None) => {}
            (None, Some(new)) => {
                let last = channel.iter().filter_map(|(_, value)| value.span());
                let end = last.map(|span| span.end).max()?;
                let text = format!(", {rule} = {}", new.inline());
                self.replaced.push((end..end, text));
            }
            (Some(value), Some(new)) => {
                let value = value.span()?;
                self.keep_comments(self.line_start(above), &value);
                self.replaced.push((value, new.inline()));
            }
            (Some(value), None) => {
                let range = self.with_comma(channel.key(rule)?.span()?.start, value.span()?.end)?;
                self.keep_comments(self.line_start(above), &range);
                self.replaced.push((range, String::new()));
            }
        }
        Some(())
    }

    fn with_comma(&self, start: usize, end: usize) -> Option<Range<usize>> {
        let before = self.text.get(..start)?.trim_end();
        if let Some(before) = before.strip_suffix(',') {
            return Some(before.len()..end);
        }
        let after = self.text.get(end..)?;
        let rest = after.trim_start();
        let comma = rest.strip_prefix(',').map_or(0, |rest| {
            let rest = rest.trim_start();
            after.len().saturating_sub(rest.len())
        });
        Some(start..end.saturating_add(comma))
    }

    /// The keys of a rule that has lines of its own, each only where it differs.
    fn change_keys(
        &mut self,
        table: &Table,
        prefix: &str,
        old: &RuleText,
        new: &RuleText,
    ) -> Option<()> {
        let mut added = Vec::new();
        for ((key, old), (_, value)) in old.entries().into_iter().zip(new.entries()) {
            if old == value {
                continue;
            }
            let value = value.map(|value| new.statement(key, &value, self.newline));
            match (table.get_key_value(key), value) {
                (Some((key, Item::Value(written))), Some(value)) => {
                    let written = written.span()?;
                    self.keep_comments(self.line_start(key.span()?.start), &written);
                    self.replaced.push((written, value));
                }
                (Some((key, Item::Value(written))), None) => {
                    self.remove_statement(key.span()?, written.span()?);
                }
                (Some((_, item)), value) => {
                    self.remove_item(item)?;
                    added.extend(value.map(|value| (key, value)));
                }
                (None, value) => added.extend(value.map(|value| (key, value))),
            }
        }
        let statements = table.iter().filter_map(|(_, item)| item.as_value()?.span());
        let last = statements.max_by_key(|span| span.end);
        let last = last.or_else(|| table.span())?;
        let indent = self.indent(last.end);
        let lines = added
            .into_iter()
            .map(|(key, value)| format!("{indent}{prefix}{key} = {value}{}", self.newline))
            .collect();
        self.add_lines(self.line_end(last.end), lines);
        Some(())
    }

    /// A rule that the channel does not have yet: a table of its own after all that is the channel's.
    fn add_table(&mut self, channel: &Table, rule: &str, new: &RuleText) -> Option<()> {
        let newline = self.newline;
        let indent = self.indent(channel.span()?.start);
        let mut lines = format!("{newline}{indent}[channel.{rule}]{newline}");
        for (key, value) in new.entries() {
            if let Some(value) = value {
                let value = new.statement(key, &value, newline);
                lines.push_str(&format!("{indent}{key} = {value}{newline}"));
            }
        }
        let end = end_of_table(channel)?;
        self.add_lines(self.line_end(end), lines);
        Some(())
    }

    fn add_lines(&mut self, at: usize, lines: String) {
        if lines.is_empty() {
            return;
        }
        let before = self.text.get(..at).unwrap_or_default();
        let lines = match before.is_empty() || before.ends_with('\n') {
            true => lines,
            false => format!("{}{lines}", self.newline),
        };
        self.replaced.push((at..at, lines));
    }

    /// Takes out a table or a list of tables with its headers and statements; comments stay.
    fn remove_item(&mut self, item: &Item) -> Option<()> {
        match item {
            Item::None | Item::Value(_) => None,
            Item::Table(table) => self.remove_table(table),
            Item::ArrayOfTables(tables) => self.remove_tables(tables),
        }
    }

    fn remove_tables(&mut self, tables: &ArrayOfTables) -> Option<()> {
        tables.iter().try_for_each(|table| self.remove_table(table))
    }

    fn remove_table(&mut self, table: &Table) -> Option<()> {
        if !table.is_implicit() && !table.is_dotted() {
            let header = table.span()?;
            self.remove_statement(header.clone(), header);
        }
        for (name, item) in table.iter() {
            match item {
                Item::Value(value) => {
                    let key = table.key(name)?.span()?;
                    self.remove_statement(key, value.span()?);
                }
                Item::None | Item::Table(_) | Item::ArrayOfTables(_) => self.remove_item(item)?,
            }
        }
        Some(())
    }

    /// Takes out the lines of a statement; its comments become lines of their own.
    fn remove_statement(&mut self, key: Range<usize>, value: Range<usize>) {
        let start = self.line_start(key.start);
        let end = self.line_end(value.end);
        self.keep_comments(start, &(start..end));
        self.replaced.push((start..end, String::new()));
    }

    /// The comments within `range`, which goes, as lines at `at`.
    fn keep_comments(&mut self, at: usize, range: &Range<usize>) {
        let within = self.text.get(range.clone()).unwrap_or_default();
        let indent = self.indent(at);
        let lines: String = comments(within)
            .into_iter()
            .map(|comment| format!("{indent}{comment}{}", self.newline))
            .collect();
        if !lines.is_empty() {
            self.replaced.push((at..at, lines));
        }
    }

    fn line_start(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.rfind('\n').map_or(0, |end| end.saturating_add(1))
    }

    /// After the end of the line, its line end included.
    fn line_end(&self, at: usize) -> usize {
        let after = self.text.get(at..).unwrap_or_default();
        let length = after.find('\n').map(|end| end.saturating_add(1));
        at.saturating_add(length.unwrap_or(after.len()))
    }

    /// The white space that the line of `at` begins with.
    fn indent(&self, at: usize) -> &'a str {
        let line = self.text.get(self.line_start(at)..).unwrap_or_default();
        let length = line
            .len()
            .saturating_sub(line.trim_start_matches([' ', '\t']).len());
        line.get(..length).unwrap_or_default()
    }
}

fn end_of(item: &Item) -> Option<usize> {
    match item {
        Item::None => None,
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(table) => end_of_table(table),
        Item::ArrayOfTables(tables) => tables.iter().filter_map(end_of_table).max(),
    }
}

fn end_of_table(table: &Table) -> Option<usize> {
    let inside = table.iter().filter_map(|(_, item)| end_of(item)).max();
    inside.max(table.span().map(|span| span.end))
}

/// The comments of a text of TOML, without the white space around them. A `#` in a string begins none.
fn comments(text: &str) -> Vec<&str> {
    let mut comments = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match rest.chars().next() {
            Some('#') => {
                let end = rest.find('\n').unwrap_or(rest.len());
                comments.push(rest.get(..end).unwrap_or_default().trim_end());
                end
            }
            Some('"' | '\'') => string_length(rest),
            Some(other) => other.len_utf8(),
            None => break,
        };
        at = at.saturating_add(length);
    }
    comments
}

/// The length of the string that the text begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let quote = if text.starts_with('"') { "\"" } else { "'" };
    let escapes = quote == "\"";
    let triple = quote.repeat(3);
    let delimiter = if text.starts_with(&triple) {
        triple.as_str()
    } else {
        quote
    };
    let mut at = delimiter.len();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if escapes && rest.starts_with('\\') {
            let escaped = rest.chars().nth(1).map_or(0, char::len_utf8);
            at = at.saturating_add(1).saturating_add(escaped);
        } else if rest.starts_with(delimiter) {
            // Up to two quotes of the text may stand before the three that end it.
            let quotes = rest
                .len()
                .saturating_sub(rest.trim_start_matches(quote).len());
            let most = if delimiter.len() == 3 { 5 } else { 1 };
            return at.saturating_add(quotes.min(most));
        } else {
            at = at.saturating_add(rest.chars().next().map_or(1, char::len_utf8));
        }
    }
    text.len()
}

//! Reading one table: each value is taken by its key and its type, and what does not fit is a
//! finding with its place. A value that does not fit counts as absent, so that one run finds all.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Findings, Place, nearest, suggestion};
use super::schema::{Key, Table};
use super::source::Source;
use crate::core::snapshot::{Kind, PerKind};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub value: T,
    pub place: Place,
}

impl<T> Placed<T> {
    /// The same place with another value.
    pub fn with<U>(&self, value: U) -> Placed<U> {
        Placed {
            value,
            place: self.place.clone(),
        }
    }
}

/// A table that is being read.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    source: &'a Source,
    table: &'a DeTable<'a>,
    schema: &'static Table,
    octet: usize,
}

impl<'a> Section<'a> {
    /// The table at `octet` of `source`.
    pub fn new(
        source: &'a Source,
        table: &'a DeTable<'a>,
        schema: &'static Table,
        octet: usize,
    ) -> Section<'a> {
        Section {
            source,
            table,
            schema,
            octet,
        }
    }

    /// Keys that the table does not take are findings.
    pub fn check_keys(&self, findings: &mut Findings) {
        for key in self.table.keys() {
            if self.schema.key(key.get_ref()).is_none() {
                let place = self.source.place(key.span().start);
                findings.error(&place, unknown_key(key.get_ref(), self.schema));
            }
        }
    }

    /// The same table, with the keys of another kind.
    pub fn as_table(&self, schema: &'static Table) -> Section<'a> {
        Section { schema, ..*self }
    }

    /// Where the table begins.
    pub fn place(&self) -> Place {
        self.source.place(self.octet)
    }

    /// True when the key stands there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// What stands at a key, or at an unknown one by which it was probably meant: that one is a
    /// finding already, and what follows from it would hide the rest.
    fn find(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let table: &'a DeTable<'a> = self.table;
        table.get(key).or_else(|| {
            table
                .iter()
                .find(|(written, _)| {
                    let written = written.get_ref();
                    self.schema.key(written).is_none()
                        && !self.schema.is_later(written)
                        && self.schema.sibling_with(written).is_none()
                        && nearest(written, self.schema.names()) == Some(key)
                })
                .map(|(_, value)| value)
        })
    }

    /// A text.
    pub fn text(&self, key: &str, findings: &mut Findings) -> Option<Placed<String>> {
        let value = self.find(key)?;
        match self.text_of(value) {
            Some(text) => Some(text),
            None => self.refuse(key, value, "a text in quotes", findings),
        }
    }

    /// A text without which the table means nothing.
    pub fn required_text(&self, key: &str, findings: &mut Findings) -> Option<Placed<String>> {
        if !self.has(key) {
            let example = self.schema.key(key).map_or("", |key| key.example);
            findings.error(
                &self.place(),
                format!(
                    "{} needs `{key}`, as in {key} = {example}.",
                    self.schema.title()
                ),
            );
        }
        self.text(key, findings)
    }

    /// A list of texts.
    pub fn texts(&self, key: &str, findings: &mut Findings) -> Option<Vec<Placed<String>>> {
        let value = self.find(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            return self.refuse(key, value, "a list of texts", findings);
        };
        let mut texts = Vec::with_capacity(array.len());
        for element in array.iter() {
            match self.text_of(element) {
                Some(text) => texts.push(text),
                None => {
                    self.refuse::<()>(key, element, "a list of texts", findings);
                }
            }
        }
        Some(texts)
    }

    /// A whole number within bounds.
    pub fn whole(
        &self,
        key: &str,
        bounds: RangeInclusive<i64>,
        findings: &mut Findings,
    ) -> Option<Placed<i64>> {
        let value = self.find(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
            _ => None,
        };
        match number {
            Some(number) if bounds.contains(&number) => Some(Placed {
                value: number,
                place: self.source.place(value.span().start),
            }),
            _ => self.refuse(
                key,
                value,
                &format!("a whole number from {} to {}", bounds.start(), bounds.end()),
                findings,
            ),
        }
    }

    /// A whole number of seconds within bounds.
    pub fn seconds(
        &self,
        key: &str,
        bounds: RangeInclusive<i64>,
        findings: &mut Findings,
    ) -> Option<Duration> {
        let seconds = self.whole(key, bounds, findings)?.value;
        Some(Duration::from_secs(seconds.unsigned_abs()))
    }

    /// A whole number of minutes within bounds.
    pub fn minutes(
        &self,
        key: &str,
        bounds: RangeInclusive<i64>,
        findings: &mut Findings,
    ) -> Option<Placed<Duration>> {
        let minutes = self.whole(key, bounds, findings)?;
        let seconds = minutes.value.unsigned_abs().saturating_mul(60);
        Some(minutes.with(Duration::from_secs(seconds)))
    }

    /// True or false.
    pub fn truth(&self, key: &str, findings: &mut Findings) -> Option<Placed<bool>> {
        let value = self.find(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(Placed {
                value: *truth,
                place: self.source.place(value.span().start),
            }),
            _ => self.refuse(key, value, "true or false, without quotes", findings),
        }
    }

    /// A whole number for each of some kinds of channels.
    pub fn numbers_by_kind(
        &self,
        key: &str,
        kinds: &[Kind],
        bounds: RangeInclusive<i64>,
        findings: &mut Findings,
    ) -> PerKind<Option<u32>> {
        let mut numbers = PerKind::default();
        let expected = format!(
            "a whole number from {} to {} for each of its keys",
            bounds.start(),
            bounds.end()
        );
        let entries = self.entries(key, &expected, findings, |value| match value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .filter(|number| bounds.contains(number))
                .and_then(|number| u32::try_from(number).ok()),
            _ => None,
        });
        for (name, number) in entries {
            match kinds.iter().find(|kind| kind.as_str() == name.value) {
                Some(kind) => *numbers.of_mut(*kind) = Some(number),
                None => findings.error(&name.place, unknown_kind(key, &name.value, kinds)),
            }
        }
        numbers
    }

    /// One of several words.
    pub fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
        findings: &mut Findings,
    ) -> Option<Placed<T>> {
        let text = self.text(key, findings)?;
        chosen(&text, choices, findings, |words| {
            format!(
                "`{key}` cannot be \"{}\": it is one of {words}.",
                text.value
            )
        })
    }

    /// A list of some of several words.
    pub fn choices<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
        findings: &mut Findings,
    ) -> Option<Vec<Placed<T>>> {
        let texts = self.texts(key, findings)?;
        let chosen = texts.iter().filter_map(|text| {
            chosen(text, choices, findings, |words| {
                format!("`{key}` cannot hold \"{}\": there are {words}.", text.value)
            })
        });
        Some(chosen.collect())
    }

    /// A table within this one.
    pub fn section(
        &self,
        key: &str,
        schema: &'static Table,
        findings: &mut Findings,
    ) -> Option<Section<'a>> {
        let value = self.find(key)?;
        match value.get_ref() {
            DeValue::Table(table) => {
                let section = Section::new(self.source, table, schema, value.span().start);
                section.check_keys(findings);
                Some(section)
            }
            _ => self.refuse(key, value, "a table", findings),
        }
    }

    /// A list of tables within this one.
    pub fn sections(
        &self,
        key: &str,
        schema: &'static Table,
        findings: &mut Findings,
    ) -> Vec<Section<'a>> {
        let sections = self.unchecked_sections(key, schema, findings);
        for section in &sections {
            section.check_keys(findings);
        }
        sections
    }

    /// A list of tables whose keys are still to be checked.
    pub fn unchecked_sections(
        &self,
        key: &str,
        schema: &'static Table,
        findings: &mut Findings,
    ) -> Vec<Section<'a>> {
        let Some(value) = self.find(key) else {
            return Vec::new();
        };
        let array = match value.get_ref() {
            DeValue::Array(array) => array,
            DeValue::Table(table) => {
                self.refuse::<()>(key, value, "a list of tables", findings);
                let octet = value.span().start;
                return vec![Section::new(self.source, table, schema, octet)];
            }
            _ => {
                self.refuse::<()>(key, value, "a list of tables", findings);
                return Vec::new();
            }
        };
        let mut sections = Vec::with_capacity(array.len());
        for element in array.iter() {
            match element.get_ref() {
                DeValue::Table(table) => sections.push(Section::new(
                    self.source,
                    table,
                    schema,
                    element.span().start,
                )),
                _ => {
                    self.refuse::<()>(key, element, "a list of tables", findings);
                }
            }
        }
        sections
    }

    /// The entries of a table whose keys the admin chooses, each with a list of texts, in the
    /// order of the file.
    pub fn lists_by_name(
        &self,
        key: &str,
        findings: &mut Findings,
    ) -> Vec<(Placed<String>, Vec<Placed<String>>)> {
        self.entries(
            key,
            "a list of texts for each of its keys",
            findings,
            |value| match value.get_ref() {
                DeValue::Array(array) => {
                    array.iter().map(|element| self.text_of(element)).collect()
                }
                _ => None,
            },
        )
    }

    /// The entries of a table whose keys the admin chooses, each with a text, in the order of the file.
    pub fn texts_by_name(
        &self,
        key: &str,
        findings: &mut Findings,
    ) -> Vec<(Placed<String>, Placed<String>)> {
        self.entries(key, "a text for each of its keys", findings, |value| {
            self.text_of(value)
        })
    }

    fn entries<T>(
        &self,
        key: &str,
        expected: &str,
        findings: &mut Findings,
        read: impl Fn(&Spanned<DeValue<'a>>) -> Option<T>,
    ) -> Vec<(Placed<String>, T)> {
        let Some(value) = self.find(key) else {
            return Vec::new();
        };
        let DeValue::Table(table) = value.get_ref() else {
            self.refuse::<()>(key, value, "a table", findings);
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(table.len());
        for (name, value) in table.iter() {
            let placed = Placed {
                value: name.get_ref().to_string(),
                place: self.source.place(name.span().start),
            };
            match read(value) {
                Some(value) => entries.push((placed, value)),
                None => {
                    self.refuse::<()>(key, value, expected, findings);
                }
            }
        }
        entries.sort_by(|(a, _), (b, _)| a.place.cmp(&b.place));
        entries
    }

    /// A text; a date or a time without quotes is taken as it is written.
    fn text_of(&self, value: &Spanned<DeValue<'_>>) -> Option<Placed<String>> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(datetime) => datetime.to_string(),
            _ => return None,
        };
        Some(Placed {
            value: text,
            place: self.source.place(value.span().start),
        })
    }

    fn refuse<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
        findings: &mut Findings,
    ) -> Option<T> {
        let place = self.source.place(value.span().start);
        let example = match self.schema.key(key) {
            Some(Key { name, example }) if example.starts_with('[') && example.contains(name) => {
                format!(", written {example}")
            }
            Some(Key { name, example }) => format!(", as in {name} = {example}"),
            None => String::new(),
        };
        let found = value.get_ref().type_str();
        let found = match value.get_ref() {
            DeValue::Integer(integer) => format!("{integer}"),
            DeValue::String(text) => format!("the text \"{text}\""),
            _ => format!("{} {found}", article(found)),
        };
        findings.error(
            &place,
            format!("`{key}` takes {expected}{example}. This is {found}."),
        );
        None
    }
}

fn chosen<T: Copy>(
    text: &Placed<String>,
    choices: &[(&str, T)],
    findings: &mut Findings,
    refusal: impl Fn(&str) -> String,
) -> Option<Placed<T>> {
    let found = choices.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let meant = nearest(&text.value, words.iter().copied())
            .map(|word| format!(" Did you mean \"{word}\"?"))
            .unwrap_or_default();
        let refusal = refusal(&words.join(", "));
        findings.error(&text.place, format!("{refusal}{meant}"));
    }
    found.map(|(_, value)| text.with(*value))
}

fn unknown_kind(key: &str, written: &str, kinds: &[Kind]) -> String {
    if written == Kind::Call.as_str() {
        return format!("`{key}` takes no `call`: a user on a call gets no other. Remove it.");
    }
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let meant = nearest(written, names.iter().copied())
        .map(|name| format!(" Did you mean `{name}`?"))
        .unwrap_or_default();
    format!(
        "`{written}` in `{key}` is no kind: there are {}.{meant}",
        names.join(", ")
    )
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

pub(super) fn unknown_key(written: &str, schema: &Table) -> String {
    let table = schema.title();
    let within = if schema.name.is_empty() { "at" } else { "in" };
    if schema.is_later(written) {
        return format!(
            "`{written}` {within} {table} is not available in this version. Remove it."
        );
    }
    if let Some(sibling) = schema.sibling_with(written) {
        return format!(
            "`{written}` belongs to {}, and this is {table}. Remove it.",
            sibling.title()
        );
    }
    format!(
        "there is no key `{written}` {within} {table}.{}",
        suggestion(written, schema.names()).replace('"', "`")
    )
}

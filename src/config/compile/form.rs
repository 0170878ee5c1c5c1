//! `[[channel]]` of kind `form`

use std::collections::BTreeMap;
use std::time::Duration;

use super::people::Access;
use super::text;
use crate::config::diagnostic::{Findings, Place};
use crate::config::section::Placed;
use crate::config::tree::{ChannelEntry, FieldEntry, FormEntry, Text, Tree};
use crate::core::snapshot::{FieldType, FormChannel, FormField, Target};

/// Fields of one form; who fills in more has given up.
const MAX_FIELDS: usize = 50;

/// Things to choose from in one field.
const MAX_CHOICES: usize = 200;

/// The longest line that visitors read, in characters.
const MAX_LINE_CHARACTERS: usize = 200;

/// The longest text that visitors read, in characters.
const MAX_TEXT_CHARACTERS: usize = 5000;

/// Nobody reads a form and fills it in faster.
const DEFAULT_MINIMUM_FILL: Duration = Duration::from_secs(2);

/// What one address may send in an hour: an office behind one address has room.
const DEFAULT_HOURLY_LIMIT: u32 = 20;

const DEFAULT_THANKS: &str = "Thank you. Your message has arrived.";

/// The largest file where nothing is said, in megabytes.
const DEFAULT_LARGEST_MEGABYTES: i64 = 5;

const OCTETS_PER_MEGABYTE: usize = 1024 * 1024;

/// Lengths of texts where nothing is said, in characters.
const LINE: usize = 200;
const LETTER: usize = 10_000;
/// RFC 5321 §4.5.3.1 allows no longer address.
const ADDRESS: usize = 254;

pub(super) fn form(
    channel: &ChannelEntry,
    entry: &FormEntry,
    tree: &Tree,
    access: &Access<'_>,
    findings: &mut Findings,
) -> FormChannel {
    let line = |key, written: &Option<Text>, default: &str, findings: &mut Findings| match written {
        Some(written) => text::line(key, written, MAX_LINE_CHARACTERS, findings),
        None => default.to_owned(),
    };
    FormChannel {
        title: line("title", &entry.title, &channel.name.value, findings),
        fields: fields(&entry.fields, findings),
        thanks: entry
            .thanks
            .as_ref()
            .map_or(DEFAULT_THANKS.to_owned(), |thanks| {
                text::lines("thanks", thanks, MAX_TEXT_CHARACTERS, findings)
            }),
        redirect: entry
            .redirect
            .as_ref()
            .and_then(|written| text::web_address("redirect", written, findings))
            .map(String::from),
        allowed_origins: origins(&entry.allowed_origins, findings),
        minimum_fill: entry.minimum_fill.unwrap_or(DEFAULT_MINIMUM_FILL),
        hourly_limit: entry.hourly_limit.unwrap_or(DEFAULT_HOURLY_LIMIT),
        mail_owner: mail_owner(channel, entry, tree, access, findings),
    }
}

pub(super) fn origins(written: &[Text], findings: &mut Findings) -> Vec<String> {
    written
        .iter()
        .filter_map(|written| text::origin(written, findings))
        .collect()
}

/// Whether owners get submissions by mail: where it is said, else where a rule seeks the owner.
fn mail_owner(
    channel: &ChannelEntry,
    entry: &FormEntry,
    tree: &Tree,
    access: &Access<'_>,
    findings: &mut Findings,
) -> bool {
    let seeks = channel.seeks(Target::ContactOwner);
    let mails = entry.mail_owner.as_ref().map_or(seeks, |it| it.value);
    let place = entry
        .mail_owner
        .as_ref()
        .map_or(&channel.name.place, |it| &it.place);
    let name = &channel.name.value;
    if !mails {
        if tree.smtp.is_none() {
            let message = format!(
                "there is no [smtp]: nobody can reply by mail to what form \"{name}\" brings."
            );
            findings.warning(&channel.name.place, message);
        }
        return false;
    }
    if tree.smtp.is_none() {
        let message = format!(
            "form \"{name}\" mails submissions to owners who are offline, and there is no [smtp]. Add [smtp], or mail_owner = false."
        );
        findings.error(place, message);
    }
    let without: Vec<&str> = tree
        .users
        .iter()
        .filter(|user| user.seat.is_some() && user.email.is_none())
        .map(|user| user.name.value.as_str())
        .filter(|user| access.admits(user))
        .collect();
    if !without.is_empty() {
        let message = format!(
            "form \"{name}\" mails submissions to owners who are offline, and these who can be owners have no `email`: {}. Give each an address, or write mail_owner = false.",
            without.join(", ")
        );
        findings.error(place, message);
    }
    true
}

fn fields(written: &[FieldEntry], findings: &mut Findings) -> Vec<FormField> {
    if written.is_empty() {
        return default_fields();
    }
    if let Some(field) = written.get(MAX_FIELDS) {
        let message = format!("a form has {MAX_FIELDS} fields at most.");
        findings.error(&field.name.place, message);
    }
    let mut once = Once::new("field");
    written
        .iter()
        .map(|field| {
            once.check(&field.name, &field.field_type, findings);
            self::field(field, findings)
        })
        .collect()
}

/// What a form asks where nothing is said.
fn default_fields() -> Vec<FormField> {
    let field = |name: &str, label: &str, field_type, required, max_length| FormField {
        name: name.to_owned(),
        label: label.to_owned(),
        field_type,
        required,
        max_length,
        choices: Vec::new(),
    };
    vec![
        field("name", "Name", FieldType::Name, false, LINE),
        field("email", "Email", FieldType::Email, true, ADDRESS),
        field("message", "Message", FieldType::Multiline, true, LETTER),
    ]
}

fn field(entry: &FieldEntry, findings: &mut Findings) -> FormField {
    text::check_word("a field", &entry.name, findings);
    FormField {
        name: entry.name.value.clone(),
        label: match &entry.label {
            Some(label) => text::line("label", label, MAX_LINE_CHARACTERS, findings),
            None => label_of(&entry.name.value),
        },
        field_type: entry.field_type.value,
        required: entry.required,
        max_length: max_length(entry, findings),
        choices: choices(&entry.name, &entry.field_type, &entry.choices, findings),
    }
}

fn label_of(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

fn max_length(entry: &FieldEntry, findings: &mut Findings) -> usize {
    let is_file = entry.field_type.value == FieldType::File;
    if let Some(length) = entry.max_length.as_ref().filter(|_| is_file) {
        let message =
            "`max_length` is for texts. Write how large a file may be as largest_megabytes = 5.";
        findings.error(&length.place, message);
    }
    if let Some(largest) = entry.largest_megabytes.as_ref().filter(|_| !is_file) {
        let message = "`largest_megabytes` is for fields of type \"file\". Texts have `max_length`, in characters.";
        findings.error(&largest.place, message);
    }
    if is_file {
        let megabytes = entry.largest_megabytes.as_ref().map(|it| it.value);
        let megabytes = usize::try_from(megabytes.unwrap_or(DEFAULT_LARGEST_MEGABYTES));
        return megabytes
            .unwrap_or_default()
            .saturating_mul(OCTETS_PER_MEGABYTE);
    }
    let written = entry.max_length.as_ref().map(|it| it.value);
    let written = written.and_then(|length| usize::try_from(length).ok());
    written.unwrap_or(match entry.field_type.value {
        FieldType::Multiline => LETTER,
        FieldType::Email => ADDRESS,
        FieldType::Text
        | FieldType::Phone
        | FieldType::Name
        | FieldType::Subject
        | FieldType::Number
        | FieldType::Date
        | FieldType::Choice
        | FieldType::Checkbox
        | FieldType::File => LINE,
    })
}

/// What may be chosen: needed by `choice`, and by nothing else.
pub(super) fn choices(
    name: &Placed<String>,
    field_type: &Placed<FieldType>,
    written: &[Text],
    findings: &mut Findings,
) -> Vec<String> {
    let is_choice = field_type.value == FieldType::Choice;
    if is_choice && written.is_empty() {
        let message = format!(
            "\"{}\" is a choice of nothing. Add choices = [\"An order\", \"Something else\"].",
            name.value
        );
        findings.error(&field_type.place, message);
    }
    if let Some(first) = written.first().filter(|_| !is_choice) {
        let message = "`choices` is for type = \"choice\". Write that beside it.";
        findings.error(&first.place, message);
    }
    if let Some(choice) = written.get(MAX_CHOICES) {
        let message = format!("`choices` takes {MAX_CHOICES} at most.");
        findings.error(&choice.place, message);
    }
    let mut choices: Vec<String> = Vec::with_capacity(written.len());
    for choice in written {
        let text = text::line("choices", choice, MAX_LINE_CHARACTERS, findings);
        if choices.contains(&text) {
            findings.error(&choice.place, format!("\"{text}\" stands twice."));
        }
        choices.push(text);
    }
    choices
}

/// What a form or a chatflow asks once: each name, and what a contact has one of.
pub(super) struct Once {
    what: &'static str,
    names: BTreeMap<String, Place>,
    of_contact: BTreeMap<&'static str, Place>,
}

impl Once {
    pub fn new(what: &'static str) -> Once {
        Once {
            what,
            names: BTreeMap::new(),
            of_contact: BTreeMap::new(),
        }
    }

    pub fn check(
        &mut self,
        name: &Placed<String>,
        field_type: &Placed<FieldType>,
        findings: &mut Findings,
    ) {
        let what = self.what;
        if let Some(first) = self.names.get(&name.value) {
            let message = format!(
                "there is a {what} \"{}\" in {first} already. Give this one another name.",
                name.value
            );
            findings.error(&name.place, message);
        } else {
            self.names.insert(name.value.clone(), name.place.clone());
        }
        let contact = match field_type.value {
            FieldType::Email => "email",
            FieldType::Phone => "phone",
            FieldType::Name => "name",
            FieldType::Subject => "subject",
            FieldType::Text
            | FieldType::Multiline
            | FieldType::Number
            | FieldType::Date
            | FieldType::Choice
            | FieldType::Checkbox
            | FieldType::File => return,
        };
        if let Some(first) = self.of_contact.get(contact) {
            let message = format!(
                "there is a {what} of type \"{contact}\" in {first} already, and a conversation has one. Make this one type = \"text\"."
            );
            findings.error(&field_type.place, message);
        } else {
            self.of_contact.insert(contact, field_type.place.clone());
        }
    }
}

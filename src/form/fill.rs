//! What a visitor has written, held against what the form asks.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::core::conversation::ContactHint;
use crate::core::number::{Country, to_e164};
use crate::core::snapshot::{FieldType, FormChannel, FormField};
use crate::core::text::is_address;

/// What is kept of a box that is not ticked.
const UNTICKED: &str = "no";

/// A file as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upload {
    /// The field.
    pub field: String,
    /// Its name, as the visitor's browser says.
    pub file_name: String,
    /// Its media type, as the visitor's browser says.
    pub content_type: String,
    /// Its contents.
    pub octets: Vec<u8>,
}

/// What was sent: texts by name, and files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Names and texts in the order sent.
    pub values: Vec<(String, String)>,
    /// Files.
    pub files: Vec<Upload>,
}

impl Sent {
    /// The first text of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter();
        values
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What is wrong, a sentence for each field.
pub(super) type Errors = BTreeMap<String, String>;

/// A submission without mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    /// Names and values in the order of the form. Files are named by their names.
    pub fields: Vec<(String, String)>,
    /// Files to be stored.
    pub files: Vec<Upload>,
    /// What is known of the visitor.
    pub contact: ContactHint,
    /// The subject, where the form asks for one.
    pub subject: Option<String>,
    /// What people read.
    pub text: String,
}

/// Holds `sent` against the form.
///
/// # Errors
/// Each field that is missing or wrong.
pub(super) fn fill(
    form: &FormChannel,
    sent: &Sent,
    country: Option<Country>,
) -> Result<Filled, Errors> {
    let mut errors = Errors::new();
    let mut filled = Filled {
        fields: Vec::new(),
        files: Vec::new(),
        contact: ContactHint::default(),
        subject: None,
        text: String::new(),
    };
    for field in &form.fields {
        let result = match field.field_type {
            FieldType::File => take_file(field, sent, &mut filled),
            _ => take_text(field, sent, country, &mut filled),
        };
        if let Err(sentence) = result {
            errors.insert(field.name.clone(), sentence);
        }
    }
    if errors.is_empty()
        && says_nothing(form, &filled)
        && let Some(first) = form.fields.first()
    {
        let sentence = "Nothing is filled in. Write something, here or in another field.";
        errors.insert(first.name.clone(), sentence.to_owned());
    }
    if errors.is_empty() {
        filled.text = text(form, &filled);
        Ok(filled)
    } else {
        Err(errors)
    }
}

/// Whether nothing arrives but boxes that are not ticked, of a form that asks for more than those.
fn says_nothing(form: &FormChannel, filled: &Filled) -> bool {
    let asks_more = form
        .fields
        .iter()
        .any(|it| it.field_type != FieldType::Checkbox);
    let is_box = |name: &str| {
        let mut fields = form.fields.iter();
        fields.any(|it| it.name == name && it.field_type == FieldType::Checkbox)
    };
    let mut arrived = filled.fields.iter();
    asks_more && arrived.all(|(name, value)| value == UNTICKED && is_box(name))
}

/// Names that are sent and not asked for.
pub(super) fn unknown<'a>(form: &FormChannel, sent: &'a Sent) -> Vec<&'a str> {
    let asked = |name: &str| form.fields.iter().any(|field| field.name == name);
    let texts = sent.values.iter().map(|(name, _)| name.as_str());
    let files = sent.files.iter().map(|file| file.field.as_str());
    texts.chain(files).filter(|name| !asked(name)).collect()
}

fn take_file(field: &FormField, sent: &Sent, filled: &mut Filled) -> Result<(), String> {
    let mut files = sent.files.iter().filter(|file| file.field == field.name);
    let Some(file) = files.next() else {
        return match field.required {
            true => Err("Choose a file.".to_owned()),
            false => Ok(()),
        };
    };
    if files.next().is_some() {
        return Err("Choose one file only.".to_owned());
    }
    if file.octets.len() > field.max_length {
        return Err(format!(
            "This file is too large: {} at most.",
            size(field.max_length)
        ));
    }
    let name = crate::inbox::clean_file_name(&file.file_name);
    filled.fields.push((field.name.clone(), name));
    filled.files.push(file.clone());
    Ok(())
}

/// `5 MB`, `300 kB`
pub(super) fn size(octets: usize) -> String {
    const KILO: usize = 1024;
    match octets {
        0..KILO => format!("{octets} octets"),
        _ if octets < KILO * KILO => format!("{} kB", octets / KILO),
        _ => format!("{} MB", octets / KILO / KILO),
    }
}

fn take_text(
    field: &FormField,
    sent: &Sent,
    country: Option<Country>,
    filled: &mut Filled,
) -> Result<(), String> {
    let mut values = sent.values.iter().filter(|(name, _)| *name == field.name);
    let value = values.next().map_or("", |(_, value)| value.as_str());
    if values.next().is_some() {
        return Err("This was sent more than once.".to_owned());
    }
    let value = match field.field_type {
        FieldType::Multiline => lines(value),
        FieldType::Checkbox => ticked(field, value)?,
        _ => line(value),
    };
    if value.is_empty() {
        return match (field.required, field.field_type) {
            (false, _) => Ok(()),
            (true, FieldType::Choice) => Err("Choose one.".to_owned()),
            (true, _) => Err("Fill this in.".to_owned()),
        };
    }
    let length = value.chars().count();
    if length > field.max_length {
        return Err(format!(
            "This is too long: {length} characters, {} at most.",
            field.max_length
        ));
    }
    check(field, &value)?;
    match field.field_type {
        FieldType::Email => filled.contact.address = Some(value.clone()),
        FieldType::Phone => filled.contact.number = to_e164(&value, country),
        FieldType::Name => filled.contact.name = Some(value.clone()),
        FieldType::Subject => filled.subject = Some(value.clone()),
        FieldType::Text
        | FieldType::Multiline
        | FieldType::Number
        | FieldType::Date
        | FieldType::Choice
        | FieldType::Checkbox
        | FieldType::File => {}
    }
    filled.fields.push((field.name.clone(), value));
    Ok(())
}

fn ticked(field: &FormField, value: &str) -> Result<String, String> {
    match line(value).as_str() {
        "" | "no" | "false" | "off" | "0" if field.required => Err("Tick this box.".to_owned()),
        "" | "no" | "false" | "off" | "0" => Ok(UNTICKED.to_owned()),
        "on" | "yes" | "true" | "1" => Ok("yes".to_owned()),
        _ => Err("Write yes or no.".to_owned()),
    }
}

fn check(field: &FormField, value: &str) -> Result<(), String> {
    let is_right = match field.field_type {
        FieldType::Email => is_address(value),
        FieldType::Phone => is_phone(value),
        FieldType::Number => is_number(value),
        FieldType::Date => NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok(),
        FieldType::Choice => field.choices.iter().any(|choice| choice == value),
        FieldType::Text
        | FieldType::Multiline
        | FieldType::Name
        | FieldType::Subject
        | FieldType::Checkbox
        | FieldType::File => true,
    };
    if is_right {
        return Ok(());
    }
    Err(match field.field_type {
        FieldType::Email => "Write a mail address, like kari@example.com.",
        FieldType::Phone => "Write a phone number, like +47 22 33 44 55.",
        FieldType::Number => "Write a number.",
        FieldType::Date => "Write a date, like 2026-12-31.",
        FieldType::Choice => "Choose one of those that are offered.",
        FieldType::Text
        | FieldType::Multiline
        | FieldType::Name
        | FieldType::Subject
        | FieldType::Checkbox
        | FieldType::File => "Write something else.",
    }
    .to_owned())
}

fn is_phone(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let is_sign = |c: char| c.is_ascii_digit() || " +-./()".contains(c);
    (3..=20).contains(&digits) && value.chars().all(is_sign)
}

fn is_number(value: &str) -> bool {
    let number = value.replace(',', ".");
    let is_sign = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    number.chars().all(is_sign) && number.parse::<f64>().is_ok_and(f64::is_finite)
}

/// One line: control characters and line breaks are spaces.
fn line(value: &str) -> String {
    let plain: String = value
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        })
        .collect();
    plain.trim().to_owned()
}

/// Many lines: every line break is one character, and other control characters but tabs are left out.
fn lines(value: &str) -> String {
    let broken = value.replace("\r\n", "\n").replace('\r', "\n");
    let is_kept = |c: &char| matches!(c, '\n' | '\t') || !c.is_control();
    let kept: String = broken.chars().filter(is_kept).collect();
    kept.trim().to_owned()
}

/// What the visitor wrote at length, or all of it with its labels where nothing is long.
fn text(form: &FormChannel, filled: &Filled) -> String {
    let value = |field: &FormField| {
        let mut fields = filled.fields.iter();
        let found = fields.find(|(name, _)| *name == field.name);
        found.map(|(_, value)| value.as_str())
    };
    let letters: Vec<&str> = form
        .fields
        .iter()
        .filter(|field| field.field_type == FieldType::Multiline)
        .filter_map(value)
        .collect();
    if !letters.is_empty() {
        return letters.join("\n\n");
    }
    let lines = form
        .fields
        .iter()
        .filter_map(|field| Some(format!("{}: {}", field.label, value(field)?)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, field_type: FieldType) -> FormField {
        FormField {
            name: name.to_owned(),
            label: name.to_owned(),
            field_type,
            required: false,
            max_length: 40,
            choices: vec!["red".to_owned(), "green".to_owned()],
        }
    }

    fn form(fields: Vec<FormField>) -> FormChannel {
        FormChannel {
            title: "Contact".to_owned(),
            fields,
            thanks: "Thanks".to_owned(),
            redirect: None,
            allowed_origins: Vec::new(),
            minimum_fill: std::time::Duration::ZERO,
            hourly_limit: 20,
            mail_owner: false,
        }
    }

    fn sent(values: &[(&str, &str)]) -> Sent {
        Sent {
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            files: Vec::new(),
        }
    }

    /// The value that is kept, or the sentence that refuses it.
    fn one(field_type: FieldType, value: &str) -> Result<String, String> {
        let form = form(vec![field("it", field_type)]);
        match fill(&form, &sent(&[("it", value)]), None) {
            Ok(filled) => Ok(filled.fields.into_iter().map(|(_, value)| value).collect()),
            Err(mut errors) => Err(errors.remove("it").unwrap()),
        }
    }

    #[test]
    fn each_type_takes_what_it_is_for() {
        use FieldType::*;
        for (field_type, good, bad) in [
            (
                Email,
                &["kari@example.com", "o'hara+a@sub.example.co.uk", "å@ø.no"][..],
                &[
                    "kari",
                    "kari@",
                    "@example.com",
                    "kari@localhost",
                    "a b@example.com",
                    "a@b@example.com",
                    "a@example..com",
                    "a@-x.com",
                    ".a@example.com",
                    "a,b@example.com",
                    "<a@example.com>",
                    "\"a b\"@example.com",
                ][..],
            ),
            (
                Phone,
                &["+47 22 33 44 55", "(020) 7946-0000", "112"],
                &["12", "call me", "+47 22 33 44 55 x1", "1".repeat(21).leak()],
            ),
            (
                Number,
                &["7", "-1.5", "1,5", "007"],
                &["seven", "NaN", "inf", "1e5", "1.2.3", "0x10"],
            ),
            (
                Date,
                &["2028-02-29"],
                &["2027-02-29", "31.12.2026", "2026-12", "soon"],
            ),
            (Choice, &["red", "green"], &["blue", "Red"]),
            (
                Text,
                &["<script>alert(1)</script>", "=1+1", "'; drop table"],
                &[],
            ),
        ] {
            for value in good {
                assert_eq!(
                    one(field_type, value).as_deref(),
                    Ok(*value),
                    "{field_type:?}"
                );
            }
            for value in bad {
                assert!(one(field_type, value).is_err(), "{field_type:?} {value}");
            }
        }
        for (value, kept) in [("on", "yes"), ("true", "yes"), ("", "no"), ("0", "no")] {
            assert_eq!(one(Checkbox, value).as_deref(), Ok(kept));
        }
        assert!(one(Checkbox, "maybe").is_err());
    }

    #[test]
    fn no_line_of_a_header_can_be_broken_by_a_line_of_a_form() {
        use FieldType::*;
        for field_type in [Text, Name, Subject] {
            assert_eq!(
                one(field_type, "  Hello\r\nBcc: eve@example.com\u{2028}x\0 ").as_deref(),
                Ok("Hello  Bcc: eve@example.com x")
            );
        }
        assert!(one(Email, "a@example.com\r\nBcc: eve@example.com").is_err());
        assert_eq!(
            one(Multiline, "one\r\ntwo\rthree\u{1b}[2J\n").as_deref(),
            Ok("one\ntwo\nthree[2J")
        );
    }

    #[test]
    fn what_is_missing_too_long_or_twice_is_said_for_each_field() {
        let mut fields = vec![
            field("name", FieldType::Name),
            field("colour", FieldType::Choice),
            field("terms", FieldType::Checkbox),
            field("photo", FieldType::File),
            field("long", FieldType::Text),
            field("twice", FieldType::Text),
        ];
        for field in &mut fields {
            field.required = true;
        }
        let long = "å".repeat(41);
        let sent = sent(&[
            ("name", " "),
            ("long", &long),
            ("twice", "a"),
            ("twice", "b"),
        ]);
        let errors = fill(&form(fields), &sent, None).unwrap_err();
        let errors: Vec<String> = errors
            .iter()
            .map(|(name, it)| format!("{name}: {it}"))
            .collect();
        insta::assert_snapshot!(errors.join("\n"), @r"
        colour: Choose one.
        long: This is too long: 41 characters, 40 at most.
        name: Fill this in.
        photo: Choose a file.
        terms: Tick this box.
        twice: This was sent more than once.
        ");
    }

    #[test]
    fn a_submission_tells_who_sent_it_and_what() {
        let fields = vec![
            field("who", FieldType::Name),
            field("mail", FieldType::Email),
            field("tel", FieldType::Phone),
            field("about", FieldType::Subject),
            field("message", FieldType::Multiline),
        ];
        let values = [
            ("message", "Hello\nthere"),
            ("who", "Kari"),
            ("mail", "kari@example.com"),
            ("tel", "+47 22 33 44 55"),
            ("about", "A question"),
            ("extra", "x"),
        ];
        let form = form(fields);
        let filled = fill(&form, &sent(&values), None).unwrap();
        assert_eq!(filled.contact.name.as_deref(), Some("Kari"));
        assert_eq!(filled.contact.address.as_deref(), Some("kari@example.com"));
        assert!(!filled.contact.verified);
        let number = filled.contact.number.as_ref().map(|number| number.as_str());
        assert_eq!(number, Some("+4722334455"));
        assert_eq!(filled.subject.as_deref(), Some("A question"));
        assert_eq!(filled.text, "Hello\nthere");
        let names: Vec<&str> = filled
            .fields
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["who", "mail", "tel", "about", "message"]);
        assert_eq!(unknown(&form, &sent(&values)), ["extra"]);
    }

    #[test]
    fn without_a_letter_the_answers_are_the_text() {
        let form = form(vec![
            field("size", FieldType::Number),
            field("colour", FieldType::Choice),
        ]);
        let filled = fill(&form, &sent(&[("size", "7"), ("colour", "red")]), None).unwrap();
        assert_eq!(filled.text, "size: 7\ncolour: red");
    }
}

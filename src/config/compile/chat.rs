//! `[[channel]]` of kind `chat`

use std::time::Duration;

use super::form::{Once, choices, origins};
use super::text;
use crate::config::diagnostic::Findings;
use crate::config::tree::{ChannelEntry, ChatEntry, ChatflowEntry, QuestionEntry, Text};
use crate::core::snapshot::{ChatChannel, ChatQuestion, FieldType};

/// Questions before somebody is sought: beyond these, visitors go.
const MAX_QUESTIONS: usize = 20;

/// The longest line that visitors read, in characters.
const MAX_LINE_CHARACTERS: usize = 100;

/// The longest greeting or question, in characters.
const MAX_TEXT_CHARACTERS: usize = 2000;

const DEFAULT_COLOUR: &str = "#1a73e8";
const DEFAULT_BUTTON: &str = "Chat with us";

/// A visitor who has not written for half an hour has gone.
const DEFAULT_IDLE: Duration = Duration::from_secs(30 * 60);

/// Chats that one address may begin in an hour: an office behind one address has room.
const DEFAULT_HOURLY_LIMIT: u32 = 20;

pub(super) fn chat(
    channel: &ChannelEntry,
    entry: &ChatEntry,
    findings: &mut Findings,
) -> ChatChannel {
    let chatflow = entry.chatflow.as_ref();
    let line = |key, written: &Option<Text>, default: &str, findings: &mut Findings| match written {
        Some(written) => text::line(key, written, MAX_LINE_CHARACTERS, findings),
        None => default.to_owned(),
    };
    let rules = [&channel.break_, &channel.after_hours];
    let has_word = rules.into_iter().flatten().any(|rule| rule.reply.is_some());
    ChatChannel {
        title: line("title", &entry.title, DEFAULT_BUTTON, findings),
        colour: entry
            .colour
            .as_ref()
            .and_then(|written| colour(written, findings))
            .unwrap_or_else(|| DEFAULT_COLOUR.to_owned()),
        side: entry.side,
        button: line("button", &entry.button, DEFAULT_BUTTON, findings),
        allowed_origins: origins(&entry.allowed_origins, findings),
        greeting: chatflow
            .and_then(|chatflow| chatflow.greeting.as_ref())
            .map(|greeting| text::lines("greeting", greeting, MAX_TEXT_CHARACTERS, findings)),
        questions: chatflow.map_or(Vec::new(), |chatflow| questions(chatflow, findings)),
        offline_form: entry.offline_form.unwrap_or(!has_word),
        idle_close: entry.idle_close.unwrap_or(DEFAULT_IDLE),
        hourly_limit: entry.hourly_limit.unwrap_or(DEFAULT_HOURLY_LIMIT),
    }
}

fn colour(written: &Text, findings: &mut Findings) -> Option<String> {
    let digits = written.value.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Some(written.value.to_ascii_lowercase());
    }
    let message = format!(
        "\"{}\" is not a colour. Write # and six digits of red, green and blue, as in colour = \"{DEFAULT_COLOUR}\".",
        written.value.escape_debug()
    );
    findings.error(&written.place, message);
    None
}

fn questions(chatflow: &ChatflowEntry, findings: &mut Findings) -> Vec<ChatQuestion> {
    if let Some(question) = chatflow.questions.get(MAX_QUESTIONS) {
        let message = format!("a chatflow asks {MAX_QUESTIONS} questions at most.");
        findings.error(&question.name.place, message);
    }
    let mut once = Once::new("question");
    chatflow
        .questions
        .iter()
        .map(|written| {
            once.check(&written.name, &written.field_type, findings);
            question(written, findings)
        })
        .collect()
}

fn question(entry: &QuestionEntry, findings: &mut Findings) -> ChatQuestion {
    text::check_word("a question", &entry.name, findings);
    let field_type = &entry.field_type;
    if matches!(field_type.value, FieldType::Checkbox | FieldType::File) {
        let message = "a chat asks for words: type is text, multiline, email, phone, name, subject, number, date or choice.";
        findings.error(&field_type.place, message);
    }
    ChatQuestion {
        name: entry.name.value.clone(),
        text: text::lines("text", &entry.text, MAX_TEXT_CHARACTERS, findings),
        field_type: field_type.value,
        choices: choices(&entry.name, field_type, &entry.choices, findings),
        optional: entry.optional,
    }
}

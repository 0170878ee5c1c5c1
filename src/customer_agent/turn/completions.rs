//! The chat-completions form: a list of messages with roles goes out, one message comes back.
//!
//! Roles are ours alone. What people wrote stands in `content` of its message and nowhere else, so no
//! text can make itself an instruction of ours.

use serde_json::{Value, json};

use super::transcript::{Line, Speaker};
use super::verdict::{Verdict, one_line};

/// The function by which the program hands over.
const TOOL: &str = "hand_over_to_person";

/// What it may write instead, on a line of its own, where it cannot call functions.
const MARKER: &str = "HAND_OVER_TO_PERSON";

/// The longest name of a message's author, by the protocol.
const LONGEST_NAME: usize = 64;

/// The body of a request.
pub fn request(model: &str, instructions: &str, lines: &[Line]) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": system(instructions) })];
    messages.extend(
        lines
            .iter()
            .filter(|line| !line.text.is_empty())
            .map(message),
    );
    json!({
        "model": model,
        "messages": messages,
        "tools": [{
            "type": "function",
            "function": {
                "name": TOOL,
                "description": "Ends your part and gives the conversation to a person. Call it when the customer asks for a person, or when you cannot help.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "reason": {
                            "type": "string",
                            "description": "Why, in one sentence that the person will read.",
                        },
                    },
                    "required": ["reason"],
                },
            },
        }],
        "tool_choice": "auto",
    })
}

fn system(instructions: &str) -> String {
    format!(
        "{instructions}\n\nTo give the conversation to a person, call the function {TOOL}. If you cannot call functions, answer with one line: {MARKER}: and the reason."
    )
}

fn message(line: &Line) -> Value {
    let role = match line.from {
        Speaker::Contact => "user",
        Speaker::Agent | Speaker::Person | Speaker::Automatic => "assistant",
    };
    let mut message = json!({ "role": role, "content": line.text });
    if let Some(name) = line.name.as_deref().and_then(allowed_name) {
        message["name"] = json!(name);
    }
    message
}

/// A name as the protocol allows it: letters, digits, `_` and `-`.
fn allowed_name(name: &str) -> Option<String> {
    let allowed: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(LONGEST_NAME)
        .collect();
    (!allowed.is_empty()).then_some(allowed)
}

/// What an answer with a status of success comes to.
pub fn read(body: &[u8]) -> Verdict {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Verdict::error("The customer agent's answer is not JSON.");
    };
    let choice = answer.pointer("/choices/0");
    let Some(message) = choice.and_then(|choice| choice.get("message")) else {
        let words = error_words(&answer);
        return Verdict::error(format!(
            "The customer agent's answer has no message{words}."
        ));
    };
    let content = content(message);
    if let Some(verdict) = tool_called(message, content.as_deref()) {
        return verdict;
    }
    let refusal = message.get("refusal").and_then(Value::as_str);
    if let Some(refusal) = refusal.filter(|text| !text.is_empty()) {
        return Verdict::hands_over(None, Some(&format!("it refused: {refusal}")));
    }
    let finished = choice.and_then(|choice| choice.get("finish_reason"));
    match finished.and_then(Value::as_str) {
        Some("length") => return Verdict::error("The customer agent's answer was cut off."),
        Some("content_filter") => {
            return Verdict::error("The customer agent's answer was withheld by a filter.");
        }
        Some(_) | None => {}
    }
    let content = content.unwrap_or_default();
    marked(&content).unwrap_or_else(|| Verdict::says(&content))
}

/// The text of a message: a string, or parts of which some are text.
fn content(message: &Value) -> Option<String> {
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            Some(texts.collect::<Vec<&str>>().concat())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn tool_called(message: &Value, content: Option<&str>) -> Option<Verdict> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let mut called: Vec<&Value> = calls
        .into_iter()
        .flatten()
        .filter_map(|call| call.get("function"))
        .collect();
    // As the protocol had it before tools.
    called.extend(message.get("function_call").filter(|call| call.is_object()));
    let name = |function: &&&Value| function.get("name").and_then(Value::as_str) == Some(TOOL);
    if let Some(function) = called.iter().find(name) {
        let arguments = match function.get("arguments") {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
            Some(other) => other.clone(),
            None => Value::Null,
        };
        let reason = arguments.get("reason").and_then(Value::as_str);
        return Some(Verdict::hands_over(content, reason));
    }
    let unknown = called.first()?;
    let name = unknown
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Some(Verdict::error(format!(
        "The customer agent called a function that was not offered: {}.",
        one_line(name)
    )))
}

/// The verdict where the text hands over by the marker at the beginning of a line.
fn marked(content: &str) -> Option<Verdict> {
    let mut before = String::new();
    for line in content.lines() {
        if let Some(rest) = line.trim().strip_prefix(MARKER) {
            let reason = rest.trim_start_matches([':', ' ']);
            return Some(Verdict::hands_over(Some(&before), Some(reason)));
        }
        before.push_str(line);
        before.push('\n');
    }
    None
}

/// What servers say of what went wrong, with a colon before it.
pub fn error_words(answer: &Value) -> String {
    let error = answer.get("error");
    let message = error.and_then(|error| error.get("message").or(Some(error)));
    match message.and_then(Value::as_str).map(one_line) {
        Some(words) if !words.is_empty() => format!(": {words}"),
        Some(_) | None => String::new(),
    }
}

//! Our own form: the conversation as JSON goes out, `{"reply": …}` or `{"hand_over": …}` comes back.

use serde::Serialize;
use serde_json::Value;

use super::transcript::Line;
use super::verdict::Verdict;
use super::{About, Question};
use crate::core::time::Wall;

/// The name of the event, for programs that take others too.
pub const EVENT: &str = "customer_agent.asked";

#[derive(Serialize)]
struct Asked<'a> {
    #[serde(rename = "type")]
    event: &'static str,
    at: Wall,
    agent: &'a str,
    turn: u32,
    conversation: &'a About,
    messages: &'a [Line],
}

/// The body of a request.
pub fn request(question: &Question, at: Wall) -> Vec<u8> {
    let asked = Asked {
        event: EVENT,
        at,
        agent: &question.agent.name,
        turn: question.turn,
        conversation: &question.about,
        messages: &question.lines,
    };
    // Strings and numbers of our own make JSON.
    serde_json::to_vec(&asked).unwrap_or_default()
}

/// What an answer with a status of success comes to.
pub fn read(body: &[u8]) -> Verdict {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return Verdict::error("The customer agent's answer is not a JSON object.");
    };
    let text = |key: &str| match answer.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(()),
    };
    match (text("reply"), text("hand_over")) {
        (Ok(first), Ok(Some(reason))) => Verdict::hands_over(first, Some(reason)),
        (Ok(Some(reply)), Ok(None)) => Verdict::says(reply),
        (Ok(None), Ok(None)) => {
            Verdict::error("The customer agent's answer has neither \"reply\" nor \"hand_over\".")
        }
        (Err(()), _) | (_, Err(())) => Verdict::error(
            "The customer agent's answer has a \"reply\" or \"hand_over\" that is no text.",
        ),
    }
}

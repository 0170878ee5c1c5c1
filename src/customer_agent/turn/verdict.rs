//! What a customer agent's answer comes to.

use super::transcript::cut;

/// Characters of an answer that are passed on to the customer; who says more is cut off.
const LONGEST_ANSWER: usize = 10_000;

/// Characters of a reason that people read.
const LONGEST_REASON: usize = 500;

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This is said to the customer.
    Says(String),
    /// People go on.
    HandsOver {
        /// Said to the customer before.
        first: Option<String>,
        /// What kind of reason.
        code: Code,
        /// The sentence that people read.
        reason: String,
    },
}

/// Why people go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The customer asked for a person.
    AskedForPerson,
    /// There was no answer in time.
    Timeout,
    /// There was none that could be used.
    Error,
    /// The agent has answered as often as it may.
    TurnLimit,
    /// The agent says so.
    Program,
}

impl Code {
    /// As it is kept.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::AskedForPerson => "asked-for-person",
            Code::Timeout => "timeout",
            Code::Error => "error",
            Code::TurnLimit => "turn-limit",
            Code::Program => "program",
        }
    }
}

impl Verdict {
    /// Something went wrong.
    pub fn error(reason: impl Into<String>) -> Verdict {
        Verdict::HandsOver {
            first: None,
            code: Code::Error,
            reason: reason.into(),
        }
    }

    /// The agent says something and goes on.
    pub fn says(text: &str) -> Verdict {
        match said(text) {
            Some(text) => Verdict::Says(text),
            None => Verdict::error("The customer agent's answer was empty."),
        }
    }

    /// The agent hands over, and may say something first.
    pub fn hands_over(first: Option<&str>, reason: Option<&str>) -> Verdict {
        let reason = reason.map(one_line).filter(|reason| !reason.is_empty());
        Verdict::HandsOver {
            first: first.and_then(said),
            code: Code::Program,
            reason: match reason {
                Some(reason) => format!("The customer agent hands over: {reason}"),
                None => "The customer agent hands over without a reason.".to_owned(),
            },
        }
    }
}

/// What is said, without what no text should hold; `None`: nothing.
fn said(text: &str) -> Option<String> {
    let clean: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| cut(clean, LONGEST_ANSWER))
}

/// A text of others on one line, not too long.
pub fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cut(line.trim(), LONGEST_REASON)
}

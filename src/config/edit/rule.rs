//! A rule as it is written, as JSON and as TOML.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest `then` that is written on one line, in characters.
const MAX_LINE_CHARACTERS: usize = 100;

/// A rule as it is written. What is absent has its default; what is present is written down, and
/// checked as the configuration is: a rule for calls takes no `reply`, one for messages no `voicemail`.
///
/// ```json
/// {"to": "contact-owner", "then": [{"teams": ["support"], "strategy": "round-robin"}], "reply": "We will answer."}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleText {
    /// `contact-owner`, `customer-agent` (messages), `nobody`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The customer agent, with `to = "customer-agent"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Users by name, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// Teams by name, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<String>>,
    /// Whether those who are away or full are passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_available: Option<bool>,
    /// `least-busy`, `round-robin` and the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Who comes first of two who are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_break: Option<String>,
    /// Calls: how long all of it may take, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_seconds: Option<i64>,
    /// Calls: how long each user rings, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_each: Option<i64>,
    /// Calls: how many ring at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ringing: Option<i64>,
    /// Further steps, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Vec<StepText>>,
    /// Calls: the prompt that a caller hears when nobody has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail: Option<String>,
    /// Messages: the automatic reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Messages: so long without a reply, and the conversation goes to the next, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_within_minutes: Option<i64>,
}

/// A step of `then` as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StepText {
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<String>>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_available: Option<bool>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_break: Option<String>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_seconds: Option<i64>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_each: Option<i64>,
    /// As in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ringing: Option<i64>,
    /// Calls, in the last step: the rule's voicemail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail: Option<String>,
}

impl RuleText {
    /// Its keys in the order that new ones are written in, each with its value on one line where present.
    pub(super) fn entries(&self) -> Vec<(&'static str, Option<String>)> {
        let mut entries = Vec::with_capacity(14);
        entries.extend(self.as_step().entries());
        let then = self
            .then
            .as_ref()
            .map(|steps| list(steps, StepText::inline));
        entries.push(("then", then));
        entries.push(("voicemail", self.voicemail.as_deref().map(quote)));
        entries.push(("reply", self.reply.as_deref().map(quote)));
        let minutes = self.answer_within_minutes.map(|it| it.to_string());
        entries.push(("answer_within_minutes", minutes));
        entries
    }

    /// The rule as an inline table.
    pub(super) fn inline(&self) -> String {
        inline(&self.entries())
    }

    /// A value of a statement that has a line, or several, of its own.
    pub(super) fn statement(&self, key: &str, value: &str, newline: &str) -> String {
        match (key, &self.then, &self.reply) {
            ("then", Some(steps), _) if value.chars().count() > MAX_LINE_CHARACTERS => {
                let steps = steps
                    .iter()
                    .map(|step| format!("  {},{newline}", step.inline()));
                format!("[{newline}{}]", steps.collect::<String>())
            }
            ("reply", _, Some(reply)) if reply.contains('\n') => quote_lines(reply, newline),
            _ => value.to_owned(),
        }
    }

    fn as_step(&self) -> StepText {
        StepText {
            to: self.to.clone(),
            agent: self.agent.clone(),
            users: self.users.clone(),
            teams: self.teams.clone(),
            only_available: self.only_available,
            strategy: self.strategy.clone(),
            tie_break: self.tie_break.clone(),
            ring_seconds: self.ring_seconds,
            ring_each: self.ring_each,
            max_ringing: self.max_ringing,
            voicemail: None,
        }
    }
}

impl StepText {
    fn entries(&self) -> Vec<(&'static str, Option<String>)> {
        let names = |names: &Option<Vec<String>>| {
            let names = names.as_ref()?;
            Some(list(names, |name| quote(name)))
        };
        let text = |text: &Option<String>| text.as_deref().map(quote);
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        vec![
            ("to", text(&self.to)),
            ("agent", text(&self.agent)),
            ("users", names(&self.users)),
            ("teams", names(&self.teams)),
            (
                "only_available",
                self.only_available.map(|it| it.to_string()),
            ),
            ("strategy", text(&self.strategy)),
            ("tie_break", text(&self.tie_break)),
            ("ring_seconds", number(self.ring_seconds)),
            ("ring_each", number(self.ring_each)),
            ("max_ringing", number(self.max_ringing)),
        ]
    }

    fn inline(&self) -> String {
        let mut entries = self.entries();
        entries.push(("voicemail", self.voicemail.as_deref().map(quote)));
        inline(&entries)
    }
}

fn inline(entries: &[(&'static str, Option<String>)]) -> String {
    let present: Vec<String> = entries
        .iter()
        .filter_map(|(key, value)| Some(format!("{key} = {}", value.as_ref()?)))
        .collect();
    match present.as_slice() {
        [] => "{}".to_owned(),
        present => format!("{{ {} }}", present.join(", ")),
    }
}

fn list<T>(items: &[T], render: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(render).collect();
    format!("[{}]", items.join(", "))
}

/// A basic string of TOML on one line: nothing in it ends it.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\n' => quoted.push_str("\\n"),
            _ => escape(character, &mut quoted),
        }
    }
    quoted.push('"');
    quoted
}

/// A basic string of TOML over several lines. The newline after the opening is none of the text.
fn quote_lines(text: &str, newline: &str) -> String {
    // In a file with other line ends, a line end of the text would become one of those.
    if newline != "\n" {
        return quote(text);
    }
    let mut quoted = String::from("\"\"\"\n");
    for character in text.chars() {
        match character {
            '\n' => quoted.push('\n'),
            _ => escape(character, &mut quoted),
        }
    }
    quoted.push_str("\"\"\"");
    quoted
}

fn escape(character: char, quoted: &mut String) {
    match character {
        '"' => quoted.push_str("\\\""),
        '\\' => quoted.push_str("\\\\"),
        '\t' => quoted.push_str("\\t"),
        '\r' => quoted.push_str("\\r"),
        control if control.is_control() => {
            quoted.push_str(&format!("\\u{:04X}", u32::from(control)));
        }
        other => quoted.push(other),
    }
}
